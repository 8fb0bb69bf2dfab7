//! Elements between channels and places.

use rushlight_tensor::{Error, Result, Tensor};

use crate::builder::builder;
use crate::{Forward, Module};

macro_rules! shuffles {
    ($($(#[$doc:meta])* $module:ident $builder:ident $arg:ident $method:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $module {
            $arg: usize,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($module), "`].")]
            $builder for $module($arg: usize) {}
        }

        impl $builder {
            /// The module.
            ///
            /// # Errors
            /// If the number is 0.
            pub fn build(self) -> Result<$module> {
                if self.$arg == 0 {
                    return Err(Error::value(stringify!($module), concat!(stringify!($arg), " must not be 0")));
                }
                Ok($module { $arg: self.$arg })
            }
        }

        impl $module {
            fn arguments(&self) -> String {
                format!(concat!(stringify!($arg), "={}"), self.$arg)
            }
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || x.$method(self.$arg))
            }
        }
    )*};
}

shuffles! {
    /// Mixes the channels of x`[n, c, ..]`: those of all groups in turn.
    ChannelShuffle ChannelShuffleBuilder groups channel_shuffle;
    /// Channels become places: `[.., c * r^2, h, w]` -> `[.., c, h * r, w * r]`.
    PixelShuffle PixelShuffleBuilder upscale_factor pixel_shuffle;
    /// Places become channels: `[.., c, h * r, w * r]` -> `[.., c * r^2, h, w]`.
    PixelUnshuffle PixelUnshuffleBuilder downscale_factor pixel_unshuffle;
}
