//! Resampling of images and signals to other sizes.

use super::spatial::at_least;
use super::{MetaRef, Metas, Spatial, exactly, one};
use crate::{DType, Error, Result, Shape};

/// How the elements between samples are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The element at `floor(i * step)`.
    Nearest,
    /// The element at `floor((i + 1/2) * step)`: the nearest one.
    NearestExact,
    /// Between two neighbours.
    Linear,
    /// By four neighbours: the cubic convolution with a = -3/4, or -1/2 with antialiasing.
    Cubic,
}

/// An interpolation, one spatial dimension after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interpolation {
    /// How.
    pub method: Method,
    /// The sizes of the result.
    pub size: Spatial,
    /// For each dimension the distance between two elements of the result, in elements of the input.
    pub step: [f64; 3],
    /// Whether the centres of the first and last elements of input and result lie upon each other, else their outer edges.
    pub align_corners: bool,
    /// Whether the neighbourhood is widened by the step where that is larger than 1.
    pub antialias: bool,
}

/// A resampling, or the transpose of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resample {
    /// Input: x `[n, channels, ..]` with one to three spatial dimensions, floating point or uint8 (which is rounded).
    Forward(Interpolation),
    /// The transpose of `Forward`. Input: a gradient like the result.
    Grad {
        /// The interpolation.
        of: Interpolation,
        /// The spatial sizes of its input.
        size: Spatial,
    },
}

impl Resample {
    pub(super) fn name(&self) -> &'static str {
        "interpolate"
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let [x] = exactly(name, inputs)?;
        if !x.dtype.is_float() && (x.dtype != DType::U8 || matches!(self, Resample::Grad { .. })) {
            return Err(Error::dtype(name, format!("wants a floating-point tensor (or uint8), got {}", x.dtype)));
        }
        let (of, out) = match self {
            Resample::Forward(of) => (of, of.size),
            Resample::Grad { of, size } => (of, *size),
        };
        let rank = of.size.rank();
        if x.shape.len() != rank + 2 {
            return Err(Error::shape(name, format!("wants [n, channels, ..] of {} dimensions, got {:?}", rank + 2, x.shape)));
        }
        at_least(name, "the size", &of.size, rank, 1)?;
        at_least(name, "the size", &out, rank, 1)?;
        if x.shape[1..].contains(&0) {
            return Err(Error::shape(name, format!("only the batch may be empty, got {:?}", x.shape)));
        }
        if matches!(self, Resample::Grad { .. }) && x.shape[2..] != *of.size.sizes() {
            return Err(Error::shape(name, format!("a gradient of shape {:?} does not fit {:?}", x.shape, of.size)));
        }
        let mut shape = Shape::from_slice(&x.shape[..2]);
        shape.extend(out.sizes());
        one(shape, x.dtype)
    }
}
