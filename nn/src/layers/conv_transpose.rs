//! Transposed convolutions.

use rushlight_tensor::{DType, Device, Error, IntoSizes, Result, Sizes, Tensor};

use super::conv::{each, tuple};
use crate::builder::builder;
use crate::{Forward, Module, Parameter, init};

/// A size for each of `rank` dimensions, none of them negative.
fn spread(op: &'static str, what: &str, sizes: &[isize], rank: usize) -> Result<Vec<isize>> {
    match sizes.len() {
        _ if sizes.iter().any(|&n| n < 0) => Err(Error::value(op, format!("{what} must not be negative, got {sizes:?}"))),
        1 => Ok(vec![sizes[0]; rank]),
        n if n == rank => Ok(sizes.to_vec()),
        _ => Err(Error::value(op, format!("{what} must be one number or {rank}, got {sizes:?}"))),
    }
}

macro_rules! transposed {
    ($($rank:literal $module:ident $builder:ident $method:ident $shapes:literal $kernel:literal;)*) => {$(
        #[doc = concat!("Transposed convolution: x", $shapes, ", also without the batch.")]
        ///
        #[doc = concat!("- `weight`: `[in_channels, out_channels / groups, ", $kernel, "]`;")]
        /// - `bias`: `[out_channels]`.
        ///
        /// Both are at first uniform in ±1/sqrt(n), n = out_channels / groups times the size of the kernel.
        #[derive(Module, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $module {
            /// The kernels.
            pub weight: Parameter,
            /// What is added to each channel.
            pub bias: Option<Parameter>,
            #[module(skip)]
            settings: $builder,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($module), "`]. Sizes are one number for all dimensions, or one for each.")]
            $builder for $module(in_channels: usize, out_channels: usize, kernel_size(impl IntoSizes; into_sizes): Sizes) {
                /// Steps between windows. Default: 1.
                stride(impl IntoSizes; into_sizes): Sizes = 1.into_sizes();
                /// What the transposed convolution has as padding: so much less comes out on both sides. Default: 0.
                padding(impl IntoSizes; into_sizes): Sizes = 0.into_sizes();
                /// So much more comes out on one side. Default: 0.
                output_padding(impl IntoSizes; into_sizes): Sizes = 0.into_sizes();
                /// Into how many groups the channels are divided. Default: 1.
                groups: usize = 1;
                /// Whether a bias is added. Default: true.
                bias: bool = true;
                /// Steps between the elements of a window. Default: 1.
                dilation(impl IntoSizes; into_sizes): Sizes = 1.into_sizes();
                /// The dtype of the parameters. Default: the default float type.
                dtype(DType; into): Option<DType> = None;
                /// The device of the parameters. Default: the CPU.
                device: Device = Device::cpu();
            }
        }

        impl $builder {
            /// Draws the parameters: weight, then bias.
            ///
            /// # Errors
            /// If channels cannot be divided into the groups, a size is not positive or not one for each dimension, or the dtype is not floating point.
            pub fn build(self) -> Result<$module> {
                const NAME: &str = stringify!($module);
                let (inputs, outputs, groups) = (self.in_channels, self.out_channels, self.groups);
                if groups == 0 || inputs % groups != 0 || outputs % groups != 0 {
                    let what = format!("in_channels {inputs} and out_channels {outputs} must be divisible by groups {groups}");
                    return Err(Error::value(NAME, what));
                }
                let kernel = each(NAME, "kernel_size", &self.kernel_size, $rank)?;
                each(NAME, "stride", &self.stride, $rank)?;
                each(NAME, "dilation", &self.dilation, $rank)?;
                spread(NAME, "padding", &self.padding, $rank)?;
                spread(NAME, "output_padding", &self.output_padding, $rank)?;
                let options = (self.dtype, self.device).into();
                let shape: Vec<usize> = [inputs, outputs / groups].into_iter().chain(kernel).collect();
                let weight = init::default_weight(&shape, options)?;
                let fan_in = shape[1..].iter().product();
                let bias = if self.bias { Some(init::default_bias(outputs, fan_in, options)?) } else { None };
                Ok($module { weight, bias, settings: self })
            }
        }

        impl $module {
            /// The result in this size: PyTorch's `output_size`, of which dimensions in front are passed over. It may be up to a stride larger than the smallest.
            ///
            /// # Errors
            /// If the size cannot come out, or the input does not fit.
            pub fn forward_sized(&self, x: &Tensor, output_size: impl IntoSizes) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    const NAME: &str = stringify!($module);
                    let (s, wanted) = (&self.settings, output_size.into_sizes());
                    if !(wanted.len() == $rank || wanted.len() == x.dim()) || x.dim() <= $rank {
                        return Err(Error::shape(NAME, format!("output_size {wanted:?} does not fit an input of shape {:?}", x.shape())));
                    }
                    let wanted = &wanted[wanted.len() - $rank..];
                    let (stride, padding) = (spread(NAME, "stride", &s.stride, $rank)?, spread(NAME, "padding", &s.padding, $rank)?);
                    let (dilation, kernel) = (spread(NAME, "dilation", &s.dilation, $rank)?, spread(NAME, "kernel_size", &s.kernel_size, $rank)?);
                    let mut more = Sizes::new();
                    for d in 0..$rank {
                        let n = x.shape()[x.dim() - $rank + d] as isize;
                        let least = (n - 1) * stride[d] - 2 * padding[d] + dilation[d] * (kernel[d] - 1) + 1;
                        if wanted[d] < least || wanted[d] >= least + stride[d] {
                            let most = least + stride[d] - 1;
                            return Err(Error::shape(NAME, format!("output_size {wanted:?}: dimension {d} can be {least} to {most}")));
                        }
                        more.push(wanted[d] - least);
                    }
                    self.run(x, more)
                })
            }

            fn run(&self, x: &Tensor, output_padding: Sizes) -> Result<Tensor> {
                let (s, bias) = (self.settings.clone(), self.bias.as_ref().map(Parameter::try_tensor).transpose()?);
                x.$method(&self.weight.try_tensor()?, bias.as_ref(), s.stride, s.padding, output_padding, s.groups, s.dilation)
            }

            fn arguments(&self) -> String {
                let s = &self.settings;
                let mut text = format!("{}, {}", s.in_channels, s.out_channels);
                text += &format!(", kernel_size={}, stride={}", tuple(&s.kernel_size, $rank), tuple(&s.stride, $rank));
                for (name, sizes, default) in [("padding", &s.padding, 0), ("dilation", &s.dilation, 1), ("output_padding", &s.output_padding, 0)] {
                    if sizes.iter().any(|&n| n != default) {
                        text += &format!(", {name}={}", tuple(sizes, $rank));
                    }
                }
                if s.groups != 1 {
                    text += &format!(", groups={}", s.groups);
                }
                text + if s.bias { "" } else { ", bias=False" }
            }
        }

        impl crate::utils::FoldableLayer for $module {
            fn weights(&self) -> Result<(Tensor, Option<Tensor>)> {
                crate::utils::values(&self.weight, self.bias.as_ref())
            }

            fn with_weights(&self, weight: Tensor, bias: Tensor) -> Result<Self> {
                let settings = $builder { bias: true, ..self.settings.clone() };
                Ok($module { weight: Parameter::new(weight)?, bias: Some(Parameter::new(bias)?), settings })
            }

            fn outputs(&self) -> (usize, usize) {
                (1, self.settings.groups)
            }
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || self.run(x, self.settings.output_padding.clone()))
            }
        }
    )*};
}

transposed! {
    1 ConvTranspose1d ConvTranspose1dBuilder conv_transpose1d "[n, in, l] -> [n, out, l']" "k";
    2 ConvTranspose2d ConvTranspose2dBuilder conv_transpose2d "[n, in, h, w] -> [n, out, h', w']" "kh, kw";
    3 ConvTranspose3d ConvTranspose3dBuilder conv_transpose3d "[n, in, d, h, w] -> [n, out, d', h', w']" "kd, kh, kw";
}
