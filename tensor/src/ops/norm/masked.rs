//! Softmax and its kin of `torch.masked`: masked elements do not take part.

use rushlight_backend::{DType, Error, Result, normalize_dim};

use super::super::reduce::masked;
use crate::{IntoSizes, Tensor};

/// A value in the places of elements that do not take part.
fn filled(x: &Tensor, mask: Option<&Tensor>, value: f64) -> Result<Tensor> {
    let Some(mask) = mask else { return Ok(x.clone()) };
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype("masked", format!("a mask is boolean, got {}", mask.dtype())));
    }
    x.masked_fill(&mask.expand(x.shape())?.logical_not()?, value)
}

/// The softmax over the elements that take part; NaN where none does.
///
/// # Errors
/// If the tensor is not floating point, the dimension does not exist, or the mask does not fit.
pub fn softmax(x: &Tensor, dim: isize, mask: Option<&Tensor>) -> Result<Tensor> {
    filled(x, mask, f64::NEG_INFINITY)?.softmax(dim)
}

/// The logarithm of [`softmax`].
///
/// # Errors
/// As there.
pub fn log_softmax(x: &Tensor, dim: isize, mask: Option<&Tensor>) -> Result<Tensor> {
    filled(x, mask, f64::NEG_INFINITY)?.log_softmax(dim)
}

/// The [`softmax`] of the negative tensor.
///
/// # Errors
/// As there.
pub fn softmin(x: &Tensor, dim: isize, mask: Option<&Tensor>) -> Result<Tensor> {
    filled(x, mask, f64::INFINITY)?.softmin(dim)
}

/// Divided by the p-norm over a dimension of the elements that take part, or by eps where that is larger; the others are 0.
///
/// # Errors
/// If the tensor is not floating point, the dimension does not exist, or the mask does not fit.
pub fn normalize(x: &Tensor, p: f64, dim: isize, eps: f64, mask: Option<&Tensor>) -> Result<Tensor> {
    normalize_dim("masked.normalize", dim, x.dim())?;
    let dims = if x.dim() == 0 { ().into_sizes() } else { dim.into_sizes() };
    let norm = masked::norm(x, p, dims, true, mask)?;
    filled(x, mask, 0.0)?.div(&norm.clamp(eps, None)?)
}
