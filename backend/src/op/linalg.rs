//! Linear algebra on batches of matrices, `[.., rows, columns]`.

use super::{MetaRef, Metas, exactly, same_dtype};
use crate::{DType, Error, Meta, Result, Shape};

/// A factorisation, or what is computed of one. Takes real and complex numbers of single and double precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Linalg {
    /// The lower factor L of `L L^H`, of which one triangle is read (results: L, info as int32: 0, or the order of the first leading minor
    /// that is not positive definite).
    Cholesky {
        /// Whether such a minor is an error.
        check: bool,
        /// Whether the upper triangle is read.
        upper: bool,
    },
    /// `X` with `A X = B`, A[.., n, n] a triangle, of which alone is read; B[.., n, k].
    Triangular {
        /// Whether it is the upper one.
        upper: bool,
        /// Whether its diagonal is taken to be ones.
        unit: bool,
    },
    /// `A = P L U` of matrices of any shape (results: L below the diagonal and U from it on, in one matrix; pivots as int32, counted from 1:
    /// row i was exchanged with row pivots\[i\]; info as int32: 0, or the place of the first pivot that is 0). Pivots are the largest in magnitude, the
    /// first of equals.
    Lu {
        /// Whether rows are exchanged at all.
        pivot: bool,
    },
    /// `X` with `A X = B` by an LU factorisation: A[.., n, n], B[.., n, k] (results: X, info as of `Lu`).
    Solve {
        /// Whether a singular matrix is an error.
        check: bool,
    },
    /// The determinant.
    Det,
    /// Sign (of complex numbers: phase) and logarithm of the magnitude of the determinant.
    SlogDet,
    /// `A = Q R` with LAPACK's signs (results: Q, R). Q has as many columns as `min(rows, columns)`.
    Qr {
        /// Whether Q is square and R has all rows.
        complete: bool,
    },
    /// Eigenvalues, real and ascending, and eigenvectors (columns) of Hermitian matrices, of which the lower triangle is read.
    Eigh,
    /// `A = U diag(S) V^H`, S descending (results: U, S, V^H). U has as many columns, V^H as many rows, as S has elements.
    Svd {
        /// Whether U and V^H are square.
        full: bool,
    },
    /// The pseudo-inverse: singular values (of Hermitian matrices: eigenvalues by magnitude) up to `max(atol, rtol * largest)` count as 0. Inputs:
    /// the matrices, atol and rtol, these two of the batch's shape and of the real dtype.
    Pinv {
        /// Whether the matrices are Hermitian; the lower triangle is read.
        hermitian: bool,
    },
}

impl Linalg {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Linalg::Cholesky { .. } => "linalg.cholesky",
            Linalg::Triangular { .. } => "linalg.solve_triangular",
            Linalg::Lu { .. } => "linalg.lu",
            Linalg::Solve { .. } => "linalg.solve",
            Linalg::Det => "linalg.det",
            Linalg::SlogDet => "linalg.slogdet",
            Linalg::Qr { .. } => "linalg.qr",
            Linalg::Eigh => "linalg.eigh",
            Linalg::Svd { .. } => "linalg.svd",
            Linalg::Pinv { .. } => "linalg.pinv",
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let dtype = inputs.first().map_or(DType::F32, |x| x.dtype);
        if !matches!(dtype, DType::F32 | DType::F64 | DType::C64 | DType::C128) {
            return Err(Error::dtype(name, format!("wants float32, float64, complex64 or complex128, got {dtype}")));
        }
        let a = inputs.first().ok_or_else(|| Error::value(name, "needs a tensor"))?;
        let rank = a.shape.len();
        if rank < 2 {
            return Err(Error::shape(name, format!("wants matrices, of at least two dimensions, got shape {:?}", a.shape)));
        }
        let (batch, m, n) = (&a.shape[..rank - 2], a.shape[rank - 2], a.shape[rank - 1]);
        let k = m.min(n);
        let square = || match m == n {
            true => Ok(()),
            false => Err(Error::shape(name, format!("wants square matrices, got {m} by {n}"))),
        };
        let of = |tail: &[usize], dtype: DType| {
            let mut shape = Shape::from_slice(batch);
            shape.extend_from_slice(tail);
            Meta { shape, dtype }
        };
        let one_input = || exactly::<1>(name, inputs).map(|_| ());
        Ok(match self {
            Linalg::Cholesky { .. } => {
                one_input()?;
                square()?;
                smallvec::smallvec![of(&[n, n], dtype), of(&[], DType::I32)]
            }
            Linalg::Triangular { .. } | Linalg::Solve { .. } => {
                let [_, b] = exactly(name, inputs)?;
                same_dtype(name, inputs)?;
                square()?;
                if b.shape.len() != rank || &b.shape[..rank - 2] != batch || b.shape[rank - 2] != n {
                    return Err(Error::shape(
                        name,
                        format!("a right-hand side of shape {:?} does not fit matrices of {:?}", b.shape, a.shape),
                    ));
                }
                let x = of(&[n, b.shape[rank - 1]], dtype);
                match self {
                    Linalg::Solve { .. } => smallvec::smallvec![x, of(&[], DType::I32)],
                    _ => smallvec::smallvec![x],
                }
            }
            Linalg::Lu { .. } => {
                one_input()?;
                smallvec::smallvec![of(&[m, n], dtype), of(&[k], DType::I32), of(&[], DType::I32)]
            }
            Linalg::Det => {
                one_input()?;
                square()?;
                smallvec::smallvec![of(&[], dtype)]
            }
            Linalg::SlogDet => {
                one_input()?;
                square()?;
                smallvec::smallvec![of(&[], dtype), of(&[], dtype.to_real())]
            }
            Linalg::Qr { complete } => {
                one_input()?;
                let q = if *complete { m } else { k };
                smallvec::smallvec![of(&[m, q], dtype), of(&[q, n], dtype)]
            }
            Linalg::Eigh => {
                one_input()?;
                square()?;
                smallvec::smallvec![of(&[n], dtype.to_real()), of(&[n, n], dtype)]
            }
            Linalg::Svd { full } => {
                one_input()?;
                let (u, v) = if *full { (m, n) } else { (k, k) };
                smallvec::smallvec![of(&[m, u], dtype), of(&[k], dtype.to_real()), of(&[v, n], dtype)]
            }
            Linalg::Pinv { hermitian } => {
                let [_, atol, rtol] = exactly(name, inputs)?;
                if *hermitian {
                    square()?;
                }
                if [atol, rtol].iter().any(|t| t.shape != batch || t.dtype != dtype.to_real()) {
                    return Err(Error::shape(
                        name,
                        format!("tolerances of shapes {:?} and {:?} do not fit {:?}", atol.shape, rtol.shape, a.shape),
                    ));
                }
                smallvec::smallvec![of(&[n, m], dtype)]
            }
        })
    }
}
