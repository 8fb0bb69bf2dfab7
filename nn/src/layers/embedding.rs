//! Tables of vectors.

use rushlight_tensor::{DType, Device, EmbeddingOptions, Error, Result, Tensor};

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
    #[module(skip)]
    settings: EmbeddingBuilder,
}

builder! {
    /// The arguments of [`Embedding`].
    EmbeddingBuilder for Embedding(num_embeddings: usize, embedding_dim: usize) {
        /// A row that is zero at first and gets no gradients; negative numbers count from the back. Default: none.
        padding_idx(isize; into): Option<isize> = None;
        /// The largest norm of rows: those that are used and larger are scaled down. Default: none.
        max_norm(f64; into): Option<f64> = None;
        /// Of which norm that is. Default: 2.
        norm_type: f64 = 2.0;
        /// Whether gradients of rows are divided by how often they are used. Default: false.
        scale_grad_by_freq: bool = false;
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
        let padding_idx = row("Embedding", self.padding_idx, self.num_embeddings)?;
        let weight = table(self.num_embeddings, self.embedding_dim, padding_idx, (self.dtype, self.device))?;
        Ok(Embedding { weight, padding_idx, settings: self })
    }
}

/// The number of the padding row.
pub(super) fn row(op: &'static str, padding_idx: Option<isize>, n: usize) -> Result<Option<usize>> {
    let Some(i) = padding_idx else { return Ok(None) };
    let at = if i < 0 { i.checked_add_unsigned(n) } else { Some(i) };
    match at.and_then(|i| usize::try_from(i).ok()).filter(|&i| i < n) {
        Some(i) => Ok(Some(i)),
        None => Err(Error::index(op, format!("padding_idx {i} is no row of a table of {n}"))),
    }
}

/// A table of normal numbers, with a row of zeros.
pub(super) fn table(n: usize, dim: usize, padding: Option<usize>, options: (Option<DType>, Device)) -> Result<Parameter> {
    let mut table = Tensor::normal(0.0, 1.0, [n, dim], options)?;
    if let Some(i) = padding {
        let i = i as isize;
        let zeros = Tensor::zeros([1, dim], (table.dtype(), table.device()))?;
        table = table.slice_scatter(&zeros, 0, i, i + 1, 1)?;
    }
    Parameter::new(table)
}

/// Scales down the rows that indices name and that are too large.
pub(super) fn renormalised(weight: &Parameter, indices: &Tensor, max_norm: Option<f64>, norm_type: f64) -> Result<()> {
    let Some(most) = max_norm else { return Ok(()) };
    weight.update(|table| table.embedding_renorm(&indices.reshape(-1)?, most, norm_type))
}

impl Embedding {
    fn arguments(&self) -> String {
        let padding = self.padding_idx.map_or(String::new(), |i| format!(", padding_idx={i}"));
        format!("{}, {}{padding}", self.settings.num_embeddings, self.settings.embedding_dim)
    }
}

impl Forward for Embedding {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let s = &self.settings;
            renormalised(&self.weight, x, s.max_norm, s.norm_type)?;
            let with = EmbeddingOptions { padding_idx: self.padding_idx.map(|i| i as isize), scale_grad_by_freq: s.scale_grad_by_freq };
            functional::embedding(x, &self.weight.try_tensor()?, with)
        })
    }
}
