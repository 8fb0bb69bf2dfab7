//! Checkpoints: values of any nesting, and PyTorch's files of them.

mod value;

pub use value::Value;
