//! The real functions that kernels are written in.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use super::drive::Lane;
use super::{erf, math, wide};

/// `f32` or `f64`. The const parameter `FMA` says that fused multiply-add is one instruction.
pub(super) trait Float:
    Lane<C = Self>
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Rem<Output = Self>
    + Neg<Output = Self>
{
    /// Beyond this size, sine, cosine and tangent are only accurate by [`exact_sin`](Float::exact_sin) and its like.
    const LARGE_ANGLE: Self;
    fn c(x: f64) -> Self;
    fn is_nan(self) -> bool;
    fn abs(self) -> Self;
    fn sqrt(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round_even(self) -> Self;
    fn trunc(self) -> Self;
    fn copysign(self, sign: Self) -> Self;
    fn exp<const FMA: bool>(self) -> Self;
    fn exp2<const FMA: bool>(self) -> Self;
    fn expm1<const FMA: bool>(self) -> Self;
    fn ln<const FMA: bool>(self) -> Self;
    fn log2<const FMA: bool>(self) -> Self;
    fn log10<const FMA: bool>(self) -> Self;
    fn ln_1p<const FMA: bool>(self) -> Self;
    fn sin<const FMA: bool>(self) -> Self;
    fn cos<const FMA: bool>(self) -> Self;
    fn tan<const FMA: bool>(self) -> Self;
    fn asin<const FMA: bool>(self) -> Self;
    fn acos<const FMA: bool>(self) -> Self;
    fn atan<const FMA: bool>(self) -> Self;
    fn sinh<const FMA: bool>(self) -> Self;
    fn cosh<const FMA: bool>(self) -> Self;
    fn tanh<const FMA: bool>(self) -> Self;
    fn asinh<const FMA: bool>(self) -> Self;
    fn acosh<const FMA: bool>(self) -> Self;
    fn atanh<const FMA: bool>(self) -> Self;
    fn erf<const FMA: bool>(self) -> Self;
    fn erfc<const FMA: bool>(self) -> Self;
    fn hypot(self, y: Self) -> Self;
    fn exact_sin(self) -> Self;
    fn exact_cos(self) -> Self;
    fn exact_tan(self) -> Self;
    fn pow<const FMA: bool>(self, y: Self) -> Self;
    fn atan2<const FMA: bool>(self, x: Self) -> Self;

    /// The distribution function of the standard normal distribution.
    #[inline(always)]
    fn normal_cdf<const FMA: bool>(self) -> Self {
        Self::c(0.5) * (Self::c(1.0) + (self * Self::c(std::f64::consts::FRAC_1_SQRT_2)).erf::<FMA>())
    }

    /// `1 / (1 + exp(-x))`.
    #[inline(always)]
    fn sigmoid<const FMA: bool>(self) -> Self {
        Self::c(1.0) / (Self::c(1.0) + (-self).exp::<FMA>())
    }
}

macro_rules! common {
    ($t:ty) => {
        #[inline(always)]
        fn c(x: f64) -> Self {
            x as $t
        }
        fn hypot(self, y: Self) -> Self {
            <$t>::hypot(self, y)
        }
        fn exact_sin(self) -> Self {
            <$t>::sin(self)
        }
        fn exact_cos(self) -> Self {
            <$t>::cos(self)
        }
        fn exact_tan(self) -> Self {
            <$t>::tan(self)
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            self != self
        }
        #[inline(always)]
        fn abs(self) -> Self {
            <$t>::abs(self)
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            <$t>::sqrt(self)
        }
        #[inline(always)]
        fn floor(self) -> Self {
            <$t>::floor(self)
        }
        #[inline(always)]
        fn ceil(self) -> Self {
            <$t>::ceil(self)
        }
        #[inline(always)]
        fn round_even(self) -> Self {
            <$t>::round_ties_even(self)
        }
        #[inline(always)]
        fn trunc(self) -> Self {
            <$t>::trunc(self)
        }
        #[inline(always)]
        fn copysign(self, sign: Self) -> Self {
            <$t>::copysign(self, sign)
        }
    };
}

macro_rules! from_std {
    ($t:ty: $($name:ident = $std:ident),* $(,)?) => {$(
        #[inline(always)]
        fn $name<const FMA: bool>(self) -> Self {
            <$t>::$std(self)
        }
    )*};
}

macro_rules! narrow {
    ($($name:ident)*) => {$(
        #[inline(always)]
        fn $name<const FMA: bool>(self) -> f32 {
            math::$name::<FMA>(self)
        }
    )*};
}

macro_rules! widened {
    ($($name:ident)*) => {$(
        #[inline(always)]
        fn $name<const FMA: bool>(self) -> f32 {
            wide::$name::<FMA>(self.into()) as f32
        }
    )*};
}

impl Float for f32 {
    common!(f32);
    const LARGE_ANGLE: f32 = wide::LARGE_ANGLE;
    narrow!(exp expm1 ln ln_1p tanh erf normal_cdf);
    widened!(log2 log10 asin acos atan sinh cosh asinh acosh atanh);
    #[inline(always)]
    fn exp2<const FMA: bool>(self) -> f32 {
        wide::exp::<FMA>(f64::from(self) * std::f64::consts::LN_2) as f32
    }
    #[inline(always)]
    fn sin<const FMA: bool>(self) -> f32 {
        wide::sin_cos::<FMA>(self.into()).0 as f32
    }
    #[inline(always)]
    fn cos<const FMA: bool>(self) -> f32 {
        wide::sin_cos::<FMA>(self.into()).1 as f32
    }
    #[inline(always)]
    fn tan<const FMA: bool>(self) -> f32 {
        let (sin, cos) = wide::sin_cos::<FMA>(self.into());
        (sin / cos) as f32
    }
    #[inline(always)]
    fn erfc<const FMA: bool>(self) -> f32 {
        erf::erfc(self.into()) as f32
    }
    #[inline(always)]
    fn pow<const FMA: bool>(self, y: f32) -> f32 {
        wide::pow::<FMA>(self.into(), y.into()) as f32
    }
    #[inline(always)]
    fn atan2<const FMA: bool>(self, x: f32) -> f32 {
        wide::atan2::<FMA>(self.into(), x.into()) as f32
    }
}

impl Float for f64 {
    common!(f64);
    const LARGE_ANGLE: f64 = f64::INFINITY;
    from_std!(f64: exp = exp, exp2 = exp2, expm1 = exp_m1, ln = ln, log2 = log2, log10 = log10, ln_1p = ln_1p, sin = sin, cos = cos,
        tan = tan, asin = asin, acos = acos, atan = atan, sinh = sinh, cosh = cosh, tanh = tanh, asinh = asinh, acosh = acosh,
        atanh = atanh);
    #[inline(always)]
    fn erf<const FMA: bool>(self) -> Self {
        erf::erf(self)
    }
    #[inline(always)]
    fn erfc<const FMA: bool>(self) -> Self {
        erf::erfc(self)
    }
    #[inline(always)]
    fn pow<const FMA: bool>(self, y: Self) -> Self {
        self.powf(y)
    }
    #[inline(always)]
    fn atan2<const FMA: bool>(self, x: Self) -> Self {
        f64::atan2(self, x)
    }
}
