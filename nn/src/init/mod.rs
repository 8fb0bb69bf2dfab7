//! Initial values: torch.nn.init.

use rushlight_tensor::{Options, Result, Tensor};

use crate::Parameter;

/// The default of weights of linear and convolution layers: uniform in ±1/sqrt(fan_in), through PyTorch's `kaiming_uniform_(a=sqrt(5))`.
pub(crate) fn default_weight(shape: &[usize], options: Options) -> Result<Parameter> {
    let fan_in: usize = shape[1..].iter().product();
    let gain = (2.0 / (1.0 + 5f64.sqrt().powi(2))).sqrt();
    let bound = 3f64.sqrt() * (gain / (fan_in as f64).sqrt());
    Parameter::new(Tensor::uniform(-bound, bound, shape, options)?)
}

/// The default of biases: uniform in ±1/sqrt(fan_in).
pub(crate) fn default_bias(len: usize, fan_in: usize, options: Options) -> Result<Parameter> {
    let bound = if fan_in > 0 { 1.0 / (fan_in as f64).sqrt() } else { 0.0 };
    Parameter::new(Tensor::uniform(-bound, bound, len, options)?)
}
