//! Norms of matrices, and the two methods that choose between norms of vectors and of matrices.

use rushlight_backend::{Error, Result};

use crate::{IntoSizes, Tensor};

/// The order of a norm. From a number: that order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NormOrder {
    /// A number, which may be infinite.
    P(f64),
    /// The Frobenius norm: the root of the sum of squares.
    Fro,
    /// The nuclear norm: the sum of the singular values.
    Nuc,
}

impl From<f64> for NormOrder {
    fn from(p: f64) -> NormOrder {
        NormOrder::P(p)
    }
}

impl From<i32> for NormOrder {
    fn from(p: i32) -> NormOrder {
        NormOrder::P(p.into())
    }
}

impl Tensor {
    /// `torch.norm`: the vector norm of order p over dimensions (none named: all), where `Fro` is order 2; `Nuc` takes matrices, over two
    /// dimensions.
    ///
    /// # Errors
    /// As [`vector_norm`](Tensor::vector_norm) and [`matrix_norm`](Tensor::matrix_norm).
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// assert_eq!(Tensor::new(&[3.0f32, -4.0])?.norm(1, (), false)?.item::<f32>()?, 7.0);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn norm(&self, order: impl Into<NormOrder>, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        match order.into() {
            NormOrder::P(p) => self.vector_norm(p, dims, keepdim),
            NormOrder::Fro => self.vector_norm(2.0, dims, keepdim),
            NormOrder::Nuc => Err(Error::unsupported("norm", "the nuclear norm")),
        }
    }
}
