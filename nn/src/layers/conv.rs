//! Convolutions.

use rushlight_tensor::{DType, Device, Error, IntoSizes, PadMode, Padding, Result, Sizes, Tensor};

use crate::builder::builder;
use crate::{Forward, Module, Parameter, init};

/// One number for each of `rank` dimensions, all at least 1.
pub(crate) fn each(op: &'static str, what: &str, sizes: &[isize], rank: usize) -> Result<Vec<usize>> {
    let wrong = || Error::value(op, format!("{what} must be a positive number, or {rank} of them, got {sizes:?}"));
    let all: Vec<usize> = sizes.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n > 0)).collect::<Option<_>>().ok_or_else(wrong)?;
    match all.len() {
        1 => Ok(vec![all[0]; rank]),
        n if n == rank => Ok(all),
        _ => Err(wrong()),
    }
}

/// Numbers in Python's form of a tuple.
pub(crate) fn tuple(sizes: &[isize], rank: usize) -> String {
    let all: Vec<String> = if sizes.len() == 1 { vec![sizes[0].to_string(); rank] } else { sizes.iter().map(isize::to_string).collect() };
    if all.len() == 1 { format!("({},)", all[0]) } else { format!("({})", all.join(", ")) }
}

/// What lies around the input of a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The input mirrored at its borders.
    Reflect,
    /// The input's borders repeated.
    Replicate,
    /// The input's other end.
    Circular,
}

impl PaddingMode {
    /// The input with its margins, in another mode than zeros.
    fn padded(self, x: &Tensor, padding: &Padding, kernel: &[usize], dilation: &[usize]) -> Result<Tensor> {
        let mode = match self {
            PaddingMode::Zeros => PadMode::default(),
            PaddingMode::Reflect => PadMode::Reflect,
            PaddingMode::Replicate => PadMode::Replicate,
            PaddingMode::Circular => PadMode::Circular,
        };
        // Margins are listed from the last dimension.
        let margins: Vec<isize> = (0..kernel.len())
            .rev()
            .flat_map(|d| match padding {
                Padding::Zeros(p) => [p[d.min(p.len() - 1)]; 2],
                Padding::Valid => [0; 2],
                Padding::Same => {
                    let both = (dilation[d] * (kernel[d] - 1)) as isize;
                    [both / 2, both - both / 2]
                }
            })
            .collect();
        x.pad(margins, mode)
    }
}

macro_rules! convolutions {
    ($($rank:literal $module:ident $builder:ident $method:ident $name:literal $input:literal $output:literal $kernel:literal;)*) => {$(
        #[doc = concat!("Convolution: x", $input, " -> ", $output, ", also without the batch.")]
        ///
        #[doc = concat!("- `weight`: `[out_channels, in_channels / groups, ", $kernel, "]`;")]
        /// - `bias`: `[out_channels]`.
        ///
        /// Both are at first uniform in ±1/sqrt(fan_in), fan_in = in_channels / groups times the size of the kernel.
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
                /// Zeros on both sides, or `Padding::Same`. Default: 0.
                padding(impl Into<Padding>; into): Padding = 0.into();
                /// Steps between the elements of a window. Default: 1.
                dilation(impl IntoSizes; into_sizes): Sizes = 1.into_sizes();
                /// Into how many groups the channels are divided. Default: 1.
                groups: usize = 1;
                /// Whether a bias is added. Default: true.
                bias: bool = true;
                /// What lies around the input. Default: zeros.
                padding_mode: PaddingMode = PaddingMode::Zeros;
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
                let (inputs, outputs, groups) = (self.in_channels, self.out_channels, self.groups);
                if groups == 0 || inputs % groups != 0 || outputs % groups != 0 {
                    return Err(Error::value(
                        $name,
                        format!("in_channels {inputs} and out_channels {outputs} must be divisible by groups {groups}"),
                    ));
                }
                let kernel = each($name, "kernel_size", &self.kernel_size, $rank)?;
                each($name, "stride", &self.stride, $rank)?;
                each($name, "dilation", &self.dilation, $rank)?;
                if let Padding::Zeros(p) = &self.padding
                    && (p.is_empty() || p.iter().any(|&p| p < 0) || !(p.len() == 1 || p.len() == $rank))
                {
                    return Err(Error::value($name, format!("padding must be one number or {}, not negative, got {p:?}", $rank)));
                }
                let options = (self.dtype, self.device).into();
                let shape: Vec<usize> = [outputs, inputs / groups].into_iter().chain(kernel).collect();
                let weight = init::default_weight(&shape, options)?;
                let fan_in = shape[1..].iter().product();
                let bias = if self.bias { Some(init::default_bias(outputs, fan_in, options)?) } else { None };
                Ok($module { weight, bias, settings: self })
            }
        }

        impl $module {
            fn arguments(&self) -> String {
                let s = &self.settings;
                let mut text = format!("{}, {}", s.in_channels, s.out_channels);
                text += &format!(", kernel_size={}, stride={}", tuple(&s.kernel_size, $rank), tuple(&s.stride, $rank));
                match &s.padding {
                    Padding::Zeros(p) if p.iter().any(|&p| p != 0) => text += &format!(", padding={}", tuple(p, $rank)),
                    Padding::Zeros(_) => {}
                    Padding::Same => text += ", padding=same",
                    Padding::Valid => text += ", padding=valid",
                }
                if s.dilation.iter().any(|&d| d != 1) {
                    text += &format!(", dilation={}", tuple(&s.dilation, $rank));
                }
                if s.groups != 1 {
                    text += &format!(", groups={}", s.groups);
                }
                if s.padding_mode != PaddingMode::Zeros {
                    text += &format!(", padding_mode={:?}", s.padding_mode).to_lowercase();
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
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    let s = &self.settings;
                    let bias = self.bias.as_ref().map(Parameter::try_tensor).transpose()?;
                    if s.padding_mode != PaddingMode::Zeros && x.dim() > $rank {
                        let (kernel, dilation) =
                            (each($name, "kernel_size", &s.kernel_size, $rank)?, each($name, "dilation", &s.dilation, $rank)?);
                        let x = s.padding_mode.padded(x, &s.padding, &kernel, &dilation)?;
                        return x.$method(&self.weight.try_tensor()?, bias.as_ref(), s.stride.clone(), 0, s.dilation.clone(), s.groups);
                    }
                    x.$method(&self.weight.try_tensor()?, bias.as_ref(), s.stride.clone(), s.padding.clone(), s.dilation.clone(), s.groups)
                })
            }
        }
    )*};
}

convolutions! {
    1 Conv1d Conv1dBuilder conv1d "Conv1d" "[n, in, l]" "[n, out, l']" "k";
    2 Conv2d Conv2dBuilder conv2d "Conv2d" "[n, in, h, w]" "[n, out, h', w']" "kh, kw";
    3 Conv3d Conv3dBuilder conv3d "Conv3d" "[n, in, d, h, w]" "[n, out, d', h', w']" "kd, kh, kw";
}
