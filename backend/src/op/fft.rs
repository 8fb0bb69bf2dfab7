//! Fourier transforms.

use super::{MetaRef, Metas, exactly, one, want_dim};
use crate::{DType, Dims, Error, Result, Shape};

/// A discrete Fourier transform, `y[k] = scale * sum_j x[j] e^(-2 pi i j k / n)`; the sign in the exponent is plus if `inverse`. No transform
/// divides by anything unless its scale says so.
#[derive(Clone, Debug, PartialEq)]
pub enum Fft {
    /// Of complex numbers, along each of some dimensions.
    Complex {
        /// The dimensions.
        dims: Dims,
        /// Whether the sign in the exponent is plus.
        inverse: bool,
        /// What all results are multiplied by.
        scale: f64,
    },
    /// Of real numbers along one dimension: of the n results the first `n / 2 + 1`; the others are conjugates of these.
    FromReal {
        /// The dimension.
        dim: usize,
        /// Whether the sign in the exponent is plus.
        inverse: bool,
        /// What all results are multiplied by.
        scale: f64,
    },
    /// Along one dimension of `n / 2 + 1` complex numbers, which stand for n of which the others are conjugates of these, to n real
    /// numbers. The imaginary parts of the first number, and of the last if n is even, count as 0.
    ToReal {
        /// The dimension.
        dim: usize,
        /// The number of results.
        n: usize,
        /// Whether the sign in the exponent is plus.
        inverse: bool,
        /// What all results are multiplied by.
        scale: f64,
    },
}

impl Fft {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Fft::Complex { .. } => "fft",
            Fft::FromReal { .. } => "rfft",
            Fft::ToReal { .. } => "irfft",
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let [x] = exactly(name, inputs)?;
        let mut shape = Shape::from_slice(x.shape);
        let wants = |ok: bool, what: &str| match ok {
            true => Ok(()),
            false => Err(Error::dtype(name, format!("wants {what}, got {}", x.dtype))),
        };
        let points = |n: usize| match n {
            0 => Err(Error::shape(name, format!("a transform needs at least one point, got shape {:?}", x.shape))),
            n => Ok(n),
        };
        match self {
            Fft::Complex { dims, .. } => {
                wants(x.dtype.is_complex(), "complex numbers")?;
                for &d in dims {
                    want_dim(name, d, x.shape.len())?;
                    points(x.shape[d])?;
                }
                one(shape, x.dtype)
            }
            Fft::FromReal { dim, .. } => {
                wants(matches!(x.dtype, DType::F32 | DType::F64), "float32 or float64")?;
                want_dim(name, *dim, x.shape.len())?;
                shape[*dim] = points(x.shape[*dim])? / 2 + 1;
                one(shape, if x.dtype == DType::F64 { DType::C128 } else { DType::C64 })
            }
            Fft::ToReal { dim, n, .. } => {
                wants(x.dtype.is_complex(), "complex numbers")?;
                want_dim(name, *dim, x.shape.len())?;
                if x.shape[*dim] != points(*n)? / 2 + 1 {
                    return Err(Error::shape(name, format!("{n} real points come of {}, got shape {:?}", n / 2 + 1, x.shape)));
                }
                shape[*dim] = *n;
                one(shape, if x.dtype == DType::C128 { DType::F64 } else { DType::F32 })
            }
        }
    }
}
