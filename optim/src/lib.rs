//! Optimizers with PyTorch's update rules, each step one fused pass over all parameters; schedules of the learning rate; clipping of gradients; averaged models.
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

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod asgd;
mod averaged;
mod clip;
mod group;
mod lbfgs;
mod muon;
mod nadam;
mod options;
mod radam;
mod rmsprop;
mod rprop;
mod scaler;
pub mod sched;
mod sgd;
mod state;
mod training;
mod wolfe;

pub use adadelta::{Adadelta, AdadeltaBuilder, AdadeltaOptions};
pub use adafactor::{Adafactor, AdafactorBuilder, AdafactorOptions};
pub use adagrad::{Adagrad, AdagradBuilder, AdagradOptions};
pub use adam::{Adam, AdamBuilder, AdamOptions, AdamW};
pub use adamax::{Adamax, AdamaxBuilder, AdamaxOptions};
pub use asgd::{ASGD, AsgdBuilder, AsgdOptions};
pub use averaged::{AveragedModel, Averaging, update_bn};
pub use clip::{clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm, parameters_to_vector, vector_to_parameters};
pub use group::Group;
pub use lbfgs::{LBFGS, LbfgsBuilder, LineSearch};
pub use muon::{AdjustLr, Muon, MuonBuilder, MuonOptions};
pub use nadam::{NAdam, NAdamBuilder, NAdamOptions};
pub use radam::{RAdam, RAdamBuilder, RAdamOptions};
pub use rmsprop::{RMSprop, RmsPropBuilder, RmsPropOptions};
pub use rprop::{Rprop, RpropBuilder, RpropOptions};
pub use scaler::GradScaler;
pub use sched::Scheduler;
pub use sgd::{SGD, SgdBuilder, SgdOptions};
pub use training::TrainingState;

use rushlight_nn::Parameter;
use rushlight_nn::checkpoint::Value;
use rushlight_tensor::{Result, Tensor};

/// What a schedule reads and changes in a parameter group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The step size.
    pub lr: f64,
    /// The step size that schedules start from: that of the group when its first schedule was made.
    pub initial_lr: Option<f64>,
    /// The momentum, or the first of the betas, of optimizers that have one.
    pub momentum: Option<f64>,
}

/// What all optimizers do.
pub trait Optimizer {
    /// Changes every parameter that has a gradient.
    ///
    /// # Errors
    /// If the device fails; of [`LBFGS`] always, since it wants [`step_with`](Optimizer::step_with).
    fn step(&mut self) -> Result<()>;

    /// A step with a function that drops the gradients, computes the loss, runs backward, and gives the loss: PyTorch's `step(closure)`. Gives the first loss.
    ///
    /// # Errors
    /// That of the function, or if the device fails.
    fn step_with(&mut self, closure: &mut dyn FnMut() -> Result<Tensor>) -> Result<Tensor> {
        let loss = closure()?;
        self.step()?;
        Ok(loss)
    }

    /// The parameters of all groups, in their order.
    fn params(&self) -> Vec<Parameter>;

    /// Drops the gradients of all parameters.
    fn zero_grad(&self) {
        self.params().iter().for_each(Parameter::zero_grad);
    }

    /// What schedules read, for each group.
    fn rates(&self) -> Vec<Rate>;

    /// Sets what schedules change, for each group; a momentum is passed over by optimizers without one.
    fn set_rates(&mut self, rates: &[Rate]);

    /// Sets the step size of every group.
    fn set_lr(&mut self, lr: f64) {
        let rates: Vec<Rate> = self.rates().into_iter().map(|r| Rate { lr, ..r }).collect();
        self.set_rates(&rates);
    }

    /// The step sizes of the groups.
    fn lrs(&self) -> Vec<f64> {
        self.rates().into_iter().map(|r| r.lr).collect()
    }

    /// The state and the options of the groups, in the form of PyTorch's `state_dict`: `{"state": {0: {..}, ..}, "param_groups": [{.., "params": [0, ..]}, ..]}`.
    ///
    /// # Errors
    /// If memory cannot be had.
    fn state_dict(&self) -> Result<Value>;

    /// Loads what [`state_dict`](Optimizer::state_dict), or PyTorch's, has saved. Options that we do not have are passed over.
    ///
    /// # Errors
    /// If groups or shapes do not fit; nothing is changed then.
    fn load_state_dict(&mut self, state: &Value) -> Result<()>;
}
