//! Averaged stochastic gradient descent.

use rushlight_backend::op::{AsgdStep, Optim};
use rushlight_tensor::Result;

use crate::Group;
use crate::group::{gradient, zeros};
use crate::options::{Rule, not_negative, optimizer};
use crate::state::rounded;

optimizer! {
    /// Averaged stochastic gradient descent (Polyak and Juditsky, 1992): `torch.optim.ASGD`. The step size falls as `lr / (1 + lambd lr t)^alpha`; the state `ax` is the average
    /// of the parameter from step `t0` on.
    ASGD, AsgdBuilder, AsgdOptions, lr = 1e-2 => {
        /// The decay. Default: 1e-4.
        lambd: f64 = 1e-4;
        /// The power by which the step size falls. Default: 0.75.
        alpha: f64 = 0.75;
        /// The step at which averaging begins. Default: 1e6.
        t0: f64 = 1e6;
        /// The weight decay, added to the gradient. Default: 0.
        weight_decay: f64 = 0.0;
        /// Go up instead of down. Default: false.
        maximize: bool = false;
    }
}

impl Rule for AsgdOptions {
    const NAME: &'static str = "ASGD";
    const STATES: &'static [&'static str] = &["ax"];
    const SCALARS: &'static [&'static str] = &["eta", "mu"];

    fn check(&self) -> Result<()> {
        not_negative("ASGD", "learning rate", self.lr)?;
        not_negative("ASGD", "weight decay", self.weight_decay)
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let o = group.options;
        let key = |s: &crate::group::State| (s.step, s.scalar("eta").unwrap_or(rounded(o.lr)), s.scalar("mu").unwrap_or(1.0));
        for ((before, eta, mu), members) in group.by_key(key) {
            group.arrange(&members, Self::STATES, zeros)?;
            let gradient = gradient(o.weight_decay, false, o.lr, o.maximize);
            group.run(Optim::Asgd(AsgdStep { gradient, keep: 1.0 - o.lambd * eta, eta, mu }), &members, Self::STATES)?;
            let t = before as f64 + 1.0;
            let next = (o.lr / (1.0 + o.lambd * o.lr * t).powf(o.alpha), 1.0 / (t - o.t0).max(1.0));
            for &i in &members {
                group.states[i].set_scalar("eta", rounded(next.0));
                group.states[i].set_scalar("mu", rounded(next.1));
            }
        }
        Ok(())
    }
}
