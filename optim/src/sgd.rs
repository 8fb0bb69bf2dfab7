//! Stochastic gradient descent.

use rushlight_backend::op::{Optim, SgdStep};
use rushlight_nn::Parameter;
use rushlight_tensor::{Error, Result};

use crate::Optimizer;
use crate::group::{Group, check, not_negative, option, over_groups};

/// The options of [`SGD`]. PyTorch's defaults: all zero and false, but for the step size, which is 1e-3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdOptions {
    /// The step size.
    pub lr: f64,
    /// The share of the last direction that is kept.
    pub momentum: f64,
    /// What the gradient loses when it is added to the momentum.
    pub dampening: f64,
    /// The share of the parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Nesterov's momentum: look ahead along it.
    pub nesterov: bool,
    /// Go up instead of down.
    pub maximize: bool,
}

impl Default for SgdOptions {
    fn default() -> SgdOptions {
        SgdOptions { lr: 1e-3, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false }
    }
}

impl SgdOptions {
    fn check(&self) -> Result<()> {
        not_negative("SGD", "learning rate", self.lr)?;
        not_negative("SGD", "momentum", self.momentum)?;
        not_negative("SGD", "weight decay", self.weight_decay)?;
        if self.nesterov && (self.momentum <= 0.0 || self.dampening != 0.0) {
            return Err(Error::value("SGD", "Nesterov momentum requires a momentum and zero dampening"));
        }
        Ok(())
    }
}

/// Stochastic gradient descent: `torch.optim.SGD`.
///
/// With g the gradient plus `weight_decay` times the parameter, and the buffer b, at first g: `b = momentum b + (1 - dampening) g`; the direction is b (with
/// `nesterov` g + momentum b, without momentum g), and the parameter changes by `-lr` times the direction.
#[derive(Debug)]
pub struct SGD {
    groups: Vec<Group<SgdOptions>>,
}

/// The options of an [`SGD`] that is being made.
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct SgdBuilder {
    params: Vec<Parameter>,
    options: SgdOptions,
    groups: Vec<(Vec<Parameter>, SgdOptions)>,
}

impl SGD {
    /// Begins an optimizer of these parameters.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(params: impl Into<Vec<Parameter>>, lr: f64) -> SgdBuilder {
        SgdBuilder { params: params.into(), options: SgdOptions { lr, ..SgdOptions::default() }, groups: Vec::new() }
    }

    /// The parameter groups.
    pub fn groups(&self) -> &[Group<SgdOptions>] {
        &self.groups
    }

    /// The parameter groups, whose options may be changed between steps.
    pub fn groups_mut(&mut self) -> &mut [Group<SgdOptions>] {
        &mut self.groups
    }
}

impl SgdBuilder {
    option! {
        /// The share of the last direction that is kept. Default: 0.
        momentum: f64;
        /// What the gradient loses when it is added to the momentum. Default: 0.
        dampening: f64;
        /// The share of the parameter that is added to its gradient. Default: 0.
        weight_decay: f64;
        /// Nesterov's momentum. Default: false.
        nesterov: bool;
        /// Go up instead of down. Default: false.
        maximize: bool;
    }

    /// One more group of parameters with options of its own.
    pub fn group(mut self, params: impl Into<Vec<Parameter>>, options: SgdOptions) -> Self {
        self.groups.push((params.into(), options));
        self
    }

    /// The optimizer.
    ///
    /// # Errors
    /// If there are no parameters, one is listed twice, or an option is out of range.
    pub fn build(self) -> Result<SGD> {
        let mut groups = Vec::new();
        if !self.params.is_empty() || self.groups.is_empty() {
            groups.push(Group::new(self.params, self.options));
        }
        groups.extend(self.groups.into_iter().map(|(p, o)| Group::new(p, o)));
        check("SGD", &groups)?;
        groups.iter().try_for_each(|g| g.options.check())?;
        Ok(SGD { groups })
    }
}

impl Optimizer for SGD {
    fn step(&mut self) -> Result<()> {
        for group in &mut self.groups {
            let SgdOptions { lr, momentum, dampening, weight_decay, nesterov, maximize } = group.options;
            // Parameters whose buffer does not exist yet take a step of their own.
            for (first, members) in group.by_key(|g, i| g.states[i].is_empty()) {
                let step = SgdStep { lr, momentum, dampening, weight_decay, nesterov, maximize, first };
                group.run(Optim::Sgd(step), &members)?;
            }
        }
        Ok(())
    }

    over_groups!();
}
