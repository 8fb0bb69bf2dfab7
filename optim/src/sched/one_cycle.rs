//! One cycle over the whole training.

use std::f64::consts::PI;

use rushlight_tensor::{Error, Result};

use super::cyclic::for_groups;
use super::simple::schedules;
use super::{Anneal, Schedule};
use crate::Rate;

schedules! {
    /// Up to `max_lr` and down to far below where it began (Smith and Topin, 2019), with the momentum going the other way. It has `total_steps` steps: more are an error.
    OneCycleLR(max_lr: Vec<f64>, total_steps: i64) {
        /// The share of the steps that go up. Default: 0.3.
        pct_start: f64 = 0.3;
        /// How the rate goes. Default: along a cosine.
        anneal_strategy: Anneal = Anneal::Cos;
        /// Whether the momentum cycles. Default: true.
        cycle_momentum: bool = true;
        /// The least momentum, one for all groups or one for each. Default: 0.85.
        base_momentum: Vec<f64> = vec![0.85];
        /// The largest momentum, one for all groups or one for each. Default: 0.95.
        max_momentum: Vec<f64> = vec![0.95];
        /// The rate begins at `max_lr / div_factor`. Default: 25.
        div_factor: f64 = 25.0;
        /// And ends at this share of where it began. Default: 1e4.
        final_div_factor: f64 = 1e4;
        /// Down as long as up, and then below where it began. Default: false.
        three_phase: bool = false;
    }
}

/// Between two values.
pub(super) fn annealed(strategy: Anneal, from: f64, to: f64, share: f64) -> f64 {
    match strategy {
        Anneal::Cos => to + (from - to) / 2.0 * ((PI * share).cos() + 1.0),
        Anneal::Linear => (to - from) * share + from,
    }
}

impl OneCycleLR {
    /// What a step lies between: numbers of the three values that the phases go through (begin, top, end), and the share of the phase that is over.
    fn phase(&self, epoch: i64) -> (usize, usize, f64) {
        let total = self.total_steps as f64;
        let ends: &[(f64, usize, usize)] = if self.three_phase {
            &[(self.pct_start * total - 1.0, 0, 1), (2.0 * self.pct_start * total - 2.0, 1, 0), (total - 1.0, 0, 2)]
        } else {
            &[(self.pct_start * total - 1.0, 0, 1), (total - 1.0, 1, 2)]
        };
        let (step, mut start) = (epoch as f64, 0.0);
        for (i, &(end, from, to)) in ends.iter().enumerate() {
            if step <= end || i + 1 == ends.len() {
                return (from, to, (step - start) / (end - start));
            }
            start = end;
        }
        (0, 0, 0.0)
    }
}

impl Schedule for OneCycleLR {
    const NAME: &'static str = "OneCycleLR";

    fn prepare(&mut self, rates: &mut [Rate]) -> Result<()> {
        for_groups(Self::NAME, "max_lr", &mut self.max_lr, rates.len())?;
        for_groups(Self::NAME, "base_momentum", &mut self.base_momentum, rates.len())?;
        for_groups(Self::NAME, "max_momentum", &mut self.max_momentum, rates.len())?;
        if self.total_steps <= 0 {
            return Err(Error::value(Self::NAME, format!("total_steps must be positive, got {}", self.total_steps)));
        }
        if !(0.0..=1.0).contains(&self.pct_start) {
            return Err(Error::value(Self::NAME, format!("pct_start must lie in 0 to 1, got {}", self.pct_start)));
        }
        if self.cycle_momentum && rates.iter().any(|r| r.momentum.is_none()) {
            return Err(Error::value(Self::NAME, "cycle_momentum wants an optimizer with a momentum or betas"));
        }
        for ((rate, max), momentum) in rates.iter_mut().zip(&self.max_lr).zip(&self.max_momentum) {
            rate.initial_lr = Some(max / self.div_factor);
            if self.cycle_momentum {
                rate.momentum = Some(*momentum);
            }
        }
        Ok(())
    }

    fn lr(&self, epoch: i64, group: usize, _: f64, initial: f64) -> Result<f64> {
        if epoch > self.total_steps {
            return Err(Error::value(Self::NAME, format!("step {epoch} of a schedule of {} steps", self.total_steps)));
        }
        let values = [initial, self.max_lr[group], initial / self.final_div_factor];
        let (from, to, share) = self.phase(epoch);
        Ok(annealed(self.anneal_strategy, values[from], values[to], share))
    }

    fn momentum(&self, epoch: i64, group: usize) -> Option<f64> {
        let (base, max) = (self.base_momentum[group], self.max_momentum[group]);
        let values = [max, base, max];
        let (from, to, share) = self.phase(epoch);
        self.cycle_momentum.then(|| annealed(self.anneal_strategy, values[from], values[to], share))
    }
}
