//! What the tape is made of: nodes, which are the traces that tensors carry.

use std::cell::Cell;
use std::sync::{Arc, Mutex, OnceLock};

use rushlight_backend::{Meta, Op};
use rushlight_tensor::{Reader, Tensor, Trace, Tracer};
use smallvec::SmallVec;

use super::hooks::Attached;
use super::{spare, tape};

/// One recorded operation, or a leaf: a tensor that asked for gradients. It is the trace of its first output; others have an [`Output`].
///
/// One flat struct: every recorded operation writes it, and each level of nesting would be one more copy of it.
pub(crate) struct Node {
    /// When it was made, see [`next_number`].
    pub(crate) number: u64,
    pub(crate) level: u32,
    /// What lies under the first output.
    pub(crate) below: Option<Trace>,
    /// None in a leaf.
    pub(crate) op: Option<Op>,
    /// For each input the trace under which its gradient goes on, if it wants one.
    pub(crate) edges: Edges,
    /// Empty if every input has the first output's shape and dtype.
    pub(crate) input_metas: Vec<Meta>,
    pub(crate) output_metas: SmallVec<[Meta; 1]>,
    /// What lies under each output but the first.
    pub(crate) others_below: Vec<Option<Trace>>,
    /// What the rule's `vjp` reads, if anything; emptied by the backward pass that frees the graph.
    pub(crate) saved: Option<Mutex<Saved>>,
    /// What a leaf got.
    pub(crate) grad: Mutex<Option<Tensor>>,
    /// Hooks and the like.
    pub(crate) attached: OnceLock<Arc<Attached>>,
}

pub(crate) type Edges = SmallVec<[Option<Trace>; 2]>;

/// The node of a trace from [`Node::blank`], to fill it in.
#[inline]
pub(crate) fn fresh(trace: &mut Trace) -> &mut Node {
    let Some(node) = trace.get_mut() else { unreachable!("nobody else holds a new node") };
    node
}

impl Node {
    /// The name of the operation; of leaves, that.
    pub(crate) fn name(&self) -> &'static str {
        self.op.as_ref().map_or("leaf", Op::name)
    }

    /// A node to be filled in.
    #[allow(clippy::declare_interior_mutable_const)]
    pub(super) const BLANK: Node = Node {
        number: 0,
        level: 0,
        below: None,
        op: None,
        edges: Edges::new_const(),
        input_metas: Vec::new(),
        output_metas: SmallVec::new_const(),
        others_below: Vec::new(),
        saved: None,
        grad: Mutex::new(None),
        attached: OnceLock::new(),
    };

    /// A node of a level without an operation, to be filled in ([`fresh`]) where it stays: one that was written elsewhere and moved would be read in other pieces
    /// than it was written in, and wait for that.
    #[inline]
    pub(crate) fn blank(level: u32) -> Trace {
        let mut trace = spare::take();
        let node = fresh(&mut trace);
        node.level = level;
        trace
    }

    /// A leaf.
    pub(crate) fn leaf(level: u32, below: Option<Trace>) -> Trace {
        let mut trace = Node::blank(level);
        let node = fresh(&mut trace);
        (node.number, node.below) = (next_number(&[]), below);
        trace
    }

    /// Whether values fit the shapes and dtypes of this operation.
    pub(crate) fn could_have(&self, saved: &Saved) -> bool {
        let fits = |t: &Option<Tensor>, wanted: &Meta| {
            t.as_ref().is_none_or(|t| t.shape() == wanted.shape.as_slice() && t.dtype() == wanted.dtype)
        };
        let input = |i: usize| self.input_metas.get(i).unwrap_or(&self.output_metas[0]);
        saved.inputs.len() == self.edges.len()
            && saved.outputs.len() == self.output_metas.len()
            && saved.inputs.iter().enumerate().all(|(i, x)| fits(x, input(i)))
            && saved.outputs.iter().zip(&self.output_metas).all(|(y, meta)| fits(y, meta))
    }
}

