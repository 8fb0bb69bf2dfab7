//! Rushlight: a deep-learning framework with PyTorch's numbers, every derivative, in small plain crates.
//!
//! This crate gathers the others under one name; each can be used alone as well (`rushlight-tensor`, `rushlight-autograd`, ...).
//!
//! ```
//! use rushlight::prelude::*;
//!
//! manual_seed(0);
//! let net = Sequential::new().add(Linear::new(4, 8)?).add(ReLU::new()).add(Linear::new(8, 3)?);
//! let mut optimizer = SGD::new(net.parameters(), 0.1).momentum(0.9).build()?;
//!
//! let (x, y) = (Tensor::randn([16, 4], ())?, Tensor::randint(0, 3, 16, ())?);
//! for _ in 0..3 {
//!     let loss = net.forward(&x)?.cross_entropy(&y)?;
//!     optimizer.zero_grad();
//!     loss.backward()?;
//!     optimizer.step()?;
//! }
//! # Ok::<(), rushlight::Error>(())
//! ```

pub use rushlight_autograd as autograd;
pub use rushlight_data as data;
pub use rushlight_nn as nn;
pub use rushlight_optim as optim;
pub use rushlight_tensor as tensor;
pub use rushlight_vision as vision;

pub use rushlight_tensor::{
    BLAS, DType, Device, Error, ErrorKind, Generator, Result, Scalar, Tensor, default_dtype, manual_seed, num_threads, profile,
    set_default_dtype, set_num_threads,
};

/// What a program that trains a network needs: `use rushlight::prelude::*;`.
pub mod prelude {
    pub use crate::autograd::{Autograd, grad, hessian, jacfwd, jacrev, jvp, no_grad, value_and_grad, vjp, vmap};
    pub use crate::data::{DataLoader, Dataset, Subset, TensorDataset, random_split};
    pub use crate::nn::*;
    pub use crate::optim::{Adam, AdamW, Optimizer, SGD};
    pub use crate::{DType, Device, Error, Generator, Result, Scalar, Tensor, manual_seed};
}
