//! Normalisation of each channel of each item.

use rushlight_tensor::{DType, Device, Error, InstanceNorm, Result, Tensor};

use crate::builder::builder;
use crate::{Buffer, Forward, Mode, Module, Parameter, functional};

macro_rules! instance_norms {
    ($($module:ident $builder:ident $rank:literal $shape:literal;)*) => {$(
        #[doc = concat!("Instance normalisation of x", $shape, ": `(x - mean) / sqrt(variance + eps) * weight + bias` for each channel of each item.")]
        ///
        /// Mean and variance are the item's; with running statistics they are those in evaluation.
        #[derive(Module, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $module {
            /// The scale of each channel, at first 1.
            pub weight: Option<Parameter>,
            /// What is added to each channel, at first 0.
            pub bias: Option<Parameter>,
            /// The mean of each channel, at first 0.
            pub running_mean: Option<Buffer>,
            /// The unbiased variance of each channel, at first 1.
            pub running_var: Option<Buffer>,
            /// A counter that PyTorch has here too, and does not use.
            pub num_batches_tracked: Option<Buffer>,
            mode: Mode,
            #[module(skip)]
            settings: $builder,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($module), "`].")]
            $builder for $module(num_features: usize) {
                /// What is added to the variance. Default: 1e-5.
                eps: f64 = 1e-5;
                /// The weight of a new batch in the running statistics. Default: 0.1.
                momentum: f64 = 0.1;
                /// Whether there are weight and bias. Default: false.
                affine: bool = false;
                /// Whether there are running statistics. Default: false.
                track_running_stats: bool = false;
                /// The dtype of parameters and statistics. Default: the default float type.
                dtype(DType; into): Option<DType> = None;
                /// The device. Default: the CPU.
                device: Device = Device::cpu();
            }
        }

        impl $builder {
            /// The module. Nothing is drawn.
            ///
            /// # Errors
            /// If the dtype is not floating point.
            pub fn build(self) -> Result<$module> {
                let (n, options) = (self.num_features, (self.dtype, self.device));
                let parameter = |value: f64| Parameter::new(Tensor::full(n, value, options)?).map(Some);
                let (weight, bias) = if self.affine { (parameter(1.0)?, parameter(0.0)?) } else { (None, None) };
                let (mut running_mean, mut running_var, mut num_batches_tracked) = (None, None, None);
                if self.track_running_stats {
                    running_mean = Some(Buffer::new(Tensor::zeros(n, options)?));
                    running_var = Some(Buffer::new(Tensor::ones(n, options)?));
                    num_batches_tracked = Some(Buffer::new(Tensor::zeros((), (DType::I64, self.device))?));
                }
                Ok($module { weight, bias, running_mean, running_var, num_batches_tracked, mode: Mode::new(), settings: self })
            }
        }

        impl $module {
            fn arguments(&self) -> String {
                let s = &self.settings;
                let python = |b: bool| if b { "True" } else { "False" };
                let (affine, track) = (python(s.affine), python(s.track_running_stats));
                format!("{}, eps={}, momentum={}, affine={affine}, track_running_stats={track}", s.num_features, s.eps, s.momentum)
            }
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    let s = &self.settings;
                    let alone = x.dim() == $rank + 1;
                    if !(alone || x.dim() == $rank + 2) {
                        return Err(Error::shape(stringify!($module), format!("wants {}, got {:?}", $shape, x.shape())));
                    }
                    let x = if alone { x.unsqueeze(0)? } else { x.clone() };
                    if s.affine && x.shape()[1] != s.num_features {
                        return Err(Error::shape(stringify!($module), format!("wants {} channels, got {:?}", s.num_features, x.shape())));
                    }
                    let use_input_stats = self.mode.is_training() || self.running_mean.is_none();
                    let (weight, bias) = (self.weight.as_ref().map(Parameter::try_tensor).transpose()?, self.bias.as_ref().map(Parameter::try_tensor).transpose()?);
                    let options = InstanceNorm { use_input_stats, momentum: s.momentum, eps: s.eps };
                    let (mean, var) = (self.running_mean.as_ref(), self.running_var.as_ref());
                    let y = functional::instance_norm(&x, mean, var, weight.as_ref(), bias.as_ref(), options)?;
                    if alone { y.squeeze_dim(0) } else { Ok(y) }
                })
            }
        }
    )*};
}

instance_norms! {
    InstanceNorm1d InstanceNorm1dBuilder 1 "[n, c, l] or [c, l]";
    InstanceNorm2d InstanceNorm2dBuilder 2 "[n, c, h, w] or [c, h, w]";
    InstanceNorm3d InstanceNorm3dBuilder 3 "[n, c, d, h, w] or [c, d, h, w]";
}
