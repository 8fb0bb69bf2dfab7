//! Dropout.

use rushlight_tensor::{Error, Result, Tensor};

use crate::builder::builder;
use crate::{Forward, Mode, Module};

macro_rules! dropouts {
    ($($(#[$doc:meta])* $module:ident $builder:ident $method:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $module {
            p: f64,
            mode: Mode,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($module), "`]: the probability. PyTorch's default is 0.5.")]
            $builder for $module(p: f64) {}
        }

        impl $builder {
            /// The module.
            ///
            /// # Errors
            /// If p is not in 0 to 1.
            pub fn build(self) -> Result<$module> {
                if !(0.0..=1.0).contains(&self.p) {
                    return Err(Error::value(stringify!($module), format!("the probability must lie in 0 to 1, got {}", self.p)));
                }
                Ok($module { p: self.p, mode: Mode::new() })
            }
        }

        impl $module {
            fn arguments(&self) -> String {
                format!("p={}", self.p)
            }
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || x.$method(self.p, self.mode.is_training()))
            }
        }
    )*};
}

dropouts! {
    /// In training each element is zeroed with probability p and the others scaled by `1 / (1 - p)`; in evaluation the identity.
    Dropout DropoutBuilder dropout;
    /// As [`Dropout`], for whole channels of x`[n, c, l]` or `[c, l]`.
    Dropout1d Dropout1dBuilder dropout1d;
    /// As [`Dropout`], for whole channels of x`[n, c, h, w]` or `[c, h, w]`.
    Dropout2d Dropout2dBuilder dropout2d;
    /// As [`Dropout`], for whole channels of x`[n, c, d, h, w]` or `[c, d, h, w]`.
    Dropout3d Dropout3dBuilder dropout3d;
    /// Dropout that keeps mean and variance of activations after [`SELU`](crate::SELU) (Klambauer et al., 2017).
    AlphaDropout AlphaDropoutBuilder alpha_dropout;
    /// As [`AlphaDropout`], for whole channels.
    FeatureAlphaDropout FeatureAlphaDropoutBuilder feature_alpha_dropout;
}
