//! Tensors with PyTorch's semantics: one type, value semantics, views, one door for every operation.
//!
//! ```
//! use rushlight_tensor::{DType, Tensor};
//!
//! let x = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]])?;
//! let y = x.matmul(&x.t()?)?.add(1.0)?.sum()?;
//! assert_eq!(y.item::<f32>()?, 5.0 + 11.0 + 11.0 + 25.0 + 4.0);
//! assert_eq!(y.dtype(), DType::F32);
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```
//!
//! - Named methods return [`Result`]; arithmetic operators (`&a + &b`, `-a`, `a * 2.0`) panic with the same message.
//! - No operation through one handle changes what another handle sees. Methods that take a tensor by value, and in-place methods
//!   (`&mut self`), reuse its memory when nobody else holds it.
//! - Everything is computed through [`apply`]; whoever wants to see every operation implements [`Tracer`].

mod autocast;
mod custom;
mod decompose;
mod defaults;
mod device;
mod display;
mod door;
pub mod files;
#[cfg(feature = "ndarray")]
mod ndarray;
mod npy;
#[cfg(feature = "npz")]
mod npz;
mod operand;
mod operators;
mod ops;
mod profiler;
#[cfg(feature = "safetensors")]
pub mod safetensors;
mod sizes;
mod tensor;
mod tracer;

pub use autocast::{autocast, autocast_dtype, no_autocast};
pub use custom::{custom_op, custom_rule};
pub use decompose::decompose;
pub use defaults::{default_dtype, set_default_dtype};
pub use device::Device;
pub use door::{Input, Inputs, Tensors, apply, apply_draw, apply_on, apply_slice, apply_slice1, apply1, draws_reader, with_draws_read};
pub use operand::Operand;
pub use ops::attention::{AttentionOptions, InProjection, MultiHeadAttention, attention_weights, repeat_heads};
pub use ops::conv::Padding;
pub use ops::create::{Nested, Options};
pub use ops::embedding_bag::{BagMode, EmbeddingBag};
pub use ops::fft;
pub use ops::index::{Ellipsis, EmbeddingOptions, IntoIndex, IntoIx, Ix, ScatterMode, step_by};
pub use ops::linalg::{self, norm::NormOrder};
pub use ops::loss::{CtcLoss, GaussianNllLoss, KlReduction, PoissonNllLoss, TripletMarginLoss};
pub use ops::matmul::ContractDims;
pub use ops::norm::InstanceNorm;
pub use ops::pointwise::special::functions as special;
pub use ops::pointwise::unary_derivative;
pub use ops::pool::{FractionalSize, OutputSize};
pub use ops::reduce::masked;
pub use ops::resample::{InterpolateMode, InterpolateOptions, InterpolateTo, grid_sample_tangent};
pub use ops::rnn::{RnnWeights, rnn, rnn_states, rnn_step};
pub use ops::scan::Spacing;
pub use ops::shape::{Indexing, IntoRepeats, IntoSections, PadMode, Repeats, Sections};
pub use ops::sort::{HistogramBins, Quantile, Unique, UniqueResults};
pub use ops::spectral::{Istft, Stft, StftPad};
pub use ops::windows;
pub use profiler::{Event, Line, Profile, count_flops, profile};
pub use rushlight_backend::{
    self as backend, Complex32, Complex64, DType, Element, Error, ErrorKind, Generator, Layout, Op, Result, Scalar, Shape, bf16,
    default_generator, f16, manual_seed,
    op::{CrossEntropy, GridMode, GridPadding, GridSample, LossReduction, Sample},
};
pub use rushlight_backend_cpu::BLAS;
pub use rushlight_backend_cpu::threads::{num_threads, set_num_threads};
pub use sizes::{IntoSizes, Sizes};
pub use tensor::Tensor;
pub use tracer::{Reader, Trace, Tracer};
