//! RMSprop.

use rushlight_backend::op::{Optim, RmsPropStep};
use rushlight_tensor::Result;

use crate::Group;
use crate::group::{gradient, zeros};
use crate::options::{Rule, not_negative, optimizer};

optimizer! {
    /// RMSprop (Hinton, 2012): `torch.optim.RMSprop`. The gradient over its root mean square (`centered`: over its standard deviation), with a momentum.
    RMSprop, RmsPropBuilder, RmsPropOptions, lr = 1e-2 => {
        /// The share of the last direction that is kept. Default: 0.
        momentum: f64 = 0.0;
        /// The decay of the means. Default: 0.99.
        alpha: f64 = 0.99;
        /// Added to the denominator. Default: 1e-8.
        eps: f64 = 1e-8;
        /// Divide by the standard deviation of the gradient. Default: false.
        centered: bool = false;
        /// The weight decay, added to the gradient. Default: 0.
        weight_decay: f64 = 0.0;
        /// Go up instead of down. Default: false.
        maximize: bool = false;
    }
}

impl Rule for RmsPropOptions {
    const NAME: &'static str = "RMSprop";
    const STATES: &'static [&'static str] = &["square_avg", "grad_avg", "momentum_buffer"];

    fn check(&self) -> Result<()> {
        not_negative("RMSprop", "learning rate", self.lr)?;
        not_negative("RMSprop", "epsilon", self.eps)?;
        not_negative("RMSprop", "momentum", self.momentum)?;
        not_negative("RMSprop", "weight decay", self.weight_decay)?;
        not_negative("RMSprop", "alpha", self.alpha)
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let o = group.options;
        let names: &[&'static str] = match (o.centered, o.momentum > 0.0) {
            (false, false) => &["square_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (true, false) => &["square_avg", "grad_avg"],
            (true, true) => Self::STATES,
        };
        for ((), members) in group.by_key(|_| ()) {
            group.arrange(&members, names, zeros)?;
            let gradient = gradient(o.weight_decay, false, o.lr, o.maximize);
            let step = RmsPropStep { gradient, lr: o.lr, alpha: o.alpha, eps: o.eps, momentum: o.momentum, centered: o.centered };
            group.run(Optim::RmsProp(step), &members, names)?;
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
