//! A decoder-only transformer.

use rushlight_tensor::{AttentionOptions, DType, Device, Error, Result, Tensor};

use crate::builder::builder;
use crate::{Embedding, Forward, KeyValueCache, LayerNorm, Linear, Module};

/// A decoder-only transformer as in GPT-2 (Radford et al., 2019): token and learned position embeddings, pre-norm blocks of causal self-attention and a
/// GELU network, a last normalisation and a head of its own.
///
/// ```
/// use rushlight_nn::models::Gpt;
/// use rushlight_tensor::{Device, Tensor};
///
/// let gpt = Gpt::builder(50, 16).width(8).heads(2).layers(1).build()?;
/// let prompt = Tensor::from_vec(vec![3i64, 1, 4], [1, 3], Device::cpu())?;
/// assert_eq!(gpt.generate(&prompt, 5)?.shape(), [1, 8]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Gpt {
    /// A row for each token.
    pub tokens: Embedding,
    /// A row for each position.
    pub positions: Embedding,
    /// The blocks.
    pub blocks: Vec<GptBlock>,
    /// The last normalisation.
    pub norm: LayerNorm,
    /// From features to the scores of tokens.
    pub head: Linear,
    #[module(skip)]
    settings: GptBuilder,
}

builder! {
    /// The arguments of [`Gpt`]: the number of tokens, and of positions.
    GptBuilder for Gpt(vocabulary: usize, context: usize) {
        /// The number of features. Default: 256.
        width: usize = 256;
        /// The number of heads. Default: 8.
        heads: usize = 8;
        /// The number of blocks. Default: 4.
        layers: usize = 4;
        /// The dtype of the parameters. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device of the parameters. Default: the CPU.
        device: Device = Device::cpu();
    }
}

/// Normalisation, causal self-attention and residual; normalisation, network and residual.
#[derive(Module, Debug)]
pub struct GptBlock {
    /// Before attention.
    pub norm1: LayerNorm,
    /// Queries, keys and values of all heads, one after the other.
    pub qkv: Linear,
    /// From the heads' results.
    pub proj: Linear,
    /// Before the network.
    pub norm2: LayerNorm,
    /// Its first layer.
    pub fc1: Linear,
    /// Its second layer.
    pub fc2: Linear,
    heads: usize,
}

impl GptBuilder {
    /// Draws the parameters in the order of the fields.
    ///
    /// # Errors
    /// If the features cannot be divided into the heads, or the dtype is not floating point.
    pub fn build(self) -> Result<Gpt> {
        let GptBuilder { vocabulary, context, width, heads, layers, .. } = self;
        if heads == 0 || width == 0 || width % heads != 0 {
            return Err(Error::value("Gpt", format!("a width of {width} cannot be divided into {heads} heads")));
        }
        let linear = |from: usize, to: usize, bias: bool| {
            let linear = Linear::builder(from, to).bias(bias).device(self.device);
            if let Some(dtype) = self.dtype { linear.dtype(dtype) } else { linear }.build()
        };
        let table = |n: usize| {
            let table = Embedding::builder(n, width).device(self.device);
            if let Some(dtype) = self.dtype { table.dtype(dtype) } else { table }.build()
        };
        let norm = || {
            let norm = LayerNorm::builder(width).device(self.device);
            if let Some(dtype) = self.dtype { norm.dtype(dtype) } else { norm }.build()
        };
        let block = |_| {
            Ok(GptBlock {
                norm1: norm()?,
                qkv: linear(width, 3 * width, true)?,
                proj: linear(width, width, true)?,
                norm2: norm()?,
                fc1: linear(width, 4 * width, true)?,
                fc2: linear(4 * width, width, true)?,
                heads,
            })
        };
        let (tokens, positions) = (table(vocabulary)?, table(context)?);
        let blocks = (0..layers).map(block).collect::<Result<_>>()?;
        Ok(Gpt { tokens, positions, blocks, norm: norm()?, head: linear(width, vocabulary, false)?, settings: self })
    }
}

