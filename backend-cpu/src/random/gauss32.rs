//! Box and Muller's method in f32, with the very logarithm, sine and cosine of PyTorch's vectorised kernel: the polynomials of
//! the Cephes library (S. Moshier, `logf` and `sincosf`) evaluated with fused multiply-add.

// The coefficients are kept as published.
#![allow(clippy::excessive_precision)]

use super::normal::BLOCK;
use crate::simd::dispatch;

/// Pairs transformed together.
const PAIRS: usize = 256;

dispatch! {
    /// Blocks of 16 uniform numbers u in [0, 1) to blocks of normal ones: for j < 8, `u[j]` gives the radius and `u[j + 8]` the
    /// angle of elements j (cosine) and j + 8 (sine). The length is a multiple of 16.
    pub(super) fn transform_f32(x: &mut [f32], mean: f32, std: f32) = transform_body;
}

#[inline(always)]
fn transform_body<const FMA: bool>(x: &mut [f32], mean: f32, std: f32) {
    // Halves of blocks side by side, so that vectors can be longer than half a block.
    let (mut first, mut second) = ([0.0; PAIRS], [0.0; PAIRS]);
    for part in x.chunks_mut(2 * PAIRS) {
        let blocks = part.as_chunks_mut::<BLOCK>().0;
        let (first, second) = (&mut first[..blocks.len() * 8], &mut second[..blocks.len() * 8]);
        for ((block, a), b) in blocks.iter().zip(first.as_chunks_mut::<8>().0).zip(second.as_chunks_mut::<8>().0) {
            a.copy_from_slice(&block[..8]);
            b.copy_from_slice(&block[8..]);
        }
        for (a, b) in first.iter_mut().zip(&mut *second) {
            let r = (-2.0 * log(1.0 - *a)).sqrt();
            let (sin, cos) = sin_cos(std::f32::consts::TAU * *b);
            *a = (r * cos).mul_add(std, mean);
            *b = (r * sin).mul_add(std, mean);
        }
        for ((block, a), b) in blocks.iter_mut().zip(first.as_chunks::<8>().0).zip(second.as_chunks::<8>().0) {
            block[..8].copy_from_slice(a);
            block[8..].copy_from_slice(b);
        }
    }
}

/// The natural logarithm of x in (0, 1].
#[inline(always)]
fn log(x: f32) -> f32 {
    // x = m * 2^e with m in [0.5, 1), then m in [sqrt(1/2), sqrt(2)).
    let bits = x.to_bits();
    let e = (bits >> 23) as i32 - 126;
    let m = f32::from_bits(bits & 0x807f_ffff | 0x3f00_0000);
    let small = m < std::f32::consts::FRAC_1_SQRT_2;
    let e = (e - i32::from(small)) as f32;
    let t = (m - 1.0) + if small { m } else { 0.0 };
    let z = t * t;
    let mut y = 7.0376836292e-2;
    for c in [
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ] {
        y = f32::mul_add(y, t, c);
    }
    y *= t;
    y = y.mul_add(z, e * -2.12194440e-4);
    y = (-z).mul_add(0.5, y);
    e.mul_add(0.693359375, t + y)
}

/// Sine and cosine of x in [0, 2 pi].
#[inline(always)]
fn sin_cos(x: f32) -> (f32, f32) {
    // The octant, made even; then x less that many quarters of pi, in three steps.
    let j = ((x * 1.27323954473516) as i32 + 1) & !1;
    let y = j as f32;
    let x = y.mul_add(-0.785_156_25, x);
    let x = y.mul_add(-2.4187564849853515625e-4, x);
    let x = y.mul_add(-3.77489497744594108e-8, x);
    let z = x * x;
    let c = 2.443315711809948e-5_f32.mul_add(z, -1.388731625493765e-3).mul_add(z, 4.166664568298827e-2) * z;
    let c = c.mul_add(z, -(z * 0.5)) + 1.0;
    let s = (-1.9515295891e-4_f32).mul_add(z, 8.3321608736e-3).mul_add(z, -1.6666654611e-1) * z;
    let s = s.mul_add(x, x);
    let (sin, cos) = if j & 2 == 0 { (s, c) } else { (c, s) };
    // Signs: bit 2 of the octant is the sine's sign, bit 2 of !(octant - 2) the cosine's.
    let sin = f32::from_bits(sin.to_bits() ^ ((j & 4) as u32) << 29);
    let cos = f32::from_bits(cos.to_bits() ^ ((!(j - 2) & 4) as u32) << 29);
    (sin, cos)
}
