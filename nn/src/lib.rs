//! Neural-network modules with PyTorch's parameters, defaults and state dicts.
//!
//! A module is a struct that derives [`Module`]: its parameters are found by visiting its fields. What it computes is its [`Forward`] (or any other
//! method). Modules are used through `&self`; [`Parameter`], [`Buffer`] and [`Mode`] are cells.
//!
//! ```
//! use rushlight_nn::{Forward, Linear, Module, Parameter};
//! use rushlight_tensor::{Result, Tensor};
//!
//! #[derive(Module)]
//! struct Net {
//!     fc1: Linear,
//!     fc2: Linear,
//!     scale: Parameter,
//! }
//!
//! impl Net {
//!     fn new() -> Result<Net> {
//!         let fc2 = Linear::builder(16, 4).bias(false).build()?;
//!         Ok(Net { fc1: Linear::new(8, 16)?, fc2, scale: Parameter::new(Tensor::ones(4, ())?)? })
//!     }
//! }
//!
//! impl Forward for Net {
//!     fn forward(&self, x: &Tensor) -> Result<Tensor> {
//!         self.fc2.forward(&self.fc1.forward(x)?.relu()?)?.mul(&self.scale.tensor())
//!     }
//! }
//!
//! let net = Net::new()?;
//! let keys: Vec<String> = net.state_dict().into_iter().map(|(key, _)| key).collect();
//! assert_eq!(keys, ["scale", "fc1.weight", "fc1.bias", "fc2.weight"]);
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```
//!
//! # How modules are made
//!
//! In one style: `Type::new(required arguments)?` has PyTorch's defaults, `Type::builder(required arguments).option(value).build()?` changes
//! them. Both draw the parameters, in PyTorch's order from the default generator, so a model built under the same seed has PyTorch's
//! weights. Without required arguments `new` cannot fail: `ReLU::new()`, `Flatten::new()`.

extern crate self as rushlight_nn;

mod buffer;
mod builder;
pub mod checkpoint;
mod field;
pub mod functional;
mod functional_call;
mod hooks;
pub mod init;
pub mod layers;
mod mode;
pub mod models;
mod module;
mod parameter;
mod repr;
mod state;
mod summary;
pub mod utils;
mod walk;

pub use buffer::Buffer;
pub use field::Field;
pub use functional_call::functional_call;
pub use hooks::{Hooked, RemovableHandle};
pub use layers::activation::*;
pub use layers::adaptive::*;
pub use layers::attention::*;
pub use layers::cells::*;
pub use layers::container::{ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential, checkpoint_sequential};
pub use layers::conv::*;
pub use layers::conv_transpose::*;
pub use layers::cross_map::*;
pub use layers::dropout::*;
pub use layers::embedding::*;
pub use layers::embedding_bag::*;
pub use layers::fold::*;
pub use layers::instance_norm::*;
pub use layers::key_value_cache::*;
pub use layers::layer_norm::*;
pub use layers::lazy::*;
pub use layers::linear::*;
pub use layers::loss::*;
pub use layers::more_activations::*;
pub use layers::norm::*;
pub use layers::padding::*;
pub use layers::pool::*;
pub use layers::recurrent::*;
pub use layers::shape::*;
pub use layers::shuffle::*;
pub use layers::similarity::*;
pub use layers::softmax::*;
pub use layers::transformer::*;
pub use layers::upsample::*;
pub use mode::{Mode, Momentum};
pub use module::{Forward, Layer, Module, Visitor};
pub use parameter::{Locked, Parameter};
pub use rushlight_nn_derive::Module;
pub use rushlight_tensor::safetensors::{SafeTensors, load_safetensors, parse_safetensors, save_safetensors, save_safetensors_with};
pub use state::{LoadReport, Mismatch, StateDict};
pub use summary::{Row, Summary, summary, summary_of};
