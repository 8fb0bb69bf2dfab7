//! Operators: outputs, derivatives, arguments changed in place.

use serde_json::Value as Json;

use super::{Checked, Context, derivatives, reconstruct};
use crate::agree::{self, Tolerance};
use crate::args::Args;
use crate::golden::{Case, Decoder, Value};
use crate::outcome::{CaseError, CaseResult, Outcome, outcome_of};

/// The checks that a case has.
pub(super) fn checks(case: &Case) -> Vec<&'static str> {
    let derivatives = [("grads", "grads"), ("jvps", "jvps"), ("hvp", "hvps"), ("mutated", "mutated")];
    let recorded = derivatives.into_iter().filter(|(field, _)| case.has(field)).map(|(_, check)| check);
    std::iter::once("outputs").chain(recorded).collect()
}

/// Runs all checks of a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    let check = |name: &'static str| {
        super::super::run::guarded(|| {
            let done = match name {
                "outputs" => outputs(ctx, case),
                "grads" => derivatives::grads(ctx, case),
                "jvps" => return derivatives::jvps(ctx, case).map_or_else(CaseError::outcome, Outcome::Passed),
                "hvps" => derivatives::hvps(ctx, case),
                _ => mutated(ctx, case),
            };
            outcome_of(done)
        })
    };
    let mut done = Checked::new();
    for name in checks(case) {
        // What has no result has no derivative either: say why once.
        let outcome = match done.first() {
            Some((_, Outcome::Missing(why))) => Outcome::Missing(why.clone()),
            _ => check(name),
        };
        done.push((name, outcome));
    }
    done
}

pub(super) fn tolerance(case: &Case) -> Tolerance {
    Tolerance { rtol: case.rtol, atol: case.atol }
}

/// Calls the operator on the recorded arguments: the flat results.
pub(crate) fn call(ctx: &Context<'_>, case: &Case, decoder: &Decoder<'_>) -> CaseResult<Vec<Value>> {
    let mut args = Args::of(case, decoder)?;
    let mut flat = Vec::new();
    for value in ctx.registry.call(&case.op, &mut args)? {
        // A recorded list that is no list of tensors (`broadcast_shapes`) is one result.
        match value {
            Value::List(items) if !items.iter().any(|v| matches!(v, Value::Tensor(_))) => flat.push(Value::List(items)),
            other => other.flatten_into(&mut flat),
        }
    }
    Ok(flat)
}

fn outputs(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    let got = call(ctx, case, &decoder)?;
    let wanted = case.list("outputs").iter().map(|v| decoder.value(v)).collect::<Result<Vec<_>, _>>()?;
    Ok(compare(&got, &wanted, case.list("compare"), tolerance(case))?)
}

/// Compares results with the recorded ones, each in its mode.
pub(super) fn compare(got: &[Value], wanted: &[Value], modes: &[Json], tolerance: Tolerance) -> Result<(), String> {
    if got.len() != wanted.len() {
        return Err(format!("got {} results, recorded {}", got.len(), wanted.len()));
    }
    if let Some(which @ ("svd" | "eigh")) = modes.first().and_then(Json::as_str) {
        return reconstruct::compare(which, got, wanted, tolerance);
    }
    for (i, (x, y)) in got.iter().zip(wanted).enumerate() {
        let agreed = match (modes.get(i).and_then(Json::as_str).unwrap_or("close"), x, y) {
            ("skip", ..) => Ok(()),
            ("meta", Value::Tensor(x), Value::Tensor(y)) => agree::same_meta(x, y),
            ("close", x, y) => agree::values(x, y, tolerance),
            (mode, x, _) => Err(format!("mode {mode} for {}", x.kind())),
        };
        agreed.map_err(|e| if wanted.len() > 1 { format!("result {i}: {e}") } else { e })?;
    }
    Ok(())
}

/// What the call changes in place in PyTorch, and returns in ours.
fn mutated(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    let mut args = Args::of(case, &decoder)?;
    ctx.registry.call(&case.op, &mut args)?;
    for (path, recorded) in case.entries("mutated") {
        let now = args.new_value(path).ok_or_else(|| CaseError::Missing(format!("the change of argument {path}")))?;
        agree::tensors(now, &decoder.tensor(recorded)?, tolerance(case)).map_err(|e| format!("argument {path}: {e}"))?;
    }
    Ok(())
}
