//! Functions around the gamma function.

use std::f64::consts::PI;

/// The logarithmic derivative of the gamma function: recurrence up to 10, then the asymptotic series (Abramowitz and Stegun 6.3.18).
pub(super) fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY.copysign(-x);
    }
    if x < 0.0 {
        if x == x.floor() {
            return f64::NAN;
        }
        // The fraction first: tan(pi x) loses digits for large x.
        return digamma(1.0 - x) - PI / (PI * (x - x.trunc())).tan();
    }
    let (mut x, mut shift) = (x, 0.0);
    while x < 10.0 {
        shift -= 1.0 / x;
        x += 1.0;
    }
    const B: [f64; 7] = [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32760.0, 1.0 / 12.0];
    let z = 1.0 / (x * x);
    let series = if x < 1e17 { B.iter().rev().fold(0.0, |sum, b| (sum + b) * z) } else { 0.0 };
    shift + x.ln() - 0.5 / x - series
}

/// The n-th derivative of [`digamma`].
pub(super) fn polygamma(n: u32, x: f64) -> f64 {
    match n {
        0 => digamma(x),
        1 => trigamma(x),
        _ => {
            let sign = if n.is_multiple_of(2) { -1.0 } else { 1.0 };
            sign * libm::tgamma(f64::from(n) + 1.0) * zeta(f64::from(n) + 1.0, x)
        }
    }
}

fn trigamma(x: f64) -> f64 {
    if x < 0.5 {
        let s = (PI * x).sin();
        return (PI / s).powi(2) - trigamma(1.0 - x);
    }
    zeta(2.0, x)
}

/// The Hurwitz zeta function by the Euler-Maclaurin formula, with PyTorch's (Cephes') conventions at its poles.
pub(super) fn zeta(x: f64, q: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    if x < 1.0 || x.is_nan() || q.is_nan() {
        return f64::NAN;
    }
    if q <= 0.0 {
        if q == q.floor() {
            return f64::INFINITY;
        }
        if x != x.floor() {
            return f64::NAN;
        }
    }
    // B(2j) / (2j)!
    const A: [f64; 12] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30240.0,
        -1.0 / 1209600.0,
        1.0 / 47900160.0,
        -1_892_437_580.318_379_2_f64.recip(),
        7.47242496e10_f64.recip(),
        -2.950_130_727_918_164e12_f64.recip(),
        1.164_678_281_435_006_7e14_f64.recip(),
        -4.597_978_722_407_473e15_f64.recip(),
        1.815_210_540_194_354_6e17_f64.recip(),
        -7.166_165_256_175_667e18_f64.recip(),
    ];
    let (mut sum, mut a) = (0.0, q);
    let mut i = 0;
    while i < 9 || a <= 9.0 {
        let term = a.powf(-x);
        sum += term;
        // Enough; or so far below 0 that nobody would wait for it.
        if (a > 0.0 && term < f64::EPSILON / 16.0 * sum.abs()) || i > 10_000_000 {
            return sum;
        }
        a += 1.0;
        i += 1;
    }
    // The integral, half of the first term, and the corrections.
    let w = a;
    let first = w.powf(-x);
    sum += first * w / (x - 1.0) + 0.5 * first;
    let (mut factor, mut power, mut k) = (1.0, first / w, 0.0);
    for c in A {
        factor *= x + k;
        let t = factor * power * c;
        sum += t;
        if (t / sum).abs() < f64::EPSILON / 16.0 {
            break;
        }
        k += 1.0;
        factor *= x + k;
        power /= w * w;
        k += 1.0;
    }
    sum
}

