//! Losses.

use rushlight_tensor::backend::op::{CrossEntropy, LossReduction};
use rushlight_tensor::{CtcLoss, GaussianNllLoss, KlReduction, PoissonNllLoss, Result, Tensor, TripletMarginLoss};

use crate::args::{Args, Either};
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

/// `reduction`; the old `size_average` and `reduce` are taken only where they are None.
fn reduction(a: &mut Args) -> CaseResult<LossReduction> {
    let name = a.str_or("reduction", "mean")?;
    LossReduction::from_name(&name).map_err(|_| CaseError::Untypable(format!("`reduction` is an enumeration, '{name}' cannot be passed")))
}

pub(super) fn register(r: &mut Registry) {
    r.op("nn.functional.cross_entropy", |a| {
        let (x, targets, weight) = (a.tensor("input")?, a.tensor("target")?, a.opt_tensor("weight")?);
        a.none("size_average")?;
        let ignore_index = a.int_or("ignore_index", -100)? as i64;
        a.none("reduce")?;
        let options = CrossEntropy { ignore_index, reduction: reduction(a)?, label_smoothing: a.float_or("label_smoothing", 0.0)? };
        Ok(x.cross_entropy_with(&targets, weight.as_ref(), options)?)
    });
    r.op("nn.functional.linear_cross_entropy", |a| {
        let (x, w, targets) = (a.tensor("input")?, a.tensor("linear_weight")?, a.tensor("target")?);
        let (bias, weight) = (a.opt_tensor("linear_bias")?, a.opt_tensor("weight")?);
        let ignored = a.opt_int("ignore_index")?;
        // Probabilities have no class to ignore.
        if ignored.is_some() && targets.dtype().is_float() {
            return Err(CaseError::Untypable("`ignore_index` is for class numbers".to_string()));
        }
        let ignore_index = ignored.unwrap_or(-100) as i64;
        let options = CrossEntropy { ignore_index, reduction: reduction(a)?, label_smoothing: a.float_or("label_smoothing", 0.0)? };
        a.none("options")?;
        Ok(x.linear_cross_entropy(&w, &targets, bias.as_ref(), weight.as_ref(), options)?)
    });
    r.op("nn.functional.nll_loss", |a| {
        let (x, targets, weight) = (a.tensor("input")?, a.tensor("target")?, a.opt_tensor("weight")?);
        a.none("size_average")?;
        let ignore_index = a.int_or("ignore_index", -100)? as i64;
        a.none("reduce")?;
        Ok(x.nll_loss(&targets, weight.as_ref(), ignore_index, reduction(a)?)?)
    });
    pairwise(r, "nn.functional.mse_loss", Tensor::mse_loss);
    pairwise(r, "nn.functional.l1_loss", Tensor::l1_loss);
    pairwise(r, "nn.functional.soft_margin_loss", Tensor::soft_margin_loss);
    pairwise(r, "nn.functional.multilabel_margin_loss", Tensor::multilabel_margin_loss);
    likelihoods(r);
    margins(r);
    r.op("nn.functional.smooth_l1_loss", |a| {
        let (x, target, reduction) = (a.tensor("input")?, a.tensor("target")?, old_reduction(a)?);
        Ok(x.smooth_l1_loss(&target, reduction, a.float_or("beta", 1.0)?)?)
    });
    r.op("nn.functional.huber_loss", |a| {
        let (x, target, reduction) = (a.tensor("input")?, a.tensor("target")?, reduction(a)?);
        let delta = a.float_or("delta", 1.0)?;
        a.none("weight")?;
        Ok(x.huber_loss(&target, reduction, delta)?)
    });
    r.op("nn.functional.bilinear", |a| {
        let (x, y, w) = (a.tensor("input1")?, a.tensor("input2")?, a.tensor("weight")?);
        Ok(x.bilinear(&y, &w, a.opt_tensor("bias")?.as_ref())?)
    });
    r.alias("bilinear", "nn.functional.bilinear");
    r.op("nn.functional.ctc_loss", |a| {
        let (x, labels) = (a.tensor("log_probs")?, a.tensor("targets")?);
        let (times, lengths) = (lengths(a, "input_lengths")?, lengths(a, "target_lengths")?);
        let blank = a.opt_size("blank")?.unwrap_or(0);
        let options = CtcLoss { blank, reduction: reduction(a)?, zero_infinity: a.bool_or("zero_infinity", false)? };
        Ok(x.ctc_loss(&labels, &times, &lengths, options)?)
    });
    r.alias("ctc_loss", "nn.functional.ctc_loss");
}

/// A tensor of lengths, or a list.
pub(crate) fn lengths(a: &mut Args, name: &str) -> CaseResult<Tensor> {
    match a.peek(name) {
        Some(Value::Tensor(_)) => a.tensor(name),
        _ => Ok(Tensor::new(a.ints(name)?.into_iter().map(|n| n as i64).collect::<Vec<_>>())?),
    }
}

/// `size_average` and `reduce`, which must be None, and `reduction`.
fn old_reduction(a: &mut Args) -> CaseResult<LossReduction> {
    a.none("size_average")?;
    a.none("reduce")?;
    reduction(a)
}

