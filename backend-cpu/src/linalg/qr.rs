//! Householder reflections, with LAPACK's conventions: `H = I - tau v v^H` with v\[0\] = 1, and the first element that is left is real and of the sign
//! opposite to the real part of what was there.

use super::field::{Field, inner, norm, subtract};

/// Makes the reflection whose `H^H` maps `x` to `beta` times the first unit vector: v but its first element in place of the rest of x, `(tau, beta)`.
/// If there is nothing to do, tau is 0 and beta the first element.
pub(super) fn reflection<T: Field>(x: &mut [T]) -> (T, T) {
    let Some((&mut alpha, rest)) = x.split_first_mut() else { return (T::ZERO, T::ZERO) };
    let below = norm(rest);
    if below == 0.0 && alpha.im() == 0.0 {
        return (T::ZERO, alpha);
    }
    let size = alpha.abs().hypot(below);
    let beta = if alpha.re() < 0.0 { size } else { -size };
    let tau = (T::of(beta) - alpha).scale(1.0 / beta);
    let factor = T::ONE / (alpha - T::of(beta));
    rest.iter_mut().for_each(|x| *x = *x * factor);
    // LAPACK's tau is that of H with H^H x = beta e; for real numbers they are the same.
    (tau, T::of(beta))
}

/// `y = (I - tau v v^H) y`, v without its leading 1.
pub(super) fn reflect<T: Field>(y: &mut [T], v: &[T], tau: T) {
    let Some((first, rest)) = y.split_first_mut() else { return };
    let w = tau * (*first + inner(v, rest));
    *first -= w;
    subtract(rest, w, v);
}

/// The reflections of a matrix given by columns of length m: R on and above the diagonal, the v below it, and the taus.
pub(super) fn factor<T: Field>(columns: &mut [T], m: usize, n: usize) -> Vec<T> {
    let k = m.min(n);
    let mut taus = Vec::with_capacity(k);
    for j in 0..k {
        let (left, right) = columns.split_at_mut((j + 1) * m);
        let column = &mut left[j * m + j..];
        let (tau, beta) = reflection(column);
        column[0] = beta;
        for other in right.chunks_exact_mut(m) {
            reflect(&mut other[j..], &column[1..], tau.conj());
        }
        taus.push(tau);
    }
    taus
}

/// The first `q` columns of the product of the reflections.
pub(super) fn product<T: Field>(columns: &[T], m: usize, taus: &[T], q: usize) -> Vec<T> {
    let mut out = vec![T::ZERO; m * q];
    for j in 0..q {
        out[j * m + j] = T::ONE;
    }
    for (j, &tau) in taus.iter().enumerate().rev() {
        let v = &columns[j * m + j + 1..][..m - j - 1];
        // Columns before the j-th have only zeros where this reflection acts.
        for column in out.chunks_exact_mut(m).skip(j) {
            reflect(&mut column[j..], v, tau);
        }
    }
    out
}
