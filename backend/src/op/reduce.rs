//! Over dimensions.

use super::{MetaRef, Metas, exactly};
use crate::{DType, Dims, Error, Meta, Result, Shape};

/// A reduction over some dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// What is computed of the elements that fall together.
    pub kind: Reduction,
    /// The dimensions that are reduced, sorted. None reduces nothing: the methods list all dimensions where all are meant.
    pub dims: Dims,
    /// Whether the reduced dimensions stay, with size 1.
    pub keepdim: bool,
}

/// What is computed of the elements that fall together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduction {
    /// The sum; of nothing, 0. Integers and booleans are summed by the methods as int64.
    Sum,
    /// The mean; floats only; of nothing, NaN.
    Mean,
    /// The product; of nothing, 1.
    Prod,
    /// The largest element; NaN if one is NaN.
    Amax,
    /// The smallest element; NaN if one is NaN.
    Amin,
    /// The place of the first largest element, int64; one dimension.
    Argmax,
    /// The place of the first smallest element, int64; one dimension.
    Argmin,
    /// The largest element and its place (results: values, indices); one dimension.
    Max,
    /// The smallest element and its place (results: values, indices); one dimension.
    Min,
    /// Whether all are non-zero (bool).
    All,
    /// Whether any is non-zero (bool).
    Any,
    /// The sum of squared deviations from the mean, divided by the number of elements less `correction`; floats only.
    Var {
        /// Subtracted from the number of elements; 1 gives the unbiased estimate.
        correction: f64,
    },
    /// The p-norm `(sum |x|^p)^(1/p)`, real; for p = 0 the number of elements that are not 0, for infinite p the largest (smallest) magnitude. Floats and complex numbers.
    /// No primitive: a composition of the others, with derivatives of its own.
    Norm {
        /// The order; it may be negative or infinite.
        p: f64,
    },
}

impl Reduction {
    /// Whether the result has a place as well, and so takes exactly one dimension.
    pub fn is_arg(self) -> bool {
        matches!(self, Reduction::Argmax | Reduction::Argmin | Reduction::Max | Reduction::Min)
    }

    fn needs_elements(self) -> bool {
        self.is_arg() || matches!(self, Reduction::Amax | Reduction::Amin)
    }
}

/// Reductions take no more dimensions than this, as in PyTorch.
const MAX_RANK: usize = 64;

impl Reduction {
    names! {
        Reduction::Sum => "sum",
        Reduction::Mean => "mean",
        Reduction::Prod => "prod",
        Reduction::Amax => "amax",
        Reduction::Amin => "amin",
        Reduction::Argmax => "argmax",
        Reduction::Argmin => "argmin",
        Reduction::Max => "max",
        Reduction::Min => "min",
        Reduction::All => "all",
        Reduction::Any => "any",
        Reduction::Var { .. } => "var",
        Reduction::Norm { .. } => "vector_norm",
    }
}

impl Reduce {
    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The shape that the result has: reduced dimensions left out, or kept with size 1.
    pub fn reduced_shape(&self, shape: &[usize]) -> Shape {
        let kept = |(i, &n): (usize, &usize)| match (self.dims.contains(&i), self.keepdim) {
            (false, _) => Some(n),
            (true, true) => Some(1),
            (true, false) => None,
        };
        shape.iter().enumerate().filter_map(kept).collect()
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let [x] = exactly(name, inputs)?;
        // A 0-d tensor counts as having one dimension of one element.
        let rank = x.shape.len().max(1);
        if let Some(&d) = self.dims.iter().find(|&&d| d >= rank) {
            return Err(Error::index(name, format!("dimension {d} is out of range for a tensor of {rank} dimensions")));
        }
        if x.shape.len() > MAX_RANK {
            return Err(Error::shape(name, format!("takes tensors of at most {MAX_RANK} dimensions, got {}", x.shape.len())));
        }
        if matches!(self.kind, Reduction::Argmax | Reduction::Argmin) && x.dtype == DType::Bool {
            return Err(Error::dtype(name, "does not take booleans: convert them first"));
        }
        if self.kind.is_arg() && self.dims.len() != 1 {
            return Err(Error::value(name, format!("takes one dimension, got {:?}", self.dims)));
        }
        if self.kind.needs_elements() {
            if let Some(&d) = self.dims.iter().find(|&&d| x.shape.get(d) == Some(&0)) {
                return Err(Error::shape(name, format!("dimension {d} of {:?} has no elements to choose from", x.shape)));
            }
            if x.dtype.is_complex() {
                return Err(Error::dtype(name, "complex numbers have no order"));
            }
        }
        if matches!(self.kind, Reduction::Mean | Reduction::Var { .. }) && !x.dtype.is_differentiable() {
            return Err(Error::dtype(name, format!("wants a floating-point tensor, got {}: convert it first", x.dtype)));
        }
        if let Reduction::Norm { p } = self.kind {
            if !x.dtype.is_differentiable() {
                return Err(Error::dtype(name, format!("wants a floating-point or complex tensor, got {}", x.dtype)));
            }
            if (p < 0.0 || p.is_infinite()) && self.dims.iter().any(|&d| x.shape.get(d) == Some(&0)) {
                return Err(Error::shape(name, format!("the norm of order {p} over no elements of {:?} is not defined", x.shape)));
            }
        }
        let shape = self.reduced_shape(x.shape);
        Ok(match self.kind {
            Reduction::Argmax | Reduction::Argmin => smallvec::smallvec![Meta { shape, dtype: DType::I64 }],
            Reduction::All | Reduction::Any => smallvec::smallvec![Meta { shape, dtype: DType::Bool }],
            Reduction::Max | Reduction::Min => {
                smallvec::smallvec![Meta { shape: shape.clone(), dtype: x.dtype }, Meta { shape, dtype: DType::I64 }]
            }
            Reduction::Norm { .. } => smallvec::smallvec![Meta { shape, dtype: x.dtype.to_real() }],
            _ => smallvec::smallvec![Meta { shape, dtype: x.dtype }],
        })
    }
}
