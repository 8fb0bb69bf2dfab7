//! The modules, one file a kind.

pub mod activation;
pub mod container;
pub mod linear;
