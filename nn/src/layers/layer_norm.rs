//! Normalisation of each item by itself.

use rushlight_tensor::{DType, Device, Error, IntoSizes, Result, Sizes, Tensor};

use crate::builder::builder;
use crate::{Forward, Module, Parameter};

/// `(x - mean) / sqrt(variance + eps) * weight + bias` over the last dimensions of each item.
#[derive(Module, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct LayerNorm {
    /// The scale of each element, at first 1.
    pub weight: Option<Parameter>,
    /// What is added to each element, at first 0.
    pub bias: Option<Parameter>,
    #[module(skip)]
    settings: LayerNormBuilder,
}

builder! {
    /// The arguments of [`LayerNorm`]: the sizes of the last dimensions, over which it normalises.
    LayerNormBuilder for LayerNorm(normalized_shape(impl IntoSizes; into_sizes): Sizes) {
        /// What is added to the variance. Default: 1e-5.
        eps: f64 = 1e-5;
        /// Whether there are a weight and perhaps a bias. Default: true.
        elementwise_affine: bool = true;
        /// Whether there is a bias beside the weight. Default: true.
        bias: bool = true;
        /// The dtype of the parameters. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device. Default: the CPU.
        device: Device = Device::cpu();
    }
}

/// Ones or zeros of the normalised shape.
fn filled(shape: &[isize], value: f64, options: (Option<DType>, Device)) -> Result<Parameter> {
    Parameter::new(Tensor::full(shape.to_vec(), value, options)?)
}

impl LayerNormBuilder {
    /// The module. Nothing is drawn.
    ///
    /// # Errors
    /// If a size is negative, or the dtype is not floating point.
    pub fn build(self) -> Result<LayerNorm> {
        let (shape, options) = (&self.normalized_shape, (self.dtype, self.device));
        let weight = if self.elementwise_affine { Some(filled(shape, 1.0, options)?) } else { None };
        let bias = if self.elementwise_affine && self.bias { Some(filled(shape, 0.0, options)?) } else { None };
        Ok(LayerNorm { weight, bias, settings: self })
    }
}

impl LayerNorm {
    fn arguments(&self) -> String {
        let s = &self.settings;
        format!(
            "{:?}, eps={}, elementwise_affine={}",
            s.normalized_shape.as_slice(),
            s.eps,
            if self.weight.is_some() { "True" } else { "False" }
        )
    }
}

impl Forward for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let (weight, bias) =
                (self.weight.as_ref().map(Parameter::try_tensor).transpose()?, self.bias.as_ref().map(Parameter::try_tensor).transpose()?);
            x.layer_norm(self.settings.normalized_shape.clone(), weight.as_ref(), bias.as_ref(), self.settings.eps)
        })
    }
}

/// `x / sqrt(mean of squares + eps) * weight` over the last dimensions of each item.
#[derive(Module, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct RMSNorm {
    /// The scale of each element, at first 1.
    pub weight: Option<Parameter>,
    #[module(skip)]
    settings: RMSNormBuilder,
}

builder! {
    /// The arguments of [`RMSNorm`]: the sizes of the last dimensions, over which it normalises.
    RMSNormBuilder for RMSNorm(normalized_shape(impl IntoSizes; into_sizes): Sizes) {
        /// What is added to the mean of squares. Default: the machine precision of the input's dtype.
        eps(f64; into): Option<f64> = None;
        /// Whether there is a weight. Default: true.
        elementwise_affine: bool = true;
        /// The dtype of the weight. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device. Default: the CPU.
        device: Device = Device::cpu();
    }
}

impl RMSNormBuilder {
    /// The module. Nothing is drawn.
    ///
    /// # Errors
    /// If a size is negative, or the dtype is not floating point.
    pub fn build(self) -> Result<RMSNorm> {
        let weight = if self.elementwise_affine { Some(filled(&self.normalized_shape, 1.0, (self.dtype, self.device))?) } else { None };
        Ok(RMSNorm { weight, settings: self })
    }
}

