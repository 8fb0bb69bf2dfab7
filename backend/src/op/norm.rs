//! Normalisations: softmax and its kin, batch, group (layer, instance) and RMS normalisation, each as one operation forward and one backward.

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
    /// Each group of channels of each item of `[n, channels, ..]` less its mean, divided by `sqrt(variance + eps)`; then times the weight, plus the bias. With
    /// one group and no further dimensions this is layer normalisation of rows, with a group for each channel instance normalisation. Inputs: x, and either
    /// both weight and bias (`[channels]`) or neither. Results: y; mean and `1 / sqrt(variance + eps)` of each group, `[n, groups]`.
    GroupNorm {
        /// The number of groups, which divides that of channels.
        groups: usize,
        /// Added to the variance.
        eps: f64,
    },
    /// The gradient of `GroupNorm`'s first result. Inputs: the gradient, x, the other two results, and the weight if there is one. Results: the gradient of x,
    /// and, with a weight, those of weight and bias.
    GroupNormGrad {
        /// The number of groups.
        groups: usize,
        /// Added to the variance.
        eps: f64,
    },
    /// Rows divided by `sqrt(mean of squares + eps)`, then times the weight. Inputs: x `[rows, n]`, perhaps a weight `[n]`. Results: y; what each row was
    /// multiplied by, `[rows]`.
    RmsNorm {
        /// Added to the mean of squares.
        eps: f64,
    },
    /// The gradient of `RmsNorm`. Inputs: the gradient, x, the factors of the rows, and the weight if there is one. Results: the gradient of x, and, with a
    /// weight, that of the weight.
    RmsNormGrad {
        /// Added to the mean of squares.
        eps: f64,
    },
}

impl Norm {
    names! {
        Norm::Softmax { .. } => "softmax",
        Norm::LogSoftmax { .. } => "log_softmax",
        Norm::SoftmaxGrad { .. } => "softmax_backward",
        Norm::LogSoftmaxGrad { .. } => "log_softmax_backward",
        Norm::BatchNorm { .. } => "batch_norm",
        Norm::BatchNormGrad { .. } => "batch_norm_backward",
        Norm::GroupNorm { .. } => "group_norm",
        Norm::GroupNormGrad { .. } => "group_norm_backward",
        Norm::RmsNorm { .. } => "rms_norm",
        Norm::RmsNormGrad { .. } => "rms_norm_backward",
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
            Norm::GroupNorm { groups, .. } => {
                let ([x] | [x, _, _]) = inputs else {
                    return Err(Error::value(name, format!("takes 1 or 3 tensors, got {}", inputs.len())));
                };
                grouped(name, x, &inputs[1..], groups)?;
                let each = Meta::new(&[x.shape[0], groups], dtype);
                Ok(smallvec::smallvec![x.to_meta(), each.clone(), each])
            }
            Norm::GroupNormGrad { groups, .. } => {
                let ([g, x, a, b] | [g, x, a, b, _]) = inputs else {
                    return Err(Error::value(name, format!("takes 4 or 5 tensors, got {}", inputs.len())));
                };
                same_shape(name, g, x)?;
                let channels = grouped(name, x, &inputs[4..], groups)?;
                if a.shape != [x.shape[0], groups] || b.shape != a.shape {
                    return Err(Error::shape(
                        name,
                        format!("statistics of shapes {:?}, {:?} do not fit {groups} groups of {:?}", a.shape, b.shape, x.shape),
                    ));
                }
                let each = Meta::new(&[channels], dtype);
                Ok(if inputs.len() == 5 { smallvec::smallvec![x.to_meta(), each.clone(), each] } else { smallvec::smallvec![x.to_meta()] })
            }
            Norm::RmsNorm { .. } => {
                let ([x] | [x, _]) = inputs else {
                    return Err(Error::value(name, format!("takes 1 or 2 tensors, got {}", inputs.len())));
                };
                rows(name, x, &inputs[1..])?;
                Ok(smallvec::smallvec![x.to_meta(), Meta::new(&x.shape[..1], dtype)])
            }
            Norm::RmsNormGrad { .. } => {
                let ([g, x, r] | [g, x, r, _]) = inputs else {
                    return Err(Error::value(name, format!("takes 3 or 4 tensors, got {}", inputs.len())));
                };
                same_shape(name, g, x)?;
                rows(name, x, &inputs[3..])?;
                if r.shape != &x.shape[..1] {
                    return Err(Error::shape(name, format!("factors of shape {:?} do not fit {:?}", r.shape, x.shape)));
                }
                let mut metas: Metas = smallvec::smallvec![x.to_meta()];
                metas.extend(inputs.get(3).map(|w| w.to_meta()));
                Ok(metas)
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

/// As [`channels`], which must make up whole groups.
fn grouped(name: &'static str, x: &MetaRef<'_>, vectors: &[MetaRef<'_>], groups: usize) -> Result<usize> {
    let channels = channels(name, x, vectors)?;
    if groups == 0 || channels == 0 || channels % groups != 0 {
        return Err(Error::shape(name, format!("the channels of {:?} cannot be divided into {groups} groups", x.shape)));
    }
    if x.shape[2..].contains(&0) {
        return Err(Error::shape(name, format!("the spatial dimensions must not be empty, got {:?}", x.shape)));
    }
    Ok(channels)
}

/// An error if x is not `[rows, n]`, or a weight is not `[n]`.
fn rows(name: &'static str, x: &MetaRef<'_>, weight: &[MetaRef<'_>]) -> Result<()> {
    if x.shape.len() != 2 {
        return Err(Error::shape(name, format!("wants rows, [rows, n], got {:?}", x.shape)));
    }
    match weight.iter().find(|w| w.shape != &x.shape[1..]) {
        None => Ok(()),
        Some(w) => Err(Error::shape(name, format!("a weight of shape {:?} does not fit rows of {}", w.shape, x.shape[1]))),
    }
}

/// The shape in which a vector over the channels is broadcast over `[n, channels, ..]`.
pub fn channel_shape(rank: usize, channels: usize) -> Shape {
    (0..rank).map(|d| if d == 1 { channels } else { 1 }).collect()
}
