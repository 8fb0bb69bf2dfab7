//! The methods that are one operation.

use rushlight_backend::Result;
use rushlight_backend::op::{Binary, Rounding, Unary};

use super::{binary, unary};
use crate::{Input, Operand, Tensor};

macro_rules! unary_methods {
    ($($(#[$doc:meta])* $name:ident => $f:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// If the dtype does not fit.
            pub fn $name(&self) -> Result<Tensor> {
                unary($f, Input::Ref(self))
            }
        )*}
    };
}

unary_methods! {
    /// `-x`.
    neg => Unary::Neg;
    /// -1, 0 or 1.
    sign => Unary::Sign;
    /// `1 / x`.
    reciprocal => Unary::Reciprocal;
    /// The square root.
    sqrt => Unary::Sqrt;
    /// `1 / sqrt(x)`.
    rsqrt => Unary::Rsqrt;
    /// e to the power of x.
    exp => Unary::Exp;
    /// 2 to the power of x.
    exp2 => Unary::Exp2;
    /// `exp(x) - 1`, accurate near 0.
    expm1 => Unary::Expm1;
    /// The natural logarithm.
    log => Unary::Log;
    /// The logarithm to base 2.
    log2 => Unary::Log2;
    /// The logarithm to base 10.
    log10 => Unary::Log10;
    /// `log(1 + x)`, accurate near 0.
    log1p => Unary::Log1p;
    /// The sine (radians).
    sin => Unary::Sin;
    /// The cosine (radians).
    cos => Unary::Cos;
    /// The tangent (radians).
    tan => Unary::Tan;
    /// The inverse sine.
    asin => Unary::Asin;
    /// The inverse cosine.
    acos => Unary::Acos;
    /// The inverse tangent.
    atan => Unary::Atan;
    /// The hyperbolic sine.
    sinh => Unary::Sinh;
    /// The hyperbolic cosine.
    cosh => Unary::Cosh;
    /// The hyperbolic tangent.
    tanh => Unary::Tanh;
    /// The inverse hyperbolic sine.
    asinh => Unary::Asinh;
    /// The inverse hyperbolic cosine.
    acosh => Unary::Acosh;
    /// The inverse hyperbolic tangent.
    atanh => Unary::Atanh;
    /// The error function.
    erf => Unary::Erf;
    /// `1 - erf(x)`, accurate for large x.
    erfc => Unary::Erfc;
    /// Rounded down.
    floor => Unary::Floor;
    /// Rounded up.
    ceil => Unary::Ceil;
    /// Rounded to the nearest integer, halves to even.
    round => Unary::Round;
    /// Rounded towards zero.
    trunc => Unary::Trunc;
    /// `1 / (1 + exp(-x))`.
    sigmoid => Unary::Sigmoid;
    /// `log(sigmoid(x))`.
    logsigmoid => Unary::LogSigmoid;
    /// `max(x, 0)`; its derivative at 0 is 0.
    relu => Unary::Relu;
    /// `x * Phi(x)`, exact.
    gelu => Unary::Gelu;
    /// GELU by its tanh approximation.
    gelu_tanh => Unary::GeluTanh;
    /// `x * sigmoid(x)`.
    silu => Unary::Silu;
    /// `x * tanh(softplus(x))`.
    mish => Unary::Mish;
    /// SELU.
    selu => Unary::Selu;
    /// `min(max(x, 0), 6)`.
    relu6 => Unary::Relu6;
    /// `relu6(x + 3) / 6`.
    hardsigmoid => Unary::Hardsigmoid;
    /// `x * hardsigmoid(x)`.
    hardswish => Unary::Hardswish;
    /// All bits turned (booleans: not).
    bitwise_not => Unary::BitwiseNot;
    /// Whether zero (`bool`).
    logical_not => Unary::LogicalNot;
    /// Whether not a number (`bool`).
    isnan => Unary::IsNan;
    /// Whether infinite (`bool`).
    isinf => Unary::IsInf;
    /// Whether neither infinite nor NaN (`bool`).
    isfinite => Unary::IsFinite;
}

macro_rules! binary_methods {
    ($($(#[$doc:meta])* $name:ident => $op:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// Takes a tensor (broadcast) or a number; dtypes are promoted as in PyTorch.
            ///
            /// # Errors
            /// If the shapes cannot be broadcast together, or the dtype does not fit.
            pub fn $name<'b>(&self, other: impl Into<Operand<'b>>) -> Result<Tensor> {
                binary($op, Input::Ref(self), other.into())
            }
        )*}
    };
}

binary_methods! {
    /// `x + y`.
    add => Binary::Add;
    /// `x - y`.
    sub => Binary::Sub;
    /// `x * y`.
    mul => Binary::Mul;
    /// `x / y`; integers give floats.
    div => Binary::Div(Rounding::None);
    /// `x / y` rounded down.
    floor_divide => Binary::Div(Rounding::Floor);
    /// Python's remainder: it has y's sign.
    remainder => Binary::Remainder;
    /// C's remainder: it has x's sign.
    fmod => Binary::Fmod;
    /// x to the power of y.
    pow => Binary::Pow;
    /// Whether equal (`bool`).
    eq => Binary::Eq;
    /// Whether different (`bool`).
    ne => Binary::Ne;
    /// Whether less (`bool`).
    lt => Binary::Lt;
    /// Whether less or equal (`bool`).
    le => Binary::Le;
    /// Whether greater (`bool`).
    gt => Binary::Gt;
    /// Whether greater or equal (`bool`).
    ge => Binary::Ge;
    /// The bits that both have.
    bitwise_and => Binary::BitwiseAnd;
    /// The bits that one has.
    bitwise_or => Binary::BitwiseOr;
    /// The bits that exactly one has.
    bitwise_xor => Binary::BitwiseXor;
}

macro_rules! tensor_methods {
    ($($(#[$doc:meta])* $name:ident => $op:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// Takes a tensor (broadcast), as PyTorch does, and no number; dtypes are promoted.
            ///
            /// # Errors
            /// If the shapes cannot be broadcast together, or the dtype does not fit.
            pub fn $name(&self, other: &Tensor) -> Result<Tensor> {
                binary($op, Input::Ref(self), Operand::Tensor(other))
            }
        )*}
    };
}

tensor_methods! {
    /// The larger one; NaN if either is.
    maximum => Binary::Maximum;
    /// The smaller one; NaN if either is.
    minimum => Binary::Minimum;
    /// The angle of the point (y, x) where this tensor is y.
    atan2 => Binary::Atan2;
    /// Whether both are non-zero (`bool`).
    logical_and => Binary::LogicalAnd;
    /// Whether one is non-zero (`bool`).
    logical_or => Binary::LogicalOr;
    /// Whether exactly one is non-zero (`bool`).
    logical_xor => Binary::LogicalXor;
}
