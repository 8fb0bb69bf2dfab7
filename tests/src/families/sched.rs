//! Schedules: the rates of every group after every step.

use rushlight_nn::Parameter;
use rushlight_tensor::Tensor;
use serde_json::Value as Json;

use super::{Checked, Context, ops};
use crate::args::Args;
use crate::golden::{Case, Decoder};
use crate::optimizers::{self, AnyScheduler, Given};
use crate::outcome::{CaseError, CaseResult, outcome_of};

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    vec![("sched", crate::run::guarded(|| outcome_of(schedule(ctx, case))))]
}

fn schedule(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    let mut groups = Given::new();
    for lr in case.list("lrs") {
        let mut kwargs = case.field("optimizer")["kwargs"].clone();
        if let Some(map) = kwargs.as_object_mut() {
            map.insert("lr".to_string(), lr.clone());
        }
        groups.push((vec![Parameter::new(Tensor::zeros(1, ())?)?], Args::decode(&Json::Null, &kwargs, &decoder)?));
    }
    let mut optimizer = optimizers::optimizer(case.field("optimizer")["name"].as_str().unwrap_or_default(), groups)?;
    let mut scheduler = optimizers::scheduler(case.field("scheduler"), optimizer.as_mut(), &decoder)?;
    for (i, recorded) in case.list("outputs").iter().enumerate() {
        if i > 0 {
            let argument = |name: &str| case.list(name).get(i - 1).and_then(Json::as_f64);
            optimizer.step()?;
            match (&mut scheduler, argument("metric"), argument("step_args")) {
                (AnyScheduler::Plateau(s), Some(metric), _) => s.step(metric, optimizer.as_mut())?,
                (AnyScheduler::Restarts(s), _, Some(epoch)) => s.step_to(optimizer.as_mut(), epoch)?,
                (s, None, None) => s.step(optimizer.as_mut())?,
                _ => return Err(CaseError::Missing("an argument of the schedule's step".to_string())),
            }
        }
        let rates = optimizer.rates();
        compare(case, i, "rate", recorded, rates.iter().map(|r| r.lr))?;
        if let Some(recorded) = case.list("momentums").get(i) {
            compare(case, i, "momentum", recorded, rates.iter().map(|r| r.momentum.unwrap_or(f64::NAN)))?;
        }
    }
    Ok(())
}

fn compare(case: &Case, step: usize, what: &str, recorded: &Json, got: impl ExactSizeIterator<Item = f64>) -> CaseResult<()> {
    let recorded: Vec<f64> = recorded.as_array().into_iter().flatten().filter_map(Json::as_f64).collect();
    if recorded.len() != got.len() {
        return Err(CaseError::Failed(format!("{} groups, recorded {}", got.len(), recorded.len())));
    }
    for (group, (got, wanted)) in got.zip(recorded).enumerate() {
        if !ops::tolerance(case).admits(got, wanted) {
            return Err(CaseError::Failed(format!("{what} of group {group} after step {step} is {got:e}, recorded {wanted:e}")));
        }
    }
    Ok(())
}
