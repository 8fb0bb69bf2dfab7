//! Triangles, diagonals and adjoints of batches of matrices: what the formulas of this family are written in.

use rushlight_backend::Result;

use crate::{Device, Tensor};

/// The column less the row of each place of a matrix.
fn offsets(rows: usize, cols: usize, device: Device) -> Result<Tensor> {
    let range = |n: usize| Tensor::arange(0, n as i64, 1, device);
    range(cols)?.unsqueeze(0)?.sub(&range(rows)?.unsqueeze(1)?)
}

fn sizes(x: &Tensor) -> (usize, usize) {
    (x.shape()[x.dim() - 2], x.shape()[x.dim() - 1])
}

/// The lower triangle up to the `k`-th diagonal above the main one, zeros elsewhere.
pub(crate) fn lower(x: &Tensor, k: i64) -> Result<Tensor> {
    let (m, n) = sizes(x);
    offsets(m, n, x.device())?.le(k)?.where_(x, 0)
}

/// The upper triangle from the `k`-th diagonal above the main one on, zeros elsewhere.
pub(crate) fn upper(x: &Tensor, k: i64) -> Result<Tensor> {
    let (m, n) = sizes(x);
    offsets(m, n, x.device())?.ge(k)?.where_(x, 0)
}

/// The main diagonals of matrices, which may be rectangular.
pub(crate) fn diagonal(x: &Tensor) -> Result<Tensor> {
    let (m, n) = sizes(x);
    let k = m.min(n);
    let square = x.narrow(-2, 0, k)?.narrow(-1, 0, k)?;
    let only = offsets(k, k, x.device())?.eq(0)?.where_(&square, 0)?;
    // Not `sum`, which widens integers.
    only.sum_as(-1, false, x.dtype())
}

/// Square matrices with these diagonals.
pub(crate) fn diagonal_matrix(v: &Tensor) -> Result<Tensor> {
    let n = v.shape()[v.dim() - 1];
    offsets(n, n, v.device())?.eq(0)?.where_(&v.unsqueeze(-1)?, 0)
}

/// The complex conjugate; real numbers as they are.
pub(crate) fn conj(x: &Tensor) -> Result<Tensor> {
    Ok(x.clone())
}

/// The conjugate transposes of matrices.
pub(crate) fn adjoint(x: &Tensor) -> Result<Tensor> {
    conj(&x.transpose(-2, -1)?)
}