impl RMSNorm {
    fn arguments(&self) -> String {
        let s = &self.settings;
        let eps = s.eps.map_or("None".to_string(), |e| e.to_string());
        format!(
            "{:?}, eps={eps}, elementwise_affine={}",
            s.normalized_shape.as_slice(),
            if self.weight.is_some() { "True" } else { "False" }
        )
    }
}

impl Forward for RMSNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            x.rms_norm(
                self.settings.normalized_shape.clone(),
                self.weight.as_ref().map(Parameter::try_tensor).transpose()?.as_ref(),
                self.settings.eps,
            )
        })
    }
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` over groups of channels of each item x`[n, c, ..]`.
#[derive(Module, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct GroupNorm {
    /// The scale of each channel, at first 1.
    pub weight: Option<Parameter>,
    /// What is added to each channel, at first 0.
    pub bias: Option<Parameter>,
    #[module(skip)]
    settings: GroupNormBuilder,
}

builder! {
    /// The arguments of [`GroupNorm`].
    GroupNormBuilder for GroupNorm(num_groups: usize, num_channels: usize) {
        /// What is added to the variance. Default: 1e-5.
        eps: f64 = 1e-5;
        /// Whether there are weight and bias. Default: true.
        affine: bool = true;
        /// The dtype of the parameters. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device. Default: the CPU.
        device: Device = Device::cpu();
    }
}

impl GroupNormBuilder {
    /// The module. Nothing is drawn.
    ///
    /// # Errors
    /// If channels cannot be divided into the groups, or the dtype is not floating point.
    pub fn build(self) -> Result<GroupNorm> {
        if self.num_groups == 0 || !self.num_channels.is_multiple_of(self.num_groups) {
            return Err(Error::value(
                "GroupNorm",
                format!("num_channels {} must be divisible by num_groups {}", self.num_channels, self.num_groups),
            ));
        }
        let (mut weight, mut bias) = (None, None);
        if self.affine {
            let shape = [self.num_channels as isize];
            weight = Some(filled(&shape, 1.0, (self.dtype, self.device))?);
            bias = Some(filled(&shape, 0.0, (self.dtype, self.device))?);
        }
        Ok(GroupNorm { weight, bias, settings: self })
    }
}

impl GroupNorm {
    fn arguments(&self) -> String {
        let s = &self.settings;
        format!("{}, {}, eps={}, affine={}", s.num_groups, s.num_channels, s.eps, if s.affine { "True" } else { "False" })
    }
}

impl Forward for GroupNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            if x.shape().get(1) != Some(&self.settings.num_channels) {
                let wanted = self.settings.num_channels;
                return Err(Error::shape("GroupNorm", format!("wants [n, {wanted}, ..], got {:?}", x.shape())));
            }
            let (weight, bias) =
                (self.weight.as_ref().map(Parameter::try_tensor).transpose()?, self.bias.as_ref().map(Parameter::try_tensor).transpose()?);
            x.group_norm(self.settings.num_groups, weight.as_ref(), bias.as_ref(), self.settings.eps)
        })
    }
}

builder! {
    /// The arguments of [`LocalResponseNorm`]: over how many channels it goes.
    LocalResponseNormBuilder for LocalResponseNorm(size: usize) {
        /// The factor of the sum of squares. Default: 1e-4.
        alpha: f64 = 1e-4;
        /// The power. Default: 0.75.
        beta: f64 = 0.75;
        /// What is added. Default: 1.
        k: f64 = 1.0;
    }
}

/// `x / (k + alpha / size * sum of squares of neighbouring channels)^beta`.
#[derive(Module, Clone, Debug)]
pub struct LocalResponseNorm {
    #[module(skip)]
    settings: LocalResponseNormBuilder,
}

impl LocalResponseNormBuilder {
    /// The module.
    ///
    /// # Errors
    /// If the size is 0.
    pub fn build(self) -> Result<LocalResponseNorm> {
        if self.size == 0 {
            return Err(Error::value("LocalResponseNorm", "the size must not be 0"));
        }
        Ok(LocalResponseNorm { settings: self })
    }
}

impl Forward for LocalResponseNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let s = &self.settings;
            x.local_response_norm(s.size, s.alpha, s.beta, s.k)
        })
    }
}
