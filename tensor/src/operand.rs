//! Tensors and numbers as operands of one method.

use rushlight_backend::{Complex64, Scalar};

use crate::Tensor;

/// What a method such as [`Tensor::add`] takes: a tensor or a number.
#[derive(Clone, Copy)]
pub enum Operand<'a> {
    /// A tensor.
    Tensor(&'a Tensor),
    /// A number.
    Scalar(Scalar),
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(t: &'a Tensor) -> Operand<'a> {
        Operand::Tensor(t)
    }
}

macro_rules! from {
    ($($t:ty),*) => {$(
        impl From<$t> for Operand<'_> {
            fn from(x: $t) -> Self {
                Operand::Scalar(x.into())
            }
        }
    )*};
}
from!(bool, i8, u8, i16, i32, i64, f32, f64, usize, Complex64, Scalar);
