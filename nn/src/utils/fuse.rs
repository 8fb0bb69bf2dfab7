//! Batch normalisation folded into the layer before it, for inference.

use rushlight_tensor::{Error, Result, Tensor};

use crate::{Linear, Parameter};

/// A layer into which a batch normalisation can be folded: convolutions, transposed ones, [`Linear`].
pub trait FoldableLayer: Sized {
    /// Weight and bias.
    ///
    /// # Errors
    /// If a parametrisation fails.
    fn weights(&self) -> Result<(Tensor, Option<Tensor>)>;
    /// The same layer with these.
    ///
    /// # Errors
    /// If they are not floating point.
    fn with_weights(&self, weight: Tensor, bias: Tensor) -> Result<Self>;
    /// The dimension of the weight that counts the outputs, and into how many groups they are divided.
    fn outputs(&self) -> (usize, usize) {
        (0, 1)
    }
}

/// A normalisation that can be folded: statistics and an affine map.
pub trait FoldableNorm {
    /// Running mean and variance, if they are tracked.
    fn statistics(&self) -> Option<(Tensor, Tensor)>;
    /// Scale and shift, as far as there are any, and what is added to the variance.
    ///
    /// # Errors
    /// If a parametrisation fails.
    fn affine(&self) -> Result<(Option<Tensor>, Option<Tensor>, f64)>;
}

/// Weight and bias of a layer that does what a layer and a batch normalisation after it do: `torch.nn.utils.fuse_conv_bn_weights`. Outputs are counted by the first
/// dimension of the weight, or by the second where it is transposed.
///
/// # Errors
/// If sizes do not fit.
#[allow(clippy::too_many_arguments)] // PyTorch's
pub fn fuse_conv_bn_weights(
    weight: &Tensor,
    bias: Option<&Tensor>,
    running_mean: &Tensor,
    running_var: &Tensor,
    eps: f64,
    bn_weight: Option<&Tensor>,
    bn_bias: Option<&Tensor>,
    transpose: bool,
) -> Result<(Tensor, Tensor)> {
    let mut scale = running_var.add(eps)?.rsqrt()?;
    if let Some(w) = bn_weight {
        scale = scale.mul(w)?;
    }
    let mut shape = vec![1isize; weight.dim()];
    shape[usize::from(transpose)] = -1;
    let shift = match bias {
        Some(b) => b.sub(running_mean)?,
        None => running_mean.neg()?,
    };
    let mut shift = shift.mul(&scale)?;
    if let Some(b) = bn_bias {
        shift = shift.add(b)?;
    }
    Ok((weight.mul(&scale.reshape(shape)?)?, shift))
}

/// A layer that does what a layer and a batch normalisation in evaluation mode do one after the other: `torch.nn.utils.fuse_conv_bn_eval`.
///
/// # Errors
/// If the normalisation has no running statistics, the sizes do not fit, or the layer is a transposed convolution with groups.
///
/// ```
/// use rushlight_nn::utils::fuse_conv_bn_eval;
/// use rushlight_nn::{BatchNorm2d, Conv2d, Forward, Module};
/// use rushlight_tensor::Tensor;
///
/// let (conv, bn) = (Conv2d::new(3, 4, 3)?, BatchNorm2d::new(4)?);
/// bn.eval();
/// let fused = fuse_conv_bn_eval(&conv, &bn)?;
/// let x = Tensor::randn([2, 3, 8, 8], ())?;
/// let difference = fused.forward(&x)?.sub(&bn.forward(&conv.forward(&x)?)?)?.abs()?.max()?;
/// assert!(difference.to_f64()? < 1e-5);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn fuse_conv_bn_eval<L: FoldableLayer>(layer: &L, norm: &impl FoldableNorm) -> Result<L> {
    let (mean, var) =
        norm.statistics().ok_or_else(|| Error::value("fuse_conv_bn_eval", "the normalisation has no running statistics to fold"))?;
    let ((weight, bias), (scale, shift, eps)) = (layer.weights()?, norm.affine()?);
    let (dim, groups) = layer.outputs();
    if dim == 1 && groups != 1 {
        return Err(Error::value("fuse_conv_bn_eval", format!("cannot fold into a transposed convolution of {groups} groups")));
    }
    let (weight, bias) = fuse_conv_bn_weights(&weight, bias.as_ref(), &mean, &var, eps, scale.as_ref(), shift.as_ref(), dim == 1)?;
    layer.with_weights(weight.with_trace(None), bias.with_trace(None))
}

/// As [`fuse_conv_bn_eval`], for a linear layer.
///
/// # Errors
/// As there.
pub fn fuse_linear_bn_eval(layer: &Linear, norm: &impl FoldableNorm) -> Result<Linear> {
    fuse_conv_bn_eval(layer, norm)
}

/// The values of a layer's weights, outside of every graph.
pub(crate) fn values(weight: &Parameter, bias: Option<&Parameter>) -> Result<(Tensor, Option<Tensor>)> {
    let value = |p: &Parameter| -> Result<Tensor> { Ok(p.try_tensor()?.with_trace(None)) };
    Ok((value(weight)?, bias.map(value).transpose()?))
}
