//! Softmax along a dimension.

use rushlight_tensor::{Error, Result, Tensor};

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
                crate::summary::seen(self, || x.$method(self.dim))
            }
        }
    )*};
}

softmaxes! {
    /// `exp(x) / sum(exp(x))` along a dimension.
    Softmax SoftmaxBuilder softmax;
    /// The softmax of `-x` along a dimension.
    Softmin SoftminBuilder softmin;
    /// The logarithm of the softmax along a dimension.
    LogSoftmax LogSoftmaxBuilder log_softmax;
}

/// Softmax over the channels of images `[n, c, h, w]` or `[c, h, w]`.
#[derive(Module, Clone, Copy, Debug, Default)]
pub struct Softmax2d;

impl Softmax2d {
    /// The module.
    pub fn new() -> Softmax2d {
        Softmax2d
    }
}

impl Forward for Softmax2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            if !matches!(x.dim(), 3 | 4) {
                return Err(Error::shape("Softmax2d", format!("wants [n, c, h, w] or [c, h, w], got {:?}", x.shape())));
            }
            x.softmax(-3)
        })
    }
}
