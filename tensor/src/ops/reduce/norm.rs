//! Norms of vectors. (Those of matrices are in the family `linalg`.)
//!
//! The derivatives are PyTorch's: where a norm is 0, and where an element is 0 that has no derivative, the gradient is 0.

use rushlight_backend::op::Reduction;
use rushlight_backend::{DType, Dims, Error, Result};

use super::dims_or_all;
use crate::{IntoSizes, Tensor};

/// The `p`-th root of sums that are not negative, whose derivative at 0 is taken to be 0.
pub(crate) fn root(sum: &Tensor, p: f64) -> Result<Tensor> {
    let of = |s: &Tensor| if p == 2.0 { s.sqrt() } else { s.pow(1.0 / p) };
    if sum.trace().is_none() {
        return of(sum);
    }
    let zero = sum.with_trace(None).eq(0)?;
    zero.where_(0.0, &of(&zero.where_(1.0, sum)?)?)
}

/// `|x|^p`, whose derivative at 0 is taken to be 0.
fn power(x: &Tensor, p: f64) -> Result<Tensor> {
    let size = x.abs()?;
    if size.trace().is_none() {
        return size.pow(p);
    }
    let zero = size.with_trace(None).eq(0)?;
    let at_zero = if p < 0.0 { f64::INFINITY } else { 0.0 };
    zero.where_(at_zero, &zero.where_(1.0, &size)?.pow(p)?)
}

/// Real floats of the width of these.
pub(crate) fn real_type(dtype: DType) -> DType {
    match dtype {
        DType::C64 => DType::F32,
        DType::C128 => DType::F64,
        d => d,
    }
}

impl Tensor {
    /// `torch.linalg.vector_norm`: `(sum |x|^p)^(1/p)` over dimensions (none named: all). For p = 0 the number of elements that are not 0, for
    /// infinite p the largest (smallest) magnitude. Half precision is summed in f32.
    ///
    /// # Errors
    /// If the tensor is not floating point, a dimension does not exist or is named twice, or there are no elements and p is infinite or negative.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[3.0f32, 4.0], [6.0, 8.0]])?;
    /// assert_eq!(x.vector_norm(2.0, -1, false)?.to_vec::<f32>()?, [5.0, 10.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn vector_norm(&self, p: f64, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        if !self.dtype().is_differentiable() {
            return Err(Error::dtype("vector_norm", format!("wants a floating-point or complex tensor, got {}", self.dtype())));
        }
        let dims = dims_or_all("vector_norm", self, dims)?;
        if (p < 0.0 || p.is_infinite()) && self.has_nothing(&dims) {
            return Err(Error::shape(
                "vector_norm",
                format!("the norm of order {p} over no elements of {:?} is not defined", self.shape()),
            ));
        }
        match self.dtype() {
            DType::F16 | DType::BF16 => self.to_dtype(DType::F32)?.norm_over(p, dims, keepdim)?.to_dtype(self.dtype()),
            _ => self.norm_over(p, dims, keepdim),
        }
    }

    fn has_nothing(&self, dims: &Dims) -> bool {
        dims.iter().any(|&d| self.shape()[d] == 0)
    }

    fn norm_over(&self, p: f64, dims: Dims, keepdim: bool) -> Result<Tensor> {
        let sum = |x: Tensor| x.reduce(Reduction::Sum, dims.clone(), keepdim);
        if p == 0.0 {
            return sum(self.with_trace(None).ne(0)?.to_dtype(real_type(self.dtype()))?);
        }
        if p.is_infinite() {
            let kind = if p > 0.0 { Reduction::Amax } else { Reduction::Amin };
            return self.abs()?.reduce(kind, dims, keepdim);
        }
        if p == 1.0 {
            return sum(self.abs()?);
        }
        if p == 2.0 {
            let squares = if self.dtype().is_complex() { self.abs()?.square()? } else { self.square()? };
            return root(&sum(squares)?, 2.0);
        }
        root(&sum(power(self, p)?)?, p)
    }

    /// The p-norm of the difference of two tensors, all elements together; they are broadcast.
    ///
    /// # Errors
    /// If the shapes do not fit, or the tensors are not floating point.
    pub fn dist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        self.sub(other)?.vector_norm(p, (), false)
    }
}
