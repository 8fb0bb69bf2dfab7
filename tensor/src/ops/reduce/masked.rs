//! Reductions that pass over elements: `torch.masked`.
//!
//! A mask is a boolean tensor that broadcasts to the input; where it is false an element does not take part. No mask lets all take part.
//! An empty list of dimensions means all. Where no element takes part the result is that of nothing: 0 for a sum, NaN for a mean, the least
//! number for a maximum.

use rushlight_backend::op::Reduction;
use rushlight_backend::{DType, Error, Result, Scalar, broadcast_shapes};

pub use crate::ops::norm::masked::{log_softmax, normalize, softmax, softmin};
use crate::{IntoSizes, Tensor, default_dtype};

/// A value in the places of elements that do not take part.
fn filled(x: &Tensor, mask: Option<&Tensor>, value: impl Into<Scalar>) -> Result<Tensor> {
    let Some(mask) = mask else { return Ok(x.clone()) };
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype("masked", format!("a mask is boolean, got {}", mask.dtype())));
    }
    let value = Tensor::full((), value, (x.dtype(), x.device()))?;
    mask.expand(x.shape())?.where_(x, &value)
}

/// How many elements take part, in the dtype of floats.
fn count(x: &Tensor, mask: Option<&Tensor>, dims: &[isize], keepdim: bool, dtype: DType) -> Result<Tensor> {
    let ones = match mask {
        Some(mask) => mask.expand(x.shape())?,
        None => Tensor::ones((), (DType::Bool, x.device()))?.expand(x.shape())?,
    };
    ones.sum_as(dims, keepdim, DType::I64)?.to_dtype(dtype)
}

/// The least and the greatest number of a dtype.
fn bounds(dtype: DType) -> (Scalar, Scalar) {
    match dtype {
        DType::Bool => (Scalar::Bool(false), Scalar::Bool(true)),
        DType::U8 => (Scalar::Int(0), Scalar::Int(u8::MAX.into())),
        DType::I8 => (Scalar::Int(i8::MIN.into()), Scalar::Int(i8::MAX.into())),
        DType::I16 => (Scalar::Int(i16::MIN.into()), Scalar::Int(i16::MAX.into())),
        DType::I32 => (Scalar::Int(i32::MIN.into()), Scalar::Int(i32::MAX.into())),
        DType::I64 => (Scalar::Int(i64::MIN), Scalar::Int(i64::MAX)),
        _ => (Scalar::Float(f64::NEG_INFINITY), Scalar::Float(f64::INFINITY)),
    }
}

/// Booleans have no least or greatest number that could stand for those that do not take part.
fn numbers(op: &'static str, x: &Tensor) -> Result<()> {
    if x.dtype() == DType::Bool { Err(Error::dtype(op, "does not take booleans")) } else { Ok(()) }
}

/// The sum. Integers and booleans give int64.
///
/// # Errors
/// If a dimension does not exist or is named twice, or the mask does not fit.
///
/// ```
/// # use rushlight_tensor::{Tensor, masked};
/// let x = Tensor::new(&[1.0f32, 2.0, 4.0])?;
/// let mask = Tensor::new(&[true, false, true])?;
/// assert_eq!(masked::sum(&x, (), false, Some(&mask))?.item::<f32>()?, 5.0);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn sum(x: &Tensor, dims: impl IntoSizes, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    let x = filled(x, mask, 0)?;
    let dtype = if x.dtype().is_differentiable() { x.dtype() } else { DType::I64 };
    x.sum_as(dims, keepdim, dtype)
}

/// The product. Integers and booleans give int64.
///
/// # Errors
/// As [`sum`].
pub fn prod(x: &Tensor, dims: impl IntoSizes, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    let x = filled(x, mask, 1)?;
    let x = if x.dtype().is_differentiable() { x } else { x.to_dtype(DType::I64)? };
    let dims = super::dims_or_all("masked.prod", &x, dims)?;
    x.reduce(Reduction::Prod, dims, keepdim)
}

/// The largest elements; equal ones share the gradient.
///
/// # Errors
/// As [`sum`], or if there are no elements.
pub fn amax(x: &Tensor, dims: impl IntoSizes, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    numbers("masked.amax", x)?;
    filled(x, mask, bounds(x.dtype()).0)?.amax(dims, keepdim)
}

/// The smallest elements; equal ones share the gradient.
///
/// # Errors
/// As [`sum`], or if there are no elements.
pub fn amin(x: &Tensor, dims: impl IntoSizes, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    numbers("masked.amin", x)?;
    filled(x, mask, bounds(x.dtype()).1)?.amin(dims, keepdim)
}

/// The place of the largest element along a dimension, or among all, in the input's dtype as in PyTorch.
///
/// # Errors
/// As [`sum`], or if there are no elements.
pub fn argmax(x: &Tensor, dim: impl Into<Option<isize>>, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    let x = filled(x, mask, bounds(x.dtype()).0)?;
    dim.into().map_or_else(|| x.argmax(), |d| x.argmax_dim(d, keepdim))?.to_dtype(x.dtype())
}

