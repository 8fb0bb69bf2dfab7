//! Networks with names.

mod lenet;

pub use lenet::LeNet5;
