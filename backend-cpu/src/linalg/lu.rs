//! Eliminations: LU, Cholesky, triangular systems. Matrices are row-major, so that the innermost loops run along rows.

use super::field::{Field, inner, subtract};

/// `P L U` in place of an `m x n` matrix: pivots, counted from 0, and the place of the first that is 0.
pub(super) fn lu<T: Field>(a: &mut [T], m: usize, n: usize, pivot: bool) -> (Vec<usize>, Option<usize>) {
    let k = m.min(n);
    let mut pivots = Vec::with_capacity(k);
    let mut singular = None;
    for j in 0..k {
        let mut best = j;
        if pivot {
            // LAPACK's magnitude of a complex number here: |re| + |im|.
            let size = |i: usize| a[i * n + j].re().abs() + a[i * n + j].im().abs();
            for i in j + 1..m {
                if size(i) > size(best) {
                    best = i;
                }
            }
        }
        pivots.push(best);
        if best != j {
            let (upper, lower) = a.split_at_mut(best * n);
            upper[j * n..][..n].swap_with_slice(&mut lower[..n]);
        }
        let (upper, lower) = a.split_at_mut((j + 1) * n);
        let row = &upper[j * n..];
        if row[j] == T::ZERO {
            singular = singular.or(Some(j));
            continue;
        }
        for below in lower.chunks_exact_mut(n) {
            let factor = below[j] / row[j];
            below[j] = factor;
            if factor != T::ZERO {
                subtract(&mut below[j + 1..], factor, &row[j + 1..]);
            }
        }
    }
    (pivots, singular)
}

/// The lower Cholesky factor in place; the order of the first minor that is not positive definite. The upper triangle becomes 0.
pub(super) fn cholesky<T: Field>(a: &mut [T], n: usize) -> Option<usize> {
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        let row = &mut row[..n];
        for j in 0..i {
            let other = &above[j * n..][..n];
            let sum = row[j] - inner(&other[..j], &row[..j]);
            row[j] = sum / other[j];
        }
        let square = row[i].re() - inner(&row[..i], &row[..i]).re();
        if square.is_nan() || square <= 0.0 {
            return Some(i + 1);
        }
        row[i] = T::of(square.sqrt());
        row[i + 1..].fill(T::ZERO);
    }
    None
}

/// The solution of a triangular system in place of `b`, `n x k`.
pub(super) fn triangular<T: Field>(a: &[T], n: usize, b: &mut [T], k: usize, upper: bool, unit: bool) {
    if k == 0 {
        return;
    }
    for step in 0..n {
        let i = if upper { n - 1 - step } else { step };
        let (before, rest) = b.split_at_mut(i * k);
        let (row, after) = rest.split_at_mut(k);
        if upper {
            for j in i + 1..n {
                subtract(row, a[i * n + j], &after[(j - i - 1) * k..][..k]);
            }
        } else {
            for j in 0..i {
                subtract(row, a[i * n + j], &before[j * k..][..k]);
            }
        }
        if !unit {
            row.iter_mut().for_each(|x| *x = *x / a[i * n + i]);
        }
    }
}

/// The solution of `A X = B` in place of `b`; the place of the first pivot that is 0, and then `b` means nothing.
pub(super) fn solve<T: Field>(a: &mut [T], n: usize, b: &mut [T], k: usize) -> Option<usize> {
    let (pivots, singular) = lu(a, n, n, true);
    for (i, &p) in pivots.iter().enumerate() {
        if p != i {
            let (upper, lower) = b.split_at_mut(p * k);
            upper[i * k..][..k].swap_with_slice(&mut lower[..k]);
        }
    }
    triangular(a, n, b, k, false, true);
    triangular(a, n, b, k, true, false);
    singular
}

/// Sign (or phase) and logarithm of the magnitude of the determinant, and the determinant.
pub(super) fn determinant<T: Field>(a: &mut [T], n: usize) -> (T, f64, T) {
    let (pivots, _) = lu(a, n, n, true);
    let odd = pivots.iter().enumerate().filter(|&(i, &p)| i != p).count() % 2 == 1;
    let (mut sign, mut log) = (if odd { -T::ONE } else { T::ONE }, 0.0);
    let mut det = sign;
    for i in 0..n {
        let d = a[i * n + i];
        let size = d.abs();
        det = det * d;
        sign = if size == 0.0 { T::ZERO } else { sign * d.scale(1.0 / size) };
        log += size.ln();
    }
    (sign, log, det)
}
