//! Optimizers on a polynomial problem: every parameter after every step.

use rushlight_autograd::Autograd;
use rushlight_nn::Parameter;
use rushlight_tensor::Tensor;

use super::{Checked, Context, ops};
use crate::agree;
use crate::args::Args;
use crate::golden::{Case, Decoder};
use crate::modules;
use crate::outcome::{CaseError, CaseResult, outcome_of};

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    vec![("optim", crate::run::guarded(|| outcome_of(problem(ctx, case))))]
}

fn tensors(case: &Case, decoder: &Decoder<'_>, name: &str) -> CaseResult<Vec<Tensor>> {
    Ok(case.list(name).iter().map(|t| decoder.tensor(t)).collect::<Result<_, _>>()?)
}

fn problem(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    if case.variant != "step" || !case.field("groups").is_null() {
        return Err(CaseError::Missing("closures and parameter groups".to_string()));
    }
    let params = tensors(case, &decoder, "x0")?.into_iter().map(Parameter::new).collect::<Result<Vec<_>, _>>()?;
    let (target, coef) = (tensors(case, &decoder, "target")?, tensors(case, &decoder, "coef")?);
    let number = |name: &str| case.field(name).as_f64().ok_or_else(|| format!("no {name}"));
    let (q, sign) = (number("q")?, number("sign")?);
    let mut arguments = Args::decode(&serde_json::Value::Null, case.field("kwargs"), &decoder)?;
    let mut optimizer = modules::optimizer(&case.op, &mut arguments, params.clone())?;
    let recorded = tensors(case, &decoder, "params")?;
    let tolerance = ops::tolerance(case);
    for step in 0..recorded.first().map_or(0, |t| t.shape()[0]) {
        optimizer.zero_grad();
        for ((p, t), c) in params.iter().zip(&target).zip(&coef) {
            let d = p.tensor().sub(t)?;
            let quadratic = d.square()?.mul(c)?.mul(0.5)?;
            let loss = quadratic.add(&d.pow(4)?.mul(q)?)?.sum()?.mul(sign)?;
            loss.backward()?;
        }
        optimizer.step()?;
        for (j, (p, wanted)) in params.iter().zip(&recorded).enumerate() {
            let wanted = wanted.select(0, step as isize)?;
            agree::tensors(&p.tensor().detach(), &wanted, tolerance).map_err(|e| format!("parameter {j} after step {step}: {e}"))?;
        }
    }
    Ok(())
}
