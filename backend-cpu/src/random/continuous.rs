//! Continuous distributions other than the uniform and the normal one: computed in f64, then rounded.

use std::f64::consts::PI;

use rushlight_backend::Engine;

use super::{Sample, map_uniform53};

/// Exponential numbers with rate `lambda`: `-ln(1 - u) / lambda`.
pub fn exponential<T: Sample>(engine: &mut Engine, out: &mut [T], lambda: f64) {
    let scale = -1.0 / lambda;
    map_uniform53(engine, out, |u| T::from_f64(scale * (-u).ln_1p()));
}

/// Cauchy numbers: `median + sigma * tan(pi * (u - 1/2))`.
pub fn cauchy<T: Sample>(engine: &mut Engine, out: &mut [T], median: f64, sigma: f64) {
    map_uniform53(engine, out, |u| T::from_f64(median + sigma * (PI * (u - 0.5)).tan()));
}

/// The exponential of normal numbers with this mean and standard deviation. They come one at a time from
/// [`Engine::normal_scalar`], whatever the size.
pub fn log_normal<T: Sample>(engine: &mut Engine, out: &mut [T], mean: f64, std: f64) {
    for o in out {
        *o = T::from_f64(engine.normal_scalar(mean, std).exp());
    }
}
