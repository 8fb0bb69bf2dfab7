//! Attention of several heads.

use rushlight_tensor::{DType, Device, Error, InProjection, MultiHeadAttention, Result, Tensor};

use super::linear::Linear;
use crate::builder::builder;
use crate::{Mode, Module, Parameter, init};

/// Attention of several heads with its projections (Vaswani et al., 2017).
///
/// Queries are `[l, n, embed_dim]`, keys `[s, n, kdim]`, values `[s, n, vdim]`, or with `batch_first` all of them `[n, ..]` first, or all without n.
///
/// - `in_proj_weight`: `[3 * embed_dim, embed_dim]`, or, if keys or values have other sizes, `q_proj_weight`, `k_proj_weight` and `v_proj_weight`: at first
///   uniform by [`init::xavier_uniform_`];
/// - `in_proj_bias`: `[3 * embed_dim]`, at first 0;
/// - `bias_k`, `bias_v`: `[1, 1, embed_dim]`, at first normal by [`init::xavier_normal_`];
/// - `out_proj`: as [`Linear`], with a bias of 0.
#[derive(Module, Debug)]
pub struct MultiheadAttention {
    /// The projections of queries, keys and values, one below the other.
    pub in_proj_weight: Option<Parameter>,
    /// The projection of queries, where keys or values have other sizes.
    pub q_proj_weight: Option<Parameter>,
    /// The projection of keys, where these or values have other sizes.
    pub k_proj_weight: Option<Parameter>,
    /// The projection of values, where these or keys have other sizes.
    pub v_proj_weight: Option<Parameter>,
    /// Added to the projected queries, keys and values.
    pub in_proj_bias: Option<Parameter>,
    /// A further key.
    pub bias_k: Option<Parameter>,
    /// A further value.
    pub bias_v: Option<Parameter>,
    /// The projection of the heads' results.
    pub out_proj: Linear,
    mode: Mode,
    #[module(skip)]
    settings: MultiheadAttentionBuilder,
}

builder! {
    /// The arguments of [`MultiheadAttention`].
    MultiheadAttentionBuilder for MultiheadAttention(embed_dim: usize, num_heads: usize) {
        /// The probability with which attention weights are zeroed in training. Default: 0.
        dropout: f64 = 0.0;
        /// Whether projections have biases. Default: true.
        bias: bool = true;
        /// Whether there is a further key and value that is learned. Default: false.
        add_bias_kv: bool = false;
        /// Whether there is a further key and value of zeros. Default: false.
        add_zero_attn: bool = false;
        /// The size of keys. Default: `embed_dim`.
        kdim(usize; into): Option<usize> = None;
        /// The size of values. Default: `embed_dim`.
        vdim(usize; into): Option<usize> = None;
        /// Whether the batch is the first dimension. Default: false.
        batch_first: bool = false;
        /// The dtype of the parameters. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device of the parameters. Default: the CPU.
        device: Device = Device::cpu();
    }
}

impl MultiheadAttentionBuilder {
    /// Draws the parameters: out_proj, the projections of the inputs, bias_k, bias_v.
    ///
    /// # Errors
    /// If `embed_dim` cannot be divided into the heads, the probability is out of range, or the dtype is not floating point.
    pub fn build(self) -> Result<MultiheadAttention> {
        const NAME: &str = "MultiheadAttention";
        let (e, heads) = (self.embed_dim, self.num_heads);
        if e == 0 || heads == 0 || e % heads != 0 {
            return Err(Error::value(NAME, format!("embed_dim {e} must be divisible by num_heads {heads}, and neither may be 0")));
        }
        if !(0.0..=1.0).contains(&self.dropout) {
            return Err(Error::value(NAME, format!("dropout must lie in 0 to 1, got {}", self.dropout)));
        }
        let options = (self.dtype, self.device);
        let mut out_proj = Linear::builder(e, e).bias(self.bias).device(self.device);
        if let Some(dtype) = self.dtype {
            out_proj = out_proj.dtype(dtype);
        }
        let out_proj = out_proj.build()?;
        let zeros = |shape: &[usize]| Parameter::new(Tensor::zeros(shape, options)?);
        let projection = |rows: usize, columns: usize| -> Result<Option<Parameter>> {
            let p = zeros(&[rows, columns])?;
            init::xavier_uniform_(&p, 1.0)?;
            Ok(Some(p))
        };
        let (k, v) = (self.kdim.unwrap_or(e), self.vdim.unwrap_or(e));
        let (mut packed, mut separate) = (None, [None, None, None]);
        if k == e && v == e {
            packed = projection(3 * e, e)?;
        } else {
            separate = [projection(e, e)?, projection(e, k)?, projection(e, v)?];
        }
        let in_proj_bias = if self.bias { Some(zeros(&[3 * e])?) } else { None };
        if let Some(bias) = &out_proj.bias {
            init::zeros_(bias)?;
        }
        let further = || -> Result<Option<Parameter>> {
            if !self.add_bias_kv {
                return Ok(None);
            }
            let p = zeros(&[1, 1, e])?;
            init::xavier_normal_(&p, 1.0)?;
            Ok(Some(p))
        };
        let (bias_k, bias_v) = (further()?, further()?);
        let [q_proj_weight, k_proj_weight, v_proj_weight] = separate;
        Ok(MultiheadAttention {
            in_proj_weight: packed,
            q_proj_weight,
            k_proj_weight,
            v_proj_weight,
            in_proj_bias,
            bias_k,
            bias_v,
            out_proj,
            mode: Mode::new(),
            settings: self,
        })
    }
}

