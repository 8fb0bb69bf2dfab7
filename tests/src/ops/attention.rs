//! Attention.

use rushlight_tensor::{AttentionOptions, InProjection, MultiHeadAttention};

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    r.op("nn.functional.scaled_dot_product_attention", |a| {
        let (q, k, v) = (a.tensor("query")?, a.tensor("key")?, a.tensor("value")?);
        let (mask, dropout_p) = (a.opt_tensor("attn_mask")?, a.float_or("dropout_p", 0.0)?);
        let (is_causal, scale) = (a.bool_or("is_causal", false)?, a.opt_float("scale")?);
        let options = AttentionOptions { mask: mask.as_ref(), dropout_p, is_causal, scale, enable_gqa: a.bool_or("enable_gqa", false)? };
        Ok(q.scaled_dot_product_attention(&k, &v, options)?)
    });
    r.op("nn.functional.multi_head_attention_forward", multi_head);
}

fn multi_head(a: &mut Args) -> CaseResult<Vec<Value>> {
    let (q, k, v) = (a.tensor("query")?, a.tensor("key")?, a.tensor("value")?);
    if a.size("embed_dim_to_check")? != q.size(-1)? {
        return Err(CaseError::Untypable("the size of the embedding is the query's own".to_string()));
    }
    let num_heads = a.size("num_heads")?;
    let (packed, in_proj_bias) = (a.opt_tensor("in_proj_weight")?, a.opt_tensor("in_proj_bias")?);
    let (bias_k, bias_v) = (a.opt_tensor("bias_k")?, a.opt_tensor("bias_v")?);
    let (add_zero_attn, dropout_p) = (a.bool_or("add_zero_attn", false)?, a.float_or("dropout_p", 0.0)?);
    let (out_weight, out_bias) = (a.tensor("out_proj_weight")?, a.opt_tensor("out_proj_bias")?);
    let training = a.bool_or("training", true)?;
    let padding = a.opt_tensor("key_padding_mask")?;
    let need_weights = a.bool_or("need_weights", true)?;
    let mask = a.opt_tensor("attn_mask")?;
    let separate = a.bool_or("use_separate_proj_weight", false)?;
    let each = [a.opt_tensor("q_proj_weight")?, a.opt_tensor("k_proj_weight")?, a.opt_tensor("v_proj_weight")?];
    let (static_k, static_v) = (a.opt_tensor("static_k")?, a.opt_tensor("static_v")?);
    let (average_attn_weights, is_causal) = (a.bool_or("average_attn_weights", true)?, a.bool_or("is_causal", false)?);
    let in_proj = match (&packed, &each) {
        (_, [Some(q), Some(k), Some(v)]) if separate => InProjection::Separate([q, k, v]),
        (Some(w), _) => InProjection::Packed(w),
        _ => return Err(CaseError::Untypable("the projections are one of two kinds".to_string())),
    };
    let with = MultiHeadAttention {
        in_proj_bias: in_proj_bias.as_ref(),
        bias_k: bias_k.as_ref(),
        bias_v: bias_v.as_ref(),
        add_zero_attn,
        dropout_p,
        out_proj_bias: out_bias.as_ref(),
        training,
        key_padding_mask: padding.as_ref(),
        need_weights,
        attn_mask: mask.as_ref(),
        is_causal,
        static_k: static_k.as_ref(),
        static_v: static_v.as_ref(),
        average_attn_weights,
        ..MultiHeadAttention::new(num_heads, in_proj, &out_weight)
    };
    let (y, weights) = q.multi_head_attention(&k, &v, &with)?;
    Ok([Some(y), weights].into_iter().flatten().map(Value::from).collect())
}
