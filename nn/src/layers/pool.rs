//! Pooling.

use rushlight_tensor::{Error, IntoSizes, OutputSize, Result, Sizes, Tensor};

use super::conv::{each, tuple};
use crate::builder::builder;
use crate::{Forward, Module};

/// Checks sizes of a kernel and a stride, which may be left out.
fn check(op: &'static str, rank: usize, kernel: &[isize], stride: &[isize]) -> Result<()> {
    each(op, "kernel_size", kernel, rank)?;
    if !stride.is_empty() {
        each(op, "stride", stride, rank)?;
    }
    Ok(())
}

/// Sizes of which -1 keeps the input's.
fn output_size(sizes: &[isize]) -> OutputSize {
    let sizes: Vec<Option<isize>> = sizes.iter().map(|&n| if n < 0 { None } else { Some(n) }).collect();
    sizes.as_slice().into()
}

fn check_output(op: &'static str, rank: usize, sizes: &[isize]) -> Result<()> {
    if (sizes.len() == 1 || sizes.len() == rank) && sizes.iter().all(|&n| n >= -1) {
        return Ok(());
    }
    Err(Error::value(op, format!("output_size must be one number from -1 up or {rank} of them, got {sizes:?}")))
}

macro_rules! pools {
    ($(
        $rank:literal $shape:literal,
        $max:ident $maxb:ident $max_pool:ident $max_indices:ident,
        $avg:ident $avgb:ident $avg_pool:ident,
        $ada:ident $adab:ident $adaptive:ident,
        $adamax:ident $adamaxb:ident $adaptive_max:ident $adaptive_max_indices:ident,
        $unpool:ident $unpoolb:ident $max_unpool:ident,
        $lp:ident $lpb:ident $lp_pool:ident;
    )*) => {$(
        #[doc = concat!("The largest element of each window of x", $shape, ".")]
        #[derive(Module, Clone, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $max {
            #[module(skip)]
            settings: $maxb,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($max), "`]. Sizes are one number for all dimensions, or one for each.")]
            $maxb for $max(kernel_size(impl IntoSizes; into_sizes): Sizes) {
                /// Steps between windows. Default, `()`: the size of the kernel.
                stride(impl IntoSizes; into_sizes): Sizes = Sizes::new();
                /// Places on both sides, which count as minus infinity. Default: 0.
                padding(impl IntoSizes; into_sizes): Sizes = 0.into_sizes();
                /// Steps between the elements of a window. Default: 1.
                dilation(impl IntoSizes; into_sizes): Sizes = 1.into_sizes();
                /// Whether a last window that reaches beyond the input counts. Default: false.
                ceil_mode: bool = false;
            }
        }

        impl $maxb {
            /// The module.
            ///
            /// # Errors
            /// If a size is not positive or not one for each dimension.
            pub fn build(self) -> Result<$max> {
                check(stringify!($max), $rank, &self.kernel_size, &self.stride)?;
                each(stringify!($max), "dilation", &self.dilation, $rank)?;
                Ok($max { settings: self })
            }
        }

        impl $max {
            /// The result, and the places of the largest elements as flat indices (int64) into the input's planes: PyTorch's `return_indices`.
            ///
            /// # Errors
            /// If the shape does not fit.
            pub fn forward_with_indices(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
                crate::summary::seen(self, || {
                    let s = self.settings.clone();
                    x.$max_indices(s.kernel_size, s.stride, s.padding, s.dilation, s.ceil_mode)
                })
            }

            fn arguments(&self) -> String {
                let s = &self.settings;
                let stride = if s.stride.is_empty() { &s.kernel_size } else { &s.stride };
                let (kernel, padding, dilation, ceil) = (&s.kernel_size, &s.padding, &s.dilation, s.ceil_mode);
                format!("kernel_size={kernel:?}, stride={stride:?}, padding={padding:?}, dilation={dilation:?}, ceil_mode={ceil}")
            }
        }

        impl Forward for $max {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    let s = self.settings.clone();
                    x.$max_pool(s.kernel_size, s.stride, s.padding, s.dilation, s.ceil_mode)
                })
            }
        }

        #[doc = concat!("The mean of each window of x", $shape, ".")]
        #[derive(Module, Clone, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $avg {
            #[module(skip)]
            settings: $avgb,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($avg), "`]. Sizes are one number for all dimensions, or one for each.")]
            $avgb for $avg(kernel_size(impl IntoSizes; into_sizes): Sizes) {
                /// Steps between windows. Default, `()`: the size of the kernel.
                stride(impl IntoSizes; into_sizes): Sizes = Sizes::new();
                /// Zeros on both sides. Default: 0.
                padding(impl IntoSizes; into_sizes): Sizes = 0.into_sizes();
                /// Whether a last window that reaches beyond the input counts. Default: false.
                ceil_mode: bool = false;
                /// Whether padding counts in what the sum is divided by. Default: true.
                count_include_pad: bool = true;
                /// What the sum is divided by instead of the number of elements.
                divisor_override(i64; into): Option<i64> = None;
            }
        }

        impl $avgb {
            /// The module.
            ///
            /// # Errors
            /// If a size is not positive or not one for each dimension, or the divisor is 0.
            pub fn build(self) -> Result<$avg> {
                check(stringify!($avg), $rank, &self.kernel_size, &self.stride)?;
                if self.divisor_override == Some(0) {
                    return Err(Error::value(stringify!($avg), "divisor_override must not be 0"));
                }
                Ok($avg { settings: self })
            }
        }

        impl $avg {
            fn arguments(&self) -> String {
                let s = &self.settings;
                let stride = if s.stride.is_empty() { &s.kernel_size } else { &s.stride };
                format!("kernel_size={:?}, stride={stride:?}, padding={:?}", s.kernel_size, s.padding)
            }
        }

        impl Forward for $avg {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    let s = self.settings.clone();
                    x.$avg_pool(s.kernel_size, s.stride, s.padding, s.ceil_mode, s.count_include_pad, s.divisor_override)
                })
            }
        }

        #[doc = concat!("The means of `output_size` nearly equal parts of x", $shape, ". A size of -1 keeps that dimension's (PyTorch's `None`).")]
        #[derive(Module, Clone, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $ada {
            #[module(skip)]
            settings: $adab,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($ada), "`].")]
            $adab for $ada(output_size(impl IntoSizes; into_sizes): Sizes) {}
        }

        impl $adab {
            /// The module.
            ///
            /// # Errors
            /// If there is not one size or one for each dimension, or one is less than -1.
            pub fn build(self) -> Result<$ada> {
                check_output(stringify!($ada), $rank, &self.output_size)?;
                Ok($ada { settings: self })
            }
        }

        impl $ada {
            fn arguments(&self) -> String {
                format!("output_size={}", tuple(&self.settings.output_size, $rank))
            }
        }

        impl Forward for $ada {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || x.$adaptive(output_size(&self.settings.output_size)))
            }
        }

        #[doc = concat!("The largest elements of `output_size` nearly equal parts of x", $shape, ". A size of -1 keeps that dimension's (PyTorch's `None`).")]
        #[derive(Module, Clone, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $adamax {
            #[module(skip)]
            settings: $adamaxb,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($adamax), "`].")]
            $adamaxb for $adamax(output_size(impl IntoSizes; into_sizes): Sizes) {}
        }

        impl $adamaxb {
            /// The module.
            ///
            /// # Errors
            /// If there is not one size or one for each dimension, or one is less than -1.
            pub fn build(self) -> Result<$adamax> {
                check_output(stringify!($adamax), $rank, &self.output_size)?;
                Ok($adamax { settings: self })
            }
        }

        impl $adamax {
            /// The result, and the places of the largest elements as flat indices (int64) into the input's planes: PyTorch's `return_indices`.
            ///
            /// # Errors
            /// If the shape does not fit.
            pub fn forward_with_indices(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
                crate::summary::seen(self, || x.$adaptive_max_indices(output_size(&self.settings.output_size)))
            }

            fn arguments(&self) -> String {
                format!("output_size={}", tuple(&self.settings.output_size, $rank))
            }
        }

        impl Forward for $adamax {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || x.$adaptive_max(output_size(&self.settings.output_size)))
            }
        }

        #[doc = concat!("Elements written to the places of planes of zeros that the indices of [`", stringify!($max), "`] name.")]
        #[derive(Module, Clone, Debug)]
        pub struct $unpool {
            #[module(skip)]
            settings: $unpoolb,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($unpool), "`]. Sizes are one number for all dimensions, or one for each.")]
            $unpoolb for $unpool(kernel_size(impl IntoSizes; into_sizes): Sizes) {
                /// Steps between windows. Default, `()`: the size of the kernel.
                stride(impl IntoSizes; into_sizes): Sizes = Sizes::new();
                /// Places on both sides that were padding. Default: 0.
                padding(impl IntoSizes; into_sizes): Sizes = 0.into_sizes();
            }
        }

        impl $unpoolb {
            /// The module.
            ///
            /// # Errors
            /// If a size is not positive or not one for each dimension.
            pub fn build(self) -> Result<$unpool> {
                check(stringify!($unpool), $rank, &self.kernel_size, &self.stride)?;
                Ok($unpool { settings: self })
            }
        }

        impl $unpool {
            /// The result. Its planes have `output_size`, of which dimensions in front are passed over; by default, `()`, the size that windows side by side come from.
            ///
            /// # Errors
            /// If shapes do not fit, or an index is out of range.
            pub fn forward(&self, x: &Tensor, indices: &Tensor, output_size: impl IntoSizes) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    let s = self.settings.clone();
                    let size = output_size.into_sizes();
                    let size: Sizes = size[size.len().saturating_sub($rank)..].into();
                    x.$max_unpool(indices, s.kernel_size, s.stride, s.padding, size)
                })
            }
        }

        #[doc = concat!("The p-norm of each window of x", $shape, ", without the absolute value.")]
        #[derive(Module, Clone, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $lp {
            #[module(skip)]
            settings: $lpb,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($lp), "`]. Sizes are one number for all dimensions, or one for each.")]
            $lpb for $lp(norm_type: f64, kernel_size(impl IntoSizes; into_sizes): Sizes) {
                /// Steps between windows. Default, `()`: the size of the kernel.
                stride(impl IntoSizes; into_sizes): Sizes = Sizes::new();
                /// Whether a last window that reaches beyond the input counts. Default: false.
                ceil_mode: bool = false;
            }
        }

        impl $lpb {
            /// The module.
            ///
            /// # Errors
            /// If a size is not positive or not one for each dimension.
            pub fn build(self) -> Result<$lp> {
                check(stringify!($lp), $rank, &self.kernel_size, &self.stride)?;
                Ok($lp { settings: self })
            }
        }

        impl $lp {
            fn arguments(&self) -> String {
                let s = &self.settings;
                format!("norm_type={}, kernel_size={:?}, stride={:?}, ceil_mode={}", s.norm_type, s.kernel_size, s.stride, s.ceil_mode)
            }
        }

        impl Forward for $lp {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    let s = self.settings.clone();
                    x.$lp_pool(s.norm_type, s.kernel_size, s.stride, s.ceil_mode)
                })
            }
        }
    )*};
}

