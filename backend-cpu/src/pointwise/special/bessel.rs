//! Modified and spherical Bessel functions, and Airy's.
//!
//! Series where all terms have one sign, asymptotic series (Abramowitz and Stegun 9.7) where they reach double precision, and integrals by
//! the trapezoidal rule, which converges exponentially for these integrands.

use std::f64::consts::PI;

/// Beyond this the asymptotic series of the modified functions reach double precision.
const FAR: f64 = 25.0;

/// `exp(-x) I_n(x)` for x >= 0 and n = 0 or 1, without the power of x in front.
fn scaled_i(n: u32, x: f64) -> f64 {
    let z = 0.25 * x * x;
    let (mut sum, mut term) = (1.0, 1.0);
    if x < FAR {
        for k in 1..200 {
            term *= z / (f64::from(k) * f64::from(k + n));
            sum += term;
            if term < sum * f64::EPSILON / 4.0 {
                break;
            }
        }
        return sum * (-x).exp() * if n == 1 { 0.5 * x } else { 1.0 };
    }
    if x.is_infinite() {
        return 0.0;
    }
    let mu = 4.0 * f64::from(n * n);
    for k in 1..30 {
        let odd = f64::from(2 * k - 1);
        term *= -(mu - odd * odd) / (f64::from(k) * 8.0 * x);
        sum += term;
        if term.abs() < f64::EPSILON / 4.0 {
            break;
        }
    }
    sum / (2.0 * PI * x).sqrt()
}

pub(super) fn i0e(x: f64) -> f64 {
    scaled_i(0, x.abs())
}

pub(super) fn i1e(x: f64) -> f64 {
    scaled_i(1, x.abs()).copysign(x)
}

/// `exp(x) y` for a y that was scaled by `exp(-x)`, without overflow on the way.
fn unscaled(y: f64, x: f64) -> f64 {
    if x.is_infinite() { f64::INFINITY } else { y * (0.5 * x).exp() * (0.5 * x).exp() }
}

pub(super) fn i0(x: f64) -> f64 {
    unscaled(i0e(x), x.abs())
}

pub(super) fn i1(x: f64) -> f64 {
    unscaled(scaled_i(1, x.abs()), x.abs()).copysign(x)
}

/// `exp(x) K_v(x)` for v from 0 to 1, from `K_v(x) = integral over t > 0 of exp(-x cosh t) cosh(v t)` (Abramowitz and Stegun 9.6.24). Infinite
/// at 0, NaN below.
pub(super) fn scaled_k(v: f64, x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY;
    }
    if x < 0.0 || x.is_nan() {
        return f64::NAN;
    }
    if x.is_infinite() {
        return 0.0;
    }
    // Where x (cosh t - 1) is 45 and cosh(v t) cannot make up for it: t is less than ln(2 + 90 / x) there.
    // acosh(1 + w), for small w too
    let w = (45.0 + (2.0 + 90.0 / x).ln()) / x;
    let end = (w + (w * (w + 2.0)).sqrt()).ln_1p();
    const STEPS: i32 = 256;
    let h = end / f64::from(STEPS);
    let mut sum = 0.5;
    for i in 1..=STEPS {
        let t = f64::from(i) * h;
        // cosh t - 1 = 2 sinh^2(t/2)
        let s = (0.5 * t).sinh();
        sum += (-2.0 * x * s * s).exp() * (v * t).cosh();
    }
    sum * h
}

pub(super) fn spherical_j0(x: f64) -> f64 {
    if x.is_infinite() {
        return 0.0;
    }
    if x.abs() < 1e-4 { 1.0 - x * x / 6.0 } else { x.sin() / x }
}

/// Ai(0)
const AI: f64 = 0.3550280538878172;
/// -Ai'(0)
const AI_SLOPE: f64 = 0.258_819_403_792_806_8;

/// The Airy function Ai.
pub(super) fn airy_ai(x: f64) -> f64 {
    if x.is_nan() || x.is_infinite() {
        return f64::NAN;
    }
    if x > 1.0 {
        // (1/pi) sqrt(x/3) K_{1/3}(2/3 x^{3/2})
        let z = 2.0 / 3.0 * x * x.sqrt();
        return (x / 3.0).sqrt() / PI * scaled_k(1.0 / 3.0, z) * (-z).exp();
    }
    if x < -12.0 {
        return airy_far(-x);
    }
    // Taylor's series of y'' = x y, in steps of at most 1 from 0: to the left both solutions stay bounded.
    let (mut at, mut y, mut slope) = (0.0, AI, -AI_SLOPE);
    loop {
        let h = (x - at).clamp(-1.0, 1.0);
        (y, slope) = airy_step(at, y, slope, h);
        at += h;
        if at == x || h == 0.0 {
            return y;
        }
    }
}

fn airy_step(x: f64, y: f64, slope: f64, h: f64) -> (f64, f64) {
    // (n+1) (n+2) a[n+2] = x a[n] + a[n-1]
    let (mut before, mut a, mut b) = (0.0, y, slope);
    let (mut value, mut derivative, mut power) = (y, 0.0, 1.0);
    for n in 0..60 {
        let n = f64::from(n);
        // power = h^n; b is the coefficient of h^(n+1)
        derivative += (n + 1.0) * b * power;
        power *= h;
        value += b * power;
        let next = (x * a + before) / ((n + 1.0) * (n + 2.0));
        (before, a, b) = (a, b, next);
    }
    (value, derivative)
}

/// Ai(-x) for large x (Abramowitz and Stegun 10.4.60).
fn airy_far(x: f64) -> f64 {
    let z = 2.0 / 3.0 * x * x.sqrt();
    let (mut even, mut odd, mut c) = (1.0, 0.0, 1.0);
    for k in 1..12 {
        let kf = f64::from(k);
        // c[k] / c[k-1] = (6k-5)(6k-3)(6k-1) / (216 k (2k-1))
        c *= (6.0 * kf - 5.0) * (6.0 * kf - 3.0) * (6.0 * kf - 1.0) / (216.0 * kf * (2.0 * kf - 1.0)) / z;
        match k % 4 {
            1 => odd += c,
            2 => even -= c,
            3 => odd -= c,
            _ => even += c,
        }
    }
    let (sin, cos) = (z + PI / 4.0).sin_cos();
    (sin * even - cos * odd) / (PI.sqrt() * x.sqrt().sqrt())
}
