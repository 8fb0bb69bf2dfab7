//! Stochastic gradient descent.

use rushlight_backend::op::{Optim, SgdStep};
use rushlight_tensor::{Error, Result};

use crate::Group;
use crate::options::{Rule, not_negative, optimizer};

optimizer! {
    /// Stochastic gradient descent: `torch.optim.SGD`.
    ///
    /// With g the gradient plus `weight_decay` times the parameter, and the buffer b, at first g: `b = momentum b + (1 - dampening) g`; the direction is b
    /// (with `nesterov` g + momentum b, without momentum g), and the parameter changes by `-lr` times the direction.
    SGD, SgdBuilder, SgdOptions, lr = 1e-3 => {
        /// The share of the last direction that is kept. Default: 0.
        momentum: f64 = 0.0;
        /// What the gradient loses when it is added to the momentum. Default: 0.
        dampening: f64 = 0.0;
        /// The share of the parameter that is added to its gradient. Default: 0.
        weight_decay: f64 = 0.0;
        /// Nesterov's momentum: look ahead along it. Default: false.
        nesterov: bool = false;
        /// Go up instead of down. Default: false.
        maximize: bool = false;
    }
}

impl Rule for SgdOptions {
    const NAME: &'static str = "SGD";
    const STATES: &'static [&'static str] = &["momentum_buffer"];
    const COUNTS: bool = false;

    fn check(&self) -> Result<()> {
        not_negative("SGD", "learning rate", self.lr)?;
        not_negative("SGD", "momentum", self.momentum)?;
        not_negative("SGD", "weight decay", self.weight_decay)?;
        if self.nesterov && (self.momentum <= 0.0 || self.dampening != 0.0) {
            return Err(Error::value("SGD", "Nesterov momentum requires a momentum and zero dampening"));
        }
        Ok(())
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let SgdOptions { lr, momentum, dampening, weight_decay, nesterov, maximize } = group.options;
        let names = if momentum == 0.0 { &[][..] } else { Self::STATES };
        // Parameters whose buffer does not exist yet take a step of their own.
        for (first, members) in group.by_key(|s| s.tensors.is_empty()) {
            if names.is_empty() {
                members.iter().for_each(|&i| group.states[i].tensors.clear());
            }
            group.run(Optim::Sgd(SgdStep { lr, momentum, dampening, weight_decay, nesterov, maximize, first }), &members, names)?;
        }
        Ok(())
    }

    fn momentum(&self) -> Option<f64> {
        Some(self.momentum)
    }

    fn set_momentum(&mut self, momentum: f64) {
        self.momentum = momentum;
    }
}