/// What a call of [`MultiheadAttention`] is given beside queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub struct AttentionArgs<'a> {
    /// `[n, s]`: `bool`, true where a key is padding, or numbers that are added to the scores. Default: none.
    pub key_padding_mask: Option<&'a Tensor>,
    /// Whether the attention weights are asked for. Default: true.
    pub need_weights: bool,
    /// `[l, s]` or `[n * heads, l, s]`: `bool`, true where a query must not see a key, or numbers that are added to the scores. Default: none.
    pub attn_mask: Option<&'a Tensor>,
    /// Whether the weights are averaged over the heads. Default: true.
    pub average_attn_weights: bool,
    /// Whether `attn_mask` is known to let query i see the keys 0 to i alone. Default: false.
    pub is_causal: bool,
}

impl Default for AttentionArgs<'_> {
    fn default() -> Self {
        AttentionArgs { key_padding_mask: None, need_weights: true, attn_mask: None, average_attn_weights: true, is_causal: false }
    }
}

impl MultiheadAttention {
    /// The result `[l, n, embed_dim]`, in the order of the queries' dimensions, and the attention weights if they are asked for: averaged over the heads `[n, l,
    /// s]`, or `[n, heads, l, s]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward(&self, query: &Tensor, key: &Tensor, value: &Tensor, args: AttentionArgs<'_>) -> Result<(Tensor, Option<Tensor>)> {
        crate::summary::seen(self, || {
            let s = &self.settings;
            let swap = s.batch_first && query.dim() == 3;
            // Tensors that are one stay one: their projections are then computed at once.
            let turned = |t: &Tensor| if swap && t.dim() == 3 { t.transpose(0, 1) } else { Ok(t.clone()) };
            let q = turned(query)?;
            let k = if key.is_same(query) { q.clone() } else { turned(key)? };
            let v = match () {
                () if value.is_same(key) => k.clone(),
                () if value.is_same(query) => q.clone(),
                () => turned(value)?,
            };
            let of = |p: &Option<Parameter>| p.as_ref().map(Parameter::try_tensor).transpose();
            let (packed, bias, bias_k, bias_v) = (of(&self.in_proj_weight)?, of(&self.in_proj_bias)?, of(&self.bias_k)?, of(&self.bias_v)?);
            let separate = [of(&self.q_proj_weight)?, of(&self.k_proj_weight)?, of(&self.v_proj_weight)?];
            let in_proj = match (&packed, &separate) {
                (Some(w), _) => InProjection::Packed(w),
                (None, [Some(q), Some(k), Some(v)]) => InProjection::Separate([q, k, v]),
                _ => return Err(Error::value("MultiheadAttention", "a projection is missing")),
            };
            let (out_weight, out_bias) = (self.out_proj.weight.try_tensor()?, of(&self.out_proj.bias)?);
            let with = MultiHeadAttention {
                in_proj_bias: bias.as_ref(),
                bias_k: bias_k.as_ref(),
                bias_v: bias_v.as_ref(),
                add_zero_attn: s.add_zero_attn,
                dropout_p: s.dropout,
                out_proj_bias: out_bias.as_ref(),
                training: self.mode.is_training(),
                key_padding_mask: args.key_padding_mask,
                need_weights: args.need_weights,
                attn_mask: args.attn_mask,
                is_causal: args.is_causal,
                average_attn_weights: args.average_attn_weights,
                ..MultiHeadAttention::new(s.num_heads, in_proj, &out_weight)
            };
            let (y, weights) = q.multi_head_attention(&k, &v, &with)?;
            Ok((if swap { y.transpose(0, 1)? } else { y }, weights))
        })
    }
}
