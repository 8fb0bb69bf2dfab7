//! Adadelta.

use rushlight_backend::op::{AdadeltaStep, Optim};
use rushlight_tensor::{Error, Result};

use crate::Group;
use crate::group::{gradient, zeros};
use crate::options::{Rule, not_negative, optimizer};

optimizer! {
    /// Adadelta (Zeiler, 2012): `torch.optim.Adadelta`. The gradient over its root mean square, times the root mean square of the changes so far.
    Adadelta, AdadeltaBuilder, AdadeltaOptions, lr = 1.0 => {
        /// The decay of the means of squares. Default: 0.9.
        rho: f64 = 0.9;
        /// Added under the roots. Default: 1e-6.
        eps: f64 = 1e-6;
        /// The weight decay, added to the gradient. Default: 0.
        weight_decay: f64 = 0.0;
        /// Go up instead of down. Default: false.
        maximize: bool = false;
    }
}

impl Rule for AdadeltaOptions {
    const NAME: &'static str = "Adadelta";
    const STATES: &'static [&'static str] = &["square_avg", "acc_delta"];

    fn check(&self) -> Result<()> {
        not_negative("Adadelta", "learning rate", self.lr)?;
        not_negative("Adadelta", "epsilon", self.eps)?;
        not_negative("Adadelta", "weight decay", self.weight_decay)?;
        if !(0.0..=1.0).contains(&self.rho) {
            return Err(Error::value("Adadelta", format!("invalid rho: {}", self.rho)));
        }
        Ok(())
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let o = group.options;
        for ((), members) in group.by_key(|_| ()) {
            group.arrange(&members, Self::STATES, zeros)?;
            let gradient = gradient(o.weight_decay, false, o.lr, o.maximize);
            group.run(Optim::Adadelta(AdadeltaStep { gradient, lr: o.lr, rho: o.rho, eps: o.eps }), &members, Self::STATES)?;
        }
        Ok(())
    }
}
