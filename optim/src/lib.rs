//! Optimizers with PyTorch's update rules, each step one fused pass over all parameters.
//!
//! ```
//! use rushlight_autograd::Autograd;
//! use rushlight_nn::Parameter;
//! use rushlight_optim::{Optimizer, SGD};
//! use rushlight_tensor::Tensor;
//!
//! let x = Parameter::new(Tensor::new([3.0f64])?)?;
//! let mut optimizer = SGD::new([x.clone()], 0.1).momentum(0.9).build()?;
//! for _ in 0..100 {
//!     optimizer.zero_grad();
//!     x.tensor().square()?.sum()?.backward()?;
//!     optimizer.step()?;
//! }
//! assert!(x.tensor().detach().item::<f64>()?.abs() < 0.1);
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```

mod adam;
mod group;
mod sgd;

pub use adam::{Adam, AdamBuilder, AdamOptions, AdamW};
pub use group::Group;
pub use sgd::{SGD, SgdBuilder, SgdOptions};

use rushlight_tensor::Result;

/// What all optimizers do.
pub trait Optimizer {
    /// Changes every parameter that has a gradient.
    ///
    /// # Errors
    /// If the device fails.
    fn step(&mut self) -> Result<()>;

    /// Drops the gradients of all parameters.
    fn zero_grad(&self);

    /// Sets the step size of every group.
    fn set_lr(&mut self, lr: f64);

    /// The step sizes of the groups.
    fn lrs(&self) -> Vec<f64>;
}
