//! Losses.

use rushlight_tensor::backend::op::{CrossEntropy, LossReduction};
use rushlight_tensor::{Result, Tensor};

use crate::args::Args;
use crate::outcome::CaseResult;
use crate::registry::Registry;

/// `reduction`; the old `size_average` and `reduce` are taken only where they are None.
fn reduction(a: &mut Args) -> CaseResult<LossReduction> {
    Ok(LossReduction::from_name(&a.str_or("reduction", "mean")?)?)
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
    r.op("nn.functional.nll_loss", |a| {
        let (x, targets, weight) = (a.tensor("input")?, a.tensor("target")?, a.opt_tensor("weight")?);
        a.none("size_average")?;
        let ignore_index = a.int_or("ignore_index", -100)? as i64;
        a.none("reduce")?;
        Ok(x.nll_loss(&targets, weight.as_ref(), ignore_index, reduction(a)?)?)
    });
    pairwise(r, "nn.functional.mse_loss", Tensor::mse_loss);
    pairwise(r, "nn.functional.l1_loss", Tensor::l1_loss);
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
