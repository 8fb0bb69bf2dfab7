//! Arithmetic in several steps, and rare arithmetic.

use rushlight_backend::op::{Binary, IntegerOp, Pointwise};
use rushlight_backend::{DType, Error, Result, Scalar};

use super::{cast, common_type, no_bool_in_sub};
use crate::{Input, Operand, Tensor, apply1};

/// The product of two numbers, of the wider kind.
fn times(a: Scalar, b: Scalar) -> Scalar {
    match (a, b) {
        (Scalar::Complex(_), _) | (_, Scalar::Complex(_)) => Scalar::Complex(a.to_complex() * b.to_complex()),
        (Scalar::Float(_), _) | (_, Scalar::Float(_)) => Scalar::Float(a.to_f64() * b.to_f64()),
        (Scalar::Bool(a), Scalar::Bool(b)) => Scalar::Bool(a && b),
        _ => Scalar::Int(a.to_i64().wrapping_mul(b.to_i64())),
    }
}

/// `alpha y`, in the type that x and y have in common.
fn scaled(op: &'static str, x: &Tensor, y: Operand<'_>, alpha: Scalar) -> Result<Tensor> {
    let dtype = common_type(&[Operand::Tensor(x), y]);
    match alpha {
        Scalar::Float(_) | Scalar::Complex(_) if !dtype.is_differentiable() => {
            return Err(Error::dtype(op, format!("alpha must be an integer for tensors of type {dtype}")));
        }
        Scalar::Complex(_) if !dtype.is_complex() => {
            return Err(Error::dtype(op, format!("alpha must be real for tensors of type {dtype}")));
        }
        alpha if dtype.is_int() && !alpha.fits(dtype) => {
            return Err(Error::value(op, format!("alpha {alpha:?} is out of range for {dtype}")));
        }
        Scalar::Bool(_) if dtype != DType::Bool => {
            return Err(Error::dtype(op, format!("alpha must be a number for tensors of type {dtype}")));
        }
        _ => {}
    }
    let alpha = if dtype == DType::Bool { Scalar::Bool(alpha.to_i64() != 0) } else { alpha };
    match y {
        Operand::Tensor(y) => cast(Input::Ref(y), dtype)?.tensor().mul(alpha),
        Operand::Scalar(s) => Tensor::full((), times(s, alpha), (dtype, x.device())),
    }
}

