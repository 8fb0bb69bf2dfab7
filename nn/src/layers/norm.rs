//! Normalisation.

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use crate::builder::builder;
use crate::{Buffer, Forward, Mode, Module, Momentum, Parameter, functional};

macro_rules! batch_norms {
    ($($module:ident $builder:ident $ranks:pat, $name:literal $shape:literal;)*) => {$(
        #[doc = concat!("Batch normalisation of x", $shape, ": `(x - mean) / sqrt(variance + eps) * weight + bias` for each channel.")]
        ///
        /// In training mean and variance are the batch's, and the running ones follow them: `running = (1 - momentum) * running + momentum * batch`. In
        /// evaluation they are the running ones, if these are tracked.
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
            /// The number of batches that the running statistics have seen (int64).
            pub num_batches_tracked: Option<Buffer>,
            momentum: Momentum,
            mode: Mode,
            #[module(skip)]
            settings: $builder,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($module), "`].")]
            $builder for $module(num_features: usize) {
                /// What is added to the variance. Default: 1e-5.
                eps: f64 = 1e-5;
                /// The weight of a new batch in the running statistics; `None`: all batches count the same. Default: 0.1.
                momentum: Option<f64> = Some(0.1);
                /// Whether there are weight and bias. Default: true.
                affine: bool = true;
                /// Whether there are running statistics. Default: true.
                track_running_stats: bool = true;
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
                let momentum = Momentum::new(self.momentum);
                Ok($module { weight, bias, running_mean, running_var, num_batches_tracked, momentum, mode: Mode::new(), settings: self })
            }
        }

        impl $module {
            fn arguments(&self) -> String {
                let s = &self.settings;
                let python = |b: bool| if b { "True" } else { "False" };
                let momentum = self.momentum.get().map_or("None".to_owned(), |m| m.to_string());
                let (affine, track) = (python(s.affine), python(s.track_running_stats));
                format!("{}, eps={}, momentum={momentum}, affine={affine}, track_running_stats={track}", s.num_features, s.eps)
            }
        }

        impl crate::utils::FoldableNorm for $module {
            fn statistics(&self) -> Option<(Tensor, Tensor)> {
                Some((self.running_mean.as_ref()?.tensor(), self.running_var.as_ref()?.tensor()))
            }

            fn affine(&self) -> Result<(Option<Tensor>, Option<Tensor>, f64)> {
                let value = |p: &Parameter| -> Result<Tensor> { Ok(p.try_tensor()?.detach()) };
                Ok((self.weight.as_ref().map(value).transpose()?, self.bias.as_ref().map(value).transpose()?, self.settings.eps))
            }
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    let s = &self.settings;
                    if !matches!(x.dim(), $ranks) || x.shape()[1] != s.num_features {
                        return Err(Error::shape($name, format!("wants {} with {} channels, got {:?}", $shape, s.num_features, x.shape())));
                    }
                    let training = self.mode.is_training();
                    let seen = match &self.num_batches_tracked {
                        Some(n) if training => Some((n, n.tensor().add(1)?)),
                        _ => None,
                    };
                    let momentum = match (self.momentum.get(), &seen) {
                        (Some(m), _) => m,
                        (None, Some((_, n))) => 1.0 / n.to_f64()?,
                        (None, None) => 0.0,
                    };
                    let y = functional::batch_norm(
                        x,
                        self.running_mean.as_ref(),
                        self.running_var.as_ref(),
                        self.weight.as_ref().map(Parameter::try_tensor).transpose()?.as_ref(),
                        self.bias.as_ref().map(Parameter::try_tensor).transpose()?.as_ref(),
                        training || self.running_mean.is_none(),
                        momentum,
                        s.eps,
                    )?;
                    if let Some((buffer, n)) = seen {
                        buffer.set(&n)?;
                    }
                    Ok(y)
                })
            }
        }
    )*};
}

batch_norms! {
    BatchNorm1d BatchNorm1dBuilder 2 | 3, "BatchNorm1d" "[n, c] or [n, c, l]";
    BatchNorm2d BatchNorm2dBuilder 4, "BatchNorm2d" "[n, c, h, w]";
    BatchNorm3d BatchNorm3dBuilder 5, "BatchNorm3d" "[n, c, d, h, w]";
}
