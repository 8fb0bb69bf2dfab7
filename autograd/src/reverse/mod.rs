//! Reverse mode: operations on tensors that require gradients are recorded as nodes, and `backward` walks them from the last to the first.

mod api;
mod backward;
mod hooks;
mod node;
mod tape;

pub(crate) use api::leaf_at;
pub use api::{Autograd, BackwardOptions, grad_of};
pub(crate) use backward::lock;
pub use hooks::{HookHandle, detect_anomaly};
