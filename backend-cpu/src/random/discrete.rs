//! Discrete distributions with a formula for each element.

use rushlight_backend::{Engine, Error, Result};

use super::{CHUNK, Float, Sample, map_uniform53};
use crate::simd::dispatch;

/// 1 with probability `p`, else 0: `bernoulli_`. Each element takes a uniform number of 53 bits, whatever its type.
pub fn bernoulli<T: Sample>(engine: &mut Engine, out: &mut [T], p: f64) {
    // u53 = k / 2^53 < p exactly where k < p * 2^53, which has no rounding, and so where k is below the next integer up.
    let threshold = (p * (1_u64 << 53) as f64).ceil() as u64;
    let mut words = [0; CHUNK / 2];
    for part in out.chunks_mut(CHUNK / 2) {
        let words = &mut words[..part.len()];
        engine.fill_u64(words);
        below::<T>(words, part, threshold);
    }
}

dispatch! {
    fn below<T: Sample>(words: &[u64], out: &mut [T], threshold: u64) = below_body;
}

#[inline(always)]
fn below_body<T: Sample, const FMA: bool>(words: &[u64], out: &mut [T], threshold: u64) {
    let (one, zero) = (T::from_i64(1), T::from_i64(0));
    for (o, &w) in out.iter_mut().zip(words) {
        *o = if w & ((1 << 53) - 1) < threshold { one } else { zero };
    }
}

/// 1 with the probability in the same place of `p`, else 0: `bernoulli` of a tensor. A uniform number of 53 bits for f64
/// probabilities, of 24 for the others, is drawn for each. `out` and `p` have the same length.
///
/// # Errors
/// If a probability is not in [0, 1]; nothing is drawn then.
pub fn bernoulli_each<T: Sample, P: Float>(engine: &mut Engine, out: &mut [T], p: &[P]) -> Result<()> {
    if let Some(bad) = p.iter().map(|p| p.to_f64()).find(|p| !(0.0..=1.0).contains(p)) {
        return Err(Error::value("bernoulli", format!("probabilities must be in [0, 1], got {bad}")));
    }
    for (o, &p) in out.iter_mut().zip(p) {
        *o = T::from_i64(p.draw_below(engine).into());
    }
    Ok(())
}

/// The number of trials up to the first success of probability `p`: `ceil(ln(u) / ln(1 - p))`.
pub fn geometric<T: Sample>(engine: &mut Engine, out: &mut [T], p: f64) {
    let scale = (-p).ln_1p();
    map_uniform53(engine, out, |u| T::from_f64((u.ln() / scale).ceil()));
}
