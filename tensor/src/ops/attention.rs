//! Scaled dot product attention.

mod multi_head;

use rushlight_backend::op::Attention;
use rushlight_backend::{DType, Error, Result, broadcast_shapes};

pub use multi_head::{InProjection, MultiHeadAttention};

use crate::{Tensor, Tensors, apply};

/// The parameters of [`Tensor::scaled_dot_product_attention`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttentionOptions<'a> {
    /// Broadcast to `[.., l, s]`: a `bool` mask is true where a query sees a key, any other is added to the scores.
    pub mask: Option<&'a Tensor>,
    /// The probability with which elements of the attention weights are zeroed.
    pub dropout_p: f64,
    /// Whether query i sees only the keys 0 to i; not together with a mask.
    pub is_causal: bool,
    /// What the products of queries and keys are multiplied by; by default 1 over the square root of the features.
    pub scale: Option<f64>,
    /// Whether keys and values may have fewer heads (the third dimension from the end) than the queries: each serves several.
    pub enable_gqa: bool,
}

/// Keys or values `[n, key heads, s, e]` with each head repeated for the queries that it serves.
///
/// # Errors
/// If there are not whole groups of heads.
pub fn repeat_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let &[n, own, s, e] = x.shape() else {
        return Err(Error::shape("attention", format!("wants [n, heads, s, e], got {:?}", x.shape())));
    };
    if own == heads {
        return Ok(x.clone());
    }
    if own == 0 || !heads.is_multiple_of(own) {
        return Err(Error::shape("attention", format!("{heads} heads of queries cannot share {own} heads of keys")));
    }
    x.unsqueeze(2)?.expand([n, own, heads / own, s, e])?.reshape([n, heads, s, e])
}

/// The scores: `scale * q k' + mask`, minus infinity where a key lies ahead.
fn scores(q: &Tensor, k: &Tensor, mask: Option<&Tensor>, scale: f64, causal: bool) -> Result<Tensor> {
    let mut scores = q.mul(scale)?.matmul(&k.transpose(-1, -2)?)?;
    if let Some(mask) = mask {
        scores = scores.add(mask)?;
    }
    if causal {
        let numbers = |n: usize| Tensor::arange(0, n, 1, (DType::I64, q.device()));
        let ahead = numbers(k.size(-2)?)?.gt(&numbers(q.size(-2)?)?.unsqueeze(1)?)?;
        scores = scores.masked_fill(&ahead, f64::NEG_INFINITY)?;
    }
    Ok(scores)
}

/// The softmax of scores; rows of minus infinities, which only a mask makes, are zero.
fn weights(scores: &Tensor, masked: bool) -> Result<Tensor> {
    if !masked || scores.numel() == 0 {
        return scores.softmax(-1);
    }
    let none = scores.amax(-1, true)?.eq(f64::NEG_INFINITY)?;
    scores.masked_fill(&none, 0)?.softmax(-1)?.masked_fill(&none, 0)
}

/// `softmax(scale * q k' + mask)` for queries `[.., l, e]` and keys `[.., s, e]`: how much each query sees of each key. Rows without any key are zero. The
/// mask is added.
///
/// # Errors
/// If shapes or dtypes do not fit.
pub fn attention_weights(q: &Tensor, k: &Tensor, mask: Option<&Tensor>, scale: f64, causal: bool) -> Result<Tensor> {
    weights(&scores(q, k, mask, scale, causal)?, mask.is_some())
}

