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
    /// Adam with Nesterov's momentum.
    NAdam(NAdamStep),
    /// Adam with a rectified variance.
    RAdam(RAdamStep),
    /// Adam by the infinity norm.
    Adamax(AdamaxStep),
    /// The gradient over the root of the sum of its squares.
    Adagrad(AdagradStep),
    /// The gradient over its root mean square, times that of the changes.
    Adadelta(AdadeltaStep),
    /// The gradient over its root mean square.
    RmsProp(RmsPropStep),
    /// Steps by the gradient's sign alone.
    Rprop(RpropStep),
    /// Averaged stochastic gradient descent.
    Asgd(AsgdStep),
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

/// The gradient that a step starts from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradient {
    /// The weight decay.
    pub weight_decay: f64,
    /// The decay shrinks the parameter by this factor instead of being added to the gradient.
    pub shrink: Option<f64>,
    /// Go up instead of down.
    pub maximize: bool,
}

/// A step of `torch.optim.NAdam`. State: the running means of the gradient and of its square. The parameter changes by
/// `-(gradient_size g + mean_size m) / (sqrt(v / correction2) + eps)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NAdamStep {
    /// What the gradient is.
    pub gradient: Gradient,
    /// The decay of the running means.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// `1 - beta2^t`.
    pub correction2: f64,
    /// The step size along the gradient.
    pub gradient_size: f64,
    /// The step size along its mean.
    pub mean_size: f64,
}

/// A step of `torch.optim.RAdam`. State: the running means of the gradient and of its square. The parameter changes by `-size m`, divided by `sqrt(v) + eps` if
/// the step is `adaptive`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RAdamStep {
    /// What the gradient is.
    pub gradient: Gradient,
    /// The decay of the running means.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// The step size, with all corrections.
    pub size: f64,
    /// Whether the variance is known well enough to divide by it.
    pub adaptive: bool,
}

/// A step of `torch.optim.Adamax`. State: the running mean of the gradient, and the decaying maximum of its magnitude.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamaxStep {
    /// What the gradient is.
    pub gradient: Gradient,
    /// The decay of the mean and of the maximum.
    pub betas: (f64, f64),
    /// Added to the magnitude.
    pub eps: f64,
    /// The step size, corrected.
    pub size: f64,
}

/// A step of `torch.optim.Adagrad`. State: the sum of squared gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdagradStep {
    /// What the gradient is.
    pub gradient: Gradient,
    /// Added to the denominator.
    pub eps: f64,
    /// The step size, decayed.
    pub size: f64,
}

/// A step of `torch.optim.Adadelta`. State: the running means of the squares of gradients and of changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdadeltaStep {
    /// What the gradient is.
    pub gradient: Gradient,
    /// The step size.
    pub lr: f64,
    /// The decay of the means.
    pub rho: f64,
    /// Added under the roots.
    pub eps: f64,
}

/// A step of `torch.optim.RMSprop`. State: the running mean of the gradient's square, that of the gradient if `centered`, and the momentum buffer if there is a
/// momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropStep {
    /// What the gradient is.
    pub gradient: Gradient,
    /// The step size.
    pub lr: f64,
    /// The decay of the means.
    pub alpha: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// The share of the last direction that is kept.
    pub momentum: f64,
    /// Divide by the standard deviation instead of the root mean square.
    pub centered: bool,
}

/// A step of `torch.optim.Rprop`. State: the last gradient, and the step size of each element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RpropStep {
    /// What the gradient is.
    pub gradient: Gradient,
    /// The factors of the step size where the sign changed, and where it stayed.
    pub etas: (f64, f64),
    /// The smallest and the largest step size.
    pub step_sizes: (f64, f64),
}

/// A step of `torch.optim.ASGD`. State: the averaged parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AsgdStep {
    /// What the gradient is.
    pub gradient: Gradient,
    /// By how much the parameter decays: `1 - lambd eta`.
    pub keep: f64,
    /// The step size.
    pub eta: f64,
    /// The weight of the parameter in the average.
    pub mu: f64,
}

impl Optim {
    names! {
        Optim::Sgd(_) => "sgd",
        Optim::Adam(_) => "adam",
        Optim::NAdam(_) => "nadam",
        Optim::RAdam(_) => "radam",
        Optim::Adamax(_) => "adamax",
        Optim::Adagrad(_) => "adagrad",
        Optim::Adadelta(_) => "adadelta",
        Optim::RmsProp(_) => "rmsprop",
        Optim::Rprop(_) => "rprop",
        Optim::Asgd(_) => "asgd",
    }

    /// How many state tensors each parameter has among the inputs, and among the results.
    pub fn states(&self) -> (usize, usize) {
        let both = match self {
            Optim::Sgd(s) if s.momentum == 0.0 => 0,
            Optim::Sgd(s) => return (usize::from(!s.first), 1),
            Optim::Adam(a) => 2 + usize::from(a.amsgrad),
            Optim::NAdam(_) | Optim::RAdam(_) | Optim::Adamax(_) | Optim::Adadelta(_) | Optim::Rprop(_) => 2,
            Optim::Adagrad(_) | Optim::Asgd(_) => 1,
            Optim::RmsProp(r) => 1 + usize::from(r.centered) + usize::from(r.momentum > 0.0),
        };
        (both, both)
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let (given, made) = self.states();
        if !inputs.len().is_multiple_of(2 + given) {
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
