//! Optimizer steps are taken outside of every graph.

use rushlight_backend::op::Optim;

use crate::rule::{Kind, Rule};

impl Rule for Optim {
    fn kind(&self) -> Kind {
        Kind::NotDifferentiable
    }
}
