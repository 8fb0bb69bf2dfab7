//! Cholesky's factor, by halves. Matrices are row-major; of Hermitian ones the lower triangle counts.

use std::ops::Range;

use rushlight_backend::Result;

use super::BASE;
use super::field::{Field, Mat, inner, transposed};
use super::triangular::triangular;

/// Rows updated by one product, of which the part above the diagonal is computed in vain.
const ROWS: usize = 128;

/// The lower factor in place; the order of the first minor that is not positive definite. The upper triangle becomes 0.
pub(super) fn cholesky<T: Field>(a: &mut [T], n: usize) -> Result<Option<usize>> {
    let failed = factor(a, n, 0..n)?;
    for (i, row) in a.chunks_exact_mut(n.max(1)).enumerate() {
        row[i + 1..].fill(T::ZERO);
    }
    Ok(failed)
}

fn factor<T: Field>(a: &mut [T], n: usize, range: Range<usize>) -> Result<Option<usize>> {
    let (from, end) = (range.start, range.end);
    if range.len() <= BASE {
        return Ok(rows(a, n, range));
    }
    let middle = from + (range.len() / 2).next_multiple_of(BASE);
    if let Some(order) = factor(a, n, from..middle)? {
        return Ok(Some(order));
    }
    // L21^H = L11^-1 A21^H, A22 -= L21 L21^H.
    let (k, height) = (middle - from, end - middle);
    let mut l: Vec<T> = a.chunks_exact(n).take(end).skip(middle).flat_map(|row| &row[from..middle]).copied().collect();
    let adjoint = |x: &[T], m: usize, n: usize| -> Vec<T> { transposed(x, m, n).into_iter().map(T::conj).collect() };
    let mut lh = adjoint(&l, height, k);
    triangular(Mat { data: a, step: n }.at(from, from), k, &mut lh, height, false, false)?;
    l = adjoint(&lh, k, height);
    for (row, solved) in a.chunks_exact_mut(n).skip(middle).zip(l.chunks_exact_mut(k)) {
        row[from..middle].copy_from_slice(solved);
        solved.iter_mut().for_each(|x| *x = -*x);
    }
    for start in (0..height).step_by(ROWS) {
        let stop = (start + ROWS).min(height);
        let part = &mut a[(middle + start) * n + middle..];
        T::add_product(part, n, Mat { data: &l[start * k..], step: k }, Mat { data: &lh, step: height }, stop - start, stop, k)?;
    }
    factor(a, n, middle..end)
}

/// A few rows and columns, from which those before have been eliminated.
fn rows<T: Field>(a: &mut [T], n: usize, range: Range<usize>) -> Option<usize> {
    let from = range.start;
    for i in range {
        let (above, row) = a.split_at_mut(i * n);
        let row = &mut row[..n];
        for j in from..i {
            let other = &above[j * n..][..n];
            let sum = row[j] - inner(&other[from..j], &row[from..j]);
            row[j] = sum / other[j];
        }
        let square = row[i].re() - inner(&row[from..i], &row[from..i]).re();
        if square.is_nan() || square <= 0.0 {
            return Some(i + 1);
        }
        row[i] = T::of(square.sqrt());
    }
    None
}
