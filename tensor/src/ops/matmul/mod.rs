//! Matrix products.

mod add;
mod contract;
mod einsum;
mod vector;

use rushlight_backend::op::Matmul;
use rushlight_backend::{Error, Result};

use crate::{Tensor, Tensors, apply1};

pub use contract::ContractDims;

impl Tensor {
    /// PyTorch's `matmul`: matrices are multiplied, leading dimensions broadcast; a vector on the left is a row, on the right a column, and its
    /// dimension is dropped from the result; two vectors give their inner product.
    ///
    /// # Errors
    /// If a tensor is 0-d, the inner sizes differ, or the dtypes differ.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let a = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]])?;
    /// let v = Tensor::new(&[1.0f32, 1.0])?;
    /// assert_eq!(a.matmul(&v)?.to_vec::<f32>()?, [3.0, 7.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        match (self.dim(), other.dim()) {
            (0, _) | (_, 0) => Err(Error::shape(
                "matmul",
                format!("both tensors need at least one dimension, got shapes {:?} and {:?}", self.shape(), other.shape()),
            )),
            (1, 1) if self.shape() != other.shape() => {
                Err(Error::shape("matmul", format!("vectors of {} and {} elements have no inner product", self.numel(), other.numel())))
            }
            (1, 1) => apply1(Matmul::Product, [&self.unsqueeze(0)?, &other.unsqueeze(1)?])?.reshape(()),
            (1, _) => apply1(Matmul::Product, [&self.unsqueeze(0)?, other])?.squeeze_dim(-2),
            (_, 1) => apply1(Matmul::Product, [self, &other.unsqueeze(1)?])?.squeeze_dim(-1),
            _ => apply1(Matmul::Product, [self, other]),
        }
    }

    /// The product of two matrices.
    ///
    /// # Errors
    /// If a tensor is not a matrix or the sizes do not fit.
    pub fn mm(&self, other: &Tensor) -> Result<Tensor> {
        self.product_of_rank("mm", 2, other)
    }

    /// The products of matrices in two batches of the same size.
    ///
    /// # Errors
    /// If a tensor does not have three dimensions or the sizes do not fit.
    pub fn bmm(&self, other: &Tensor) -> Result<Tensor> {
        self.product_of_rank("bmm", 3, other)
    }

    fn product_of_rank(&self, op: &'static str, rank: usize, other: &Tensor) -> Result<Tensor> {
        if self.dim() != rank || other.dim() != rank || self.shape()[..rank - 2] != other.shape()[..rank - 2] {
            return Err(Error::shape(
                op,
                format!("wants two tensors of {rank} dimensions that fit, got {:?} and {:?}", self.shape(), other.shape()),
            ));
        }
        apply1(Matmul::Product, [self, other])
    }

    /// `x @ weight^T + bias`: the last dimension of x, of size `in`, becomes `out`; `weight[out, in]`, `bias[out]`. With `weight[in]` and a 0-d
    /// bias the dimension is dropped.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        match bias {
            _ if weight.dim() == 1 && bias.is_none_or(|b| b.dim() == 0) => {
                let y = self.matmul(weight)?;
                bias.map_or(Ok(y.clone()), |b| y.add(b))
            }
            Some(bias) => apply1(Matmul::Linear, [self, weight, bias]),
            None => apply1(Matmul::Linear, [self, weight]),
        }
    }
}

/// Composite operations of this family in smaller ones.
pub(crate) fn decompose(op: &Matmul, inputs: &[&Tensor]) -> Option<Result<Tensors>> {
    let linear = |x: &Tensor, w: &Tensor, bias: Option<&Tensor>| {
        let y = x.matmul(&w.t()?)?;
        Ok(smallvec::smallvec![match bias {
            Some(bias) => y.add(bias)?,
            None => y,
        }])
    };
    match (op, inputs) {
        (Matmul::Linear, [x, w]) => Some(linear(x, w, None)),
        (Matmul::Linear, [x, w, bias]) => Some(linear(x, w, Some(bias))),
        _ => None,
    }
}
