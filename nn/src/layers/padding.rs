//! Padding.

use rushlight_tensor::{Error, IntoSizes, PadMode, Result, Sizes, Tensor};

use crate::builder::builder;
use crate::{Forward, Module};

/// Padding of `rank` dimensions: two numbers for each, the last dimension first; one number is for all sides.
fn sides(name: &'static str, padding: &[isize], rank: usize) -> Result<Vec<isize>> {
    match padding.len() {
        1 => Ok(vec![padding[0]; 2 * rank]),
        n if n == 2 * rank => Ok(padding.to_vec()),
        n => Err(Error::value(name, format!("padding must be one number or {}, got {n}", 2 * rank))),
    }
}

macro_rules! pads {
    ($($(#[$doc:meta])* $module:ident $builder:ident $rank:literal $mode:ident ($($value:ident)?);)*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $module {
            #[module(skip)]
            padding: Vec<isize>,
            $($value: f64,)?
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($module), "`]: one number for all sides, or two for each dimension, the last first.")]
            $builder for $module(padding(impl IntoSizes; into_sizes): Sizes $(, $value: f64)?) {}
        }

        impl $builder {
            /// The module.
            ///
            /// # Errors
            /// If there is neither one number nor two for each dimension.
            pub fn build(self) -> Result<$module> {
                Ok($module { padding: sides(stringify!($module), &self.padding, $rank)?, $($value: self.$value)? })
            }
        }

        impl $module {
            fn arguments(&self) -> String {
                format!("{:?}", self.padding)
            }
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                crate::summary::seen(self, || {
                    if !(x.dim() == $rank + 1 || x.dim() == $rank + 2) {
                        let wanted = $rank + 2;
                        return Err(Error::shape(stringify!($module), format!("wants {wanted} dimensions, or one less, got {:?}", x.shape())));
                    }
                    pads!(@call x, self, $mode $($value)?)
                })
            }
        }
    )*};
    (@call $x:ident, $m:ident, Zero) => { $x.pad($m.padding.clone(), PadMode::default()) };
    (@call $x:ident, $m:ident, Constant $value:ident) => { $x.pad($m.padding.clone(), PadMode::Constant($m.$value.into())) };
    (@call $x:ident, $m:ident, $mode:ident) => { $x.pad($m.padding.clone(), PadMode::$mode) };
}

pads! {
    /// Zeros around x`[n, c, l]` or `[c, l]`.
    ZeroPad1d ZeroPad1dBuilder 1 Zero ();
    /// Zeros around x`[n, c, h, w]` or `[c, h, w]`.
    ZeroPad2d ZeroPad2dBuilder 2 Zero ();
    /// Zeros around x`[n, c, d, h, w]` or `[c, d, h, w]`.
    ZeroPad3d ZeroPad3dBuilder 3 Zero ();
    /// One value around x`[n, c, l]` or `[c, l]`.
    ConstantPad1d ConstantPad1dBuilder 1 Constant (value);
    /// One value around x`[n, c, h, w]` or `[c, h, w]`.
    ConstantPad2d ConstantPad2dBuilder 2 Constant (value);
    /// One value around x`[n, c, d, h, w]` or `[c, d, h, w]`.
    ConstantPad3d ConstantPad3dBuilder 3 Constant (value);
    /// x`[n, c, l]` or `[c, l]` mirrored at its borders.
    ReflectionPad1d ReflectionPad1dBuilder 1 Reflect ();
    /// x`[n, c, h, w]` or `[c, h, w]` mirrored at its borders.
    ReflectionPad2d ReflectionPad2dBuilder 2 Reflect ();
    /// x`[n, c, d, h, w]` or `[c, d, h, w]` mirrored at its borders.
    ReflectionPad3d ReflectionPad3dBuilder 3 Reflect ();
    /// x`[n, c, l]` or `[c, l]` with its borders repeated.
    ReplicationPad1d ReplicationPad1dBuilder 1 Replicate ();
    /// x`[n, c, h, w]` or `[c, h, w]` with its borders repeated.
    ReplicationPad2d ReplicationPad2dBuilder 2 Replicate ();
    /// x`[n, c, d, h, w]` or `[c, d, h, w]` with its borders repeated.
    ReplicationPad3d ReplicationPad3dBuilder 3 Replicate ();
    /// x`[n, c, l]` or `[c, l]`, which goes on from its other end.
    CircularPad1d CircularPad1dBuilder 1 Circular ();
    /// x`[n, c, h, w]` or `[c, h, w]`, which goes on from its other end.
    CircularPad2d CircularPad2dBuilder 2 Circular ();
    /// x`[n, c, d, h, w]` or `[c, d, h, w]`, which goes on from its other end.
    CircularPad3d CircularPad3dBuilder 3 Circular ();
}
