//! Adam and AdamW.

use rushlight_backend::op::{AdamStep, Optim};
use rushlight_nn::Parameter;
use rushlight_tensor::Result;

use crate::Group;
use crate::group::zeros;
use crate::options::{Rule, check_betas, not_negative, optimizer};

optimizer! {
    /// Adam (Kingma and Ba, 2015): `torch.optim.Adam`. The weight decay is added to the gradient.
    ///
    /// With g the gradient: `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, and after t steps the parameter changes by
    /// `-lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)`.
    Adam, AdamBuilder, AdamOptions, lr = 1e-3 => {
        /// The decay of the running means of the gradient and of its square. Default: 0.9 and 0.999.
        betas: (f64, f64) = (0.9, 0.999);
        /// Added to the denominator. Default: 1e-8.
        eps: f64 = 1e-8;
        /// The weight decay. Default: 0 for Adam, 0.01 for AdamW.
        weight_decay: f64 = 0.0;
        /// Divide by the largest mean square so far. Default: false.
        amsgrad: bool = false;
        /// Go up instead of down. Default: false.
        maximize: bool = false;
        /// Weight decay shrinks the parameter by `lr * weight_decay` instead of being added to the gradient. Default: false for Adam, true for AdamW.
        decoupled_weight_decay: bool = false;
    }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019): `torch.optim.AdamW`. The parameter shrinks by `lr * weight_decay` before each step.
pub struct AdamW;

impl AdamW {
    /// PyTorch's defaults of AdamW: as Adam's, with a decoupled weight decay of 0.01.
    pub fn options(lr: f64) -> AdamOptions {
        AdamOptions { lr, weight_decay: 0.01, decoupled_weight_decay: true, ..AdamOptions::default() }
    }

    /// Begins an optimizer of these parameters. What `build` returns is an [`Adam`] whose decay is decoupled.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(params: impl Into<Vec<Parameter>>, lr: f64) -> AdamBuilder {
        AdamBuilder { params: params.into(), options: AdamW::options(lr), groups: Vec::new() }
    }
}

impl Rule for AdamOptions {
    const NAME: &'static str = "Adam";
    const STATES: &'static [&'static str] = &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"];

    fn check(&self) -> Result<()> {
        not_negative("Adam", "learning rate", self.lr)?;
        not_negative("Adam", "epsilon", self.eps)?;
        not_negative("Adam", "weight decay", self.weight_decay)?;
        check_betas("Adam", self.betas)
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let AdamOptions { lr, betas, eps, weight_decay, amsgrad, maximize, decoupled_weight_decay: decoupled } = group.options;
        let names = &Self::STATES[..2 + usize::from(amsgrad)];
        // Parameters that have had the same number of steps go together.
        for (before, members) in group.by_key(|s| s.step) {
            group.arrange(&members, names, zeros)?;
            let step = AdamStep { lr, betas, eps, weight_decay, decoupled, amsgrad, maximize, step: before + 1 };
            group.run(Optim::Adam(step), &members, names)?;
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
