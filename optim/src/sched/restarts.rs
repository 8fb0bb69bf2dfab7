//! Cosines that begin anew.

use std::f64::consts::PI;

use rushlight_nn::checkpoint::Value;
use rushlight_tensor::{Error, Result};

use super::simple::schedules;
use super::{Scheduler, check_groups, count, entry, floats, initial_lrs};
use crate::Optimizer;

schedules! {
    /// From the initial rate to `eta_min` along half a period of a cosine, again and again (Loshchilov and Hutter, 2017): the first period has `t_0` steps, each one
    /// `t_mult` times as many as the one before.
    CosineAnnealingWarmRestarts(t_0: i64) {
        /// The factor between periods. Default: 1.
        t_mult: i64 = 1;
        /// The least rate. Default: 0.
        eta_min: f64 = 0.0;
    }
}

impl CosineAnnealingWarmRestarts {
    /// Begins.
    ///
    /// # Errors
    /// If `t_0` is not positive or `t_mult` is less than 1.
    pub fn on(self, optimizer: &mut dyn Optimizer) -> Result<WarmRestarts> {
        if self.t_0 <= 0 || self.t_mult < 1 {
            return Err(Error::value(NAME, format!("wants T_0 > 0 and T_mult >= 1, got {} and {}", self.t_0, self.t_mult)));
        }
        let base = initial_lrs(optimizer);
        let period = self.t_0 as f64;
        let mut running = WarmRestarts { schedule: self, base, last: Vec::new(), epoch: -1, at: -1.0, period };
        running.step_to(optimizer, 0.0)?;
        Ok(running)
    }
}

const NAME: &str = "CosineAnnealingWarmRestarts";

/// [`CosineAnnealingWarmRestarts`] at work.
#[derive(Clone, Debug)]
pub struct WarmRestarts {
    schedule: CosineAnnealingWarmRestarts,
    base: Vec<f64>,
    last: Vec<f64>,
    epoch: i64,
    /// The time since the period began, and its length.
    at: f64,
    period: f64,
}

impl WarmRestarts {
    /// Goes to a time, counted in epochs, of which fractions count too.
    ///
    /// # Errors
    /// If it is negative, or the optimizer does not have as many groups as at the beginning.
    pub fn step_to(&mut self, optimizer: &mut dyn Optimizer, epoch: f64) -> Result<()> {
        if epoch.is_nan() || epoch < 0.0 {
            return Err(Error::value(NAME, format!("wants a time that is not negative, got {epoch}")));
        }
        let (t0, mult) = (self.schedule.t_0 as f64, self.schedule.t_mult as f64);
        if epoch < t0 {
            (self.at, self.period) = (epoch, t0);
        } else if self.schedule.t_mult == 1 {
            (self.at, self.period) = (epoch % t0, t0);
        } else {
            // Python's math.log with a base, whose rounding decides at the borders.
            let n = ((epoch / t0 * (mult - 1.0) + 1.0).ln() / mult.ln()).trunc();
            self.at = epoch - t0 * (mult.powf(n) - 1.0) / (mult - 1.0);
            self.period = t0 * mult.powf(n);
        }
        self.epoch = epoch.floor() as i64;
        self.set(optimizer)
    }

    fn set(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        check_groups(NAME, optimizer, self.base.len())?;
        let mut rates = optimizer.rates();
        let eta_min = self.schedule.eta_min;
        for (rate, base) in rates.iter_mut().zip(&self.base) {
            rate.lr = eta_min + (base - eta_min) * (1.0 + (PI * self.at / self.period).cos()) / 2.0;
        }
        optimizer.set_rates(&rates);
        self.last = rates.iter().map(|r| r.lr).collect();
        Ok(())
    }
}

impl Scheduler for WarmRestarts {
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        if self.epoch < 0 {
            return self.step_to(optimizer, 0.0);
        }
        self.epoch += 1;
        self.at += 1.0;
        if self.at >= self.period {
            self.at -= self.period;
            self.period *= self.schedule.t_mult as f64;
        }
        self.set(optimizer)
    }

    fn last_lrs(&self) -> Vec<f64> {
        self.last.clone()
    }

    fn state_dict(&self) -> Value {
        Value::dict([
            ("base_lrs", self.base.clone().into()),
            ("last_epoch", self.epoch.into()),
            ("T_cur", self.at.into()),
            ("T_i", self.period.into()),
            ("_last_lr", self.last.clone().into()),
        ])
    }

    fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        let (base, last) = (entry(NAME, state, "base_lrs", floats)?, entry(NAME, state, "_last_lr", floats)?);
        let epoch = entry(NAME, state, "last_epoch", count)?;
        let at = entry(NAME, state, "T_cur", Value::as_float)?;
        self.period = entry(NAME, state, "T_i", Value::as_float)?;
        (self.base, self.last, self.epoch, self.at) = (base, last, epoch, at);
        Ok(())
    }

    fn restart(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.step_to(optimizer, 0.0)
    }

    fn rewind(&mut self) {
        self.epoch -= 1;
    }
}
