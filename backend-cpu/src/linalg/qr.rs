//! Householder reflections, with LAPACK's conventions: `H = I - tau v v^H` with v\[0\] = 1, and the first element that is left is real and of the sign
//! opposite to the real part of what was there.
//!
//! Some reflections at a time are found on a few columns and then applied to all others as two matrix products:
//! `H_0 H_1 ... = I - V T V^H`, T upper triangular (Schreiber and Van Loan, 1989).

use rushlight_backend::Result;

use super::field::{Field, Mat, axpy, inner, norm, transposed};
use crate::simd::dispatch;

/// Reflections that are applied together.
const TOGETHER: usize = 32;

/// Makes the reflection whose `H^H` maps `x` to `beta` times the first unit vector: v but its first element in place of the rest of x, `(tau, beta)`.
/// If there is nothing to do, tau is 0 and beta the first element.
fn reflection<T: Field>(x: &mut [T]) -> (T, T) {
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

dispatch! {
    /// `y = (I - tau v v^H) y` for some columns y, of which each begins `skip` elements before v does; v without its leading 1.
    fn reflect<T: Field>(columns: &mut [T], m: usize, skip: usize, v: &[T], tau: T) = reflect_body;
}

#[inline(always)]
fn reflect_body<T: Field, const FMA: bool>(columns: &mut [T], m: usize, skip: usize, v: &[T], tau: T) {
    for column in columns.chunks_exact_mut(m) {
        let Some((first, rest)) = column[skip..].split_first_mut() else { return };
        let w = tau * (*first + inner(v, rest));
        *first -= w;
        axpy(rest, w, v);
    }
}

/// The reflections of a matrix given by columns of length m: R on and above the diagonal, the v below it, and the taus.
pub(super) fn factor<T: Field>(columns: &mut [T], m: usize, n: usize) -> Result<Vec<T>> {
    let k = m.min(n);
    let mut taus = Vec::with_capacity(k);
    for from in (0..k).step_by(TOGETHER) {
        let to = (from + TOGETHER).min(k);
        // Matrices of few columns need no products.
        let panel = if n <= TOGETHER { n } else { to };
        for j in from..to {
            let (left, right) = columns.split_at_mut((j + 1) * m);
            let column = &mut left[j * m + j..];
            let (tau, beta) = reflection(column);
            column[0] = beta;
            if tau != T::ZERO {
                reflect(&mut right[..(panel - j - 1) * m], m, j, &column[1..], tau.conj());
            }
            taus.push(tau);
        }
        if panel < n {
            let block = Block::new(columns, m, from, &taus[from..]);
            block.apply(&mut columns[panel * m + from..], m, n - panel, true)?;
        }
    }
    Ok(taus)
}

/// The first `q` columns of the product of the reflections.
pub(super) fn product<T: Field>(columns: &[T], m: usize, taus: &[T], q: usize) -> Result<Vec<T>> {
    let mut out = vec![T::ZERO; m * q];
    for j in 0..q {
        out[j * m + j] = T::ONE;
    }
    if q <= TOGETHER {
        for (j, &tau) in taus.iter().enumerate().rev() {
            // Columns before the j-th have only zeros where this reflection acts.
            reflect(&mut out[j * m..], m, j, &columns[j * m + j + 1..][..m - j - 1], tau);
        }
        return Ok(out);
    }
    for from in (0..taus.len()).step_by(TOGETHER).rev() {
        let block = Block::new(columns, m, from, &taus[from..(from + TOGETHER).min(taus.len())]);
        block.apply(&mut out[from * m + from..], m, q - from, false)?;
    }
    Ok(out)
}

/// Reflections `I - V T V^H`.
struct Block<T> {
    /// The columns of V, of `length` elements each.
    v: Vec<T>,
    length: usize,
    /// T, row-major.
    t: Vec<T>,
}

impl<T: Field> Block<T> {
    /// Those that begin at column (and row) `from` of a factored matrix.
    fn new(columns: &[T], m: usize, from: usize, taus: &[T]) -> Block<T> {
        let (count, length) = (taus.len(), m - from);
        let mut v = vec![T::ZERO; count * length];
        for (i, v) in v.chunks_exact_mut(length).enumerate() {
            v[i] = T::ONE;
            v[i + 1..].copy_from_slice(&columns[(from + i) * m + from + i + 1..][..length - i - 1]);
        }
        let mut t = vec![T::ZERO; count * count];
        for (i, &tau) in taus.iter().enumerate() {
            // T[..i, i] = -tau T[..i, ..i] V[.., ..i]^H v_i.
            let now = &v[i * length..][..length];
            let dots: Vec<T> = (0..i).map(|j| dot(&v[j * length + i..(j + 1) * length], &now[i..])).collect();
            for row in 0..i {
                let sum = (row..i).fold(T::ZERO, |sum, j| sum + t[row * count + j] * dots[j]);
                t[row * count + i] = -(tau * sum);
            }
            t[i * count + i] = tau;
        }
        Block { v, length, t }
    }

    /// The product (or its adjoint) times some columns, which are `step` apart.
    fn apply(&self, columns: &mut [T], step: usize, count: usize, adjoint: bool) -> Result<()> {
        let (length, k) = (self.length, self.v.len() / self.length);
        // Transposed, as the columns lie: C^T -= (C^T conj(V)) S V^T, S = conj(T) or T^T.
        let conjugates: Vec<T> = transposed(&self.v, k, length).into_iter().map(T::conj).collect();
        let s: Vec<T> = match adjoint {
            true => self.t.iter().map(|&x| -x.conj()).collect(),
            false => transposed(&self.t, k, k).into_iter().map(|x| -x).collect(),
        };
        let (mut w, mut ws) = (vec![T::ZERO; count * k], vec![T::ZERO; count * k]);
        T::add_product(&mut w, k, Mat { data: columns, step }, Mat { data: &conjugates, step: k }, count, k, length)?;
        T::add_product(&mut ws, k, Mat { data: &w, step: k }, Mat { data: &s, step: k }, count, k, k)?;
        T::add_product(columns, step, Mat { data: &ws, step: k }, Mat { data: &self.v, step: length }, count, length, k)
    }
}

dispatch! {
    fn dot<T: Field>(x: &[T], y: &[T]) -> T = dot_body;
}

#[inline(always)]
fn dot_body<T: Field, const FMA: bool>(x: &[T], y: &[T]) -> T {
    inner(x, y)
}
