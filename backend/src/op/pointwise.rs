//! Element by element, with broadcasting.
//!
//! All inputs of one operation have the same dtype: the methods of the tensor crate promote them first (`Where` has a `bool`
//! condition besides). Scalars are parameters of the operation, not tensors.

use super::{IntegerOp, MetaRef, Metas, Part, Special, exactly, one, same_dtype};
use crate::layout::{same_shape, shape_of};
use crate::{DType, Error, Result, Scalar, broadcast_shapes};

/// An operation on each element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// `f(x)`.
    Unary(Unary),
    /// `f(x, y)`.
    Binary(Binary),
    /// `f(x, s)`, or `f(s, x)` if `reflected`. The scalar is converted to the tensor's dtype.
    WithScalar {
        /// The operation.
        op: Binary,
        /// The number.
        scalar: Scalar,
        /// Whether the number is the first operand.
        reflected: bool,
    },
    /// `g * f'(x)`: the backward of a unary operation in one pass. Inputs: g and what [`Unary::grad_uses`] says, the
    /// operation's input or its output.
    UnaryGrad(Unary),
    /// `condition ? x : y`. Inputs: condition (`bool`), x, y.
    Where,
    /// Conversion to another dtype.
    Cast(DType),
    /// A rare function of one or two floating-point tensors.
    Special(Special),
    /// A rare function of two integer tensors.
    Integer(IntegerOp),
    /// A real number of each complex one.
    Part(Part),
    /// Complex numbers from their real and imaginary parts, of type `float32` or `float64`.
    Complex,
}

/// Functions of one number. The result has the input's dtype, or `bool` for predicates.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // the names are the mathematics
pub enum Unary {
    Neg,
    Abs,
    Sign,
    Reciprocal,
    Square,
    Sqrt,
    Rsqrt,
    Exp,
    Exp2,
    Expm1,
    Log,
    Log2,
    Log10,
    Log1p,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Erf,
    Erfc,
    Floor,
    Ceil,
    /// To the nearest integer, halves to even.
    Round,
    Trunc,
    Sigmoid,
    LogSigmoid,
    Relu,
    /// `x * Phi(x)` with the exact normal distribution function.
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    Silu,
    Mish,
    Selu,
    Relu6,
    Hardsigmoid,
    Hardswish,
    /// `x` for positive x, else `alpha * (exp(x) - 1)`.
    Elu {
        alpha: f64,
    },
    /// `x` for positive x, else `alpha * (exp(x / alpha) - 1)`.
    Celu {
        alpha: f64,
    },
    /// `x` for positive x, else `slope * x`.
    LeakyRelu {
        slope: f64,
    },
    /// `log(1 + exp(beta x)) / beta`, and x itself where `beta x > threshold`.
    Softplus {
        beta: f64,
        threshold: f64,
    },
    /// Limited to `min..=max`; NaN stays.
    Clamp {
        min: f64,
        max: f64,
    },
    /// The complex conjugate; real numbers as they are.
    Conj,
    BitwiseNot,
    LogicalNot,
    IsNan,
    IsInf,
    IsFinite,
}

/// How a quotient is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Not at all: the quotient is a float.
    None,
    /// Towards zero.
    Trunc,
    /// Towards minus infinity.
    Floor,
}

/// Functions of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the mathematics
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div(Rounding),
    /// Python's remainder: it has the divisor's sign.
    Remainder,
    /// C's remainder: it has the dividend's sign.
    Fmod,
    Pow,
    /// The larger one; NaN if either is.
    Maximum,
    /// The smaller one; NaN if either is.
    Minimum,
    Atan2,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    LogicalAnd,
    LogicalOr,
    LogicalXor,
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
}

/// What the derivative of a unary function is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GradUses {
    /// The function's input.
    Input,
    /// The function's output.
    Output,
    /// Nothing: the derivative is zero wherever it exists.
    Nothing,
}

/// What there is of each function: names, and a list of all.
macro_rules! functions {
    ($($function:ident $({ $($parameter:ident: $usual:literal),* })? => $name:literal,)*) => {
        /// Every function; those with parameters once, with PyTorch's defaults.
        pub const ALL: &'static [Unary] = &[$(Unary::$function { $($($parameter: $usual),*)? }),*];

        /// PyTorch's name.
        pub fn name(self) -> &'static str {
            match self { $(Unary::$function { .. } => $name,)* }
        }

        /// The name of the backward operation.
        fn backward_name(self) -> &'static str {
            match self { $(Unary::$function { .. } => concat!($name, "_backward"),)* }
        }
    };
}

