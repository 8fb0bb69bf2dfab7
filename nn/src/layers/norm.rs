//! Normalisation.

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use crate::builder::builder;
use crate::{Buffer, Forward, Mode, Module, Parameter};

macro_rules! batch_norms {
    ($($module:ident $builder:ident $ranks:tt $input:literal;)*) => {$(
        #[doc = concat!("Batch normalisation of ", $input, ".")]
        ///
        /// Each channel is shifted and scaled to mean 0 and variance 1, then by `weight` and `bias`.
        ///
        /// In training the statistics are the batch's, and running ones are kept; in evaluation the running ones are used.
        ///
        /// - `weight`, `bias`: `[num_features]`, at first ones and zeros.
        /// - `running_mean`, `running_var`: `[num_features]`, at first zeros and ones.
        /// - `num_batches_tracked`: int64, 0-d.
        #[derive(Module, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $module {
            /// The scale.
            pub weight: Option<Parameter>,
            /// What is added.
            pub bias: Option<Parameter>,
            /// The running mean of each channel.
            pub running_mean: Option<Buffer>,
            /// The running unbiased variance of each channel.
            pub running_var: Option<Buffer>,
            /// The number of batches that the running statistics have seen.
            pub num_batches_tracked: Option<Buffer>,
            mode: Mode,
            num_features: usize,
            eps: f64,
            momentum: Option<f64>,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($module), "`].")]
            $builder for $module(num_features: usize) {
                /// Added to the variance. Default: 1e-5.
                eps: f64 = 1e-5;
                /// The share of a batch in the running statistics; `None` gives every batch the same. Default: 0.1.
                momentum: Option<f64> = Some(0.1);
                /// Whether there are weight and bias. Default: true.
                affine: bool = true;
                /// Whether running statistics are kept. Default: true.
                track_running_stats: bool = true;
                /// The dtype of parameters and statistics. Default: the default float type.
                dtype(DType; into): Option<DType> = None;
                /// The device. Default: the CPU.
                device: Device = Device::cpu();
            }
        }

        impl $builder {
            /// Makes parameters and statistics; nothing is drawn.
            ///
            /// # Errors
            /// If the dtype is not floating point.
            pub fn build(self) -> Result<$module> {
                let n = self.num_features;
                let options = (self.dtype, self.device);
                let ones = || Tensor::ones(n, options);
                let zeros = || Tensor::zeros(n, options);
                let parameter = |t: Result<Tensor>| if self.affine { Parameter::new(t?).map(Some) } else { Ok(None) };
                let buffer = |t: Result<Tensor>| if self.track_running_stats { Ok::<_, Error>(Some(Buffer::new(t?))) } else { Ok(None) };
                Ok($module {
                    weight: parameter(ones())?,
                    bias: parameter(zeros())?,
                    running_mean: buffer(zeros())?,
                    running_var: buffer(ones())?,
                    num_batches_tracked: buffer(Tensor::zeros((), (DType::I64, self.device)))?,
                    mode: Mode::new(),
                    num_features: n,
                    eps: self.eps,
                    momentum: self.momentum,
                })
            }
        }

        impl $module {
            fn arguments(&self) -> String {
                let (affine, track) = (self.weight.is_some(), self.running_mean.is_some());
                let momentum = self.momentum.map_or("None".to_string(), |m| m.to_string());
                format!("{}, eps={}, momentum={momentum}, affine={affine}, track_running_stats={track}", self.num_features, self.eps)
            }

            /// Counts a batch, and gives its share in the running statistics.
            fn share(&self) -> Result<f64> {
                let Some(count) = &self.num_batches_tracked else { return Ok(self.momentum.unwrap_or(0.0)) };
                let seen = count.tensor().add(1)?;
                count.set(&seen)?;
                match self.momentum {
                    Some(m) => Ok(m),
                    None => Ok(1.0 / seen.to_f64()?),
                }
            }
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                if !$ranks.contains(&x.dim()) || x.shape()[1] != self.num_features {
                    return Err(Error::shape(
                        stringify!($module),
                        format!("wants {} with {} channels, got {:?}", $input, self.num_features, x.shape()),
                    ));
                }
                let (weight, bias) = (self.weight.as_ref().map(Parameter::tensor), self.bias.as_ref().map(Parameter::tensor));
                let training = self.mode.is_training();
                let Some((mean, var)) = self.running_mean.as_ref().zip(self.running_var.as_ref()) else {
                    return x.batch_norm(None, None, weight.as_ref(), bias.as_ref(), true, 0.0, self.eps);
                };
                let (mut running_mean, mut running_var) = (mean.tensor(), var.tensor());
                let share = if training { self.share()? } else { 0.0 };
                let y = x.batch_norm(Some(&mut running_mean), Some(&mut running_var), weight.as_ref(), bias.as_ref(), training, share, self.eps)?;
                if training {
                    mean.set(&running_mean)?;
                    var.set(&running_var)?;
                }
                Ok(y)
            }
        }
    )*};
}

batch_norms! {
    BatchNorm1d BatchNorm1dBuilder [2, 3] "`[n, channels]` or `[n, channels, length]`";
    BatchNorm2d BatchNorm2dBuilder [4] "`[n, channels, height, width]`";
    BatchNorm3d BatchNorm3dBuilder [5] "`[n, channels, depth, height, width]`";
}
