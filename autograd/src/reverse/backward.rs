//! The backward pass: nodes in reverse order of creation, without recursion, freeing as it goes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rushlight_backend::op::{Binary, Pointwise};
use rushlight_backend::same_shape;
use rushlight_tensor::{Error, Input, Result, Tensor, Trace, apply1};

use super::hooks;
use super::node::{Node, NodeKind, OpNode, node_of, owned_node_of, trace_of};
use crate::level::{Phase, in_phase};
use crate::rule::{Ctx, Grads, vjp};

/// What to do with gradients that arrive.
pub(crate) struct Pass<'a> {
    /// Whether saved values stay for another pass.
    pub(crate) retain_graph: bool,
    /// Whether the pass itself is recorded, so that it can be differentiated.
    pub(crate) create_graph: bool,
    /// Gradients are wanted for these outputs of nodes alone; `None` accumulates them into the leaves.
    pub(crate) wanted: Option<&'a [Target]>,
}

/// An output of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) node: u64,
    pub(crate) index: usize,
}

struct Pending {
    node: Arc<Node>,
    grads: Grads,
}

/// Memory of a mutex whose holder panicked is as good as before: every change is one assignment.
pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `old + new`, in the memory of `old` if nobody else holds it.
fn accumulate(slot: &mut Option<Tensor>, new: Tensor) -> Result<()> {
    *slot = Some(match slot.take() {
        None => new,
        Some(old) => apply1(Pointwise::Binary(Binary::Add), [Input::Own(old), Input::Own(new)])?,
    });
    Ok(())
}

impl Pass<'_> {
    /// Runs from the given outputs and their gradients. Returns the gradients of the wanted outputs.
    pub(crate) fn run(&self, roots: Vec<(Trace, Tensor)>) -> Result<Vec<Option<Tensor>>> {
        in_phase(Phase::Backward, || self.walk(roots))
    }

    fn walk(&self, roots: Vec<(Trace, Tensor)>) -> Result<Vec<Option<Tensor>>> {
        let wanted = self.wanted.unwrap_or(&[]);
        let mut found: Vec<Option<Tensor>> = vec![None; wanted.len()];
        // What was made before everything that is wanted cannot depend on it.
        let oldest = if self.wanted.is_some() { wanted.iter().map(|t| t.node).min().unwrap_or(u64::MAX) } else { 0 };
        let mut frontier = Frontier::default();
        for (trace, grad) in roots {
            frontier.push(&trace, grad, oldest)?;
        }
        while let Some((id, Pending { node, mut grads })) = frontier.pop() {
            hooks::arrived(&node, &mut grads)?;
            for (target, slot) in wanted.iter().zip(&mut found).filter(|(t, _)| t.node == id) {
                if let Some(g) = grads.get(target.index).cloned().flatten() {
                    accumulate(slot, g)?;
                }
            }
            match &node.kind {
                NodeKind::Leaf(cell) if self.wanted.is_none() => {
                    if let Some(g) = grads[0].take() {
                        accumulate(&mut lock(cell), g)?;
                    }
                }
                NodeKind::Leaf(_) => {}
                NodeKind::Op(op) => {
                    if id == oldest {
                        continue;
                    }
                    while grads.len() < op.output_metas.len() {
                        grads.push(None);
                    }
                    let results = self.differentiate(&node, op, grads)?;
                    for (edge, grad) in op.edges.iter().zip(results) {
                        if let (Some(edge), Some(grad)) = (edge, grad) {
                            frontier.push(edge, grad, oldest)?;
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    fn differentiate(&self, node: &Arc<Node>, op: &OpNode, grads: Grads) -> Result<Grads> {
        let mut saved = lock(&op.saved);
        if saved.freed {
            return Err(Error::autograd(
                "backward",
                format!(
                    "the graph was freed by an earlier backward pass (at `{}`): pass `retain_graph` to the first one to go through it again",
                    op.op.name()
                ),
            ));
        }
        // What a checkpoint has dropped is computed again.
        if !saved.is_some()
            && node.attached.get().is_some()
            && let Some(found) = hooks::recall(node)?
        {
            *saved = found;
        }
        let traced = self.create_graph.then(|| {
            let mut traced = saved.clone();
            for (x, edge) in traced.inputs.iter_mut().zip(&op.edges) {
                if let (Some(x), Some(edge)) = (x, edge) {
                    x.set_trace(Some(edge.clone()));
                }
            }
            for (i, y) in traced.outputs.iter_mut().enumerate() {
                let below = || op.others_below.get(i.wrapping_sub(1)).cloned().flatten();
                if let Some(y) = y {
                    y.set_trace(Some(trace_of(node, i, below())));
                }
            }
            traced
        });
        let seen = traced.as_ref().unwrap_or(&saved);
        let ctx = Ctx {
            op: &op.op,
            inputs: &seen.inputs,
            outputs: &seen.outputs,
            input_metas: &op.input_metas,
            output_metas: &op.output_metas,
            needs: op.edges.iter().enumerate().fold(0, |mask, (i, edge)| mask | u64::from(edge.is_some()) << i.min(63)),
        };
        let results = vjp(&ctx, grads)?;
        if !self.retain_graph {
            saved.free();
        }
        drop(saved);
        if hooks::detects() {
            hooks::check(node, op.op.name(), &results)?;
        }
        for (i, g) in results.iter().enumerate() {
            if let Some(g) = g
                && op.edges.get(i).is_some_and(Option::is_some)
                && let wanted = op.input_metas.get(i).unwrap_or(&op.output_metas[0])
                && (!same_shape(g.shape(), &wanted.shape) || g.dtype() != wanted.dtype)
            {
                return Err(Error::autograd(
                    op.op.name(),
                    format!(
                        "the gradient of input {i} is {}{:?}, wanted {}{:?}",
                        g.dtype(),
                        g.shape(),
                        wanted.dtype,
                        wanted.shape.as_slice()
                    ),
                ));
            }
        }
        Ok(results)
    }
}

/// The nodes that have gradients and wait for their turn, the youngest first. It lies outside of the map: in a chain of operations there is
/// no other, and the map is never touched.
#[derive(Default)]
struct Frontier {
    youngest: Option<(u64, Pending)>,
    others: BTreeMap<u64, Pending>,
}

impl Frontier {
    fn pop(&mut self) -> Option<(u64, Pending)> {
        let youngest = self.youngest.take();
        if !self.others.is_empty() {
            self.youngest = self.others.pop_last();
        }
        youngest
    }

    /// Adds a gradient to those that wait for an output's node.
    fn push(&mut self, trace: &Trace, grad: Tensor, oldest: u64) -> Result<()> {
        let off = || Error::autograd("backward", "the tensor is not on the tape");
        let (&Node { id, .. }, index) = node_of(trace).ok_or_else(off)?;
        if id < oldest {
            return Ok(());
        }
        let new = || owned_node_of(trace).map(|node| Pending { node, grads: Grads::new() });
        let pending = match &mut self.youngest {
            Some((youngest, pending)) if id == *youngest => pending,
            Some((youngest, _)) if id < *youngest => match self.others.entry(id) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(new().ok_or_else(off)?),
            },
            youngest => {
                if let Some((older, pending)) = youngest.take() {
                    self.others.insert(older, pending);
                }
                &mut youngest.insert((id, new().ok_or_else(off)?)).1
            }
        };
        while pending.grads.len() <= index {
            pending.grads.push(None);
        }
        accumulate(&mut pending.grads[index], grad)
    }
}
