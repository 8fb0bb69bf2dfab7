//! Dtypes of results.

use super::{Checked, Context, errors, ops};
use crate::golden::{Case, Decoder, Value};
use crate::outcome::{CaseResult, Outcome, outcome_of};

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    let outcome = crate::run::guarded(|| {
        let decoder = Decoder::new(&ctx.family.store);
        let result = ops::call(ctx, case, &decoder);
        if case.variant == "error" { errors::refused(errors::parsed(case, result)) } else { promoted(case, &decoder, result) }
    });
    vec![("promotion", outcome)]
}

fn promoted(case: &Case, decoder: &Decoder<'_>, result: CaseResult<Vec<Value>>) -> Outcome {
    outcome_of(result.and_then(|got| {
        let out_dtype = case.field("out_dtype").as_str().unwrap_or_default();
        if let Some(Value::Tensor(t)) = got.first()
            && t.dtype().name() != out_dtype
        {
            return Err(format!("got {}, recorded {out_dtype}", t.dtype()).into());
        }
        let wanted = case.list("outputs").iter().map(|v| decoder.value(v)).collect::<Result<Vec<_>, _>>()?;
        Ok(ops::compare(&got, &wanted, case.list("compare"), ops::tolerance(case))?)
    }))
}