impl Unary {
    functions! {
        Neg => "neg",
        Abs => "abs",
        Sign => "sign",
        Reciprocal => "reciprocal",
        Square => "square",
        Sqrt => "sqrt",
        Rsqrt => "rsqrt",
        Exp => "exp",
        Exp2 => "exp2",
        Expm1 => "expm1",
        Log => "log",
        Log2 => "log2",
        Log10 => "log10",
        Log1p => "log1p",
        Sin => "sin",
        Cos => "cos",
        Tan => "tan",
        Asin => "asin",
        Acos => "acos",
        Atan => "atan",
        Sinh => "sinh",
        Cosh => "cosh",
        Tanh => "tanh",
        Asinh => "asinh",
        Acosh => "acosh",
        Atanh => "atanh",
        Erf => "erf",
        Erfc => "erfc",
        Floor => "floor",
        Ceil => "ceil",
        Round => "round",
        Trunc => "trunc",
        Sigmoid => "sigmoid",
        LogSigmoid => "logsigmoid",
        Relu => "relu",
        Gelu => "gelu",
        GeluTanh => "gelu",
        Silu => "silu",
        Mish => "mish",
        Selu => "selu",
        Relu6 => "relu6",
        Hardsigmoid => "hardsigmoid",
        Hardswish => "hardswish",
        Elu { alpha: 1.0 } => "elu",
        Celu { alpha: 1.0 } => "celu",
        LeakyRelu { slope: 0.01 } => "leaky_relu",
        Softplus { beta: 1.0, threshold: 20.0 } => "softplus",
        // Those of `hardtanh`.
        Clamp { min: -1.0, max: 1.0 } => "clamp",
        Conj => "conj",
        BitwiseNot => "bitwise_not",
        LogicalNot => "logical_not",
        IsNan => "isnan",
        IsInf => "isinf",
        IsFinite => "isfinite",
    }

    /// Whether the result is `bool`, whatever the input.
    pub fn is_predicate(self) -> bool {
        matches!(self, Unary::LogicalNot | Unary::IsNan | Unary::IsInf | Unary::IsFinite)
    }

    /// Whether integers are taken as they are; other functions need floats (the methods convert).
    pub fn takes_integers(self) -> bool {
        use Unary::*;
        self.is_predicate()
            || matches!(self, Neg | Abs | Sign | Square | Floor | Ceil | Round | Trunc | Relu | Relu6 | Clamp { .. } | Conj | BitwiseNot)
    }

    fn refuses_bool(self) -> bool {
        use Unary::*;
        matches!(self, Abs | Square | Floor | Ceil | Round | Trunc | Relu | Relu6 | Clamp { .. } | Conj)
    }

    /// Functions that are not defined on complex numbers; their magnitude is [`Part::Abs`].
    fn refuses_complex(self) -> bool {
        use Unary::*;
        matches!(self, Abs | Sign | Erf | Erfc | Floor | Ceil | Round | Trunc | LogSigmoid | Relu | Gelu | GeluTanh | Mish | Selu | Relu6)
            || matches!(self, Hardsigmoid | Hardswish | Elu { .. } | LeakyRelu { .. } | Softplus { .. } | Clamp { .. })
    }

    /// What [`Pointwise::UnaryGrad`] of this function takes as its second input.
    pub fn grad_uses(self) -> GradUses {
        use Unary::*;
        match self {
            Sqrt | Rsqrt | Reciprocal | Exp | Exp2 | Expm1 | Tan | Tanh | Sigmoid | Relu => GradUses::Output,
            Sign | Floor | Ceil | Round | Trunc => GradUses::Nothing,
            _ => GradUses::Input,
        }
    }
}

impl Binary {
    /// PyTorch's name.
    pub fn name(self) -> &'static str {
        use Binary::*;
        match self {
            Add => "add",
            Sub => "sub",
            Mul => "mul",
            Div(_) => "div",
            Remainder => "remainder",
            Fmod => "fmod",
            Pow => "pow",
            Maximum => "maximum",
            Minimum => "minimum",
            Atan2 => "atan2",
            Eq => "eq",
            Ne => "ne",
            Lt => "lt",
            Le => "le",
            Gt => "gt",
            Ge => "ge",
            LogicalAnd => "logical_and",
            LogicalOr => "logical_or",
            LogicalXor => "logical_xor",
            BitwiseAnd => "bitwise_and",
            BitwiseOr => "bitwise_or",
            BitwiseXor => "bitwise_xor",
        }
    }

    /// Whether the result is `bool`, whatever the inputs.
    pub fn is_predicate(self) -> bool {
        use Binary::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge | LogicalAnd | LogicalOr | LogicalXor)
    }

    /// The dtype of the result, or why there is none.
    fn result(self, dtype: DType) -> Result<DType> {
        use Binary::*;
        let refuse = |why: &str| Err(Error::dtype(self.name(), format!("{why}, got {dtype}")));
        match self {
            _ if self.is_predicate() => match self {
                Lt | Le | Gt | Ge if dtype.is_complex() => refuse("complex numbers have no order"),
                _ => Ok(DType::Bool),
            },
            BitwiseAnd | BitwiseOr | BitwiseXor if dtype.is_differentiable() => refuse("wants integers or booleans"),
            Sub if dtype == DType::Bool => refuse("subtraction of booleans is not defined (logical_xor is what is meant)"),
            Div(Rounding::None) | Atan2 if !dtype.is_differentiable() => refuse("wants floating-point tensors"),
            Maximum | Minimum | Remainder | Fmod | Atan2 | Div(Rounding::Trunc | Rounding::Floor) if dtype.is_complex() => {
                refuse("does not take complex numbers")
            }
            Remainder | Fmod | Pow | Div(Rounding::Trunc | Rounding::Floor) if dtype == DType::Bool => refuse("does not take booleans"),
            _ => Ok(dtype),
        }
    }
}

