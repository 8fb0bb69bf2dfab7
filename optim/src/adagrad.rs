//! Adagrad.

use rushlight_backend::op::{AdagradStep, Optim};
use rushlight_tensor::Result;

use crate::Group;
use crate::group::gradient;
use crate::options::{Rule, not_negative, optimizer};

optimizer! {
    /// Adagrad (Duchi et al., 2011): `torch.optim.Adagrad`. The gradient over the root of the sum of its squares, with the step size `lr / (1 + (t - 1) lr_decay)`.
    Adagrad, AdagradBuilder, AdagradOptions, lr = 1e-2 => {
        /// How fast the step size falls. Default: 0.
        lr_decay: f64 = 0.0;
        /// Added to the denominator. Default: 1e-10.
        eps: f64 = 1e-10;
        /// The weight decay, added to the gradient. Default: 0.
        weight_decay: f64 = 0.0;
        /// What the sum of squares starts from. Default: 0.
        initial_accumulator_value: f64 = 0.0;
        /// Go up instead of down. Default: false.
        maximize: bool = false;
    }
}

impl Rule for AdagradOptions {
    const NAME: &'static str = "Adagrad";
    const STATES: &'static [&'static str] = &["sum"];

    fn check(&self) -> Result<()> {
        not_negative("Adagrad", "learning rate", self.lr)?;
        not_negative("Adagrad", "decay of the learning rate", self.lr_decay)?;
        not_negative("Adagrad", "epsilon", self.eps)?;
        not_negative("Adagrad", "weight decay", self.weight_decay)?;
        not_negative("Adagrad", "initial accumulator value", self.initial_accumulator_value)
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let o = group.options;
        for (before, members) in group.by_key(|s| s.step) {
            group.arrange(&members, Self::STATES, |value, _| value.full_like(o.initial_accumulator_value))?;
            let size = o.lr / (1.0 + before as f64 * o.lr_decay);
            let gradient = gradient(o.weight_decay, false, o.lr, o.maximize);
            group.run(Optim::Adagrad(AdagradStep { gradient, eps: o.eps, size }), &members, Self::STATES)?;
        }
        Ok(())
    }
}
