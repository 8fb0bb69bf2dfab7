//! Lower rates when nothing gets better any more.

use rushlight_nn::checkpoint::Value;
use rushlight_tensor::{Error, Result};

use super::cyclic::for_groups;
use super::{count, entry};
use crate::Optimizer;

/// What is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlateauMode {
    /// Less: a loss.
    #[default]
    Min,
    /// More: an accuracy.
    Max,
}

/// What the threshold of an improvement is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThresholdMode {
    /// A share of the best value.
    #[default]
    Rel,
    /// A difference.
    Abs,
}

/// Multiplies the rates by a factor when a metric has not improved for some time: `torch.optim.lr_scheduler.ReduceLROnPlateau`. Unlike other schedules its step wants the metric.
#[derive(Clone, Debug)]
pub struct ReduceLROnPlateau {
    mode: PlateauMode,
    factor: f64,
    patience: i64,
    threshold: f64,
    threshold_mode: ThresholdMode,
    cooldown: i64,
    min_lr: Vec<f64>,
    eps: f64,
    best: f64,
    bad: i64,
    cooling: i64,
    epoch: i64,
}

const NAME: &str = "ReduceLROnPlateau";

impl Default for ReduceLROnPlateau {
    fn default() -> ReduceLROnPlateau {
        ReduceLROnPlateau::new()
    }
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $t:ty;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $t) -> ReduceLROnPlateau {
            self.$name = $name;
            self
        }
    )*};
}

impl ReduceLROnPlateau {
    /// The schedule with PyTorch's defaults.
    pub fn new() -> ReduceLROnPlateau {
        ReduceLROnPlateau {
            mode: PlateauMode::Min,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::Rel,
            cooldown: 0,
            min_lr: vec![0.0],
            eps: 1e-8,
            best: f64::NAN,
            bad: 0,
            cooling: 0,
            epoch: 0,
        }
    }

    options! {
        /// What is better. Default: less.
        mode: PlateauMode;
        /// The factor, below 1. Default: 0.1.
        factor: f64;
        /// How many steps without improvement are borne. Default: 10.
        patience: i64;
        /// What counts as an improvement. Default: 1e-4.
        threshold: f64;
        /// Whether that is a share or a difference. Default: a share.
        threshold_mode: ThresholdMode;
        /// How many steps are not counted after the rate was lowered. Default: 0.
        cooldown: i64;
        /// The least rate, one for all groups or one for each. Default: 0.
        min_lr: Vec<f64>;
        /// Rates that would change by no more are left alone. Default: 1e-8.
        eps: f64;
    }

    /// The best value; before the first step the worst that there is, as in PyTorch.
    fn best(&self) -> f64 {
        match self.mode {
            _ if !self.best.is_nan() => self.best,
            PlateauMode::Min => f64::INFINITY,
            PlateauMode::Max => f64::NEG_INFINITY,
        }
    }

    fn better(&self, value: f64) -> bool {
        let best = self.best();
        match (self.mode, self.threshold_mode) {
            (PlateauMode::Min, ThresholdMode::Rel) => value < best * (1.0 - self.threshold),
            (PlateauMode::Min, ThresholdMode::Abs) => value < best - self.threshold,
            (PlateauMode::Max, ThresholdMode::Rel) => value > best * (self.threshold + 1.0),
            (PlateauMode::Max, ThresholdMode::Abs) => value > best + self.threshold,
        }
    }

    /// Takes the metric into account and sets the optimizer's rates.
    ///
    /// # Errors
    /// If the factor is not below 1, or there are not as many least rates as groups.
    pub fn step(&mut self, metric: f64, optimizer: &mut dyn Optimizer) -> Result<()> {
        if self.factor >= 1.0 {
            return Err(Error::value(NAME, format!("the factor must be below 1, got {}", self.factor)));
        }
        let mut rates = optimizer.rates();
        for_groups(NAME, "min_lr", &mut self.min_lr, rates.len())?;
        self.epoch += 1;
        if self.better(metric) {
            self.best = metric;
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }
        if self.bad > self.patience {
            for (rate, least) in rates.iter_mut().zip(&self.min_lr) {
                let new = (rate.lr * self.factor).max(*least);
                if rate.lr - new > self.eps {
                    rate.lr = new;
                }
            }
            optimizer.set_rates(&rates);
            self.cooling = self.cooldown;
            self.bad = 0;
        }
        Ok(())
    }

    /// The state, in the form of PyTorch's `state_dict`.
    pub fn state_dict(&self) -> Value {
        Value::dict([
            ("best", self.best().into()),
            ("num_bad_epochs", self.bad.into()),
            ("cooldown_counter", self.cooling.into()),
            ("last_epoch", self.epoch.into()),
        ])
    }

    /// Loads what [`state_dict`](ReduceLROnPlateau::state_dict), or PyTorch's, has saved.
    ///
    /// # Errors
    /// If an entry is missing or of the wrong type; nothing is changed then.
    pub fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        let best = entry(NAME, state, "best", Value::as_float)?;
        let (bad, cooling) = (entry(NAME, state, "num_bad_epochs", count)?, entry(NAME, state, "cooldown_counter", count)?);
        self.epoch = entry(NAME, state, "last_epoch", count)?;
        (self.best, self.bad, self.cooling) = (best, bad, cooling);
        Ok(())
    }
}
