//! Random samples, bit for bit those of PyTorch's CPU kernels.
//!
//! Each function fills a slice in memory order from an [`Engine`] and leaves the engine where PyTorch would leave it. Numbers
//! are drawn serially; what is computed from them runs in SIMD and on all threads, and depends on neither.
//!
//! Parameters that are numbers (a range, a probability, a standard deviation) were checked by the operation's shape rule; here no
//! value of them leads to a panic. Where a parameter is a tensor its values are checked here.

mod continuous;
mod discrete;
mod gauss32;
mod integer;
mod multinomial;
mod normal;
mod run;
mod uniform;

pub use continuous::{cauchy, exponential, log_normal};
pub use discrete::{bernoulli, bernoulli_each, geometric};
pub use integer::{random, random_from_to, randperm};
pub use multinomial::multinomial;
pub use normal::{normal, normal_scalar};
pub(crate) use run::run;
pub use uniform::uniform;

use std::sync::{Mutex, PoisonError};

use rushlight_backend::{Element, Engine, bf16, f16};

use crate::threads::par_for;

/// An element type that samples can have.
pub trait Sample: Element {
    /// [`random`] draws from `0..RANDOM_RANGE`: all non-negative integers, or all that the mantissa can tell apart.
    const RANDOM_RANGE: u64;
    /// Whether [`random`] takes two words for each element.
    const RANDOM_WIDE: bool;
    /// A sample computed in f64, rounded to this type as a C++ cast rounds it (f16 and bf16 by way of f32).
    fn from_f64(x: f64) -> Self;
    /// An integer sample; it wraps in narrower integers.
    fn from_i64(x: i64) -> Self;
}

macro_rules! sample {
    ($($t:ty, $range:expr, $wide:expr, |$x:ident| $from_f64:expr, |$i:ident| $from_i64:expr;)*) => {$(
        impl Sample for $t {
            const RANDOM_RANGE: u64 = $range;
            const RANDOM_WIDE: bool = $wide;
            #[inline(always)]
            fn from_f64($x: f64) -> Self { $from_f64 }
            #[inline(always)]
            fn from_i64($i: i64) -> Self { $from_i64 }
        }
    )*};
}

sample! {
    bool, 2, false, |x| x != 0.0, |i| i != 0;
    u8, 1 << 8, false, |x| x as i64 as u8, |i| i as u8;
    i8, 1 << 7, false, |x| x as i64 as i8, |i| i as i8;
    i16, 1 << 15, false, |x| x as i64 as i16, |i| i as i16;
    i32, 1 << 31, false, |x| x as i64 as i32, |i| i as i32;
    i64, 1 << 63, true, |x| x as i64, |i| i;
    f16, (1 << 11) + 1, false, |x| f16::from_f32(x as f32), |i| f16::from_f32(i as f32);
    bf16, (1 << 8) + 1, false, |x| bf16::from_f32(x as f32), |i| bf16::from_f32(i as f32);
    f32, (1 << 24) + 1, false, |x| x as f32, |i| i as f32;
    f64, (1 << 53) + 1, true, |x| x, |i| i as f64;
}

/// A floating-point type that samples and their parameters can have.
pub trait Float: Sample {
    /// The value, exactly.
    fn to_f64(self) -> f64;
    /// `x` rounded to the type in which sums of this type are kept: f64 for f64, f32 for the others.
    fn round_sum(x: f64) -> f64;
    /// One uniform number of the width that goes with this type, compared: true with this probability.
    fn draw_below(self, engine: &mut Engine) -> bool;
    /// Fills `out` with `uniform * (to - from) + from`.
    fn fill_uniform(engine: &mut Engine, out: &mut [Self], from: f64, to: f64);
    /// Fills `out`, of at least 16 elements, with normal numbers in blocks of 16.
    fn fill_normal(engine: &mut Engine, out: &mut [Self], mean: f64, std: f64);
}

macro_rules! float {
    ($($t:ty, $round:expr, $below:expr, $uniform:path, $normal:path;)*) => {$(
        impl Float for $t {
            #[inline(always)]
            fn to_f64(self) -> f64 { self.into() }
            #[inline(always)]
            fn round_sum(x: f64) -> f64 { $round(x) }
            #[inline(always)]
            fn draw_below(self, engine: &mut Engine) -> bool { $below(self, engine) }
            fn fill_uniform(engine: &mut Engine, out: &mut [Self], from: f64, to: f64) { $uniform(engine, out, from, to) }
            fn fill_normal(engine: &mut Engine, out: &mut [Self], mean: f64, std: f64) { $normal(engine, out, mean, std) }
        }
    )*};
}

float! {
    f64, |x| x, |p, e: &mut Engine| e.uniform53() < p, uniform::uniform_f64, normal::normal_f64;
    f32, |x| f64::from(x as f32), |p, e: &mut Engine| e.uniform24() < p, uniform::uniform_f32, normal::normal_f32;
    f16, |x| f64::from(x as f32), |p: f16, e: &mut Engine| e.uniform24() < p.to_f32(), uniform::uniform_narrow, normal::normal_narrow;
    bf16, |x| f64::from(x as f32), |p: bf16, e: &mut Engine| e.uniform24() < p.to_f32(), uniform::uniform_narrow, normal::normal_narrow;
}

/// Words that are drawn at a time where what follows is cheap: they stay in the first-level cache.
const CHUNK: usize = 512;

/// Elements that are drawn at a time where what follows is worth all threads: they stay in the second-level cache.
const BATCH: usize = 1 << 15;

/// Elements that one task transforms. A multiple of 16.
const GRAIN: usize = 1 << 11;

/// Fills `out` with `f(u)`, u the next uniform53, computed on all threads.
fn map_uniform53<T: Sample>(engine: &mut Engine, out: &mut [T], f: impl Fn(f64) -> T + Sync) {
    let mut drawn = vec![0.0; out.len().min(BATCH)];
    for part in out.chunks_mut(BATCH) {
        let drawn = &mut drawn[..part.len()];
        uniform::fill53(engine, drawn);
        let tasks: Vec<_> = part.chunks_mut(GRAIN).zip(drawn.chunks(GRAIN)).map(Mutex::new).collect();
        par_for(tasks.len(), |i| {
            let mut task = tasks[i].lock().unwrap_or_else(PoisonError::into_inner);
            let (out, drawn) = &mut *task;
            for (o, &u) in out.iter_mut().zip(*drawn) {
                *o = f(u);
            }
        });
    }
}

/// Runs `f` on pieces of `out` of [`GRAIN`] elements, on all threads.
fn par_pieces<T: Send>(out: &mut [T], f: impl Fn(&mut [T]) + Sync) {
    let tasks: Vec<_> = out.chunks_mut(GRAIN).map(Mutex::new).collect();
    par_for(tasks.len(), |i| f(&mut tasks[i].lock().unwrap_or_else(PoisonError::into_inner)));
}
