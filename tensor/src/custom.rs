//! Operations that users bring, as functions of tensors.

use std::any::Any;
use std::sync::Arc;

use rushlight_backend::op::Custom;
use rushlight_backend::{Error, Result};
use smallvec::SmallVec;

use crate::{Input, Tensor, Tensors};

/// What an operation of a user's own computes.
type Forward = dyn Fn(&[&Tensor]) -> Result<Tensors> + Send + Sync;

struct Body {
    forward: Box<Forward>,
    rule: Box<dyn Any + Send + Sync>,
}

/// A user's function as an operation of the vocabulary. Tracers see it as one; `rule` is for them (`rushlight-autograd` keeps the derivatives
/// there, see its `Function`).
pub fn custom_op(
    name: &'static str,
    forward: impl Fn(&[&Tensor]) -> Result<Tensors> + Send + Sync + 'static,
    rule: impl Any + Send + Sync,
) -> Custom {
    Custom::new(name, Arc::new(Body { forward: Box::new(forward), rule: Box::new(rule) }))
}

/// What was put beside a user's function for tracers, if it is of this type.
pub fn custom_rule<R: Any>(op: &Custom) -> Option<&R> {
    op.body().downcast_ref::<Body>()?.rule.downcast_ref()
}

/// Runs a user's function on plain values.
pub(crate) fn run(op: &Custom, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    let Some(body) = op.body().downcast_ref::<Body>() else {
        return Err(Error::unsupported(op.name(), "has no function of tensors: make it with `custom_op`"));
    };
    let tensors: SmallVec<[Tensor; 3]> = inputs.iter_mut().map(Input::take).collect();
    let tensors: SmallVec<[&Tensor; 3]> = tensors.iter().collect();
    let results = (body.forward)(&tensors)?;
    if results.is_empty() {
        return Err(Error::value(op.name(), "a function has at least one result"));
    }
    Ok(results)
}
