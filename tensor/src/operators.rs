//! Arithmetic operators. They panic with the message of the method that they stand for.

use rushlight_backend::op::{Binary, Rounding};

use crate::{Input, Operand, Tensor, ops::pointwise};

#[track_caller]
fn expect(result: rushlight_backend::Result<Tensor>) -> Tensor {
    match result {
        Ok(t) => t,
        Err(e) => panic!("{e}"),
    }
}

macro_rules! operator {
    ($($Trait:ident $method:ident $op:expr;)*) => {$(
        impl<'b, R: Into<Operand<'b>>> std::ops::$Trait<R> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: R) -> Tensor {
                expect(pointwise::binary($op, Input::Ref(self), other.into()))
            }
        }
        impl<'b, R: Into<Operand<'b>>> std::ops::$Trait<R> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: R) -> Tensor {
                expect(pointwise::binary($op, Input::Own(self), other.into()))
            }
        }
        impl std::ops::$Trait<Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                expect(pointwise::binary($op, Input::Ref(self), Operand::Tensor(&other)))
            }
        }
        impl std::ops::$Trait<Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                expect(pointwise::binary($op, Input::Own(self), Operand::Tensor(&other)))
            }
        }
        impl std::ops::$Trait<Tensor> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                expect(pointwise::reflected($op, self.into(), Input::Own(other)))
            }
        }
        impl std::ops::$Trait<&Tensor> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                expect(pointwise::reflected($op, self.into(), Input::Ref(other)))
            }
        }
    )*};
}
operator! {
    Add add Binary::Add;
    Sub sub Binary::Sub;
    Mul mul Binary::Mul;
    Div div Binary::Div(Rounding::None);
    Rem rem Binary::Remainder;
}

impl std::ops::Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        expect(self.neg())
    }
}

impl std::ops::Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        expect(pointwise::unary(rushlight_backend::op::Unary::Neg, Input::Own(self)))
    }
}
