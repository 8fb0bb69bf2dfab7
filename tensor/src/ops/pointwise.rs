//! Element by element: arithmetic, comparisons, functions, casts.

mod activation;
mod arithmetic;
mod compare;
mod complex;
mod methods;
pub(crate) mod special;

use rushlight_backend::op::{Binary, Part, Pointwise, Rounding, Unary};
use rushlight_backend::{DType, Error, Result, Scalar, promote};

use crate::door::apply_slice1;
use crate::{Device, Input, Operand, Tensor, Tensors, apply1, default_dtype};

impl Operand<'_> {
    fn as_promote(&self) -> promote::Operand {
        match self {
            Operand::Tensor(t) => promote::Operand::Tensor(t.dtype(), t.dim()),
            Operand::Scalar(s) => promote::Operand::Scalar(*s),
        }
    }
}

/// The type in which an operation on these operands is computed: PyTorch's `result_type`.
pub(crate) fn common_type(operands: &[Operand<'_>]) -> DType {
    let mut list = smallvec::SmallVec::<[promote::Operand; 3]>::new();
    list.extend(operands.iter().map(Operand::as_promote));
    promote::result_type(&list, default_dtype())
}

/// The type in which `op` computes, when its operands have the common type `dtype`.
fn compute_type(op: Binary, dtype: DType) -> DType {
    match op {
        Binary::Div(Rounding::None) | Binary::Atan2 if !dtype.is_differentiable() => default_dtype(),
        _ => dtype,
    }
}

fn cast(x: Input<'_>, dtype: DType) -> Result<Input<'_>> {
    if x.tensor().dtype() == dtype { Ok(x) } else { apply1(Pointwise::Cast(dtype), [x]).map(Input::Own) }
}

/// Subtraction takes no booleans on either side, even where the other side would promote them.
fn no_bool_in_sub(op: Binary, x: &Tensor, other: Operand<'_>) -> Result<()> {
    let is_bool = match other {
        Operand::Tensor(y) => y.dtype() == DType::Bool,
        Operand::Scalar(s) => matches!(s, Scalar::Bool(_)),
    };
    if op == Binary::Sub && (is_bool || x.dtype() == DType::Bool) {
        return Err(Error::dtype("sub", "does not take booleans: use `logical_xor`, or convert them"));
    }
    Ok(())
}

/// `op(x, other)` with promotion; the memory of an owned `x` may be reused.
#[inline]
pub(crate) fn binary(op: Binary, x: Input<'_>, other: Operand<'_>) -> Result<Tensor> {
    match other {
        Operand::Tensor(y) if x.tensor().dtype() == y.dtype() && compute_type(op, y.dtype()) == y.dtype() => {
            apply_slice1(&Pointwise::Binary(op).into(), &mut [x, Input::Ref(y)])
        }
        _ => promoted(op, x, other),
    }
}

/// `op(x, other)` of operands of different dtypes.
fn promoted(op: Binary, x: Input<'_>, other: Operand<'_>) -> Result<Tensor> {
    match other {
        Operand::Tensor(y) => {
            no_bool_in_sub(op, x.tensor(), other)?;
            let dtype = compute_type(op, common_type(&[Operand::Tensor(x.tensor()), other]));
            apply1(Pointwise::Binary(op), [cast(x, dtype)?, cast(Input::Ref(y), dtype)?])
        }
        Operand::Scalar(scalar) => with_scalar(op, x, scalar, false),
    }
}

/// `op(scalar, x)` with promotion.
pub(crate) fn reflected(op: Binary, scalar: Scalar, x: Input<'_>) -> Result<Tensor> {
    with_scalar(op, x, scalar, true)
}

fn with_scalar(op: Binary, x: Input<'_>, scalar: Scalar, reflected: bool) -> Result<Tensor> {
    let common = common_type(&[Operand::Tensor(x.tensor()), Operand::Scalar(scalar)]);
    no_bool_in_sub(op, x.tensor(), Operand::Scalar(scalar))?;
    if op == Binary::Pow && !reflected && common == DType::Bool {
        // The only power that booleans have: x^True = x, x^False = True.
        return if scalar.to_i64() == 0 { x.tensor().ones_like() } else { Ok(x.into_tensor()) };
    }
    let integer_power = op == Binary::Pow && !reflected && common.is_int() && scalar.to_i64() < 0;
    if integer_power {
        return Err(Error::value("pow", "integers to negative integer powers are not allowed"));
    }
    apply_slice1(&Pointwise::WithScalar { op, scalar, reflected }.into(), &mut [cast(x, compute_type(op, common))?])
}

impl Tensor {
    /// An error if the elements are not floating-point numbers.
    pub(crate) fn floats(&self, op: &'static str) -> Result<()> {
        if self.dtype().is_float() { Ok(()) } else { Err(Error::dtype(op, format!("wants a floating-point tensor, got {}", self.dtype()))) }
    }
}

/// Activations that PyTorch does not take integers for, though they would become floats elsewhere.
fn floats_only(f: &Unary) -> bool {
    use Unary::*;
    matches!(
        f,
        Gelu | GeluTanh | Silu | Mish | Selu | Hardsigmoid | Hardswish | LogSigmoid | Elu { .. } | LeakyRelu { .. } | Softplus { .. }
    )
}

/// `f(x)`; integers become the default float type where the function needs it.
pub(crate) fn unary(f: Unary, x: Input<'_>) -> Result<Tensor> {
    let dtype = x.tensor().dtype();
    if !dtype.is_differentiable() && floats_only(&f) {
        return Err(Error::dtype(f.name(), format!("wants a floating-point tensor, got {dtype}")));
    }
    let x = if dtype.is_differentiable() || f.takes_integers() { x } else { cast(x, default_dtype())? };
    apply_slice1(&Pointwise::Unary(f).into(), &mut [x])
}

impl Tensor {
    /// `x / y` rounded towards zero; numbers of 16 bits are rounded to their type before that.
    ///
    /// Takes a tensor (broadcast) or a number; dtypes are promoted as in PyTorch.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together, or the dtype does not fit.
    pub fn div_trunc<'b>(&self, other: impl Into<Operand<'b>>) -> Result<Tensor> {
        let other = other.into();
        match common_type(&[Operand::Tensor(self), other]) {
            DType::F16 | DType::BF16 => self.div(other)?.trunc(),
            _ => binary(Binary::Div(Rounding::Trunc), Input::Ref(self), other),
        }
    }

    /// The absolute value, of complex numbers the magnitude; its derivative at 0 is 0.
    ///
    /// # Errors
    /// If the tensor is `bool`.
    pub fn abs(&self) -> Result<Tensor> {
        if self.dtype().is_complex() { apply1(Pointwise::Part(Part::Abs), [self]) } else { unary(Unary::Abs, Input::Ref(self)) }
    }

    /// `x * x`; booleans become integers.
    ///
    /// # Errors
    /// If the device fails.
    pub fn square(&self) -> Result<Tensor> {
        if self.dtype() == DType::Bool { self.to_dtype(DType::I64) } else { unary(Unary::Square, Input::Ref(self)) }
    }

    /// `+x`: the tensor itself.
    ///
    /// # Errors
    /// If the tensor is `bool`.
    pub fn positive(&self) -> Result<Tensor> {
        if self.dtype() == DType::Bool {
            return Err(Error::dtype("positive", "does not take booleans"));
        }
        Ok(self.clone())
    }

    /// `scalar - x`.
    ///
    /// # Errors
    /// If the tensor is `bool`.
    pub fn rsub(&self, scalar: impl Into<Scalar>) -> Result<Tensor> {
        reflected(Binary::Sub, scalar.into(), Input::Ref(self))
    }

    /// `scalar` to the power of x.
    ///
    /// # Errors
    /// If the dtype does not fit.
    pub fn rpow(&self, scalar: impl Into<Scalar>) -> Result<Tensor> {
        reflected(Binary::Pow, scalar.into(), Input::Ref(self))
    }

    /// Python's `scalar % x`.
    ///
    /// # Errors
    /// If the dtype does not fit.
    pub fn rremainder(&self, scalar: impl Into<Scalar>) -> Result<Tensor> {
        reflected(Binary::Remainder, scalar.into(), Input::Ref(self))
    }

    /// Limited to `min..=max`; either may be absent. The derivative at the bounds is 0.
    ///
    /// # Errors
    /// If both are absent, or the tensor is complex.
    pub fn clamp(&self, min: impl Into<Option<f64>>, max: impl Into<Option<f64>>) -> Result<Tensor> {
        let (min, max) = (min.into(), max.into());
        if min.is_none() && max.is_none() {
            return Err(Error::value("clamp", "needs a lower or an upper bound"));
        }
        let f = Unary::Clamp { min: min.unwrap_or(f64::NEG_INFINITY), max: max.unwrap_or(f64::INFINITY) };
        unary(f, Input::Ref(self))
    }

    /// `x` for positive x, else `alpha * (exp(x) - 1)`. PyTorch's default alpha is 1.
    ///
    /// # Errors
    /// If the dtype does not fit.
    pub fn elu(&self, alpha: f64) -> Result<Tensor> {
        unary(Unary::Elu { alpha }, Input::Ref(self))
    }

    /// `x` for positive x, else `alpha * (exp(x / alpha) - 1)`. PyTorch's default alpha is 1.
    ///
    /// # Errors
    /// If alpha is 0 or the tensor is not of floats.
    pub fn celu(&self, alpha: f64) -> Result<Tensor> {
        if alpha == 0.0 {
            return Err(Error::value("celu", "alpha must not be 0"));
        }
        unary(Unary::Celu { alpha }, Input::Ref(self))
    }

    /// `x` for positive x, else `slope * x`. PyTorch's default slope is 0.01.
    ///
    /// # Errors
    /// If the dtype does not fit.
    pub fn leaky_relu(&self, slope: f64) -> Result<Tensor> {
        unary(Unary::LeakyRelu { slope }, Input::Ref(self))
    }

    /// `log(1 + exp(beta x)) / beta`, x itself where `beta x > threshold`. PyTorch's defaults are 1 and 20.
    ///
    /// # Errors
    /// If the dtype does not fit.
    pub fn softplus(&self, beta: f64, threshold: f64) -> Result<Tensor> {
        unary(Unary::Softplus { beta, threshold }, Input::Ref(self))
    }

    /// `self ? x : y`: this tensor is the condition (`bool`). Tensors are broadcast, dtypes promoted.
    ///
    /// # Errors
    /// If the condition is not `bool` or the shapes do not fit.
    pub fn where_<'b>(&self, x: impl Into<Operand<'b>>, y: impl Into<Operand<'b>>) -> Result<Tensor> {
        let (x, y) = (x.into(), y.into());
        let dtype = common_type(&[x, y]);
        let operand = |o: Operand<'b>| match o {
            Operand::Tensor(t) => cast(Input::Ref(t), dtype),
            Operand::Scalar(s) => Tensor::full([0usize; 0], s, (dtype, self.device())).map(Input::Own),
        };
        // PyTorch takes bytes as a condition still.
        let condition = if self.dtype() == DType::U8 { Input::Own(self.ne(0)?) } else { Input::Ref(self) };
        apply1(Pointwise::Where, [condition, operand(x)?, operand(y)?])
    }

    /// `value` where the mask (`bool`, broadcast) is true, this tensor elsewhere. The value is a number or a tensor of no dimensions.
    ///
    /// # Errors
    /// If the mask is not `bool` or does not fit, or the value has dimensions.
    pub fn masked_fill<'b>(&self, mask: &Tensor, value: impl Into<Operand<'b>>) -> Result<Tensor> {
        let value = value.into();
        let complex = match &value {
            Operand::Scalar(s) => matches!(s, Scalar::Complex(_)),
            Operand::Tensor(t) => t.dtype().is_complex(),
        };
        if complex && !self.dtype().is_complex() {
            return Err(Error::dtype("masked_fill", format!("a complex value does not fit into a tensor of {}", self.dtype())));
        }
        let value = match value {
            Operand::Scalar(s) => Tensor::full([0usize; 0], s, (self.dtype(), self.device()))?,
            // A number that does not fit into integers is refused, as one that is given as such.
            Operand::Tensor(t) if t.dim() == 0 && self.dtype().is_int() && t.dtype().is_float() => {
                Tensor::full((), t.to_f64()?, (self.dtype(), self.device()))?
            }
            Operand::Tensor(t) if t.dim() == 0 => t.to_dtype(self.dtype())?,
            Operand::Tensor(t) => {
                return Err(Error::shape("masked_fill", format!("wants a value of no dimensions, got the shape {:?}", t.shape())));
            }
        };
        apply1(Pointwise::Where, [mask, &value, self])
    }

    /// Converted to another dtype; the same tensor if it has that dtype.
    ///
    /// # Errors
    /// If the device does not have the dtype.
    pub fn to_dtype(&self, dtype: DType) -> Result<Tensor> {
        cast(Input::Ref(self), dtype).map(Input::into_tensor)
    }

    /// Copied to another device; the same tensor if it is there. The copy is outside of any graph.
    ///
    /// # Errors
    /// If a device fails.
    pub fn to_device(&self, device: Device) -> Result<Tensor> {
        if self.device() == device {
            return Ok(self.clone());
        }
        let storage = device.backend().upload(&self.to_bytes()?)?;
        Ok(Tensor::from_parts(storage, rushlight_backend::Layout::contiguous(self.shape()), self.dtype(), device))
    }
}

