//! The integer arithmetic that kernels are written in.

use std::ops::{BitAnd, BitOr, BitXor, Not};

use super::drive::Lane;

/// An integer type.
pub(super) trait Int:
    Lane<C = Self> + Ord + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self> + Not<Output = Self>
{
    /// The low bits.
    fn of(x: i64) -> Self;
    /// The nearest.
    fn saturate(x: f64) -> Self;
    fn wrapping_add(self, y: Self) -> Self;
    fn wrapping_sub(self, y: Self) -> Self;
    fn wrapping_mul(self, y: Self) -> Self;
    /// Towards zero; 0 for a divisor of 0, which the caller has excluded.
    fn div_trunc(self, y: Self) -> Self;
    /// Towards minus infinity.
    fn div_floor(self, y: Self) -> Self;
    /// With the dividend's sign.
    fn fmod(self, y: Self) -> Self;
    /// With the divisor's sign.
    fn remainder(self, y: Self) -> Self;
    /// Wrapping; a negative exponent gives 0, except for the bases 1 and -1.
    fn pow(self, y: Self) -> Self;
}

macro_rules! int {
    ($($t:ty),*) => {$(
        impl Int for $t {
            #[inline(always)]
            fn of(x: i64) -> $t { x as $t }
            #[inline(always)]
            fn saturate(x: f64) -> $t { x as $t }
            #[inline(always)]
            fn wrapping_add(self, y: $t) -> $t { <$t>::wrapping_add(self, y) }
            #[inline(always)]
            fn wrapping_sub(self, y: $t) -> $t { <$t>::wrapping_sub(self, y) }
            #[inline(always)]
            fn wrapping_mul(self, y: $t) -> $t { <$t>::wrapping_mul(self, y) }
            #[inline(always)]
            fn div_trunc(self, y: $t) -> $t { if y == 0 { 0 } else { self.wrapping_div(y) } }
            #[inline(always)]
            #[allow(unused_comparisons)] // of the unsigned type
            fn div_floor(self, y: $t) -> $t {
                let (q, r) = (self.div_trunc(y), Int::fmod(self, y));
                if r != 0 && (r < 0) != (y < 0) { q.wrapping_sub(1) } else { q }
            }
            #[inline(always)]
            fn fmod(self, y: $t) -> $t { if y == 0 { 0 } else { self.wrapping_rem(y) } }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn remainder(self, y: $t) -> $t {
                let r = Int::fmod(self, y);
                if r != 0 && (r < 0) != (y < 0) { r.wrapping_add(y) } else { r }
            }
            #[allow(unused_comparisons)]
            fn pow(self, y: $t) -> $t {
                if y < 0 {
                    let odd = y & 1 == 1;
                    return match self as i64 { 1 => 1, -1 if odd => self, -1 => 1, _ => 0 };
                }
                let (mut base, mut n, mut out) = (self, y, 1 as $t);
                while n != 0 {
                    if n & 1 == 1 {
                        out = out.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    n >>= 1;
                }
                out
            }
        }
    )*};
}
int!(u8, i8, i16, i32, i64);