pools! {
    1 "[n, c, l] (or [c, l])",
    MaxPool1d MaxPool1dBuilder max_pool1d max_pool1d_with_indices,
    AvgPool1d AvgPool1dBuilder avg_pool1d,
    AdaptiveAvgPool1d AdaptiveAvgPool1dBuilder adaptive_avg_pool1d,
    AdaptiveMaxPool1d AdaptiveMaxPool1dBuilder adaptive_max_pool1d adaptive_max_pool1d_with_indices,
    MaxUnpool1d MaxUnpool1dBuilder max_unpool1d,
    LPPool1d LPPool1dBuilder lp_pool1d;

    2 "[n, c, h, w] (or [c, h, w])",
    MaxPool2d MaxPool2dBuilder max_pool2d max_pool2d_with_indices,
    AvgPool2d AvgPool2dBuilder avg_pool2d,
    AdaptiveAvgPool2d AdaptiveAvgPool2dBuilder adaptive_avg_pool2d,
    AdaptiveMaxPool2d AdaptiveMaxPool2dBuilder adaptive_max_pool2d adaptive_max_pool2d_with_indices,
    MaxUnpool2d MaxUnpool2dBuilder max_unpool2d,
    LPPool2d LPPool2dBuilder lp_pool2d;

    3 "[n, c, d, h, w] (or [c, d, h, w])",
    MaxPool3d MaxPool3dBuilder max_pool3d max_pool3d_with_indices,
    AvgPool3d AvgPool3dBuilder avg_pool3d,
    AdaptiveAvgPool3d AdaptiveAvgPool3dBuilder adaptive_avg_pool3d,
    AdaptiveMaxPool3d AdaptiveMaxPool3dBuilder adaptive_max_pool3d adaptive_max_pool3d_with_indices,
    MaxUnpool3d MaxUnpool3dBuilder max_unpool3d,
    LPPool3d LPPool3dBuilder lp_pool3d;
}
