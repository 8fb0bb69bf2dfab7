//! Reading and writing by index.

mod advanced;
mod ix;
mod pick;
mod write;

pub use ix::{Ellipsis, IntoIndex, IntoIx, Ix, step_by};
pub use pick::EmbeddingOptions;
pub use write::ScatterMode;

use rushlight_backend::op::Index;
use rushlight_backend::{DType, Result, normalize_dim};

use crate::{Tensor, apply1};

/// A 0-d tensor as a vector of one element: so PyTorch takes it where a dimension is named.
fn vector(t: &Tensor) -> Result<Tensor> {
    if t.dim() == 0 { t.reshape(1) } else { Ok(t.clone()) }
}

/// An index as int64, if it has one of the other types that are taken.
fn index64(index: &Tensor, others: &[DType]) -> Result<Tensor> {
    if others.contains(&index.dtype()) { index.to_dtype(DType::I64) } else { Ok(index.clone()) }
}

/// Other index types of the methods that take vectors.
const OF_VECTORS: &[DType] = &[DType::I32];
/// Other index types of `gather` and its kin.
const OF_GATHER: &[DType] = &[DType::I32, DType::U8];

impl Tensor {
    /// Slices of a dimension in the order that an index vector (int64 or int32) names them.
    ///
    /// # Errors
    /// If the index is not such a vector or reaches beyond the dimension.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(x.index_select(0, &Tensor::new(&[1i64, 1])?)?.to_vec::<f32>()?, [3.0, 4.0, 3.0, 4.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        let dim = normalize_dim("index_select", dim, self.dim())?;
        let selected = apply1(Index::Select { dim }, [vector(self)?, vector(&index64(index, OF_VECTORS)?)?])?;
        if self.dim() == 0 { selected.reshape(()) } else { Ok(selected) }
    }

    /// This tensor with slices of `source` added to the slices of a dimension that an index vector names.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the index reaches beyond the dimension.
    pub fn index_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let dim = normalize_dim("index_add", dim, self.dim())?;
        self.same_rank("index_add", source)?;
        let index = vector(&index64(index, OF_VECTORS)?)?;
        apply1(Index::Add { dim }, [vector(self)?, index, vector(source)?])?.reshape(self.shape())
    }

    /// One element for each of the index, taken along a dimension: for dimension 0, `out[i][j] = x[index[i][j]][j]`.
    ///
    /// # Errors
    /// If the index is not int64, int32 or uint8, has another rank, or reaches beyond the tensor.
    pub fn gather(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        let dim = normalize_dim("gather", dim, self.dim())?;
        if index.numel() == 0 && index.dim() != self.dim() {
            // Nothing is taken: PyTorch asks for no rank then.
            return Tensor::zeros(index.shape(), (self.dtype(), self.device()));
        }
        apply1(Index::Gather { dim }, [vector(self)?, vector(&index64(index, OF_GATHER)?)?])?.reshape(index.shape())
    }

    /// This tensor with elements of `source` written where the index says: for dimension 0, `out[index[i][j]][j] = source[i][j]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the index reaches beyond the tensor.
    pub fn scatter(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        self.scatter_with(Index::Scatter { dim: normalize_dim("scatter", dim, self.dim())? }, index, source)
    }

    /// As [`scatter`](Tensor::scatter), adding to what is there (booleans: or).
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the index reaches beyond the tensor.
    pub fn scatter_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        if self.dtype() == DType::Bool && source.dtype() == DType::Bool {
            let wide = |t: &Tensor| t.to_dtype(DType::I64);
            return wide(self)?.scatter_add(dim, index, &wide(source)?)?.to_dtype(DType::Bool);
        }
        self.scatter_with(Index::ScatterAdd { dim: normalize_dim("scatter_add", dim, self.dim())? }, index, source)
    }

    fn scatter_with(&self, op: Index, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let index = vector(&index64(index, OF_GATHER)?)?;
        apply1(op, [vector(self)?, index, vector(source)?])?.reshape(self.shape())
    }
}
