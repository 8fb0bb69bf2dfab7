//! The one hook of this crate: a tensor may carry a trace, and the door hands operations on it to the tracer.

use std::any::Any;
use std::ops::Deref;

use rushlight_backend::{Op, Result};
use triomphe::Arc;
use unsize::{CoerceUnsize, Coercion};

use crate::{Input, Tensor, Tensors};

/// What a traced tensor carries: a counted reference to a [`Tracer`].
#[derive(Clone)]
pub struct Trace(Arc<dyn Tracer>);

impl Trace {
    /// A trace that nobody else holds.
    #[inline]
    pub fn new(tracer: impl Tracer) -> Trace {
        Trace(Arc::new(tracer).unsize(Coercion!(to dyn Tracer)))
    }

    /// The tracer, if it is a `T`.
    #[inline]
    pub fn get<T: Tracer>(&self) -> Option<&T> {
        let any: &dyn Any = &*self.0;
        any.downcast_ref()
    }

    /// The tracer, to change it, if it is a `T` and nobody else holds it.
    #[inline]
    pub fn get_mut<T: Tracer>(&mut self) -> Option<&mut T> {
        let any: &mut dyn Any = Arc::get_mut(&mut self.0)?;
        any.downcast_mut()
    }

    /// How many hold it.
    #[inline]
    pub fn holders(&self) -> usize {
        Arc::count(&self.0)
    }

    /// Whether both are one trace.
    pub fn is_same(&self, other: &Trace) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Trace {
    type Target = dyn Tracer;

    #[inline]
    fn deref(&self) -> &(dyn Tracer + 'static) {
        &*self.0
    }
}

/// How a tracer sees operations: its level, the operation, and inputs of which at least one carries a trace of that level and none a higher one.
///
/// The reader looks at the inputs without its level (see [`Input::Below`]), runs the operation on them through the door again
/// ([`apply_slice`](crate::apply_slice)), does its own part, and wraps the results ([`Tensor::into_traced`]).
pub type Reader = fn(u32, &Op, &mut [Input<'_>]) -> Result<Tensors>;

/// Sees every operation on the tensors that carry it: the reverse tape, forward tangents, graph capture are tracers.
///
/// Tracers nest by level. Of the traces that an operation's inputs carry the door picks the highest level and calls that trace's
/// [`reader`](Tracer::reader): a plain function, for the trace itself is one of the inputs'.
pub trait Tracer: Any + Send + Sync {
    /// The level. Higher ones see an operation first.
    fn level(&self) -> u32;

    /// What lies under this trace.
    fn below(&self) -> Option<&Trace>;

    /// Whether the values of a tensor with this trace are not those in its memory, so that they cannot be read.
    fn hides_values(&self) -> bool {
        self.below().is_some_and(|below| below.hides_values())
    }

    /// What runs an operation on tensors that carry such traces.
    fn reader(&self) -> Reader;

    /// The tensor that lies under `tensor`, which carries this trace.
    fn lower(&self, tensor: &Tensor) -> Tensor {
        tensor.with_trace(self.below().cloned())
    }

    /// `tensor`, which carries this trace, outside of graphs: what lies under it, unless the trace says what the values are.
    fn detached(&self, tensor: &Tensor) -> Tensor {
        self.lower(tensor).detach()
    }
}
