//! Factorisations.

use rushlight_backend::op::Linalg;
use rushlight_backend::{DType, Error, Result};

use super::{sizes, square};
use crate::{Tensor, Tensors, apply};

fn pair(mut results: Tensors) -> (Tensor, Tensor) {
    let second = results.swap_remove(1);
    (results.swap_remove(0), second)
}

fn factor(a: &Tensor, of_upper: bool, check: bool) -> Result<(Tensor, Tensor)> {
    square("linalg.cholesky", a)?;
    let (l, info) = pair(apply(Linalg::Cholesky { check, upper: of_upper }, [a])?);
    Ok((if of_upper { l.mh()? } else { l }, info))
}

/// The Cholesky factor of Hermitian positive definite matrices: L of `L L^H`, or if `upper` U of `U^H U`.
///
/// # Errors
/// If the matrices are not square or not positive definite.
///
/// ```
/// # use rushlight_tensor::{Tensor, linalg};
/// let a = Tensor::new(&[[4.0f64, 2.0], [2.0, 5.0]])?;
/// assert_eq!(linalg::cholesky(&a, false)?.to_vec::<f64>()?, [2.0, 0.0, 1.0, 2.0]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn cholesky(a: &Tensor, upper: bool) -> Result<Tensor> {
    Ok(factor(a, upper, true)?.0)
}

/// As [`cholesky`], with an int32 for each matrix in place of an error: 0, or the order of the first leading minor that is not positive definite.
///
/// # Errors
/// If the matrices are not square.
pub fn cholesky_ex(a: &Tensor, upper: bool) -> Result<(Tensor, Tensor)> {
    factor(a, upper, false)
}

/// `A = P L U` of matrices of any shape: L and U in one matrix, and pivots (int32, counted from 1). Without `pivot` rows stay where they are.
///
/// # Errors
/// If the tensor has no matrices.
pub fn lu_factor(a: &Tensor, pivot: bool) -> Result<(Tensor, Tensor)> {
    let (lu, pivots, info) = lu_factor_ex(a, pivot)?;
    let info = info.all_values().to_vec::<i32>()?;
    if let Some((i, zero)) = info.iter().enumerate().find(|(_, n)| **n > 0) {
        return Err(Error::value("linalg.lu_factor", format!("pivot {zero} of matrix {i} is 0, so that no system can be solved")));
    }
    Ok((lu, pivots))
}

/// As [`lu_factor`], with an int32 for each matrix: 0, or the place of the first pivot that is 0.
///
/// # Errors
/// If the tensor has no matrices.
pub fn lu_factor_ex(a: &Tensor, pivot: bool) -> Result<(Tensor, Tensor, Tensor)> {
    sizes("linalg.lu_factor", a)?;
    let mut results = apply(Linalg::Lu { pivot }, [a])?;
    let info = results.swap_remove(2);
    let (lu, pivots) = pair(results);
    Ok((lu, pivots, info))
}

/// Pivots are `k` numbers for each matrix.
pub(super) fn pivots_of(op: &'static str, lu: &Tensor, pivots: &Tensor, k: usize) -> Result<()> {
    let fits = matches!(pivots.shape(), [batch @ .., n] if *n == k && *batch == lu.shape()[..lu.dim() - 2]);
    if fits {
        Ok(())
    } else {
        Err(Error::shape(op, format!("pivots of shape {:?} do not fit factors of {:?}", pivots.shape(), lu.shape())))
    }
}

/// The permutation matrices P of pivots, of `m` rows: the rows of the identity, swapped step by step.
pub(crate) fn permutation(pivots: &Tensor, m: usize, like: &Tensor) -> Result<Tensor> {
    if pivots.dtype() != DType::I32 {
        return Err(Error::dtype("lu_unpack", format!("pivots are int32, got {}", pivots.dtype())));
    }
    let (batch, steps) = match pivots.shape() {
        [batch @ .., steps] => (batch, *steps),
        [] => (&[][..], 0),
    };
    let all = [batch, &[m]].concat();
    let mut rows = Tensor::arange(0, m as i64, 1, (DType::I64, like.device()))?.expand(all)?;
    let places = pivots.to_dtype(DType::I64)?.sub(1)?;
    let out_of_range = |_| Error::value("lu_unpack", format!("pivots lie between 1 and the number of rows, {m}"));
    for step in 0..steps {
        let place = places.narrow(-1, step as isize, 1)?;
        let (here, there) = (rows.narrow(-1, step as isize, 1)?, rows.gather(-1, &place).map_err(out_of_range)?);
        rows = rows.scatter(-1, &place, &here)?.slice_scatter(&there, -1, step as isize, step as isize + 1, 1)?;
    }
    rows.one_hot(m)?.transpose(-2, -1)?.to_dtype(like.dtype())
}

