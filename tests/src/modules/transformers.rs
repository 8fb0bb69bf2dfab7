//! Attention, transformers, and the adaptive softmax.

use rushlight_nn::{self as nn, AttentionArgs, Masks};
use rushlight_tensor::Tensor;

use super::{Called, Modules};
use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};

fn activation(a: &mut Args) -> CaseResult<nn::Activation> {
    a.choice("activation", "relu", &[("relu", Some(nn::Activation::Relu)), ("gelu", Some(nn::Activation::Gelu))])
}

/// A layer's builder from its arguments; the names of sizes come first, as in PyTorch.
macro_rules! layer {
    ($a:expr, $module:ident) => {{
        let a: &mut Args = $a;
        let builder = nn::$module::builder(a.size("d_model")?, a.size("nhead")?);
        let builder = builder.dim_feedforward(a.opt_size("dim_feedforward")?.unwrap_or(2048)).dropout(a.float_or("dropout", 0.1)?);
        let builder = builder.activation(activation(a)?).layer_norm_eps(a.float_or("layer_norm_eps", 1e-5)?);
        let builder = builder.batch_first(a.bool_or("batch_first", false)?).norm_first(a.bool_or("norm_first", false)?);
        builder.bias(a.bool_or("bias", true)?)
    }};
}

/// The masks of a call, under PyTorch's names.
#[derive(Default)]
struct Given {
    mask: Option<Tensor>,
    padding: Option<Tensor>,
    causal: Option<bool>,
    memory: Option<Tensor>,
    memory_padding: Option<Tensor>,
    memory_causal: bool,
}

impl Given {
    fn masks(&self) -> Masks<'_> {
        Masks {
            mask: self.mask.as_ref(),
            key_padding_mask: self.padding.as_ref(),
            is_causal: self.causal,
            memory_mask: self.memory.as_ref(),
            memory_key_padding_mask: self.memory_padding.as_ref(),
            memory_is_causal: self.memory_causal,
        }
    }
}

/// A flag that may be None.
fn known(a: &mut Args, name: &str) -> CaseResult<Option<bool>> {
    match a.peek(name) {
        None | Some(Value::None) => a.none(name).map(|()| None),
        _ => a.bool_or(name, false).map(Some),
    }
}

fn flag(a: &mut Args, name: &str) -> CaseResult<bool> {
    Ok(known(a, name)?.unwrap_or(false))
}

fn encoder_masks(a: &mut Args, mask: &str) -> CaseResult<Given> {
    let (mask, padding) = (a.opt_tensor(mask)?, a.opt_tensor("src_key_padding_mask")?);
    Ok(Given { mask, padding, causal: known(a, "is_causal")?, ..Given::default() })
}

fn decoder_masks(a: &mut Args) -> CaseResult<Given> {
    let (mask, memory) = (a.opt_tensor("tgt_mask")?, a.opt_tensor("memory_mask")?);
    let (padding, memory_padding) = (a.opt_tensor("tgt_key_padding_mask")?, a.opt_tensor("memory_key_padding_mask")?);
    Ok(Given { mask, padding, causal: known(a, "tgt_is_causal")?, memory, memory_padding, memory_causal: flag(a, "memory_is_causal")? })
}

/// The arguments of the layer of a stack: under `layer`, or, where only a state is recorded, beside `num_layers`.
fn stacked(a: &mut Args) -> CaseResult<(Option<Args>, usize)> {
    let inner = match a.take_named("layer") {
        Some(Value::Map(entries)) => Some(Args::new(Vec::new(), entries)),
        None => None,
        Some(other) => return Err(CaseError::Missing(format!("`layer` as {}", other.kind()))),
    };
    Ok((inner, a.size("num_layers")?))
}

macro_rules! stack {
    ($a:ident, $stack:ident, $layer:ident) => {{
        let (inner, layers) = stacked($a)?;
        let mut inner = inner;
        let d_model = match &mut inner {
            Some(inner) => inner.peek("d_model").cloned(),
            None => $a.peek("d_model").cloned(),
        };
        let builder = match &mut inner {
            Some(inner) => layer!(inner, $layer),
            None => layer!($a, $layer),
        };
        if let Some(unused) = inner.and_then(|i| i.unused()) {
            return Err(CaseError::Missing(unused));
        }
        let stack = nn::$stack::new(builder, layers)?;
        match (flag($a, "final_norm")?, d_model) {
            (true, Some(Value::Int(d))) => stack.norm(nn::LayerNorm::new(d as isize)?),
            _ => stack,
        }
    }};
}

