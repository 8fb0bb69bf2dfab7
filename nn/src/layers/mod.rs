//! The modules, one file a kind.

pub mod activation;
pub mod container;
pub mod conv;
pub mod dropout;
pub mod embedding;
pub mod linear;
pub mod loss;
pub mod norm;
pub mod pool;
pub mod shape;
pub mod softmax;