/// P, L and U from a factorisation of [`lu_factor`].
///
/// # Errors
/// If the pivots are none.
pub fn lu_unpack(lu: &Tensor, pivots: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let (m, n) = sizes("lu_unpack", lu)?;
    let k = m.min(n);
    pivots_of("lu_unpack", lu, pivots, k)?;
    let unit = Tensor::eye(m, k, (lu.dtype(), lu.device()))?;
    let l = lu.narrow(-1, 0, k)?.tril(-1)?.add(&unit)?;
    Ok((permutation(pivots, m, lu)?, l, lu.narrow(-2, 0, k)?.triu(0)?))
}

/// `A = P L U`: P, L, U. Without `pivot` P is empty.
///
/// # Errors
/// If the tensor has no matrices.
pub fn lu(a: &Tensor, pivot: bool) -> Result<(Tensor, Tensor, Tensor)> {
    let (factors, pivots, _) = lu_factor_ex(a, pivot)?;
    let (p, l, u) = lu_unpack(&factors, &pivots)?;
    if pivot { Ok((p, l, u)) } else { Ok((Tensor::zeros(0, (a.dtype(), a.device()))?, l, u)) }
}

/// `A = Q R`, Q with `min(rows, columns)` orthonormal columns; R's signs are LAPACK's.
///
/// # Errors
/// If the tensor has no matrices.
///
/// ```
/// # use rushlight_tensor::{Tensor, linalg};
/// let (q, r) = linalg::qr(&Tensor::new(&[[3.0f64, 1.0], [4.0, 2.0]])?)?;
/// assert!((r.to_vec::<f64>()?[0] + 5.0).abs() < 1e-12 && q.shape() == [2, 2]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn qr(a: &Tensor) -> Result<(Tensor, Tensor)> {
    sizes("linalg.qr", a)?;
    Ok(pair(apply(Linalg::Qr { complete: false }, [a])?))
}

/// As [`qr`], with a square Q and all rows of R.
///
/// # Errors
/// If the tensor has no matrices.
pub fn qr_complete(a: &Tensor) -> Result<(Tensor, Tensor)> {
    sizes("linalg.qr", a)?;
    Ok(pair(apply(Linalg::Qr { complete: true }, [a])?))
}

/// The first columns of the product of the reflections `I - tau_i v_i v_i^H`, v_i being the i-th column of `a` from below the diagonal on, and 1 on it.
///
/// # Errors
/// If there are more columns than rows, or more taus than columns.
pub fn householder_product(a: &Tensor, tau: &Tensor) -> Result<Tensor> {
    let name = "linalg.householder_product";
    let (m, n) = sizes(name, a)?;
    let k = tau.shape().last().copied().unwrap_or(0);
    if a.dtype() != tau.dtype() {
        return Err(Error::dtype(name, format!("wants one dtype, got {} and {}", a.dtype(), tau.dtype())));
    }
    if n > m || k > n || tau.dim() + 1 != a.dim() || tau.shape()[..tau.dim() - 1] != a.shape()[..a.dim() - 2] {
        return Err(Error::shape(name, format!("shapes {:?} and {:?} do not fit", a.shape(), tau.shape())));
    }
    let q = Tensor::eye(m, n, (a.dtype(), a.device()))?.expand(a.shape())?;
    reflected(a, tau, q, false)
}

/// The reflections of [`householder_product`] applied to a matrix: `H_1 .. H_k c`, or with `adjoint` `(H_1 .. H_k)^H c`.
fn reflected(a: &Tensor, tau: &Tensor, c: Tensor, adjoint: bool) -> Result<Tensor> {
    let (m, k) = (a.shape()[a.dim() - 2], tau.shape()[tau.dim() - 1]);
    let v = a.narrow(-1, 0, k)?.tril(-1)?.add(&Tensor::eye(m, k, (a.dtype(), a.device()))?)?;
    let tau = if adjoint { tau.conj()? } else { tau.clone() };
    (0..k).try_fold(c, |c, i| {
        let i = if adjoint { i } else { k - 1 - i };
        let v = v.narrow(-1, i as isize, 1)?;
        let step = v.mul(&tau.narrow(-1, i as isize, 1)?.unsqueeze(-1)?)?;
        c.sub(&step.matmul(&v.mh()?.matmul(&c)?)?)
    })
}

