//! Reading and writing by index. Indices are int64; the kernels check that they are in range.

use super::{MetaRef, Metas, exactly, one, same_dtype, want_dim, want_index};
use crate::{DType, Error, Result, Shape};

/// Reading or writing elements that an index tensor names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// Slices of a dimension. Inputs: x, index (1-D). `out[.., i, ..] = x[.., index[i], ..]`.
    Select {
        /// The dimension.
        dim: usize,
    },
    /// Slices added to those of a dimension: the transpose of `Select`. Inputs: x, index (1-D), source.
    /// `x[.., index[i], ..] += source[.., i, ..]`, in the order of i.
    Add {
        /// The dimension.
        dim: usize,
    },
    /// One element for each of an index of the same rank. Inputs: x, index. `out[i][j] = x[index[i][j]][j]` for dimension 0.
    Gather {
        /// The dimension.
        dim: usize,
    },
    /// Elements written where an index says: Inputs: x, index, source. `out[index[i][j]][j] = source[i][j]` for dimension 0. The last of
    /// several writes to one place wins.
    Scatter {
        /// The dimension.
        dim: usize,
    },
    /// As `Scatter`, adding: the transpose of `Gather`.
    ScatterAdd {
        /// The dimension.
        dim: usize,
    },
    /// As `ScatterAdd`, with another way to join what is there with what comes.
    ScatterReduce {
        /// The dimension.
        dim: usize,
        /// How two values become one.
        kind: ScatterReduction,
    },
    /// Rows of a table. Inputs: table (a matrix), indices of any shape. As `Select`, but with the gradient that is wanted of embeddings.
    Embedding {
        /// A row that gets no gradient.
        padding_idx: Option<usize>,
        /// Whether a row's gradient is divided by how often its index occurs.
        scale_grad_by_freq: bool,
    },
    /// Places in row-major order. Inputs: one index tensor for each dimension, of one shape; negative indices count from the back.
    Ravel {
        /// The sizes of the dimensions.
        sizes: Shape,
        /// The number of the first of them in the tensor that is indexed, for messages.
        first: usize,
    },
    /// The coordinates of the elements of a mask that are true, in row-major order: `[count, rank]`, int64.
    Nonzero {
        /// How many there are.
        count: usize,
    },
}

/// How a scatter joins two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScatterReduction {
    /// Their product.
    Prod,
    /// The larger one; NaN if one is NaN.
    Amax,
    /// The smaller one; NaN if one is NaN.
    Amin,
}

