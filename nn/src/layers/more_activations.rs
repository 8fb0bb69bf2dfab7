//! Further functions of each element as modules.

use rushlight_tensor::{DType, Device, Result, Tensor};

use crate::builder::{builder, options};
use crate::{Forward, Module, Parameter};

macro_rules! forwards {
    ($($name:ident |$m:ident, $x:ident| $body:expr;)*) => {$(
        impl Forward for $name {
            fn forward(&self, $x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    let $m = self;
                    $body
                })
            }
        }
    )*};
}

options! {
    /// `x` above 0, `alpha * (exp(x / alpha) - 1)` below.
    CELU, CELUBuilder {
        /// Minus the limit for small x. Default: 1.
        alpha: f64 = 1.0;
    }
}

options! {
    /// x between `min_val` and `max_val`, these beyond.
    Hardtanh, HardtanhBuilder {
        /// The least result. Default: -1.
        min_val: f64 = -1.0;
        /// The largest result. Default: 1.
        max_val: f64 = 1.0;
    }
}

options! {
    /// x where its magnitude is above `lambd`, else 0.
    Hardshrink, HardshrinkBuilder {
        /// The threshold. Default: 0.5.
        lambd: f64 = 0.5;
    }
}

options! {
    /// x moved toward 0 by `lambd`, and 0 where it would change its sign.
    Softshrink, SoftshrinkBuilder {
        /// By how much. Default: 0.5.
        lambd: f64 = 0.5;
    }
}

options! {
    /// Half of the channels times the sigmoid of the other half.
    GLU, GLUBuilder {
        /// The dimension that is halved. Default: -1.
        dim: isize = -1;
    }
}

forwards! {
    CELU |m, x| x.celu(m.alpha);
    Hardtanh |m, x| x.hardtanh(m.min_val, m.max_val);
    Hardshrink |m, x| x.hardshrink(m.lambd);
    Softshrink |m, x| x.softshrink(m.lambd);
    GLU |m, x| x.glu(m.dim);
}

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident $method:ident;)*) => {$(
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
        }
    )*};
}

plain! {
    /// `x / (1 + |x|)`.
    Softsign softsign;
    /// `x - tanh(x)`.
    Tanhshrink tanhshrink;
}

/// x above a threshold, one value elsewhere.
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct Threshold {
    threshold: f64,
    value: f64,
}

builder! {
    /// The arguments of [`Threshold`]: the threshold, and the value elsewhere.
    ThresholdBuilder for Threshold(threshold: f64, value: f64) {}
}

impl ThresholdBuilder {
    /// The module.
    ///
    /// # Errors
    /// None for this module; all builders return results.
    pub fn build(self) -> Result<Threshold> {
        Ok(Threshold { threshold: self.threshold, value: self.value })
    }
}

impl Threshold {
    fn arguments(&self) -> String {
        format!("threshold={}, value={}", self.threshold, self.value)
    }
}

impl Forward for Threshold {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || x.threshold(self.threshold, self.value))
    }
}

/// x above 0, x times a learned slope below (He et al., 2015).
///
/// `weight`: `[num_parameters]`, one slope for all or one for each channel.
#[derive(Module, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct PReLU {
    /// The slopes.
    pub weight: Parameter,
}

/// The arguments of [`PReLU`].
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct PReLUBuilder {
    num_parameters: usize,
    init: f64,
    dtype: Option<DType>,
    device: Device,
}

impl PReLUBuilder {
    /// The number of slopes: 1, or that of the channels. Default: 1.
    pub fn num_parameters(mut self, n: usize) -> PReLUBuilder {
        self.num_parameters = n;
        self
    }

    /// The slopes at first. Default: 0.25.
    pub fn init(mut self, init: f64) -> PReLUBuilder {
        self.init = init;
        self
    }

    /// The dtype of the slopes. Default: the default float type.
    pub fn dtype(mut self, dtype: DType) -> PReLUBuilder {
        self.dtype = Some(dtype);
        self
    }

    /// The device of the slopes. Default: the CPU.
    pub fn device(mut self, device: Device) -> PReLUBuilder {
        self.device = device;
        self
    }

    /// The module. Nothing is drawn.
    ///
    /// # Errors
    /// If the dtype is not floating point.
    pub fn build(self) -> Result<PReLU> {
        Ok(PReLU { weight: Parameter::new(Tensor::full(self.num_parameters, self.init, (self.dtype, self.device))?)? })
    }
}

impl PReLU {
    /// The module with PyTorch's defaults.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn new() -> Result<PReLU> {
        PReLU::builder().build()
    }

    /// The defaults, to be changed.
    pub fn builder() -> PReLUBuilder {
        PReLUBuilder { num_parameters: 1, init: 0.25, dtype: None, device: Device::cpu() }
    }

    fn arguments(&self) -> String {
        format!("num_parameters={}", self.weight.numel())
    }
}

impl Forward for PReLU {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || x.prelu(&self.weight.try_tensor()?))
    }
}
