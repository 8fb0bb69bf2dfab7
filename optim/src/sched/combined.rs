//! Schedules made of schedules.

use rushlight_nn::checkpoint::Value;
use rushlight_tensor::{Error, Result};

use super::{Scheduler, count, entry};
use crate::Optimizer;

fn save(schedulers: &[Box<dyn Scheduler>]) -> Value {
    Value::List(schedulers.iter().map(|s| s.state_dict()).collect())
}

fn load(name: &'static str, schedulers: &mut [Box<dyn Scheduler>], state: &Value) -> Result<()> {
    let states = entry(name, state, "_schedulers", |v| v.as_list().map(<[Value]>::to_vec))?;
    if states.len() != schedulers.len() {
        return Err(Error::value(name, format!("load_state_dict: {} schedules, this has {}", states.len(), schedulers.len())));
    }
    schedulers.iter_mut().zip(&states).try_for_each(|(s, state)| s.load_state_dict(state))
}

/// One schedule after the other: number i goes until step `milestones[i]`.
pub struct SequentialLR {
    schedulers: Vec<Box<dyn Scheduler>>,
    milestones: Vec<i64>,
    epoch: i64,
}

impl SequentialLR {
    /// Schedules that have been put on the optimizer, in their order, and when the second and each after it begin. The rates become those of the first schedule's step 0.
    ///
    /// # Errors
    /// If there is no schedule, or there is not one milestone less than schedules.
    pub fn new(mut schedulers: Vec<Box<dyn Scheduler>>, milestones: Vec<i64>, optimizer: &mut dyn Optimizer) -> Result<SequentialLR> {
        if schedulers.is_empty() || milestones.len() + 1 != schedulers.len() {
            let (s, m) = (schedulers.len(), milestones.len());
            return Err(Error::value("SequentialLR", format!("wants one milestone less than schedules, got {m} and {s}")));
        }
        let mut rates = optimizer.rates();
        for rate in &mut rates {
            rate.lr = rate.initial_lr.unwrap_or(rate.lr);
        }
        optimizer.set_rates(&rates);
        schedulers.iter_mut().for_each(|s| s.rewind());
        let mut all = SequentialLR { schedulers, milestones, epoch: 0 };
        let first = all.current();
        all.schedulers[first].begin(optimizer)?;
        Ok(all)
    }

    fn current(&self) -> usize {
        self.milestones.iter().filter(|m| **m <= self.epoch).count()
    }
}

impl Scheduler for SequentialLR {
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        let i = self.current();
        if i > 0 && self.milestones[i - 1] == self.epoch {
            self.schedulers[i].restart(optimizer)
        } else {
            self.schedulers[i].step(optimizer)
        }
    }

    fn last_lrs(&self) -> Vec<f64> {
        self.schedulers[self.current()].last_lrs()
    }

    fn state_dict(&self) -> Value {
        Value::dict([
            ("_milestones", self.milestones.clone().into()),
            ("last_epoch", self.epoch.into()),
            ("_last_lr", self.last_lrs().into()),
            ("_schedulers", save(&self.schedulers)),
        ])
    }

    fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        let epoch = entry("SequentialLR", state, "last_epoch", count)?;
        load("SequentialLR", &mut self.schedulers, state)?;
        self.epoch = epoch;
        Ok(())
    }

    fn restart(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch = 0;
        self.schedulers[0].restart(optimizer)
    }

    fn rewind(&mut self) {
        self.schedulers.iter_mut().for_each(|s| s.rewind());
    }
}

/// Several schedules at once: each step is one of every schedule, in their order.
pub struct ChainedScheduler {
    schedulers: Vec<Box<dyn Scheduler>>,
}

impl ChainedScheduler {
    /// Schedules that have been put on the same optimizer.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(schedulers: Vec<Box<dyn Scheduler>>) -> Result<ChainedScheduler> {
        if schedulers.is_empty() {
            return Err(Error::value("ChainedScheduler", "wants at least one schedule"));
        }
        Ok(ChainedScheduler { schedulers })
    }
}

impl Scheduler for ChainedScheduler {
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.schedulers.iter_mut().try_for_each(|s| s.step(optimizer))
    }

    fn last_lrs(&self) -> Vec<f64> {
        self.schedulers.last().map_or(Vec::new(), |s| s.last_lrs())
    }

    fn state_dict(&self) -> Value {
        Value::dict([("_last_lr", self.last_lrs().into()), ("_schedulers", save(&self.schedulers))])
    }

    fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        load("ChainedScheduler", &mut self.schedulers, state)
    }

    fn restart(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.schedulers.iter_mut().try_for_each(|s| s.restart(optimizer))
    }

    fn rewind(&mut self) {
        self.schedulers.iter_mut().for_each(|s| s.rewind());
    }
}
