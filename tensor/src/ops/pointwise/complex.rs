//! Complex numbers. Real tensors are taken where PyTorch takes them.

use rushlight_backend::op::{Part, Pointwise, Unary};
use rushlight_backend::{Error, Result};

use crate::{Tensor, apply1};

impl Tensor {
    /// The complex conjugate; a real tensor as it is.
    ///
    /// # Errors
    /// If the device fails.
    pub fn conj(&self) -> Result<Tensor> {
        if self.dtype().is_complex() { apply1(Pointwise::Unary(Unary::Conj), [self]) } else { Ok(self.clone()) }
    }

    /// The real part; a real tensor as it is.
    ///
    /// # Errors
    /// If the device fails.
    pub fn real(&self) -> Result<Tensor> {
        if self.dtype().is_complex() { apply1(Pointwise::Part(Part::Real), [self]) } else { Ok(self.clone()) }
    }

    /// The imaginary part.
    ///
    /// # Errors
    /// If the tensor is real.
    pub fn imag(&self) -> Result<Tensor> {
        apply1(Pointwise::Part(Part::Imag), [self])
    }

    /// Complex numbers from real and imaginary parts, broadcast, both `float32` or both `float64`.
    ///
    /// # Errors
    /// If the dtypes differ or are others, or the shapes cannot be broadcast.
    pub fn complex(real: &Tensor, imag: &Tensor) -> Result<Tensor> {
        apply1(Pointwise::Complex, [real, imag])
    }

    /// Complex numbers from magnitudes and angles in radians, both `float32` or both `float64`.
    ///
    /// # Errors
    /// If the dtypes differ or are others, or the shapes cannot be broadcast.
    pub fn polar(abs: &Tensor, angle: &Tensor) -> Result<Tensor> {
        if abs.dtype() != angle.dtype() {
            return Err(Error::dtype("polar", format!("wants one dtype, got {} and {}", abs.dtype(), angle.dtype())));
        }
        Tensor::complex(&abs.mul(&angle.cos()?)?, &abs.mul(&angle.sin()?)?)
    }

    /// Real and imaginary parts along one more last dimension of size 2.
    ///
    /// # Errors
    /// If the tensor is real.
    pub fn view_as_real(&self) -> Result<Tensor> {
        let parts = [apply1(Pointwise::Part(Part::Real), [self])?, self.imag()?];
        Tensor::stack(&parts, -1)
    }

    /// Complex numbers from pairs along the last dimension, which has size 2.
    ///
    /// # Errors
    /// If it has not, or the dtype is neither `float32` nor `float64`.
    pub fn view_as_complex(&self) -> Result<Tensor> {
        if self.shape().last() != Some(&2) {
            return Err(Error::shape("view_as_complex", format!("wants a last dimension of size 2, got the shape {:?}", self.shape())));
        }
        Tensor::complex(&self.select(-1, 0)?, &self.select(-1, 1)?)
    }

    /// The angle in radians; of real numbers 0 or pi, with derivative 0.
    ///
    /// # Errors
    /// If the device fails.
    pub fn angle(&self) -> Result<Tensor> {
        if self.dtype().is_complex() {
            let zero = self.eq(0)?;
            let re = self.real()?;
            // The derivative at 0 is 0.
            return self.imag()?.atan2(&zero.where_(&re.zeros_like()?, &re)?)?.masked_fill(&zero.logical_and(&re.ge(0)?)?, 0.0);
        }
        let x = if self.dtype().is_float() { self.clone() } else { self.to_dtype(crate::default_dtype())? };
        let angle = x.lt(0)?.to_dtype(x.dtype())?.mul(std::f64::consts::PI)?;
        // NaN stays, and rounding has the derivative 0.
        x.isnan()?.where_(&x.round()?, &angle)
    }

    /// `x / |x|`, and 0 at 0; of real numbers the sign.
    ///
    /// # Errors
    /// If the device fails.
    pub fn sgn(&self) -> Result<Tensor> {
        if !self.dtype().is_complex() {
            return self.sign();
        }
        let abs = self.abs()?;
        let zero = abs.eq(0)?;
        let (x, abs) = (self.masked_fill(&zero, 0)?, abs.masked_fill(&zero, 1)?);
        // Part by part: infinite ones do not spoil the others.
        Tensor::complex(&x.real()?.div(&abs)?, &x.imag()?.div(&abs)?)
    }

    /// Whether the imaginary part is 0 (`bool`).
    ///
    /// # Errors
    /// If the device fails.
    pub fn isreal(&self) -> Result<Tensor> {
        if self.dtype().is_complex() {
            self.imag()?.eq(0)
        } else {
            Tensor::ones(self.shape(), (rushlight_backend::DType::Bool, self.device()))
        }
    }
}
