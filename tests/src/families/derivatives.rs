//! Gradients, directional derivatives and Hessian-vector products of an operator's case.

use std::collections::HashMap;

use rushlight_autograd::{Autograd, BackwardOptions, grad_of, jvp};
use rushlight_tensor::{Error, Tensor};
use serde_json::Value as Json;

use super::Context;
use super::ops::{call, tolerance};
use crate::agree::{self, Tolerance};
use crate::args::Args;
use crate::golden::{Case, Decoder, Value};
use crate::outcome::{CaseError, CaseResult};

/// The tensors that lie at the argument paths of a field of the case (`grads`, `tangents`, ...).
pub(crate) fn arguments(ctx: &Context<'_>, case: &Case, field: &str) -> CaseResult<Vec<(String, Tensor)>> {
    let decoder = Decoder::new(&ctx.family.store);
    case.entries(field)
        .map(|(path, _)| {
            let mut steps = path.split('.');
            let mut at = match steps.next() {
                Some("kw") => &case.field("kwargs")[steps.next().unwrap_or_default()],
                first => &case.field("args")[index(first)?],
            };
            for step in steps {
                at = &at[index(Some(step))?];
            }
            Ok((path.to_string(), decoder.tensor(at).map_err(|e| format!("argument {path}: {e}"))?))
        })
        .collect()
}

fn index(step: Option<&str>) -> Result<usize, String> {
    step.and_then(|s| s.parse().ok()).ok_or_else(|| "an argument path without a number".to_string())
}

/// The recorded cotangents that are not null, with the number of their output.
pub(crate) fn cotangents(ctx: &Context<'_>, case: &Case) -> CaseResult<Vec<(usize, Tensor)>> {
    let decoder = Decoder::new(&ctx.family.store);
    let given = case.list("cotangents").iter().enumerate().filter(|(_, c)| !c.is_null());
    given.map(|(i, c)| Ok((i, decoder.tensor(c)?))).collect()
}

/// The arguments at a field's paths as leaves of the tape.
pub(super) fn leaves(ctx: &Context<'_>, case: &Case, field: &str) -> CaseResult<Vec<(String, Tensor)>> {
    arguments(ctx, case, field)?.into_iter().map(|(path, t)| Ok((path, t.requires_grad()?))).collect()
}

/// The gradients that the case's cotangents of the results give to tensors on the tape.
pub(super) fn pull(
    ctx: &Context<'_>,
    case: &Case,
    results: &[Value],
    inputs: &[&Tensor],
    options: BackwardOptions,
) -> CaseResult<Vec<Option<Tensor>>> {
    let cotangents = cotangents(ctx, case)?;
    let (mut outputs, mut seeds) = (Vec::new(), Vec::new());
    for (i, cotangent) in &cotangents {
        match results.get(*i) {
            // An output that does not depend on any leaf adds nothing.
            Some(Value::Tensor(y)) if y.is_requires_grad() => {
                outputs.push(y);
                seeds.push(Some(cotangent));
            }
            Some(Value::Tensor(_)) => {}
            _ => return Err(CaseError::Failed(format!("result {i} is not a tensor"))),
        }
    }
    if outputs.is_empty() || inputs.is_empty() {
        return Ok(vec![None; inputs.len()]);
    }
    Ok(grad_of(&outputs, inputs, &seeds, BackwardOptions { allow_unused: true, ..options })?)
}

/// Compares a gradient with the recorded one. No gradient and zeros are the same.
pub(super) fn compare_one(got: Option<&Tensor>, recorded: &Json, decoder: &Decoder<'_>, tolerance: Tolerance) -> Result<(), String> {
    match (got, recorded.is_null()) {
        (None, true) => Ok(()),
        (Some(g), true) => agree::zero(g),
        (None, false) => agree::zero(&decoder.tensor(recorded)?).map_err(|_| "no gradient".to_string()),
        (Some(g), false) => agree::tensors(g, &decoder.tensor(recorded)?, tolerance),
    }
}

/// Compares gradients with those at a field's paths, in their order (which is that of [`leaves`]).
pub(super) fn compare(ctx: &Context<'_>, case: &Case, field: &str, grads: &[Option<Tensor>]) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    for ((path, recorded), got) in case.entries(field).zip(grads) {
        compare_one(got.as_ref(), recorded, &decoder, tolerance(case)).map_err(|e| format!("argument {path}: {e}"))?;
    }
    Ok(())
}

type Named = Vec<(String, Tensor)>;

/// Calls the operator on leaves: those, and the gradients of the results.
fn reverse(ctx: &Context<'_>, case: &Case, field: &str, options: BackwardOptions) -> CaseResult<(Named, Vec<Option<Tensor>>)> {
    let leaves = leaves(ctx, case, field)?;
    let results = call(ctx, case, &Decoder::replacing(&ctx.family.store, leaves.iter().cloned().collect()))?;
    let inputs: Vec<&Tensor> = leaves.iter().map(|(_, t)| t).collect();
    let grads = pull(ctx, case, &results, &inputs, options)?;
    Ok((leaves, grads))
}

