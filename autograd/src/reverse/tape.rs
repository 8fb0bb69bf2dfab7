//! Recording.

use std::sync::{Mutex, OnceLock};

use rushlight_backend::{MetaRef, Op, same_shape};
use rushlight_tensor::{Input, Result, Tensor, Tensors, Trace, apply_slice, decompose};
use smallvec::SmallVec;

use super::hooks;
use super::node::{Edges, Node, Saved, next_id, trace_of};
use crate::level::records;
use crate::rule::{Kind, Rule, rule_of};

/// What lies under a trace of this level.
fn below(level: u32, trace: Option<&Trace>) -> Option<&Trace> {
    match trace {
        Some(trace) if trace.level() == level => trace.below(),
        trace => trace,
    }
}

/// Runs an operation on inputs as the levels below see them.
fn apply_below(level: u32, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    for input in inputs.iter_mut() {
        match input {
            Input::Ref(t) => *input = Input::Below(t, below(level, t.trace())),
            Input::Below(_, trace) => *trace = below(level, *trace),
            Input::Own(t) => {
                let trace = below(level, t.trace()).cloned();
                t.set_trace(trace);
            }
        }
    }
    apply_slice(op, inputs)
}

/// `n` values; one or two of them, the usual case, are written in place.
fn list<T: Default>(n: usize, mut f: impl FnMut(usize) -> T) -> SmallVec<[T; 2]> {
    match n {
        1 => SmallVec::from_buf_and_len([f(0), T::default()], 1),
        2 => SmallVec::from_buf([f(0), f(1)]),
        _ => (0..n).map(f).collect(),
    }
}

/// Runs an operation on tensors of which some are on the tape of this level, and records it if gradients are wanted.
pub(crate) fn record(level: u32, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    let rule = rule_of(op);
    if !records(level) {
        return apply_below(level, op, inputs);
    }
    if rule.kind() == Kind::Decomposed {
        let handles: SmallVec<[Tensor; 3]> = inputs.iter().map(Input::to_tensor).collect();
        let handles: SmallVec<[&Tensor; 3]> = handles.iter().collect();
        if let Some(result) = decompose(op, &handles) {
            return result;
        }
    }
    record_whole(level, rule, op, inputs)
}

/// Runs and records an operation that is not taken apart. The results stay where the door puts them: moving what was written a moment ago is a good part of the cost of
/// small operations.
fn record_whole(level: u32, rule: &dyn Rule, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    let edges: Edges = list(inputs.len(), |i| {
        let x = &inputs[i];
        x.trace().filter(|t| t.level() == level && x.tensor().dtype().is_differentiable()).cloned()
    });
    let needs: SmallVec<[bool; 2]> = list(inputs.len(), |i| edges[i].is_some());
    let saves = rule.saves(&needs);
    let keep = |mask: u32, i: usize| i < 32 && mask >> i & 1 == 1;
    let saved_inputs = list(inputs.len(), |i| {
        let x = &inputs[i];
        keep(saves.inputs, i).then(|| x.tensor().with_trace(below(level, x.trace()).cloned()))
    });
    // Inputs may be given away, so their shapes are noted before the operation runs; in the usual case one note serves all.
    let same = |a: MetaRef<'_>, b: MetaRef<'_>| a.dtype == b.dtype && same_shape(a.shape, b.shape);
    let first = inputs[0].tensor().meta();
    let alike = inputs[1..].iter().all(|x| same(x.tensor().meta(), first));
    let mut input_metas = if alike { Vec::new() } else { inputs.iter().map(|x| x.tensor().meta().to_meta()).collect() };
    let (first, kept) = (first.to_meta(), Some(op.clone()));

    let mut results = apply_below(level, op, inputs);
    let Ok(outputs) = &mut results else { return results };
    if !outputs.iter().any(|y| y.dtype().is_differentiable()) {
        return results;
    }
    let saved_outputs = list(outputs.len(), |i| keep(saves.outputs, i).then(|| outputs[i].clone()));
    let mut saved = Saved { inputs: saved_inputs, outputs: saved_outputs, freed: false };
    let attached = if hooks::watches() { hooks::note(level, &mut saved) } else { None };
    let mut output_metas = SmallVec::new();
    if alike && same(outputs[0].meta(), first.as_ref()) {
        output_metas.push(first);
    } else {
        if alike {
            input_metas = vec![first; edges.len()];
        }
        output_metas.push(outputs[0].meta().to_meta());
    }
    for y in &outputs[1..] {
        output_metas.push(y.meta().to_meta());
    }
    let below = outputs[0].trace().cloned();
    let others_below = outputs[1..].iter().map(|y| y.trace().cloned()).collect();
    let saved = (saved.is_some() || attached.is_some()).then(|| Mutex::new(saved));
    let node = Trace::new(Node {
        id: next_id(),
        level,
        below,
        op: kept,
        edges,
        input_metas,
        output_metas,
        others_below,
        saved,
        grad: Mutex::new(None),
        attached: attached.map_or_else(OnceLock::new, OnceLock::from),
    });
    for (i, y) in outputs.iter_mut().enumerate().skip(1) {
        if y.dtype().is_differentiable() {
            y.set_trace(Some(trace_of(&node, i, y.trace().cloned())));
        }
    }
    if outputs[0].dtype().is_differentiable() {
        outputs[0].set_trace(Some(node));
    }
    results
}