impl Tensor {
    /// `softmax(q k' / sqrt(e) + mask) v`, where this tensor holds the queries `[.., l, e]`; keys are `[.., s, e]`, values `[.., s, d]`, the result
    /// `[.., l, d]`. Dimensions in front are broadcast. Queries that see no key give zeros. Without dropout the scores are never held as a whole.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or there are both a mask and `is_causal`.
    ///
    /// ```
    /// # use rushlight_tensor::{AttentionOptions, Tensor};
    /// let q = Tensor::new(&[[1.0f32, 0.0]])?;
    /// let v = Tensor::new(&[[1.0f32], [3.0]])?;
    /// let y = q.scaled_dot_product_attention(&Tensor::zeros([2, 2], ())?, &v, AttentionOptions::default())?;
    /// assert_eq!(y.to_vec::<f32>()?, [2.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn scaled_dot_product_attention(&self, key: &Tensor, value: &Tensor, options: AttentionOptions<'_>) -> Result<Tensor> {
        let op = "scaled_dot_product_attention";
        let AttentionOptions { mask, dropout_p, is_causal, scale, enable_gqa } = options;
        let wrong = || {
            Error::shape(
                op,
                format!(
                    "wants queries [.., l, e], keys [.., s, e] and values [.., s, d], got {:?}, {:?} and {:?}",
                    self.shape(),
                    key.shape(),
                    value.shape()
                ),
            )
        };
        let kept = if enable_gqa { 3 } else { 2 };
        if [self, key, value].iter().any(|t| t.dim() < kept)
            || self.size(-1)? != key.size(-1)?
            || key.size(-2)? != value.size(-2)?
            || (enable_gqa && key.size(-3)? != value.size(-3)?)
        {
            return Err(wrong());
        }
        if mask.is_some() && is_causal {
            return Err(Error::value(op, "takes a mask or is_causal, not both"));
        }
        if let Some(mask) = mask {
            if mask.dim() < 2 {
                return Err(Error::shape(op, format!("wants a mask of at least two dimensions, got {:?}", mask.shape())));
            }
            if mask.dtype() != DType::Bool && !mask.dtype().is_float() {
                return Err(Error::dtype(op, format!("wants a mask of bool or floats, got {}", mask.dtype())));
            }
            if ![DType::Bool, DType::F32, self.dtype()].contains(&mask.dtype()) {
                return Err(Error::dtype(
                    op,
                    format!("wants a mask of bool, float32 or the queries' {}, got {}", self.dtype(), mask.dtype()),
                ));
            }
        }
        if !(0.0..=1.0).contains(&dropout_p) {
            return Err(Error::value(op, format!("the dropout probability must lie in 0 to 1, got {dropout_p}")));
        }
        // The usual case, without any of what follows.
        if let (&[n, h, ..], &[nk, hk, ..], &[nv, hv, ..]) = (self.shape(), key.shape(), value.shape())
            && self.dim() == 4
            && (key.dim(), value.dim(), mask.is_none(), dropout_p) == (4, 4, true, 0.0)
            && (nk, nv, hv) == (n, n, hk)
            && (hk == h || enable_gqa)
        {
            let scale = scale.unwrap_or(1.0 / (self.size(-1)?.max(1) as f64).sqrt());
            return Ok(apply(Attention::Forward { scale, causal: is_causal }, [self, key, value])?.swap_remove(0));
        }
        // All of them as [n, heads, .., ..]: dimensions in front are broadcast, and those that are too many become one.
        let front = |t: &Tensor| t.shape()[..t.dim() - kept].to_vec();
        let lead = broadcast_shapes(op, &[&front(self), &front(key), &front(value)])?;
        let four = |t: &Tensor| -> Result<Tensor> {
            let own = &t.shape()[t.dim() - kept..];
            let whole: Vec<usize> = lead.iter().chain(own).copied().collect();
            let flat = whole[..whole.len() - 3.min(whole.len())].iter().product::<usize>();
            let heads = if whole.len() > 2 { whole[whole.len() - 3] } else { 1 };
            t.expand(whole.as_slice())?.reshape([flat, heads, t.size(-2)?, t.size(-1)?])
        };
        let (q, k, v) = (four(self)?, four(key)?, four(value)?);
        let heads: &[usize] = if enable_gqa { &self.shape()[self.dim() - 3..][..1] } else { &[] };
        let shape = |last: [usize; 2]| lead.iter().chain(heads).chain(&last).copied().collect::<Vec<usize>>();
        let (l, s) = (self.size(-2)?, key.size(-2)?);
        let mask = match mask {
            None => None,
            Some(mask) => {
                let mask = match mask.dtype() {
                    DType::Bool => mask.where_(0.0, f64::NEG_INFINITY)?.to_dtype(q.dtype())?,
                    _ => mask.to_dtype(q.dtype())?,
                };
                let missing = 4usize.saturating_sub(mask.dim());
                let padded: Vec<usize> = std::iter::repeat_n(1, missing).chain(mask.shape().iter().copied()).collect();
                let whole = shape([l, s]);
                let fits = whole.len() <= 4 && padded.len() == 4;
                Some(if fits {
                    mask.reshape(padded)?
                } else {
                    mask.expand(whole.as_slice())?.reshape([q.shape()[0], q.shape()[1], l, s])?
                })
            }
        };
        let scale = scale.unwrap_or(1.0 / (self.size(-1)?.max(1) as f64).sqrt());
        let y = if dropout_p > 0.0 {
            let (k, v) = (repeat_heads(&k, q.shape()[1])?, repeat_heads(&v, q.shape()[1])?);
            attention_weights(&q, &k, mask.as_ref(), scale, is_causal)?.dropout(dropout_p, true)?.matmul(&v)?
        } else {
            let op = Attention::Forward { scale, causal: is_causal };
            match &mask {
                None => apply(op, [&q, &k, &v])?.swap_remove(0),
                Some(mask) => apply(op, [&q, &k, &v, mask])?.swap_remove(0),
            }
        };
        y.reshape(shape([l, value.size(-1)?]))
    }
}