impl Pointwise {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Pointwise::Unary(f) => f.name(),
            Pointwise::Binary(f) | Pointwise::WithScalar { op: f, .. } => f.name(),
            Pointwise::UnaryGrad(f) => f.backward_name(),
            Pointwise::Where => "where",
            Pointwise::Cast(_) => "to",
            Pointwise::Special(f) => f.name(),
            Pointwise::Integer(f) => f.name(),
            Pointwise::Part(part) => part.name(),
            Pointwise::Complex => "complex",
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        match self {
            Pointwise::Unary(f) => {
                let [x] = exactly(name, inputs)?;
                if !x.dtype.is_differentiable() && !f.takes_integers() {
                    return Err(Error::dtype(name, format!("wants a floating-point tensor, got {}", x.dtype)));
                }
                if *f == Unary::BitwiseNot && x.dtype.is_differentiable() {
                    return Err(Error::dtype(name, format!("wants integers or booleans, got {}", x.dtype)));
                }
                if x.dtype == DType::Bool && f.refuses_bool() {
                    return Err(Error::dtype(name, "does not take booleans"));
                }
                if x.dtype.is_complex() && f.refuses_complex() {
                    return Err(Error::dtype(name, format!("does not take complex numbers, got {}", x.dtype)));
                }
                if *f == Unary::Neg && x.dtype == DType::Bool {
                    return Err(Error::dtype(name, "negation of booleans is not defined (logical_not is what is meant)"));
                }
                one(shape_of(x.shape), if f.is_predicate() { DType::Bool } else { x.dtype })
            }
            Pointwise::Binary(f) => {
                let [x, y] = exactly(name, inputs)?;
                let dtype = f.result(same_dtype(name, inputs)?)?;
                let shape = if same_shape(x.shape, y.shape) { shape_of(x.shape) } else { broadcast_shapes(name, &[x.shape, y.shape])? };
                one(shape, dtype)
            }
            Pointwise::WithScalar { op, .. } => {
                let [x] = exactly(name, inputs)?;
                one(shape_of(x.shape), op.result(x.dtype)?)
            }
            Pointwise::UnaryGrad(_) => {
                let [g, x] = exactly(name, inputs)?;
                let dtype = same_dtype(name, inputs)?;
                if !same_shape(g.shape, x.shape) {
                    return Err(Error::shape(name, format!("the gradient has shape {:?}, the tensor {:?}", g.shape, x.shape)));
                }
                one(shape_of(x.shape), dtype)
            }
            Pointwise::Where => {
                let [c, x, y] = exactly(name, inputs)?;
                if c.dtype != DType::Bool {
                    return Err(Error::dtype(name, format!("the condition must be bool, got {}", c.dtype)));
                }
                let dtype = same_dtype(name, &inputs[1..])?;
                one(broadcast_shapes(name, &[c.shape, x.shape, y.shape])?, dtype)
            }
            Pointwise::Cast(dtype) => {
                let [x] = exactly(name, inputs)?;
                one(shape_of(x.shape), *dtype)
            }
            Pointwise::Special(f) => {
                let x = if f.arity() == 1 { &exactly::<1>(name, inputs)?[..] } else { &exactly::<2>(name, inputs)?[..] };
                let dtype = same_dtype(name, inputs)?;
                if !dtype.is_float() {
                    return Err(Error::dtype(name, format!("wants real floating-point tensors, got {dtype}")));
                }
                one(broadcast_shapes(name, &x.iter().map(|x| x.shape).collect::<Vec<_>>())?, dtype)
            }
            Pointwise::Integer(_) => {
                let [x, y] = exactly(name, inputs)?;
                let dtype = same_dtype(name, inputs)?;
                if !dtype.is_int() {
                    return Err(Error::dtype(name, format!("wants integers, got {dtype}")));
                }
                one(broadcast_shapes(name, &[x.shape, y.shape])?, dtype)
            }
            Pointwise::Part(_) => {
                let [x] = exactly(name, inputs)?;
                one(shape_of(x.shape), real_of(name, x.dtype)?)
            }
            Pointwise::Complex => {
                let [x, y] = exactly(name, inputs)?;
                let dtype = match same_dtype(name, inputs)? {
                    DType::F32 => DType::C64,
                    DType::F64 => DType::C128,
                    other => return Err(Error::dtype(name, format!("wants float32 or float64 parts, got {other}"))),
                };
                one(broadcast_shapes(name, &[x.shape, y.shape])?, dtype)
            }
        }
    }
}

/// The dtype of the parts of complex numbers.
fn real_of(name: &'static str, dtype: DType) -> Result<DType> {
    match dtype {
        DType::C64 => Ok(DType::F32),
        DType::C128 => Ok(DType::F64),
        other => Err(Error::dtype(name, format!("wants complex numbers, got {other}"))),
    }
}
