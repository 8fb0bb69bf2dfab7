//! What the tape is made of: nodes, and the traces that tensors carry.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rushlight_backend::{Meta, Op};
use rushlight_tensor::{Inputs, Result, Tensor, Tensors, Trace, Tracer};
use smallvec::SmallVec;

use super::tape;

/// One recorded operation, or a leaf.
pub(crate) struct Node {
    /// Nodes are numbered as they are made: an operation's number is larger than those of its inputs' nodes.
    pub(crate) id: u64,
    pub(crate) level: u32,
    pub(crate) kind: NodeKind,
}

pub(crate) enum NodeKind {
    /// A tensor that asked for gradients, and what it got.
    Leaf(Mutex<Option<Tensor>>),
    Op(OpNode),
}

pub(crate) struct OpNode {
    pub(crate) op: Op,
    /// For each input the trace under which its gradient goes on, if it wants one.
    pub(crate) edges: Edges,
    pub(crate) input_metas: SmallVec<[Meta; 2]>,
    pub(crate) output_metas: SmallVec<[Meta; 1]>,
    /// What lies under each output; with it an output is made again from its value.
    pub(crate) outputs_below: SmallVec<[Option<Trace>; 1]>,
    /// What the rule's `vjp` reads; taken by the backward pass that frees the graph.
    pub(crate) saved: Mutex<Saved>,
}

pub(crate) type Edges = SmallVec<[Option<Trace>; 2]>;

/// Values that the rule reads, without this level's trace: those of inputs are in the edges.
#[derive(Default)]
pub(crate) struct Saved {
    pub(crate) inputs: SmallVec<[Option<Tensor>; 2]>,
    pub(crate) outputs: SmallVec<[Option<Tensor>; 1]>,
    pub(crate) freed: bool,
}

impl Saved {
    /// The values, left in place if the graph is retained; `None` if an earlier pass has taken them.
    pub(crate) fn read(&mut self, retain: bool) -> Option<Saved> {
        if self.freed {
            return None;
        }
        let holds = self.inputs.iter().chain(&self.outputs).any(Option::is_some);
        if retain || !holds {
            return Some(Saved { inputs: self.inputs.clone(), outputs: self.outputs.clone(), freed: false });
        }
        Some(std::mem::replace(self, Saved { freed: true, ..Saved::default() }))
    }
}

pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The trace of a tensor on the tape: which output of which node it is.
pub(crate) struct Var {
    /// Only taken out when the trace is dropped.
    node: Option<Arc<Node>>,
    pub(crate) index: usize,
    pub(crate) below: Option<Trace>,
    level: u32,
}

impl Var {
    pub(crate) fn new(node: Arc<Node>, index: usize, below: Option<Trace>) -> Trace {
        let level = node.level;
        Arc::new(Var { node: Some(node), index, below, level })
    }

    /// The trace as one of the tape's, if it is.
    #[inline]
    pub(crate) fn of(trace: &Trace) -> Option<&Var> {
        let any: &dyn Any = &**trace;
        any.downcast_ref()
    }

    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        self.node.as_ref()
    }
}

impl Tracer for Var {
    fn level(&self) -> u32 {
        self.level
    }

    fn lower(&self, tensor: &Tensor) -> Tensor {
        tensor.with_trace(self.below.clone())
    }

    fn apply(&self, op: Op, inputs: Inputs<'_>) -> Result<Tensors> {
        tape::record(self.level, op, inputs)
    }
}

/// Dropping the last handle of a long chain would recurse once a node; instead, what each node alone holds is dropped in a loop.
impl Drop for Node {
    fn drop(&mut self) {
        let NodeKind::Op(op) = &mut self.kind else { return };
        let mut pending: Edges = std::mem::take(&mut op.edges);
        while let Some(edge) = pending.pop() {
            let Some(mut trace) = edge else { continue };
            let Some(alone) = Arc::get_mut(&mut trace) else { continue };
            let any: &mut dyn Any = alone;
            let Some(node) = any.downcast_mut::<Var>().and_then(|var| var.node.take()) else { continue };
            if let Some(mut node) = Arc::into_inner(node)
                && let NodeKind::Op(op) = &mut node.kind
            {
                pending.append(&mut op.edges);
            }
        }
    }
}
