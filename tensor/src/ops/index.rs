//! Reading and writing by index.

use rushlight_backend::op::Index;
use rushlight_backend::{Result, normalize_dim};

use crate::{Tensor, apply1};

impl Tensor {
    /// Slices of a dimension in the order that an index vector (int64) names them.
    ///
    /// # Errors
    /// If the index is not a vector of int64 or reaches beyond the dimension.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(x.index_select(0, &Tensor::new(&[1i64, 1])?)?.to_vec::<f32>()?, [3.0, 4.0, 3.0, 4.0]);
    /// # rushlight_tensor::Result::Ok(())
    /// ```
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        let dim = normalize_dim("index_select", dim, self.dim())?;
        apply1(Index::Select { dim }, [self, index])
    }

    /// This tensor with slices of `source` added to the slices of a dimension that an index vector names.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the index reaches beyond the dimension.
    pub fn index_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let dim = normalize_dim("index_add", dim, self.dim())?;
        apply1(Index::Add { dim }, [self, index, source])
    }

    /// One element for each of the index, taken along a dimension: for dimension 0, `out[i][j] = x[index[i][j]][j]`.
    ///
    /// # Errors
    /// If the index is not int64, has another rank, or reaches beyond the tensor.
    pub fn gather(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        let dim = normalize_dim("gather", dim, self.dim())?;
        apply1(Index::Gather { dim }, [self, index])
    }

    /// This tensor with elements of `source` written where the index says: for dimension 0, `out[index[i][j]][j] = source[i][j]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the index reaches beyond the tensor.
    pub fn scatter(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let dim = normalize_dim("scatter", dim, self.dim())?;
        apply1(Index::Scatter { dim }, [self, index, source])
    }

    /// As [`scatter`](Tensor::scatter), adding to what is there.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the index reaches beyond the tensor.
    pub fn scatter_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let dim = normalize_dim("scatter_add", dim, self.dim())?;
        apply1(Index::ScatterAdd { dim }, [self, index, source])
    }

    /// Rows of this table (`[vocabulary, features]`) for each index (int64, any shape): the result has the index's shape and one more
    /// dimension.
    ///
    /// # Errors
    /// If the table is not a matrix, or an index is out of range.
    pub fn embedding(&self, indices: &Tensor) -> Result<Tensor> {
        let rows = self.index_select(0, &indices.reshape(-1)?)?;
        let mut shape: Vec<usize> = indices.shape().to_vec();
        shape.extend(&self.shape()[1..]);
        rows.reshape(shape)
    }
}
