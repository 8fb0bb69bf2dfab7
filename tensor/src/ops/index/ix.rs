//! What stands between the brackets of Python's `x[...]`.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use crate::{Device, Tensor};

/// One index of [`Tensor::i`].
#[derive(Clone)]
pub enum Ix {
    /// One element: its dimension is dropped. Negative numbers count from the back.
    At(isize),
    /// A range, as Python's `start:end:step`. Negative bounds count from the back, and bounds beyond the dimension are cut.
    Range {
        /// The first element.
        start: Option<isize>,
        /// Where it ends, before this element.
        end: Option<isize>,
        /// The distance between elements, positive.
        step: isize,
    },
    /// All the dimensions that other indices leave over.
    Ellipsis,
    /// A new dimension of size 1.
    NewAxis,
    /// The elements that an integer tensor names, or, of a boolean one (over as many dimensions as it has), those where it is true.
    Tensor(Tensor),
    /// A list of elements.
    List(Vec<i64>),
    /// Whether each element is taken.
    Mask(Vec<bool>),
    /// A new dimension, of size 1 if true and 0 if false.
    Bool(bool),
}

/// Python's `...`: all the dimensions that other indices leave over.
#[derive(Clone, Copy, Debug)]
pub struct Ellipsis;

/// A range with a step: Python's `start:end:step`.
pub fn step_by(range: impl IntoIx, step: isize) -> Ix {
    match range.into_ix() {
        Ix::Range { start, end, .. } => Ix::Range { start, end, step },
        other => other,
    }
}

impl Ix {
    /// The index with its lists as tensors.
    pub(super) fn on(self, device: Device) -> crate::Result<Ix> {
        Ok(match self {
            Ix::List(places) => {
                let n = places.len();
                Ix::Tensor(Tensor::from_vec(places, n, device)?)
            }
            Ix::Mask(takes) => {
                let n = takes.len();
                Ix::Tensor(Tensor::from_vec(takes, n, device)?)
            }
            Ix::Bool(b) => Ix::Tensor(Tensor::full((), b, device)?),
            other => other,
        })
    }
}

/// What can be one index: an integer, a range, `..`, [`Ellipsis`], `None` (a new dimension), a tensor, a list.
pub trait IntoIx {
    /// The index.
    fn into_ix(self) -> Ix;
}

/// What can be given to [`Tensor::i`]: one index, or a tuple, list or array of them.
pub trait IntoIndex {
    /// The indices.
    fn into_index(self) -> Vec<Ix>;
}

/// Declares types that are one index.
macro_rules! single {
    ($($t:ty, |$x:ident| $e:expr;)*) => {$(
        impl IntoIx for $t {
            fn into_ix(self) -> Ix { let $x = self; $e }
        }
        impl IntoIndex for $t {
            fn into_index(self) -> Vec<Ix> { vec![self.into_ix()] }
        }
    )*};
}

fn range(start: Option<isize>, end: Option<isize>) -> Ix {
    Ix::Range { start, end, step: 1 }
}

/// One past an inclusive bound; past -1 lies the end.
fn past(end: isize) -> Option<isize> {
    if end == -1 { None } else { end.checked_add(1) }
}

macro_rules! integers {
    ($($t:ty),*) => {
        single! {$(
            $t, |x| Ix::At(x as isize);
            Range<$t>, |x| range(Some(x.start as isize), Some(x.end as isize));
            RangeFrom<$t>, |x| range(Some(x.start as isize), None);
            RangeTo<$t>, |x| range(None, Some(x.end as isize));
            RangeInclusive<$t>, |x| range(Some(*x.start() as isize), past(*x.end() as isize));
            RangeToInclusive<$t>, |x| range(None, past(x.end as isize));
        )*}
    };
}
integers!(i32, i64, isize, usize);
single! {
    RangeFull, |_x| range(None, None);
    Ellipsis, |_x| Ix::Ellipsis;
    bool, |x| Ix::Bool(x);
    Tensor, |x| Ix::Tensor(x);
    &Tensor, |x| Ix::Tensor(x.clone());
    Ix, |x| x;
    Vec<i64>, |x| Ix::List(x);
    &[i64], |x| Ix::List(x.to_vec());
    Vec<bool>, |x| Ix::Mask(x);
}

impl<const N: usize> IntoIx for [i64; N] {
    fn into_ix(self) -> Ix {
        Ix::List(self.to_vec())
    }
}

impl<const N: usize> IntoIndex for [i64; N] {
    fn into_index(self) -> Vec<Ix> {
        vec![self.into_ix()]
    }
}

impl<const N: usize> IntoIx for [bool; N] {
    fn into_ix(self) -> Ix {
        Ix::Mask(self.to_vec())
    }
}

impl<const N: usize> IntoIndex for [bool; N] {
    fn into_index(self) -> Vec<Ix> {
        vec![self.into_ix()]
    }
}

/// `None` is a new dimension.
impl IntoIx for Option<Ellipsis> {
    fn into_ix(self) -> Ix {
        if self.is_none() { Ix::NewAxis } else { Ix::Ellipsis }
    }
}

impl IntoIndex for Option<Ellipsis> {
    fn into_index(self) -> Vec<Ix> {
        vec![self.into_ix()]
    }
}

impl IntoIndex for Vec<Ix> {
    fn into_index(self) -> Vec<Ix> {
        self
    }
}

impl IntoIndex for &[Ix] {
    fn into_index(self) -> Vec<Ix> {
        self.to_vec()
    }
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: IntoIx),*> IntoIndex for ($($name,)*) {
            #[allow(non_snake_case)] // the variables bear the names of their types
            fn into_index(self) -> Vec<Ix> {
                let ($($name,)*) = self;
                vec![$($name.into_ix()),*]
            }
        }
    )*};
}
tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}
