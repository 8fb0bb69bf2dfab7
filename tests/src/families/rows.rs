//! The models of training curves that read images row by row.

use rushlight_nn::{Activation, Embedding, Forward, GRU, LSTM, Layer, Linear, Module, RNN, TransformerEncoder, TransformerEncoderLayer};
use rushlight_tensor::{DType, Result, Tensor};
use serde_json::Value as Json;

use crate::outcome::{CaseError, CaseResult};

pub(super) fn number(spec: &Json, name: &str) -> CaseResult<usize> {
    let n = spec[name].as_u64().and_then(|n| usize::try_from(n).ok());
    Ok(n.ok_or_else(|| format!("a model without {name}"))?)
}

/// A recurrent network over the rows, and a linear map of its last output.
#[derive(Module)]
pub(super) struct RowRnn {
    rnn: Box<dyn Layer>,
    head: Linear,
}

impl RowRnn {
    pub(super) fn new(spec: &Json) -> CaseResult<RowRnn> {
        let (hidden, layers) = (number(spec, "hidden")?, number(spec, "num_layers")?);
        let rnn: Box<dyn Layer> = match spec["kind"].as_str() {
            Some("RNN") => Box::new(RNN::builder(8, hidden).num_layers(layers).batch_first(true).build()?),
            Some("LSTM") => Box::new(LSTM::builder(8, hidden).num_layers(layers).batch_first(true).build()?),
            Some("GRU") => Box::new(GRU::builder(8, hidden).num_layers(layers).batch_first(true).build()?),
            other => return Err(CaseError::Missing(format!("a network of kind {other:?}"))),
        };
        Ok(RowRnn { rnn, head: Linear::new(hidden, 10)? })
    }
}

impl Forward for RowRnn {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.head.forward(&self.rnn.forward(x)?.select(1, -1)?)
    }
}

/// A transformer over the rows, and a linear map of the mean over them.
#[derive(Module)]
pub(super) struct RowTransformer {
    embed: Linear,
    pos: Embedding,
    encoder: TransformerEncoder,
    head: Linear,
}

impl RowTransformer {
    pub(super) fn new(spec: &Json) -> CaseResult<RowTransformer> {
        let d_model = number(spec, "d_model")?;
        let (embed, pos) = (Linear::new(8, d_model)?, Embedding::new(8, d_model)?);
        let layer = TransformerEncoderLayer::builder(d_model, number(spec, "nhead")?).dim_feedforward(number(spec, "dim_feedforward")?);
        let activation = if spec["activation"] == "gelu" { Activation::Gelu } else { Activation::Relu };
        let layer = layer.dropout(0.0).activation(activation).batch_first(true);
        let layer = layer.norm_first(spec["norm_first"].as_bool().unwrap_or(false));
        let encoder = TransformerEncoder::new(layer, number(spec, "num_layers")?)?;
        Ok(RowTransformer { embed, pos, encoder, head: Linear::new(d_model, 10)? })
    }
}

impl Forward for RowTransformer {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let positions = Tensor::arange(0, 8, 1, DType::I64)?;
        let x = self.embed.forward(x)?.add(&self.pos.forward(&positions)?)?;
        self.head.forward(&self.encoder.forward(&x)?.mean_dim(1, false)?)
    }
}
