//! Modules: state dict, outputs, gradients, running statistics.

use rushlight_autograd::BackwardOptions;
use rushlight_tensor::{DType, Tensor, default_dtype, set_default_dtype};

use super::{Checked, Context, derivatives, ops};
use crate::agree::{self, Tolerance};
use crate::args::Args;
use crate::golden::{Case, Decoder, Value};
use crate::modules::Built;
use crate::outcome::{CaseError, CaseResult, outcome_of};

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    vec![("modules", crate::run::guarded(|| outcome_of(module(ctx, case))))]
}

/// Runs `f` with another default dtype.
pub(super) fn in_dtype<R>(name: &str, f: impl FnOnce() -> CaseResult<R>) -> CaseResult<R> {
    /// Puts the old one back, also after a panic.
    struct Restore(DType);
    impl Drop for Restore {
        fn drop(&mut self) {
            // It was the default before, so it can be again.
            let _ = set_default_dtype(self.0);
        }
    }
    let dtype = DType::from_name(name).ok_or_else(|| format!("dtype {name}"))?;
    let _restore = Restore(default_dtype());
    set_default_dtype(dtype)?;
    f()
}

/// Pairs of a name and a tensor.
pub(super) fn pairs(decoder: &Decoder<'_>, list: &[serde_json::Value]) -> CaseResult<Vec<(String, Tensor)>> {
    list.iter()
        .map(|entry| {
            let key = entry[0].as_str().ok_or_else(|| "a key that is no string".to_string())?;
            Ok((key.to_string(), decoder.tensor(&entry[1])?))
        })
        .collect()
}

/// Whether a state dict has the recorded keys in their order, and the values within the tolerance.
pub(super) fn compare_state(got: &[(String, Tensor)], wanted: &[(String, Tensor)], tolerance: Option<Tolerance>) -> Result<(), String> {
    let keys = |s: &[(String, Tensor)]| s.iter().map(|(k, _)| k.clone()).collect::<Vec<_>>();
    if keys(got) != keys(wanted) {
        return Err(format!("keys {:?}, recorded {:?}", keys(got), keys(wanted)));
    }
    for ((key, x), (_, y)) in got.iter().zip(wanted) {
        match tolerance {
            Some(t) => agree::tensors(x, y, t),
            None => agree::same_meta(x, y),
        }
        .map_err(|e| format!("state {key}: {e}"))?;
    }
    Ok(())
}

fn module(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    let built = in_dtype(case.field("dtype").as_str().unwrap_or("float32"), || {
        let ctor = case.field("ctor");
        ctx.modules.build(&case.op, &mut Args::decode(&ctor["args"], &ctor["kwargs"], &decoder)?)
    })?;
    let recorded = pairs(&decoder, case.list("state"))?;
    let module = built.module();
    compare_state(&module.state_dict(), &recorded, None)?;
    module.load_state_dict(&recorded, true)?;
    module.set_training(case.field("training").as_bool().unwrap_or(false));

    let leaves = derivatives::leaves(ctx, case, "grads")?;
    for _ in 1..case.field("steps").as_u64().unwrap_or(1) {
        call(built.as_ref(), case, &decoder)?;
    }
    let got = call(built.as_ref(), case, &Decoder::replacing(&ctx.family.store, leaves.iter().cloned().collect()))?;
    let wanted = case.list("outputs").iter().map(|v| decoder.value(v)).collect::<Result<Vec<_>, _>>()?;
    ops::compare(&got, &wanted, &[], ops::tolerance(case))?;
    gradients(ctx, case, built.as_ref(), &got, &leaves)?;

    let mut after = recorded;
    for (key, value) in pairs(&decoder, case.list("state_after"))? {
        let entry = after.iter_mut().find(|(k, _)| *k == key).ok_or_else(|| format!("no state {key} to compare"))?;
        entry.1 = value;
    }
    Ok(compare_state(&module.state_dict(), &after, Some(ops::tolerance(case)))?)
}

fn call(built: &dyn Built, case: &Case, decoder: &Decoder<'_>) -> CaseResult<Vec<Value>> {
    let mut args = Args::of(case, decoder)?;
    let result = built.call(&mut args)?;
    if let Some(unused) = args.unused() {
        return Err(CaseError::Missing(unused));
    }
    let mut flat = Vec::new();
    result.into_iter().for_each(|v| v.flatten_into(&mut flat));
    Ok(flat)
}

/// Gradients of arguments and parameters.
fn gradients(ctx: &Context<'_>, case: &Case, built: &dyn Built, got: &[Value], leaves: &[(String, Tensor)]) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    let parameters = built.module().named_parameters();
    let recorded: Vec<&str> = case.list("param_grads").iter().filter_map(|e| e[0].as_str()).collect();
    let names: Vec<&str> = parameters.iter().map(|(n, _)| n.as_str()).collect();
    if !case.has("cotangents") {
        return Ok(());
    }
    if names != recorded {
        return Err(CaseError::Failed(format!("parameters {names:?}, recorded {recorded:?}")));
    }
    let tensors: Vec<Tensor> = leaves.iter().map(|(_, t)| t.clone()).chain(parameters.iter().map(|(_, p)| p.tensor())).collect();
    let inputs: Vec<&Tensor> = tensors.iter().collect();
    let grads = derivatives::pull(ctx, case, got, &inputs, BackwardOptions::default())?;
    let (of_leaves, of_parameters) = grads.split_at(leaves.len());
    derivatives::compare(ctx, case, "grads", of_leaves)?;
    for (entry, got) in case.list("param_grads").iter().zip(of_parameters) {
        derivatives::compare_one(got.as_ref(), &entry[1], &decoder, ops::tolerance(case))
            .map_err(|e| format!("parameter {}: {e}", entry[0].as_str().unwrap_or_default()))?;
    }
    Ok(())
}
