//! Uniform numbers.

use rushlight_backend::Engine;

use super::{CHUNK, Float};
use crate::simd::dispatch;

/// Uniform numbers in [from, to): `uniform_`, and with 0 and 1 `rand`. `u * (to - from) + from` with one rounding, where u has 53
/// bits for f64 and 24 for the others. f16 and bf16 are computed in f32 and rounded; what rounds up to `to` becomes `from`.
pub fn uniform<T: Float>(engine: &mut Engine, out: &mut [T], from: f64, to: f64) {
    T::fill_uniform(engine, out, from, to);
}

/// Uniform numbers in [0, 1) with 24 bits.
pub(super) fn fill24(engine: &mut Engine, out: &mut [f32]) {
    uniform_f32(engine, out, 0.0, 1.0);
}

/// Uniform numbers in [0, 1) with 53 bits.
pub(super) fn fill53(engine: &mut Engine, out: &mut [f64]) {
    uniform_f64(engine, out, 0.0, 1.0);
}

pub(super) fn uniform_f32(engine: &mut Engine, out: &mut [f32], from: f64, to: f64) {
    let (from, to) = (from as f32, to as f32);
    let mut words = [0; CHUNK];
    for part in out.chunks_mut(CHUNK) {
        let words = &mut words[..part.len()];
        engine.fill_u32(words);
        scale24(words, part, from, to - from);
    }
}

pub(super) fn uniform_f64(engine: &mut Engine, out: &mut [f64], from: f64, to: f64) {
    let mut words = [0; CHUNK / 2];
    for part in out.chunks_mut(CHUNK / 2) {
        let words = &mut words[..part.len()];
        engine.fill_u64(words);
        scale53(words, part, from, to - from);
    }
}

/// f16 and bf16.
pub(super) fn uniform_narrow<T: Float>(engine: &mut Engine, out: &mut [T], from: f64, to: f64) {
    let (first, end) = (T::from_f64(from), T::from_f64(to));
    let mut wide = [0.0; CHUNK];
    for part in out.chunks_mut(CHUNK) {
        let wide = &mut wide[..part.len()];
        uniform_f32(engine, wide, from, to);
        for (o, &x) in part.iter_mut().zip(&*wide) {
            let x = T::from_f64(x.into());
            *o = if x == end { first } else { x };
        }
    }
}

dispatch! {
    fn scale24(words: &[u32], out: &mut [f32], from: f32, width: f32) = scale24_body;
}

#[inline(always)]
fn scale24_body<const FMA: bool>(words: &[u32], out: &mut [f32], from: f32, width: f32) {
    for (o, &w) in out.iter_mut().zip(words) {
        let u = (w & ((1 << 24) - 1)) as i32 as f32 * (1.0 / (1 << 24) as f32);
        *o = u.mul_add(width, from);
    }
}

dispatch! {
    fn scale53(words: &[u64], out: &mut [f64], from: f64, width: f64) = scale53_body;
}

#[inline(always)]
fn scale53_body<const FMA: bool>(words: &[u64], out: &mut [f64], from: f64, width: f64) {
    for (o, &w) in out.iter_mut().zip(words) {
        let u = (w & ((1 << 53) - 1)) as i64 as f64 * (1.0 / (1_i64 << 53) as f64);
        *o = u.mul_add(width, from);
    }
}
