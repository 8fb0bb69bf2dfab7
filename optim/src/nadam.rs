//! NAdam.

use rushlight_backend::op::{NAdamStep, Optim};
use rushlight_tensor::Result;

use crate::Group;
use crate::group::{gradient, zeros};
use crate::options::{Rule, check_betas, not_negative, optimizer};
use crate::state::rounded;

optimizer! {
    /// Adam with Nesterov's momentum (Dozat, 2016): `torch.optim.NAdam`.
    ///
    /// After t steps `mu_t = b1 (1 - 0.96^(t momentum_decay) / 2)`; the direction mixes the gradient with weight `(1 - mu_t) / (1 - mu_1 .. mu_t)` and its running mean
    /// with `mu_(t+1) / (1 - mu_1 .. mu_(t+1))`.
    NAdam, NAdamBuilder, NAdamOptions, lr = 2e-3 => {
        /// The decay of the running means of the gradient and of its square. Default: 0.9 and 0.999.
        betas: (f64, f64) = (0.9, 0.999);
        /// Added to the denominator. Default: 1e-8.
        eps: f64 = 1e-8;
        /// The weight decay. Default: 0.
        weight_decay: f64 = 0.0;
        /// How fast the momentum approaches the first beta. Default: 0.004.
        momentum_decay: f64 = 4e-3;
        /// Weight decay shrinks the parameter by `lr * weight_decay` instead of being added to the gradient. Default: false.
        decoupled_weight_decay: bool = false;
        /// Go up instead of down. Default: false.
        maximize: bool = false;
    }
}

impl Rule for NAdamOptions {
    const NAME: &'static str = "NAdam";
    const STATES: &'static [&'static str] = &["exp_avg", "exp_avg_sq"];
    const SCALARS: &'static [&'static str] = &["mu_product"];

    fn check(&self) -> Result<()> {
        not_negative("NAdam", "learning rate", self.lr)?;
        not_negative("NAdam", "epsilon", self.eps)?;
        not_negative("NAdam", "weight decay", self.weight_decay)?;
        not_negative("NAdam", "momentum decay", self.momentum_decay)?;
        check_betas("NAdam", self.betas)
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let o = group.options;
        for ((before, product), members) in group.by_key(|s| (s.step, s.scalar("mu_product").unwrap_or(1.0))) {
            group.arrange(&members, Self::STATES, zeros)?;
            let t = before as f64 + 1.0;
            let mu = |t: f64| o.betas.0 * (1.0 - 0.5 * 0.96f64.powf(t * o.momentum_decay));
            let (now, next) = (mu(t), mu(t + 1.0));
            let product = rounded(product * rounded(now));
            let step = NAdamStep {
                gradient: gradient(o.weight_decay, o.decoupled_weight_decay, o.lr, o.maximize),
                betas: o.betas,
                eps: o.eps,
                correction2: 1.0 - o.betas.1.powf(t),
                gradient_size: o.lr * (1.0 - now) / (1.0 - product),
                mean_size: o.lr * next / (1.0 - product * next),
            };
            group.run(Optim::NAdam(step), &members, Self::STATES)?;
            members.iter().for_each(|&i| group.states[i].set_scalar("mu_product", product));
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
