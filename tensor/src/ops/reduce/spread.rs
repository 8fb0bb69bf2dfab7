//! Variances and standard deviations.

use rushlight_backend::op::Reduction;
use rushlight_backend::{Dims, Result};

use super::norm::root;
use super::{all_dims, some_dims};
use crate::{IntoSizes, Tensor};

impl Tensor {
    /// The variance over all elements, with Bessel's correction (PyTorch's default, `correction` = 1).
    ///
    /// # Errors
    /// If the tensor is not floating point.
    pub fn var(&self, correction: f64) -> Result<Tensor> {
        self.variance(all_dims(self), correction, false)
    }

    /// The variance over dimensions: squared deviations from the mean, divided by the number of elements less `correction`. That of complex
    /// numbers is the sum of the variances of their real and imaginary parts.
    ///
    /// # Errors
    /// If the tensor is not floating point, or a dimension does not exist or is named twice.
    pub fn var_dim(&self, dims: impl IntoSizes, correction: f64, keepdim: bool) -> Result<Tensor> {
        self.variance(some_dims("var", self, dims)?, correction, keepdim)
    }

    fn variance(&self, dims: Dims, correction: f64, keepdim: bool) -> Result<Tensor> {
        if !self.dtype().is_complex() {
            return self.reduce(Reduction::Var { correction }, dims, keepdim);
        }
        let count: usize = dims.iter().map(|&d| self.shape()[d]).product();
        let centred = self.sub(&self.reduce(Reduction::Mean, dims.clone(), true)?)?;
        centred.abs()?.square()?.reduce(Reduction::Sum, dims, keepdim)?.div((count as f64 - correction).max(0.0))
    }

    /// The square root of the variance over all elements. Where that is 0, so is its derivative, as in PyTorch.
    ///
    /// # Errors
    /// As [`var`](Tensor::var).
    pub fn std(&self, correction: f64) -> Result<Tensor> {
        root(&self.var(correction)?, 2.0)
    }

    /// The square root of the variance over dimensions. Where that is 0, so is its derivative, as in PyTorch.
    ///
    /// # Errors
    /// As [`var_dim`](Tensor::var_dim).
    pub fn std_dim(&self, dims: impl IntoSizes, correction: f64, keepdim: bool) -> Result<Tensor> {
        root(&self.var_dim(dims, correction, keepdim)?, 2.0)
    }

    /// Variance and mean over dimensions (none named: all): var, mean.
    ///
    /// # Errors
    /// As [`var_dim`](Tensor::var_dim).
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let (var, mean) = Tensor::new(&[1.0f32, 2.0, 3.0])?.var_mean((), 1.0, false)?;
    /// assert_eq!((var.item::<f32>()?, mean.item::<f32>()?), (1.0, 2.0));
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn var_mean(&self, dims: impl IntoSizes, correction: f64, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let dims = super::dims_or_all("var_mean", self, dims)?;
        Ok((self.variance(dims.clone(), correction, keepdim)?, self.reduce(Reduction::Mean, dims, keepdim)?))
    }

    /// Standard deviation and mean over dimensions (none named: all): std, mean.
    ///
    /// # Errors
    /// As [`var_dim`](Tensor::var_dim).
    pub fn std_mean(&self, dims: impl IntoSizes, correction: f64, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let (var, mean) = self.var_mean(dims, correction, keepdim)?;
        Ok((root(&var, 2.0)?, mean))
    }
}