/// Half precision is computed in single precision and rounded once.
fn widely(tensors: &[&Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<Tensor> {
    let operands: Vec<Operand<'_>> = tensors.iter().map(|t| Operand::Tensor(t)).collect();
    let dtype = common_type(&operands);
    let wide = if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype };
    let tensors = tensors.iter().map(|t| t.to_dtype(wide)).collect::<Result<Vec<_>>>()?;
    f(&tensors)?.to_dtype(dtype)
}

impl Tensor {
    /// `x + alpha y`.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together, or alpha is not of the result's kind.
    pub fn add_scaled<'b>(&self, other: impl Into<Operand<'b>>, alpha: impl Into<Scalar>) -> Result<Tensor> {
        self.add(&scaled("add", self, other.into(), alpha.into())?)
    }

    /// `x - alpha y`.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together, a tensor is `bool`, or alpha is not of the result's kind.
    pub fn sub_scaled<'b>(&self, other: impl Into<Operand<'b>>, alpha: impl Into<Scalar>) -> Result<Tensor> {
        let other = other.into();
        no_bool_in_sub(Binary::Sub, self, other)?;
        self.sub(&scaled("sub", self, other, alpha.into())?)
    }

    /// `x + value y z`. PyTorch's default value is 1.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together, or the value is not of the tensors' kind.
    pub fn addcmul(&self, tensor1: &Tensor, tensor2: &Tensor, value: impl Into<Scalar>) -> Result<Tensor> {
        let value = value.into();
        widely(&[self, tensor1, tensor2], |t| {
            if t[0].dtype() == DType::Bool {
                return Err(Error::dtype("addcmul", "does not take booleans"));
            }
            if !t[0].dtype().is_differentiable() && matches!(value, Scalar::Float(_) | Scalar::Complex(_)) {
                return Err(Error::dtype("addcmul", format!("value must be an integer for tensors of type {}", t[0].dtype())));
            }
            if t[0].dtype().is_int() && !value.fits(t[0].dtype()) {
                return Err(Error::value("addcmul", format!("the value {value:?} is out of range for {}", t[0].dtype())));
            }
            t[0].add(&t[1].mul(&t[2])?.mul(value)?)
        })
    }

    /// `x + value y / z`. PyTorch's default value is 1.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together, or the tensors are of integers.
    pub fn addcdiv(&self, tensor1: &Tensor, tensor2: &Tensor, value: impl Into<Scalar>) -> Result<Tensor> {
        if !tensor1.dtype().is_differentiable() && !tensor2.dtype().is_differentiable() {
            return Err(Error::dtype("addcdiv", "integers cannot be divided here: convert them to floats first"));
        }
        let value = value.into();
        widely(&[self, tensor1, tensor2], |t| t[0].add(&t[1].mul(value)?.div(&t[2])?))
    }

    /// `x + weight (end - x)`: the line from x at weight 0 to `end` at weight 1.
    ///
    /// # Errors
    /// If the dtypes differ or are not floats, or the shapes cannot be broadcast.
    pub fn lerp<'b>(&self, end: &Tensor, weight: impl Into<Operand<'b>>) -> Result<Tensor> {
        let weight = weight.into();
        let other = if let Operand::Tensor(w) = weight { w.dtype() } else { self.dtype() };
        if self.dtype() != end.dtype() || self.dtype() != other || !self.dtype().is_differentiable() {
            return Err(Error::dtype("lerp", format!("wants one floating-point dtype, got {}, {} and {other}", self.dtype(), end.dtype())));
        }
        match weight {
            Operand::Tensor(w) => widely(&[self, end, w], |t| t[0].add(&t[2].mul(&t[1].sub(&t[0])?)?)),
            Operand::Scalar(w) => widely(&[self, end], |t| t[0].add(&t[1].sub(&t[0])?.mul(w)?)),
        }
    }

    /// The part behind the point: `x - trunc(x)`.
    ///
    /// # Errors
    /// If the tensor is not of real floats.
    pub fn frac(&self) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return Err(Error::dtype("frac", format!("wants a real floating-point tensor, got {}", self.dtype())));
        }
        self.sub(&self.trunc()?)
    }

    /// Rounded to a number of decimals, which may be negative; halves to even.
    ///
    /// # Errors
    /// If the tensor is complex or `bool`, or of integers and `decimals` is not 0.
    pub fn round_decimals(&self, decimals: i32) -> Result<Tensor> {
        if decimals == 0 {
            return self.round();
        }
        if !self.dtype().is_float() {
            return Err(Error::dtype("round", format!("decimals are for floating-point tensors, got {}", self.dtype())));
        }
        let ten = 10f64.powi(decimals.abs());
        widely(&[self], |t| if decimals > 0 { t[0].mul(ten)?.round()?.div(ten) } else { t[0].div(ten)?.round()?.mul(ten) })
    }

    /// x to the power of y in double precision.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together.
    pub fn float_power<'b>(&self, exponent: impl Into<Operand<'b>>) -> Result<Tensor> {
        let exponent = exponent.into();
        let complex = self.dtype().is_complex()
            || match exponent {
                Operand::Tensor(y) => y.dtype().is_complex(),
                Operand::Scalar(s) => matches!(s, Scalar::Complex(_)),
            };
        let dtype = if complex { DType::C128 } else { DType::F64 };
        let x = self.to_dtype(dtype)?;
        match exponent {
            Operand::Tensor(y) => x.pow(&y.to_dtype(dtype)?),
            Operand::Scalar(s) => x.pow(s),
        }
    }

    /// Degrees to radians.
    ///
    /// # Errors
    /// If the tensor is complex.
    pub fn deg2rad(&self) -> Result<Tensor> {
        self.angle_unit("deg2rad", std::f64::consts::PI / 180.0)
    }

    /// Radians to degrees.
    ///
    /// # Errors
    /// If the tensor is complex.
    pub fn rad2deg(&self) -> Result<Tensor> {
        self.angle_unit("rad2deg", 180.0 / std::f64::consts::PI)
    }

    fn angle_unit(&self, op: &'static str, factor: f64) -> Result<Tensor> {
        if self.dtype().is_complex() {
            return Err(Error::dtype(op, format!("does not take complex numbers, got {}", self.dtype())));
        }
        self.mul(factor)
    }

    /// All elements replaced by a number, or by a tensor of no dimensions, which has the gradient.
    ///
    /// # Errors
    /// If the value is a tensor with dimensions.
    pub fn filled<'b>(&self, value: impl Into<Operand<'b>>) -> Result<Tensor> {
        let everywhere = Tensor::full((), true, (DType::Bool, self.device()))?;
        self.masked_fill(&everywhere, value)
    }

    /// Limited by tensors (broadcast); either may be absent. At a tie the bound and x share the gradient.
    ///
    /// # Errors
    /// If both are absent, the tensors are complex, or the shapes cannot be broadcast.
    pub fn clamp_tensor(&self, min: Option<&Tensor>, max: Option<&Tensor>) -> Result<Tensor> {
        let operands: Vec<Operand<'_>> = std::iter::once(self).chain(min).chain(max).map(Operand::Tensor).collect();
        let dtype = common_type(&operands);
        let x = self.to_dtype(dtype)?;
        match (min, max) {
            (None, None) => Err(Error::value("clamp", "needs a lower or an upper bound")),
            (Some(min), None) => x.maximum(min),
            (None, Some(max)) => x.minimum(max),
            (Some(min), Some(max)) => x.maximum(min)?.minimum(max),
        }
    }

    /// Limited by numbers, which take part in promotion: integers with a float bound become floats. [`clamp`](Tensor::clamp) keeps the dtype.
    ///
    /// # Errors
    /// If both are absent, or the tensor or a bound is complex.
    pub fn clamp_scalar(&self, min: Option<Scalar>, max: Option<Scalar>) -> Result<Tensor> {
        let operands: Vec<Operand<'_>> =
            std::iter::once(Operand::Tensor(self)).chain([min, max].into_iter().flatten().map(Operand::Scalar)).collect();
        let dtype = common_type(&operands);
        self.to_dtype(dtype)?.clamp(min.map(Scalar::to_f64), max.map(Scalar::to_f64))
    }

    fn integer<'b>(&self, f: IntegerOp, other: Operand<'b>) -> Result<Tensor> {
        let dtype = common_type(&[Operand::Tensor(self), other]);
        let y = match other {
            Operand::Tensor(y) => cast(Input::Ref(y), dtype)?,
            Operand::Scalar(s) => Input::Own(Tensor::full((), s, (dtype, self.device()))?),
        };
        apply1(Pointwise::Integer(f), [cast(Input::Ref(self), dtype)?, y])
    }

    /// The greatest common divisor.
    ///
    /// # Errors
    /// If the tensors are not of integers or cannot be broadcast.
    pub fn gcd(&self, other: &Tensor) -> Result<Tensor> {
        self.integer(IntegerOp::Gcd, other.into())
    }

    /// The least common multiple.
    ///
    /// # Errors
    /// If the tensors are not of integers or cannot be broadcast.
    pub fn lcm(&self, other: &Tensor) -> Result<Tensor> {
        self.integer(IntegerOp::Lcm, other.into())
    }

    /// Shifted to the left by as many bits; 0 where that is negative or more than there are.
    ///
    /// # Errors
    /// If the tensors are not of integers or cannot be broadcast.
    pub fn bitwise_left_shift<'b>(&self, other: impl Into<Operand<'b>>) -> Result<Tensor> {
        self.integer(IntegerOp::ShiftLeft, other.into())
    }

    /// Shifted to the right by as many bits, keeping the sign.
    ///
    /// # Errors
    /// If the tensors are not of integers or cannot be broadcast.
    pub fn bitwise_right_shift<'b>(&self, other: impl Into<Operand<'b>>) -> Result<Tensor> {
        self.integer(IntegerOp::ShiftRight, other.into())
    }
}
