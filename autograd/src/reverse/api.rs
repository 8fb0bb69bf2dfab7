//! What users call: leaves, `backward`, gradients of chosen tensors.

use std::sync::Arc;

use rushlight_tensor::{Error, Result, Tensor, Trace, no_autocast};

use super::backward::{Pass, Target, lock};
use super::hooks::{self, HookHandle};
use super::node::{Node, node_of};
use crate::level::tape_level;

/// What a backward pass does with the graph. The default frees it and does not record itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackwardOptions {
    /// Keep saved values, so that the graph can be gone through again.
    pub retain_graph: bool,
    /// Record the pass itself, also inside of [`no_grad`](crate::no_grad), so that gradients can be differentiated. Implies `retain_graph`.
    pub create_graph: bool,
    /// For [`grad_of`]: an input on which no output depends has the gradient `None`, instead of being an error.
    pub allow_unused: bool,
}

impl BackwardOptions {
    /// Keep the graph for another pass.
    pub fn retain_graph() -> BackwardOptions {
        BackwardOptions { retain_graph: true, ..BackwardOptions::default() }
    }

    /// Record the pass, for derivatives of higher order.
    pub fn create_graph() -> BackwardOptions {
        BackwardOptions { retain_graph: true, create_graph: true, ..BackwardOptions::default() }
    }

    /// Free the graph, and let inputs be unused.
    pub fn allow_unused() -> BackwardOptions {
        BackwardOptions { allow_unused: true, ..BackwardOptions::default() }
    }
}

/// Reverse mode as methods of [`Tensor`].
pub trait Autograd: Sized {
    /// This tensor's values as a leaf that asks for gradients. A tensor that requires gradients already is returned as it is.
    ///
    /// # Errors
    /// If the dtype is not floating point or complex, or the tensor is a sample of a `vmap` (or was carried out of one, or out of a `jvp`).
    fn requires_grad(&self) -> Result<Tensor>;

    /// Whether operations on this tensor are recorded here.
    fn is_requires_grad(&self) -> bool;

    /// Whether the tensor is not the result of a recorded operation.
    fn is_leaf(&self) -> bool;

    /// The gradient that backward passes have accumulated in this leaf, or in another tensor that [keeps](Autograd::retain_grad) it; `None`
    /// otherwise and before the first pass.
    fn grad(&self) -> Option<Tensor>;

    /// Replaces the gradient of this leaf.
    ///
    /// # Errors
    /// If the tensor is no leaf that requires gradients, or shape or dtype differ.
    fn set_grad(&self, grad: Option<Tensor>) -> Result<()>;

    /// The name of the operation that made this tensor, if it was recorded.
    fn grad_fn(&self) -> Option<&'static str>;

    /// Has backward passes keep the gradient of this tensor, which is no leaf: [`grad`](Autograd::grad) gives it then. Leaves keep theirs anyway.
    ///
    /// # Errors
    /// If the tensor does not require gradients.
    fn retain_grad(&self) -> Result<()>;

    /// Whether backward passes keep the gradient of this tensor, which is no leaf.
    fn retains_grad(&self) -> bool;

    /// Has `hook` called with this tensor's gradient whenever one has arrived whole, before it goes on (or into the leaf); it may give another one back
    /// instead. Hooks run in the order in which they were registered.
    ///
    /// # Errors
    /// If the tensor does not require gradients.
    fn register_hook(&self, hook: impl Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static) -> Result<HookHandle>;

    /// Accumulates the gradients of this one-element tensor into the leaves that it depends on, and frees the graph.
    ///
    /// # Errors
    /// If the tensor does not require gradients, has more than one element, or its graph was freed; inside of a transform if it depends on leaves outside.
    fn backward(&self) -> Result<()>;

    /// As [`backward`](Autograd::backward), for a tensor of any shape with the gradient of the final result with respect to it (`None`: a
    /// single one).
    ///
    /// # Errors
    /// As `backward`, and if the gradient's shape or dtype is not the tensor's.
    fn backward_with(&self, grad: Option<&Tensor>, options: BackwardOptions) -> Result<()>;
}

