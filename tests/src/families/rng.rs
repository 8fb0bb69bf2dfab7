//! Random streams: the numbers, and how many words were drawn.

use rushlight_nn::{Module, Sequential};
use rushlight_tensor::{DType, Device, Tensor, manual_seed};

use super::modules::in_dtype;
use super::{Checked, Context, ops};
use crate::agree::{self, Tolerance};
use crate::args::Args;
use crate::golden::{Case, Decoder, Value};
use crate::outcome::{CaseError, CaseResult, outcome_of};

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    vec![("rng", crate::run::guarded(|| outcome_of(streams(ctx, case))))]
}

fn streams(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    manual_seed(case.field("seed").as_u64().ok_or_else(|| "no seed".to_string())?);
    for (i, call) in case.list("calls").iter().enumerate() {
        let name = call["fn"].as_str().unwrap_or_default();
        let mut args = Args::decode(&call["args"], &call["kwargs"], &decoder)?;
        if name == "module" {
            module(ctx, call, &mut args, &decoder).map_err(|e| at(e, i, name))?;
            continue;
        }
        let got = ctx.draws.call(name, &mut args)?;
        let recorded = call["outputs"].as_array().map_or(&[][..], Vec::as_slice);
        let wanted = recorded.iter().map(|v| decoder.value(v)).collect::<Result<Vec<_>, _>>()?;
        ops::compare(&got, &wanted, &[], ops::tolerance(case)).map_err(|e| format!("call {i}, {name}: {e}"))?;
    }
    tail(case, &decoder)
}

/// Says which call went wrong.
fn at(e: CaseError, i: usize, name: &str) -> CaseError {
    match e {
        CaseError::Failed(why) => CaseError::Failed(format!("call {i}, {name}: {why}")),
        other => other,
    }
}

/// A module's weights as they are drawn.
fn module(ctx: &Context<'_>, call: &serde_json::Value, args: &mut Args, decoder: &Decoder<'_>) -> CaseResult<()> {
    let class = args.str_or("class", "")?;
    let given = args.take_named("dtype").map_or(Ok(None), |v| Args::new(vec![v], vec![]).opt_dtype("dtype"))?;
    let state = in_dtype(given.unwrap_or(DType::F32).name(), || {
        if class != "Sequential" {
            return Ok(ctx.modules.build(&class, args)?.module().state_dict());
        }
        let layers = call["kwargs"]["layers"].as_array().map_or(&[][..], Vec::as_slice);
        let build = |l: &serde_json::Value| {
            ctx.modules.build_layer(l[0].as_str().unwrap_or_default(), &mut Args::decode(&serde_json::Value::Null, &l[1], decoder)?)
        };
        Ok(layers.iter().map(build).collect::<CaseResult<Sequential>>()?.state_dict())
    })?;
    let recorded = call["state"].as_array().map_or(&[][..], Vec::as_slice);
    if recorded.len() != state.len() {
        return Err(CaseError::Failed(format!("{} states, recorded {}", state.len(), recorded.len())));
    }
    for (entry, (key, value)) in recorded.iter().zip(&state) {
        if entry[0].as_str() != Some(key.as_str()) {
            return Err(CaseError::Failed(format!("state {key}, recorded {}", entry[0])));
        }
        agree::tensors(value, &decoder.tensor(&entry[1])?, Tolerance::EXACT).map_err(|e| format!("{key}: {e}"))?;
    }
    Ok(())
}

/// The numbers that come next: they say how many words the calls have drawn.
fn tail(case: &Case, decoder: &Decoder<'_>) -> CaseResult<()> {
    let next = Tensor::randint(0, 65536, 2, (DType::I64, Device::cpu()))?.to_vec::<i64>()?;
    match decoder.value(case.field("tail"))? {
        Value::List(tail) if tail.iter().zip(&next).all(|(t, n)| matches!(t, Value::Int(t) if t == n)) => Ok(()),
        Value::List(_) => Err(CaseError::Failed(format!("another number of words was drawn: {next:?} comes next"))),
        other => Err(CaseError::Failed(format!("a tail that is {}", other.kind()))),
    }
}
