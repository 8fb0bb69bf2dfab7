//! Singular values: QR first, then one-sided Jacobi rotations of the adjoint of R, which find small singular values to full relative accuracy
//! (Drmac and Veselic, 2008, without their pivoting).

use super::field::{Field, inner, norm};
use super::qr::{factor, product};

/// U, S and V of a matrix, by columns: `U` of m x `u`, `V` of n x `v` columns. `None` if it is not finite.
pub(super) struct Svd<T> {
    pub(super) u: Vec<T>,
    pub(super) s: Vec<f64>,
    pub(super) v: Vec<T>,
}

/// Decomposes a matrix given by columns of length m. If `full`, U and V are square.
pub(super) fn svd<T: Field>(columns: &[T], m: usize, n: usize, full: bool) -> Option<Svd<T>> {
    if !columns.iter().all(|x| x.re().is_finite() && x.im().is_finite()) {
        return None;
    }
    if m < n {
        let mut adjoint = Vec::with_capacity(m * n);
        for i in 0..m {
            adjoint.extend((0..n).map(|j| columns[j * m + i].conj()));
        }
        let Svd { u, s, v } = svd(&adjoint, n, m, full)?;
        return Some(Svd { u: v, s, v: u });
    }
    // Numbers far from 1 are brought there, so that no square under- or overflows.
    let largest = columns.iter().map(|x| x.re().abs().max(x.im().abs())).fold(0.0, f64::max);
    let scale = if largest > 0.0 && !(1e-100..1e100).contains(&largest) { largest } else { 1.0 };
    let mut qr: Vec<T> = columns.iter().map(|x| x.scale(1.0 / scale)).collect();
    let taus = factor(&mut qr, m, n);
    let q = product(&qr, m, &taus, if full { m } else { n });
    // W = R^H, and W X = Y diag(S): A = Q R = Q X diag(S) Y^H.
    let mut w = vec![T::ZERO; n * n];
    let mut x = vec![T::ZERO; n * n];
    for j in 0..n {
        x[j * n + j] = T::ONE;
        for i in 0..=j {
            w[i * n + j] = qr[j * m + i].conj();
        }
    }
    jacobi(&mut w, &mut x, n)?;
    let sizes: Vec<f64> = w.chunks_exact(n.max(1)).map(norm).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| sizes[j].total_cmp(&sizes[i]));

    let mut y = Vec::with_capacity(n * n);
    for &j in order.iter().filter(|&&j| sizes[j] > 0.0) {
        y.extend(w[j * n..][..n].iter().map(|e| e.scale(1.0 / sizes[j])));
    }
    complete(&mut y, n);
    let mut u = Vec::with_capacity(q.len());
    for &j in &order {
        let mut column = vec![T::ZERO; m];
        for (e, q) in x[j * n..][..n].iter().zip(q.chunks_exact(m)) {
            super::field::subtract(&mut column, -*e, q);
        }
        u.extend(column);
    }
    u.extend_from_slice(&q[n * m..]);
    Some(Svd { u, s: order.iter().map(|&j| sizes[j] * scale).collect(), v: y })
}

/// Orthonormal columns of length n made n of them.
fn complete<T: Field>(columns: &mut Vec<T>, n: usize) {
    let have = columns.len() / n.max(1);
    if have < n {
        let mut copy = columns.clone();
        let taus = factor(&mut copy, n, have);
        columns.extend_from_slice(&product(&copy, n, &taus, n)[have * n..]);
    }
}

/// Rotates pairs of columns of `w`, and of `x` alike, until all are orthogonal.
fn jacobi<T: Field>(w: &mut [T], x: &mut [T], n: usize) -> Option<()> {
    let mut squares: Vec<f64> = w.chunks_exact(n.max(1)).map(|c| inner(c, c).re()).collect();
    for _ in 0..60 {
        let mut rotated = false;
        for i in 0..n {
            for j in i + 1..n {
                let (left, right) = w.split_at_mut(j * n);
                let (a, b) = (&mut left[i * n..][..n], &mut right[..n]);
                let dot = inner(a, b);
                let size = dot.abs();
                if size <= f64::EPSILON * (squares[i] * squares[j]).sqrt() || size < f64::MIN_POSITIVE {
                    continue;
                }
                rotated = true;
                let zeta = (squares[j] - squares[i]) / (2.0 * size);
                let t = 1.0f64.copysign(zeta) / (zeta.abs() + zeta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = c * t;
                let phase = dot.scale(1.0 / size);
                turn(a, b, c, s, phase);
                let (left, right) = x.split_at_mut(j * n);
                turn(&mut left[i * n..][..n], &mut right[..n], c, s, phase);
                squares[i] = inner(&w[i * n..][..n], &w[i * n..][..n]).re();
                squares[j] = inner(&w[j * n..][..n], &w[j * n..][..n]).re();
            }
        }
        if !rotated {
            return Some(());
        }
    }
    // What is left is rounding that turns round in circles.
    Some(())
}

/// `a, b = c a - s conj(phase) b, s phase a + c b`.
#[inline]
fn turn<T: Field>(a: &mut [T], b: &mut [T], c: f64, s: f64, phase: T) {
    let (to_a, to_b) = (phase.conj().scale(s), phase.scale(s));
    for (a, b) in a.iter_mut().zip(b) {
        let (x, y) = (*a, *b);
        *a = x.scale(c) - to_a * y;
        *b = to_b * x + y.scale(c);
    }
}
