//! Adamax.

use rushlight_backend::op::{AdamaxStep, Optim};
use rushlight_tensor::Result;

use crate::Group;
use crate::group::{gradient, zeros};
use crate::options::{Rule, check_betas, not_negative, optimizer};

optimizer! {
    /// Adam by the infinity norm (Kingma and Ba, 2015): `torch.optim.Adamax`. `u = max(b2 u, |g| + eps)`, and the parameter changes by `-lr / (1 - b1^t) * m / u`.
    Adamax, AdamaxBuilder, AdamaxOptions, lr = 2e-3 => {
        /// The decay of the running mean and of the maximum. Default: 0.9 and 0.999.
        betas: (f64, f64) = (0.9, 0.999);
        /// Added to the magnitude. Default: 1e-8.
        eps: f64 = 1e-8;
        /// The weight decay, added to the gradient. Default: 0.
        weight_decay: f64 = 0.0;
        /// Go up instead of down. Default: false.
        maximize: bool = false;
    }
}

impl Rule for AdamaxOptions {
    const NAME: &'static str = "Adamax";
    const STATES: &'static [&'static str] = &["exp_avg", "exp_inf"];

    fn check(&self) -> Result<()> {
        not_negative("Adamax", "learning rate", self.lr)?;
        not_negative("Adamax", "epsilon", self.eps)?;
        not_negative("Adamax", "weight decay", self.weight_decay)?;
        check_betas("Adamax", self.betas)
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let o = group.options;
        for (before, members) in group.by_key(|s| s.step) {
            group.arrange(&members, Self::STATES, zeros)?;
            let size = o.lr / (1.0 - o.betas.0.powf(before as f64 + 1.0));
            let gradient = gradient(o.weight_decay, false, o.lr, o.maximize);
            group.run(Optim::Adamax(AdamaxStep { gradient, betas: o.betas, eps: o.eps, size }), &members, Self::STATES)?;
        }
        Ok(())
    }

    fn momentum(&self) -> Option<f64> {
        Some(self.betas.0)
    }

    fn set_momentum(&mut self, momentum: f64) {
        self.betas.0 = momentum;
    }
}
