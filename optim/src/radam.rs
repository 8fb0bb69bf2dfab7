//! RAdam.

use rushlight_backend::op::{Optim, RAdamStep};
use rushlight_tensor::Result;

use crate::Group;
use crate::group::{gradient, zeros};
use crate::options::{Rule, check_betas, not_negative, optimizer};

optimizer! {
    /// Adam with a rectified variance (Liu et al., 2019): `torch.optim.RAdam`. The first steps, while the variance of the denominator is not known well enough
    /// (`rho_t <= 5`), go along the running mean alone.
    RAdam, RAdamBuilder, RAdamOptions, lr = 1e-3 => {
        /// The decay of the running means of the gradient and of its square. Default: 0.9 and 0.999.
        betas: (f64, f64) = (0.9, 0.999);
        /// Added to the denominator. Default: 1e-8.
        eps: f64 = 1e-8;
        /// The weight decay. Default: 0.
        weight_decay: f64 = 0.0;
        /// Weight decay shrinks the parameter by `lr * weight_decay` instead of being added to the gradient. Default: false.
        decoupled_weight_decay: bool = false;
        /// Go up instead of down. Default: false.
        maximize: bool = false;
    }
}

impl Rule for RAdamOptions {
    const NAME: &'static str = "RAdam";
    const STATES: &'static [&'static str] = &["exp_avg", "exp_avg_sq"];

    fn check(&self) -> Result<()> {
        not_negative("RAdam", "learning rate", self.lr)?;
        not_negative("RAdam", "epsilon", self.eps)?;
        not_negative("RAdam", "weight decay", self.weight_decay)?;
        check_betas("RAdam", self.betas)
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let o = group.options;
        for (before, members) in group.by_key(|s| s.step) {
            group.arrange(&members, Self::STATES, zeros)?;
            let t = before as f64 + 1.0;
            let (beta1, beta2) = o.betas;
            let (correction1, correction2) = (1.0 - beta1.powf(t), 1.0 - beta2.powf(t));
            let rho_inf = 2.0 / (1.0 - beta2) - 1.0;
            let rho = rho_inf - 2.0 * t * beta2.powf(t) / correction2;
            let adaptive = rho > 5.0;
            let mut size = o.lr / correction1;
            if adaptive {
                let rectified = (rho - 4.0) * (rho - 2.0) * rho_inf / ((rho_inf - 4.0) * (rho_inf - 2.0) * rho);
                size *= rectified.sqrt() * correction2.sqrt();
            }
            let gradient = gradient(o.weight_decay, o.decoupled_weight_decay, o.lr, o.maximize);
            group.run(Optim::RAdam(RAdamStep { gradient, betas: o.betas, eps: o.eps, size, adaptive }), &members, Self::STATES)?;
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
