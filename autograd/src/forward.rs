//! Forward mode: a tensor carries its tangent along.

use rushlight_backend::{Meta, Op};
use rushlight_tensor::{Error, Input, Reader, Result, Tensor, Tensors, Trace, Tracer, apply, decompose};
use smallvec::SmallVec;

use crate::level::{Phase, in_phase, nested, tangent_level};
use crate::rule::{Ctx, Grads, Kind, jvp, rule_of};

/// The trace of a dual number: the tangent.
struct Dual {
    level: u32,
    tangent: Tensor,
    below: Option<Trace>,
}

/// A tensor with a tangent of this level.
///
/// # Errors
/// If shape or dtype of the tangent differ from the tensor's, or the dtype cannot be differentiated.
pub(crate) fn make_dual(level: u32, primal: &Tensor, tangent: &Tensor) -> Result<Tensor> {
    if !primal.dtype().is_differentiable() {
        return Err(Error::dtype("jvp", format!("only floating-point and complex tensors have tangents, got {}", primal.dtype())));
    }
    if primal.shape() != tangent.shape() || primal.dtype() != tangent.dtype() {
        return Err(Error::shape(
            "jvp",
            format!("a tangent {}{:?} does not fit a tensor {}{:?}", tangent.dtype(), tangent.shape(), primal.dtype(), primal.shape()),
        ));
    }
    Ok(dual(level, primal, tangent.clone()))
}

fn dual(level: u32, primal: &Tensor, tangent: Tensor) -> Tensor {
    primal.with_trace(Some(Trace::new(Dual { level, tangent, below: primal.trace().cloned() })))
}

/// A tensor without its trace of this level, and its tangent there.
pub(crate) fn split_dual(level: u32, t: &Tensor) -> (Tensor, Option<Tensor>) {
    let found = t.trace().and_then(|trace| trace.get::<Dual>().filter(|d| d.level == level));
    match found {
        Some(d) => (d.lower(t), Some(d.tangent.clone())),
        None => (t.clone(), None),
    }
}

impl Tracer for Dual {
    fn level(&self) -> u32 {
        self.level
    }

    fn below(&self) -> Option<&Trace> {
        self.below.as_ref()
    }

    fn reader(&self) -> Reader {
        push_forward
    }
}

/// Runs an operation on tensors of which some carry a tangent of this level.
fn push_forward(level: u32, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    let handles: SmallVec<[Tensor; 3]> = inputs.iter_mut().map(Input::take).collect();
    if rule_of(op).kind() == Kind::Decomposed {
        let handles: SmallVec<[&Tensor; 3]> = handles.iter().collect();
        if let Some(result) = decompose(op, &handles) {
            return result;
        }
    }
    let (primals, tangents): (Vec<Tensor>, Vec<Option<Tensor>>) = handles.iter().map(|t| split_dual(level, t)).unzip();
    let outputs = apply(op.clone(), &primals)?;
    if !outputs.iter().any(|y| y.dtype().is_differentiable()) {
        return Ok(outputs);
    }
    let input_metas: SmallVec<[Meta; 3]> = primals.iter().map(|x| x.meta().to_meta()).collect();
    let output_metas: SmallVec<[Meta; 1]> = outputs.iter().map(|y| y.meta().to_meta()).collect();
    let needs = tangents.iter().enumerate().fold(0, |mask, (i, t)| mask | u64::from(t.is_some()) << i.min(63));
    let primals: SmallVec<[Option<Tensor>; 3]> = primals.into_iter().map(Some).collect();
    let known: SmallVec<[Option<Tensor>; 1]> = outputs.iter().cloned().map(Some).collect();
    let ctx = Ctx {
        op,
        input_count: primals.len(),
        inputs: &primals,
        outputs: &known,
        input_metas: &input_metas,
        output_metas: &output_metas,
        needs,
    };
    let results = in_phase(Phase::Tangent, || jvp(&ctx, &tangents))?;
    Ok(outputs
        .iter()
        .enumerate()
        .map(|(i, y)| match results.get(i).cloned().flatten() {
            Some(t) if y.dtype().is_differentiable() => dual(level, y, t),
            _ => y.clone(),
        })
        .collect())
}

/// The tangents of an operation's outputs, by its decomposition on dual numbers one depth further in. `None` if it is primitive.
///
/// # Errors
/// Those of the operations.
pub(crate) fn through_decomposition(ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
    nested(|| {
        let level = tangent_level();
        let mut duals: SmallVec<[Tensor; 3]> = SmallVec::new();
        for (i, tangent) in tangents.iter().enumerate() {
            let x = ctx.input(i)?;
            duals.push(match tangent {
                Some(t) => make_dual(level, x, t)?,
                None => x.clone(),
            });
        }
        let Some(results) = decompose(ctx.op, &duals.iter().collect::<SmallVec<[&Tensor; 3]>>()) else { return Ok(None) };
        Ok(Some(results?.iter().map(|y| split_dual(level, y).1).collect()))
    })
}
