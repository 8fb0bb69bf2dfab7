//! Activations that are written in other operations.

use rushlight_backend::{DType, Error, Result, Scalar};

use crate::Tensor;

impl Tensor {
    /// x where `|x| > lambda`, else 0. PyTorch's default lambda is 0.5.
    ///
    /// # Errors
    /// If the tensor is not floating point.
    pub fn hardshrink(&self, lambda: f64) -> Result<Tensor> {
        self.floats("hardshrink")?;
        self.masked_fill(&self.abs()?.le(lambda)?, 0)
    }

    /// `x - lambda` above lambda, `x + lambda` below -lambda, else 0. PyTorch's default lambda is 0.5.
    ///
    /// # Errors
    /// If lambda is negative or the tensor is complex.
    pub fn softshrink(&self, lambda: f64) -> Result<Tensor> {
        if lambda.is_nan() || lambda < 0.0 {
            return Err(Error::value("softshrink", format!("lambda must not be negative, got {lambda}")));
        }
        let below = self.lt(-lambda)?.where_(&self.add(lambda)?, &self.mul(0)?)?;
        self.gt(lambda)?.where_(&self.sub(lambda)?, &below)
    }

    /// Limited to `min..=max`, in the tensor's dtype; the derivative at the bounds is 0. PyTorch's defaults are -1 and 1.
    ///
    /// # Errors
    /// If min is greater than max, or the tensor is `bool` or complex.
    pub fn hardtanh(&self, min: f64, max: f64) -> Result<Tensor> {
        if min > max {
            return Err(Error::value("hardtanh", format!("the lower bound {min} is greater than the upper one, {max}")));
        }
        if (min.is_nan() || max.is_nan()) && self.dtype().is_int() {
            return Err(Error::value("hardtanh", format!("a bound of NaN for integers, {}", self.dtype())));
        }
        self.clamp(min, max)
    }

    /// x where it is above the threshold, else `value`.
    ///
    /// # Errors
    /// If the tensor is complex.
    pub fn threshold(&self, threshold: f64, value: f64) -> Result<Tensor> {
        if self.dtype() == DType::Bool {
            return Err(Error::dtype("threshold", "does not take booleans"));
        }
        let number = if threshold.fract() == 0.0 { Scalar::Int(threshold as i64) } else { Scalar::Float(threshold) };
        if !number.fits(self.dtype()) {
            return Err(Error::value("threshold", format!("{threshold} is out of range for {}", self.dtype())));
        }
        // Integers compare with the threshold in their own type, where a negative one becomes large if they have no sign.
        let below = if self.dtype().is_int() {
            self.le(&Tensor::full((), threshold as i64, (DType::I64, self.device()))?.to_dtype(self.dtype())?)?
        } else {
            self.le(threshold)?
        };
        self.masked_fill(&below, value)
    }

    /// x for positive x, else `weight x`, with one weight, or one for each channel (dimension 1).
    ///
    /// # Errors
    /// If the number of weights is neither 1 nor that of channels, they have two dimensions or more, or the dtypes differ.
    pub fn prelu(&self, weight: &Tensor) -> Result<Tensor> {
        if self.dtype() != weight.dtype() {
            return Err(Error::dtype("prelu", format!("wants one dtype, got {} and {}", self.dtype(), weight.dtype())));
        }
        if weight.dim() > 1 {
            return Err(Error::shape("prelu", format!("wants weights of at most 1 dimension, got the shape {:?}", weight.shape())));
        }
        let weight = if weight.numel() == 1 {
            weight.reshape(())?
        } else {
            let channels = if self.dim() > 1 { self.shape()[1] } else { 1 };
            if self.dim() == 0 || channels != weight.numel() {
                return Err(Error::shape("prelu", format!("got {} weights for an input of shape {:?}", weight.numel(), self.shape())));
            }
            let mut shape = vec![1; self.dim()];
            shape[1] = channels;
            weight.reshape(shape)?
        };
        self.gt(0)?.where_(self, &self.mul(&weight)?)
    }

    /// `a sigmoid(b)`, where a and b are the halves along a dimension. PyTorch's default is the last one.
    ///
    /// # Errors
    /// If there is no such dimension or its size is odd, or the tensor is not floating point.
    pub fn glu(&self, dim: isize) -> Result<Tensor> {
        self.floats("glu")?;
        let n = self.size(dim)?;
        if n % 2 != 0 {
            return Err(Error::shape("glu", format!("the dimension to be halved must be even, dimension {dim} has size {n}")));
        }
        self.narrow(dim, 0, n / 2)?.mul(&self.narrow(dim, (n / 2) as isize, n / 2)?.sigmoid()?)
    }

    /// `x - tanh(x)`.
    ///
    /// # Errors
    /// If the dtype does not fit.
    pub fn tanhshrink(&self) -> Result<Tensor> {
        self.sub(&self.tanh()?)
    }

    /// `x / (1 + |x|)`.
    ///
    /// # Errors
    /// If the dtype does not fit.
    pub fn softsign(&self) -> Result<Tensor> {
        self.div(&self.abs()?.add(1)?)
    }
}
