//! Derivatives of Rushlight tensors: reverse mode, forward mode, and any nesting of the two, from one rule an operation.
//!
//! ```
//! use rushlight_autograd::{Autograd, grad};
//! use rushlight_tensor::{DType, Tensor};
//!
//! // As in PyTorch: a leaf asks for gradients, `backward` accumulates into it.
//! let x = Tensor::new(&[2.0f64, 5.0])?.requires_grad()?;
//! let y = x.square()?.sum()?;
//! y.backward()?;
//! assert_eq!(x.grad().unwrap().to_vec::<f64>()?, [4.0, 10.0]);
//!
//! // As in torch.func: a derivative is a function.
//! let g = grad(|x| x.sin()?.sum(), &x.detach())?;
//! assert_eq!(g.to_vec::<f64>()?, [2f64.cos(), 5f64.cos()]);
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```
//!
//! - [`rule`]: what a derivative rule is. The rules themselves lie in `rules/`, one file a family.
//! - [`reverse`]: the tape. [`forward`]: tangents. Both are tracers of the tensor crate, so they nest.
//! - [`mod@capture`]: functions as data, to be listed, drawn and run again.
//! - [`functional`]: derivatives of functions. [`Function`]: functions that bring their own derivatives.

pub mod capture;
pub mod forward;
mod function;
pub mod functional;
mod gradcheck;
mod jacobian;
pub mod level;
pub mod reverse;
pub mod rule;
mod rules;
mod structure;
mod vmap;

pub use capture::{Graph, capture};
pub use function::{Function, call};
pub use functional::{LinearMap, Pullback, grad, jvp, linearize, value_and_grad, vjp, vjp_fn};
pub use gradcheck::{GradCheck, gradcheck, gradgradcheck};
pub use jacobian::{Strategy, hessian, hessians, hvp, jacfwd, jacobian, jacrev};
pub use level::{enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad};
pub use reverse::{Autograd, BackwardOptions, Context, HookHandle, checkpoint, detect_anomaly, grad_of, in_context};

pub use rule::{Ctx, Grads, Saves, rule_of};
pub use structure::{Arguments, Aux, Outputs};
pub use vmap::{Randomness, vmap, vmap_chunked, vmap_with};
