//! State that is not learned.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use crate::functional_call::{replace_stand_in, stand_in};
use crate::parameter::check_same;

/// A tensor of a module's state that takes no gradients: running statistics, counters, tables. A cheap handle: clones share the value.
#[derive(Clone)]
pub struct Buffer {
    value: Arc<Mutex<Tensor>>,
    persistent: bool,
}

impl Buffer {
    /// A buffer that is part of the state dict.
    pub fn new(value: Tensor) -> Buffer {
        Buffer { value: Arc::new(Mutex::new(value.with_trace(None))), persistent: true }
    }

    /// A buffer that is not part of the state dict, since it follows from the module's arguments.
    pub fn non_persistent(value: Tensor) -> Buffer {
        Buffer { persistent: false, ..Buffer::new(value) }
    }

    fn lock(&self) -> MutexGuard<'_, Tensor> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current value.
    pub fn tensor(&self) -> Tensor {
        stand_in(|| self.id()).unwrap_or_else(|| self.lock().clone())
    }

    /// Replaces the value; of a traced tensor only the values are kept.
    ///
    /// # Errors
    /// If shape, dtype or device differ, or the value is another one for each sample of a `vmap`.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        if replace_stand_in(self.id(), value) {
            return Ok(());
        }
        if value.trace().is_some_and(|t| t.hides_values()) {
            return Err(Error::unsupported(
                "Buffer::set",
                "inside of vmap the value differs between samples: keep no running statistics there, or give the buffer to `functional_call`",
            ));
        }
        let mut held = self.lock();
        check_same("Buffer::set", &held, value)?;
        *held = value.with_trace(None);
        Ok(())
    }

    /// Whether the buffer is part of the state dict.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Converts the value.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn to_dtype(&self, dtype: DType) -> Result<()> {
        let mut held = self.lock();
        *held = held.to_dtype(dtype)?;
        Ok(())
    }

    /// Moves the value.
    ///
    /// # Errors
    /// If the device fails.
    pub fn to_device(&self, device: Device) -> Result<()> {
        let mut held = self.lock();
        *held = held.to_device(device)?;
        Ok(())
    }

    /// A number that tells buffers apart while they live: clones have the same.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.value).addr()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.lock();
        write!(f, "Buffer({}{:?})", value.dtype(), value.shape())
    }
}
