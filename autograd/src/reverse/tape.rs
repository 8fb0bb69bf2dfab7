//! Recording.

use std::sync::{Arc, Mutex};

use rushlight_backend::{DType, Op};
use rushlight_tensor::{Input, Inputs, Result, Tensor, Tensors, apply, decompose};
use smallvec::SmallVec;

use super::node::{Edges, Node, NodeKind, OpNode, Saved, Var, next_id};
use crate::level::is_grad_enabled;
use crate::rule::{Kind, rule_of};

/// Takes the trace of this level off a tensor.
fn lower<'a>(level: u32, input: Input<'a>) -> Input<'a> {
    match input.tensor().trace() {
        Some(trace) if trace.level() == level => Input::Own(trace.lower(input.tensor())),
        _ => input,
    }
}

/// Runs an operation on tensors of which some are on the tape of this level, and records it if gradients are wanted.
pub(crate) fn record(level: u32, op: Op, inputs: Inputs<'_>) -> Result<Tensors> {
    if !is_grad_enabled() {
        return apply(op, inputs.into_iter().map(|i| lower(level, i)));
    }
    let rule = rule_of(&op);
    if rule.kind() == Kind::Decomposed {
        let handles: SmallVec<[&Tensor; 3]> = inputs.iter().map(Input::tensor).collect();
        if let Some(result) = decompose(&op, &handles) {
            return result;
        }
    }

    let mut edges = Edges::new();
    let mut needs: SmallVec<[bool; 4]> = SmallVec::new();
    for input in &inputs {
        let x = input.tensor();
        let edge = x.trace().filter(|t| t.level() == level && x.dtype().is_differentiable());
        needs.push(edge.is_some());
        edges.push(edge.cloned());
    }
    let saves = rule.saves(&needs);
    let keep = |mask: u32, i: usize| i < 32 && mask >> i & 1 == 1;
    let mut saved = Saved::default();
    let mut input_metas = SmallVec::new();
    let mut lowered = Inputs::new();
    for (i, input) in inputs.into_iter().enumerate() {
        let x = lower(level, input);
        saved.inputs.push(keep(saves.inputs, i).then(|| x.tensor().clone()));
        input_metas.push(x.tensor().meta().to_meta());
        lowered.push(x);
    }

    let outputs = apply(op.clone(), lowered)?;
    if !outputs.iter().any(|y| y.dtype().is_differentiable()) {
        return Ok(outputs);
    }
    let mut output_metas = SmallVec::new();
    let mut outputs_below = SmallVec::new();
    for (i, y) in outputs.iter().enumerate() {
        saved.outputs.push(keep(saves.outputs, i).then(|| y.clone()));
        output_metas.push(y.meta().to_meta());
        outputs_below.push(y.trace().cloned());
    }
    let node = Arc::new(Node {
        id: next_id(),
        level,
        kind: NodeKind::Op(OpNode { op, edges, input_metas, output_metas, outputs_below, saved: Mutex::new(saved) }),
    });
    Ok(outputs.into_iter().enumerate().map(|(i, y)| on_tape(&node, i, y)).collect())
}

/// An output of a node, if its dtype can carry gradients.
fn on_tape(node: &Arc<Node>, index: usize, y: Tensor) -> Tensor {
    match y.dtype() {
        d if DType::is_differentiable(d) => {
            let below = y.trace().cloned();
            y.into_traced(Var::new(node.clone(), index, below))
        }
        _ => y,
    }
}