/// `x^a exp(-x) / Gamma(a + 1)`, without the loss of digits that large a and x bring.
fn prefactor(a: f64, x: f64) -> f64 {
    if a < 20.0 {
        return (a * x.ln() - x - libm::lgamma(a + 1.0)).exp();
    }
    // Stirling: a! = sqrt(2 pi a) (a/e)^a exp(s)
    let s = 1.0 / (12.0 * a) - 1.0 / (360.0 * a.powi(3)) + 1.0 / (1260.0 * a.powi(5)) - 1.0 / (1680.0 * a.powi(7));
    let m = (x - a) / a;
    // a ln(x/a) + a - x
    let exponent = if m.abs() < 0.5 { a * log1p_less(m) } else { a * (x / a).ln() + a - x };
    (exponent - s).exp() / (2.0 * PI * a).sqrt()
}

/// `ln(1 + m) - m` for |m| < 1/2.
fn log1p_less(m: f64) -> f64 {
    if m.abs() > 0.1 {
        return m.ln_1p() - m;
    }
    let (mut sum, mut power) = (0.0, m);
    for k in 2..24 {
        power *= -m;
        sum += power / f64::from(k);
    }
    sum
}

/// The series of the lower function.
fn lower(a: f64, x: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, a);
    for _ in 0..100_000 {
        n += 1.0;
        term *= x / n;
        sum += term;
        if term < sum * f64::EPSILON / 4.0 {
            break;
        }
    }
    prefactor(a, x) * sum
}

/// The continued fraction of the upper function, by Lentz's method.
fn upper(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut h = d;
    for i in 1..100_000 {
        let i = f64::from(i);
        let an = -i * (i - a);
        b += 2.0;
        d = an * d + b;
        c = b + an / c;
        if d.abs() < TINY {
            d = TINY;
        }
        if c.abs() < TINY {
            c = TINY;
        }
        d = 1.0 / d;
        h *= d * c;
        if (d * c - 1.0).abs() < f64::EPSILON / 2.0 {
            break;
        }
    }
    prefactor(a, x) * a * h
}

/// The upper function for small x and a, where `1 - P` would lose the digits: with `x^a / Gamma(a+1) = 1 - d`.
fn upper_small(a: f64, x: f64) -> f64 {
    let d = -(a * x.ln() - libm::lgamma(a + 1.0)).exp_m1();
    let (mut sum, mut term) = (0.0, 1.0);
    for n in 1..200 {
        let n = f64::from(n);
        term *= -x / n;
        let t = term / (a + n);
        sum += t;
        if t.abs() < sum.abs() * f64::EPSILON / 4.0 {
            break;
        }
    }
    d - (1.0 - d) * a * sum
}

/// P(a, x)
pub(super) fn igamma(a: f64, x: f64) -> f64 {
    if x < 0.0 || a < 0.0 || x.is_nan() || a.is_nan() {
        return f64::NAN;
    }
    match (a, x) {
        (0.0, x) => {
            if x > 0.0 {
                1.0
            } else {
                f64::NAN
            }
        }
        (_, 0.0) => 0.0,
        (f64::INFINITY, x) => {
            if x.is_infinite() {
                f64::NAN
            } else {
                0.0
            }
        }
        (_, f64::INFINITY) => 1.0,
        (a, x) if x > 1.0 && x > a => 1.0 - upper(a, x),
        (a, x) => lower(a, x),
    }
}

/// Q(a, x)
pub(super) fn igammac(a: f64, x: f64) -> f64 {
    if x < 0.0 || a < 0.0 || x.is_nan() || a.is_nan() {
        return f64::NAN;
    }
    match (a, x) {
        (0.0, x) => {
            if x > 0.0 {
                0.0
            } else {
                f64::NAN
            }
        }
        (_, 0.0) => 1.0,
        (f64::INFINITY, x) => {
            if x.is_infinite() {
                f64::NAN
            } else {
                1.0
            }
        }
        (_, f64::INFINITY) => 0.0,
        (a, x) if x > 1.0 && x > a => upper(a, x),
        (a, x) if x <= 1.0 && a < 1.0 => upper_small(a, x),
        (a, x) => 1.0 - lower(a, x),
    }
}
