//! Losses of an input and a target, element by element.

use rushlight_backend::op::{Loss, LossReduction};
use rushlight_backend::{Error, Result};

use super::reduced;
use crate::autocast::widened;
use crate::ops::norm::vector::unseen;
use crate::{Tensor, apply1};

/// How [`Tensor::kl_div`] makes one loss of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KlReduction {
    /// Not at all.
    None,
    /// The mean over all elements, PyTorch's default.
    #[default]
    Mean,
    /// The sum.
    Sum,
    /// The sum over all elements divided by the size of the first dimension: the divergence itself.
    BatchMean,
}

/// The parameters of [`Tensor::poisson_nll_loss`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoissonNllLoss {
    /// Whether the input is the logarithm of the rate.
    pub log_input: bool,
    /// Whether Stirling's approximation of `log(target!)` is added for targets above 1.
    pub full: bool,
    /// Added to the rate before its logarithm is taken.
    pub eps: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for PoissonNllLoss {
    fn default() -> PoissonNllLoss {
        PoissonNllLoss { log_input: true, full: false, eps: 1e-8, reduction: LossReduction::Mean }
    }
}

/// The parameters of [`Tensor::gaussian_nll_loss`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNllLoss {
    /// Whether the constant `log(2 pi) / 2` is added.
    pub full: bool,
    /// Variances below it count as it, which gradients do not see.
    pub eps: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for GaussianNllLoss {
    fn default() -> GaussianNllLoss {
        GaussianNllLoss { full: false, eps: 1e-6, reduction: LossReduction::Mean }
    }
}

/// An error unless both have one shape.
fn same_shape(op: &'static str, x: &Tensor, target: &Tensor) -> Result<()> {
    if x.shape() == target.shape() {
        return Ok(());
    }
    Err(Error::shape(op, format!("wants a target of the input's shape {:?}, got {:?}", x.shape(), target.shape())))
}

/// `max(log x, -100)`.
fn log_above(x: &Tensor) -> Result<Tensor> {
    x.log()?.clamp(-100.0, None)
}

pub(super) fn binary_cross_entropy(x: &Tensor, target: &Tensor) -> Result<Tensor> {
    let rest = x.neg()?.log1p()?.clamp(-100.0, None)?;
    target.sub(1.0)?.mul(&rest)?.sub(&target.mul(&log_above(x)?)?)
}

/// Differences from a target want real numbers, at least one side floating point.
fn distance(op: &'static str, x: &Tensor, target: &Tensor) -> Result<()> {
    let dtypes = [x.dtype(), target.dtype()];
    if dtypes.iter().any(|d| d.is_complex()) || !dtypes.iter().any(|d| d.is_float()) {
        return Err(Error::dtype(op, format!("wants real floating-point numbers, got {} and {}", dtypes[0], dtypes[1])));
    }
    Ok(())
}

fn weighed(losses: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
    weight.map_or(Ok(losses.clone()), |w| losses.mul(w))
}

impl Tensor {
    /// The squared differences from the target, reduced.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together.
    pub fn mse_loss(&self, target: &Tensor, reduction: LossReduction) -> Result<Tensor> {
        if let Some([x, other]) = widened([self, target])? {
            return x.mse_loss(&other, reduction);
        }
        distance("mse_loss", self, target)?;
        reduced(&self.sub(target)?.square()?, reduction)
    }

    /// The absolute differences from the target, reduced.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together.
    pub fn l1_loss(&self, target: &Tensor, reduction: LossReduction) -> Result<Tensor> {
        if let Some([x, other]) = widened([self, target])? {
            return x.l1_loss(&other, reduction);
        }
        reduced(&self.sub(target)?.abs()?, reduction)
    }

