//! New tensors depend on nothing.

use rushlight_backend::op::Create;

use crate::rule::{Kind, Rule};

impl Rule for Create {
    fn kind(&self) -> Kind {
        Kind::NotDifferentiable
    }
}
