//! The models of training curves that read images row by row.

use rushlight_nn::{Forward, GRU, LSTM, Layer, Linear, Module, RNN};
use rushlight_tensor::{Result, Tensor};
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
