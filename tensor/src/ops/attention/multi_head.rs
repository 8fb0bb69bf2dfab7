//! Attention of several heads, with its projections.

use rushlight_backend::promote::promote_types;
use rushlight_backend::{DType, Error, Result};

use super::AttentionOptions;
use crate::Tensor;

const OP: &str = "multi_head_attention_forward";

/// The weights that project queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub enum InProjection<'a> {
    /// One `[3 e, e]`: for queries, keys and values, one below the other.
    Packed(&'a Tensor),
    /// One each: `[e, e]`, `[e, key features]`, `[e, value features]`.
    Separate([&'a Tensor; 3]),
}

/// The arguments of [`Tensor::multi_head_attention`] beside queries, keys and values; [`new`](MultiHeadAttention::new) has PyTorch's defaults.
#[derive(Clone, Copy, Debug)]
pub struct MultiHeadAttention<'a> {
    /// The number of heads; it divides the features.
    pub num_heads: usize,
    /// The projections of the inputs.
    pub in_proj: InProjection<'a>,
    /// Added to the projected queries, keys and values: `[3 e]`.
    pub in_proj_bias: Option<&'a Tensor>,
    /// Further keys and values, `[1, 1, e]`; both or neither.
    pub bias_k: Option<&'a Tensor>,
    /// See `bias_k`.
    pub bias_v: Option<&'a Tensor>,
    /// Whether there is a further key and value of zeros.
    pub add_zero_attn: bool,
    /// The probability with which attention weights are zeroed in training.
    pub dropout_p: f64,
    /// The projection of the result: `[e, e]`.
    pub out_proj_weight: &'a Tensor,
    /// Added to the result: `[e]`.
    pub out_proj_bias: Option<&'a Tensor>,
    /// Whether this is training.
    pub training: bool,
    /// `[n, s]`: `bool`, true where a key is padding, or numbers that are added to the scores.
    pub key_padding_mask: Option<&'a Tensor>,
    /// Whether the attention weights are asked for.
    pub need_weights: bool,
    /// `[l, s]` or `[n heads, l, s]`: `bool`, true where a query must not see a key, or numbers that are added to the scores.
    pub attn_mask: Option<&'a Tensor>,
    /// Whether `attn_mask` is known to let query i see the keys 0 to i alone.
    pub is_causal: bool,
    /// Keys, as they are used: `[n heads, s, e / heads]`.
    pub static_k: Option<&'a Tensor>,
    /// Values, as they are used: `[n heads, s, e / heads]`.
    pub static_v: Option<&'a Tensor>,
    /// Whether the weights are averaged over the heads.
    pub average_attn_weights: bool,
}

impl<'a> MultiHeadAttention<'a> {
    /// With nothing but the projections.
    pub fn new(num_heads: usize, in_proj: InProjection<'a>, out_proj_weight: &'a Tensor) -> MultiHeadAttention<'a> {
        MultiHeadAttention {
            num_heads,
            in_proj,
            in_proj_bias: None,
            bias_k: None,
            bias_v: None,
            add_zero_attn: false,
            dropout_p: 0.0,
            out_proj_weight,
            out_proj_bias: None,
            training: true,
            key_padding_mask: None,
            need_weights: true,
            attn_mask: None,
            is_causal: false,
            static_k: None,
            static_v: None,
            average_attn_weights: true,
        }
    }
}

/// Whether two are one tensor, to a tracer as well: what is computed of one serves the other.
fn same(a: &Tensor, b: &Tensor) -> bool {
    let one_trace = match (a.trace(), b.trace()) {
        (None, None) => true,
        (Some(a), Some(b)) => a.is_same(b),
        _ => false,
    };
    one_trace && a.is_same(b)
}

/// A mask as numbers to add.
fn added(mask: &Tensor, dtype: DType, what: &str) -> Result<Tensor> {
    match mask.dtype() {
        DType::Bool => mask.where_(f64::NEG_INFINITY, 0.0)?.to_dtype(dtype),
        d if d.is_float() => mask.to_dtype(dtype),
        d => Err(Error::dtype(OP, format!("{what} must be bool or floating point, got {d}"))),
    }
}

/// One more column, of zeros, for a further key.
fn one_more(mask: Option<Tensor>) -> Result<Option<Tensor>> {
    mask.map(|m| {
        let mut column = m.shape().to_vec();
        if let Some(last) = column.last_mut() {
            *last = 1;
        }
        Tensor::cat(&[m.clone(), Tensor::zeros(column, (m.dtype(), m.device()))?], -1)
    })
    .transpose()
}

