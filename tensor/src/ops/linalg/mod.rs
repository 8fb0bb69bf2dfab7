//! Linear algebra: `torch.linalg`. Matrices are the last two dimensions; those before are a batch.
//!
//! Of single and double precision, real or complex.

mod factor;
pub(crate) mod norm;
mod power;
mod solve;
mod spectrum;

use rushlight_backend::{Error, Result, Shape};

use crate::Tensor;

pub use factor::{cholesky, cholesky_ex, geqrf, householder_product, lu, lu_factor, lu_factor_ex, lu_unpack, ormqr, qr, qr_complete};
pub use norm::{cond, matrix_norm, norm};
pub use power::{matrix_exp, matrix_power, tensorinv, tensorsolve, vander};
pub use solve::{cholesky_inverse, cholesky_solve, det, inv, inv_ex, logdet, lu_solve, slogdet, solve, solve_ex, solve_triangular};
pub use spectrum::{LstSq, LstSqDriver, Tolerance, eigh, eigvalsh, lstsq, matrix_rank, matrix_sqrth, pinv, polar, svd, svdvals};

/// Rows and columns of matrices.
fn sizes(op: &'static str, a: &Tensor) -> Result<(usize, usize)> {
    match a.shape() {
        [.., m, n] => Ok((*m, *n)),
        shape => Err(Error::shape(op, format!("wants matrices, of at least two dimensions, got shape {shape:?}"))),
    }
}

fn square(op: &'static str, a: &Tensor) -> Result<usize> {
    match sizes(op, a)? {
        (m, n) if m == n => Ok(n),
        (m, n) => Err(Error::shape(op, format!("wants square matrices, got {m} by {n}"))),
    }
}

/// Two batches of matrices broadcast to one batch.
fn one_batch(op: &'static str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    sizes(op, a)?;
    sizes(op, b)?;
    let lead = |x: &Tensor| Shape::from_slice(&x.shape()[..x.dim() - 2]);
    let batch = rushlight_backend::broadcast_shapes(op, &[&lead(a), &lead(b)])?;
    let to = |x: &Tensor| {
        let mut shape = batch.to_vec();
        shape.extend_from_slice(&x.shape()[x.dim() - 2..]);
        x.expand(shape)
    };
    Ok((to(a)?, to(b)?))
}
