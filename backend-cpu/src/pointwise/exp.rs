//! The exponential and the hyperbolic tangent as vector code, for kernels of other families.

use super::math;
use crate::buffer::Plain;

/// A real type with vectorised functions and plain arithmetic.
pub(crate) trait Exp: Plain + PartialOrd {
    /// e to the power of the number.
    fn exp<const FMA: bool>(self) -> Self;
    /// The same for numbers up to 88, where results that are not normal numbers may be 0.
    fn exp_flushed<const FMA: bool>(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh<const FMA: bool>(self) -> Self;
    /// As f64.
    fn wide(self) -> f64;
    /// From f64, rounded.
    fn narrow(x: f64) -> Self;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The difference.
    fn minus(self, other: Self) -> Self;
    /// The product.
    fn times(self, other: Self) -> Self;
}

macro_rules! exp {
    ($($t:ty: |$x:ident| $exp:expr, $flushed:expr, $tanh:expr;)*) => {$(
        impl Exp for $t {
            #[inline(always)]
            fn exp<const FMA: bool>(self) -> $t {
                let $x = self;
                $exp
            }
            #[inline(always)]
            fn exp_flushed<const FMA: bool>(self) -> $t {
                let $x = self;
                $flushed
            }
            #[inline(always)]
            fn tanh<const FMA: bool>(self) -> $t {
                let $x = self;
                $tanh
            }
            #[inline(always)]
            fn wide(self) -> f64 { self.into() }
            #[inline(always)]
            fn narrow(x: f64) -> $t { x as $t }
            #[inline(always)]
            fn plus(self, other: $t) -> $t { self + other }
            #[inline(always)]
            fn minus(self, other: $t) -> $t { self - other }
            #[inline(always)]
            fn times(self, other: $t) -> $t { self * other }
        }
    )*};
}
exp! {
    f32: |x| math::exp::<FMA>(x), math::exp_flushed::<FMA>(x), math::tanh::<FMA>(x);
    // The vector code of `wide` serves f32 results: its range is too small here.
    f64: |x| f64::exp(x), f64::exp(x), f64::tanh(x);
}