impl GptBlock {
    /// Features `[n, l, width]`, which follow those that the cache holds.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward_with(&self, x: &Tensor, cache: Option<&mut KeyValueCache>) -> Result<Tensor> {
        let &[n, l, width] = x.shape() else {
            return Err(Error::shape("GptBlock", format!("wants features [n, l, width], got {:?}", x.shape())));
        };
        // [n, heads, l, features] each.
        let qkv = self.qkv.forward(&self.norm1.forward(x)?)?.reshape([n, l, 3, self.heads, width / self.heads])?;
        let [q, k, v] = [0, 1, 2].map(|i| qkv.select(2, i)?.transpose(1, 2));
        let causal = AttentionOptions { is_causal: true, ..AttentionOptions::default() };
        let y = match cache {
            None => q?.scaled_dot_product_attention(&k?, &v?, causal)?,
            Some(cache) => cache.attend(&q?, &k?, &v?)?,
        };
        let x = x.add(&self.proj.forward(&y.transpose(1, 2)?.reshape([n, l, width])?)?)?;
        let y = self.fc2.forward(&self.fc1.forward(&self.norm2.forward(&x)?)?.gelu()?)?;
        x.add(&y)
    }
}

impl Gpt {
    /// An empty cache for each block.
    pub fn caches(&self) -> Vec<KeyValueCache> {
        self.blocks.iter().map(|_| KeyValueCache::new()).collect()
    }

    /// The features of tokens `[n, l]` that follow those that the caches hold: `[n, l, width]`, before the head.
    fn features(&self, tokens: &Tensor, caches: Option<&mut [KeyValueCache]>) -> Result<Tensor> {
        let &[_, l] = tokens.shape() else {
            return Err(Error::shape("Gpt", format!("wants tokens [n, l], got {:?}", tokens.shape())));
        };
        let begin = caches.as_ref().and_then(|c| c.first()).map_or(0, KeyValueCache::len);
        if begin + l > self.settings.context {
            return Err(Error::value("Gpt", format!("{} tokens are more than its {} positions", begin + l, self.settings.context)));
        }
        let positions = self.positions.weight.try_tensor()?.narrow(0, begin as isize, l)?;
        let mut x = self.tokens.forward(tokens)?.add(&positions)?;
        match caches {
            None => {
                for block in &self.blocks {
                    x = block.forward_with(&x, None)?;
                }
            }
            Some(caches) => {
                for (block, cache) in self.blocks.iter().zip(caches) {
                    x = block.forward_with(&x, Some(cache))?;
                }
            }
        }
        self.norm.forward(&x)
    }

    /// The scores of the token that follows tokens `[n, l]`, which follow those that the caches hold: `[n, vocabulary]`.
    ///
    /// # Errors
    /// If there are more tokens than positions, or none.
    pub fn next(&self, tokens: &Tensor, caches: &mut [KeyValueCache]) -> Result<Tensor> {
        let x = self.features(tokens, Some(caches))?;
        self.head.forward(&x.select(1, -1)?)
    }

    /// Tokens `[n, l]` and the `count` that follow them, each the one of the highest score: `[n, l + count]`. Nothing is recorded.
    ///
    /// # Errors
    /// If there are more tokens than positions, or none.
    pub fn generate(&self, tokens: &Tensor, count: usize) -> Result<Tensor> {
        rushlight_autograd::no_grad(|| {
            let mut caches = self.caches();
            let mut all = vec![tokens.clone()];
            for i in 0..count {
                let next = self.next(&all[i], &mut caches)?.argmax_dim(-1, true)?;
                all.push(next);
            }
            Tensor::cat(&all, 1)
        })
    }
}

impl Forward for Gpt {
    /// Tokens `[n, l]` give scores `[n, l, vocabulary]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.head.forward(&self.features(x, None)?)
    }
}
