//! Pooling.

use rushlight_tensor::{Error, IntoSizes, Result, Sizes, Tensor};

use super::conv::{each, tuple};
use crate::builder::builder;
use crate::{Forward, Module};

/// The largest element of each window of x[n, c, h, w] (or [c, h, w]).
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct MaxPool2d {
    #[module(skip)]
    settings: MaxPool2dBuilder,
}

builder! {
    /// The arguments of [`MaxPool2d`]. Sizes are one number for both dimensions, or one for each.
    MaxPool2dBuilder for MaxPool2d(kernel_size(impl IntoSizes; into_sizes): Sizes) {
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

impl MaxPool2dBuilder {
    /// The module.
    ///
    /// # Errors
    /// If a size is not positive or not one for each dimension.
    pub fn build(self) -> Result<MaxPool2d> {
        check("MaxPool2d", &self.kernel_size, &self.stride)?;
        each("MaxPool2d", "dilation", &self.dilation, 2)?;
        Ok(MaxPool2d { settings: self })
    }
}

/// Checks sizes of a kernel and a stride, which may be left out.
fn check(op: &'static str, kernel: &[isize], stride: &[isize]) -> Result<()> {
    each(op, "kernel_size", kernel, 2)?;
    if !stride.is_empty() {
        each(op, "stride", stride, 2)?;
    }
    Ok(())
}

impl MaxPool2d {
    /// The result, and the places of the largest elements as flat indices (int64) into the input's planes.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward_with_indices(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let s = &self.settings;
        x.max_pool2d_with_indices(s.kernel_size.clone(), s.stride.clone(), s.padding.clone(), s.dilation.clone(), s.ceil_mode)
    }

    fn arguments(&self) -> String {
        let s = &self.settings;
        format!(
            "kernel_size={:?}, stride={:?}, padding={:?}, dilation={:?}, ceil_mode={}",
            s.kernel_size,
            if s.stride.is_empty() { &s.kernel_size } else { &s.stride },
            s.padding,
            s.dilation,
            s.ceil_mode
        )
    }
}

impl Forward for MaxPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let s = &self.settings;
        x.max_pool2d(s.kernel_size.clone(), s.stride.clone(), s.padding.clone(), s.dilation.clone(), s.ceil_mode)
    }
}

/// The mean of each window of x[n, c, h, w] (or [c, h, w]).
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct AvgPool2d {
    #[module(skip)]
    settings: AvgPool2dBuilder,
}

builder! {
    /// The arguments of [`AvgPool2d`]. Sizes are one number for both dimensions, or one for each.
    AvgPool2dBuilder for AvgPool2d(kernel_size(impl IntoSizes; into_sizes): Sizes) {
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

impl AvgPool2dBuilder {
    /// The module.
    ///
    /// # Errors
    /// If a size is not positive or not one for each dimension, or the divisor is 0.
    pub fn build(self) -> Result<AvgPool2d> {
        check("AvgPool2d", &self.kernel_size, &self.stride)?;
        if self.divisor_override == Some(0) {
            return Err(Error::value("AvgPool2d", "divisor_override must not be 0"));
        }
        Ok(AvgPool2d { settings: self })
    }
}

impl AvgPool2d {
    fn arguments(&self) -> String {
        let s = &self.settings;
        format!(
            "kernel_size={:?}, stride={:?}, padding={:?}",
            s.kernel_size,
            if s.stride.is_empty() { &s.kernel_size } else { &s.stride },
            s.padding
        )
    }
}

impl Forward for AvgPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let s = self.settings.clone();
        x.avg_pool2d(s.kernel_size, s.stride, s.padding, s.ceil_mode, s.count_include_pad, s.divisor_override)
    }
}

/// The means of `output_size` nearly equal parts of x[n, c, h, w] (or [c, h, w]). A size of -1 keeps that dimension's (PyTorch's `None`).
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct AdaptiveAvgPool2d {
    #[module(skip)]
    settings: AdaptiveAvgPool2dBuilder,
}

builder! {
    /// The arguments of [`AdaptiveAvgPool2d`].
    AdaptiveAvgPool2dBuilder for AdaptiveAvgPool2d(output_size(impl IntoSizes; into_sizes): Sizes) {}
}

impl AdaptiveAvgPool2dBuilder {
    /// The module.
    ///
    /// # Errors
    /// If there are not one or two sizes, or one is less than -1.
    pub fn build(self) -> Result<AdaptiveAvgPool2d> {
        if !matches!(self.output_size.len(), 1 | 2) || self.output_size.iter().any(|&n| n < -1) {
            return Err(Error::value(
                "AdaptiveAvgPool2d",
                format!("output_size must be one or two numbers from -1 up, got {:?}", self.output_size),
            ));
        }
        Ok(AdaptiveAvgPool2d { settings: self })
    }
}

impl AdaptiveAvgPool2d {
    fn arguments(&self) -> String {
        format!("output_size={}", tuple(&self.settings.output_size, 2))
    }
}

impl Forward for AdaptiveAvgPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let size = &self.settings.output_size;
        if x.dim() < 2 {
            return Err(Error::shape("adaptive_avg_pool2d", format!("wants [n, c, h, w] or [c, h, w], got {:?}", x.shape())));
        }
        let own = &x.shape()[x.dim() - 2..];
        let given = [size[0], size[size.len() - 1]];
        x.adaptive_avg_pool2d([0, 1].map(|d| if given[d] < 0 { own[d] as isize } else { given[d] }))
    }
}
