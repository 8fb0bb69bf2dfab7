//! Orthogonal polynomials, by their recurrences, with PyTorch's values at the ends of the interval.

use rushlight_backend::op::Polynomial;

/// The value at x of the polynomial whose degree is n, truncated. Polynomials of negative degree are 0.
pub(super) fn value(p: Polynomial, x: f64, n: f64) -> f64 {
    use Polynomial::*;
    // What is no 64-bit integer counts as negative, as in PyTorch on this processor.
    let n = if n.abs() < 9.2e18 { n as i64 } else { -1 };
    if n < 0 {
        return 0.0;
    }
    let y = 2.0 * x - 1.0;
    match p {
        ChebyshevT => chebyshev(Kind::T, x, n),
        ChebyshevU => chebyshev(Kind::U, x, n),
        ChebyshevV => chebyshev(Kind::V, x, n),
        ChebyshevW => chebyshev(Kind::W, x, n),
        ShiftedChebyshevT => chebyshev(Kind::T, y, n),
        ShiftedChebyshevU => chebyshev(Kind::U, y, n),
        ShiftedChebyshevV => chebyshev(Kind::V, y, n),
        ShiftedChebyshevW => chebyshev(Kind::W, y, n),
        HermiteH if n > 512 => f64::NAN,
        HermiteH => recur(n, 1.0, x + x, |k, p, q| (x + x) * q - 2.0 * k * p),
        HermiteHe if n > 512 => f64::NAN,
        HermiteHe => recur(n, 1.0, x, |k, p, q| x * q - k * p),
        LaguerreL if x == 0.0 => 1.0,
        LaguerreL => recur(n, 1.0, 1.0 - x, |k, p, q| ((2.0 * k + 1.0 - x) * q - k * p) / (k + 1.0)),
        LegendreP if x.abs() == 1.0 => {
            if x > 0.0 || n % 2 == 0 {
                1.0
            } else {
                -1.0
            }
        }
        LegendreP => recur(n, 1.0, x, |k, p, q| ((2.0 * k + 1.0) * x * q - k * p) / (k + 1.0)),
    }
}

/// The n-th of a sequence that begins with p and q; `next` gets the index of q. NaN and infinity end it: they stay, and n may be anything.
fn recur(n: i64, p: f64, q: f64, next: impl Fn(f64, f64, f64) -> f64) -> f64 {
    if n == 0 {
        return p;
    }
    let (mut p, mut q) = (p, q);
    for k in 1..n {
        if q.is_nan() {
            break;
        }
        (p, q) = (q, next(k as f64, p, q));
    }
    q
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    T,
    U,
    V,
    W,
}

fn chebyshev(kind: Kind, x: f64, n: i64) -> f64 {
    let nf = n as f64;
    let even = if n % 2 == 0 { 1.0 } else { -1.0 };
    if x.abs() == 1.0 {
        return match kind {
            Kind::T if x > 0.0 => 1.0,
            Kind::T => even,
            Kind::U if x > 0.0 => nf + 1.0,
            Kind::U => even * (nf + 1.0),
            Kind::V if x > 0.0 => 1.0,
            Kind::V => even * (2.0 * nf + 1.0),
            Kind::W if x > 0.0 => 2.0 * nf + 1.0,
            Kind::W => even,
        };
    }
    // Within the interval large degrees are angles.
    if n > 8 && x.abs() < 1.0 {
        let angle = x.acos();
        return match kind {
            Kind::T => (nf * angle).cos(),
            Kind::U => ((nf + 1.0) * angle).sin() / angle.sin(),
            Kind::V => ((nf + 0.5) * angle).cos() / (0.5 * angle).cos(),
            Kind::W => ((nf + 0.5) * angle).sin() / (0.5 * angle).sin(),
        };
    }
    let first = match kind {
        Kind::T => x,
        Kind::U => x + x,
        Kind::V => x + x - 1.0,
        Kind::W => x + x + 1.0,
    };
    recur(n, 1.0, first, |_, p, q| (x + x) * q - p)
}