/// The derivative of a unary function, written in tensor operations: `x` is its input, `y` its output. `None` where the derivative is
/// zero wherever it exists.
///
/// It serves forward mode, derivatives of higher order, and backends without a kernel for [`Pointwise::UnaryGrad`].
///
/// # Errors
/// Those of the operations.
pub fn unary_derivative(f: Unary, x: Option<&Tensor>, y: Option<&Tensor>) -> Result<Option<Tensor>> {
    use Unary::*;
    let of =
        |t: Option<&Tensor>, which: &str| t.cloned().ok_or_else(|| Error::autograd(f.name(), format!("the derivative needs the {which}")));
    let input = || of(x, "input");
    let output = || of(y, "output");
    let d = match f {
        Neg => return input().or_else(|_| output()).and_then(|t| t.full_like(-1.0)).map(Some),
        Abs => input()?.sign()?,
        Square => input()?.mul(2.0)?,
        Reciprocal => output()?.square()?.neg()?,
        Sqrt => output()?.mul(2.0)?.reciprocal()?,
        Rsqrt => output()?.pow(3)?.mul(-0.5)?,
        Exp => output()?,
        Exp2 => output()?.mul(std::f64::consts::LN_2)?,
        Expm1 => output()?.add(1.0)?,
        Log => input()?.reciprocal()?,
        Log2 => input()?.mul(std::f64::consts::LN_2)?.reciprocal()?,
        Log10 => input()?.mul(std::f64::consts::LN_10)?.reciprocal()?,
        Log1p => input()?.add(1.0)?.reciprocal()?,
        Sin => input()?.cos()?,
        Cos => input()?.sin()?.neg()?,
        Tan => output()?.square()?.add(1.0)?,
        Asin => input()?.square()?.rsub(1.0)?.rsqrt()?,
        Acos => input()?.square()?.rsub(1.0)?.rsqrt()?.neg()?,
        Atan => input()?.square()?.add(1.0)?.reciprocal()?,
        Sinh => input()?.cosh()?,
        Cosh => input()?.sinh()?,
        Tanh => output()?.square()?.rsub(1.0)?,
        Asinh => input()?.square()?.add(1.0)?.rsqrt()?,
        // The product has the branch cuts of the function.
        Acosh if input()?.dtype().is_complex() => input()?.sub(1.0)?.rsqrt()?.mul(&input()?.add(1.0)?.rsqrt()?)?,
        Acosh => input()?.square()?.sub(1.0)?.rsqrt()?,
        Atanh => input()?.square()?.rsub(1.0)?.reciprocal()?,
        Erf => input()?.square()?.neg()?.exp()?.mul(std::f64::consts::FRAC_2_SQRT_PI)?,
        Erfc => input()?.square()?.neg()?.exp()?.mul(-std::f64::consts::FRAC_2_SQRT_PI)?,
        Sigmoid => {
            let y = output()?;
            y.mul(&y.rsub(1.0)?)?
        }
        LogSigmoid => input()?.neg()?.sigmoid()?,
        Gelu => {
            // Phi(x) + x phi(x)
            let x = input()?;
            let cdf = x.mul(std::f64::consts::FRAC_1_SQRT_2)?.erf()?.add(1.0)?.mul(0.5)?;
            let pdf = x.square()?.mul(-0.5)?.exp()?.mul(0.5 * std::f64::consts::FRAC_1_SQRT_2 * std::f64::consts::FRAC_2_SQRT_PI)?;
            cdf.add(&x.mul(&pdf)?)?
        }
        GeluTanh => {
            // y = x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3)
            let x = input()?;
            let k = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
            let x2 = x.square()?;
            let t = x2.mul(0.044715)?.add(1.0)?.mul(&x)?.mul(k)?.tanh()?;
            let du = x2.mul(3.0 * 0.044715)?.add(1.0)?.mul(k)?;
            let right = t.square()?.rsub(1.0)?.mul(&du)?.mul(&x)?;
            t.add(1.0)?.add(&right)?.mul(0.5)?
        }
        Silu => {
            let x = input()?;
            let s = x.sigmoid()?;
            x.mul(&s.rsub(1.0)?)?.add(1.0)?.mul(&s)?
        }
        Mish => {
            let x = input()?;
            let (s, t) = (x.sigmoid()?, x.softplus(1.0, 20.0)?.tanh()?);
            t.square()?.rsub(1.0)?.mul(&s)?.mul(&x)?.add(&t)?
        }
        Selu => {
            const ALPHA: f64 = 1.673_263_242_354_377_2;
            const SCALE: f64 = 1.050_700_987_355_480_5;
            let x = input()?;
            let low = x.clamp(None, 0.0)?.exp()?.mul(ALPHA * SCALE)?;
            x.gt(0)?.where_(SCALE, &low)?.to_dtype(x.dtype())?
        }
        Elu { alpha } => {
            let x = input()?;
            let low = x.clamp(None, 0.0)?.exp()?.mul(alpha)?;
            x.gt(0)?.where_(1.0, &low)?.to_dtype(x.dtype())?
        }
        Celu { alpha } => {
            // PyTorch has the reciprocal in single precision here, whatever the dtype.
            let (x, n) = (input()?, 1.0 / f64::from(alpha as f32));
            let low = x.clamp(None, 0.0)?.mul(n)?.exp()?.mul(alpha * n)?;
            x.gt(0)?.where_(1.0, &low)?.to_dtype(x.dtype())?
        }
        LeakyRelu { slope } => {
            let x = input()?;
            x.full_like(slope)?.masked_fill(&x.gt(0)?, 1.0)?
        }
        Softplus { beta, threshold } => {
            let x = input()?;
            let z = x.mul(beta)?;
            z.gt(threshold)?.where_(1.0, &z.sigmoid()?)?.to_dtype(x.dtype())?
        }
        Hardsigmoid => {
            let x = input()?;
            // PyTorch has the sixth in single precision here, whatever the dtype.
            x.gt(-3)?.logical_and(&x.lt(3)?)?.to_dtype(x.dtype())?.mul(f64::from(1f32 / 6.0))?
        }
        Hardswish => {
            let x = input()?;
            let middle = x.div(3.0)?.add(0.5)?;
            x.le(-3)?.where_(0.0, &x.ge(3)?.where_(1.0, &middle)?)?
        }
        Relu | Relu6 | Clamp { .. } => {
            let saved = if f == Relu { output()? } else { input()? };
            return gate(f, &saved)?.map(|passes| passes.to_dtype(saved.dtype())).transpose();
        }
        Sign | Floor | Ceil | Round | Trunc => return Ok(None),
        // The conjugate is linear, but has no complex derivative.
        Conj | BitwiseNot | LogicalNot | IsNan | IsInf | IsFinite => {
            return Err(Error::autograd(f.name(), "is not differentiable"));
        }
    };
    Ok(Some(d))
}

