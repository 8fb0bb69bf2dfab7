//! Triangles, diagonals and adjoints of batches of matrices: what the formulas of this family are written in.

use rushlight_backend::Result;

use super::sizes;
use crate::{Device, Tensor};

/// The column less the row of each place of a matrix.
fn offsets(rows: usize, cols: usize, device: Device) -> Result<Tensor> {
    let range = |n: usize| Tensor::arange(0, n as i64, 1, device);
    range(cols)?.unsqueeze(0)?.sub(&range(rows)?.unsqueeze(1)?)
}

/// The lower triangle up to the `k`-th diagonal above the main one, zeros elsewhere.
///
/// # Errors
/// If the tensor has fewer dimensions than that takes.
pub fn lower(x: &Tensor, k: i64) -> Result<Tensor> {
    let (m, n) = sizes("linalg", x)?;
    offsets(m, n, x.device())?.le(k)?.where_(x, 0)
}

/// The upper triangle from the `k`-th diagonal above the main one on, zeros elsewhere.
///
/// # Errors
/// If the tensor has fewer dimensions than that takes.
pub fn upper(x: &Tensor, k: i64) -> Result<Tensor> {
    let (m, n) = sizes("linalg", x)?;
    offsets(m, n, x.device())?.ge(k)?.where_(x, 0)
}

/// The main diagonals of matrices, which may be rectangular.
///
/// # Errors
/// If the tensor has fewer dimensions than that takes.
pub fn diagonal(x: &Tensor) -> Result<Tensor> {
    let (m, n) = sizes("linalg", x)?;
    let k = m.min(n);
    let square = x.narrow(-2, 0, k)?.narrow(-1, 0, k)?;
    let only = offsets(k, k, x.device())?.eq(0)?.where_(&square, 0)?;
    // Not `sum`, which widens integers.
    only.sum_as(-1, false, x.dtype())
}

/// Square matrices with these diagonals.
///
/// # Errors
/// If the tensor has fewer dimensions than that takes.
pub fn diagonal_matrix(v: &Tensor) -> Result<Tensor> {
    let n = v.size(-1)?;
    offsets(n, n, v.device())?.eq(0)?.where_(&v.unsqueeze(-1)?, 0)
}

/// The complex conjugate; real numbers as they are.
///
/// # Errors
/// If the device fails.
pub fn conj(x: &Tensor) -> Result<Tensor> {
    x.conj()
}

/// The conjugate transposes of matrices.
///
/// # Errors
/// If the tensor has fewer dimensions than that takes.
pub fn adjoint(x: &Tensor) -> Result<Tensor> {
    conj(&x.transpose(-2, -1)?)
}
