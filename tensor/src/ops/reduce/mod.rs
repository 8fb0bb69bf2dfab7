//! Over dimensions: sums, means, extrema.
//!
//! `x.sum()` reduces all dimensions, `x.sum_dim(dims, keepdim)` some of them, `x.sum_as(dims, keepdim, dtype)` in another dtype.

pub mod masked;
pub(crate) mod norm;
mod spread;
mod statistics;

use rushlight_backend::op::{Reduce, Reduction};
use rushlight_backend::{DType, Dims, Error, Result, normalize_dim, normalize_dims};

use crate::{IntoSizes, Tensor, Tensors, apply, apply1, default_dtype};

fn all_dims(x: &Tensor) -> Dims {
    (0..x.dim()).collect()
}

/// The dimensions named; all if none is.
fn dims_or_all(op: &'static str, x: &Tensor, dims: impl IntoSizes) -> Result<Dims> {
    let dims = dims.into_sizes();
    if dims.is_empty() { Ok(all_dims(x)) } else { some_dims(op, x, dims) }
}

fn some_dims(op: &'static str, x: &Tensor, dims: impl IntoSizes) -> Result<Dims> {
    let mut dims = normalize_dims(op, &dims.into_sizes(), x.dim())?;
    dims.sort_unstable();
    // A 0-d tensor may be asked for its dimension 0, which it does not have.
    dims.retain(|d| *d < x.dim());
    Ok(dims)
}

pub(crate) fn decompose(op: &Reduce, inputs: &[&Tensor]) -> Option<Result<Tensors>> {
    match (op.kind, inputs) {
        (Reduction::Norm { p }, [x]) => Some(norm::composed(x, p, &op.dims, op.keepdim).map(|y| smallvec::smallvec![y])),
        _ => None,
    }
}

impl Tensor {
    fn reduce(&self, kind: Reduction, dims: Dims, keepdim: bool) -> Result<Tensor> {
        apply1(Reduce { kind, dims, keepdim }, [self])
    }

    /// Integers and booleans are summed and multiplied as int64.
    fn wide(&self) -> Result<Tensor> {
        if self.dtype().is_differentiable() { Ok(self.clone()) } else { self.to_dtype(DType::I64) }
    }

    /// The sum of all elements. Integers and booleans give int64.
    ///
    /// # Errors
    /// If the device fails.
    pub fn sum(&self) -> Result<Tensor> {
        self.wide()?.reduce(Reduction::Sum, all_dims(self), false)
    }