/// `Q C`, or `C Q` if not `left`, with the square Q that the reflections of [`householder_product`] make, or with its adjoint if `transpose`.
///
/// # Errors
/// If the shapes or dtypes do not fit.
pub fn ormqr(a: &Tensor, tau: &Tensor, c: &Tensor, left: bool, transpose: bool) -> Result<Tensor> {
    let name = "ormqr";
    let ((m, n), (rows, columns)) = (sizes(name, a)?, sizes(name, c)?);
    let k = tau.shape().last().copied().unwrap_or(0);
    let lead = |t: &Tensor, own: usize| t.shape()[..t.dim() - own].to_vec();
    let fits = tau.dim() + 1 == a.dim() && c.dim() == a.dim() && lead(tau, 1) == lead(a, 2) && lead(c, 2) == lead(a, 2);
    if !fits || k > n || k > m || m != if left { rows } else { columns } {
        return Err(Error::shape(name, format!("shapes {:?}, {:?} and {:?} do not fit", a.shape(), tau.shape(), c.shape())));
    }
    if a.dtype() != tau.dtype() || a.dtype() != c.dtype() {
        return Err(Error::dtype(name, format!("wants one dtype, got {}, {} and {}", a.dtype(), tau.dtype(), c.dtype())));
    }
    // C Q = (Q^H C^H)^H
    if left { reflected(a, tau, c.clone(), transpose) } else { reflected(a, tau, c.mh()?, !transpose)?.mh() }
}

/// The QR factorisation as LAPACK's `geqrf` leaves it: R on the diagonal and above, the reflections' vectors below (their first element, 1, is left
/// out), and the factors tau. [`householder_product`] makes Q of them. Not differentiable.
///
/// # Errors
/// If the tensor has no matrices.
pub fn geqrf(a: &Tensor) -> Result<(Tensor, Tensor)> {
    let name = "geqrf";
    let (m, n) = sizes(name, a)?;
    if !a.dtype().is_differentiable() {
        return Err(Error::dtype(name, format!("wants floats or complex numbers, got {}", a.dtype())));
    }
    let mut rest = a.detach();
    let (mut rows, mut columns, mut taus) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..m.min(n) {
        let (height, width) = sizes(name, &rest)?;
        let column = rest.narrow(-1, 0, 1)?;
        let (alpha, below) = (column.narrow(-2, 0, 1)?, column.narrow(-2, 1, height - 1)?);
        let length = |t: &Tensor| t.abs()?.square()?.sum_dim(-2, true)?.sqrt();
        // Nothing below the diagonal (and a real number on it): no reflection.
        let plain = length(&below)?.eq(0)?.logical_and(&alpha.isreal()?)?;
        let beta = length(&column)?;
        let beta = alpha.real()?.ge(0)?.where_(&beta.neg()?, &beta)?.to_dtype(a.dtype())?;
        let tau = beta.sub(&alpha)?.div(&beta)?.masked_fill(&plain, 0)?;
        let v = below.div(&alpha.sub(&beta)?)?.masked_fill(&plain, 0)?;
        let beta = plain.where_(&alpha, &beta)?;
        let whole = Tensor::cat(&[alpha.ones_like()?, v.clone()], -2)?;
        let right = rest.narrow(-1, 1, width - 1)?;
        let right = right.sub(&whole.mul(&tau.conj()?)?.matmul(&whole.mh()?.matmul(&right)?)?)?;
        rows.push(Tensor::cat(&[beta, right.narrow(-2, 0, 1)?], -1)?);
        columns.push(v);
        taus.push(tau.squeeze_dim(-1)?);
        rest = right.narrow(-2, 1, height - 1)?;
    }
    put_together(a, &rows, &columns, &taus)
}

/// The matrix whose i-th row from the diagonal on, and i-th column below it, are given, and all taus.
fn put_together(a: &Tensor, rows: &[Tensor], columns: &[Tensor], taus: &[Tensor]) -> Result<(Tensor, Tensor)> {
    let (m, n) = sizes("geqrf", a)?;
    let k = rows.len();
    let mut result = a.narrow(-2, k as isize, m - k)?.narrow(-1, k as isize, n - k)?;
    for (row, column) in rows.iter().zip(columns).rev() {
        let lower = Tensor::cat(&[column.clone(), result], -1)?;
        result = Tensor::cat(&[row.clone(), lower], -2)?;
    }
    let taus =
        if k == 0 { a.narrow(-2, 0, 0)?.reshape([a.shape()[..a.dim() - 2].to_vec(), vec![0]].concat())? } else { Tensor::cat(taus, -1)? };
    Ok((result, taus))
}
