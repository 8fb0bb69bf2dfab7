//! Numbers for each spatial dimension of a convolution or pooling, inline.

use std::fmt;

use super::{Metas, check_size, one};
use crate::{DType, Error, Result, Shape};

/// One number for each of one to three spatial dimensions (time; height, width; depth, height, width).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spatial {
    values: [i32; 3],
    rank: u8,
}

impl Spatial {
    /// The numbers of the dimensions.
    ///
    /// # Errors
    /// If there are none or more than three, or one does not fit into 32 bits.
    pub fn new(op: &'static str, values: &[isize]) -> Result<Spatial> {
        if values.is_empty() || values.len() > 3 {
            return Err(Error::value(op, format!("wants one to three spatial dimensions, got the numbers {values:?}")));
        }
        let mut out = Spatial { values: [0; 3], rank: values.len() as u8 };
        for (to, &v) in out.values.iter_mut().zip(values) {
            *to = i32::try_from(v).map_err(|_| Error::value(op, format!("the number {v} does not fit into 32 bits")))?;
        }
        Ok(out)
    }

    /// The numbers of the dimensions from a part of a shape.
    ///
    /// # Errors
    /// As [`new`](Spatial::new).
    pub fn of_shape(op: &'static str, sizes: &[usize]) -> Result<Spatial> {
        let sizes: smallvec::SmallVec<[isize; 3]> = sizes.iter().map(|&n| isize::try_from(n).unwrap_or(isize::MAX)).collect();
        Spatial::new(op, &sizes)
    }

    /// The same number for each of `rank` dimensions, at most three.
    pub fn all(value: i32, rank: usize) -> Spatial {
        Spatial { values: [value; 3], rank: rank.min(3) as u8 }.tidy()
    }

    /// Unused numbers are zero, so that equal ones compare equal.
    fn tidy(mut self) -> Spatial {
        self.values[self.rank as usize..].fill(0);
        self
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[i32] {
        &self.values[..self.rank as usize]
    }

    /// The numbers, one after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = i32> + '_ {
        self.as_slice().iter().copied()
    }

    /// The number of a dimension; 0 beyond the last.
    pub fn get(&self, dim: usize) -> isize {
        self.as_slice().get(dim).map_or(0, |&v| v as isize)
    }

    /// As sizes of dimensions, negative ones as 0.
    pub fn sizes(&self) -> Shape {
        self.iter().map(|v| v.max(0) as usize).collect()
    }
}

impl fmt::Debug for Spatial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// An error if numbers are of another rank, or one is below a limit.
pub(super) fn at_least(op: &'static str, what: &str, values: &Spatial, rank: usize, limit: i32) -> Result<()> {
    if values.rank() != rank {
        return Err(Error::value(op, format!("{what} {values:?} has {} numbers, wanted {rank}", values.rank())));
    }
    if values.iter().any(|v| v < limit) {
        return Err(Error::value(op, format!("{what} must be at least {limit}, got {values:?}")));
    }
    Ok(())
}

/// One result, whose size follows from parameters: it may be larger than memory can be.
pub(super) fn sized(name: &'static str, shape: Shape, dtype: DType) -> Result<Metas> {
    check_size(name, &shape, dtype)?;
    one(shape, dtype)
}
