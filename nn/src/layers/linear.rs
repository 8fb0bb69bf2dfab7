//! Linear maps.

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use crate::builder::builder;
use crate::{Forward, Module, Parameter, init};

/// `x @ weight^T + bias`: maps the last dimension of x from `in_features` to `out_features`.
///
/// - `weight`: `[out_features, in_features]`, at first uniform in ±1/sqrt(in_features).
/// - `bias`: `[out_features]`, at first uniform in ±1/sqrt(in_features).
#[derive(Module, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct Linear {
    /// The matrix.
    pub weight: Parameter,
    /// What is added.
    pub bias: Option<Parameter>,
    in_features: usize,
    out_features: usize,
}

builder! {
    /// The arguments of [`Linear`].
    LinearBuilder for Linear(in_features: usize, out_features: usize) {
        /// Whether a bias is added. Default: true.
        bias: bool = true;
        /// The dtype of the parameters. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device of the parameters. Default: the CPU.
        device: Device = Device::cpu();
    }
}

impl LinearBuilder {
    /// Draws the parameters: weight, then bias.
    ///
    /// # Errors
    /// If the dtype is not floating point.
    pub fn build(self) -> Result<Linear> {
        let LinearBuilder { in_features, out_features, .. } = self;
        let options = (self.dtype, self.device).into();
        let weight = init::default_weight(&[out_features, in_features], options)?;
        let bias = if self.bias { Some(init::default_bias(out_features, in_features, options)?) } else { None };
        Ok(Linear { weight, bias, in_features, out_features })
    }
}

impl Linear {
    /// The size of the last dimension of inputs.
    pub fn in_features(&self) -> usize {
        self.in_features
    }

    /// The size of the last dimension of results.
    pub fn out_features(&self) -> usize {
        self.out_features
    }

    fn arguments(&self) -> String {
        let bias = if self.bias.is_some() { "True" } else { "False" };
        format!("in_features={}, out_features={}, bias={bias}", self.in_features, self.out_features)
    }
}

impl crate::utils::FoldableLayer for Linear {
    fn weights(&self) -> Result<(Tensor, Option<Tensor>)> {
        crate::utils::values(&self.weight, self.bias.as_ref())
    }

    fn with_weights(&self, weight: Tensor, bias: Tensor) -> Result<Linear> {
        let (in_features, out_features) = (self.in_features, self.out_features);
        Ok(Linear { weight: Parameter::new(weight)?, bias: Some(Parameter::new(bias)?), in_features, out_features })
    }
}

impl Forward for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            if x.shape().last() != Some(&self.in_features) {
                return Err(Error::shape(
                    "linear",
                    format!("wants a last dimension of {} (in_features), got shape {:?}", self.in_features, x.shape()),
                ));
            }
            x.linear(&self.weight.try_tensor()?, self.bias.as_ref().map(Parameter::try_tensor).transpose()?.as_ref())
        })
    }
}

/// Gives back its input.
#[derive(Module, Clone, Copy, Debug, Default)]
pub struct Identity;

impl Identity {
    /// The module.
    pub fn new() -> Identity {
        Identity
    }
}

impl Forward for Identity {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || Ok(x.clone()))
    }

    fn forward_owned(&self, x: Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || Ok(x))
    }
}

/// `x1' W[k] x2 + bias[k]` for each of `out_features` k.
///
/// - `weight`: `[out_features, in1_features, in2_features]`, at first uniform in ±1/sqrt(in1_features).
/// - `bias`: `[out_features]`, at first uniform in ±1/sqrt(in1_features).
#[derive(Module, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct Bilinear {
    /// The matrices.
    pub weight: Parameter,
    /// What is added.
    pub bias: Option<Parameter>,
    #[module(skip)]
    settings: BilinearBuilder,
}

builder! {
    /// The arguments of [`Bilinear`].
    BilinearBuilder for Bilinear(in1_features: usize, in2_features: usize, out_features: usize) {
        /// Whether a bias is added. Default: true.
        bias: bool = true;
        /// The dtype of the parameters. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device of the parameters. Default: the CPU.
        device: Device = Device::cpu();
    }
}

impl BilinearBuilder {
    /// Draws the parameters: weight, then bias.
    ///
    /// # Errors
    /// If `in1_features` is 0, or the dtype is not floating point.
    pub fn build(self) -> Result<Bilinear> {
        if self.in1_features == 0 {
            return Err(Error::value("Bilinear", "in1_features must not be 0"));
        }
        let bound = 1.0 / (self.in1_features as f64).sqrt();
        let options = (self.dtype, self.device);
        let shape = [self.out_features, self.in1_features, self.in2_features];
        let weight = Parameter::new(Tensor::uniform(-bound, bound, shape, options)?)?;
        let bias = if self.bias { Some(init::default_bias(self.out_features, self.in1_features, options.into())?) } else { None };
        Ok(Bilinear { weight, bias, settings: self })
    }
}

impl Bilinear {
    /// The forms of x1`[.., in1_features]` and x2`[.., in2_features]`: `[.., out_features]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward(&self, x1: &Tensor, x2: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            x1.bilinear(x2, &self.weight.try_tensor()?, self.bias.as_ref().map(Parameter::try_tensor).transpose()?.as_ref())
        })
    }

    fn arguments(&self) -> String {
        let s = &self.settings;
        let bias = if s.bias { "True" } else { "False" };
        format!("in1_features={}, in2_features={}, out_features={}, bias={bias}", s.in1_features, s.in2_features, s.out_features)
    }
}
