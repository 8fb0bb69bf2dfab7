//! Functions of `f32` computed in `f64`: branch-free vector code as in `math`, simple because `f64` has digits to spare.
//!
//! Every function here is good to a relative 1e-9 or so over the range of `f32`, so that the rounded result is nearly always the
//! nearest `f32`. They are not meant for results in `f64`. Coefficients are Taylor's, or minimax fits made for this file.

#[inline(always)]
fn fma<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// A polynomial, coefficients from the lowest power up.
#[inline(always)]
fn poly<const FMA: bool, const N: usize>(x: f64, c: [f64; N]) -> f64 {
    let mut sum = c[N - 1];
    for &c in c[..N - 1].iter().rev() {
        sum = fma::<FMA>(sum, x, c);
    }
    sum
}

/// 1.5 * 2^52: adding it rounds to an integer, which then lies in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// e to the power of x; what is beyond the range of `f32` is only as large or small.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f64) -> f64 {
    let x = if x > 200.0 { 200.0 } else { x };
    let x = if x < -200.0 { -200.0 } else { x };
    let shifted = fma::<FMA>(x, std::f64::consts::LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = fma::<FMA>(n, -std::f64::consts::LN_2, x);
    const C: [f64; 11] = [
        1.0,
        1.0,
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5040.0,
        1.0 / 40320.0,
        1.0 / 362880.0,
        1.0 / 3628800.0,
    ];
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    poly::<FMA, 11>(r, C) * scale
}

/// The natural logarithm.
#[inline(always)]
pub(super) fn ln<const FMA: bool>(x: f64) -> f64 {
    let (e, y) = log_parts::<FMA>(x);
    log_edges(x, fma::<FMA>(e, std::f64::consts::LN_2, y))
}

#[inline(always)]
pub(super) fn log2<const FMA: bool>(x: f64) -> f64 {
    let (e, y) = log_parts::<FMA>(x);
    log_edges(x, fma::<FMA>(y, std::f64::consts::LOG2_E, e))
}

#[inline(always)]
pub(super) fn log10<const FMA: bool>(x: f64) -> f64 {
    let (e, y) = log_parts::<FMA>(x);
    log_edges(x, fma::<FMA>(y, std::f64::consts::LOG10_E, e * std::f64::consts::LOG10_2))
}

/// `x = 2^e m` with m from sqrt(1/2) to sqrt(2): e and ln(m), for positive normal x.
#[inline(always)]
fn log_parts<const FMA: bool>(x: f64) -> (f64, f64) {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    let bits = x.to_bits().wrapping_add(ONE - SQRT_HALF);
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) + SQRT_HALF);
    // The biased exponent becomes the last digits of 2^52 + it.
    let e = f64::from_bits(0x4330_0000_0000_0000 | (bits >> 52)) - (4_503_599_627_370_496.0 + 1023.0);
    let s = (m - 1.0) / (m + 1.0);
    const C: [f64; 7] = [2.0, 2.0 / 3.0, 2.0 / 5.0, 2.0 / 7.0, 2.0 / 9.0, 2.0 / 11.0, 2.0 / 13.0];
    (e, s * poly::<FMA, 7>(s * s, C))
}

#[inline(always)]
fn log_edges(x: f64, log: f64) -> f64 {
    let log = if x < f64::INFINITY { log } else { x };
    let log = if x == 0.0 { f64::NEG_INFINITY } else { log };
    if x < 0.0 { f64::NAN } else { log }
}

/// Beyond this, the reduction of angles below loses digits.
pub(super) const LARGE_ANGLE: f32 = 1e6;

/// Sine and cosine, for angles up to [`LARGE_ANGLE`]; infinity gives NaN.
#[inline(always)]
pub(super) fn sin_cos<const FMA: bool>(x: f64) -> (f64, f64) {
    // x = n pi / 2 + r. The first part of pi / 2 has 33 bits, so that its product with n < 2^20 is exact without FMA.
    let shifted = fma::<FMA>(x, std::f64::consts::FRAC_2_PI, ROUNDER);
    let n = shifted - ROUNDER;
    let r = fma::<FMA>(n, -1.570_796_326_734_125_6, x);
    let r = fma::<FMA>(n, -6.077_100_506_506_192e-11, r);
    let z = r * r;
    const S: [f64; 6] = [1.0, -1.0 / 6.0, 1.0 / 120.0, -1.0 / 5040.0, 1.0 / 362880.0, -1.0 / 39916800.0];
    const C: [f64; 7] = [1.0, -0.5, 1.0 / 24.0, -1.0 / 720.0, 1.0 / 40320.0, -1.0 / 3628800.0, 1.0 / 479001600.0];
    let (s, c) = (r * poly::<FMA, 6>(z, S), poly::<FMA, 7>(z, C));
    let quarter = shifted.to_bits();
    let swap = quarter & 1 != 0;
    let (sin, cos) = (if swap { c } else { s }, if swap { s } else { c });
    let flip = |x: f64, sign: u64| f64::from_bits(x.to_bits() ^ ((sign & 2) << 62));
    (flip(sin, quarter), flip(cos, quarter.wrapping_add(1)))
}

/// `asin(x) / x` from `z = x^2`, for z up to 1/4.
#[inline(always)]
fn asin_ratio<const FMA: bool>(z: f64) -> f64 {
    const C: [f64; 9] = [
        1.000_000_000_000_940_4,
        0.166_666_666_066_073_06,
        0.075_000_061_619_194_01,
        0.044_640_401_461_388_18,
        0.030_430_702_392_222_096,
        0.021_833_553_432_279_815,
        0.020_786_859_449_764_175,
        0.001_654_356_846_113_486_6,
        0.033_220_260_537_542_53,
    ];
    poly::<FMA, 9>(z, C)
}