/// The place of the smallest element along a dimension, or among all, in the input's dtype as in PyTorch.
///
/// # Errors
/// As [`sum`], or if there are no elements.
pub fn argmin(x: &Tensor, dim: impl Into<Option<isize>>, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    let x = filled(x, mask, bounds(x.dtype()).1)?;
    dim.into().map_or_else(|| x.argmin(), |d| x.argmin_dim(d, keepdim))?.to_dtype(x.dtype())
}

/// The mean.
///
/// # Errors
/// As [`sum`], or if the tensor is neither floating point nor complex.
pub fn mean(x: &Tensor, dims: impl IntoSizes, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    if !x.dtype().is_differentiable() {
        return Err(Error::dtype("masked.mean", format!("wants a floating-point or complex tensor, got {}", x.dtype())));
    }
    let dims = dims.into_sizes();
    sum(x, dims.clone(), keepdim, mask)?.div(&count(x, mask, &dims, keepdim, x.dtype().to_real())?)
}

/// The vector norm of order `p`.
///
/// # Errors
/// As [`sum`], or if the tensor is not floating point.
pub fn norm(x: &Tensor, p: f64, dims: impl IntoSizes, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    let nothing = if p == f64::NEG_INFINITY { f64::INFINITY } else { 0.0 };
    filled(x, mask, nothing)?.vector_norm(p, dims, keepdim)
}

/// The variance: squared magnitudes of the deviations from the mean, divided by the number of elements that take part less `correction`. Integers
/// become floats; of complex numbers it is complex, as in PyTorch.
///
/// # Errors
/// As [`sum`], or if the tensor is of booleans.
pub fn var(x: &Tensor, dims: impl IntoSizes, correction: f64, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    numbers("masked.var", x)?;
    let x = if x.dtype().is_differentiable() { x.clone() } else { x.to_dtype(default_dtype())? };
    let (dtype, dims) = (x.dtype().to_real(), dims.into_sizes());
    let centred = x.sub(&mean(&x, dims.clone(), true, mask)?)?;
    let squares = if x.dtype().is_complex() { centred.abs()?.square()? } else { centred.square()? };
    let count = count(&x, mask, &dims, keepdim, dtype)?.sub(correction)?.clamp(0.0, None)?;
    sum(&squares, dims, keepdim, mask)?.div(&count)?.to_dtype(x.dtype())
}

/// The square root of [`var`].
///
/// # Errors
/// As [`sum`].
pub fn std(x: &Tensor, dims: impl IntoSizes, correction: f64, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    var(x, dims, correction, keepdim, mask)?.sqrt()
}

/// The logarithm of the sum of exponentials, in the input's dtype.
///
/// # Errors
/// As [`sum`].
pub fn logsumexp(x: &Tensor, dims: impl IntoSizes, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    numbers("masked.logsumexp", x)?;
    let dims = super::dims_or_all("masked.logsumexp", x, dims)?;
    filled(x, mask, bounds(x.dtype()).0)?.logsumexp(dims.to_vec(), keepdim)?.to_dtype(x.dtype())
}

/// `ln(e^x + e^y)`, where each of the two may be masked.
///
/// # Errors
/// If shapes or masks do not fit.
pub fn logaddexp(x: &Tensor, y: &Tensor, x_mask: Option<&Tensor>, y_mask: Option<&Tensor>) -> Result<Tensor> {
    x.floats("masked.logaddexp")?;
    y.floats("masked.logaddexp")?;
    let (x, y) = (filled(x, x_mask, bounds(x.dtype()).0)?, filled(y, y_mask, bounds(y.dtype()).0)?);
    let shape = broadcast_shapes("masked.logaddexp", &[x.shape(), y.shape()])?;
    Tensor::stack(&[x.expand(shape.as_slice())?, y.expand(shape.as_slice())?], 0)?.logsumexp(0, false)
}

/// Cumulative sums of the elements that the mask keeps, in their dtype.
///
/// # Errors
/// If the dimension does not exist or the mask does not fit.
pub fn cumsum(x: &Tensor, dim: isize, mask: Option<&Tensor>) -> Result<Tensor> {
    filled(x, mask, 0.0)?.cumsum_as(dim, x.dtype())
}

/// Cumulative products of the elements that the mask keeps, in their dtype.
///
/// # Errors
/// If the dimension does not exist or the mask does not fit.
pub fn cumprod(x: &Tensor, dim: isize, mask: Option<&Tensor>) -> Result<Tensor> {
    filled(x, mask, 1.0)?.cumprod_as(dim, x.dtype())
}

/// Medians of the elements that the mask keeps and that are not NaN, the lower of two; NaN where there are none. Integers become the default float type.
///
/// # Errors
/// If the dimension does not exist or the mask does not fit.
pub fn median(x: &Tensor, dim: isize, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    if let (Some(mask), false) = (mask, x.dtype().is_float()) {
        let none = mask.expand(x.shape())?.any_dim(dim, keepdim)?.logical_not()?;
        if none.any()?.item::<bool>()? {
            return Err(Error::value("masked.median", format!("numbers of {} have no median where none takes part", x.dtype())));
        }
    }
    let x = if x.dtype().is_float() { x.clone() } else { x.to_dtype(crate::default_dtype())? };
    Ok(filled(&x, mask, f64::NAN)?.nanmedian_dim(dim, keepdim)?.0)
}
