//! Recording.

use std::sync::{Mutex, OnceLock, PoisonError};

use rushlight_backend::{MetaRef, Op, same_shape};
use rushlight_tensor::{Input, Result, Tensor, Tensors, Trace, apply_slice, decompose};
use smallvec::SmallVec;

use super::hooks;
use super::node::{Node, fresh, next_number, trace_of};
use crate::level::records;
use crate::rule::{Kind, Rule, Saves, rule_of};

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

/// Runs and records an operation that is not taken apart. The results stay where the door puts them, and the node is filled in where it stays: moving what was
/// written a moment ago is a good part of the cost of small operations.
fn record_whole(level: u32, rule: &dyn Rule, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    let mut first = Node::blank(level);
    let node = fresh(&mut first);
    let mut needs: SmallVec<[bool; 4]> = SmallVec::new();
    for x in inputs.iter() {
        let edge = x.trace().filter(|t| t.level() == level && x.tensor().dtype().is_differentiable());
        needs.push(edge.is_some());
        node.edges.push(edge.cloned());
    }
    let (saves, watched) = (rule.saves(&needs), hooks::watches());
    let names = |mask: u32, i: usize| mask >> i.min(31) & 1 == 1;
    if saves != Saves::NONE || watched {
        let saved = node.saved.insert(Mutex::default());
        for (i, x) in inputs.iter().enumerate() {
            let kept = names(saves.inputs, i).then(|| x.tensor().with_trace(below(level, x.trace()).cloned()));
            unlocked(saved).inputs.push(kept);
        }
    }
    // Inputs may be given away, so their shapes are noted before the operation runs; in the usual case one note serves all, results too.
    let same = |a: MetaRef<'_>, b: MetaRef<'_>| a.dtype == b.dtype && same_shape(a.shape, b.shape);
    let meta = inputs[0].tensor().meta();
    if inputs[1..].iter().all(|x| same(x.tensor().meta(), meta)) {
        node.output_metas.push(meta.to_meta());
    } else {
        node.input_metas = inputs.iter().map(|x| x.tensor().meta().to_meta()).collect();
    }
    node.op = Some(op.clone());

    let mut results = apply_below(level, op, inputs);
    let Ok(outputs) = &mut results else { return results };
    if !outputs.iter().any(|y| y.dtype().is_differentiable()) {
        return results;
    }
    if let Some(saved) = node.saved.as_mut().map(unlocked) {
        saved.outputs.extend(outputs.iter().enumerate().map(|(i, y)| names(saves.outputs, i).then(|| y.clone())));
        match if watched { hooks::note(level, saved) } else { None } {
            Some(attached) => node.attached = OnceLock::from(attached),
            None if saved.is_some() => {}
            None => node.saved = None,
        }
    }
    let y = outputs[0].meta();
    match node.output_metas.first_mut() {
        Some(meta) if same(y, meta.as_ref()) => {}
        Some(meta) => node.input_metas = vec![std::mem::replace(meta, y.to_meta()); node.edges.len()],
        None => node.output_metas.push(y.to_meta()),
    }
    node.below = outputs[0].trace().cloned();
    for y in &outputs[1..] {
        node.output_metas.push(y.meta().to_meta());
        node.others_below.push(y.trace().cloned());
    }
    node.number = next_number(&node.edges);
    for (i, y) in outputs.iter_mut().enumerate().skip(1) {
        if y.dtype().is_differentiable() {
            y.set_trace(Some(trace_of(&first, i, y.trace().cloned())));
        }
    }
    if outputs[0].dtype().is_differentiable() {
        outputs[0].set_trace(Some(first));
    }
    results
}

/// What a mutex holds that nobody else sees.
fn unlocked<T>(m: &mut Mutex<T>) -> &mut T {
    m.get_mut().unwrap_or_else(PoisonError::into_inner)
}
