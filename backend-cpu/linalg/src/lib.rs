//! Eigenvalues and singular values of one matrix, by faer.
//!
//! faer is generic, so that its code is compiled where it is used: here it is compiled once, for double precision, and the kernels can be changed without
//! it. It runs on the caller's thread, so that results do not depend on their number.
//!
//! Matrices are slices of columns, one after the other; none is empty.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::traits::ComplexField;
use faer::{MatMut, MatRef, Par};
use num_complex::Complex;

/// An iteration did not converge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoConvergence;

/// The numbers that have these decompositions: `f64` and `Complex<f64>`.
pub trait Spectral: Sized {
    /// Eigenvalues, ascending (as numbers of this kind), and if asked for eigenvectors of an `n x n` Hermitian matrix, of which the lower triangle is
    /// read.
    ///
    /// # Errors
    /// If the iteration does not converge.
    fn eigh(a: &[Self], n: usize, values: &mut [Self], vectors: Option<&mut [Self]>) -> Result<(), NoConvergence>;

    /// Singular values, descending, and if asked for U and V of an `m x n` matrix, each square or with `min(m, n)` columns, as its length says.
    ///
    /// # Errors
    /// If the iteration does not converge.
    fn svd(a: &[Self], m: usize, n: usize, values: &mut [Self], vectors: Option<(&mut [Self], &mut [Self])>) -> Result<(), NoConvergence>;
}

macro_rules! spectral {
    ($($t:ty),*) => {$(
        impl Spectral for $t {
            fn eigh(a: &[Self], n: usize, values: &mut [Self], vectors: Option<&mut [Self]>) -> Result<(), NoConvergence> {
                eigh_of(a, n, values, vectors)
            }
            fn svd(a: &[Self], m: usize, n: usize, values: &mut [Self], vectors: Option<(&mut [Self], &mut [Self])>) -> Result<(), NoConvergence> {
                svd_of(a, m, n, values, vectors)
            }
        }
    )*};
}
spectral!(f64, Complex<f64>);

fn eigh_of<T: ComplexField>(a: &[T], n: usize, values: &mut [T], vectors: Option<&mut [T]>) -> Result<(), NoConvergence> {
    let wanted = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<T>(n, wanted, Par::Seq, Default::default()));
    self_adjoint_evd(
        MatRef::from_column_major_slice(a, n, n),
        DiagMut::from_slice_mut(values),
        vectors.map(|v| MatMut::from_column_major_slice_mut(v, n, n)),
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map_err(|_| NoConvergence)
}

fn svd_of<T: ComplexField>(
    a: &[T],
    m: usize,
    n: usize,
    values: &mut [T],
    vectors: Option<(&mut [T], &mut [T])>,
) -> Result<(), NoConvergence> {
    let (u, v) = vectors.unzip();
    let wanted = |vectors: &Option<&mut [T]>, rows: usize| match vectors {
        None => ComputeSvdVectors::No,
        Some(x) if x.len() == rows * rows => ComputeSvdVectors::Full,
        Some(_) => ComputeSvdVectors::Thin,
    };
    let need = svd_scratch::<T>(m, n, wanted(&u, m), wanted(&v, n), Par::Seq, Default::default());
    let mut memory = MemBuffer::new(need);
    fn matrix<T>(x: &mut [T], rows: usize) -> MatMut<'_, T> {
        let columns = x.len() / rows;
        MatMut::from_column_major_slice_mut(x, rows, columns)
    }
    svd(
        MatRef::from_column_major_slice(a, m, n),
        DiagMut::from_slice_mut(values),
        u.map(|u| matrix(u, m)),
        v.map(|v| matrix(v, n)),
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map_err(|_| NoConvergence)
}
