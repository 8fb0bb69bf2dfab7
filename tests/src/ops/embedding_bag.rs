//! Bags of embeddings.

use rushlight_tensor::{BagMode, EmbeddingBag, Tensor};

use crate::args::Args;
use crate::outcome::CaseResult;
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    r.op("nn.functional.embedding_bag", embedding_bag);
}

fn embedding_bag(a: &mut Args) -> CaseResult<Tensor> {
    let (indices, mut weight, offsets) = (a.tensor("input")?, a.tensor("weight")?, a.opt_tensor("offsets")?);
    let (max_norm, norm_type) = (a.opt_float("max_norm")?, a.float_or("norm_type", 2.0)?);
    let scale_grad_by_freq = a.bool_or("scale_grad_by_freq", false)?;
    let modes = [("sum", Some(BagMode::Sum)), ("mean", Some(BagMode::Mean)), ("max", Some(BagMode::Max))];
    let mode = a.choice("mode", "mean", &modes)?;
    // How the gradient is stored.
    a.bool_or("sparse", false)?;
    let per_sample_weights = a.opt_tensor("per_sample_weights")?;
    let include_last_offset = a.bool_or("include_last_offset", false)?;
    let padding_idx = a.opt_int("padding_idx")?;
    if let Some(max_norm) = max_norm {
        weight = weight.embedding_renorm(&indices, max_norm, norm_type)?;
        a.changed("weight", weight.with_trace(None));
    }
    let with = EmbeddingBag {
        offsets: offsets.as_ref(),
        mode,
        per_sample_weights: per_sample_weights.as_ref(),
        include_last_offset,
        padding_idx,
        scale_grad_by_freq,
    };
    Ok(weight.embedding_bag(&indices, with)?)
}
