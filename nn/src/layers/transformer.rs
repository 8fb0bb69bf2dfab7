//! Layers of transformers (Vaswani et al., 2017), and stacks of them.

use std::fmt;

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use super::attention::{AttentionArgs, MultiheadAttention};
use super::dropout::Dropout;
use super::layer_norm::LayerNorm;
use super::linear::Linear;
use crate::builder::builder;
use crate::summary::seen;
use crate::{Forward, Layer, Module, ModuleList, init};

/// The function between the two linear maps of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// ReLU.
    #[default]
    Relu,
    /// GELU.
    Gelu,
}

impl Activation {
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Relu => x.relu(),
            Activation::Gelu => x.gelu(),
        }
    }
}

/// The masks of a layer's inputs. In each the default is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Masks<'a> {
    /// `[l, l]` or `[n * heads, l, l]`, of the layer's own sequence: `bool`, true where a query must not see a key, or numbers added to the scores.
    pub mask: Option<&'a Tensor>,
    /// `[n, l]`: where the layer's own sequence is padding.
    pub key_padding_mask: Option<&'a Tensor>,
    /// Whether `mask` is known to let position i see 0 to i alone, so that it need not be read. If this is not said, stacks of layers look.
    pub is_causal: Option<bool>,
    /// `[l, s]`, of the encoder's result as a decoder sees it.
    pub memory_mask: Option<&'a Tensor>,
    /// `[n, s]`: where the encoder's result is padding.
    pub memory_key_padding_mask: Option<&'a Tensor>,
    /// Whether `memory_mask` is known to let position i see 0 to i alone.
    pub memory_is_causal: bool,
}

impl<'a> Masks<'a> {
    fn own(&self) -> AttentionArgs<'a> {
        let (key_padding_mask, attn_mask, is_causal) = (self.key_padding_mask, self.mask, self.is_causal.unwrap_or(false));
        AttentionArgs { key_padding_mask, attn_mask, is_causal, need_weights: false, ..AttentionArgs::default() }
    }

    /// With an answer to whether the mask is that of [`generate_square_subsequent_mask`].
    fn looked(self) -> Result<Masks<'a>> {
        let is_causal = match (self.is_causal, self.mask) {
            (None, Some(mask)) if mask.dim() == 2 && mask.shape()[0] == mask.shape()[1] && mask.dtype().is_float() => {
                let causal = generate_square_subsequent_mask(mask.shape()[0], mask.dtype())?;
                mask.all_values().eq(&causal)?.all()?.item::<bool>()?
            }
            (known, _) => known.unwrap_or(false),
        };
        Ok(Masks { is_causal: Some(is_causal), ..self })
    }

    fn memory(&self) -> AttentionArgs<'a> {
        let (key_padding_mask, attn_mask, is_causal) = (self.memory_key_padding_mask, self.memory_mask, self.memory_is_causal);
        AttentionArgs { key_padding_mask, attn_mask, is_causal, need_weights: false, ..AttentionArgs::default() }
    }
}

/// A mask `[size, size]` of minus infinities above the diagonal: position i sees 0 to i alone.
///
/// # Errors
/// If the dtype is not floating point.
pub fn generate_square_subsequent_mask(size: usize, dtype: impl Into<Option<DType>>) -> Result<Tensor> {
    let at = Tensor::arange(0, size, 1, DType::I64)?;
    let ahead = at.gt(&at.unsqueeze(1)?)?;
    Tensor::zeros([size, size], (dtype.into(), Device::cpu()))?.masked_fill(&ahead, f64::NEG_INFINITY)
}

