//! The backward pass: nodes in reverse order of creation, without recursion, freeing as it goes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rushlight_backend::op::{Binary, Pointwise};
use rushlight_backend::{Op, same_shape};
use rushlight_tensor::{Error, Input, Result, Tensor, Trace, apply1};

use super::hooks;
use super::node::{Node, Saved, first_of, node_of, trace_of};
use crate::level::{Phase, in_phase, recording_on};
use crate::rule::{Ctx, Grads, vjp};

/// What to do with gradients that arrive.
pub(crate) struct Pass<'a> {
    /// Whether saved values stay for another pass.
    pub(crate) retain_graph: bool,
    /// Whether the pass itself is recorded, so that it can be differentiated.
    pub(crate) create_graph: bool,
    /// Gradients are wanted for these outputs of nodes alone; `None` accumulates them into the leaves.
    pub(crate) wanted: Option<&'a [Target<'a>]>,
}

/// An output of a node.
pub(crate) struct Target<'a> {
    pub(crate) node: &'a Node,
    pub(crate) index: usize,
}

/// Gradients that wait for their node's turn. The roots keep all nodes alive: none is counted.
struct Pending<'a> {
    node: &'a Node,
    /// A trace of the node.
    trace: &'a Trace,
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
        let walk = || in_phase(Phase::Backward, || self.walk(&roots));
        match roots.iter().map(|(trace, _)| trace.level()).min() {
            Some(level) if self.create_graph => recording_on(level, walk),
            _ => walk(),
        }
    }

    fn walk(&self, roots: &[(Trace, Tensor)]) -> Result<Vec<Option<Tensor>>> {
        let wanted = self.wanted.unwrap_or(&[]);
        let mut found: Vec<Option<Tensor>> = vec![None; wanted.len()];
        // What was made before everything that is wanted cannot depend on it.
        let oldest = if self.wanted.is_some() { wanted.iter().map(|t| t.node.number).min().unwrap_or(u64::MAX) } else { 0 };
        let mut frontier = Frontier::default();
        for (trace, grad) in roots {
            frontier.push(trace, grad.clone(), oldest)?;
        }
        while let Some(Pending { node, trace, mut grads }) = frontier.pop() {
            hooks::arrived(node, &mut grads)?;
            for (target, slot) in wanted.iter().zip(&mut found).filter(|(t, _)| std::ptr::eq(t.node, node)) {
                if let Some(g) = grads.get(target.index).cloned().flatten() {
                    accumulate(slot, g)?;
                }
            }
            let Some(op) = &node.op else {
                if self.wanted.is_none()
                    && let Some(g) = grads[0].take()
                {
                    accumulate(&mut lock(&node.grad), g)?;
                }
                continue;
            };
            if node.number == oldest {
                continue;
            }
            while grads.len() < node.output_metas.len() {
                grads.push(None);
            }
            let mut results = self.differentiate(node, trace, op, grads);
            let results = match &mut results {
                Ok(results) => results,
                Err(e) => return Err(e.clone()),
            };
            for (edge, grad) in node.edges.iter().zip(results) {
                if let (Some(edge), Some(grad)) = (edge, grad.take()) {
                    frontier.push(edge, grad, oldest)?;
                }
            }
        }
        Ok(found)
    }

    fn differentiate(&self, node: &Node, trace: &Trace, op: &Op, grads: Grads) -> Result<Grads> {
        let mut locked = node.saved.as_ref().map(lock);
        let nothing = &mut Saved::default();
        let saved = locked.as_deref_mut().unwrap_or(nothing);
        if saved.freed {
            return Err(Error::autograd(
                "backward",
                format!(
                    "the graph was freed by an earlier backward pass (at `{}`): pass `retain_graph` to the first one to go through it again",
                    op.name()
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
            let first = first_of(trace);
            let mut traced = saved.clone();
            for (x, edge) in traced.inputs.iter_mut().zip(&node.edges) {
                if let (Some(x), Some(edge)) = (x, edge) {
                    x.set_trace(Some(edge.clone()));
                }
            }
            for (i, y) in traced.outputs.iter_mut().enumerate() {
                let below = || node.others_below.get(i.wrapping_sub(1)).cloned().flatten();
                if let Some(y) = y {
                    y.set_trace(Some(trace_of(&first, i, below())));
                }
            }
            traced
        });
        let seen = traced.as_ref().unwrap_or(saved);
        let ctx = Ctx {
            op,
            input_count: node.edges.len(),
            inputs: &seen.inputs,
            outputs: &seen.outputs,
            input_metas: &node.input_metas,
            output_metas: &node.output_metas,
            needs: node.edges.iter().enumerate().fold(0, |mask, (i, edge)| mask | u64::from(edge.is_some()) << i.min(63)),
        };
        let results = vjp(&ctx, grads);
        let Ok(found) = &results else { return results };
        if !self.retain_graph {
            saved.free();
        }
        drop(locked);
        if hooks::detects() {
            hooks::check(node, op.name(), found)?;
        }
        for (i, g) in found.iter().enumerate() {
            if let Some(g) = g
                && node.edges.get(i).is_some_and(Option::is_some)
                && let wanted = node.input_metas.get(i).unwrap_or(&node.output_metas[0])
                && (!same_shape(g.shape(), &wanted.shape) || g.dtype() != wanted.dtype)
            {
                return Err(Error::autograd(
                    op.name(),
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
        results
    }
}

/// The nodes that have gradients and wait for their turn, the youngest first. It lies outside of the map: in a chain of operations there is
/// no other, and the map is never touched.
#[derive(Default)]
struct Frontier<'a> {
    youngest: Option<Pending<'a>>,
    /// By number; nodes of different threads may share one, their addresses keep them apart.
    others: BTreeMap<(u64, usize), Pending<'a>>,
}

impl<'a> Frontier<'a> {
    fn pop(&mut self) -> Option<Pending<'a>> {
        let youngest = self.youngest.take();
        if !self.others.is_empty() {
            self.youngest = self.others.pop_last().map(|(_, pending)| pending);
        }
        youngest
    }

    /// Adds a gradient to those that wait for an output's node.
    fn push(&mut self, trace: &'a Trace, grad: Tensor, oldest: u64) -> Result<()> {
        let (node, index) = node_of(trace).ok_or_else(|| Error::autograd("backward", "the tensor is not on the tape"))?;
        if node.number < oldest {
            return Ok(());
        }
        let place = |node: &Node| (node.number, std::ptr::from_ref(node).addr());
        let new = || Pending { node, trace, grads: Grads::new() };
        let pending = match &mut self.youngest {
            Some(youngest) if std::ptr::eq(node, youngest.node) => youngest,
            Some(youngest) if place(node) < place(youngest.node) => self.others.entry(place(node)).or_insert_with(new),
            youngest => {
                if let Some(older) = youngest.take() {
                    self.others.insert(place(older.node), older);
                }
                youngest.insert(new())
            }
        };
        while pending.grads.len() <= index {
            pending.grads.push(None);
        }
        accumulate(&mut pending.grads[index], grad)
    }
}
