//! Bags of vectors from a table.

use rushlight_tensor::{BagMode, DType, Device, EmbeddingBag as Bag, Result, Tensor};

use super::embedding::{renormalised, row, table};
use crate::builder::builder;
use crate::{Module, Parameter};

/// Sums, means or maxima of bags of rows of a learned table.
///
/// `weight`: `[num_embeddings, embedding_dim]`, at first standard normal.
#[derive(Module, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct EmbeddingBag {
    /// The table.
    pub weight: Parameter,
    #[module(skip)]
    settings: EmbeddingBagBuilder,
}

builder! {
    /// The arguments of [`EmbeddingBag`].
    EmbeddingBagBuilder for EmbeddingBag(num_embeddings: usize, embedding_dim: usize) {
        /// The largest norm of rows: those that are used and larger are scaled down. Default: none.
        max_norm(f64; into): Option<f64> = None;
        /// Of which norm that is. Default: 2.
        norm_type: f64 = 2.0;
        /// Whether gradients of rows are divided by how often they are used. Default: false.
        scale_grad_by_freq: bool = false;
        /// How the rows of a bag become one. Default: their mean.
        mode: BagMode = BagMode::Mean;
        /// Whether the last offset is the end of the last bag. Default: false.
        include_last_offset: bool = false;
        /// A row that is zero at first and is passed over; negative numbers count from the back. Default: none.
        padding_idx(isize; into): Option<isize> = None;
        /// The dtype of the table. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device of the table. Default: the CPU.
        device: Device = Device::cpu();
    }
}

impl EmbeddingBagBuilder {
    /// Draws the table.
    ///
    /// # Errors
    /// If the padding row does not exist, or the dtype is not floating point.
    pub fn build(self) -> Result<EmbeddingBag> {
        let padding = row("EmbeddingBag", self.padding_idx, self.num_embeddings)?;
        let weight = table(self.num_embeddings, self.embedding_dim, padding, (self.dtype, self.device))?;
        Ok(EmbeddingBag { weight, settings: self })
    }
}

impl EmbeddingBag {
    /// The bags of indices: rows of a matrix, or parts of a vector that begin at the offsets. `per_sample_weights` are factors of the rows, for sums.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or an index is out of range.
    pub fn forward(&self, indices: &Tensor, offsets: Option<&Tensor>, per_sample_weights: Option<&Tensor>) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let s = &self.settings;
            renormalised(&self.weight, indices, s.max_norm, s.norm_type)?;
            let with = Bag {
                offsets,
                mode: s.mode,
                per_sample_weights,
                include_last_offset: s.include_last_offset,
                padding_idx: s.padding_idx,
                scale_grad_by_freq: s.scale_grad_by_freq,
            };
            self.weight.try_tensor()?.embedding_bag(indices, with)
        })
    }

    fn arguments(&self) -> String {
        format!("{}, {}, mode={:?}", self.settings.num_embeddings, self.settings.embedding_dim, self.settings.mode)
    }
}
