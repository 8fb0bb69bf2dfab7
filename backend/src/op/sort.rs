//! Order: sorting, ranks, searching. All work along the last dimension, row by row; NaN is larger than every number.

use super::{MetaRef, Metas, exactly, one, same_dtype};
use crate::{DType, Error, Meta, Result, Shape};

/// An operation on the order of elements of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The row in order, equal elements in the order in which they lay. Results: values, indices.
    Sort {
        /// Whether the largest comes first.
        descending: bool,
    },
    /// The first `k` of the sorted row. Results: values, indices.
    TopK {
        /// How many.
        k: usize,
        /// Whether the largest, else the smallest.
        largest: bool,
    },
    /// One element by its place in the sorted row. Results: values, indices, with a last dimension of 1.
    Rank(Rank),
    /// The most frequent element of the row, the smallest of several, and the place where it last occurs. Results as of `Rank`.
    Mode,
    /// Inputs: rows in ascending order, values (as many rows; one row serves all). For each value the number of elements of its row
    /// that are smaller (`right`: smaller or equal).
    Search {
        /// Whether equal elements count.
        right: bool,
    },
}

/// A place in a sorted row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// The k-th smallest, from 0.
    Nth(usize),
    /// The middle one, the lower of two; the first NaN if there is one.
    Median,
    /// The middle one of those that are not NaN.
    NanMedian,
}

impl Sort {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Sort::Sort { .. } => "sort",
            Sort::TopK { .. } => "topk",
            Sort::Rank(Rank::Nth(_)) => "kthvalue",
            Sort::Rank(Rank::Median) => "median",
            Sort::Rank(Rank::NanMedian) => "nanmedian",
            Sort::Mode => "mode",
            Sort::Search { .. } => "searchsorted",
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        if let Some(x) = inputs.iter().find(|x| x.dtype.is_complex()) {
            return Err(Error::dtype(name, format!("complex numbers have no order, got {}", x.dtype)));
        }
        if let Sort::Search { .. } = self {
            let [sequence, values] = exactly(name, inputs)?;
            same_dtype(name, inputs)?;
            let fits = match (sequence.shape.split_last(), values.shape.split_last()) {
                (Some((_, [])), _) => true,
                (Some((_, a)), Some((_, b))) => a == b,
                _ => false,
            };
            if !fits {
                return Err(Error::shape(
                    name,
                    format!(
                        "the sequence of shape {:?} is neither one row nor as many as the values of shape {:?}",
                        sequence.shape, values.shape
                    ),
                ));
            }
            return one(values.shape.into(), DType::I64);
        }
        let [x] = exactly(name, inputs)?;
        if x.dtype == DType::Bool && matches!(self, Sort::Rank(_)) {
            return Err(Error::dtype(name, "does not take booleans"));
        }
        let Some(&n) = x.shape.last() else {
            return Err(Error::shape(name, "wants rows, got a 0-d tensor"));
        };
        let mut shape: Shape = x.shape.into();
        let last = shape.len() - 1;
        match *self {
            Sort::TopK { k, .. } if k > n => {
                return Err(Error::index(name, format!("asked for {k} of {n} elements")));
            }
            Sort::TopK { k, .. } => shape[last] = k,
            Sort::Rank(_) | Sort::Mode => {
                shape[last] = 1;
                if n == 0 && shape[..last].iter().all(|&d| d > 0) {
                    return Err(Error::index(name, format!("rows of {:?} have no elements", x.shape)));
                }
                if let Sort::Rank(Rank::Nth(k)) = *self
                    && k >= n
                {
                    return Err(Error::index(name, format!("asked for element {k} (from 0) of {n} in order")));
                }
            }
            _ => {}
        }
        Ok(smallvec::smallvec![Meta { shape: shape.clone(), dtype: x.dtype }, Meta { shape, dtype: DType::I64 }])
    }
}
