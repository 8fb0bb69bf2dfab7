//! Functions of `f32` that are used often, computed in `f32` to about 1 ulp.
//!
//! All are free of branches (choices are selects), so that loops over them become vector code. `FMA` says that fused multiply-add
//! is one instruction. Where no source is named, coefficients are minimax fits made for this file. NaN passes through every one.

/// `a * b + c`, rounded once if that is cheap.
#[inline(always)]
fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// A polynomial, coefficients from the highest power down.
#[inline(always)]
fn poly<const FMA: bool, const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut sum = c[0];
    for &c in &c[1..] {
        sum = fma::<FMA>(sum, x, c);
    }
    sum
}

/// 1.5 * 2^23: adding it rounds to an integer, which then lies in the low bits.
const ROUNDER: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has few bits, so that its product with a small integer is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// `x = n ln 2 + r` with |r| <= 0.35: n, r, and `exp(r) - 1 - r`. The coefficients are those of Cephes `expf`.
#[inline(always)]
fn exp_parts<const FMA: bool>(x: f32) -> (i32, f32, f32) {
    let shifted = fma::<FMA>(x, std::f32::consts::LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = fma::<FMA>(n, -LN2_HIGH, x);
    let r = fma::<FMA>(n, -LN2_LOW, r);
    const C: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let p = poly::<FMA, 6>(r, C);
    ((shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32), r, p * r * r)
}

/// 2^n for a normal result.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) << 23) as u32)
}

/// e to the power of x; subnormal results included.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -105.0 { -105.0 } else { x };
    let (n, r, p) = exp_parts::<FMA>(x);
    // In two factors: 2^n itself may be subnormal or too large.
    let half = n >> 1;
    (p + r + 1.0) * power_of_two(half) * power_of_two(n - half)
}

/// e to the power of x for x up to 88, for sums of exponentials: what would be below the normal numbers (x < -87.3) is 0. Two thirds of the work of `exp`.
#[inline(always)]
pub(super) fn exp_flushed<const FMA: bool>(x: f32) -> f32 {
    let (n, r, p) = exp_parts::<FMA>(x);
    let y = (p + r + 1.0) * f32::from_bits((n.wrapping_add(127) as u32) << 23);
    if x < -87.3 { 0.0 } else { y }
}

/// `exp(x) - 1`, accurate near 0.
#[inline(always)]
pub(super) fn expm1<const FMA: bool>(x: f32) -> f32 {
    let y = if x > 89.0 { 89.0 } else { x };
    let y = if y < -20.0 { -20.0 } else { y };
    let (n, r, p) = exp_parts::<FMA>(y);
    // 2^n (exp(r) - 1) + (2^n - 1), at half size because 2^128 is too large.
    let half = power_of_two(n - 1);
    let wide = fma::<FMA>(p + r, half, half - 0.5) * 2.0;
    // Where n is 0 the sum above would lose the last bits of tiny numbers.
    if n == 0 { p + r } else { wide }
}

/// The natural logarithm from an exponent and `f = m - 1`, m from sqrt(1/2) to sqrt(2). The coefficients are those of Cephes `logf`.
#[inline(always)]
fn log_parts<const FMA: bool>(e: f32, f: f32) -> f32 {
    const C: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let z = f * f;
    let y = poly::<FMA, 9>(f, C) * f * z;
    let y = fma::<FMA>(e, LN2_LOW, y);
    let y = fma::<FMA>(z, -0.5, y);
    fma::<FMA>(e, LN2_HIGH, f + y)
}

const SQRT_HALF_BITS: u32 = 0x3f35_04f3;

/// `x = 2^e m` with m from sqrt(1/2) to sqrt(2), for positive normal x.
#[inline(always)]
fn split(x: f32) -> (i32, f32) {
    let bits = x.to_bits().wrapping_sub(SQRT_HALF_BITS);
    ((bits as i32) >> 23, f32::from_bits((bits & 0x7f_ffff) + SQRT_HALF_BITS))
}

/// What a logarithm is at 0, below, and at infinity and NaN.
#[inline(always)]
fn log_edges(x: f32, log: f32) -> f32 {
    let log = if x < f32::INFINITY { log } else { x };
    let log = if x == 0.0 { f32::NEG_INFINITY } else { log };
    if x < 0.0 { f32::NAN } else { log }
}

