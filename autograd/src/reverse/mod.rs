//! Reverse mode: operations on tensors that require gradients are recorded as nodes, and `backward` walks them from the last to the first.

mod api;
mod backward;
mod checkpoint;
mod hooks;
mod node;
mod spare;
mod tape;

pub use api::{Autograd, BackwardOptions, grad_of};
pub(crate) use api::{gradients, leaf_at, lowered};
pub(crate) use backward::lock;
pub use checkpoint::{Context, checkpoint, in_context};
pub use hooks::{HookHandle, detect_anomaly};
