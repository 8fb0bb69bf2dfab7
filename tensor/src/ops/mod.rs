//! The methods that users call, one file a family, and the decompositions of the family's composite operations.

pub(crate) mod attention;
pub(crate) mod conv;
pub(crate) mod create;
pub(crate) mod embedding_bag;
pub mod fft;
pub(crate) mod index;
pub mod linalg;
pub(crate) mod loss;
pub(crate) mod matmul;
pub(crate) mod norm;
pub(crate) mod optim;
pub(crate) mod pointwise;
pub(crate) mod pool;
mod random;
pub(crate) mod reduce;
pub(crate) mod resample;
pub(crate) mod rnn;
pub(crate) mod scan;
pub(crate) mod shape;
pub(crate) mod sort;
pub(crate) mod spectral;
pub mod windows;
