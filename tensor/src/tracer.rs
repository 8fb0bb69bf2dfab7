//! The one hook of this crate: a tensor may carry a trace, and the door hands operations on it to the tracer.

use std::any::Any;
use std::sync::Arc;

use rushlight_backend::{Op, Result};

use crate::{Inputs, Tensor, Tensors};

/// What a traced tensor carries.
pub type Trace = Arc<dyn Tracer>;

/// Sees every operation on the tensors that carry it: the reverse tape, forward tangents, graph capture are tracers.
///
/// Tracers nest by level. Of the traces that an operation's inputs carry the door picks the one of the highest level and calls its
/// [`apply`](Tracer::apply). That one looks at the inputs without its level ([`lower`](Tracer::lower)), runs the operation on them
/// through the door again, does its own part, and wraps the results ([`Tensor::with_trace`]).
pub trait Tracer: Any + Send + Sync {
    /// The level. Higher ones see an operation first.
    fn level(&self) -> u32;

    /// The tensor that lies under `tensor`, which carries this trace.
    fn lower(&self, tensor: &Tensor) -> Tensor;

    /// Runs an operation at least one of whose inputs carries a trace of this level, and none a higher one.
    ///
    /// # Errors
    /// Those of the operation and of the tracer.
    fn apply(&self, op: Op, inputs: Inputs<'_>) -> Result<Tensors>;
}
