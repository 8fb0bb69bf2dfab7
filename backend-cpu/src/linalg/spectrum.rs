//! Eigenvalues of Hermitian matrices and singular values, by faer.

#[cfg(not(feature = "linalg"))]
use rushlight_backend::Error;
use rushlight_backend::Result;

use super::field::Field;

/// U, S and V of a matrix, U and V by columns.
pub(super) struct Svd<T> {
    pub(super) u: Vec<T>,
    pub(super) s: Vec<f64>,
    pub(super) v: Vec<T>,
}

/// Eigenvalues, ascending, and eigenvectors as columns one after the other, of a row-major matrix of which the lower triangle counts. `None` if it is not
/// finite.
#[cfg(feature = "linalg")]
pub(super) fn eigh<T: Field>(a: &[T], n: usize) -> Result<Option<(Vec<f64>, Vec<T>)>> {
    if n == 0 {
        return Ok(Some((Vec::new(), Vec::new())));
    }
    // By columns; what stands above the diagonal does not count, and of the diagonal the real parts.
    let mut columns = super::transposed(a, n, n);
    let mut finite = true;
    for (j, column) in columns.chunks_exact_mut(n).enumerate() {
        column[..j].fill(T::ZERO);
        column[j] = T::of(column[j].re());
        finite &= is_finite(column);
    }
    let scale = scale(&columns);
    columns.iter_mut().for_each(|x| *x = x.scale(1.0 / scale));
    let (mut values, mut vectors) = (vec![T::ZERO; n], vec![T::ZERO; n * n]);
    if !finite || T::eigh(&columns, n, &mut values, Some(&mut vectors)).is_err() {
        return Ok(None);
    }
    Ok(Some((values.into_iter().map(|w| w.re() * scale).collect(), vectors)))
}

/// Decomposes a row-major matrix. If `full`, U and V are square, else they have `min(m, n)` columns. `None` if it is not finite.
#[cfg(feature = "linalg")]
pub(super) fn svd<T: Field>(a: &[T], m: usize, n: usize, full: bool) -> Result<Option<Svd<T>>> {
    let k = m.min(n);
    let (of_u, of_v) = if full { (m, n) } else { (k, k) };
    let (mut u, mut s, mut v) = (vec![T::ZERO; m * of_u], vec![T::ZERO; k], vec![T::ZERO; n * of_v]);
    if k == 0 {
        (0..of_u).for_each(|j| u[j * m + j] = T::ONE);
        (0..of_v).for_each(|j| v[j * n + j] = T::ONE);
        return Ok(Some(Svd { u, s: Vec::new(), v }));
    }
    let mut columns = super::transposed(a, m, n);
    let scale = scale(&columns);
    columns.iter_mut().for_each(|x| *x = x.scale(1.0 / scale));
    if !is_finite(a) || T::svd(&columns, m, n, &mut s, Some((&mut u, &mut v))).is_err() {
        return Ok(None);
    }
    Ok(Some(Svd { u, s: s.into_iter().map(|s| s.re() * scale).collect(), v }))
}

#[cfg(feature = "linalg")]
fn is_finite<T: Field>(a: &[T]) -> bool {
    a.iter().all(|x| x.re().is_finite() && x.im().is_finite())
}

/// By what numbers far from 1 are divided, so that no square under- or overflows.
#[cfg(feature = "linalg")]
fn scale<T: Field>(a: &[T]) -> f64 {
    let largest = a.iter().map(|x| x.re().abs().max(x.im().abs())).fold(0.0, f64::max);
    if largest > 0.0 && !(1e-100..1e100).contains(&largest) { largest } else { 1.0 }
}

#[cfg(not(feature = "linalg"))]
fn missing<T>() -> Result<T> {
    Err(Error::unsupported(
        "linalg",
        "eigenvalues and singular values: this program was built without the feature `linalg` of rushlight-tensor",
    ))
}

#[cfg(not(feature = "linalg"))]
pub(super) fn eigh<T: Field>(_: &[T], _: usize) -> Result<Option<(Vec<f64>, Vec<T>)>> {
    missing()
}

#[cfg(not(feature = "linalg"))]
pub(super) fn svd<T: Field>(_: &[T], _: usize, _: usize, _: bool) -> Result<Option<Svd<T>>> {
    missing()
}