macro_rules! layers {
    ($($(#[$doc:meta])* $module:ident $builder:ident { $($(#[$crossdoc:meta])* $cross:ident: $crosst:ty = $make:expr,)* } [$($norm:ident $dropout:ident),*];)*) => {$(
        $(#[$doc])*
        #[derive(Module, Debug)]
        pub struct $module {
            /// Attention to the layer's own sequence.
            pub self_attn: MultiheadAttention,
            $($(#[$crossdoc])* pub $cross: $crosst,)*
            /// The first linear map.
            pub linear1: Linear,
            dropout: Dropout,
            /// The second linear map.
            pub linear2: Linear,
            $(
                /// A normalisation.
                pub $norm: LayerNorm,
            )*
            $($dropout: Dropout,)*
            #[module(skip)]
            settings: $builder,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($module), "`].")]
            $builder for $module(d_model: usize, nhead: usize) {
                /// The size between the linear maps. Default: 2048.
                dim_feedforward: usize = 2048;
                /// The probability of dropout. Default: 0.1.
                dropout: f64 = 0.1;
                /// The function between the linear maps. Default: ReLU.
                activation: Activation = Activation::Relu;
                /// Added to variances. Default: 1e-5.
                layer_norm_eps: f64 = 1e-5;
                /// Whether the batch is the first dimension. Default: false.
                batch_first: bool = false;
                /// Whether normalisation comes before attention and linear maps instead of after. Default: false.
                norm_first: bool = false;
                /// Whether linear maps and normalisations have biases. Default: true.
                bias: bool = true;
                /// The dtype of the parameters. Default: the default float type.
                dtype(DType; into): Option<DType> = None;
                /// The device of the parameters. Default: the CPU.
                device: Device = Device::cpu();
            }
        }

        impl $builder {
            fn attention(&self) -> Result<MultiheadAttention> {
                let builder = MultiheadAttention::builder(self.d_model, self.nhead).dropout(self.dropout).bias(self.bias);
                let builder = builder.batch_first(self.batch_first).device(self.device);
                match self.dtype {
                    Some(dtype) => builder.dtype(dtype).build(),
                    None => builder.build(),
                }
            }

            fn linear(&self, inputs: usize, outputs: usize) -> Result<Linear> {
                let builder = Linear::builder(inputs, outputs).bias(self.bias).device(self.device);
                match self.dtype {
                    Some(dtype) => builder.dtype(dtype).build(),
                    None => builder.build(),
                }
            }

            fn norm(&self) -> Result<LayerNorm> {
                let builder = LayerNorm::builder(self.d_model).eps(self.layer_norm_eps).bias(self.bias).device(self.device);
                match self.dtype {
                    Some(dtype) => builder.dtype(dtype).build(),
                    None => builder.build(),
                }
            }

            /// Draws the parameters, in the order of the fields.
            ///
            /// # Errors
            /// If `d_model` cannot be divided into the heads, the probability is out of range, or the dtype is not floating point.
            pub fn build(self) -> Result<$module> {
                let self_attn = self.attention()?;
                $(let $cross = { let make: fn(&$builder) -> Result<$crosst> = $make; make(&self)? };)*
                let linear1 = self.linear(self.d_model, self.dim_feedforward)?;
                let dropout = Dropout::new(self.dropout)?;
                let linear2 = self.linear(self.dim_feedforward, self.d_model)?;
                $(let $norm = self.norm()?;)*
                $(let $dropout = Dropout::new(self.dropout)?;)*
                Ok($module { self_attn, $($cross,)* linear1, dropout, linear2, $($norm,)* $($dropout,)* settings: self })
            }
        }

        impl $module {
            fn feed_forward(&self, x: &Tensor, last: &Dropout) -> Result<Tensor> {
                let hidden = self.settings.activation.apply(&self.linear1.forward(x)?)?;
                last.forward(&self.linear2.forward(&self.dropout.forward(&hidden)?)?)
            }

            fn self_attention(&self, x: &Tensor, masks: Masks<'_>) -> Result<Tensor> {
                self.dropout1.forward(&self.self_attn.forward(x, x, x, masks.own())?.0)
            }
        }
    )*};
}

layers! {
    /// A layer of an encoder: attention to the sequence itself, then two linear maps, each added to its input and normalised.
    TransformerEncoderLayer TransformerEncoderLayerBuilder {} [norm1 dropout1, norm2 dropout2];

    /// A layer of a decoder: attention to the sequence itself, attention to the encoder's result, then two linear maps, each added to its input and normalised.
    TransformerDecoderLayer TransformerDecoderLayerBuilder {
        /// Attention to the encoder's result.
        multihead_attn: MultiheadAttention = |b| b.attention(),
    } [norm1 dropout1, norm2 dropout2, norm3 dropout3];
}

impl TransformerEncoderLayer {
    /// The result for a sequence under masks.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward_with(&self, x: &Tensor, masks: Masks<'_>) -> Result<Tensor> {
        seen(self, || {
            if self.settings.norm_first {
                let x = x.add(&self.self_attention(&self.norm1.forward(x)?, masks)?)?;
                x.add(&self.feed_forward(&self.norm2.forward(&x)?, &self.dropout2)?)
            } else {
                let x = self.norm1.forward(&x.add(&self.self_attention(x, masks)?)?)?;
                self.norm2.forward(&x.add(&self.feed_forward(&x, &self.dropout2)?)?)
            }
        })
    }
}

impl Forward for TransformerEncoderLayer {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_with(x, Masks::default())
    }
}

