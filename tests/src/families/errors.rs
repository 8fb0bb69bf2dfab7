//! Calls that must return an error.

use super::{Checked, Context, programs};
use crate::args::Args;
use crate::golden::{Case, Decoder, Value};
use crate::outcome::{CaseError, CaseResult, Outcome};

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    let outcome =
        crate::run::guarded(|| if case.op == "program" { programs::run(&case.id) } else { refused(parsed(case, call(ctx, case))) });
    vec![("errors", outcome)]
}

fn call(ctx: &Context<'_>, case: &Case) -> CaseResult<Vec<Value>> {
    let decoder = Decoder::new(&ctx.family.store);
    let mut args = Args::of(case, &decoder)?;
    let table = if ctx.draws.has(&case.op) { ctx.draws } else { ctx.registry };
    table.call(&case.op, &mut args)
}

/// An argument of a kind that ours cannot be: where PyTorch's own parser raised the error, it cannot be written there either.
pub(super) fn parsed<T>(case: &Case, result: CaseResult<T>) -> CaseResult<T> {
    result.map_err(|e| match e {
        CaseError::Kind(why) if case.field("error")["type"] == "TypeError" => CaseError::Untypable(why),
        other => other,
    })
}

/// What came of a call that must be refused.
pub(super) fn refused<T>(result: CaseResult<T>) -> Outcome {
    match result {
        Ok(_) => Outcome::Failed("no error".to_string()),
        Err(CaseError::Refused(_)) => Outcome::Passed(None),
        Err(CaseError::Untypable(_)) => Outcome::Passed(Some("cannot be written: the argument's type rules it out")),
        Err(CaseError::Missing(why) | CaseError::Kind(why)) => Outcome::Missing(why),
        Err(CaseError::Failed(why)) => Outcome::Failed(why),
    }
}