impl Tensor {
    /// Multi-head attention: queries (this tensor) `[l, n, e]`, keys `[s, n, ..]` and values `[s, n, ..]`, or all without n, are projected, attention is computed
    /// in each head, and the heads' results side by side are projected. Gives `[l, n, e]`, and the attention weights if they are asked for: averaged over
    /// the heads `[n, l, s]`, or `[n, heads, l, s]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn multi_head_attention(&self, key: &Tensor, value: &Tensor, with: &MultiHeadAttention<'_>) -> Result<(Tensor, Option<Tensor>)> {
        let rank = self.dim();
        if !matches!(rank, 2 | 3) || key.dim() != rank || value.dim() != rank {
            return Err(Error::shape(
                OP,
                format!(
                    "wants queries, keys and values of 3 dimensions, or of 2 without a batch, got {:?}, {:?} and {:?}",
                    self.shape(),
                    key.shape(),
                    value.shape()
                ),
            ));
        }
        if rank == 2 {
            let same = (same(key, self), same(value, self));
            let q = self.unsqueeze(1)?;
            let k = if same.0 { q.clone() } else { key.unsqueeze(1)? };
            let v = if same.1 { q.clone() } else { value.unsqueeze(1)? };
            let padding = with.key_padding_mask.map(|m| m.unsqueeze(0)).transpose()?;
            let with = MultiHeadAttention { key_padding_mask: padding.as_ref(), ..*with };
            let (y, weights) = q.multi_head_attention(&k, &v, &with)?;
            return Ok((y.squeeze_dim(1)?, weights.map(|w| w.squeeze_dim(0)).transpose()?));
        }
        let (l, n, e) = (self.shape()[0], self.shape()[1], self.shape()[2]);
        let heads = with.num_heads;
        if heads == 0 || e % heads != 0 {
            return Err(Error::value(OP, format!("{e} features cannot be divided into {heads} heads")));
        }
        if key.shape()[..2] != value.shape()[..2] || key.shape()[1] != n {
            return Err(Error::shape(
                OP,
                format!("keys {:?} and values {:?} do not fit queries {:?}", key.shape(), value.shape(), self.shape()),
            ));
        }
        let [q, k, v] = self.project(key, value, with)?;
        let dtype = q.dtype();
        // Under autocast the queries have another type than they came with, and masks follow.
        if dtype == self.dtype() {
            check_masks(with, dtype)?;
        }
        let mut mask = with.attn_mask.map(|m| added(m, dtype, "attn_mask")).transpose()?;
        let mut padding = with.key_padding_mask.map(|m| added(m, dtype, "key_padding_mask")).transpose()?;
        let size = e / heads;
        let (mut k, mut v) = match (with.bias_k, with.bias_v) {
            (Some(bk), Some(bv)) => {
                for (name, b) in [("bias_k", bk), ("bias_v", bv)] {
                    if b.shape().last() != Some(&e) {
                        return Err(Error::shape(OP, format!("{name} of shape {:?} is not [1, 1, {e}]", b.shape())));
                    }
                }
                let further = |b: &Tensor| b.expand([1, n, e]);
                (mask, padding) = (one_more(mask)?, one_more(padding)?);
                (Tensor::cat(&[k, further(bk)?], 0)?, Tensor::cat(&[v, further(bv)?], 0)?)
            }
            (None, None) => (k, v),
            _ => return Err(Error::value(OP, "bias_k and bias_v go together")),
        };
        // [n, heads, .., size]
        let apart = |t: &Tensor| t.reshape([t.shape()[0], n, heads, size])?.permute([1, 2, 0, 3]);
        let given = |t: &Tensor, name: &str| -> Result<Tensor> {
            if t.dim() != 3 || t.shape()[0] != n * heads || t.shape()[2] != size {
                return Err(Error::shape(OP, format!("{name} of shape {:?} is not [{}, s, {size}]", t.shape(), n * heads)));
            }
            t.reshape([n, heads, t.shape()[1], size])
        };
        let q = apart(&q)?;
        k = with.static_k.map_or_else(|| apart(&k), |t| given(t, "static_k"))?;
        v = with.static_v.map_or_else(|| apart(&v), |t| given(t, "static_v"))?;
        if with.add_zero_attn {
            let zeros = Tensor::zeros([n, heads, 1, size], (dtype, q.device()))?;
            (k, v) = (Tensor::cat(&[k, zeros.clone()], 2)?, Tensor::cat(&[v, zeros], 2)?);
            (mask, padding) = (one_more(mask)?, one_more(padding)?);
        }
        let s = k.shape()[2];
        let causal = with.is_causal && padding.is_none() && !with.need_weights && mask.is_some();
        let mask = if causal { None } else { joined(mask, padding, [n, heads, l, s])? };
        let p = if with.training { with.dropout_p } else { 0.0 };
        let (y, weights) = if with.need_weights {
            let scores = q.mul(1.0 / (size as f64).sqrt())?.matmul(&k.transpose(-1, -2)?)?;
            let scores = mask.map_or(Ok(scores.clone()), |m| scores.add(&m))?;
            let weights = scores.softmax(-1)?.dropout(p, true)?;
            let shown = if with.average_attn_weights { weights.mean_dim(1, false)? } else { weights.clone() };
            (weights.matmul(&v)?, Some(shown))
        } else {
            let options = AttentionOptions { mask: mask.as_ref(), dropout_p: p, is_causal: causal, ..AttentionOptions::default() };
            (q.scaled_dot_product_attention(&k, &v, options)?, None)
        };
        let y = y.permute([2, 0, 1, 3])?.reshape([l, n, e])?.linear(with.out_proj_weight, with.out_proj_bias)?;
        Ok((y, weights))
    }

    /// The projected queries, keys and values. Those that are one tensor and have one weight are projected at once.
    fn project(&self, key: &Tensor, value: &Tensor, with: &MultiHeadAttention<'_>) -> Result<[Tensor; 3]> {
        let e = self.shape()[2];
        let bias = |i: usize| with.in_proj_bias.map(|b| b.narrow(0, (i * e) as isize, e)).transpose();
        if let Some(b) = with.in_proj_bias.filter(|b| b.shape() != [3 * e]) {
            return Err(Error::shape(OP, format!("in_proj_bias of shape {:?} does not fit {e} features", b.shape())));
        }
        let inputs = [self, key, value];
        let weights = match with.in_proj {
            InProjection::Packed(w) => {
                if w.shape() != [3 * e, e] {
                    return Err(Error::shape(OP, format!("in_proj_weight of shape {:?} does not fit {e} features", w.shape())));
                }
                if same(key, self) && same(value, self) {
                    let all = self.linear(w, with.in_proj_bias)?;
                    let part = |i: usize| all.narrow(-1, (i * e) as isize, e);
                    return Ok([part(0)?, part(1)?, part(2)?]);
                }
                let part = |i: usize| w.narrow(0, (i * e) as isize, e);
                [part(0)?, part(1)?, part(2)?]
            }
            InProjection::Separate(w) => w.map(Clone::clone),
        };
        let one = |i: usize| {
            if weights[i].shape() != [e, inputs[i].shape()[2]] {
                return Err(Error::shape(
                    OP,
                    format!("a projection of shape {:?} does not take {:?} to {e} features", weights[i].shape(), inputs[i].shape()),
                ));
            }
            inputs[i].linear(&weights[i], bias(i)?.as_ref())
        };
        Ok([one(0)?, one(1)?, one(2)?])
    }
}

