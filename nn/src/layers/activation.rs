//! Functions of each element as modules.

use rushlight_tensor::backend::op::{Pointwise, Unary};
use rushlight_tensor::{Error, Result, Tensor, apply1};

use crate::builder::{builder, options};
use crate::{Forward, Mode, Module};

/// `f(x)` for each element, in the memory of x if nobody else holds it.
fn owned(f: Unary, x: Tensor, otherwise: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if x.dtype().is_float() { apply1(Pointwise::Unary(f), [x]) } else { otherwise(&x) }
}

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident => $method:ident, $f:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone, Copy, Debug, Default)]
        pub struct $name;

        impl $name {
            /// The module.
            pub fn new() -> $name {
                $name
            }
        }

        impl Forward for $name {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || x.$method())
            }

            fn forward_owned(&self, x: Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || owned($f, x, Tensor::$method))
            }
        }
    )*};
}

activations! {
    /// `max(x, 0)`.
    ReLU => relu, Unary::Relu;
    /// The hyperbolic tangent.
    Tanh => tanh, Unary::Tanh;
    /// `1 / (1 + exp(-x))`.
    Sigmoid => sigmoid, Unary::Sigmoid;
    /// `x * sigmoid(x)`.
    SiLU => silu, Unary::Silu;
    /// `x * tanh(softplus(x))`.
    Mish => mish, Unary::Mish;
    /// The scaled ELU, under which activations keep mean 0 and variance 1.
    SELU => selu, Unary::Selu;
    /// `min(max(x, 0), 6)`.
    ReLU6 => relu6, Unary::Relu6;
    /// `min(max(x / 6 + 1 / 2, 0), 1)`.
    Hardsigmoid => hardsigmoid, Unary::Hardsigmoid;
    /// `x * hardsigmoid(x)`.
    Hardswish => hardswish, Unary::Hardswish;
    /// `log(sigmoid(x))`.
    LogSigmoid => logsigmoid, Unary::LogSigmoid;
}

/// How [`GELU`] is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approximate {
    /// With the error function.
    #[default]
    None,
    /// By the tanh approximation.
    Tanh,
}

options! {
    /// The Gaussian error linear unit, `x * Phi(x)`.
    GELU, GELUBuilder {
        /// Whether it is approximated. Default: no.
        approximate: Approximate = Approximate::None;
    }
}

options! {
    /// `x` above 0, `negative_slope * x` below.
    LeakyReLU, LeakyReLUBuilder {
        /// The slope below 0. Default: 0.01.
        negative_slope: f64 = 0.01;
    }
}

options! {
    /// `x` above 0, `alpha * (exp(x) - 1)` below.
    ELU, ELUBuilder {
        /// Minus the limit for small x. Default: 1.
        alpha: f64 = 1.0;
    }
}

options! {
    /// `log(1 + exp(beta x)) / beta`, and x itself where `beta x` is above the threshold.
    Softplus, SoftplusBuilder {
        /// The sharpness. Default: 1.
        beta: f64 = 1.0;
        /// Where it becomes the identity. Default: 20.
        threshold: f64 = 20.0;
    }
}

macro_rules! with_options {
    ($($name:ident: |$m:ident| $f:expr, |$x:ident| $method:expr;)*) => {$(
        impl Forward for $name {
            fn forward(&self, $x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    let $m = self;
                    $method
                })
            }

            fn forward_owned(&self, x: Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    let $m = self;
                    owned($f, x, |x| self.forward(x))
                })
            }
        }
    )*};
}

with_options! {
    GELU: |m| if m.approximate == Approximate::Tanh { Unary::GeluTanh } else { Unary::Gelu },
        |x| crate::functional::gelu(x, m.approximate);
    LeakyReLU: |m| Unary::LeakyRelu { slope: m.negative_slope }, |x| x.leaky_relu(m.negative_slope);
    ELU: |m| Unary::Elu { alpha: m.alpha }, |x| x.elu(m.alpha);
    Softplus: |m| Unary::Softplus { beta: m.beta, threshold: m.threshold }, |x| x.softplus(m.beta, m.threshold);
}

/// x above 0, x times a slope below: in training a random one, in evaluation the mean of the bounds.
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct RReLU {
    #[module(skip)]
    settings: RReLUBuilder,
    mode: Mode,
}

builder! {
    /// The arguments of [`RReLU`].
    RReLUBuilder for RReLU() {
        /// The least slope. Default: 1/8.
        lower: f64 = 1.0 / 8.0;
        /// The largest slope. Default: 1/3.
        upper: f64 = 1.0 / 3.0;
    }
}

impl RReLUBuilder {
    /// The module.
    ///
    /// # Errors
    /// If the bounds are not in order.
    pub fn build(self) -> Result<RReLU> {
        if self.lower.is_nan() || self.upper.is_nan() || self.lower > self.upper {
            return Err(Error::value("RReLU", format!("lower {} must not be above upper {}", self.lower, self.upper)));
        }
        Ok(RReLU { settings: self, mode: Mode::new() })
    }
}

impl RReLU {
    fn arguments(&self) -> String {
        format!("lower={}, upper={}", self.settings.lower, self.settings.upper)
    }
}

impl Forward for RReLU {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || x.rrelu(self.settings.lower, self.settings.upper, self.mode.is_training()))
    }
}