pub(super) fn register(m: &mut Modules) {
    m.other("MultiheadAttention", |a| {
        let builder = nn::MultiheadAttention::builder(a.size("embed_dim")?, a.size("num_heads")?).dropout(a.float_or("dropout", 0.0)?);
        let builder = builder.bias(a.bool_or("bias", true)?).add_bias_kv(a.bool_or("add_bias_kv", false)?);
        let mut builder = builder.add_zero_attn(a.bool_or("add_zero_attn", false)?);
        if let Some(k) = a.opt_size("kdim")? {
            builder = builder.kdim(k);
        }
        if let Some(v) = a.opt_size("vdim")? {
            builder = builder.vdim(v);
        }
        let module = builder.batch_first(a.bool_or("batch_first", false)?).build()?;
        let call = |m: &nn::MultiheadAttention, a: &mut Args| -> CaseResult<Vec<Value>> {
            let (q, k, v) = (a.tensor("query")?, a.tensor("key")?, a.tensor("value")?);
            let (padding, need_weights) = (a.opt_tensor("key_padding_mask")?, a.bool_or("need_weights", true)?);
            let (mask, average_attn_weights) = (a.opt_tensor("attn_mask")?, a.bool_or("average_attn_weights", true)?);
            let (key_padding_mask, attn_mask, is_causal) = (padding.as_ref(), mask.as_ref(), a.bool_or("is_causal", false)?);
            let args = AttentionArgs { key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal };
            let (y, weights) = m.forward(&q, &k, &v, args)?;
            Ok(vec![y.into(), weights.map_or(Value::None, Value::Tensor)])
        };
        Ok(Called { module, call })
    });
    m.other("TransformerEncoderLayer", |a| {
        let call = |m: &nn::TransformerEncoderLayer, a: &mut Args| -> CaseResult<Vec<Value>> {
            let x = a.tensor("src")?;
            Ok(vec![m.forward_with(&x, encoder_masks(a, "src_mask")?.masks())?.into()])
        };
        Ok(Called { module: layer!(a, TransformerEncoderLayer).build()?, call })
    });
    m.other("TransformerDecoderLayer", |a| {
        let call = |m: &nn::TransformerDecoderLayer, a: &mut Args| -> CaseResult<Vec<Value>> {
            let (x, memory) = (a.tensor("tgt")?, a.tensor("memory")?);
            Ok(vec![m.forward(&x, &memory, decoder_masks(a)?.masks())?.into()])
        };
        Ok(Called { module: layer!(a, TransformerDecoderLayer).build()?, call })
    });
    m.other("TransformerEncoder", |a| {
        let call = |m: &nn::TransformerEncoder, a: &mut Args| -> CaseResult<Vec<Value>> {
            let x = a.tensor("src")?;
            Ok(vec![m.forward_with(&x, encoder_masks(a, "mask")?.masks())?.into()])
        };
        Ok(Called { module: stack!(a, TransformerEncoder, TransformerEncoderLayer), call })
    });
    m.other("TransformerDecoder", |a| {
        let call = |m: &nn::TransformerDecoder, a: &mut Args| -> CaseResult<Vec<Value>> {
            let (x, memory) = (a.tensor("tgt")?, a.tensor("memory")?);
            Ok(vec![m.forward(&x, &memory, decoder_masks(a)?.masks())?.into()])
        };
        Ok(Called { module: stack!(a, TransformerDecoder, TransformerDecoderLayer), call })
    });
    m.other("Transformer", |a| {
        let builder = nn::Transformer::builder(a.opt_size("d_model")?.unwrap_or(512), a.opt_size("nhead")?.unwrap_or(8));
        let builder = builder.num_encoder_layers(a.opt_size("num_encoder_layers")?.unwrap_or(6));
        let builder = builder.num_decoder_layers(a.opt_size("num_decoder_layers")?.unwrap_or(6));
        let builder = builder.dim_feedforward(a.opt_size("dim_feedforward")?.unwrap_or(2048)).dropout(a.float_or("dropout", 0.1)?);
        let builder = builder.activation(activation(a)?).layer_norm_eps(a.float_or("layer_norm_eps", 1e-5)?);
        let builder = builder.batch_first(a.bool_or("batch_first", false)?).norm_first(a.bool_or("norm_first", false)?);
        let call = |m: &nn::Transformer, a: &mut Args| -> CaseResult<Vec<Value>> {
            let (src, tgt) = (a.tensor("src")?, a.tensor("tgt")?);
            let (src_mask, tgt_mask, memory) = (a.opt_tensor("src_mask")?, a.opt_tensor("tgt_mask")?, a.opt_tensor("memory_mask")?);
            let (src_padding, padding) = (a.opt_tensor("src_key_padding_mask")?, a.opt_tensor("tgt_key_padding_mask")?);
            let memory_padding = a.opt_tensor("memory_key_padding_mask")?;
            let causal = (known(a, "src_is_causal")?, known(a, "tgt_is_causal")?, flag(a, "memory_is_causal")?);
            let encoder = Given { mask: src_mask, padding: src_padding, causal: causal.0, ..Given::default() };
            let decoder = Given { mask: tgt_mask, padding, causal: causal.1, memory, memory_padding, memory_causal: causal.2 };
            Ok(vec![m.forward(&src, &tgt, encoder.masks(), decoder.masks())?.into()])
        };
        Ok(Called { module: builder.bias(a.bool_or("bias", true)?).build()?, call })
    });
    m.other("AdaptiveLogSoftmaxWithLoss", |a| {
        let (features, classes) = (a.size("in_features")?, a.size("n_classes")?);
        let cutoffs = a.ints("cutoffs")?.into_iter().map(|c| c as usize).collect();
        let builder = nn::AdaptiveLogSoftmaxWithLoss::builder(features, classes, cutoffs).div_value(a.float_or("div_value", 4.0)?);
        let call = |m: &nn::AdaptiveLogSoftmaxWithLoss, a: &mut Args| -> CaseResult<Vec<Value>> {
            let (output, loss) = m.forward(&a.tensor("input")?, &a.tensor("target")?)?;
            Ok(vec![output.into(), loss.into()])
        };
        Ok(Called { module: builder.head_bias(a.bool_or("head_bias", false)?).build()?, call })
    });
}