    /// With d the absolute difference from the target: `d^2 / (2 beta)` below beta, else `d - beta / 2`; reduced. PyTorch's default beta is 1; with 0 it is
    /// [`l1_loss`](Tensor::l1_loss).
    ///
    /// # Errors
    /// If beta is negative or the shapes cannot be broadcast together.
    pub fn smooth_l1_loss(&self, target: &Tensor, reduction: LossReduction, beta: f64) -> Result<Tensor> {
        if let Some([x, other]) = widened([self, target])? {
            return x.smooth_l1_loss(&other, reduction, beta);
        }
        if beta.is_nan() || beta < 0.0 {
            return Err(Error::value("smooth_l1_loss", format!("beta must not be negative, got {beta}")));
        }
        distance("smooth_l1_loss", self, target)?;
        if beta == 0.0 {
            return self.l1_loss(target, reduction);
        }
        let d = self.sub(target)?.abs()?;
        let losses = d.lt(beta)?.where_(&d.square()?.mul(0.5 / beta)?, &d.sub(0.5 * beta)?)?;
        reduced(&losses, reduction)
    }

    /// With d the absolute difference from the target: `d^2 / 2` below delta, else `delta (d - delta / 2)`; reduced. PyTorch's default delta is 1.
    ///
    /// # Errors
    /// If delta is not positive or the shapes cannot be broadcast together.
    pub fn huber_loss(&self, target: &Tensor, reduction: LossReduction, delta: f64) -> Result<Tensor> {
        if let Some([x, other]) = widened([self, target])? {
            return x.huber_loss(&other, reduction, delta);
        }
        if delta.is_nan() || delta <= 0.0 {
            return Err(Error::value("huber_loss", format!("delta must be positive, got {delta}")));
        }
        distance("huber_loss", self, target)?;
        if !self.dtype().is_float() {
            return Err(Error::dtype("huber_loss", format!("wants a floating-point input, got {}", self.dtype())));
        }
        let d = self.sub(target)?.abs()?;
        let losses = d.lt(delta)?.where_(&d.square()?.mul(0.5)?, &d.sub(0.5 * delta)?.mul(delta)?)?;
        reduced(&losses, reduction)
    }

    /// `-(t log x + (1 - t) log(1 - x))` of these probabilities and targets t of their shape, times the weight (broadcast), reduced. Logarithms are not below
    /// -100. For logits, [`binary_cross_entropy_with_logits`](Tensor::binary_cross_entropy_with_logits) is more accurate.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or an input lies outside of 0 to 1.
    pub fn binary_cross_entropy(&self, target: &Tensor, weight: Option<&Tensor>, reduction: LossReduction) -> Result<Tensor> {
        if let Some([x, other]) = widened([self, target])? {
            return x.binary_cross_entropy(&other, weight, reduction);
        }
        let op = "binary_cross_entropy";
        let x = self.all_values();
        if self.numel() > 0 && self.dtype().is_float() && x.ge(0)?.logical_and(&x.le(1)?)?.logical_not()?.any()?.item::<bool>()? {
            return Err(Error::value(op, "all inputs must lie in 0 to 1"));
        }
        if let Some(w) = weight.filter(|w| w.dtype().is_complex()) {
            return Err(Error::dtype(op, format!("a weight of {} for an input of {}", w.dtype(), self.dtype())));
        }
        let losses = apply1(Loss::BinaryCrossEntropy, [self, target])?;
        let weight = weight.map(|w| w.expand(self.shape())).transpose()?;
        reduced(&weighed(losses, weight.as_ref())?, reduction)
    }

