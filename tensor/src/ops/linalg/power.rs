//! Powers and the exponential of matrices, and functions that see tensors as matrices.

use rushlight_backend::{DType, Error, Result, normalize_dims};

use super::solve::{inv, solve};
use super::square;
use crate::{IntoSizes, Tensor};

fn unit(a: &Tensor) -> Result<Tensor> {
    let n = a.shape()[a.dim() - 1];
    Tensor::eye(n, n, (a.dtype(), a.device()))?.expand(a.shape())
}

/// The n-th power of square matrices; of their inverses if n is negative.
///
/// # Errors
/// If the matrices are not square, or singular and n is negative.
pub fn matrix_power(a: &Tensor, n: i64) -> Result<Tensor> {
    square("linalg.matrix_power", a)?;
    if n < 0 {
        return matrix_power(&inv(a)?, n.checked_neg().ok_or_else(|| Error::value("linalg.matrix_power", "the power is too large"))?);
    }
    let (mut rest, mut base, mut out) = (n, a.clone(), None);
    while rest > 0 {
        if rest & 1 == 1 {
            out = Some(match out {
                None => base.clone(),
                Some(out) => base.matmul(&out)?,
            });
        }
        rest >>= 1;
        if rest > 0 {
            base = base.matmul(&base)?;
        }
    }
    out.map_or_else(|| unit(a), Ok)
}

/// The exponential of square matrices: its Taylor polynomial of degree 18 of the matrix scaled to a norm of at most 1/2, squared as often as it was halved
/// (Higham, Functions of Matrices, chapter 10).
///
/// # Errors
/// If the matrices are not square, or not floating point.
pub fn matrix_exp(a: &Tensor) -> Result<Tensor> {
    square("matrix_exp", a)?;
    if !a.dtype().is_differentiable() {
        return Err(Error::dtype("matrix_exp", format!("wants a floating-point or complex tensor, got {}", a.dtype())));
    }
    if a.numel() == 0 {
        return Ok(a.clone());
    }
    match a.dtype() {
        DType::F64 | DType::C128 => exponential(a),
        DType::C64 => exponential(&a.to_dtype(DType::C128)?)?.to_dtype(a.dtype()),
        // Squaring amplifies rounding.
        _ => exponential(&a.to_dtype(DType::F64)?)?.to_dtype(a.dtype()),
    }
}

fn exponential(a: &Tensor) -> Result<Tensor> {
    let size = a.all_values().abs()?.sum_dim(-2, false)?.max()?.to_f64()?;
    let halvings = if size.is_finite() && size > 0.5 { (size / 0.5).log2().ceil() as i32 } else { 0 };
    let x = a.mul(0.5f64.powi(halvings))?;
    let mut coefficients = [1.0f64; 19];
    for i in 1..19 {
        coefficients[i] = coefficients[i - 1] / i as f64;
    }
    let (one, x2) = (unit(a)?, x.matmul(&x)?);
    let x3 = x2.matmul(&x)?;
    let mut y = one.mul(coefficients[18])?;
    for c in coefficients[..18].chunks(3).rev() {
        let group = one.mul(c[0])?.add(&x.mul(c[1])?)?.add(&x2.mul(c[2])?)?;
        y = y.matmul(&x3)?.add(&group)?;
    }
    for _ in 0..halvings {
        y = y.matmul(&y)?;
    }
    Ok(y)
}

/// Vandermonde matrices: the powers 0 to `n - 1` of each element, along a new last dimension; `n` is by default the last size.
///
/// # Errors
/// If n is 0.
pub fn vander(x: &Tensor, n: impl Into<Option<usize>>) -> Result<Tensor> {
    if x.dtype() == DType::Bool {
        return Err(Error::dtype("linalg.vander", "does not take booleans"));
    }
    let x = if x.dim() == 0 { x.reshape(1)? } else { x.clone() };
    let x = if x.dtype().is_differentiable() { x } else { x.to_dtype(DType::I64)? };
    let n = n.into().unwrap_or(x.shape()[x.dim() - 1]);
    if n < 2 {
        return Err(Error::value("linalg.vander", format!("wants at least two powers, got {n}")));
    }
    let mut powers = vec![x.ones_like()?, x.clone()];
    for i in 2..n {
        powers.push(powers[i - 1].mul(&x)?);
    }
    Tensor::stack(&powers[..n], -1)
}

/// The inverse of a tensor seen as a matrix: the first `ind` dimensions are its rows. The result has the others first.
///
/// # Errors
/// If the matrix is not square or singular.
pub fn tensorinv(a: &Tensor, ind: usize) -> Result<Tensor> {
    if ind == 0 || ind > a.dim() {
        return Err(Error::value("linalg.tensorinv", format!("ind must lie between 1 and the rank {}, got {ind}", a.dim())));
    }
    let (rows, columns) = a.shape().split_at(ind);
    let (m, n): (usize, usize) = (rows.iter().product(), columns.iter().product());
    let shape: Vec<usize> = columns.iter().chain(rows).copied().collect();
    inv(&a.reshape([m, n])?)?.reshape(shape)
}

/// X with `tensordot(A, X) = B`: A's first dimensions are those of B, after `dims` were moved to the end.
///
/// # Errors
/// If the shapes do not fit or the matrix is singular.
pub fn tensorsolve(a: &Tensor, b: &Tensor, dims: Option<&[isize]>) -> Result<Tensor> {
    let name = "linalg.tensorsolve";
    let mut a = a.clone();
    if let Some(dims) = dims {
        let dims = normalize_dims(name, &dims.into_sizes(), a.dim())?;
        let order: Vec<usize> = (0..a.dim()).filter(|d| !dims.contains(d)).chain(dims.iter().copied()).collect();
        a = a.permute(order)?;
    }
    if a.dim() < b.dim() || a.numel() != b.numel() * b.numel() {
        return Err(Error::shape(name, format!("shapes {:?} and {:?} do not fit", a.shape(), b.shape())));
    }
    let shape = a.shape()[b.dim()..].to_vec();
    solve(&a.reshape([b.numel(), b.numel()])?, &b.reshape(-1)?)?.reshape(shape)
}
