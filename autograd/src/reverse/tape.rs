//! Recording.

use std::sync::{Arc, Mutex};

use rushlight_backend::Op;
use rushlight_tensor::{Input, Inputs, Result, Tensor, Tensors, apply_slice, decompose};
use smallvec::SmallVec;

use super::node::{Edges, Node, NodeKind, OpNode, Saved, next_id, trace_of};
use crate::level::is_grad_enabled;
use crate::rule::{Kind, rule_of};

/// An input as the levels below see it.
fn lower<'a>(level: u32, input: &'a mut Input<'_>) -> Input<'a> {
    match input.trace() {
        Some(trace) if trace.level() == level => {}
        _ => {
            return match input {
                Input::Ref(t) => Input::Ref(t),
                Input::Below(t, trace) => Input::Below(t, *trace),
                Input::Own(_) => Input::Own(input.take()),
            };
        }
    }
    match input {
        Input::Ref(t) => Input::Below(t, t.trace().and_then(|t| t.below())),
        Input::Below(t, trace) => Input::Below(t, trace.and_then(|t| t.below())),
        Input::Own(_) => {
            let t = input.take();
            let below = t.trace().and_then(|t| t.below()).cloned();
            Input::Own(t.into_traced(below))
        }
    }
}

/// Runs an operation on tensors of which some are on the tape of this level, and records it if gradients are wanted.
pub(crate) fn record(level: u32, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    let rule = rule_of(op);
    let mut lowered = Inputs::new();
    if !is_grad_enabled() {
        for input in inputs {
            lowered.push(lower(level, input));
        }
        return apply_slice(op, &mut lowered);
    }
    if rule.kind() == Kind::Decomposed {
        let handles: SmallVec<[Tensor; 3]> = inputs.iter().map(Input::to_tensor).collect();
        let handles: SmallVec<[&Tensor; 3]> = handles.iter().collect();
        if let Some(result) = decompose(op, &handles) {
            return result;
        }
    }

    let mut edges = Edges::new();
    let mut needs: SmallVec<[bool; 8]> = SmallVec::new();
    for input in inputs.iter() {
        let edge = input.trace().filter(|t| t.level() == level && input.tensor().dtype().is_differentiable());
        needs.push(edge.is_some());
        edges.push(edge.cloned());
    }
    let saves = rule.saves(&needs);
    let keep = |mask: u32, i: usize| i < 32 && mask >> i & 1 == 1;
    let mut saved = Saved::default();
    let mut input_metas = SmallVec::new();
    for (i, input) in inputs.iter_mut().enumerate() {
        let x = lower(level, input);
        saved.inputs.push(if keep(saves.inputs, i) { Some(x.to_tensor()) } else { None });
        input_metas.push(x.tensor().meta().to_meta());
        lowered.push(x);
    }

    let mut outputs = apply_slice(op, &mut lowered)?;
    if !outputs.iter().any(|y| y.dtype().is_differentiable()) {
        return Ok(outputs);
    }
    let mut output_metas = SmallVec::new();
    for (i, y) in outputs.iter().enumerate() {
        saved.outputs.push(if keep(saves.outputs, i) { Some(y.clone()) } else { None });
        output_metas.push(y.meta().to_meta());
    }
    let below = outputs[0].trace().cloned();
    let others_below = outputs[1..].iter().map(|y| y.trace().cloned()).collect();
    let node = OpNode { op: op.clone(), edges, input_metas, output_metas, others_below, saved: Mutex::new(saved) };
    let node = Arc::new(Node { id: next_id(), level, below, kind: NodeKind::Op(node) });
    for (i, y) in outputs.iter_mut().enumerate() {
        if y.dtype().is_differentiable() {
            y.set_trace(Some(trace_of(&node, i, y.trace().cloned())));
        }
    }
    Ok(outputs)
}
