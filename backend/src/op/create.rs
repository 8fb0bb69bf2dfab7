//! New tensors from nothing.

use super::{MetaRef, Metas, exactly, one};
use crate::{DType, Error, Result, Scalar, Shape};

/// A tensor from parameters alone. No inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Create {
    /// One value everywhere.
    Full {
        /// The shape.
        shape: Shape,
        /// The dtype.
        dtype: DType,
        /// The value, converted to the dtype.
        value: Scalar,
    },
    /// `start + i * step` for i in `0..len`, computed in f64 (i64 for integers) and converted.
    Arange {
        /// The first value.
        start: Scalar,
        /// The distance between values.
        step: Scalar,
        /// The number of values.
        len: usize,
        /// The dtype.
        dtype: DType,
    },
    /// Ones on the main diagonal of a matrix, else zeros.
    Eye {
        /// The number of rows.
        rows: usize,
        /// The number of columns.
        cols: usize,
        /// The dtype.
        dtype: DType,
    },
}

impl Create {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Create::Full { .. } => "full",
            Create::Arange { .. } => "arange",
            Create::Eye { .. } => "eye",
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let [] = exactly(self.name(), inputs)?;
        match self {
            Create::Full { shape, dtype, value } => {
                check_size(self.name(), shape, *dtype)?;
                if !value.fits(*dtype) {
                    return Err(Error::value(self.name(), format!("{value:?} is out of range for {dtype}")));
                }
                one(shape.clone(), *dtype)
            }
            Create::Arange { len, dtype, .. } => {
                check_size(self.name(), &[*len], *dtype)?;
                one(smallvec::smallvec![*len], *dtype)
            }
            Create::Eye { rows, cols, dtype } => {
                check_size(self.name(), &[*rows, *cols], *dtype)?;
                one(smallvec::smallvec![*rows, *cols], *dtype)
            }
        }
    }
}

/// That a tensor of this shape can be addressed at all. Sizes beside one of 0 are bounded as well: strides are their products.
///
/// # Errors
/// If it is larger than memory can be.
pub fn check_size(name: &'static str, shape: &[usize], dtype: DType) -> Result<()> {
    let bytes = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d.max(1)));
    match bytes {
        Some(n) if n <= isize::MAX as usize => Ok(()),
        _ => Err(Error::out_of_memory(name, format!("a tensor of shape {shape:?} and dtype {dtype} is larger than memory can be"))),
    }
}
