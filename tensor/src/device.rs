//! A handle to a backend.

use std::fmt;

use rushlight_backend::{Backend, Result};

/// Where a tensor lives: a handle to a [`Backend`], small and `Copy`. Backends live as long as the process.
#[derive(Clone, Copy)]
pub struct Device(&'static dyn Backend);

impl Device {
    /// The CPU.
    pub fn cpu() -> Device {
        Device(&rushlight_backend_cpu::CPU)
    }

    /// The CUDA device with this number.
    ///
    /// # Errors
    /// If the crate was built without the feature `cuda`, or the machine has no driver or no such device.
    pub fn cuda(index: usize) -> Result<Device> {
        #[cfg(feature = "cuda")]
        return rushlight_backend_cuda::device(index).map(Device);
        #[cfg(not(feature = "cuda"))]
        Err(rushlight_backend::Error::device(
            format!("cuda:{index}"),
            "this build has no CUDA backend: build with the cargo feature `cuda`",
        ))
    }

    /// A device of another crate's making.
    pub fn new(backend: &'static dyn Backend) -> Device {
        Device(backend)
    }

    /// The backend behind the handle.
    pub fn backend(self) -> &'static dyn Backend {
        self.0
    }

    /// PyTorch's name: `cpu`, `cuda:0`.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

impl PartialEq for Device {
    #[inline]
    fn eq(&self, other: &Device) -> bool {
        // A backend's address is its identity; a type without fields may share its address with another type's. One type may have
        // several tables of methods, so that a difference there says nothing.
        #[allow(ambiguous_wide_pointer_comparisons)]
        let surely = std::ptr::eq(self.0, other.0);
        surely || (std::ptr::addr_eq(self.0, other.0) && self.name() == other.name())
    }
}

impl Eq for Device {}

impl Default for Device {
    fn default() -> Device {
        Device::cpu()
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