impl Index {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Index::Select { .. } => "index_select",
            Index::Add { .. } => "index_add",
            Index::Gather { .. } => "gather",
            Index::Scatter { .. } => "scatter",
            Index::ScatterAdd { .. } => "scatter_add",
            Index::ScatterReduce { .. } => "scatter_reduce",
            Index::Embedding { .. } => "embedding",
            Index::Ravel { .. } => "index",
            Index::Nonzero { .. } => "nonzero",
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        match self {
            Index::Select { dim } => {
                let [x, index] = exactly(name, inputs)?;
                check_vector(name, *dim, x, index)?;
                let mut shape: Shape = x.shape.into();
                shape[*dim] = index.shape[0];
                one(shape, x.dtype)
            }
            Index::Add { dim } => {
                let [x, index, source] = exactly(name, inputs)?;
                check_vector(name, *dim, x, index)?;
                same_dtype(name, &[*x, *source])?;
                let mut wanted: Shape = x.shape.into();
                wanted[*dim] = index.shape[0];
                if source.shape != wanted.as_slice() {
                    return Err(Error::shape(name, format!("the source has shape {:?}, wanted {:?}", source.shape, wanted.as_slice())));
                }
                one(x.shape.into(), x.dtype)
            }
            Index::Gather { dim } => {
                let [x, index] = exactly(name, inputs)?;
                check_same_rank(name, *dim, x, index, x.shape)?;
                one(index.shape.into(), x.dtype)
            }
            Index::Embedding { padding_idx, .. } => {
                let [table, indices] = exactly(name, inputs)?;
                want_index(name, indices.dtype)?;
                let [rows, features] = *table.shape else {
                    return Err(Error::shape(name, format!("the table must be a matrix, got {:?}", table.shape)));
                };
                if let Some(i) = padding_idx.filter(|&i| i >= rows) {
                    return Err(Error::index(name, format!("padding_idx {i} is out of range for {rows} rows")));
                }
                let mut shape: Shape = indices.shape.into();
                shape.push(features);
                one(shape, table.dtype)
            }
            Index::Ravel { sizes, .. } => {
                if inputs.is_empty() || inputs.len() != sizes.len() {
                    return Err(Error::value(name, format!("{} index tensors for {} dimensions", inputs.len(), sizes.len())));
                }
                for x in inputs {
                    want_index(name, x.dtype)?;
                    if x.shape != inputs[0].shape {
                        return Err(Error::shape(name, format!("index tensors of shapes {:?} and {:?}", inputs[0].shape, x.shape)));
                    }
                }
                one(inputs[0].shape.into(), DType::I64)
            }
            Index::Nonzero { count } => {
                let [mask] = exactly(name, inputs)?;
                if mask.dtype != DType::Bool {
                    return Err(Error::dtype(name, format!("wants a mask (bool), got {}", mask.dtype)));
                }
                one(smallvec::smallvec![*count, mask.shape.len()], DType::I64)
            }
            Index::Scatter { dim } | Index::ScatterAdd { dim } | Index::ScatterReduce { dim, .. } => {
                let [x, index, source] = exactly(name, inputs)?;
                let dtype = same_dtype(name, &[*x, *source])?;
                if matches!(self, Index::ScatterAdd { .. }) && dtype == DType::Bool {
                    return Err(Error::dtype(name, "does not take booleans"));
                }
                let ordered = matches!(self, Index::ScatterReduce { kind: ScatterReduction::Amax | ScatterReduction::Amin, .. });
                if ordered && dtype.is_complex() {
                    return Err(Error::dtype(name, "complex numbers have no order"));
                }
                check_same_rank(name, *dim, x, index, x.shape)?;
                let covers = source.shape.len() == index.shape.len() && index.shape.iter().zip(source.shape).all(|(i, s)| i <= s);
                if !covers {
                    return Err(Error::shape(
                        name,
                        format!("the index of shape {:?} reaches beyond the source of shape {:?}", index.shape, source.shape),
                    ));
                }
                one(x.shape.into(), dtype)
            }
        }
    }
}

/// An index vector over dimension `dim` of x.
fn check_vector(name: &'static str, dim: usize, x: &MetaRef<'_>, index: &MetaRef<'_>) -> Result<()> {
    want_index(name, index.dtype)?;
    want_dim(name, dim, x.shape.len())?;
    if index.shape.len() != 1 {
        return Err(Error::shape(name, format!("the index must have one dimension, got {:?}", index.shape)));
    }
    Ok(())
}

/// An index of x's rank that does not reach beyond x outside of `dim`.
fn check_same_rank(name: &'static str, dim: usize, x: &MetaRef<'_>, index: &MetaRef<'_>, limit: &[usize]) -> Result<()> {
    want_index(name, index.dtype)?;
    want_dim(name, dim, x.shape.len())?;
    if index.shape.len() != x.shape.len() {
        return Err(Error::shape(
            name,
            format!("the index of shape {:?} must have as many dimensions as the tensor, {:?}", index.shape, x.shape),
        ));
    }
    match (0..limit.len()).find(|&d| d != dim && index.shape[d] > limit[d]) {
        None => Ok(()),
        Some(d) => Err(Error::shape(name, format!("the index of shape {:?} reaches beyond {:?} in dimension {d}", index.shape, x.shape))),
    }
}
