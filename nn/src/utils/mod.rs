//! torch.nn.utils: parameters that are computed from others (parametrisations, pruning), layers folded into one, and batches of sequences of different lengths.
//!
//! What is computed of others is the parameter itself: `layer.weight.tensor()` gives the result, whoever asks. The state dict has PyTorch's keys for what it is computed from. The new
//! parameters are what an optimizer must be given, so it is made afterwards.

mod derived;
mod fuse;
mod orthogonal;
pub mod parametrizations;
pub mod parametrize;
pub mod prune;
pub mod rnn;

pub(crate) use derived::Derived;
pub(crate) use fuse::values;
pub use fuse::{FoldableLayer, FoldableNorm, fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval};
