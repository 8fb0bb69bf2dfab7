//! Functions of each element as modules.

use rushlight_tensor::backend::op::{Pointwise, Unary};
use rushlight_tensor::{Result, Tensor, apply1};

use crate::{Forward, Module};

/// `f(x)` for each element; the memory of x is reused if nobody else holds it.
fn owned(f: Unary, x: Tensor) -> Result<Tensor> {
    apply1(Pointwise::Unary(f), [x])
}

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident => $method:ident, $f:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone, Copy, Debug, Default)]
        pub struct $name;

        impl $name {
            /// The module.
            pub fn new() -> $name {
                $name
            }
        }

        impl Forward for $name {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                x.$method()
            }

            fn forward_owned(&self, x: Tensor) -> Result<Tensor> {
                if x.dtype().is_float() { owned($f, x) } else { x.$method() }
            }
        }
    )*};
}

activations! {
    /// `max(x, 0)`.
    ReLU => relu, Unary::Relu;
    /// The hyperbolic tangent.
    Tanh => tanh, Unary::Tanh;
    /// `1 / (1 + exp(-x))`.
    Sigmoid => sigmoid, Unary::Sigmoid;
    /// `x * sigmoid(x)`.
    SiLU => silu, Unary::Silu;
}
