//! The contract of Rushlight: what every floor above and every kernel crate below agree on.
//!
//! - [`DType`], [`Scalar`] and the rules of type [`promotion`](promote);
//! - [`Layout`]: shape, strides and offset, and the arithmetic of views;
//! - [`Op`]: the vocabulary. Every computation is a value of this type, and [`Op::infer`] is its shape rule, the only
//!   place where inputs are checked;
//! - [`Backend`]: what a device must do to run that vocabulary;
//! - [`Generator`]: random number streams that are PyTorch's, bit for bit;
//! - [`Error`] and [`Result`].

mod backend;
mod dtype;
mod element;
mod error;
mod flops;
mod generator;
mod layout;
pub mod op;
pub mod promote;
mod scalar;

pub use backend::{Arg, Backend, Buffer, Storage, Storages};
pub use dtype::DType;
pub use element::Element;
pub use error::{Error, ErrorKind, Result};
pub use generator::{Engine, Generator, default_generator, manual_seed};
pub use layout::{Dims, Layout, Shape, Strides, broadcast_shapes, normalize_dim, normalize_dims, numel, same_shape};
pub use op::{Meta, MetaRef, Metas, Op};
pub use scalar::Scalar;

/// The complex numbers of `complex64` tensors.
pub type Complex32 = num_complex::Complex32;
/// The complex numbers of `complex128` tensors.
pub type Complex64 = num_complex::Complex64;
pub use half::{bf16, f16};