/// Where gradients pass, for functions that let them pass or stop them, whatever they are.
fn gate(f: Unary, saved: &Tensor) -> Result<Option<Tensor>> {
    Ok(Some(match f {
        // NaN lets them pass, as in PyTorch.
        Unary::Relu => saved.le(0)?.logical_not()?,
        Unary::Relu6 => saved.le(0)?.logical_or(&saved.ge(6)?)?.logical_not()?,
        // At the bounds they stop, as in PyTorch; an infinite bound is none.
        Unary::Clamp { min, max } => {
            let above = if min == f64::NEG_INFINITY { saved.ge(min)? } else { saved.gt(min)? };
            let below = if max == f64::INFINITY { saved.le(max)? } else { saved.lt(max)? };
            above.logical_and(&below)?
        }
        _ => return Ok(None),
    }))
}

fn unary_grad(f: Unary, g: &Tensor, saved: &Tensor) -> Result<Tensor> {
    if let Some(passes) = gate(f, saved)? {
        return passes.where_(g, 0.0);
    }
    match unary_derivative(f, Some(saved), Some(saved))? {
        Some(d) => g.mul(&d.conj()?),
        None => g.mul(0.0),
    }
}

/// Composite operations of this family in smaller ones.
pub(crate) fn decompose(op: &Pointwise, inputs: &[&Tensor]) -> Option<Result<Tensors>> {
    match (op, inputs) {
        (Pointwise::UnaryGrad(f), [g, saved]) => Some(unary_grad(*f, g, saved).map(|g| smallvec::smallvec![g])),
        _ => None,
    }
}
