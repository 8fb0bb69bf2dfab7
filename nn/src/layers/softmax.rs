//! Softmax along a dimension.

use rushlight_tensor::{Result, Tensor};

use crate::builder::builder;
use crate::{Forward, Module};

macro_rules! softmaxes {
    ($($(#[$doc:meta])* $module:ident $builder:ident $method:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $module {
            dim: isize,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($module), "`]: the dimension; negative numbers count from the back.")]
            $builder for $module(dim: isize) {}
        }

        impl $builder {
            /// The module.
            ///
            /// # Errors
            /// None for this module; all builders return results.
            pub fn build(self) -> Result<$module> {
                Ok($module { dim: self.dim })
            }
        }

        impl $module {
            fn arguments(&self) -> String {
                format!("dim={}", self.dim)
            }
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                x.$method(self.dim)
            }
        }
    )*};
}

softmaxes! {
    /// `exp(x) / sum(exp(x))` along a dimension.
    Softmax SoftmaxBuilder softmax;
    /// The logarithm of the softmax along a dimension.
    LogSoftmax LogSoftmaxBuilder log_softmax;
}
