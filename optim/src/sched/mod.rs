//! Schedules of the learning rate: `torch.optim.lr_scheduler`.
//!
//! A schedule is first a plain description, and begins when it is put [`on`](Schedule::on) an optimizer, whose rates it then changes with every step.
//!
//! ```
//! use rushlight_nn::{Linear, Module};
//! use rushlight_optim::sched::{CosineAnnealingLR, LinearLR, Schedule, Scheduler, SequentialLR};
//! use rushlight_optim::{Optimizer, SGD};
//!
//! let mut optimizer = SGD::new(Linear::new(2, 1)?.parameters(), 0.1).build()?;
//! let warmup = LinearLR::new().start_factor(0.1).total_iters(5).on(&mut optimizer)?;
//! let decay = CosineAnnealingLR::new(95).on(&mut optimizer)?;
//! let mut scheduler = SequentialLR::new(vec![Box::new(warmup), Box::new(decay)], vec![5], &mut optimizer)?;
//! assert!((optimizer.lrs()[0] - 0.01).abs() < 1e-12);
//! scheduler.step(&mut optimizer)?; // after every step of the optimizer
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```

mod combined;
mod cyclic;
mod formula;
mod lambda;
mod one_cycle;
mod plateau;
mod restarts;
mod simple;
mod swa;

pub use combined::{ChainedScheduler, SequentialLR};
pub use cyclic::{CyclicLR, CyclicMode};
pub use formula::{Running, Schedule};
pub use lambda::{LambdaLR, MultiplicativeLR};
pub use one_cycle::OneCycleLR;
pub use plateau::{PlateauMode, ReduceLROnPlateau, ThresholdMode};
pub use restarts::{CosineAnnealingWarmRestarts, WarmRestarts};
pub use simple::{ConstantLR, CosineAnnealingLR, ExponentialLR, LinearLR, MultiStepLR, PolynomialLR, StepLR};
pub use swa::SWALR;

use rushlight_nn::checkpoint::Value;
use rushlight_tensor::{Error, Result};

use crate::Optimizer;

/// How a rate goes from one value to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anneal {
    /// Along half a period of a cosine.
    #[default]
    Cos,
    /// Along a line.
    Linear,
}

/// A schedule at work.
pub trait Scheduler {
    /// Goes on by one and sets the optimizer's rates.
    ///
    /// # Errors
    /// If the optimizer does not have as many groups as at the beginning, or the schedule is over and cannot go on.
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()>;

    /// Takes the first step: what [`SequentialLR`] does with the schedule that it begins with. It differs from [`step`](Scheduler::step) where a step's rate is made
    /// from the one before.
    ///
    /// # Errors
    /// As [`step`](Scheduler::step).
    fn begin(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.step(optimizer)
    }

    /// The rates that were set last.
    fn last_lrs(&self) -> Vec<f64>;

    /// The state, in the form of PyTorch's `state_dict`. Functions are not part of it.
    fn state_dict(&self) -> Value;

    /// Loads what [`state_dict`](Scheduler::state_dict), or PyTorch's, has saved.
    ///
    /// # Errors
    /// If an entry is missing or of the wrong type; nothing is changed then.
    fn load_state_dict(&mut self, state: &Value) -> Result<()>;

    /// Begins anew at step 0, from the initial rates: what [`SequentialLR`] does when it comes to a schedule.
    ///
    /// # Errors
    /// As [`step`](Scheduler::step).
    fn restart(&mut self, optimizer: &mut dyn Optimizer) -> Result<()>;

    /// Takes back the count of one step, not its rates: what [`SequentialLR`] does to the schedules that it gets.
    fn rewind(&mut self);
}

/// An error if the optimizer has other groups than at the beginning.
fn check_groups(name: &'static str, optimizer: &dyn Optimizer, groups: usize) -> Result<()> {
    match optimizer.rates().len() {
        n if n == groups => Ok(()),
        n => Err(Error::value(name, format!("began with {groups} parameter groups, the optimizer has {n}"))),
    }
}

/// The initial rates of the groups, which this sets where no schedule has set them yet.
fn initial_lrs(optimizer: &mut dyn Optimizer) -> Vec<f64> {
    let mut rates = optimizer.rates();
    let initial = rates.iter_mut().map(|r| *r.initial_lr.get_or_insert(r.lr)).collect();
    optimizer.set_rates(&rates);
    initial
}

/// An entry of a saved state.
fn entry<T>(name: &'static str, state: &Value, key: &str, get: impl Fn(&Value) -> Option<T>) -> Result<T> {
    let found = state.get(key).ok_or_else(|| Error::value(name, format!("load_state_dict: no `{key}`")))?;
    get(found).ok_or_else(|| Error::value(name, format!("load_state_dict: `{key}` is {}", found.kind())))
}

/// A number of steps, from which it can be counted on.
fn count(value: &Value) -> Option<i64> {
    value.as_int().filter(|n| n.unsigned_abs() <= crate::state::MOST_STEPS)
}

/// Floats in a list.
fn floats(value: &Value) -> Option<Vec<f64>> {
    value.as_list()?.iter().map(Value::as_float).collect()
}
