//! Dropout.

use rushlight_tensor::{Error, Result, Tensor};

use crate::builder::builder;
use crate::{Forward, Mode, Module, functional};

/// In training each element is zeroed with probability p and the others scaled by `1 / (1 - p)`; in evaluation the identity.
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct Dropout {
    p: f64,
    mode: Mode,
}

builder! {
    /// The arguments of [`Dropout`].
    DropoutBuilder for Dropout(p: f64) {}
}

impl DropoutBuilder {
    /// The module.
    ///
    /// # Errors
    /// If p is not in 0 to 1.
    pub fn build(self) -> Result<Dropout> {
        if !(0.0..=1.0).contains(&self.p) {
            return Err(Error::value("Dropout", format!("the probability must lie in 0 to 1, got {}", self.p)));
        }
        Ok(Dropout { p: self.p, mode: Mode::new() })
    }
}

impl Dropout {
    fn arguments(&self) -> String {
        format!("p={}", self.p)
    }
}

impl Forward for Dropout {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::dropout(x, self.p, self.mode.is_training())
    }
}