impl TransformerDecoderLayer {
    /// The result for a sequence, and the encoder's result, under masks.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward(&self, x: &Tensor, memory: &Tensor, masks: Masks<'_>) -> Result<Tensor> {
        seen(self, || {
            let cross = |x: &Tensor| self.dropout2.forward(&self.multihead_attn.forward(x, memory, memory, masks.memory())?.0);
            if self.settings.norm_first {
                let x = x.add(&self.self_attention(&self.norm1.forward(x)?, masks)?)?;
                let x = x.add(&cross(&self.norm2.forward(&x)?)?)?;
                x.add(&self.feed_forward(&self.norm3.forward(&x)?, &self.dropout3)?)
            } else {
                let x = self.norm1.forward(&x.add(&self.self_attention(x, masks)?)?)?;
                let x = self.norm2.forward(&x.add(&cross(&x)?)?)?;
                self.norm3.forward(&x.add(&self.feed_forward(&x, &self.dropout3)?)?)
            }
        })
    }
}

macro_rules! stacks {
    ($($(#[$doc:meta])* $module:ident of $layer:ident $builder:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        pub struct $module {
            /// The layers.
            pub layers: ModuleList<$layer>,
            /// A last normalisation.
            pub norm: Option<Box<dyn Layer>>,
        }

        impl fmt::Debug for $module {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl $module {
            /// Layers with these arguments. As in PyTorch only the first is drawn; the others are copies of it.
            ///
            /// # Errors
            /// As the layers' `build`, or if there are none.
            pub fn new(layer: $builder, num_layers: usize) -> Result<$module> {
                if num_layers == 0 {
                    return Err(Error::value(stringify!($module), "wants at least one layer"));
                }
                let first = layer.clone().build()?;
                let drawn = first.state_dict();
                let state = rushlight_tensor::default_generator().get_state();
                let mut layers = vec![first];
                for _ in 1..num_layers {
                    let copy = layer.clone().build()?;
                    copy.load_state_dict(&drawn, true)?;
                    layers.push(copy);
                }
                // What the copies drew was never wanted.
                rushlight_tensor::default_generator().set_state(&state)?;
                Ok($module { layers: ModuleList(layers), norm: None })
            }

            /// A last normalisation. Default: none.
            #[must_use]
            pub fn norm(mut self, norm: impl Layer + 'static) -> $module {
                self.norm = Some(Box::new(norm));
                self
            }
        }
    )*};
}

stacks! {
    /// Encoder layers on top of each other.
    TransformerEncoder of TransformerEncoderLayer TransformerEncoderLayerBuilder;
    /// Decoder layers on top of each other.
    TransformerDecoder of TransformerDecoderLayer TransformerDecoderLayerBuilder;
}

impl TransformerEncoder {
    /// The result for a sequence under masks.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward_with(&self, x: &Tensor, masks: Masks<'_>) -> Result<Tensor> {
        seen(self, || {
            let masks = masks.looked()?;
            let x = self.layers.iter().try_fold(x.clone(), |x, layer| layer.forward_with(&x, masks))?;
            self.norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))
        })
    }
}

impl Forward for TransformerEncoder {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_with(x, Masks::default())
    }
}

impl TransformerDecoder {
    /// The result for a sequence, and the encoder's result, under masks.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward(&self, x: &Tensor, memory: &Tensor, masks: Masks<'_>) -> Result<Tensor> {
        seen(self, || {
            let masks = masks.looked()?;
            let x = self.layers.iter().try_fold(x.clone(), |x, layer| layer.forward(&x, memory, masks))?;
            self.norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))
        })
    }
}

