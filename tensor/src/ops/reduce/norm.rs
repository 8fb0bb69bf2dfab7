//! Norms of vectors. (Those of matrices are in the family `linalg`.)
//!
//! The derivatives are PyTorch's: where a norm is 0, and where an element is 0 that has no derivative, the gradient is 0. Second derivatives are those of its formulas there,
//! mostly NaN: they are the rule's of [`Reduction::Norm`].

use rushlight_backend::op::Reduction;
use rushlight_backend::{DType, Dims, Result};

use super::dims_or_all;
use crate::{IntoSizes, Tensor};

/// The `p`-th root of sums that are not negative, all of whose derivatives at 0 are taken to be 0.
pub(crate) fn root(sum: &Tensor, p: f64) -> Result<Tensor> {
    let of = |s: &Tensor| if p == 2.0 { s.sqrt() } else { s.pow(1.0 / p) };
    if sum.trace().is_none() {
        return of(sum);
    }
    let zero = sum.eq(0)?;
    zero.where_(0.0, &of(&zero.where_(1.0, sum)?)?)
}

/// `|x|^p`, all of whose derivatives at 0 are taken to be 0.
fn power(x: &Tensor, p: f64) -> Result<Tensor> {
    let size = x.abs()?;
    if size.trace().is_none() {
        return size.pow(p);
    }
    let zero = size.eq(0)?;
    let at_zero = if p < 0.0 { f64::INFINITY } else { 0.0 };
    zero.where_(at_zero, &zero.where_(1.0, &size)?.pow(p)?)
}

/// The norm in smaller operations: its decomposition, and where all derivatives at 0 are to be 0.
pub(super) fn composed(x: &Tensor, p: f64, dims: &Dims, keepdim: bool) -> Result<Tensor> {
    let sum = |x: Tensor| x.reduce(Reduction::Sum, dims.clone(), keepdim);
    if p == 0.0 {
        return sum(x.ne(0)?.to_dtype(x.dtype().to_real())?);
    }
    if p.is_infinite() {
        let kind = if p > 0.0 { Reduction::Amax } else { Reduction::Amin };
        return x.abs()?.reduce(kind, dims.clone(), keepdim);
    }
    if p == 1.0 {
        return sum(x.abs()?);
    }
    if p == 2.0 {
        let squares = if x.dtype().is_complex() { x.abs()?.square()? } else { x.square()? };
        return root(&sum(squares)?, 2.0);
    }
    root(&sum(power(x, p)?)?, p)
}

/// What `f` makes of a tensor; of half precision, in f32.
fn in_f32(x: &Tensor, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    match x.dtype() {
        DType::F16 | DType::BF16 => f(&x.to_dtype(DType::F32)?)?.to_dtype(x.dtype()),
        _ => f(x),
    }
}

/// The p-norm along the last dimension, as `cdist` and `pdist` take it: where it is 0, or an element is, all derivatives are 0.
pub(crate) fn distance(difference: &Tensor, p: f64) -> Result<Tensor> {
    let last = [difference.dim() - 1].into_iter().collect();
    in_f32(difference, |x| composed(x, p, &last, false))
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
        let dims = dims_or_all("vector_norm", self, dims)?;
        in_f32(self, |x| x.reduce(Reduction::Norm { p }, dims, keepdim))
    }

    /// The p-norm of the difference of two tensors, all elements together; they are broadcast.
    ///
    /// # Errors
    /// If the shapes do not fit, or the tensors are not floating point.
    pub fn dist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        self.sub(other)?.vector_norm(p, (), false)
    }
}
