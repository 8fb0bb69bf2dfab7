//! Lists of sizes and dimension numbers as arguments.

use rushlight_backend::{Error, Result, Shape};
use smallvec::SmallVec;

/// Sizes or dimension numbers; negative ones have the meaning that the method gives them.
pub type Sizes = SmallVec<[isize; 5]>;

/// What can be given where sizes or dimension numbers are wanted: `3`, `[2, 3]`, `&[0, -1]`, `x.shape()`, a `Vec`.
pub trait IntoSizes {
    /// The numbers.
    fn into_sizes(self) -> Sizes;
}

macro_rules! sizes {
    ($($t:ty),*) => {$(
        impl IntoSizes for $t {
            fn into_sizes(self) -> Sizes { smallvec::smallvec![self as isize] }
        }
        impl<const N: usize> IntoSizes for [$t; N] {
            fn into_sizes(self) -> Sizes { self.iter().map(|&n| n as isize).collect() }
        }
        impl<const N: usize> IntoSizes for &[$t; N] {
            fn into_sizes(self) -> Sizes { self.iter().map(|&n| n as isize).collect() }
        }
        impl IntoSizes for &[$t] {
            fn into_sizes(self) -> Sizes { self.iter().map(|&n| n as isize).collect() }
        }
        impl IntoSizes for Vec<$t> {
            fn into_sizes(self) -> Sizes { self.iter().map(|&n| n as isize).collect() }
        }
        impl IntoSizes for &Vec<$t> {
            fn into_sizes(self) -> Sizes { self.iter().map(|&n| n as isize).collect() }
        }
    )*};
}
sizes!(i32, i64, isize, usize);

impl IntoSizes for () {
    fn into_sizes(self) -> Sizes {
        Sizes::new()
    }
}

impl IntoSizes for Sizes {
    fn into_sizes(self) -> Sizes {
        self
    }
}

/// Sizes as a shape, none of them negative.
pub(crate) fn shape(op: &'static str, sizes: impl IntoSizes) -> Result<Shape> {
    let sizes = sizes.into_sizes();
    sizes
        .iter()
        .map(|&n| usize::try_from(n).map_err(|_| Error::shape(op, format!("sizes must not be negative, got {:?}", sizes.as_slice()))))
        .collect()
}