/// Values that the rule reads, without this level's trace: those of inputs are in the edges.
#[derive(Clone, Default)]
pub(crate) struct Saved {
    pub(crate) inputs: SmallVec<[Option<Tensor>; 2]>,
    pub(crate) outputs: SmallVec<[Option<Tensor>; 2]>,
    pub(crate) freed: bool,
}

impl Saved {
    /// Whether any value is there.
    pub(crate) fn is_some(&self) -> bool {
        self.inputs.iter().chain(&self.outputs).any(Option::is_some)
    }

    /// The same places without values.
    pub(crate) fn emptied(&self) -> Saved {
        let none = |_: &Option<Tensor>| None;
        Saved { inputs: self.inputs.iter().map(none).collect(), outputs: self.outputs.iter().map(none).collect(), freed: false }
    }

    /// Frees the values. A node that saved none can be gone through again.
    pub(crate) fn free(&mut self) {
        for slot in self.inputs.iter_mut().chain(&mut self.outputs) {
            self.freed |= slot.take().is_some();
        }
    }
}

/// The number of a node with such edges: larger than those of the nodes of its inputs, and than all that this thread gave out before. Nodes of different threads may
/// share a number (then none depends on the other): a counter for all of them would cost more than the rest of a node.
pub(crate) fn next_number(edges: &[Option<Trace>]) -> u64 {
    thread_local! {
        static LAST: Cell<u64> = const { Cell::new(0) };
    }
    let inputs = edges.iter().flatten().filter_map(node_of).map(|(node, _)| node.number);
    let number = inputs.fold(LAST.get(), u64::max) + 1;
    LAST.set(number);
    number
}

/// The trace of an output that is not its node's first.
struct Output {
    /// The node.
    first: Trace,
    index: usize,
    below: Option<Trace>,
}

/// The trace of a node's output, from that of the first.
pub(crate) fn trace_of(first: &Trace, index: usize, below: Option<Trace>) -> Trace {
    if index == 0 { first.clone() } else { Trace::new(Output { first: first.clone(), index, below }) }
}

/// Which output of which node a trace stands for, if it is one of a tape.
#[inline]
pub(crate) fn node_of(trace: &Trace) -> Option<(&Node, usize)> {
    if let Some(node) = trace.get() {
        return Some((node, 0));
    }
    let output: &Output = trace.get()?;
    output.first.get().map(|node| (node, output.index))
}

/// The trace of the first output of a trace's node.
pub(crate) fn first_of(trace: &Trace) -> Trace {
    trace.get().map_or(trace, |output: &Output| &output.first).clone()
}

impl Tracer for Node {
    fn level(&self) -> u32 {
        self.level
    }

    fn below(&self) -> Option<&Trace> {
        self.below.as_ref()
    }

    fn reader(&self) -> Reader {
        tape::record
    }
}

impl Tracer for Output {
    fn level(&self) -> u32 {
        self.first.level()
    }

    fn below(&self) -> Option<&Trace> {
        self.below.as_ref()
    }

    fn reader(&self) -> Reader {
        tape::record
    }
}

/// The node of a trace that nobody else holds.
fn alone(trace: &mut Trace) -> Option<&mut Node> {
    if trace.get::<Node>().is_some() { trace.get_mut() } else { trace.get_mut::<Output>()?.first.get_mut() }
}

/// Dropping the last handle of a long chain would recurse once a node; instead, what each node alone holds is dropped in a loop.
impl Drop for Node {
    fn drop(&mut self) {
        // The usual case in a backward pass: others hold every input's node, even when all edges are gone.
        if self.edges.iter().flatten().all(|edge| edge.holders() > self.edges.len()) {
            return;
        }
        let mut pending = std::mem::take(&mut self.edges);
        while let Some(edge) = pending.pop() {
            let Some(mut trace) = edge else { continue };
            if let Some(node) = alone(&mut trace) {
                pending.append(&mut node.edges);
            }
            spare::give_back(trace);
        }
    }
}
