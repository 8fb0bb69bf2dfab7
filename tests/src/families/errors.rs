//! Calls that must return an error.

use super::{Checked, Context, programs};
use crate::args::Args;
use crate::golden::{Case, Decoder, Value};
use crate::outcome::{CaseError, CaseResult, Outcome};

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    let outcome = crate::run::guarded(|| if case.op == "program" { programs::run(&case.id) } else { refused(call(ctx, case)) });
    vec![("errors", outcome)]
}

fn call(ctx: &Context<'_>, case: &Case) -> CaseResult<Vec<Value>> {
    let decoder = Decoder::new(&ctx.family.store);
    let mut args = Args::of(case, &decoder)?;
    let table = if ctx.draws.has(&case.op) { ctx.draws } else { ctx.registry };
    table.call(&case.op, &mut args)
}

/// What came of a call that must be refused.
pub(super) fn refused<T>(result: CaseResult<T>) -> Outcome {
    match result {
        Ok(_) => Outcome::Failed("no error".to_string()),
        Err(CaseError::Refused(_)) => Outcome::Passed(None),
        Err(CaseError::Untypable(_)) => Outcome::Passed(Some("cannot be written: the argument's type rules it out")),
        Err(CaseError::Missing(why)) => Outcome::Missing(why),
        Err(CaseError::Failed(why)) => Outcome::Failed(why),
    }
}