/// The whole transformer: an encoder, and a decoder that sees its result. Every parameter of two dimensions or more is at first uniform by
/// [`init::xavier_uniform_`].
#[derive(Module, Debug)]
pub struct Transformer {
    /// The encoder.
    pub encoder: TransformerEncoder,
    /// The decoder.
    pub decoder: TransformerDecoder,
    d_model: usize,
    batch_first: bool,
}

builder! {
    /// The arguments of [`Transformer`].
    TransformerBuilder for Transformer(d_model: usize, nhead: usize) {
        /// The layers of the encoder. Default: 6.
        num_encoder_layers: usize = 6;
        /// The layers of the decoder. Default: 6.
        num_decoder_layers: usize = 6;
        /// The size between the linear maps. Default: 2048.
        dim_feedforward: usize = 2048;
        /// The probability of dropout. Default: 0.1.
        dropout: f64 = 0.1;
        /// The function between the linear maps. Default: ReLU.
        activation: Activation = Activation::Relu;
        /// Added to variances. Default: 1e-5.
        layer_norm_eps: f64 = 1e-5;
        /// Whether the batch is the first dimension. Default: false.
        batch_first: bool = false;
        /// Whether normalisation comes before attention and linear maps instead of after. Default: false.
        norm_first: bool = false;
        /// Whether linear maps and normalisations have biases. Default: true.
        bias: bool = true;
        /// The dtype of the parameters. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device of the parameters. Default: the CPU.
        device: Device = Device::cpu();
    }
}

impl TransformerBuilder {
    /// Draws the parameters: an encoder layer, a decoder layer, then every matrix anew.
    ///
    /// # Errors
    /// If `d_model` cannot be divided into the heads, there are no layers, the probability is out of range, or the dtype is not floating point.
    pub fn build(self) -> Result<Transformer> {
        macro_rules! layer {
            ($layer:ident) => {{
                let b = $layer::builder(self.d_model, self.nhead).dim_feedforward(self.dim_feedforward).dropout(self.dropout);
                let b = b.activation(self.activation).layer_norm_eps(self.layer_norm_eps).batch_first(self.batch_first);
                let b = b.norm_first(self.norm_first).bias(self.bias).device(self.device);
                match self.dtype {
                    Some(dtype) => b.dtype(dtype),
                    None => b,
                }
            }};
        }
        let norm = || {
            let b = LayerNorm::builder(self.d_model).eps(self.layer_norm_eps).bias(self.bias).device(self.device);
            match self.dtype {
                Some(dtype) => b.dtype(dtype).build(),
                None => b.build(),
            }
        };
        let encoder = TransformerEncoder::new(layer!(TransformerEncoderLayer), self.num_encoder_layers)?.norm(norm()?);
        let decoder = TransformerDecoder::new(layer!(TransformerDecoderLayer), self.num_decoder_layers)?.norm(norm()?);
        let transformer = Transformer { encoder, decoder, d_model: self.d_model, batch_first: self.batch_first };
        for p in transformer.parameters().iter().filter(|p| p.shape().len() > 1) {
            init::xavier_uniform_(p, 1.0)?;
        }
        Ok(transformer)
    }
}

impl Transformer {
    /// The decoder's result for `tgt`, which sees the encoder's for `src`. Masks of the target are those of [`Masks`]; the encoder's are separate.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward(&self, src: &Tensor, tgt: &Tensor, src_masks: Masks<'_>, tgt_masks: Masks<'_>) -> Result<Tensor> {
        seen(self, || {
            let batch = if self.batch_first { 0 } else { 1 };
            if src.dim() != tgt.dim() || (src.dim() == 3 && src.shape()[batch] != tgt.shape()[batch]) {
                return Err(Error::shape(
                    "Transformer",
                    format!("src {:?} and tgt {:?} must have one batch size", src.shape(), tgt.shape()),
                ));
            }
            for (name, t) in [("src", src), ("tgt", tgt)] {
                if t.shape().last() != Some(&self.d_model) {
                    return Err(Error::shape("Transformer", format!("{name} must have {} features, got {:?}", self.d_model, t.shape())));
                }
            }
            self.decoder.forward(tgt, &self.encoder.forward_with(src, src_masks)?, tgt_masks)
        })
    }
}
