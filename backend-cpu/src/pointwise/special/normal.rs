//! The normal distribution's functions.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

use crate::pointwise::erf::{erf, erfc};

/// `exp(x^2) erfc(x)`
pub(super) fn erfcx(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 * (x * x).exp() - erfcx(-x);
    }
    if x < 8.0 {
        // x^2 in two parts: its rounding error would be multiplied.
        let square = x * x;
        let rest = x.mul_add(x, -square);
        return square.exp() * (1.0 + rest) * erfc(x);
    }
    if x > 1e8 {
        return 0.5 * FRAC_2_SQRT_PI / x;
    }
    // The continued fraction (Abramowitz and Stegun 7.1.14).
    let mut tail = 0.0;
    for k in (1..=60).rev() {
        tail = 0.5 * f64::from(k) / (x + tail);
    }
    0.5 * FRAC_2_SQRT_PI / (x + tail)
}

/// The logarithm of the distribution function.
pub(super) fn log_ndtr(x: f64) -> f64 {
    let t = x * FRAC_1_SQRT_2;
    if x < -1.0 { (0.5 * erfcx(-t)).ln() - t * t } else { (-0.5 * erfc(t)).ln_1p() }
}

/// The inverse of the distribution function.
pub(super) fn ndtri(p: f64) -> f64 {
    match p {
        0.0 => f64::NEG_INFINITY,
        1.0 => f64::INFINITY,
        p if !(p > 0.0 && p < 1.0) => f64::NAN,
        p if p > 0.5 => -quantile(1.0 - p),
        p => quantile(p),
    }
}

/// The inverse for p up to 1/2: a start, and Newton's steps on the logarithm, which is nearly a parabola in the tail.
fn quantile(p: f64) -> f64 {
    let mut x = if p < 0.02 {
        let t = (-2.0 * p.ln()).sqrt();
        -(t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))))
    } else {
        let q = p - 0.5;
        let r = q * q;
        q * (2.50662823884 + r * (-18.61500062529 + r * (41.39119773534 - r * 25.44106049637)))
            / (1.0 + r * (-8.4735109309 + r * (23.08336743743 + r * (-21.06224101826 + r * 3.13082909833))))
    };
    for _ in 0..3 {
        // Near the middle the difference itself is exact, in the tail the ratio is.
        let ratio = (PI / 2.0).sqrt() * erfcx(-x * FRAC_1_SQRT_2);
        let step = if p > 0.25 {
            (0.5 * erf(x * FRAC_1_SQRT_2) - (p - 0.5)) * (2.0 * PI).sqrt() * (0.5 * x * x).exp()
        } else {
            (log_ndtr(x) - p.ln()) * ratio
        };
        x -= step;
    }
    x
}

/// The inverse of the error function.
pub(super) fn erfinv(y: f64) -> f64 {
    let a = y.abs();
    if a.is_nan() || a > 1.0 {
        return f64::NAN;
    }
    if a == 1.0 {
        return f64::INFINITY.copysign(y);
    }
    if a > 0.5 {
        return (-quantile(0.5 * (1.0 - a)) * FRAC_1_SQRT_2).copysign(y);
    }
    // Series, then Newton.
    let t = y / FRAC_2_SQRT_PI;
    let z = t * t;
    let mut x = t * (1.0 + z * (1.0 / 3.0 + z * (7.0 / 30.0 + z * (127.0 / 630.0))));
    for _ in 0..4 {
        x -= (erf(x) - y) / (FRAC_2_SQRT_PI * (-x * x).exp());
    }
    x
}