/// The type that masks of floats have together must be that of the scores they are added to; where no weights are asked for, float32 is taken too.
fn check_masks(with: &MultiHeadAttention<'_>, dtype: DType) -> Result<()> {
    let given = [with.attn_mask, with.key_padding_mask].into_iter().flatten();
    let together = given.map(|m| if m.dtype() == DType::Bool { dtype } else { m.dtype() }).reduce(promote_types);
    match together {
        Some(d) if d.is_float() && d != dtype && (with.need_weights || d != DType::F32) => {
            Err(Error::dtype(OP, format!("wants masks of bool or of the queries' {dtype}, got {d}")))
        }
        _ => Ok(()),
    }
}

/// Both masks in one that is broadcast to `[n, heads, l, s]`.
fn joined(mask: Option<Tensor>, padding: Option<Tensor>, whole: [usize; 4]) -> Result<Option<Tensor>> {
    let [n, heads, l, s] = whole;
    let mask = mask
        .map(|m| match m.shape() {
            &[a, b] if [a, b] == [l, s] => m.reshape([1, 1, l, s]),
            &[a, b, c] if [a, b, c] == [n * heads, l, s] => m.reshape(whole),
            shape => Err(Error::shape(OP, format!("attn_mask of shape {shape:?} is neither [{l}, {s}] nor [{}, {l}, {s}]", n * heads))),
        })
        .transpose()?;
    let padding = padding
        .map(|m| {
            if m.shape() == [n, s] {
                m.reshape([n, 1, 1, s])
            } else {
                Err(Error::shape(OP, format!("key_padding_mask of shape {:?} is not [{n}, {s}]", m.shape())))
            }
        })
        .transpose()?;
    Ok(match (mask, padding) {
        (Some(m), Some(p)) => Some(m.add(&p)?),
        (m, p) => m.or(p),
    })
}
