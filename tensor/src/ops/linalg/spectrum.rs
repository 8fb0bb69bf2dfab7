//! Eigenvalues, singular values, and what follows from them.

use rushlight_backend::op::Linalg;
use rushlight_backend::{DType, Error, Result, Scalar};

use super::{one_batch, sizes, square};
use crate::{Operand, Tensor, apply, apply1};

/// Eigenvalues, ascending, and eigenvectors (columns) of Hermitian matrices, of which the lower triangle is read, or the upper.
///
/// # Errors
/// If the matrices are not square or not finite.
pub fn eigh(a: &Tensor, upper: bool) -> Result<(Tensor, Tensor)> {
    square("linalg.eigh", a)?;
    let mut results = if upper { apply(Linalg::Eigh, [&a.mh()?])? } else { apply(Linalg::Eigh, [a])? };
    let vectors = results.swap_remove(1);
    Ok((results.swap_remove(0), vectors))
}

/// Eigenvalues of Hermitian matrices, ascending.
///
/// # Errors
/// As [`eigh`].
pub fn eigvalsh(a: &Tensor, upper: bool) -> Result<Tensor> {
    Ok(eigh(a, upper)?.0)
}

/// `A = U diag(S) V^H`, S descending: U, S, V^H. U and V are square if `full`.
///
/// # Errors
/// If the tensor has no matrices or they are not finite.
pub fn svd(a: &Tensor, full: bool) -> Result<(Tensor, Tensor, Tensor)> {
    sizes("linalg.svd", a)?;
    let mut results = apply(Linalg::Svd { full }, [a])?;
    let vh = results.swap_remove(2);
    let s = results.swap_remove(1);
    Ok((results.swap_remove(0), s, vh))
}

/// Singular values, descending.
///
/// # Errors
/// As [`svd`].
pub fn svdvals(a: &Tensor) -> Result<Tensor> {
    Ok(svd(a, false)?.1)
}

/// `A = U H`: U with orthonormal columns, H Hermitian and positive semi-definite. The matrices have at least as many rows as columns.
///
/// # Errors
/// If they have fewer, or are not finite.
pub fn polar(a: &Tensor) -> Result<(Tensor, Tensor)> {
    let name = "linalg.polar";
    let (m, n) = sizes(name, a)?;
    if m < n {
        return Err(Error::shape(name, format!("wants at least as many rows as columns, got {m} by {n}")));
    }
    let (u, s, vh) = svd(a, false)?;
    Ok((u.matmul(&vh)?, vh.mh()?.mul(&s.unsqueeze(-2)?)?.matmul(&vh)?))
}

/// The square root of Hermitian positive definite matrices, itself one; eigenvalues below 0 count as 0. The lower triangle is read.
///
/// # Errors
/// If the matrices are not square or not finite.
pub fn matrix_sqrth(a: &Tensor) -> Result<Tensor> {
    square("linalg.matrix_sqrth", a)?;
    let (values, vectors) = eigh(a, false)?;
    vectors.mul(&values.clamp(0.0, None)?.sqrt()?.unsqueeze(-2)?)?.matmul(&vectors.mh()?)
}

/// Up to which size singular values count as 0: `max(atol, rtol * largest)`. By default atol is 0, and rtol the dtype's epsilon times the larger
/// size of the matrices, or 0 if there is an atol above 0.
#[derive(Clone, Copy, Default)]
pub struct Tolerance<'a> {
    /// Absolute: a number, or a tensor with one for each matrix.
    pub atol: Option<Operand<'a>>,
    /// Relative to the largest.
    pub rtol: Option<Operand<'a>>,
}

impl Tolerance<'_> {
    /// atol and rtol for each matrix, in f64.
    fn resolve(self, a: &Tensor, m: usize, n: usize) -> Result<(Tensor, Tensor)> {
        let batch = &a.shape()[..a.dim() - 2];
        let dtype = a.dtype().to_real();
        let tensor = |given: Operand<'_>| -> Result<Tensor> {
            match given {
                Operand::Tensor(t) if t.dtype().is_complex() => {
                    Err(Error::dtype("linalg", format!("a tolerance is real, got {}", t.dtype())))
                }
                Operand::Tensor(t) => t.detach().to_dtype(dtype),
                Operand::Scalar(s) => Tensor::full((), s, (dtype, a.device())),
            }
        };
        let epsilon = if dtype == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
        let default = Tensor::full((), epsilon * m.max(n) as f64, (dtype, a.device()))?;
        let atol = tensor(self.atol.unwrap_or(Operand::Scalar(Scalar::Float(0.0))))?;
        let rtol = match (self.rtol, self.atol) {
            (Some(rtol), _) => tensor(rtol)?,
            (None, None) => default,
            (None, Some(_)) => atol.gt(0.0)?.where_(0.0, &default)?.to_dtype(dtype)?,
        };
        Ok((atol.expand(batch)?, rtol.expand(batch)?))
    }
}

