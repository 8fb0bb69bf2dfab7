//! Schedules that follow a formula of the step's number.

use rushlight_nn::checkpoint::Value;
use rushlight_tensor::Result;

use super::{Scheduler, check_groups, count, entry, floats, initial_lrs};
use crate::{Optimizer, Rate};

/// A schedule that sets the rates by a formula.
pub trait Schedule: Sized {
    /// PyTorch's name.
    const NAME: &'static str;

    /// Checks the arguments, and sets in the groups what the schedule needs there.
    ///
    /// # Errors
    /// If an argument is out of range, or does not fit the groups.
    fn prepare(&mut self, rates: &mut [Rate]) -> Result<()> {
        let _ = rates;
        Ok(())
    }

    /// The rate of a group at a step, which is counted from 0, from what it is now and from what it was initially. So schedules that work on the same optimizer multiply.
    ///
    /// # Errors
    /// If the schedule has come to its end.
    fn lr(&self, epoch: i64, group: usize, current: f64, initial: f64) -> Result<f64>;

    /// The rate when the schedule begins, of which its other steps go on: by default that of step 0.
    ///
    /// # Errors
    /// As [`lr`](Schedule::lr).
    fn begin_lr(&self, group: usize, current: f64, initial: f64) -> Result<f64> {
        self.lr(0, group, current, initial)
    }

    /// The rate at the beginning, when another schedule has been at work before.
    ///
    /// # Errors
    /// As [`lr`](Schedule::lr).
    fn first_lr(&self, group: usize, current: f64, initial: f64) -> Result<f64> {
        self.lr(0, group, current, initial)
    }

    /// The momentum of a group at a step, if the schedule cycles it.
    fn momentum(&self, epoch: i64, group: usize) -> Option<f64> {
        let _ = (epoch, group);
        None
    }

    /// The rates that the schedule calls initial, if not those of the groups.
    fn base_lrs(&self) -> Option<Vec<f64>> {
        None
    }

    /// Begins: remembers the initial rates of the groups and sets those of step 0.
    ///
    /// # Errors
    /// If an argument is out of range, or does not fit the optimizer.
    fn on(mut self, optimizer: &mut dyn Optimizer) -> Result<Running<Self>> {
        let mut rates = optimizer.rates();
        self.prepare(&mut rates)?;
        optimizer.set_rates(&rates);
        // As in PyTorch the beginning looks at the initial rates of the groups, which another schedule may have set.
        let base = initial_lrs(optimizer);
        let mut running = Running { schedule: self, epoch: -1, base, last: Vec::new() };
        running.begin(optimizer)?;
        if let Some(base) = running.schedule.base_lrs() {
            running.base = base;
        }
        Ok(running)
    }
}

/// Where the rate of a step comes from.
#[derive(Clone, Copy)]
enum At {
    Begin,
    First,
    Step,
}

/// A schedule of a formula at work.
#[derive(Clone, Debug)]
pub struct Running<S> {
    schedule: S,
    epoch: i64,
    base: Vec<f64>,
    last: Vec<f64>,
}

impl<S: Schedule> Running<S> {
    fn set(&mut self, optimizer: &mut dyn Optimizer, at: At) -> Result<()> {
        check_groups(S::NAME, optimizer, self.base.len())?;
        let mut rates = optimizer.rates();
        for (i, (rate, &initial)) in rates.iter_mut().zip(&self.base).enumerate() {
            rate.lr = match at {
                At::Begin => self.schedule.begin_lr(i, rate.lr, initial)?,
                At::First => self.schedule.first_lr(i, rate.lr, initial)?,
                At::Step => self.schedule.lr(self.epoch, i, rate.lr, initial)?,
            };
            if let (Some(m), Some(new)) = (&mut rate.momentum, self.schedule.momentum(self.epoch, i)) {
                *m = new;
            }
        }
        optimizer.set_rates(&rates);
        self.last = rates.iter().map(|r| r.lr).collect();
        Ok(())
    }
}

impl<S: Schedule> Scheduler for Running<S> {
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        self.set(optimizer, At::Step)
    }

    fn begin(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        self.set(optimizer, At::Begin)
    }

    fn last_lrs(&self) -> Vec<f64> {
        self.last.clone()
    }

    fn state_dict(&self) -> Value {
        Value::dict([
            ("base_lrs", self.base.clone().into()),
            ("last_epoch", self.epoch.into()),
            ("_step_count", (self.epoch + 1).into()),
            ("_last_lr", self.last.clone().into()),
        ])
    }

    fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        let base = entry(S::NAME, state, "base_lrs", floats)?;
        let epoch = entry(S::NAME, state, "last_epoch", count)?;
        self.last = entry(S::NAME, state, "_last_lr", floats)?;
        (self.base, self.epoch) = (base, epoch);
        Ok(())
    }

    fn restart(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch = 0;
        self.set(optimizer, At::First)
    }

    fn rewind(&mut self) {
        self.epoch -= 1;
    }
}