    /// As [`binary_cross_entropy`](Tensor::binary_cross_entropy) of the sigmoid of this tensor, without overflow. `pos_weight` (broadcast) is the weight of the
    /// targets' side.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn binary_cross_entropy_with_logits(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        pos_weight: Option<&Tensor>,
        reduction: LossReduction,
    ) -> Result<Tensor> {
        if let Some([x, other]) = widened([self, target])? {
            return x.binary_cross_entropy_with_logits(&other, weight, pos_weight, reduction);
        }
        let op = "binary_cross_entropy_with_logits";
        same_shape(op, self, target)?;
        if let Some(t) = [Some(self), Some(target), weight, pos_weight].into_iter().flatten().find(|t| !t.dtype().is_float()) {
            return Err(Error::dtype(op, format!("wants real floating-point tensors, got {}", t.dtype())));
        }
        let mut log_p = self.logsigmoid()?;
        if let Some(w) = pos_weight {
            log_p = log_p.mul(&w.sub(1.0)?.mul(target)?.add(1.0)?)?;
        }
        let losses = target.rsub(1.0)?.mul(self)?.sub(&log_p)?;
        if weight.is_some_and(|w| rushlight_backend::broadcast_shapes(op, &[w.shape(), self.shape()]).is_ok_and(|s| s[..] != *self.shape()))
        {
            return Err(Error::shape(op, "the weight must broadcast to the input"));
        }
        reduced(&weighed(losses, weight)?, reduction)
    }

    /// The pointwise Kullback-Leibler divergence `t (log t - x)`, where this tensor x holds log-probabilities and the target t probabilities, or, with
    /// `log_target`, their logarithms.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together, or a tensor is not of real floating-point numbers.
    pub fn kl_div(&self, target: &Tensor, reduction: KlReduction, log_target: bool) -> Result<Tensor> {
        if let Some(t) = [self, target].into_iter().find(|t| !t.dtype().is_float()) {
            return Err(Error::dtype("kl_div", format!("wants real floating-point tensors, got {}", t.dtype())));
        }
        if let Some([x, other]) = widened([self, target])? {
            return x.kl_div(&other, reduction, log_target);
        }
        let losses = if log_target {
            target.exp()?.mul(&target.sub(self)?)?
        } else {
            // 0 log 0 is 0.
            let entropy = target.mul(&target.masked_fill(&target.eq(0)?, 1)?.log()?)?;
            entropy.sub(&target.mul(self)?)?
        };
        match reduction {
            KlReduction::None => Ok(losses),
            KlReduction::Mean => losses.mean(),
            KlReduction::Sum => losses.sum(),
            KlReduction::BatchMean => {
                let n = self.shape().first().copied().unwrap_or(1);
                losses.sum()?.div(n as f64)
            }
        }
    }

    /// The negative log-likelihood of targets under the Poisson distribution whose rate (or its logarithm) this tensor is: `rate - target log(rate)`, reduced.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together.
    pub fn poisson_nll_loss(&self, target: &Tensor, options: PoissonNllLoss) -> Result<Tensor> {
        if let Some([x, other]) = widened([self, target])? {
            return x.poisson_nll_loss(&other, options);
        }
        let mut losses =
            if options.log_input { self.exp()?.sub(&target.mul(self)?)? } else { self.sub(&target.mul(&self.add(options.eps)?.log()?)?)? };
        if options.full {
            let stirling = target.mul(&target.log()?)?.sub(target)?.add(&target.mul(2.0 * std::f64::consts::PI)?.log()?.mul(0.5)?)?;
            losses = losses.add(&stirling.masked_fill(&target.le(1)?, 0)?)?;
        }
        reduced(&losses, options.reduction)
    }

    /// The negative log-likelihood of targets under normal distributions of which this tensor holds the means: `(log(var) + (x - target)^2 / var) / 2`,
    /// reduced. The variance has the input's shape, or is one number for each last dimension (`[.., 1]` or `[..]`), or broadcast where it has size 1.
    ///
    /// # Errors
    /// If shapes do not fit, or a variance is negative.
    pub fn gaussian_nll_loss(&self, target: &Tensor, var: &Tensor, options: GaussianNllLoss) -> Result<Tensor> {
        let op = "gaussian_nll_loss";
        if var.numel() > 0 && var.all_values().lt(0)?.any()?.item::<bool>()? {
            return Err(Error::value(op, "a variance is negative"));
        }
        let fits = |v: &[usize]| v.len() == self.dim() && v.iter().zip(self.shape()).all(|(&v, &n)| v == n || v == 1);
        let var = match var.shape() {
            [] => var.clone(),
            shape if fits(shape) => var.clone(),
            shape if self.dim() > 0 && shape == &self.shape()[..self.dim() - 1] => var.unsqueeze(-1)?,
            shape => {
                return Err(Error::shape(op, format!("a variance of shape {shape:?} does not fit an input of shape {:?}", self.shape())));
            }
        };
        let var = unseen(&var, &var.clamp(options.eps, None)?)?;
        let mut losses = var.log()?.add(&self.sub(target)?.square()?.div(&var)?)?.mul(0.5)?;
        if options.full {
            losses = losses.add(0.5 * (2.0 * std::f64::consts::PI).ln())?;
        }
        reduced(&losses, options.reduction)
    }
}
