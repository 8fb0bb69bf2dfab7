//! Functions as data: one more tracer writes down every operation that goes through the door.
//!
//! ```
//! use rushlight_autograd::{capture, grad};
//! use rushlight_tensor::Tensor;
//!
//! let x = Tensor::new([1.0f32, 2.0])?;
//! let graph = capture(|x| x[0].sin()?.mul(&x[0]), &[("x", &x)])?;
//! assert_eq!(graph.to_string(), "graph(x: f32[2]):\n  %1: f32[2] = sin(x)\n  %2: f32[2] = mul(%1, x)\n  return %2\n");
//! // It is a function again, and a transformed function can be captured like any other.
//! assert_eq!(graph.run(&[&x])?[0].to_vec::<f32>()?, x.sin()?.mul(&x)?.to_vec::<f32>()?);
//! let backward = capture(|x| grad(|x| x.sin()?.sum(), &x[0]), &[("x", &x)])?;
//! assert!(backward.to_string().contains("sin_backward"));
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```

mod attributes;
mod dot;
mod expression;
mod graph;
mod listing;
mod picture;
#[cfg(feature = "svg")]
mod svg;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rushlight_backend::Op;
use rushlight_tensor::{Error, Input, Reader, Result, Tensor, Tensors, Trace, Tracer, apply_slice};
use smallvec::SmallVec;

pub use graph::{Graph, Node, Role, Value};
pub use table::{TraceRow, TraceTable};

use crate::functional::settled;
use crate::level::{capture_level, nested, phase};
use crate::reverse::lock;
use crate::structure::Outputs;

/// What is written down while a function runs.
#[derive(Default)]
struct Recording {
    graph: Graph,
    /// Constants by the address of their memory: one that is used twice is one value.
    constants: HashMap<usize, Vec<usize>>,
    /// Tensors that outlive the capture are ordinary ones.
    ended: bool,
}

impl Recording {
    /// The constant that a tensor is.
    fn constant(&mut self, t: &Tensor) -> usize {
        let known = self.constants.entry(t.storage().address()).or_default();
        let same = |&id: &usize| match &self.graph.values[id].role {
            Role::Constant(c) => c.dtype() == t.dtype() && c.layout() == t.layout(),
            _ => false,
        };
        match known.iter().copied().find(|id| same(id)) {
            Some(id) => id,
            None => {
                let id = self.graph.values.len();
                known.push(id);
                self.graph.values.push(Value::new(None, Role::Constant(t.clone()), t));
                id
            }
        }
    }
}

/// The trace of a tensor that a capture sees: which value it is.
struct Captured {
    level: u32,
    id: usize,
    recording: Arc<Mutex<Recording>>,
    below: Option<Trace>,
}

impl Captured {
    fn wrap(level: u32, id: usize, recording: &Arc<Mutex<Recording>>, t: &Tensor) -> Tensor {
        let trace = Captured { level, id, recording: recording.clone(), below: t.trace().cloned() };
        t.with_trace(Some(Trace::new(trace)))
    }

    /// What a tensor carries of this level.
    fn of(level: u32, t: &Tensor) -> Option<&Captured> {
        t.trace().filter(|trace| trace.level() == level)?.get()
    }
}

impl Tracer for Captured {
    fn level(&self) -> u32 {
        self.level
    }

    fn below(&self) -> Option<&Trace> {
        self.below.as_ref()
    }

    fn reader(&self) -> Reader {
        record
    }
}

/// Runs an operation of which some inputs are seen by the capture of this level, and writes it down.
fn record(level: u32, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    let handles: SmallVec<[Tensor; 3]> = inputs.iter_mut().map(Input::take).collect();
    let lowered = handles.iter().map(|t| if Captured::of(level, t).is_some() { lower(t) } else { t.clone() });
    let lowered: SmallVec<[Tensor; 3]> = lowered.collect();
    let mut outputs = apply_slice(op, &mut lowered.iter().map(Input::Ref).collect::<SmallVec<[Input<'_>; 3]>>())?;
    let Some(recording) = handles.iter().find_map(|t| Captured::of(level, t)).map(|c| c.recording.clone()) else {
        return Ok(outputs);
    };
    let mut now = lock(&recording);
    if now.ended {
        return Ok(outputs);
    }
    let ids = handles.iter().zip(&lowered).map(|(t, below)| match Captured::of(level, t) {
        Some(captured) => captured.id,
        None => now.constant(below),
    });
    let inputs = ids.collect();
    let first = now.graph.values.len();
    let node = now.graph.nodes.len();
    for (i, y) in outputs.iter_mut().enumerate() {
        now.graph.values.push(Value::new(None, Role::Result { node, output: i }, y));
        *y = Captured::wrap(level, first + i, &recording, y);
    }
    let outputs_of_node = (first..first + outputs.len()).collect();
    now.graph.nodes.push(Node { op: op.clone(), phase: phase(), inputs, outputs: outputs_of_node });
    Ok(outputs)
}

fn lower(t: &Tensor) -> Tensor {
    t.trace().map_or_else(|| t.clone(), |trace| trace.lower(t))
}

/// Runs a function and gives every operation that it did on its inputs, and on what follows from them, as a [`Graph`]. Inputs have names.
///
/// Tensors that the function takes from elsewhere are constants of the graph; those of a module get their names by
/// [`Graph::with_parameters`]. What is made from constants alone (also by `zeros` or `randn`) is not seen and so a constant, and so is whatever is read out
/// of tensors (`item`) to go on with: the graph is the function for inputs for which these are the same.
///
/// Every transform can be captured (`grad`, `jvp`, `vmap`, in any nesting), and captured inside of. Leaves made outside cannot be gone back to inside
/// (`backward`): use [`Graph::with_backward`], or `vjp` inside.
///
/// # Errors
/// Those of `f`.
pub fn capture<T: Outputs>(f: impl FnOnce(&[Tensor]) -> Result<T>, inputs: &[(&str, &Tensor)]) -> Result<Graph> {
    for (i, (name, _)) in inputs.iter().enumerate() {
        if inputs[..i].iter().any(|(other, _)| other == name) {
            return Err(Error::value("capture", format!("two inputs have the name `{name}`")));
        }
    }
    nested(|| {
        let level = capture_level();
        let recording = Arc::new(Mutex::new(Recording::default()));
        let mut handles = Vec::with_capacity(inputs.len());
        for (id, (name, x)) in inputs.iter().enumerate() {
            handles.push(Captured::wrap(level, id, &recording, x));
            let graph = &mut lock(&recording).graph;
            graph.values.push(Value::new(Some((*name).to_string()), Role::Input, x));
            graph.inputs.push(id);
        }
        let result = f(&handles);
        let mut now = lock(&recording);
        now.ended = true;
        for y in settled(level, result?).outputs() {
            let id = match Captured::of(level, y) {
                Some(captured) => captured.id,
                None => now.constant(y),
            };
            now.graph.outputs.push(id);
        }
        Ok(std::mem::take(&mut now.graph))
    })
}