/// The operations in smaller ones; half precision is computed in single.
pub(crate) fn decompose(op: &Attention, inputs: &[&Tensor]) -> Option<Result<Tensors>> {
    let dtype = inputs.first()?.dtype();
    Some(if matches!(dtype, DType::F16 | DType::BF16) {
        let wide = || -> Result<Tensors> {
            let inputs = inputs.iter().map(|x| x.to_dtype(DType::F32)).collect::<Result<Tensors>>()?;
            apply(*op, &inputs)?.iter().map(|y| y.to_dtype(dtype)).collect()
        };
        wide()
    } else {
        composed(op, inputs)
    })
}

fn composed(op: &Attention, inputs: &[&Tensor]) -> Result<Tensors> {
    Ok(match (*op, inputs) {
        (Attention::Forward { scale, causal }, &[q, k, v, ref mask @ ..]) => {
            let heads = q.shape()[1];
            let (k, v) = (repeat_heads(k, heads)?, repeat_heads(v, heads)?);
            let scores = scores(q, &k, mask.first().copied(), scale, causal)?;
            smallvec::smallvec![weights(&scores, !mask.is_empty())?.matmul(&v)?, scores.logsumexp(-1, false)?]
        }
        // From queries, keys and values alone, so that the derivative of this sees all that depends on them.
        (Attention::Grad { scale, causal }, &[g, q, k, v, _, _, ref mask @ ..]) => {
            let heads = q.shape()[1];
            let (wide_k, wide_v) = (repeat_heads(k, heads)?, repeat_heads(v, heads)?);
            let p = attention_weights(q, &wide_k, mask.first().copied(), scale, causal)?;
            let along = g.mul(&p.matmul(&wide_v)?)?.sum_dim(-1, true)?;
            let d = g.matmul(&wide_v.transpose(-1, -2)?)?.sub(&along)?.mul(&p)?.mul(scale)?;
            let narrow = |t: Tensor, like: &Tensor| -> Result<Tensor> {
                let &[n, own, s, e] = like.shape() else { return Ok(t) };
                if own == heads { Ok(t) } else { t.reshape([n, own, heads / own, s, e])?.sum_dim(2, false) }
            };
            let dk = narrow(d.transpose(-1, -2)?.matmul(q)?, k)?;
            let dv = narrow(p.transpose(-1, -2)?.matmul(g)?, v)?;
            smallvec::smallvec![d.matmul(&wide_k)?, dk, dv]
        }
        _ => return Err(Error::value("attention", "takes other inputs")),
    })
}
