//! Running along a dimension: cumulative sums, products, extrema, linear recurrences.

use super::{MetaRef, Metas, exactly, one, same_dtype, want_dim};
use crate::{DType, Error, Meta, Result};

/// A scan along a dimension: each element of the result is made of the one before it and of the input's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// What is accumulated.
    pub kind: ScanKind,
    /// The dimension.
    pub dim: usize,
    /// Whether it runs from the last element to the first.
    pub reverse: bool,
}

/// What a scan accumulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanKind {
    /// Sums. Booleans are not taken: the methods convert them, as all integers, to int64.
    Sum,
    /// Products.
    Prod,
    /// `log(exp(y) + exp(x))` without overflow; floats or complex numbers.
    LogSumExp,
    /// The largest so far and its place, the last of equals (results: values, indices). NaN is the largest.
    Max,
    /// The smallest so far and its place, the last of equals (results: values, indices). NaN is the smallest.
    Min,
    /// `y[i] = a[i] * y[i - 1] + b[i]`, with nothing before the first. Inputs: a, b of one shape.
    Recurrence,
}

impl Scan {
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            ScanKind::Sum => "cumsum",
            ScanKind::Prod => "cumprod",
            ScanKind::LogSumExp => "logcumsumexp",
            ScanKind::Max => "cummax",
            ScanKind::Min => "cummin",
            ScanKind::Recurrence => "recurrence",
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let x = match self.kind {
            ScanKind::Recurrence => {
                let [a, b] = exactly(name, inputs)?;
                same_dtype(name, inputs)?;
                if !a.dtype.is_differentiable() {
                    return Err(Error::dtype(name, format!("wants floating-point or complex tensors, got {}", a.dtype)));
                }
                if a.shape != b.shape {
                    return Err(Error::shape(name, format!("the factors have shape {:?}, the summands {:?}", a.shape, b.shape)));
                }
                a
            }
            _ => {
                let [x] = exactly(name, inputs)?;
                x
            }
        };
        want_dim(name, self.dim, x.shape.len())?;
        match self.kind {
            ScanKind::Sum | ScanKind::Prod if x.dtype == DType::Bool => Err(Error::dtype(name, "does not take booleans: convert them")),
            ScanKind::LogSumExp if !x.dtype.is_differentiable() => {
                Err(Error::dtype(name, format!("wants a floating-point or complex tensor, got {}", x.dtype)))
            }
            ScanKind::Max | ScanKind::Min if x.dtype.is_complex() => Err(Error::dtype(name, "complex numbers have no order")),
            ScanKind::Max | ScanKind::Min => Ok(smallvec::smallvec![x.to_meta(), Meta::new(x.shape, DType::I64)]),
            _ => one(x.shape.into(), x.dtype),
        }
    }
}
