//! Optimizer steps over many parameters at once.
//!
//! Inputs come parameter by parameter: value, gradient, then the state tensors that the variant names. Results come parameter by parameter: new value, new state
//! tensors. All inputs but the gradients are meant to be given away, so that the step happens in place.

use super::{MetaRef, Metas, want_float};
use crate::{Error, Result};

/// One step of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optim {
    /// Stochastic gradient descent.
    Sgd(SgdStep),
    /// Adam and its variants.
    Adam(AdamStep),
}

/// A step of SGD, as `torch.optim.SGD` defines it. State: the momentum buffer, if there is a momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// The step size.
    pub lr: f64,
    /// The share of the last direction that is kept.
    pub momentum: f64,
    /// What the gradient loses when it is added to the buffer.
    pub dampening: f64,
    /// The share of the parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Look ahead along the buffer.
    pub nesterov: bool,
    /// Go up instead of down.
    pub maximize: bool,
    /// There is no buffer yet: it starts as the gradient. (The inputs then hold none.)
    pub first: bool,
}

/// A step of Adam, as `torch.optim.Adam` and `AdamW` define it. State: the running means of the gradient and of its square, and with `amsgrad` the largest of
/// the latter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// The step size.
    pub lr: f64,
    /// The decay of the running means.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// The decay shrinks the parameter (AdamW) instead of being added to the gradient.
    pub decoupled: bool,
    /// Divide by the largest mean square so far.
    pub amsgrad: bool,
    /// Go up instead of down.
    pub maximize: bool,
    /// The number of this step, from 1.
    pub step: u64,
}

impl Optim {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Optim::Sgd(_) => "sgd",
            Optim::Adam(_) => "adam",
        }
    }

    /// How many state tensors each parameter has among the inputs, and among the results.
    pub fn states(&self) -> (usize, usize) {
        match self {
            Optim::Sgd(s) if s.momentum == 0.0 => (0, 0),
            Optim::Sgd(s) => (usize::from(!s.first), 1),
            Optim::Adam(a) => (2 + usize::from(a.amsgrad), 2 + usize::from(a.amsgrad)),
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let (given, made) = self.states();
        if inputs.len() % (2 + given) != 0 {
            return Err(Error::value(name, format!("takes {} tensors for each parameter, got {} in all", 2 + given, inputs.len())));
        }
        let mut metas = Metas::new();
        for part in inputs.chunks_exact(2 + given) {
            let value = part[0];
            want_float(name, value.dtype)?;
            if let Some(other) = part.iter().find(|m| **m != value) {
                return Err(Error::shape(
                    name,
                    format!("a parameter {}{:?} with a gradient or state {}{:?}", value.dtype, value.shape, other.dtype, other.shape),
                ));
            }
            for _ in 0..1 + made {
                metas.push(value.to_meta());
            }
        }
        Ok(metas)
    }
}