fn likelihoods(r: &mut Registry) {
    r.op("nn.functional.binary_cross_entropy", |a| {
        let (x, target, weight) = (a.tensor("input")?, a.tensor("target")?, a.opt_tensor("weight")?);
        Ok(x.binary_cross_entropy(&target, weight.as_ref(), old_reduction(a)?)?)
    });
    r.op("nn.functional.binary_cross_entropy_with_logits", |a| {
        let (x, target, weight) = (a.tensor("input")?, a.tensor("target")?, a.opt_tensor("weight")?);
        let reduction = old_reduction(a)?;
        let pos_weight = a.opt_tensor("pos_weight")?;
        Ok(x.binary_cross_entropy_with_logits(&target, weight.as_ref(), pos_weight.as_ref(), reduction)?)
    });
    r.op("nn.functional.kl_div", |a| {
        let (x, target) = (a.tensor("input")?, a.tensor("target")?);
        a.none("size_average")?;
        a.none("reduce")?;
        use KlReduction::{BatchMean, Mean, None, Sum};
        let choices = [("none", Some(None)), ("mean", Some(Mean)), ("sum", Some(Sum)), ("batchmean", Some(BatchMean))];
        let reduction = a.choice("reduction", "mean", &choices)?;
        Ok(x.kl_div(&target, reduction, a.bool_or("log_target", false)?)?)
    });
    r.op("nn.functional.poisson_nll_loss", |a| {
        let (x, target) = (a.tensor("input")?, a.tensor("target")?);
        let (log_input, full) = (a.bool_or("log_input", true)?, a.bool_or("full", false)?);
        a.none("size_average")?;
        let eps = a.float_or("eps", 1e-8)?;
        a.none("reduce")?;
        Ok(x.poisson_nll_loss(&target, PoissonNllLoss { log_input, full, eps, reduction: reduction(a)? })?)
    });
    r.op("nn.functional.gaussian_nll_loss", |a| {
        let (x, target) = (a.tensor("input")?, a.tensor("target")?);
        let var = match a.either("var")? {
            Either::Tensor(t) => t,
            Either::Scalar(s) => Tensor::full((), s, (x.dtype(), x.device()))?,
        };
        let options = GaussianNllLoss { full: a.bool_or("full", false)?, eps: a.float_or("eps", 1e-6)?, reduction: reduction(a)? };
        Ok(x.gaussian_nll_loss(&target, &var, options)?)
    });
}

fn margins(r: &mut Registry) {
    r.op("nn.functional.margin_ranking_loss", |a| {
        let (x, y, target) = (a.tensor("input1")?, a.tensor("input2")?, a.tensor("target")?);
        let margin = a.float_or("margin", 0.0)?;
        Ok(x.margin_ranking_loss(&y, &target, margin, old_reduction(a)?)?)
    });
    r.op("nn.functional.cosine_embedding_loss", |a| {
        let (x, y, target) = (a.tensor("input1")?, a.tensor("input2")?, a.tensor("target")?);
        let margin = a.float_or("margin", 0.0)?;
        Ok(x.cosine_embedding_loss(&y, &target, margin, old_reduction(a)?)?)
    });
    r.op("nn.functional.hinge_embedding_loss", |a| {
        let (x, target, margin) = (a.tensor("input")?, a.tensor("target")?, a.float_or("margin", 1.0)?);
        Ok(x.hinge_embedding_loss(&target, margin, old_reduction(a)?)?)
    });
    r.op("nn.functional.multi_margin_loss", |a| {
        let (x, target, p) = (a.tensor("input")?, a.tensor("target")?, a.int_or("p", 1)? as i64);
        let (margin, weight) = (a.float_or("margin", 1.0)?, a.opt_tensor("weight")?);
        Ok(x.multi_margin_loss(&target, p, margin, weight.as_ref(), old_reduction(a)?)?)
    });
    r.op("nn.functional.multilabel_soft_margin_loss", |a| {
        let (x, target, weight) = (a.tensor("input")?, a.tensor("target")?, a.opt_tensor("weight")?);
        Ok(x.multilabel_soft_margin_loss(&target, weight.as_ref(), old_reduction(a)?)?)
    });
    r.op("nn.functional.triplet_margin_loss", |a| {
        let (x, near, far) = (a.tensor("anchor")?, a.tensor("positive")?, a.tensor("negative")?);
        let (margin, p, eps) = (a.float_or("margin", 1.0)?, a.float_or("p", 2.0)?, a.float_or("eps", 1e-6)?);
        let swap = a.bool_or("swap", false)?;
        Ok(x.triplet_margin_loss(&near, &far, TripletMarginLoss { margin, p, eps, swap, reduction: old_reduction(a)? })?)
    });
    r.op("nn.functional.triplet_margin_with_distance_loss", |a| {
        let (x, near, far) = (a.tensor("anchor")?, a.tensor("positive")?, a.tensor("negative")?);
        a.none("distance_function")?;
        let (margin, swap, reduction) = (a.float_or("margin", 1.0)?, a.bool_or("swap", false)?, reduction(a)?);
        let distance = |a: &Tensor, b: &Tensor| a.pairwise_distance(b, 2.0, 1e-6, false);
        Ok(x.triplet_margin_with_distance_loss(&near, &far, distance, margin, swap, reduction)?)
    });
}

/// `loss(input, target, reduction='mean')`.
fn pairwise(r: &mut Registry, name: &'static str, f: fn(&Tensor, &Tensor, LossReduction) -> Result<Tensor>) {
    r.op(name, move |a| {
        let (x, target) = (a.tensor("input")?, a.tensor("target")?);
        a.none("size_average")?;
        a.none("reduce")?;
        Ok(f(&x, &target, reduction(a)?)?)
    });
}
