//! The vocabulary: every computation is a value of [`Op`].
//!
//! One file a family, with the same name on every floor. Each holds the family's enum, what each operation means, how many
//! inputs it takes, and `infer`, the shape rule.

/// The names of a family's operations: a list of all, and the one of each.
macro_rules! names {
    ($($operation:pat => $name:literal,)*) => {
        /// PyTorch's names of all operations of the family.
        pub const NAMES: &'static [&'static str] = &[$($name),*];

        pub(super) fn name(&self) -> &'static str {
            match self { $($operation => $name,)* }
        }
    };
}

mod attention;
mod conv;
mod create;
mod custom;
mod fft;
mod index;
mod linalg;
mod loss;
mod matmul;
mod norm;
mod optim;
mod pointwise;
mod pool;
mod random;
mod reduce;
mod resample;
mod rnn;
mod scan;
mod shape;
mod sort;
mod spatial;
mod special;

use smallvec::SmallVec;

pub use attention::Attention;
pub use conv::{Conv, Window};
pub use create::{Create, check_size};
pub use custom::Custom;
pub use fft::Fft;
pub use index::{Index, ScatterReduction};
pub use linalg::Linalg;
pub use loss::{CrossEntropy, Loss, LossReduction};
pub use matmul::Matmul;
pub use norm::{Norm, channel_shape};
pub use optim::{
    AdadeltaStep, AdagradStep, AdamStep, AdamaxStep, AsgdStep, Gradient, NAdamStep, Optim, RAdamStep, RmsPropStep, RpropStep, SgdStep,
};
pub use pointwise::{Binary, GradUses, Pointwise, Rounding, Unary};
pub use pool::{Divisor, Pool, PoolWindow};
pub use random::{Random, Sample};
pub use reduce::{Reduce, Reduction};
pub use resample::{GridMode, GridPadding, GridSample, Interpolation, Method, Resample};
pub use rnn::{Rnn, RnnKind, RnnLayer};
pub use scan::{Scan, ScanKind};
pub use shape::{Diagonal, ShapeOp};
pub use sort::{Rank, Sort};
pub use spatial::Spatial;
pub use special::{IntegerOp, Part, Polynomial, Special};

use crate::{DType, Error, Result, Shape};

/// Shape and dtype of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The sizes of the dimensions.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
}

impl Meta {
    /// A shape and a dtype.
    #[inline]
    pub fn new(shape: &[usize], dtype: DType) -> Meta {
        Meta { shape: crate::layout::shape_of(shape), dtype }
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        crate::numel(&self.shape)
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> MetaRef<'_> {
        MetaRef { shape: &self.shape, dtype: self.dtype }
    }
}

/// Shapes and dtypes of the results of an operation.
pub type Metas = SmallVec<[Meta; 1]>;

/// Shape and dtype of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaRef<'a> {
    /// The sizes of the dimensions.
    pub shape: &'a [usize],
    /// The element type.
    pub dtype: DType,
}

impl MetaRef<'_> {
    /// The same, owned.
    #[inline]
    pub fn to_meta(self) -> Meta {
        Meta::new(self.shape, self.dtype)
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        crate::numel(self.shape)
    }
}

/// Declares [`Op`] with one variant a family, conversions into it, and the dispatch of what every family has.
macro_rules! families {
    ($($(#[$doc:meta])* $variant:ident($family:ty) in $room:literal;)*) => {
        /// A computation: which operation, with which parameters. Its tensors are its inputs.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum Op {
            $($(#[$doc])* $variant($family),)*
        }

        impl Op {
            /// PyTorch's name of the operation, as error messages give it.
            pub fn name(&self) -> &'static str {
                match self { $(Op::$variant(op) => op.name(),)* }
            }

            /// The family: the file name under which each floor has its part.
            pub fn family(&self) -> &'static str {
                match self { $(Op::$variant(_) => $room,)* }
            }

            /// The shape rule: shapes and dtypes of the results, or what is wrong with the inputs.
            ///
            /// # Errors
            /// A number of inputs, shapes, dtypes or parameters that the operation does not take.
            pub fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
                match self { $(Op::$variant(op) => op.infer(inputs),)* }
            }
        }

        $(impl From<$family> for Op {
            #[inline]
            fn from(op: $family) -> Op { Op::$variant(op) }
        })*
    };
}

families! {
    /// Element by element, with broadcasting.
    Pointwise(Pointwise) in "pointwise";
    /// Over dimensions: sums, extrema, means...
    Reduce(Reduce) in "reduce";
    /// Views, copies of views, joining.
    Shape(ShapeOp) in "shape";
    /// New tensors from nothing.
    Create(Create) in "create";
    /// Reading and writing by index.
    Index(Index) in "index";
    /// Running along a dimension: cumulative sums...
    Scan(Scan) in "scan";
    /// Sorting, ranks, searching.
    Sort(Sort) in "sort";
    /// Matrix products.
    Matmul(Matmul) in "matmul";
    /// Normalisations: softmax, batch normalisation.
    Norm(Norm) in "norm";
    /// Attention.
    Attention(Attention) in "attention";
    /// Recurrent layers.
    Rnn(Rnn) in "rnn";
    /// Losses.
    Loss(Loss) in "loss";
    /// Convolutions.
    Conv(Conv) in "conv";
    /// Pooling.
    Pool(Pool) in "pool";
    /// Linear algebra.
    Linalg(Linalg) in "linalg";
    /// Fourier transforms.
    Fft(Fft) in "fft";
    /// Resampling.
    Resample(Resample) in "resample";
    /// Optimizer steps.
    Optim(Optim) in "optim";
    /// Random numbers.
    Random(Random) in "random";
    /// What users bring.
    Custom(Custom) in "custom";
}

/// Exactly `N` inputs, or an error that says so.
pub(crate) fn exactly<'a, 'b, const N: usize>(op: &'static str, inputs: &'b [MetaRef<'a>]) -> Result<&'b [MetaRef<'a>; N]> {
    inputs.try_into().map_err(|_| Error::value(op, format!("takes {N} tensors, got {}", inputs.len())))
}

/// The one dtype of all inputs, or an error.
pub(crate) fn same_dtype(op: &'static str, inputs: &[MetaRef<'_>]) -> Result<DType> {
    let first = inputs.first().ok_or_else(|| Error::value(op, "needs at least one tensor"))?.dtype;
    match inputs.iter().find(|i| i.dtype != first) {
        None => Ok(first),
        Some(other) => Err(Error::dtype(op, format!("tensors must have one dtype, got {first} and {}", other.dtype))),
    }
}

/// An error if the dtype is not floating point (real).
pub(crate) fn want_float(op: &'static str, dtype: DType) -> Result<()> {
    if dtype.is_float() {
        return Ok(());
    }
    Err(Error::dtype(op, format!("wants a floating-point tensor, got {dtype}")))
}

/// An error if a dimension does not exist.
pub(crate) fn want_dim(op: &'static str, dim: usize, rank: usize) -> Result<()> {
    if dim < rank {
        return Ok(());
    }
    Err(Error::index(op, format!("dimension {dim} is out of range for a tensor of {rank} dimensions")))
}

/// An error if the dtype is not that of indices, `int64`.
pub(crate) fn want_index(op: &'static str, dtype: DType) -> Result<()> {
    if dtype == DType::I64 {
        return Ok(());
    }
    Err(Error::dtype(op, format!("indices must be int64, got {dtype}")))
}

/// One result.
#[inline(always)]
pub(crate) fn one(shape: Shape, dtype: DType) -> Result<Metas> {
    Ok(Metas::from_buf([Meta { shape, dtype }]))
}
