//! To the constant rate of weight averaging.

use std::f64::consts::PI;

use rushlight_tensor::{Error, Result};

use super::cyclic::for_groups;
use super::simple::schedules;
use super::{Anneal, Schedule};
use crate::Rate;

schedules! {
    /// From the rate that the groups have to `swa_lr`, where it stays: `torch.optim.swa_utils.SWALR`.
    SWALR(swa_lr: Vec<f64>) {
        /// The steps that it takes. Default: 10.
        anneal_epochs: i64 = 10;
        /// How the rate goes. Default: along a cosine.
        anneal_strategy: Anneal = Anneal::Cos;
    }
}

impl SWALR {
    /// The share of the new rate at a step.
    fn share(&self, step: i64) -> f64 {
        let t = (step as f64 / self.anneal_epochs.max(1) as f64).clamp(0.0, 1.0);
        match self.anneal_strategy {
            Anneal::Cos => (1.0 - (PI * t).cos()) / 2.0,
            Anneal::Linear => t,
        }
    }
}

impl Schedule for SWALR {
    const NAME: &'static str = "SWALR";

    fn prepare(&mut self, rates: &mut [Rate]) -> Result<()> {
        if self.anneal_epochs < 0 {
            return Err(Error::value(Self::NAME, format!("anneal_epochs must not be negative, got {}", self.anneal_epochs)));
        }
        for_groups(Self::NAME, "swa_lr", &mut self.swa_lr, rates.len())
    }

    fn lr(&self, epoch: i64, group: usize, current: f64, _: f64) -> Result<f64> {
        let step = if self.anneal_epochs == 0 { epoch.max(1) } else { epoch };
        let (swa, before, now) = (self.swa_lr[group], self.share(step - 1), self.share(step));
        // The rate that others have set is what this step's share is mixed with.
        let other = if before == 1.0 { swa } else { (current - before * swa) / (1.0 - before) };
        Ok(swa * now + other * (1.0 - now))
    }
}
