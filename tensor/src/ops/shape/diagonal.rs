//! Diagonals and triangles of matrices.

use rushlight_backend::op::{Diagonal, ShapeOp};
use rushlight_backend::{DType, Error, Result, normalize_dim};

use crate::{Device, Options, Tensor, apply1};

/// The parameters of the operation, with dimensions of a tensor of this rank.
fn diagonal(op: &'static str, offset: isize, dim1: isize, dim2: isize, rank: usize) -> Result<Diagonal> {
    let (a, b) = (normalize_dim(op, dim1, rank)?, normalize_dim(op, dim2, rank)?);
    if a == b {
        return Err(Error::value(op, format!("wants two different dimensions, got {dim1} and {dim2} of {rank}")));
    }
    Ok(Diagonal { offset, dim1: a, dim2: b })
}

/// Columns less rows, for each place of a matrix.
fn offsets(rows: usize, cols: usize, device: Device) -> Result<Tensor> {
    let range = |n: usize| Tensor::arange(0, n, 1, device);
    range(cols)?.unsqueeze(0)?.sub(&range(rows)?.unsqueeze(1)?)
}

impl Tensor {
    /// The diagonal of two dimensions, `offset` above the main one (below, if negative), as the last dimension of the result. A view. PyTorch's defaults are
    /// 0, 0, 1 (`linalg.diagonal`: 0, -2, -1).
    ///
    /// # Errors
    /// If the dimensions do not exist or are the same.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[1i64, 2], [3, 4]])?;
    /// assert_eq!(x.diagonal(0, 0, 1)?.to_vec::<i64>()?, [1, 4]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
        apply1(ShapeOp::Diagonal(diagonal("diagonal", offset, dim1, dim2, self.dim())?), [self])
    }

    /// This tensor with `source` written over a [`diagonal`](Tensor::diagonal).
    ///
    /// # Errors
    /// If the dimensions do not exist or are the same, or the source does not have the diagonal's shape or the tensor's dtype.
    pub fn diagonal_scatter(&self, source: &Tensor, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
        apply1(ShapeOp::DiagonalScatter(diagonal("diagonal_scatter", offset, dim1, dim2, self.dim())?), [self, source])
    }

    /// Zeros with the last dimension as the [`diagonal`](Tensor::diagonal) of two new ones. PyTorch's defaults are 0, -2, -1.
    ///
    /// # Errors
    /// If the dimensions do not exist in the result or are the same, or there is no last dimension.
    pub fn diag_embed(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
        let diagonal = diagonal("diag_embed", offset, dim1, dim2, self.dim() + 1)?;
        let Some((&n, lead)) = self.shape().split_last() else {
            return Err(Error::shape("diag_embed", "wants at least one dimension"));
        };
        let mut lead = lead.iter().copied();
        let side = n + offset.unsigned_abs();
        let new = |d: usize| d == diagonal.dim1 || d == diagonal.dim2;
        let shape: Vec<usize> = (0..=self.dim()).filter_map(|d| if new(d) { Some(side) } else { lead.next() }).collect();
        apply1(ShapeOp::DiagonalScatter(diagonal), [&Tensor::zeros(shape, (self.dtype(), self.device()))?, self])
    }

    /// Of a vector the matrix with it as a diagonal, of a matrix the diagonal.
    ///
    /// # Errors
    /// If it is neither.
    pub fn diag(&self, offset: isize) -> Result<Tensor> {
        match self.dim() {
            1 => self.diag_embed(offset, 0, 1),
            2 => self.diagonal(offset, 0, 1),
            _ => Err(Error::shape("diag", format!("wants a vector or a matrix, got {:?}", self.shape()))),
        }
    }

    /// All elements as the diagonal of a matrix.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn diagflat(&self, offset: isize) -> Result<Tensor> {
        self.reshape(-1)?.diag(offset)
    }

    fn matrix_sizes(&self, op: &'static str) -> Result<(usize, usize)> {
        match self.shape() {
            [.., m, n] => Ok((*m, *n)),
            s => Err(Error::shape(op, format!("wants matrices, got {s:?}"))),
        }
    }

    /// The lower triangles of matrices, up to the `k`-th diagonal above the main one; zeros elsewhere.
    ///
    /// # Errors
    /// If there are fewer than two dimensions.
    pub fn tril(&self, k: isize) -> Result<Tensor> {
        let (m, n) = self.matrix_sizes("tril")?;
        offsets(m, n, self.device())?.le(k as i64)?.where_(self, false)
    }

    /// The upper triangles of matrices, from the `k`-th diagonal above the main one on; zeros elsewhere.
    ///
    /// # Errors
    /// If there are fewer than two dimensions.
    pub fn triu(&self, k: isize) -> Result<Tensor> {
        let (m, n) = self.matrix_sizes("triu")?;
        offsets(m, n, self.device())?.ge(k as i64)?.where_(self, false)
    }

    /// The coordinates of the lower triangle of a matrix: two rows, of row and column numbers, in row-major order; int64 unless named.
    ///
    /// # Errors
    /// If the dtype is not int64 or int32.
    pub fn tril_indices(rows: usize, cols: usize, k: isize, options: impl Into<Options>) -> Result<Tensor> {
        let options = options.into();
        triangle_indices(options, offsets(rows, cols, options.device)?.le(k as i64)?)
    }

    /// The coordinates of the upper triangle of a matrix; see [`tril_indices`](Tensor::tril_indices).
    ///
    /// # Errors
    /// If the dtype is not int64 or int32.
    pub fn triu_indices(rows: usize, cols: usize, k: isize, options: impl Into<Options>) -> Result<Tensor> {
        let options = options.into();
        triangle_indices(options, offsets(rows, cols, options.device)?.ge(k as i64)?)
    }
}

fn triangle_indices(options: Options, mask: Tensor) -> Result<Tensor> {
    match options.dtype.unwrap_or(DType::I64) {
        dtype @ (DType::I64 | DType::I32) => mask.nonzero()?.t()?.contiguous()?.to_dtype(dtype),
        other => Err(Error::dtype("tril_indices", format!("coordinates are int64 or int32, not {other}"))),
    }
}