/// The natural logarithm.
#[inline(always)]
pub(super) fn ln<const FMA: bool>(x: f32) -> f32 {
    let subnormal = x < f32::MIN_POSITIVE;
    let (e, m) = split(if subnormal { x * 33_554_432.0 } else { x });
    let e = e as f32 - if subnormal { 25.0 } else { 0.0 };
    log_edges(x, log_parts::<FMA>(e, m - 1.0))
}

/// `ln(1 + x)`, accurate near 0.
#[inline(always)]
pub(super) fn ln_1p<const FMA: bool>(x: f32) -> f32 {
    let u = 1.0 + x;
    let (e, m) = split(u);
    // (1 + x) 2^-e - 1, rounded once. Where x is so large that 2^-e is subnormal, the 1 does not matter.
    let scale = power_of_two(if e > 100 { 0 } else { -e });
    let f = if e > 100 { m - 1.0 } else { x * scale + (scale - 1.0) };
    let log = log_edges(u, log_parts::<FMA>(e as f32, f));
    // For -0, and tiny numbers whose square underflows.
    if x.abs() < 1e-10 { x } else { log }
}

/// The hyperbolic tangent: near 0 by the polynomial of Cephes `tanhf`, else `1 - 2 / (exp(2 x) + 1)`.
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let (a, z) = (x.abs(), x * x);
    const C: [f32; 5] = [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1];
    let near = fma::<FMA>(poly::<FMA, 5>(z, C) * z, x, x);
    let b = if a > 10.0 { 10.0 } else { a };
    let (n, r, p) = exp_parts::<FMA>(b + b);
    let e = (p + r + 1.0) * power_of_two(n);
    let far = (1.0 - 2.0 / (e + 1.0)).copysign(x);
    if a < 0.625 { near } else { far }
}

/// The error function: near 0 an odd polynomial, else `1 - exp(-q(x))`.
#[inline(always)]
pub(super) fn erf<const FMA: bool>(x: f32) -> f32 {
    let (a, z) = (x.abs(), x * x);
    const NEAR: [f32; 6] = [-6.021_806e-4, 4.999_601_4e-3, -2.677_128_3e-2, 1.128_195_5e-1, -3.761_250_8e-1, 1.283_791_5e-1];
    let near = fma::<FMA>(poly::<FMA, 6>(z, NEAR), x, x);
    const FAR: [f32; 7] = [-2.004_493_2e-4, 3.087_038e-3, -2.239_974e-2, 1.042_860_4e-1, 6.367_832_7e-1, 1.127_909_5, 1.398_269_8e-4];
    let b = if a > 4.0 { 4.0 } else { a };
    let (n, r, p) = exp_parts::<FMA>(-poly::<FMA, 7>(b, FAR));
    let far = (1.0 - (p + r + 1.0) * power_of_two(n)).copysign(x);
    if a < 0.9 { near } else { far }
}

/// The distribution function of the standard normal distribution, as a factor of its argument: `0.5 + x g(x^2)`, where g is a rational fit of
/// `erf(x / sqrt 2) / (2 x)` less its value at the bounds, which keeps the rounding errors of the far end small. Absolute error 1e-7; 0 from -5.6 down.
#[inline(always)]
pub(super) fn normal_cdf<const FMA: bool>(x: f32) -> f32 {
    const BOUND: f32 = 5.6;
    let c = if x > BOUND { BOUND } else { x };
    let c = if c < -BOUND { -BOUND } else { c };
    let z = c * c;
    const P: [f32; 6] = [-8.321_731e-8, -5.294_471e-7, 7.624_432e-6, 2.135_475_9e-3, 1.247_317_2e-2, 3.096_565_3e-1];
    const Q: [f32; 6] = [1.175_298_4e-6, 7.826_903e-5, 1.965_582_8e-3, 2.944_602e-2, 2.550_02e-1, 1.0];
    let g = poly::<FMA, 6>(z, P) / poly::<FMA, 6>(z, Q);
    let y = fma::<FMA>(c, g, fma::<FMA>(c, 0.5 / BOUND, 0.5));
    if x < -BOUND { 0.0 } else { y }
}
