//! Windows of images as columns, and back.

use rushlight_tensor::{IntoSizes, Result, Sizes, Tensor};

use super::conv::each;
use crate::builder::builder;
use crate::{Forward, Module};

/// The windows of x`[n, c, h, w]` as columns: `[n, c * kernel elements, windows]`.
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct Unfold {
    #[module(skip)]
    settings: UnfoldBuilder,
}

builder! {
    /// The arguments of [`Unfold`]. Sizes are one number for both dimensions, or one for each.
    UnfoldBuilder for Unfold(kernel_size(impl IntoSizes; into_sizes): Sizes) {
        /// Steps between the elements of a window. Default: 1.
        dilation(impl IntoSizes; into_sizes): Sizes = 1.into_sizes();
        /// Zeros on both sides. Default: 0.
        padding(impl IntoSizes; into_sizes): Sizes = 0.into_sizes();
        /// Steps between windows. Default: 1.
        stride(impl IntoSizes; into_sizes): Sizes = 1.into_sizes();
    }
}

impl UnfoldBuilder {
    /// The module.
    ///
    /// # Errors
    /// If a size is not positive or not one for each dimension.
    pub fn build(self) -> Result<Unfold> {
        each("Unfold", "kernel_size", &self.kernel_size, 2)?;
        each("Unfold", "dilation", &self.dilation, 2)?;
        each("Unfold", "stride", &self.stride, 2)?;
        Ok(Unfold { settings: self })
    }
}

impl Unfold {
    fn arguments(&self) -> String {
        let s = &self.settings;
        format!("kernel_size={:?}, dilation={:?}, padding={:?}, stride={:?}", s.kernel_size, s.dilation, s.padding, s.stride)
    }
}

impl Forward for Unfold {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let s = self.settings.clone();
            x.unfold_windows(s.kernel_size, s.dilation, s.padding, s.stride)
        })
    }
}

/// Columns `[n, c * kernel elements, windows]` added up where their windows lie in planes: `[n, c, h, w]`.
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct Fold {
    #[module(skip)]
    settings: FoldBuilder,
}

builder! {
    /// The arguments of [`Fold`]. Sizes are one number for both dimensions, or one for each.
    FoldBuilder for Fold(output_size(impl IntoSizes; into_sizes): Sizes, kernel_size(impl IntoSizes; into_sizes): Sizes) {
        /// Steps between the elements of a window. Default: 1.
        dilation(impl IntoSizes; into_sizes): Sizes = 1.into_sizes();
        /// Zeros on both sides, which are left out. Default: 0.
        padding(impl IntoSizes; into_sizes): Sizes = 0.into_sizes();
        /// Steps between windows. Default: 1.
        stride(impl IntoSizes; into_sizes): Sizes = 1.into_sizes();
    }
}

impl FoldBuilder {
    /// The module.
    ///
    /// # Errors
    /// If a size is not positive or not one for each dimension.
    pub fn build(self) -> Result<Fold> {
        each("Fold", "output_size", &self.output_size, 2)?;
        each("Fold", "kernel_size", &self.kernel_size, 2)?;
        each("Fold", "dilation", &self.dilation, 2)?;
        each("Fold", "stride", &self.stride, 2)?;
        Ok(Fold { settings: self })
    }
}

impl Fold {
    fn arguments(&self) -> String {
        let s = &self.settings;
        let (size, kernel) = (&s.output_size, &s.kernel_size);
        format!("output_size={size:?}, kernel_size={kernel:?}, dilation={:?}, padding={:?}, stride={:?}", s.dilation, s.padding, s.stride)
    }
}

impl Forward for Fold {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let s = self.settings.clone();
            x.fold(s.output_size, s.kernel_size, s.dilation, s.padding, s.stride)
        })
    }
}
