//! Random numbers depend on nothing that can be differentiated.

use rushlight_backend::op::Random;

use crate::rule::{Kind, Rule};

impl Rule for Random {
    fn kind(&self) -> Kind {
        Kind::NotDifferentiable
    }
}
