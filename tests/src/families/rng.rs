//! Random streams: the numbers, and how many words were drawn.

use rushlight_tensor::{DType, Device, Tensor, manual_seed};

use super::{Checked, Context, ops};
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
        let got = ctx.draws.call(name, &mut args)?;
        let recorded = call["outputs"].as_array().map_or(&[][..], Vec::as_slice);
        let wanted = recorded.iter().map(|v| decoder.value(v)).collect::<Result<Vec<_>, _>>()?;
        ops::compare(&got, &wanted, &[], ops::tolerance(case)).map_err(|e| format!("call {i}, {name}: {e}"))?;
    }
    tail(case, &decoder)
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
