//! Linear systems, inverses and determinants.

use rushlight_backend::Result;
use rushlight_backend::op::Linalg;

use super::factor::{permutation, pivots_of};
use super::{one_batch, sizes, square};
use crate::{Tensor, apply, apply1};

fn solution(a: &Tensor, b: &Tensor, check: bool) -> Result<(Tensor, Tensor)> {
    let name = "linalg.solve";
    square(name, a)?;
    let vector = b.dim() == 1 || (b.dim() + 1 == a.dim() && b.shape() == &a.shape()[..a.dim() - 1]);
    let columns = if vector { b.unsqueeze(-1)? } else { b.clone() };
    let (a, columns) = one_batch(name, a, &columns)?;
    let mut results = apply(Linalg::Solve { check }, [&a, &columns])?;
    let info = results.swap_remove(1);
    let x = results.swap_remove(0);
    Ok((if vector { x.squeeze_dim(-1)? } else { x }, info))
}

/// X with `A X = B`. B is a batch of matrices, or of vectors if it has A's shape without the last dimension, or one vector.
///
/// # Errors
/// If a matrix is singular or not square, or the shapes do not fit.
///
/// ```
/// # use rushlight_tensor::{Tensor, linalg};
/// let a = Tensor::new(&[[2.0f64, 0.0], [0.0, 4.0]])?;
/// assert_eq!(linalg::solve(&a, &Tensor::new(&[2.0f64, 2.0])?)?.to_vec::<f64>()?, [1.0, 0.5]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn solve(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Ok(solution(a, b, true)?.0)
}

/// As [`solve`], with an int32 for each matrix in place of an error: 0, or the place of the first pivot that is 0.
///
/// # Errors
/// If a matrix is not square or the shapes do not fit.
pub fn solve_ex(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    solution(a, b, false)
}

fn inverse(a: &Tensor, check: bool) -> Result<(Tensor, Tensor)> {
    let n = square("linalg.inv", a)?;
    let unit = Tensor::eye(n, n, (a.dtype(), a.device()))?.expand(a.shape())?;
    let mut results = apply(Linalg::Solve { check }, [a, &unit])?;
    let info = results.swap_remove(1);
    Ok((results.swap_remove(0), info))
}

/// The inverse.
///
/// # Errors
/// If a matrix is singular or not square.
pub fn inv(a: &Tensor) -> Result<Tensor> {
    Ok(inverse(a, true)?.0)
}

/// As [`inv`], with an int32 for each matrix in place of an error: 0, or the place of the first pivot that is 0.
///
/// # Errors
/// If a matrix is not square.
pub fn inv_ex(a: &Tensor) -> Result<(Tensor, Tensor)> {
    inverse(a, false)
}

/// X with `A X = B`, or `X A = B` if not `left`, A a triangle of which alone is read; its diagonal counts as ones if `unitriangular`.
///
/// # Errors
/// If the matrices are not square or the shapes do not fit.
pub fn solve_triangular(a: &Tensor, b: &Tensor, upper: bool, left: bool, unitriangular: bool) -> Result<Tensor> {
    if !left {
        let (a, b) = (a.transpose(-2, -1)?, b.transpose(-2, -1)?);
        return solve_triangular(&a, &b, !upper, true, unitriangular)?.transpose(-2, -1);
    }
    let (a, b) = one_batch("linalg.solve_triangular", a, b)?;
    apply1(Linalg::Triangular { upper, unit: unitriangular }, [&a, &b])
}

/// X with `A X = B` (`X A = B` if not `left`; `A^H` for A if `adjoint`) from a factorisation of [`lu_factor`](super::lu_factor).
///
/// # Errors
/// If the shapes do not fit or the pivots are none.
pub fn lu_solve(lu: &Tensor, pivots: &Tensor, b: &Tensor, left: bool, adjoint_of: bool) -> Result<Tensor> {
    if !left {
        return lu_solve(lu, pivots, &b.mh()?, true, !adjoint_of)?.mh();
    }
    let n = square("linalg.lu_solve", lu)?;
    pivots_of("linalg.lu_solve", lu, pivots, n)?;
    let p = permutation(pivots, n, lu)?;
    if adjoint_of {
        let factors = lu.mh()?;
        let y = solve_triangular(&factors, b, false, true, false)?;
        return p.matmul(&solve_triangular(&factors, &y, true, true, true)?);
    }
    let y = solve_triangular(lu, &p.transpose(-2, -1)?.matmul(b)?, false, true, true)?;
    solve_triangular(lu, &y, true, true, false)
}

/// X with `A X = B` from the Cholesky factor of A, L, or U if `upper`.
///
/// # Errors
/// If the shapes do not fit.
pub fn cholesky_solve(b: &Tensor, factor: &Tensor, upper: bool) -> Result<Tensor> {
    let other = factor.mh()?;
    let (first, second) = if upper { (&other, factor) } else { (factor, &other) };
    solve_triangular(second, &solve_triangular(first, b, false, true, false)?, true, true, false)
}

/// The inverse of A from its Cholesky factor, L, or U if `upper`.
///
/// # Errors
/// If the matrices are not square.
pub fn cholesky_inverse(factor: &Tensor, upper: bool) -> Result<Tensor> {
    let n = square("cholesky_inverse", factor)?;
    cholesky_solve(&Tensor::eye(n, n, (factor.dtype(), factor.device()))?, factor, upper)
}

/// The determinant.
///
/// # Errors
/// If the matrices are not square.
pub fn det(a: &Tensor) -> Result<Tensor> {
    // One element is its own determinant: so its derivative is 1 at 0 as well.
    match a.shape() {
        [batch @ .., 1, 1] if a.dtype().is_differentiable() => a.reshape(batch),
        _ => apply1(Linalg::Det, [a]),
    }
}

/// Sign (of complex numbers: phase) of the determinant, and the logarithm of its magnitude.
///
/// # Errors
/// If the matrices are not square.
pub fn slogdet(a: &Tensor) -> Result<(Tensor, Tensor)> {
    sizes("linalg.slogdet", a)?;
    let mut results = apply(Linalg::SlogDet, [a])?;
    let log = results.swap_remove(1);
    Ok((results.swap_remove(0), log))
}

/// The logarithm of the determinant: NaN where that is negative.
///
/// # Errors
/// If the matrices are not square.
pub fn logdet(a: &Tensor) -> Result<Tensor> {
    let (sign, log) = slogdet(a)?;
    if a.dtype().is_complex() {
        return sign.log()?.add(&log);
    }
    // As in PyTorch, a logarithm that does not exist has the gradient 0.
    sign.lt(0)?.where_(f64::NAN, &log)
}
