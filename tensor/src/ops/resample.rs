//! Resampling: interpolation to other sizes, and sampling at the points of a grid.

pub(crate) mod grid;

use rushlight_backend::op::{Interpolation, Method, Resample, Spatial};
use rushlight_backend::{Error, Result};
use smallvec::SmallVec;

pub use grid::grid_sample_tangent;

use crate::{IntoSizes, Sizes, Tensor, apply1};

/// How [`Tensor::interpolate`] finds what lies between elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterpolateMode {
    /// `floor(i * step)`: PyTorch's default.
    #[default]
    Nearest,
    /// The nearest element.
    NearestExact,
    /// Linear, of one dimension.
    Linear,
    /// Linear, of two dimensions.
    Bilinear,
    /// By four neighbours, of two dimensions.
    Bicubic,
    /// Linear, of three dimensions.
    Trilinear,
    /// The means of nearly equal parts.
    Area,
}

/// To which sizes [`Tensor::interpolate`] goes.
#[derive(Clone, Debug, PartialEq)]
pub enum InterpolateTo {
    /// To these; one number for all spatial dimensions or one for each.
    Size(Sizes),
    /// To `floor(size * factor)`; one factor for all spatial dimensions or one for each.
    Scale(SmallVec<[f64; 3]>),
}

impl InterpolateTo {
    /// These sizes.
    pub fn size(sizes: impl IntoSizes) -> InterpolateTo {
        InterpolateTo::Size(sizes.into_sizes())
    }

    /// These factors.
    pub fn scale(factors: &[f64]) -> InterpolateTo {
        InterpolateTo::Scale(factors.into())
    }
}

/// The parameters of [`Tensor::interpolate`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterpolateOptions {
    /// How.
    pub mode: InterpolateMode,
    /// Whether the centres of the corner elements lie upon each other, else their outer edges. For the linear and cubic modes.
    pub align_corners: Option<bool>,
    /// With factors: whether steps follow from the rounded sizes instead of from the factors themselves.
    pub recompute_scale_factor: bool,
    /// Whether shrinking averages over all that is passed over. For bilinear and bicubic.
    pub antialias: bool,
}

impl From<InterpolateMode> for InterpolateOptions {
    fn from(mode: InterpolateMode) -> InterpolateOptions {
        InterpolateOptions { mode, ..InterpolateOptions::default() }
    }
}

const OP: &str = "interpolate";

/// One number for each of `rank` dimensions.
fn each<T: Copy + std::fmt::Debug>(what: &str, given: &[T], rank: usize) -> Result<SmallVec<[T; 3]>> {
    match given {
        [one] => Ok(SmallVec::from_elem(*one, rank)),
        all if all.len() == rank => Ok(SmallVec::from_slice(all)),
        other => Err(Error::value(OP, format!("{what} must be one number or {rank}, got {other:?}"))),
    }
}

impl Tensor {
    /// `[n, channels, ..]`, with one to three spatial dimensions, resampled to other sizes.
    ///
    /// # Errors
    /// If the mode is for another number of dimensions, or the parameters do not fit the mode or each other.
    ///
    /// ```
    /// # use rushlight_tensor::{InterpolateMode, InterpolateTo, Tensor};
    /// let x = Tensor::new(&[[[1.0f32, 3.0]]])?;
    /// let y = x.interpolate(&InterpolateTo::size(4), InterpolateMode::Linear)?;
    /// assert_eq!(y.to_vec::<f32>()?, [1.0, 1.5, 2.5, 3.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn interpolate(&self, to: &InterpolateTo, options: impl Into<InterpolateOptions>) -> Result<Tensor> {
        use InterpolateMode::{Area, Bicubic, Bilinear, Linear, Nearest, NearestExact, Trilinear};
        let InterpolateOptions { mode, align_corners, recompute_scale_factor, antialias } = options.into();
        let rank = match self.dim() {
            d @ 3..=5 => d - 2,
            _ => return Err(Error::shape(OP, format!("wants a tensor of 3 to 5 dimensions, got {:?}", self.shape()))),
        };
        let wanted = match mode {
            Linear => Some(1),
            Bilinear | Bicubic => Some(2),
            Trilinear => Some(3),
            Nearest | NearestExact | Area => None,
        };
        if let Some(wanted) = wanted.filter(|&w| w != rank) {
            return Err(Error::shape(OP, format!("{mode:?} wants a tensor of {} dimensions, got {:?}", wanted + 2, self.shape())));
        }
        if wanted.is_none() && align_corners.is_some() {
            return Err(Error::value(OP, format!("align_corners is for linear and cubic modes, not for {mode:?}")));
        }
        if antialias && !matches!(mode, Bilinear | Bicubic) {
            return Err(Error::value(OP, format!("antialias is for bilinear and bicubic, not for {mode:?}")));
        }
        let from: SmallVec<[usize; 3]> = self.shape()[2..].into();
        let (size, scales) = match to {
            InterpolateTo::Size(_) if recompute_scale_factor => {
                return Err(Error::value(OP, "recompute_scale_factor has no meaning where the size is given"));
            }
            InterpolateTo::Size(size) => (each("the size", size, rank)?, None),
            InterpolateTo::Scale(factors) => {
                let factors = each("the scale factor", factors, rank)?;
                let size: SmallVec<[isize; 3]> = from.iter().zip(&factors).map(|(&n, f)| (n as f64 * f).floor() as isize).collect();
                (size, (!recompute_scale_factor).then_some(factors))
            }
        };
        if size.iter().any(|&n| n < 1) {
            return Err(Error::value(OP, format!("sizes must be at least 1, got {size:?} from an input of shape {:?}", self.shape())));
        }
        if mode == Area {
            return match rank {
                1 => self.adaptive_avg_pool1d(size.as_slice()),
                2 => self.adaptive_avg_pool2d(size.as_slice()),
                _ => self.adaptive_avg_pool3d(size.as_slice()),
            };
        }
        let align_corners = align_corners.unwrap_or(false);
        let mut step = [0.0; 3];
        for (d, step) in step.iter_mut().enumerate().take(rank) {
            let (n, m) = (from[d] as f64, size[d] as f64);
            *step = match &scales {
                _ if align_corners => {
                    if m > 1.0 {
                        (n - 1.0) / (m - 1.0)
                    } else {
                        0.0
                    }
                }
                Some(factors) => 1.0 / factors[d],
                None => n / m,
            };
        }
        let method = match mode {
            Nearest => Method::Nearest,
            NearestExact => Method::NearestExact,
            Bicubic => Method::Cubic,
            _ => Method::Linear,
        };
        apply1(Resample::Forward(Interpolation { method, size: Spatial::new(OP, &size)?, step, align_corners, antialias }), [self])
    }
}
