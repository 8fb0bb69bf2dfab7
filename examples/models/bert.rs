//! The encoder of BERT (Devlin et al., 2018) as a model of sentences.

use rushlight::nn::{Activation, Masks, StateDict, TransformerEncoder, TransformerEncoderLayer};
use rushlight::prelude::*;

/// The sizes of a model.
pub(crate) struct BertSizes {
    /// Words of the vocabulary.
    pub vocab: usize,
    /// The longest sequence.
    pub positions: usize,
    /// Kinds of segments.
    pub token_types: usize,
    /// Layers.
    pub layers: usize,
    /// The size of a word's vector.
    pub hidden: usize,
    /// Heads of the attention.
    pub heads: usize,
    /// The size between the linear maps of a layer.
    pub feed_forward: usize,
    /// Added to variances.
    pub eps: f64,
}

impl BertSizes {
    /// Those of MiniLM-L6 (Wang et al., 2020).
    pub(crate) const MINILM_L6: BertSizes =
        BertSizes { vocab: 30522, positions: 512, token_types: 2, layers: 6, hidden: 384, heads: 12, feed_forward: 1536, eps: 1e-12 };
}

/// Embeddings of words, positions and segments, normalised, and layers of attention.
#[derive(Module)]
pub(crate) struct Bert {
    words: Embedding,
    positions: Embedding,
    token_types: Embedding,
    norm: LayerNorm,
    encoder: TransformerEncoder,
}

impl Bert {
    /// A model without dropout, with random weights.
    pub(crate) fn new(s: &BertSizes) -> Result<Bert> {
        let layer = TransformerEncoderLayer::builder(s.hidden, s.heads).dim_feedforward(s.feed_forward).dropout(0.0);
        let layer = layer.activation(Activation::Gelu).layer_norm_eps(s.eps).batch_first(true);
        Ok(Bert {
            words: Embedding::new(s.vocab, s.hidden)?,
            positions: Embedding::new(s.positions, s.hidden)?,
            token_types: Embedding::new(s.token_types, s.hidden)?,
            norm: LayerNorm::builder(s.hidden).eps(s.eps).build()?,
            encoder: TransformerEncoder::new(layer, s.layers)?,
        })
    }

    /// A vector `[n, l, hidden]` for each token of `ids` (`[n, l]`). `padding` (`[n, l]`) is true where there is none.
    pub(crate) fn forward(&self, ids: &Tensor, padding: Option<&Tensor>) -> Result<Tensor> {
        let positions = self.positions.weight.tensor().narrow(0, 0, ids.size(1)?)?;
        // All tokens are of one segment.
        let token_type = self.token_types.weight.tensor().narrow(0, 0, 1)?;
        let x = self.words.forward(ids)?.add(&positions.add(&token_type)?)?;
        self.encoder.forward_with(&self.norm.forward(&x)?, Masks { key_padding_mask: padding, ..Masks::default() })
    }

    /// A vector of length 1 for each sentence, `[n, hidden]`: the mean over its tokens, normalised.
    pub(crate) fn embed(&self, ids: &Tensor, padding: Option<&Tensor>) -> Result<Tensor> {
        let tokens = self.forward(ids, padding)?;
        let mean = match padding {
            Some(padding) => {
                let real = padding.logical_not()?.to_dtype(tokens.dtype())?.unsqueeze(-1)?;
                tokens.mul(&real)?.sum_dim(1, false)?.div(&real.sum_dim(1, false)?.clamp(1e-9, None)?)?
            }
            None => tokens.mean_dim(1, false)?,
        };
        mean.normalize(2.0, 1, 1e-12)
    }

    /// Loads weights under the names of Hugging Face's `BertModel`. Its pooler has no part in embeddings.
    pub(crate) fn load_hugging_face(&self, weights: &StateDict) -> Result<()> {
        let of = |name: &str| {
            let found = weights.iter().find(|(n, _)| n == name).map(|(_, t)| t.clone());
            found.ok_or_else(|| Error::value("load_hugging_face", format!("no `{name}` among the weights")))
        };
        let mut state = vec![
            ("words.weight".to_string(), of("embeddings.word_embeddings.weight")?),
            ("positions.weight".to_string(), of("embeddings.position_embeddings.weight")?),
            ("token_types.weight".to_string(), of("embeddings.token_type_embeddings.weight")?),
        ];
        for part in ["weight", "bias"] {
            state.push((format!("norm.{part}"), of(&format!("embeddings.LayerNorm.{part}"))?));
            for i in 0..self.encoder.layers.len() {
                let theirs = |name: &str| of(&format!("encoder.layer.{i}.{name}.{part}"));
                let qkv = [theirs("attention.self.query")?, theirs("attention.self.key")?, theirs("attention.self.value")?];
                let mut ours = |name: String, value: Tensor| state.push((format!("encoder.layers.{i}.{name}"), value));
                ours(format!("self_attn.in_proj_{part}"), Tensor::cat(&qkv, 0)?);
                ours(format!("self_attn.out_proj.{part}"), theirs("attention.output.dense")?);
                ours(format!("norm1.{part}"), theirs("attention.output.LayerNorm")?);
                ours(format!("linear1.{part}"), theirs("intermediate.dense")?);
                ours(format!("linear2.{part}"), theirs("output.dense")?);
                ours(format!("norm2.{part}"), theirs("output.LayerNorm")?);
            }
        }
        self.load_state_dict(&state, true).map(|_| ())
    }
}
