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

impl Forward for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.shape().last() != Some(&self.in_features) {
            return Err(Error::shape(
                "linear",
                format!("wants a last dimension of {} (in_features), got shape {:?}", self.in_features, x.shape()),
            ));
        }
        x.linear(&self.weight.tensor(), self.bias.as_ref().map(Parameter::tensor).as_ref())
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
        Ok(x.clone())
    }

    fn forward_owned(&self, x: Tensor) -> Result<Tensor> {
        Ok(x)
    }
}
