//! Resampling of images and signals to other sizes.

use super::spatial::{at_least, sized};
use super::{MetaRef, Metas, Spatial, exactly, one, same_dtype, want_float};
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

/// How a sample is made of the elements around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GridMode {
    /// Linear in each dimension, PyTorch's default.
    #[default]
    Bilinear,
    /// The nearest element.
    Nearest,
    /// By four neighbours in each dimension.
    Bicubic,
}

/// What lies outside of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GridPadding {
    /// Zeros, PyTorch's default.
    #[default]
    Zeros,
    /// The nearest element of the border.
    Border,
    /// The input, reflected.
    Reflection,
}

/// How an input is sampled at the points of a grid; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GridSample {
    /// How a sample is made.
    pub mode: GridMode,
    /// What lies outside.
    pub padding: GridPadding,
    /// Whether -1 and 1 are the centres of the corner elements, else their outer edges.
    pub align_corners: bool,
}

/// A resampling, or the transpose of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resample {
    /// Samples at the points of a grid. Inputs: x `[n, channels, ..]` with two or three spatial dimensions; points `[n, .., 2]` (or 3), each (x, y) or
    /// (x, y, z) from -1 to 1 across x. Result: `[n, channels, ..]`.
    Grid(GridSample),
    /// The gradients of `Grid`. Inputs: the gradient of the result, x, the points. Results: the gradients of x and of the points.
    GridGrad(GridSample),
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
    names! {
        Resample::Forward(_) => "interpolate",
        Resample::Grad { .. } => "interpolate_backward",
        Resample::Grid(_) => "grid_sample",
        Resample::GridGrad(_) => "grid_sample_backward",
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        match self {
            Resample::Grid(_) => {
                let [x, grid] = exactly(name, inputs)?;
                return one(sampled(name, x, grid)?, x.dtype);
            }
            Resample::GridGrad(_) => {
                let [g, x, grid] = exactly(name, inputs)?;
                same_dtype(name, inputs)?;
                let wanted = sampled(name, x, grid)?;
                if g.shape != wanted.as_slice() {
                    return Err(Error::shape(name, format!("a gradient of shape {:?} does not fit: wanted {wanted:?}", g.shape)));
                }
                return Ok(smallvec::smallvec![x.to_meta(), grid.to_meta()]);
            }
            _ => {}
        }
        let [x] = exactly(name, inputs)?;
        if !x.dtype.is_float() && (x.dtype != DType::U8 || matches!(self, Resample::Grad { .. })) {
            return Err(Error::dtype(name, format!("wants a floating-point tensor (or uint8), got {}", x.dtype)));
        }
        let (of, out) = match self {
            Resample::Forward(of) => (of, of.size),
            Resample::Grad { of, size } => (of, *size),
            Resample::Grid(_) | Resample::GridGrad(_) => return Err(Error::value(name, "takes other inputs")),
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
        sized(name, shape, x.dtype)
    }
}

/// The shape of the samples of x at a grid.
fn sampled(name: &'static str, x: &MetaRef<'_>, grid: &MetaRef<'_>) -> Result<Shape> {
    want_float(name, same_dtype(name, &[*x, *grid])?)?;
    let rank = x.shape.len().saturating_sub(2);
    let fits = matches!(rank, 2 | 3)
        && grid.shape.len() == x.shape.len()
        && grid.shape[0] == x.shape[0]
        && grid.shape[rank + 1] == rank
        && !x.shape[1..].contains(&0);
    if !fits {
        return Err(Error::shape(
            name,
            format!(
                "wants [n, channels, h, w] and points [n, .., .., 2], or one more dimension and 3, got {:?} and {:?}",
                x.shape, grid.shape
            ),
        ));
    }
    let mut shape = Shape::from_slice(&x.shape[..2]);
    shape.extend_from_slice(&grid.shape[1..=rank]);
    Ok(shape)
}
