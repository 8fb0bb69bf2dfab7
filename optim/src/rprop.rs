//! Rprop.

use rushlight_backend::op::{Optim, RpropStep};
use rushlight_tensor::{Error, Result};

use crate::Group;
use crate::group::gradient;
use crate::options::{Rule, not_negative, optimizer};

optimizer! {
    /// Resilient propagation (Riedmiller and Braun, 1993): `torch.optim.Rprop`. Each element has a step size of its own, at first `lr`: it grows while the gradient keeps
    /// its sign, shrinks where the sign changes (where the element then rests for a step), and the element moves against the sign.
    Rprop, RpropBuilder, RpropOptions, lr = 1e-2 => {
        /// The factors of the step size where the sign changed, and where it stayed. Default: 0.5 and 1.2.
        etas: (f64, f64) = (0.5, 1.2);
        /// The smallest and the largest step size. Default: 1e-6 and 50.
        step_sizes: (f64, f64) = (1e-6, 50.0);
        /// Go up instead of down. Default: false.
        maximize: bool = false;
    }
}

impl Rule for RpropOptions {
    const NAME: &'static str = "Rprop";
    const STATES: &'static [&'static str] = &["prev", "step_size"];

    fn check(&self) -> Result<()> {
        not_negative("Rprop", "learning rate", self.lr)?;
        let (down, up) = self.etas;
        if !(0.0 < down && down < 1.0 && 1.0 < up) {
            return Err(Error::value("Rprop", format!("invalid eta values: {down}, {up}")));
        }
        Ok(())
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let o = group.options;
        for ((), members) in group.by_key(|_| ()) {
            group.arrange(&members, Self::STATES, |value, name| if name == "prev" { value.zeros_like() } else { value.full_like(o.lr) })?;
            let gradient = gradient(0.0, false, o.lr, o.maximize);
            group.run(Optim::Rprop(RpropStep { gradient, etas: o.etas, step_sizes: o.step_sizes }), &members, Self::STATES)?;
        }
        Ok(())
    }
}