/// The node that a tensor carries on top, and which of its outputs the tensor is.
fn var_of(t: &Tensor) -> Option<(&Trace, &Node, usize)> {
    let trace = t.trace()?;
    let (node, index) = node_of(trace)?;
    Some((trace, node, index))
}

fn not_on_tape(op: &'static str) -> Error {
    Error::autograd(op, "the tensor does not require gradients")
}

/// A new leaf of this level over a tensor.
pub(crate) fn leaf_at(level: u32, t: &Tensor) -> Result<Tensor> {
    if !t.dtype().is_differentiable() {
        return Err(Error::dtype(
            "requires_grad",
            format!("only floating-point and complex tensors can require gradients, got {}", t.dtype()),
        ));
    }
    Ok(t.with_trace(Some(Node::leaf(level, t.trace().cloned()))))
}

/// A tensor as the levels below this one see it.
pub(crate) fn lowered(level: u32, t: &Tensor) -> Tensor {
    match t.trace() {
        Some(trace) if trace.level() == level => trace.lower(t),
        _ => t.clone(),
    }
}

/// The gradient from which a pass starts at an output.
fn seed(op: &'static str, y: &Tensor, grad: Option<&Tensor>, create_graph: bool) -> Result<(Trace, Tensor)> {
    let Some((trace, node, _)) = var_of(y) else {
        return Err(Error::autograd(op, "the tensor does not require gradients and was made by no recorded operation"));
    };
    let grad = match grad {
        Some(g) if g.shape() != y.shape() || g.dtype() != y.dtype() => {
            return Err(Error::shape(
                op,
                format!("a gradient {}{:?} does not fit a tensor {}{:?}", g.dtype(), g.shape(), y.dtype(), y.shape()),
            ));
        }
        Some(g) => match g.trace() {
            Some(t) if !create_graph && t.level() == node.level => t.lower(g),
            _ => g.clone(),
        },
        None if y.numel() == 1 && !y.dtype().is_complex() => y.ones_like()?,
        None => {
            return Err(Error::autograd(
                op,
                format!(
                    "a tensor {}{:?} needs a gradient to start from (`backward_with`): only single real elements start from 1",
                    y.dtype(),
                    y.shape()
                ),
            ));
        }
    };
    Ok((trace.clone(), grad))
}

impl Autograd for Tensor {
    fn requires_grad(&self) -> Result<Tensor> {
        let level = tape_level();
        match self.trace() {
            Some(t) if t.level() >= level && self.is_requires_grad() => Ok(self.clone()),
            Some(t) if t.level() >= level => {
                let message = "the tensor belongs to a transform (`vmap`, `jvp`), and its leaf would lie under it: use `grad` or `vjp`";
                Err(Error::autograd("requires_grad", message))
            }
            _ => leaf_at(level, self),
        }
    }

    fn is_requires_grad(&self) -> bool {
        var_of(self).is_some()
    }

    fn is_leaf(&self) -> bool {
        var_of(self).is_none_or(|(_, node, _)| node.op.is_none())
    }

    fn grad(&self) -> Option<Tensor> {
        let (_, node, index) = var_of(self)?;
        if node.op.is_none() { lock(&node.grad).clone() } else { hooks::kept(node, index)? }
    }

    fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        if let Some(g) = &grad
            && (g.shape() != self.shape() || g.dtype() != self.dtype())
        {
            return Err(Error::shape(
                "set_grad",
                format!("a gradient {}{:?} does not fit a tensor {}{:?}", g.dtype(), g.shape(), self.dtype(), self.shape()),
            ));
        }
        match var_of(self) {
            Some((_, node, _)) if node.op.is_none() => {
                *lock(&node.grad) = grad;
                Ok(())
            }
            _ => Err(Error::autograd("set_grad", "only leaves that require gradients hold one")),
        }
    }

    fn grad_fn(&self) -> Option<&'static str> {
        var_of(self)?.1.op.as_ref().map(|op| op.name())
    }

    fn retain_grad(&self) -> Result<()> {
        let (_, node, index) = var_of(self).ok_or_else(|| not_on_tape("retain_grad"))?;
        if node.op.is_some() {
            hooks::keep(node, index);
        }
        Ok(())
    }

    fn retains_grad(&self) -> bool {
        var_of(self).is_some_and(|(_, node, index)| node.op.is_some() && hooks::kept(node, index).is_some())
    }

    fn register_hook(&self, hook: impl Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static) -> Result<HookHandle> {
        let (_, node, index) = var_of(self).ok_or_else(|| not_on_tape("register_hook"))?;
        Ok(hooks::attach(node, index, Arc::new(hook)))
    }

    fn backward(&self) -> Result<()> {
        self.backward_with(None, BackwardOptions::default())
    }

    fn backward_with(&self, grad: Option<&Tensor>, options: BackwardOptions) -> Result<()> {
        let root = seed("backward", self, grad, options.create_graph)?;
        let outer = std::iter::successors(root.0.below(), |trace| trace.below()).any(|trace| node_of(trace).is_some());
        if outer {
            let message = "inside of a transform gradients reach the leaves that were made there alone, and the tensor depends on others: use `grad` or `vjp`";
            return Err(Error::autograd("backward", message));
        }
        let pass = Pass { retain_graph: options.retain_graph || options.create_graph, create_graph: options.create_graph, wanted: None };
        no_autocast(|| pass.run(vec![root]))?;
        Ok(())
    }
}

/// The gradients of outputs with respect to chosen inputs, which need not be leaves: `torch.autograd.grad`. `grad_outputs` are the gradients to start
/// from (`None`: 1 for single elements; none at all: for every output). Leaves' own gradients are left alone. With
/// [`allow_unused`](BackwardOptions::allow_unused) the result has `None` for an input on which the outputs do not depend.
///
/// # Errors
/// If an output or input is not on the tape, an input is not used, a gradient does not fit, or the graph was freed.
pub fn grad_of(
    outputs: &[&Tensor],
    inputs: &[&Tensor],
    grad_outputs: &[Option<&Tensor>],
    options: BackwardOptions,
) -> Result<Vec<Option<Tensor>>> {
    let found = gradients(outputs, inputs, grad_outputs, options)?;
    match found.iter().position(Option::is_none) {
        Some(i) if !options.allow_unused => Err(Error::autograd(
            "grad",
            format!("the outputs do not depend on input {i}: set `allow_unused` if that is meant, its gradient is `None` then"),
        )),
        _ => Ok(found),
    }
}

/// As [`grad_of`], with `None` for inputs that are not used.
pub(crate) fn gradients(
    outputs: &[&Tensor],
    inputs: &[&Tensor],
    grad_outputs: &[Option<&Tensor>],
    options: BackwardOptions,
) -> Result<Vec<Option<Tensor>>> {
    if !grad_outputs.is_empty() && grad_outputs.len() != outputs.len() {
        return Err(Error::value("grad", format!("got {} gradients for {} outputs", grad_outputs.len(), outputs.len())));
    }
    let targets = inputs
        .iter()
        .enumerate()
        .map(|(i, x)| {
            let (_, node, index) = var_of(x).ok_or_else(|| Error::autograd("grad", format!("input {i} does not require gradients")))?;
            Ok(Target { node, index })
        })
        .collect::<Result<Vec<_>>>()?;
    let roots = outputs
        .iter()
        .enumerate()
        .map(|(i, y)| seed("grad", y, grad_outputs.get(i).copied().flatten(), options.create_graph))
        .collect::<Result<Vec<_>>>()?;
    let pass =
        Pass { retain_graph: options.retain_graph || options.create_graph, create_graph: options.create_graph, wanted: Some(&targets) };
    no_autocast(|| pass.run(roots))
}