    /// The sum over dimensions.
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(x.sum_dim(-1, false)?.to_vec::<f32>()?, [3.0, 7.0]);
    /// assert_eq!(x.sum_dim([0, 1], true)?.shape(), [1, 1]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn sum_dim(&self, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        self.wide()?.reduce(Reduction::Sum, some_dims("sum", self, dims)?, keepdim)
    }

    /// The sum over dimensions (none named: all) of the elements converted to a dtype, in that dtype: PyTorch's argument `dtype`.
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice.
    ///
    /// ```
    /// # use rushlight_tensor::{DType, Tensor};
    /// let x = Tensor::new(&[[1.5f32, 2.5], [3.0, 4.0]])?;
    /// assert_eq!(x.sum_as(1, false, DType::I32)?.to_vec::<i32>()?, [3, 7]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn sum_as(&self, dims: impl IntoSizes, keepdim: bool, dtype: DType) -> Result<Tensor> {
        self.reduce_as(Reduction::Sum, dims_or_all("sum", self, dims)?, keepdim, dtype)
    }

    /// Sums and products in a dtype. Booleans are reduced as int64 and then compared with 0.
    fn reduce_as(&self, kind: Reduction, dims: Dims, keepdim: bool, dtype: DType) -> Result<Tensor> {
        let x = self.to_dtype(dtype)?;
        if dtype == DType::Bool {
            return x.wide()?.reduce(kind, dims, keepdim)?.ne(0);
        }
        x.reduce(kind, dims, keepdim)
    }

    /// The sum over dimensions (none named: all) of the elements that are not NaN. Integers and booleans give int64.
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice, or the tensor is complex.
    pub fn nansum(&self, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        if self.dtype().is_complex() {
            return Err(Error::dtype("nansum", "does not take complex numbers"));
        }
        let dims = dims_or_all("nansum", self, dims)?;
        self.without_nan()?.wide()?.reduce(Reduction::Sum, dims, keepdim)
    }

    /// As [`nansum`](Tensor::nansum) in another dtype: the elements that are not NaN are converted first.
    ///
    /// # Errors
    /// As `nansum`.
    pub fn nansum_as(&self, dims: impl IntoSizes, keepdim: bool, dtype: DType) -> Result<Tensor> {
        if self.dtype().is_complex() {
            return Err(Error::dtype("nansum", "does not take complex numbers"));
        }
        self.without_nan()?.sum_as(dims, keepdim, dtype)
    }

    /// Zeros in the place of NaN.
    fn without_nan(&self) -> Result<Tensor> {
        if self.dtype().is_float() { self.isnan()?.where_(0.0, self) } else { Ok(self.clone()) }
    }

    /// The mean over dimensions (none named: all) of the elements that are not NaN; NaN where there are none. Floats only.
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice, or the tensor is not floating point.
    pub fn nanmean(&self, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return Err(Error::dtype("nanmean", format!("wants a floating-point tensor, got {}", self.dtype())));
        }
        let dims = dims_or_all("nanmean", self, dims)?;
        let count = self.detach().isnan()?.logical_not()?.wide()?.reduce(Reduction::Sum, dims.clone(), keepdim)?;
        self.without_nan()?.reduce(Reduction::Sum, dims, keepdim)?.div(&count)
    }

    /// How many elements over dimensions (none named: all) are not 0, as int64.
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice.
    pub fn count_nonzero(&self, dims: impl IntoSizes) -> Result<Tensor> {
        let dims = dims_or_all("count_nonzero", self, dims)?;
        self.detach().ne(0)?.wide()?.reduce(Reduction::Sum, dims, false)
    }

    /// The sum over what broadcasting this shape to the tensor's repeated: the transpose of `expand`.
    ///
    /// # Errors
    /// If the shape cannot be broadcast to the tensor's.
    pub fn sum_to_size(&self, shape: &[usize]) -> Result<Tensor> {
        if self.shape() == shape {
            // As PyTorch: a sum of all elements is wide even if there is but one.
            return if shape.is_empty() { self.wide() } else { Ok(self.clone()) };
        }
        let lead = self.dim().saturating_sub(shape.len());
        let dims: Dims = (0..self.dim()).filter(|&d| d < lead || (shape[d - lead] == 1 && self.shape()[d] != 1)).collect();
        let summed = if dims.is_empty() { self.clone() } else { self.wide()?.reduce(Reduction::Sum, dims, true)? };
        summed.reshape(shape)
    }

    /// The mean of all elements (floats only).
    ///
    /// # Errors
    /// If the tensor is not floating point.
    pub fn mean(&self) -> Result<Tensor> {
        self.reduce(Reduction::Mean, all_dims(self), false)
    }

    /// The mean over dimensions (floats only).
    ///
    /// # Errors
    /// If the tensor is not floating point, or a dimension does not exist or is named twice.
    pub fn mean_dim(&self, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        self.reduce(Reduction::Mean, some_dims("mean", self, dims)?, keepdim)
    }

    /// The mean over dimensions (none named: all) of the elements converted to a dtype, which must be a float.
    ///
    /// # Errors
    /// If the dtype is not floating point, or a dimension does not exist or is named twice.
    pub fn mean_as(&self, dims: impl IntoSizes, keepdim: bool, dtype: DType) -> Result<Tensor> {
        self.to_dtype(dtype)?.reduce(Reduction::Mean, dims_or_all("mean", self, dims)?, keepdim)
    }

    /// The product of all elements. Integers and booleans give int64.
    ///
    /// # Errors
    /// If the device fails.
    pub fn prod(&self) -> Result<Tensor> {
        self.wide()?.reduce(Reduction::Prod, all_dims(self), false)
    }

    /// The product over one dimension.
    ///
    /// # Errors
    /// If the dimension does not exist.
    pub fn prod_dim(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        self.wide()?.reduce(Reduction::Prod, some_dims("prod", self, dim)?, keepdim)
    }

    /// The product over one dimension (or all) of the elements converted to a dtype, in that dtype.
    ///
    /// # Errors
    /// If the dimension does not exist.
    pub fn prod_as(&self, dim: impl Into<Option<isize>>, keepdim: bool, dtype: DType) -> Result<Tensor> {
        let dims = match dim.into() {
            Some(dim) => some_dims("prod", self, dim)?,
            None => all_dims(self),
        };
        self.reduce_as(Reduction::Prod, dims, keepdim, dtype)
    }

    /// The largest element of all; equal ones share the gradient.
    ///
    /// # Errors
    /// If there are no elements.
    pub fn max(&self) -> Result<Tensor> {
        self.extreme_of_all(Reduction::Amax)
    }

    /// The smallest element of all; equal ones share the gradient.
    ///
    /// # Errors
    /// If there are no elements.
    pub fn min(&self) -> Result<Tensor> {
        self.extreme_of_all(Reduction::Amin)
    }

    /// The largest elements over dimensions; equal ones share the gradient. No dimensions means all.
    ///
    /// # Errors
    /// If there are no elements, or a dimension does not exist.
    pub fn amax(&self, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        self.extreme(Reduction::Amax, "amax", dims, keepdim)
    }

    /// The smallest elements over dimensions; equal ones share the gradient. No dimensions means all.
    ///
    /// # Errors
    /// If there are no elements, or a dimension does not exist.
    pub fn amin(&self, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        self.extreme(Reduction::Amin, "amin", dims, keepdim)
    }

    /// An extremum that is NaN hands its gradient to the elements that are NaN.
    fn extreme_of_all(&self, kind: Reduction) -> Result<Tensor> {
        let extreme = self.reduce(kind, all_dims(self), false)?;
        if extreme.trace().is_none() || !extreme.all_values().isnan()?.any()?.item::<bool>()? {
            return Ok(extreme);
        }
        // Of samples some may have one and others none.
        let nan = self.detach().isnan()?;
        let any = nan.any()?;
        let shared = nan.where_(self, 0)?.sum()?.div(&nan.sum()?.clamp(1.0, None)?)?;
        any.where_(&shared, &any.where_(0, self)?.reduce(kind, all_dims(self), false)?)
    }

    /// The smallest and the largest elements of a dimension (or of all): min, max. Equal ones share the gradient.
    ///
    /// # Errors
    /// If there are no elements, or the dimension does not exist.
    pub fn aminmax(&self, dim: impl Into<Option<isize>>, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let dims = match dim.into() {
            Some(dim) => some_dims("aminmax", self, dim)?,
            None => all_dims(self),
        };
        Ok((self.reduce(Reduction::Amin, dims.clone(), keepdim)?, self.reduce(Reduction::Amax, dims, keepdim)?))
    }

    fn extreme(&self, kind: Reduction, op: &'static str, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        self.reduce(kind, dims_or_all(op, self, dims)?, keepdim)
    }

    /// The largest elements of a dimension and their places (the first of equals): values, indices.
    ///
    /// # Errors
    /// If the dimension is empty or does not exist.
    pub fn max_dim(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        self.with_index(Reduction::Max, "max", dim, keepdim)
    }

    /// The smallest elements of a dimension and their places (the first of equals): values, indices.
    ///
    /// # Errors
    /// If the dimension is empty or does not exist.
    pub fn min_dim(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        self.with_index(Reduction::Min, "min", dim, keepdim)
    }

    fn with_index(&self, kind: Reduction, op: &'static str, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let dim = normalize_dim(op, dim, self.dim())?;
        let mut results: Tensors = apply(Reduce { kind, dims: smallvec::smallvec![dim], keepdim }, [self])?;
        let indices = results.swap_remove(1);
        Ok((results.swap_remove(0), indices))
    }

    /// The place of the largest element (the first of equals), over all elements as they lie in row-major order.
    ///
    /// # Errors
    /// If there are no elements.
    pub fn argmax(&self) -> Result<Tensor> {
        self.reshape(-1)?.argmax_dim(0, false)
    }

    /// The place of the smallest element (the first of equals), over all elements as they lie in row-major order.
    ///
    /// # Errors
    /// If there are no elements.
    pub fn argmin(&self) -> Result<Tensor> {
        self.reshape(-1)?.argmin_dim(0, false)
    }

    /// The places of the largest elements of a dimension (the first of equals), int64.
    ///
    /// # Errors
    /// If the dimension is empty or does not exist.
    pub fn argmax_dim(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        let dim = normalize_dim("argmax", dim, self.dim())?;
        self.reduce(Reduction::Argmax, smallvec::smallvec![dim], keepdim)
    }

    /// The places of the smallest elements of a dimension (the first of equals), int64.
    ///
    /// # Errors
    /// If the dimension is empty or does not exist.
    pub fn argmin_dim(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        let dim = normalize_dim("argmin", dim, self.dim())?;
        self.reduce(Reduction::Argmin, smallvec::smallvec![dim], keepdim)
    }

    /// Truth values of uint8 tensors are uint8, as in PyTorch from the time before `bool`.
    fn truth(&self, kind: Reduction, dims: Dims, keepdim: bool) -> Result<Tensor> {
        let result = self.reduce(kind, dims, keepdim)?;
        if self.dtype() == DType::U8 { result.to_dtype(DType::U8) } else { Ok(result) }
    }

    /// Whether all elements are non-zero (`bool`; of a uint8 tensor uint8).
    ///
    /// # Errors
    /// If the device fails.
    pub fn all(&self) -> Result<Tensor> {
        self.truth(Reduction::All, all_dims(self), false)
    }

    /// Whether any element is non-zero (`bool`; of a uint8 tensor uint8).
    ///
    /// # Errors
    /// If the device fails.
    pub fn any(&self) -> Result<Tensor> {
        self.truth(Reduction::Any, all_dims(self), false)
    }

    /// Whether all elements of dimensions are non-zero (`bool`; of a uint8 tensor uint8).
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice.
    pub fn all_dim(&self, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        self.truth(Reduction::All, some_dims("all", self, dims)?, keepdim)
    }

    /// Whether any element of dimensions is non-zero (`bool`; of a uint8 tensor uint8).
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice.
    pub fn any_dim(&self, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        self.truth(Reduction::Any, some_dims("any", self, dims)?, keepdim)
    }

    /// The logarithm of the sum of exponentials over dimensions, without overflow. Integers become floats.
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice.
    pub fn logsumexp(&self, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        let x = if self.dtype().is_differentiable() { self.clone() } else { self.to_dtype(default_dtype())? };
        let dims = some_dims("logsumexp", self, dims)?;
        if x.numel() == 0 {
            return x.exp()?.reduce(Reduction::Sum, dims, keepdim)?.log();
        }
        let plain = x.detach();
        let size = if x.dtype().is_complex() { plain.real()? } else { plain };
        let top = size.reduce(Reduction::Amax, dims.clone(), true)?;
        // An infinite maximum would give inf - inf.
        let top = top.isfinite()?.where_(&top, &top.zeros_like()?)?;
        let sum = x.sub(&top)?.exp()?.reduce(Reduction::Sum, dims.clone(), true)?.log()?.add(&top)?;
        let shape = Reduce { kind: Reduction::Sum, dims, keepdim }.reduced_shape(x.shape());
        sum.reshape(shape.as_slice())
    }
}
