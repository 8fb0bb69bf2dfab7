//! Losses.

mod classes;
mod pair;
mod triple;

pub use classes::*;
pub use pair::*;
pub use triple::*;

use rushlight_tensor::{Result, Tensor};

/// A loss of a result and its target: how far one is from the other.
pub trait Loss {
    /// The loss of a batch.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor>;
}

/// Declares losses: their options with their defaults, and weights, which are parts of the state dict.
macro_rules! losses {
    ($(
        $(#[$doc:meta])*
        $module:ident, $builder:ident { $($(#[$optdoc:meta])* $opt:ident: $t:ty = $default:expr;)* } [$($(#[$weightdoc:meta])* $weight:ident),*]
    )*) => {$(
        $(#[$doc])*
        #[derive(crate::Module, Clone, Debug)]
        pub struct $module {
            $($(#[$weightdoc])* pub $weight: Option<crate::Buffer>,)*
            #[module(skip)]
            settings: $builder,
        }

        #[doc = concat!("The arguments of [`", stringify!($module), "`].")]
        #[derive(Clone, Debug)]
        #[must_use = "nothing is made before `build`"]
        pub struct $builder {
            $($weight: Option<rushlight_tensor::Tensor>,)*
            $($opt: $t,)*
        }

        impl Default for $builder {
            fn default() -> $builder {
                $builder { $($weight: None,)* $($opt: $default,)* }
            }
        }

        impl $builder {
            $(
                $(#[$weightdoc])*
                pub fn $weight(mut self, $weight: rushlight_tensor::Tensor) -> $builder {
                    self.$weight = Some($weight);
                    self
                }
            )*

            $(
                $(#[$optdoc])*
                pub fn $opt(mut self, $opt: $t) -> $builder {
                    self.$opt = $opt;
                    self
                }
            )*

            /// The module.
            ///
            /// # Errors
            /// None for losses; all builders return results.
            #[allow(unused_mut)] // Some have no weights.
            pub fn build(mut self) -> rushlight_tensor::Result<$module> {
                Ok($module { $($weight: self.$weight.take().map(crate::Buffer::new),)* settings: self })
            }
        }

        impl Default for $module {
            fn default() -> $module {
                $module { $($weight: None,)* settings: $builder::default() }
            }
        }

        impl $module {
            /// The module with PyTorch's defaults.
            pub fn new() -> $module {
                $module::default()
            }

            /// The defaults, to be changed.
            pub fn builder() -> $builder {
                $builder::default()
            }
        }
    )*};
}
pub(crate) use losses;