/// The pseudo-inverse (Moore and Penrose), from singular values, or from eigenvalues if the matrices are `hermitian`.
///
/// # Errors
/// If the tensor has no matrices, or tolerances do not broadcast to the batch.
pub fn pinv(a: &Tensor, tolerance: Tolerance<'_>, hermitian: bool) -> Result<Tensor> {
    let (m, n) = sizes("linalg.pinv", a)?;
    let (atol, rtol) = tolerance.resolve(a, m, n)?;
    apply1(Linalg::Pinv { hermitian }, [a, &atol, &rtol])
}

/// The number of singular values (of `hermitian` matrices: eigenvalues by magnitude) above the tolerance, int64.
///
/// # Errors
/// If the tensor has no matrices, or tolerances do not broadcast to the batch.
pub fn matrix_rank(a: &Tensor, tolerance: Tolerance<'_>, hermitian: bool) -> Result<Tensor> {
    let a = a.detach();
    let (m, n) = sizes("linalg.matrix_rank", &a)?;
    let (atol, rtol) = tolerance.resolve(&a, m, n)?;
    let s = if hermitian { eigvalsh(&a, false)?.abs()? } else { svdvals(&a)? };
    if m.min(n) == 0 {
        return s.count_nonzero(-1);
    }
    let cut = atol.maximum(&rtol.mul(&s.amax(-1, false)?)?)?;
    s.gt(&cut.unsqueeze(-1)?)?.count_nonzero(-1)
}

/// PyTorch's names of LAPACK's methods. All are computed from singular values here; they say what is reported beside the solution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LstSqDriver {
    /// Neither rank nor singular values.
    Gels,
    /// The rank.
    #[default]
    Gelsy,
    /// Rank and singular values.
    Gelsd,
    /// Rank and singular values.
    Gelss,
}

/// What [`lstsq`] finds. What is not reported is empty.
pub struct LstSq {
    /// X.
    pub solution: Tensor,
    /// Squared residuals of each column, where there are more rows than columns and the rank is full.
    pub residuals: Tensor,
    /// The ranks of the matrices.
    pub rank: Tensor,
    /// Their singular values.
    pub singular_values: Tensor,
}

/// X of least squares `|A X - B|`, of those the shortest. Singular values up to `rcond` times the largest count as 0 (by default the dtype's
/// epsilon times the larger size).
///
/// # Errors
/// If the shapes do not fit.
pub fn lstsq(a: &Tensor, b: &Tensor, rcond: Option<f64>, driver: LstSqDriver) -> Result<LstSq> {
    let name = "linalg.lstsq";
    let (m, n) = sizes(name, a)?;
    let vector = b.dim() + 1 == a.dim();
    let columns = if vector { b.unsqueeze(-1)? } else { b.clone() };
    if sizes(name, &columns)?.0 != m {
        return Err(Error::shape(name, format!("shapes {:?} and {:?} do not fit", a.shape(), b.shape())));
    }
    let (a, columns) = one_batch(name, a, &columns)?;
    let tolerance = Tolerance { atol: None, rtol: rcond.map(|r| Operand::Scalar(Scalar::Float(r))) };
    let x = pinv(&a, tolerance, false)?.matmul(&columns)?;
    let nothing = |dtype: DType| Tensor::zeros(0, (dtype, a.device()));
    let ranks = matrix_rank(&a, tolerance, false)?;
    let full = ranks.all_values().to_vec::<i64>()?.iter().all(|&r| r == n as i64);
    let residuals = match m > n && full && driver != LstSqDriver::Gelsy {
        true => a.matmul(&x)?.sub(&columns)?.abs()?.square()?.sum_dim(-2, false)?,
        false => nothing(a.dtype().to_real())?,
    };
    Ok(LstSq {
        solution: if vector { x.squeeze_dim(-1)? } else { x },
        residuals,
        rank: if driver == LstSqDriver::Gels { nothing(DType::I64)? } else { ranks },
        singular_values: match driver {
            LstSqDriver::Gelsd | LstSqDriver::Gelss => svdvals(&a)?,
            _ => nothing(a.dtype().to_real())?,
        },
    })
}