/// asin of |x|, for both of the next.
#[inline(always)]
fn asin_abs<const FMA: bool>(a: f64) -> f64 {
    let far = a > 0.5;
    let z = if far { (1.0 - a) * 0.5 } else { a * a };
    let b = if far { z.sqrt() } else { a };
    let y = b * asin_ratio::<FMA>(z);
    if far { std::f64::consts::FRAC_PI_2 - (y + y) } else { y }
}

#[inline(always)]
pub(super) fn asin<const FMA: bool>(x: f64) -> f64 {
    asin_abs::<FMA>(x.abs()).copysign(x)
}

#[inline(always)]
pub(super) fn acos<const FMA: bool>(x: f64) -> f64 {
    // Near 1 not as a difference, which would lose digits.
    let far = x > 0.5;
    let z = (1.0 - x) * 0.5;
    let b = z.sqrt();
    let near_one = 2.0 * b * asin_ratio::<FMA>(if far { z } else { 0.0 });
    let elsewhere = std::f64::consts::FRAC_PI_2 - asin::<FMA>(x);
    if far { near_one } else { elsewhere }
}

/// The angle of a point in the first octant pair: `atan(n / d)` for n, d >= 0; infinities and zeros are the caller's.
#[inline(always)]
fn atan_quotient<const FMA: bool>(n: f64, d: f64) -> f64 {
    // atan(n/d) = pi/2 - atan(d/n), and = pi/4 + atan((n-d)/(n+d)) in the middle.
    let steep = n > d;
    let (lo, hi) = (if steep { d } else { n }, if steep { n } else { d });
    let middle = lo > hi * 0.414_213_562_373_095;
    let q = if middle { lo - hi } else { lo } / if middle { lo + hi } else { hi };
    const C: [f64; 8] = [
        0.999_999_999_999_295_2,
        -0.333_333_332_797_928_37,
        0.199_999_933_200_603_4,
        -0.142_853_958_408_115_68,
        0.111_036_111_118_097_48,
        -0.089_938_678_033_355_04,
        0.069_797_592_130_972_38,
        -0.037_747_540_646_802_45,
    ];
    let angle = q * poly::<FMA, 8>(q * q, C) + if middle { std::f64::consts::FRAC_PI_4 } else { 0.0 };
    if steep { std::f64::consts::FRAC_PI_2 - angle } else { angle }
}

#[inline(always)]
pub(super) fn atan<const FMA: bool>(x: f64) -> f64 {
    let a = x.abs();
    let a = if a > 1e40 { 1e40 } else { a };
    atan_quotient::<FMA>(a, 1.0).copysign(x)
}

/// The angle of the point (x, y), by the rules of C for zeros and infinities.
#[inline(always)]
pub(super) fn atan2<const FMA: bool>(y: f64, x: f64) -> f64 {
    // Infinities as numbers that no f32 reaches; at (0, 0) the quotient is 0 / tiny.
    let limit = |v: f64| if v > 1e100 { 1e100 } else { v };
    let (n, d) = (limit(y.abs()), limit(x.abs()));
    let angle = atan_quotient::<FMA>(n, if d == 0.0 && n == 0.0 { 1.0 } else { d });
    let angle = if x.is_sign_negative() { std::f64::consts::PI - angle } else { angle };
    let angle = if x.is_nan() { x } else { angle };
    angle.copysign(y)
}

#[inline(always)]
pub(super) fn sinh<const FMA: bool>(x: f64) -> f64 {
    let e = exp::<FMA>(x.abs());
    let far = (0.5 * (e - 1.0 / e)).copysign(x);
    let z = x * x;
    let near = x * (1.0 + z * (1.0 / 6.0 + z * (1.0 / 120.0)));
    if x.abs() < 0.015_625 { near } else { far }
}

#[inline(always)]
pub(super) fn cosh<const FMA: bool>(x: f64) -> f64 {
    let e = exp::<FMA>(x.abs());
    0.5 * (e + 1.0 / e)
}

#[inline(always)]
pub(super) fn asinh<const FMA: bool>(x: f64) -> f64 {
    let (a, z) = (x.abs(), x * x);
    let far = ln::<FMA>(a + (z + 1.0).sqrt()).copysign(x);
    let near = x * (1.0 - z * (1.0 / 6.0 - z * (3.0 / 40.0)));
    if a < 0.015_625 { near } else { far }
}

#[inline(always)]
pub(super) fn acosh<const FMA: bool>(x: f64) -> f64 {
    let y = ln::<FMA>(x + (x * x - 1.0).sqrt());
    if x < 1.0 { f64::NAN } else { y }
}

#[inline(always)]
pub(super) fn atanh<const FMA: bool>(x: f64) -> f64 {
    let far = 0.5 * ln::<FMA>((1.0 + x) / (1.0 - x));
    let z = x * x;
    let near = x * (1.0 + z * (1.0 / 3.0 + z * (1.0 / 5.0)));
    if x.abs() < 0.015_625 { near } else { far }
}

/// x to the power of y, by the rules of C.
#[inline(always)]
pub(super) fn pow<const FMA: bool>(x: f64, y: f64) -> f64 {
    let size = exp::<FMA>(y * ln::<FMA>(x.abs()));
    let whole = y.floor() == y;
    let odd = whole && (y * 0.5).floor() != y * 0.5;
    let finite = x.abs() < f64::INFINITY;
    let signed = if odd && x.is_sign_negative() { -size } else { size };
    let signed = if x < 0.0 && finite && !whole { f64::NAN } else { signed };
    let one = y == 0.0 || x == 1.0 || (x == -1.0 && y.abs() == f64::INFINITY);
    if one { 1.0 } else { signed }
}
