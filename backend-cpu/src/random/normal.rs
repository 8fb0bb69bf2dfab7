//! Normal numbers.

use std::f64::consts::TAU;

use rushlight_backend::Engine;

use super::gauss32::transform_f32;
use super::uniform::{fill24, fill53};
use super::{BATCH, CHUNK, Float, Sample, par_pieces};
use crate::simd::dispatch;

/// Numbers of one block.
pub(super) const BLOCK: usize = 16;

/// Normal numbers for a contiguous tensor: `normal_`, and with 0 and 1 `randn`.
///
/// From 16 elements up they are made in blocks of 16, eight and eight by Box and Muller's method; the number that the engine
/// keeps is then neither used nor touched. Fewer elements go the way of [`normal_scalar`].
pub fn normal<T: Float>(engine: &mut Engine, out: &mut [T], mean: f64, std: f64) {
    if out.len() < BLOCK {
        normal_scalar(engine, out, mean, std);
    } else {
        T::fill_normal(engine, out, mean, std);
    }
}

/// Normal numbers one at a time in f64 with [`Engine::normal_scalar`]: what PyTorch does for a target that is not contiguous,
/// in memory order, whatever its size.
pub fn normal_scalar<T: Sample>(engine: &mut Engine, out: &mut [T], mean: f64, std: f64) {
    for o in out {
        *o = T::from_f64(engine.normal_scalar(mean, std));
    }
}

/// Uniform numbers everywhere, whole blocks transformed, then a block of fresh ones over the last 16 elements.
pub(super) fn normal_f32(engine: &mut Engine, out: &mut [f32], mean: f64, std: f64) {
    let (mean, std) = (mean as f32, std as f32);
    for part in out.chunks_mut(BATCH) {
        fill24(engine, part);
        let whole = part.len() / BLOCK * BLOCK;
        par_pieces(&mut part[..whole], |x| transform_f32(x, mean, std));
    }
    if !out.len().is_multiple_of(BLOCK) {
        let last = out.len() - BLOCK;
        fill24(engine, &mut out[last..]);
        transform_f32(&mut out[last..], mean, std);
    }
}

/// As [`normal_f32`].
pub(super) fn normal_f64(engine: &mut Engine, out: &mut [f64], mean: f64, std: f64) {
    for part in out.chunks_mut(BATCH) {
        fill53(engine, part);
        let whole = part.len() / BLOCK * BLOCK;
        par_pieces(&mut part[..whole], |x| transform_f64(x, mean, std));
    }
    if !out.len().is_multiple_of(BLOCK) {
        let last = out.len() - BLOCK;
        fill53(engine, &mut out[last..]);
        transform_f64(&mut out[last..], mean, std);
    }
}

/// f16 and bf16: in f32, then rounded. Unlike [`normal_f32`] it draws nothing for the elements after the last whole block.
pub(super) fn normal_narrow<T: Float>(engine: &mut Engine, out: &mut [T], mean: f64, std: f64) {
    let (mean, std) = (mean as f32, std as f32);
    let mut wide = [0.0; CHUNK];
    let mut fill = |part: &mut [T]| {
        let wide = &mut wide[..part.len()];
        fill24(engine, wide);
        transform_f32(wide, mean, std);
        for (o, &x) in part.iter_mut().zip(&*wide) {
            *o = T::from_f64(x.into());
        }
    };
    let whole = out.len() / BLOCK * BLOCK;
    out[..whole].chunks_mut(CHUNK).for_each(&mut fill);
    if whole < out.len() {
        let last = out.len() - BLOCK;
        fill(&mut out[last..]);
    }
}

dispatch! {
    /// Blocks of uniform numbers to blocks of normal ones, with the C library's functions.
    fn transform_f64(x: &mut [f64], mean: f64, std: f64) = transform_f64_body;
}

#[inline(always)]
fn transform_f64_body<const FMA: bool>(x: &mut [f64], mean: f64, std: f64) {
    for block in x.as_chunks_mut::<BLOCK>().0 {
        let (a, b) = block.split_at_mut(BLOCK / 2);
        for (a, b) in a.iter_mut().zip(b) {
            let r = (-2.0 * (1.0 - *a).ln()).sqrt();
            let (sin, cos) = (TAU * *b).sin_cos();
            *a = (r * cos).mul_add(std, mean);
            *b = (r * sin).mul_add(std, mean);
        }
    }
}
