//! Comparisons of whole tensors, and questions about each number.

use rushlight_backend::{DType, Error, Result};

use super::common_type;
use crate::{Operand, Tensor, default_dtype};

fn ordered(op: &'static str, x: &Tensor) -> Result<()> {
    if x.dtype().is_complex() { Err(Error::dtype(op, format!("complex numbers have no order, got {}", x.dtype()))) } else { Ok(()) }
}

impl Tensor {
    /// Whether `|x - y| <= atol + rtol |y|`, or equal (`bool`), or both NaN with `equal_nan`. PyTorch's defaults are 1e-5, 1e-8 and false.
    ///
    /// # Errors
    /// If a tolerance is negative or NaN, the dtypes differ, or the shapes cannot be broadcast.
    pub fn isclose(&self, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> {
        if self.dtype() != other.dtype() {
            return Err(Error::dtype("isclose", format!("wants one dtype, got {} and {}", self.dtype(), other.dtype())));
        }
        if rtol.is_nan() || rtol < 0.0 || atol.is_nan() || atol < 0.0 {
            return Err(Error::value("isclose", format!("tolerances must not be negative, got rtol {rtol} and atol {atol}")));
        }
        let mut close = self.eq(other)?;
        if equal_nan && self.dtype().is_differentiable() {
            close = close.logical_or(&self.isnan()?.logical_and(&other.isnan()?)?)?;
        }
        if rtol == 0.0 && atol == 0.0 {
            return Ok(close);
        }
        let float = |x: &Tensor| if x.dtype().is_differentiable() { Ok(x.clone()) } else { x.to_dtype(default_dtype()) };
        let (x, y) = (float(self)?, float(other)?);
        let (error, allowed) = (x.sub(&y)?.abs()?, y.mul(rtol)?.abs()?.add(atol)?);
        close.logical_or(&error.isfinite()?.logical_and(&error.le(&allowed)?)?)
    }

    /// Whether all elements are [close](Tensor::isclose).
    ///
    /// # Errors
    /// As `isclose`.
    pub fn allclose(&self, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<bool> {
        self.isclose(other, rtol, atol, equal_nan)?.all()?.item::<bool>()
    }

    /// Whether shape and all elements are equal.
    ///
    /// # Errors
    /// If the dtypes differ.
    pub fn equal(&self, other: &Tensor) -> Result<bool> {
        if self.dtype() != other.dtype() {
            return Err(Error::dtype("equal", format!("wants one dtype, got {} and {}", self.dtype(), other.dtype())));
        }
        if self.shape() != other.shape() { Ok(false) } else { self.eq(other)?.all()?.item::<bool>() }
    }

    /// Whether plus infinity (`bool`).
    ///
    /// # Errors
    /// If the tensor is complex.
    pub fn isposinf(&self) -> Result<Tensor> {
        ordered("isposinf", self)?;
        self.eq(f64::INFINITY)
    }

    /// Whether minus infinity (`bool`).
    ///
    /// # Errors
    /// If the tensor is complex.
    pub fn isneginf(&self) -> Result<Tensor> {
        ordered("isneginf", self)?;
        self.eq(f64::NEG_INFINITY)
    }

    /// Whether the sign bit is set, also that of zeros and NaN (`bool`).
    ///
    /// # Errors
    /// If the tensor is complex.
    pub fn signbit(&self) -> Result<Tensor> {
        ordered("signbit", self)?;
        if self.dtype().is_float() { self.ones_like()?.copysign(self)?.lt(0) } else { self.lt(0) }
    }

    fn extremum(&self, op: &'static str, other: &Tensor, first: fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let dtype = common_type(&[Operand::Tensor(self), Operand::Tensor(other)]);
        ordered(op, self)?;
        let (x, y) = (self.to_dtype(dtype)?, other.to_dtype(dtype)?);
        first(&x, &y)?.logical_or(&y.isnan()?)?.where_(&x, &y)
    }

    /// The larger one; if one is NaN, the other. The first one has the gradient where they are equal.
    ///
    /// # Errors
    /// If the tensors are complex or the shapes cannot be broadcast.
    pub fn fmax(&self, other: &Tensor) -> Result<Tensor> {
        self.extremum("fmax", other, |x, y| x.ge(y))
    }

    /// The smaller one; if one is NaN, the other. The first one has the gradient where they are equal.
    ///
    /// # Errors
    /// If the tensors are complex or the shapes cannot be broadcast.
    pub fn fmin(&self, other: &Tensor) -> Result<Tensor> {
        self.extremum("fmin", other, |x, y| x.le(y))
    }

    /// 0 below 0, 1 above, and `values` at 0.
    ///
    /// # Errors
    /// If the dtypes differ, the tensors are complex, or the shapes cannot be broadcast.
    pub fn heaviside(&self, values: &Tensor) -> Result<Tensor> {
        ordered("heaviside", self)?;
        if self.dtype() != values.dtype() {
            return Err(Error::dtype("heaviside", format!("wants one dtype, got {} and {}", self.dtype(), values.dtype())));
        }
        self.eq(0)?.where_(values, &self.gt(0)?.to_dtype(self.dtype())?)
    }

    /// NaN and infinities replaced: by default NaN by 0, infinities by the largest and smallest number of the dtype.
    ///
    /// # Errors
    /// If the device fails.
    pub fn nan_to_num(
        &self,
        nan: impl Into<Option<f64>>,
        posinf: impl Into<Option<f64>>,
        neginf: impl Into<Option<f64>>,
    ) -> Result<Tensor> {
        let (nan, posinf, neginf) = (nan.into().unwrap_or(0.0), posinf.into(), neginf.into());
        if self.dtype().is_complex() {
            let part = |x: Tensor| x.nan_to_num(nan, posinf, neginf);
            return Tensor::complex(&part(self.real()?)?, &part(self.imag()?)?);
        }
        let largest = match self.dtype() {
            DType::F64 => f64::MAX,
            DType::F32 => f32::MAX.into(),
            DType::F16 => 65504.0,
            DType::BF16 => rushlight_backend::bf16::MAX.to_f64(),
            _ => return Ok(self.clone()),
        };
        let x = self.masked_fill(&self.isnan()?, nan)?;
        x.masked_fill(&self.isposinf()?, posinf.unwrap_or(largest))?.masked_fill(&self.isneginf()?, neginf.unwrap_or(-largest))
    }
}
