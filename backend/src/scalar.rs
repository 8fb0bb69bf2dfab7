//! A number outside any tensor, as operands and fill values are.

use crate::{Complex64, DType};

/// A number that is not a tensor. Like Python's numbers it has a kind, not a width: in type promotion an integer scalar
/// does not widen an integer tensor, and a float scalar turns an integer tensor into the default float type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A complex number.
    Complex(Complex64),
}

impl Scalar {
    /// The value as a real number (the real part of a complex one).
    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::Bool(b) => f64::from(u8::from(b)),
            Scalar::Int(i) => i as f64,
            Scalar::Float(f) => f,
            Scalar::Complex(c) => c.re,
        }
    }

    /// The value as an integer, truncated towards zero.
    pub fn to_i64(self) -> i64 {
        match self {
            Scalar::Bool(b) => i64::from(b),
            Scalar::Int(i) => i,
            Scalar::Float(f) => f as i64,
            Scalar::Complex(c) => c.re as i64,
        }
    }

    /// The value as a complex number.
    pub fn to_complex(self) -> Complex64 {
        match self {
            Scalar::Complex(c) => c,
            other => Complex64::new(other.to_f64(), 0.0),
        }
    }

    /// Whether a tensor of the dtype can be filled with it, as PyTorch judges: floats lose their fraction in integers and their last digits in shorter
    /// floats, negative integers wrap in unsigned ones, but nothing may be out of range.
    pub fn fits(self, dtype: DType) -> bool {
        if matches!(self, Scalar::Complex(c) if c.im != 0.0 && !dtype.is_complex()) {
            return false;
        }
        let largest = match dtype {
            DType::Bool | DType::F64 | DType::C128 => return true,
            DType::F32 | DType::C64 => f64::from(f32::MAX),
            DType::F16 => 65504.0,
            DType::BF16 => crate::bf16::MAX.to_f64(),
            DType::I64 if matches!(self, Scalar::Int(_) | Scalar::Bool(_)) => return true,
            DType::I64 => i64::MAX as f64,
            DType::I32 => f64::from(i32::MAX),
            DType::I16 => f64::from(i16::MAX),
            DType::I8 => f64::from(i8::MAX),
            DType::U8 => f64::from(u8::MAX),
        };
        let within = |x: f64| {
            if dtype.is_int() {
                // One more below zero where there are signs. Floats do not wrap.
                let least = match (dtype, self) {
                    (DType::U8, Scalar::Int(_)) => -largest,
                    (DType::U8, _) => 0.0,
                    _ => -largest - 1.0,
                };
                (least..=largest).contains(&x)
            } else {
                !x.is_finite() || x.abs() <= largest
            }
        };
        match self {
            Scalar::Complex(c) => within(c.re) && within(c.im),
            other => within(other.to_f64()),
        }
    }

    /// The dtype of a tensor made from this scalar alone, given the default float type.
    pub fn dtype(self, default_float: DType) -> DType {
        match self {
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(_) => DType::I64,
            Scalar::Float(_) => default_float,
            Scalar::Complex(_) if default_float == DType::F64 => DType::C128,
            Scalar::Complex(_) => DType::C64,
        }
    }
}

macro_rules! from {
    ($($variant:ident: $($t:ty),* as $into:ty;)*) => {$($(
        impl From<$t> for Scalar {
            fn from(x: $t) -> Scalar {
                Scalar::$variant(<$into>::from(x))
            }
        }
    )*)*};
}
from! {
    Bool: bool as bool;
    Int: i8, u8, i16, u16, i32, u32, i64 as i64;
    Float: f32, f64 as f64;
    Complex: Complex64 as Complex64;
}

impl From<usize> for Scalar {
    fn from(x: usize) -> Scalar {
        Scalar::Int(x as i64)
    }
}
