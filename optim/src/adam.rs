//! Adam and AdamW.

use rushlight_backend::op::{AdamStep, Optim};
use rushlight_nn::Parameter;
use rushlight_tensor::{Error, Result};

use crate::Optimizer;
use crate::group::{Group, check, not_negative, option, over_groups};

/// The options of [`Adam`] and [`AdamW`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamOptions {
    /// The step size. PyTorch's default is 1e-3.
    pub lr: f64,
    /// The decay of the running means of the gradient and of its square. Default: 0.9 and 0.999.
    pub betas: (f64, f64),
    /// Added to the denominator. Default: 1e-8.
    pub eps: f64,
    /// The weight decay. Default: 0 for Adam, 0.01 for AdamW.
    pub weight_decay: f64,
    /// Divide by the largest mean square so far. Default: false.
    pub amsgrad: bool,
    /// Go up instead of down. Default: false.
    pub maximize: bool,
}

impl AdamOptions {
    fn new(lr: f64, weight_decay: f64) -> AdamOptions {
        AdamOptions { lr, betas: (0.9, 0.999), eps: 1e-8, weight_decay, amsgrad: false, maximize: false }
    }

    fn check(&self, name: &'static str) -> Result<()> {
        not_negative(name, "learning rate", self.lr)?;
        not_negative(name, "epsilon", self.eps)?;
        not_negative(name, "weight decay", self.weight_decay)?;
        for (i, beta) in [self.betas.0, self.betas.1].into_iter().enumerate() {
            if !(0.0..1.0).contains(&beta) {
                return Err(Error::value(name, format!("invalid beta parameter at index {i}: {beta}")));
            }
        }
        Ok(())
    }
}

/// Adam (Kingma and Ba, 2015): `torch.optim.Adam`. The weight decay is added to the gradient.
///
/// With g the gradient: `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, and after t steps the parameter changes by
/// `-lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)`.
#[derive(Debug)]
pub struct Adam {
    groups: Vec<Group<AdamOptions>>,
    decoupled: bool,
}

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019): `torch.optim.AdamW`. The parameter shrinks by `lr * weight_decay` before each step.
pub struct AdamW;

/// The options of an [`Adam`] or [`AdamW`] that is being made.
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct AdamBuilder {
    params: Vec<Parameter>,
    options: AdamOptions,
    groups: Vec<(Vec<Parameter>, AdamOptions)>,
    decoupled: bool,
}

impl Adam {
    /// Begins an optimizer of these parameters.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(params: impl Into<Vec<Parameter>>, lr: f64) -> AdamBuilder {
        AdamBuilder { params: params.into(), options: AdamOptions::new(lr, 0.0), groups: Vec::new(), decoupled: false }
    }

    /// The parameter groups.
    pub fn groups(&self) -> &[Group<AdamOptions>] {
        &self.groups
    }

    /// The parameter groups, whose options may be changed between steps.
    pub fn groups_mut(&mut self) -> &mut [Group<AdamOptions>] {
        &mut self.groups
    }
}

impl AdamW {
    /// Begins an optimizer of these parameters, with a weight decay of 0.01. What `build` returns is an [`Adam`] whose decay is decoupled.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(params: impl Into<Vec<Parameter>>, lr: f64) -> AdamBuilder {
        AdamBuilder { params: params.into(), options: AdamOptions::new(lr, 0.01), groups: Vec::new(), decoupled: true }
    }
}

impl AdamBuilder {
    option! {
        /// The decay of the running means. Default: 0.9 and 0.999.
        betas: (f64, f64);
        /// Added to the denominator. Default: 1e-8.
        eps: f64;
        /// The weight decay. Default: 0 for Adam, 0.01 for AdamW.
        weight_decay: f64;
        /// Divide by the largest mean square so far. Default: false.
        amsgrad: bool;
        /// Go up instead of down. Default: false.
        maximize: bool;
    }

    /// One more group of parameters with options of its own.
    pub fn group(mut self, params: impl Into<Vec<Parameter>>, options: AdamOptions) -> Self {
        self.groups.push((params.into(), options));
        self
    }

    /// The optimizer.
    ///
    /// # Errors
    /// If there are no parameters, one is listed twice, or an option is out of range.
    pub fn build(self) -> Result<Adam> {
        let name = if self.decoupled { "AdamW" } else { "Adam" };
        let mut groups = Vec::new();
        if !self.params.is_empty() || self.groups.is_empty() {
            groups.push(Group::new(self.params, self.options));
        }
        groups.extend(self.groups.into_iter().map(|(p, o)| Group::new(p, o)));
        check(name, &groups)?;
        groups.iter().try_for_each(|g| g.options.check(name))?;
        Ok(Adam { groups, decoupled: self.decoupled })
    }
}

impl Optimizer for Adam {
    fn step(&mut self) -> Result<()> {
        for group in &mut self.groups {
            let AdamOptions { lr, betas, eps, weight_decay, amsgrad, maximize } = group.options;
            // Parameters that have had the same number of steps go together.
            for (before, members) in group.by_key(|g, i| g.steps[i]) {
                for &i in &members {
                    let needed = 2 + usize::from(amsgrad);
                    while group.states[i].len() < needed {
                        let zeros = group.params[i].tensor().zeros_like()?;
                        group.states[i].push(zeros);
                    }
                    group.states[i].truncate(needed);
                }
                let step = AdamStep { lr, betas, eps, weight_decay, decoupled: self.decoupled, amsgrad, maximize, step: before + 1 };
                group.run(Optim::Adam(step), &members)?;
            }
        }
        Ok(())
    }

    over_groups!();
}
