//! Other sizes.

use rushlight_tensor::{InterpolateMode, InterpolateOptions, InterpolateTo, Result, Tensor};

use crate::builder::builder;
use crate::{Forward, Module};

/// Resamples x`[n, c, ..]`, with one to three spatial dimensions.
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct Upsample {
    #[module(skip)]
    settings: UpsampleBuilder,
}

builder! {
    /// The arguments of [`Upsample`]: to which sizes it goes.
    UpsampleBuilder for Upsample(to: InterpolateTo) {
        /// How it finds what lies between elements. Default: the nearest element.
        mode: InterpolateMode = InterpolateMode::Nearest;
        /// Whether the centres of the corner elements lie upon each other, for the linear and cubic modes. Default: no.
        align_corners(bool; into): Option<bool> = None;
        /// With factors: whether steps follow from the rounded sizes instead of the factors themselves. Default: false.
        recompute_scale_factor: bool = false;
    }
}

impl UpsampleBuilder {
    /// The module.
    ///
    /// # Errors
    /// None for this module; all builders return results.
    pub fn build(self) -> Result<Upsample> {
        Ok(Upsample { settings: self })
    }
}

impl Upsample {
    fn arguments(&self) -> String {
        format!("{:?}, mode={:?}", self.settings.to, self.settings.mode)
    }
}

impl Forward for Upsample {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let UpsampleBuilder { to, mode, align_corners, recompute_scale_factor } = self.settings.clone();
            x.interpolate(&to, InterpolateOptions { mode, align_corners, recompute_scale_factor, antialias: false })
        })
    }
}

macro_rules! fixed {
    ($($(#[$doc:meta])* $module:ident $mode:ident $corners:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone, Debug)]
        pub struct $module {
            #[module(skip)]
            to: InterpolateTo,
        }

        impl $module {
            /// To these sizes.
            pub fn new(to: InterpolateTo) -> $module {
                $module { to }
            }
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    x.interpolate(&self.to, InterpolateOptions { align_corners: $corners, ..InterpolateMode::$mode.into() })
                })
            }
        }
    )*};
}

fixed! {
    /// [`Upsample`] of images to the nearest elements.
    UpsamplingNearest2d Nearest None;
    /// [`Upsample`] of images, bilinear, with the corners' centres upon each other.
    UpsamplingBilinear2d Bilinear Some(true);
}
