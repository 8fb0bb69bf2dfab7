//! Triangles.

use rushlight_tensor::{Error, Result};

use super::Schedule;
use super::simple::schedules;
use crate::Rate;

/// How high the cycles of [`CyclicLR`] are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum CyclicMode {
    /// All the same.
    #[default]
    Triangular,
    /// Each half as high as the one before.
    Triangular2,
    /// `gamma^step`.
    ExpRange {
        /// The factor of a step.
        gamma: f64,
    },
}

schedules! {
    /// Up and down between two rates (Smith, 2017), with the momentum going the other way.
    CyclicLR(base_lr: Vec<f64>, max_lr: Vec<f64>) {
        /// The steps from the lower rate to the upper. Default: 2000.
        step_size_up: i64 = 2000;
        /// The steps back; none: as many. Default: none.
        step_size_down: Option<i64> = None;
        /// How high the cycles are. Default: all the same.
        mode: CyclicMode = CyclicMode::Triangular;
        /// Whether the momentum cycles. Default: true.
        cycle_momentum: bool = true;
        /// The least momentum, one for all groups or one for each. Default: 0.8.
        base_momentum: Vec<f64> = vec![0.8];
        /// The largest momentum, one for all groups or one for each. Default: 0.9.
        max_momentum: Vec<f64> = vec![0.9];
    }
}

/// One value for all groups, or one for each.
pub(super) fn for_groups(name: &'static str, what: &str, values: &mut Vec<f64>, groups: usize) -> Result<()> {
    match values.len() {
        1 => values.resize(groups, values[0]),
        n if n == groups => {}
        n => return Err(Error::value(name, format!("{n} values of {what} for {groups} parameter groups"))),
    }
    Ok(())
}

impl CyclicLR {
    /// The height at a step, from 0 to 1, and the factor of the cycle.
    fn height(&self, epoch: i64) -> (f64, f64) {
        let up = self.step_size_up as f64;
        let total = up + self.step_size_down.unwrap_or(self.step_size_up) as f64;
        let ratio = up / total;
        let at = 1.0 + epoch as f64 / total;
        let cycle = at.floor();
        let x = at - cycle;
        let height = if x <= ratio { x / ratio } else { (x - 1.0) / (ratio - 1.0) };
        let scale = match self.mode {
            CyclicMode::Triangular => 1.0,
            CyclicMode::Triangular2 => 1.0 / 2f64.powf(cycle - 1.0),
            CyclicMode::ExpRange { gamma } => gamma.powf(epoch as f64),
        };
        (height, scale)
    }
}

impl Schedule for CyclicLR {
    const NAME: &'static str = "CyclicLR";

    fn prepare(&mut self, rates: &mut [Rate]) -> Result<()> {
        for_groups(Self::NAME, "base_lr", &mut self.base_lr, rates.len())?;
        for_groups(Self::NAME, "max_lr", &mut self.max_lr, rates.len())?;
        for_groups(Self::NAME, "base_momentum", &mut self.base_momentum, rates.len())?;
        for_groups(Self::NAME, "max_momentum", &mut self.max_momentum, rates.len())?;
        if self.step_size_up <= 0 || self.step_size_down.is_some_and(|n| n <= 0) {
            return Err(Error::value(Self::NAME, "step_size_up and step_size_down must be positive"));
        }
        if self.cycle_momentum && rates.iter().any(|r| r.momentum.is_none()) {
            return Err(Error::value(Self::NAME, "cycle_momentum wants an optimizer with a momentum or betas"));
        }
        for ((rate, base), momentum) in rates.iter_mut().zip(&self.base_lr).zip(&self.max_momentum) {
            rate.lr = *base;
            if self.cycle_momentum {
                rate.momentum = Some(*momentum);
            }
        }
        Ok(())
    }

    fn lr(&self, epoch: i64, group: usize, _: f64, initial: f64) -> Result<f64> {
        let (height, scale) = self.height(epoch);
        Ok(initial + (self.max_lr[group] - initial) * height * scale)
    }

    fn momentum(&self, epoch: i64, group: usize) -> Option<f64> {
        let (height, scale) = self.height(epoch);
        let (base, max) = (self.base_momentum[group], self.max_momentum[group]);
        self.cycle_momentum.then_some(max - (max - base) * height * scale)
    }

    fn base_lrs(&self) -> Option<Vec<f64>> {
        Some(self.base_lr.clone())
    }
}
