//! The default floating-point type, as `torch.set_default_dtype`.

use std::sync::atomic::{AtomicBool, Ordering};

use rushlight_backend::{DType, Error, Result};

static DOUBLE: AtomicBool = AtomicBool::new(false);

/// The type of new floating-point tensors that name none, and of what integers become in true division: `float32` unless changed.
pub fn default_dtype() -> DType {
    if DOUBLE.load(Ordering::Relaxed) { DType::F64 } else { DType::F32 }
}

/// Changes the default floating-point type of the whole process.
///
/// # Errors
/// If it is not `float32` or `float64`.
pub fn set_default_dtype(dtype: DType) -> Result<()> {
    match dtype {
        DType::F32 => DOUBLE.store(false, Ordering::Relaxed),
        DType::F64 => DOUBLE.store(true, Ordering::Relaxed),
        other => return Err(Error::dtype("set_default_dtype", format!("wants float32 or float64, got {other}"))),
    }
    Ok(())
}
