//! Training or evaluation.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether a module is in training mode, which it is at first. A field of modules that behave differently in evaluation; it is found and
/// set by [`Module::train`](crate::Module::train) and [`Module::eval`](crate::Module::eval).
pub struct Mode(AtomicBool);

impl Mode {
    /// Training mode.
    pub fn new() -> Mode {
        Mode(AtomicBool::new(true))
    }

    /// Whether the module is in training mode.
    pub fn is_training(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Changes the mode.
    pub fn set(&self, training: bool) {
        self.0.store(training, Ordering::Relaxed);
    }
}

impl Default for Mode {
    fn default() -> Mode {
        Mode::new()
    }
}

/// A mode of its own, now the same.
impl Clone for Mode {
    fn clone(&self) -> Mode {
        Mode(AtomicBool::new(self.is_training()))
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_training() { "training" } else { "evaluation" })
    }
}

/// The weight of a new batch in running statistics; `None`: all batches count the same. A field of modules that keep such statistics. A cheap handle: clones share the
/// value.
#[derive(Clone)]
pub struct Momentum(Arc<Mutex<Option<f64>>>);

impl Momentum {
    /// A weight.
    pub fn new(momentum: Option<f64>) -> Momentum {
        Momentum(Arc::new(Mutex::new(momentum)))
    }

    /// The weight.
    pub fn get(&self) -> Option<f64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it.
    pub fn set(&self, momentum: Option<f64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = momentum;
    }
}

impl fmt::Debug for Momentum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.get())
    }
}