/// Reverse mode.
pub(super) fn grads(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let (_, grads) = reverse(ctx, case, "grads", BackwardOptions::default())?;
    compare(ctx, case, "grads", &grads)
}

/// Forward mode, one output after the other.
pub(super) fn jvps(ctx: &Context<'_>, case: &Case) -> CaseResult<Option<&'static str>> {
    let decoder = Decoder::new(&ctx.family.store);
    let got = pushed(ctx, case)?;
    let mut differ = Ok(());
    let mut recorded = Vec::with_capacity(got.len());
    for (i, got) in &got {
        let wanted = decoder.tensor(&case.list("jvps")[*i])?;
        differ = differ.and_then(|()| agree::tensors(got, &wanted, tolerance(case)).map_err(|e| format!("result {i}: {e}")));
        recorded.push((*i, wanted));
    }
    let Err(why) = differ else { return Ok(None) };
    // Where PyTorch has no tangent, zeros are recorded. They betray themselves: the recorded gradients say something else.
    let none = recorded.iter().all(|(_, t)| agree::zero(t).is_ok());
    if none && !dual(ctx, case, &recorded)? && dual(ctx, case, &got)? {
        return Ok(Some("zeros are recorded, which the recorded gradients contradict; agrees with those"));
    }
    Err(why.into())
}

/// The directional derivatives along the case's tangents, with the numbers of their outputs.
fn pushed(ctx: &Context<'_>, case: &Case) -> CaseResult<Vec<(usize, Tensor)>> {
    let plain = Decoder::new(&ctx.family.store);
    let primals = arguments(ctx, case, "tangents")?;
    let tangents = case.entries("tangents").map(|(_, t)| plain.tensor(t)).collect::<Result<Vec<_>, _>>()?;
    let points: Vec<&Tensor> = primals.iter().map(|(_, t)| t).collect();
    let directions: Vec<&Tensor> = tangents.iter().collect();
    let push = |i: usize| {
        let f = |duals: &[Tensor]| {
            let replaced = primals.iter().map(|(path, _)| path.clone()).zip(duals.iter().cloned()).collect();
            let decoder = Decoder::replacing(&ctx.family.store, replaced);
            let mut args = Args::of(case, &decoder).map_err(|e| Error::value("conformance", e))?;
            ctx.registry.call_for(&case.op, &mut args, i)
        };
        Ok((i, jvp(f, &points, &directions)?.1))
    };
    case.list("jvps").iter().enumerate().filter(|(_, recorded)| !recorded.is_null()).map(|(i, _)| push(i)).collect()
}

/// Whether directional derivatives are those of the recorded gradients: `<cotangents, jvps> = <grads, tangents>`.
fn dual(ctx: &Context<'_>, case: &Case, jvps: &[(usize, Tensor)]) -> CaseResult<bool> {
    let decoder = Decoder::new(&ctx.family.store);
    let mut outward = 0.0;
    for (i, cotangent) in cotangents(ctx, case)? {
        outward += jvps.iter().find(|(j, _)| *j == i).map_or(Ok(0.0), |(_, t)| agree::inner(&cotangent, t))?;
    }
    let grads: HashMap<&str, &Json> = case.entries("grads").filter(|(_, g)| !g.is_null()).collect();
    let mut inward = 0.0;
    for (path, tangent) in case.entries("tangents") {
        inward += grads.get(path).map_or(Ok(0.0), |g| agree::inner(&decoder.tensor(g)?, &decoder.tensor(tangent)?))?;
    }
    Ok(tolerance(case).tenfold().admits(outward, inward))
}

/// Reverse over reverse: the gradient of `<grads, tangents>`.
pub(super) fn hvps(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let plain = Decoder::new(&ctx.family.store);
    let (leaves, grads) = reverse(ctx, case, "hvp", BackwardOptions::create_graph())?;
    let tangents: HashMap<&str, Tensor> =
        case.entries("tangents").map(|(path, t)| Ok((path, plain.tensor(t)?))).collect::<CaseResult<_>>()?;
    let mut total: Option<Tensor> = None;
    for ((path, _), grad) in leaves.iter().zip(&grads) {
        if let (Some(g), Some(t)) = (grad, tangents.get(path.as_str())) {
            let part = g.mul(t)?.sum()?;
            total = Some(match total {
                Some(sum) => sum.add(&part)?,
                None => part,
            });
        }
    }
    let inputs: Vec<&Tensor> = leaves.iter().map(|(_, t)| t).collect();
    let second = match &total {
        Some(s) if s.is_requires_grad() => grad_of(&[s], &inputs, &[None], BackwardOptions::allow_unused())?,
        _ => vec![None; inputs.len()],
    };
    compare(ctx, case, "hvp", &second)
}
