//! Initial values: torch.nn.init. The functions draw from the default generator, as PyTorch does for the same seed.
//!
//! ```
//! use rushlight_nn::{Linear, init};
//!
//! let layer = Linear::new(8, 4)?;
//! init::kaiming_normal_(&layer.weight, init::Fan::Out, init::Nonlinearity::Relu)?;
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```

mod host;

pub use host::{dirac_, orthogonal_, sparse_, trunc_normal_};
use rushlight_tensor::{Error, Options, Result, Tensor};

use crate::Parameter;

/// Which of the numbers of connections the spread of initial weights follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Inputs of an output: keeps the variance in the forward pass.
    In,
    /// Outputs of an input: keeps it in the backward pass.
    Out,
}

/// The function that follows a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nonlinearity {
    /// None.
    Linear,
    /// The sigmoid.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// ReLU.
    Relu,
    /// Leaky ReLU with this slope; PyTorch's default is 0.01, that of the kaiming functions 0.
    LeakyRelu(f64),
    /// SELU.
    Selu,
}

impl Nonlinearity {
    /// The factor for the standard deviation of weights: PyTorch's `calculate_gain`.
    pub fn gain(self) -> f64 {
        match self {
            Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
            Nonlinearity::Tanh => 5.0 / 3.0,
            Nonlinearity::Relu => 2f64.sqrt(),
            Nonlinearity::LeakyRelu(slope) => (2.0 / (1.0 + slope.powi(2))).sqrt(),
            Nonlinearity::Selu => 0.75,
        }
    }
}

/// The numbers of connections of an output and of an input: `shape[1]` and `shape[0]` times the size of the kernel.
fn fans(op: &'static str, shape: &[usize]) -> Result<(f64, f64)> {
    let [out, inputs, kernel @ ..] = shape else {
        return Err(Error::shape(op, format!("wants a tensor of two dimensions or more, got {shape:?}")));
    };
    let kernel: f64 = kernel.iter().map(|&n| n as f64).product();
    Ok((*inputs as f64 * kernel, *out as f64 * kernel))
}

fn options(p: &Parameter) -> Options {
    (p.dtype(), p.device()).into()
}

/// Numbers of the uniform distribution over `low..high`.
///
/// # Errors
/// If the bounds are not in order.
pub fn uniform_(p: &Parameter, low: f64, high: f64) -> Result<()> {
    p.set(&Tensor::uniform(low, high, p.shape(), options(p))?)
}

/// Numbers of the normal distribution.
///
/// # Errors
/// If the standard deviation is negative.
pub fn normal_(p: &Parameter, mean: f64, std: f64) -> Result<()> {
    p.set(&Tensor::normal(mean, std, p.shape(), options(p))?)
}

/// One value everywhere.
///
/// # Errors
/// If memory cannot be had.
pub fn constant_(p: &Parameter, value: f64) -> Result<()> {
    p.set(&Tensor::full(p.shape(), value, options(p))?)
}

/// Zeros.
///
/// # Errors
/// If memory cannot be had.
pub fn zeros_(p: &Parameter) -> Result<()> {
    constant_(p, 0.0)
}

/// Ones.
///
/// # Errors
/// If memory cannot be had.
pub fn ones_(p: &Parameter) -> Result<()> {
    constant_(p, 1.0)
}

/// Ones on the diagonal of a matrix.
///
/// # Errors
/// If it is no matrix.
pub fn eye_(p: &Parameter) -> Result<()> {
    let [rows, cols] = p.shape()[..] else {
        return Err(Error::shape("eye_", format!("wants a matrix, got {:?}", p.shape())));
    };
    p.set(&Tensor::eye(rows, cols, options(p))?)
}

/// Uniform in ±b, `b = sqrt(3) gain sqrt(2 / (fan_in + fan_out))` (Glorot and Bengio, 2010).
///
/// # Errors
/// If there are less than two dimensions.
pub fn xavier_uniform_(p: &Parameter, gain: f64) -> Result<()> {
    let (fan_in, fan_out) = fans("xavier_uniform_", &p.shape())?;
    let bound = 3f64.sqrt() * (gain * (2.0 / (fan_in + fan_out)).sqrt());
    uniform_(p, -bound, bound)
}

/// Normal with standard deviation `gain sqrt(2 / (fan_in + fan_out))`.
///
/// # Errors
/// If there are less than two dimensions.
pub fn xavier_normal_(p: &Parameter, gain: f64) -> Result<()> {
    let (fan_in, fan_out) = fans("xavier_normal_", &p.shape())?;
    normal_(p, 0.0, gain * (2.0 / (fan_in + fan_out)).sqrt())
}

/// Uniform in ±b, `b = sqrt(3) gain / sqrt(fan)` (He et al., 2015).
///
/// # Errors
/// If there are less than two dimensions.
pub fn kaiming_uniform_(p: &Parameter, fan: Fan, nonlinearity: Nonlinearity) -> Result<()> {
    let bound = 3f64.sqrt() * kaiming_std("kaiming_uniform_", &p.shape(), fan, nonlinearity)?;
    uniform_(p, -bound, bound)
}

/// Normal with standard deviation `gain / sqrt(fan)`.
///
/// # Errors
/// If there are less than two dimensions.
pub fn kaiming_normal_(p: &Parameter, fan: Fan, nonlinearity: Nonlinearity) -> Result<()> {
    normal_(p, 0.0, kaiming_std("kaiming_normal_", &p.shape(), fan, nonlinearity)?)
}

fn kaiming_std(op: &'static str, shape: &[usize], fan: Fan, nonlinearity: Nonlinearity) -> Result<f64> {
    let (fan_in, fan_out) = fans(op, shape)?;
    Ok(nonlinearity.gain() / if fan == Fan::In { fan_in } else { fan_out }.sqrt())
}

/// The default of weights of linear and convolution layers: uniform in ±1/sqrt(fan_in), through PyTorch's `kaiming_uniform_(a=sqrt(5))`.
pub(crate) fn default_weight(shape: &[usize], options: Options) -> Result<Parameter> {
    // An empty weight, of a layer without inputs, has nothing to draw.
    let std = if shape[1..].contains(&0) { 0.0 } else { kaiming_std("init", shape, Fan::In, Nonlinearity::LeakyRelu(5f64.sqrt()))? };
    let bound = 3f64.sqrt() * std;
    Parameter::new(Tensor::uniform(-bound, bound, shape, options)?)
}

/// The default of biases: uniform in ±1/sqrt(fan_in).
pub(crate) fn default_bias(len: usize, fan_in: usize, options: Options) -> Result<Parameter> {
    let bound = if fan_in > 0 { 1.0 / (fan_in as f64).sqrt() } else { 0.0 };
    Parameter::new(Tensor::uniform(-bound, bound, len, options)?)
}
