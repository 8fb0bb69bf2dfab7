//! Tables of vectors.

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use crate::builder::builder;
use crate::{Forward, Module, Parameter, functional};

/// Rows of a learned table for indices (int64) of any shape, which gets one more dimension.
///
/// `weight`: `[num_embeddings, embedding_dim]`, at first standard normal.
#[derive(Module, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct Embedding {
    /// The table.
    pub weight: Parameter,
    padding_idx: Option<usize>,
    num_embeddings: usize,
    embedding_dim: usize,
}

builder! {
    /// The arguments of [`Embedding`].
    EmbeddingBuilder for Embedding(num_embeddings: usize, embedding_dim: usize) {
        /// A row that is zero at first and gets no gradients; negative numbers count from the back. Default: none.
        padding_idx(isize; into): Option<isize> = None;
        /// The dtype of the table. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device of the table. Default: the CPU.
        device: Device = Device::cpu();
    }
}

impl EmbeddingBuilder {
    /// Draws the table.
    ///
    /// # Errors
    /// If the padding row does not exist, or the dtype is not floating point.
    pub fn build(self) -> Result<Embedding> {
        let (n, dim) = (self.num_embeddings, self.embedding_dim);
        let row = |i: isize| {
            let at = if i < 0 { i.checked_add_unsigned(n) } else { Some(i) };
            at.and_then(|i| usize::try_from(i).ok()).filter(|&i| i < n)
        };
        let padding_idx = match self.padding_idx {
            Some(i) => Some(row(i).ok_or_else(|| Error::index("Embedding", format!("padding_idx {i} is no row of a table of {n}")))?),
            None => None,
        };
        let mut table = Tensor::normal(0.0, 1.0, [n, dim], (self.dtype, self.device))?;
        if let Some(i) = padding_idx {
            let i = i as isize;
            let zeros = Tensor::zeros([1, dim], (table.dtype(), table.device()))?;
            table = table.slice_scatter(&zeros, 0, i, i + 1, 1)?;
        }
        Ok(Embedding { weight: Parameter::new(table)?, padding_idx, num_embeddings: n, embedding_dim: dim })
    }
}

impl Embedding {
    fn arguments(&self) -> String {
        let padding = self.padding_idx.map_or(String::new(), |i| format!(", padding_idx={i}"));
        format!("{}, {}{padding}", self.num_embeddings, self.embedding_dim)
    }
}

impl Forward for Embedding {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::embedding(x, &self.weight.tensor(), self.padding_idx)
    }
}
