//! Normalisations: softmax and its kin, batch normalisation, each as one operation forward and one backward.

use super::{MetaRef, Metas, exactly, same_dtype, want_dim, want_float};
use crate::{Error, Meta, Result, Shape};

/// A normalisation, or the gradient of one. All tensors of one operation have one floating-point dtype.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// `exp(x) / sum(exp(x))` along a dimension, without overflow. Input: x.
    Softmax {
        /// The dimension.
        dim: usize,
    },
    /// The logarithm of the softmax. Input: x.
    LogSoftmax {
        /// The dimension.
        dim: usize,
    },
    /// `y * (g - sum(g * y))`: the gradient of the softmax y. The matrix behind it is symmetric, so this is its forward derivative as well. Inputs: g, y.
    SoftmaxGrad {
        /// The dimension.
        dim: usize,
    },
    /// `g - exp(y) * sum(g)`: the gradient of the log-softmax y. Inputs: g, y.
    LogSoftmaxGrad {
        /// The dimension.
        dim: usize,
    },
    /// Each channel of `[n, channels, ..]` less its mean, divided by `sqrt(variance + eps)`; then times the weight, plus the bias. Inputs: x, and either both
    /// weight and bias (`[channels]`) or neither. Results: y; mean and (biased) variance of each channel.
    BatchNorm {
        /// Added to the variance.
        eps: f64,
    },
    /// The gradient of `BatchNorm`'s first result. Inputs: the gradient, x, mean, variance, and the weight if there is one. Results: the gradients of x,
    /// weight, bias.
    BatchNormGrad {
        /// Added to the variance.
        eps: f64,
    },
}

impl Norm {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Norm::Softmax { .. } => "softmax",
            Norm::LogSoftmax { .. } => "log_softmax",
            Norm::SoftmaxGrad { .. } => "softmax_backward",
            Norm::LogSoftmaxGrad { .. } => "log_softmax_backward",
            Norm::BatchNorm { .. } => "batch_norm",
            Norm::BatchNormGrad { .. } => "batch_norm_backward",
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let dtype = same_dtype(name, inputs)?;
        want_float(name, dtype)?;
        match *self {
            Norm::Softmax { dim } | Norm::LogSoftmax { dim } => {
                let [x] = exactly(name, inputs)?;
                want_dim(name, dim, x.shape.len())?;
                Ok(smallvec::smallvec![x.to_meta()])
            }
            Norm::SoftmaxGrad { dim } | Norm::LogSoftmaxGrad { dim } => {
                let [g, y] = exactly(name, inputs)?;
                want_dim(name, dim, y.shape.len())?;
                same_shape(name, g, y)?;
                Ok(smallvec::smallvec![y.to_meta()])
            }
            Norm::BatchNorm { .. } => {
                if !matches!(inputs.len(), 1 | 3) {
                    return Err(Error::value(name, format!("takes 1 or 3 tensors, got {}", inputs.len())));
                }
                let channels = channels(name, &inputs[0], &inputs[1..])?;
                if channels > 0 && inputs[0].numel() == channels {
                    return Err(Error::value(
                        name,
                        format!("more than 1 value per channel is needed for training, got an input of shape {:?}", inputs[0].shape),
                    ));
                }
                let each = Meta::new(&[channels], dtype);
                Ok(smallvec::smallvec![inputs[0].to_meta(), each.clone(), each])
            }
            Norm::BatchNormGrad { .. } => {
                let [g, x, rest @ ..] = inputs else {
                    return Err(Error::value(name, format!("takes 4 or 5 tensors, got {}", inputs.len())));
                };
                if !matches!(rest.len(), 2 | 3) {
                    return Err(Error::value(name, format!("takes 4 or 5 tensors, got {}", inputs.len())));
                }
                same_shape(name, g, x)?;
                let each = Meta::new(&[channels(name, x, rest)?], dtype);
                Ok(smallvec::smallvec![x.to_meta(), each.clone(), each])
            }
        }
    }
}

fn same_shape(name: &'static str, g: &MetaRef<'_>, y: &MetaRef<'_>) -> Result<()> {
    if g.shape == y.shape {
        return Ok(());
    }
    Err(Error::shape(name, format!("the gradient has shape {:?}, wanted {:?}", g.shape, y.shape)))
}

/// The number of channels of x, of which each of the vectors has an element for each.
fn channels(name: &'static str, x: &MetaRef<'_>, vectors: &[MetaRef<'_>]) -> Result<usize> {
    let Some(&channels) = x.shape.get(1) else {
        return Err(Error::shape(name, format!("wants [n, channels, ..], got {:?}", x.shape)));
    };
    match vectors.iter().find(|v| v.shape != [channels]) {
        None => Ok(channels),
        Some(v) => Err(Error::shape(name, format!("a vector of shape {:?} does not fit {channels} channels", v.shape))),
    }
}

/// The shape in which a vector over the channels is broadcast over `[n, channels, ..]`.
pub fn channel_shape(rank: usize, channels: usize) -> Shape {
    (0..rank).map(|d| if d == 1 { channels } else { 1 }).collect()
}
