//! What is computed of elements that fall together: how one element counts, and how two results join.

use std::marker::PhantomData;

use rushlight_backend::{Complex32, Complex64, bf16, f16};

use crate::buffer::{Bool, Plain};

/// A reduction of elements `T`. A block of elements is reduced in `Lane`s, many side by side, and the results of blocks are merged as
/// `Wide`s, which hold at least as many digits. There are few types of those, so that all that is around the blocks is compiled few times.
pub(super) trait Kernel: Send + Sync + 'static {
    type T: Plain;
    type Lane: Copy + Send + Sync;
    type Wide: Wide;
    /// What is known of an output before: the mean, for the variance.
    type Param: Copy + Default + Send + Sync;
    /// The result of nothing.
    const IDENTITY: Self::Lane;
    /// How the results of blocks are merged.
    const MERGE: Merge;
    /// Whether the innermost loops are compiled for every level of vector instructions: for the types that matter.
    const HOT: bool;
    fn lift(x: Self::T, p: Self::Param) -> Self::Lane;
    fn join(a: Self::Lane, b: Self::Lane) -> Self::Lane;
    fn widen(a: Self::Lane) -> Self::Wide;
}

/// How results of blocks are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    Add,
    Mul,
    Max,
    Min,
}

/// What results of blocks are merged in: `f64` for real numbers, `i64` (wrapping) for integers and truth values, or `Complex64`.
pub(crate) trait Wide: Arith {
    /// Whether this is the larger (`max`) or smaller, or NaN. Complex numbers have no order: never.
    fn beats(self, other: Self, max: bool) -> bool;
}

impl Wide for f64 {
    #[inline(always)]
    fn beats(self, other: f64, max: bool) -> bool {
        (if max { self > other } else { self < other }) | self.is_nan()
    }
}

impl Wide for i64 {
    #[inline(always)]
    fn beats(self, other: i64, max: bool) -> bool {
        if max { self > other } else { self < other }
    }
}

impl Wide for Complex64 {
    #[inline(always)]
    fn beats(self, _: Complex64, _: bool) -> bool {
        false
    }
}

impl Merge {
    /// Two results as one.
    #[inline(always)]
    pub(crate) fn of<W: Wide>(self, a: W, b: W) -> W {
        match self {
            Merge::Add => a.plus(b),
            Merge::Mul => a.times(b),
            Merge::Max | Merge::Min => {
                if a.beats(b, self == Merge::Max) {
                    a
                } else {
                    b
                }
            }
        }
    }
}

/// Arithmetic in which elements are reduced; integers wrap.
pub(crate) trait Arith: Copy + Default + Send + Sync + 'static {
    const ZERO: Self;
    const ONE: Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
}

macro_rules! arith {
    ($($t:ty: $zero:expr, $one:expr, $plus:expr, $minus:expr, $times:expr;)*) => {$(
        impl Arith for $t {
            const ZERO: Self = $zero;
            const ONE: Self = $one;
            #[inline(always)]
            fn plus(self, other: Self) -> Self { $plus(self, other) }
            #[inline(always)]
            fn minus(self, other: Self) -> Self { $minus(self, other) }
            #[inline(always)]
            fn times(self, other: Self) -> Self { $times(self, other) }
        }
    )*};
}
arith! {
    u8: 0, 1, u8::wrapping_add, u8::wrapping_sub, u8::wrapping_mul;
    i8: 0, 1, i8::wrapping_add, i8::wrapping_sub, i8::wrapping_mul;
    i16: 0, 1, i16::wrapping_add, i16::wrapping_sub, i16::wrapping_mul;
    i32: 0, 1, i32::wrapping_add, i32::wrapping_sub, i32::wrapping_mul;
    i64: 0, 1, i64::wrapping_add, i64::wrapping_sub, i64::wrapping_mul;
    f32: 0.0, 1.0, |a, b| a + b, |a, b| a - b, |a, b| a * b;
    f64: 0.0, 1.0, |a, b| a + b, |a, b| a - b, |a, b| a * b;
    Complex32: Complex32::new(0.0, 0.0), Complex32::new(1.0, 0.0), |a, b| a + b, |a, b| a - b, |a, b| a * b;
    Complex64: Complex64::new(0.0, 0.0), Complex64::new(1.0, 0.0), |a, b| a + b, |a, b| a - b, |a, b| a * b;
}

/// An element type with arithmetic: in what its blocks are summed, and in what the sums of blocks.
pub(crate) trait Number: Plain {
    type Lane: Arith;
    type Wide: Wide;
    /// Whether the type has loops for every level of vector instructions.
    const HOT: bool;
    fn lane(self) -> Self::Lane;
    fn wide(lane: Self::Lane) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
}

/// Numbers that have means.
pub(super) trait Fraction: Number {
    /// A sum divided by a count.
    fn over(wide: Self::Wide, n: usize) -> Self::Wide;
}

/// Real numbers, which have variances.
pub(super) trait Real: Fraction<Wide = f64> {
    /// A mean, rounded to what the elements are compared with.
    fn pivot(mean: f64) -> Self::Lane;
}

macro_rules! number {
    ($($t:ty, $lane:ty, $wide:ty, $hot:expr, |$x:ident| $to:expr, |$l:ident| $widen:expr, |$w:ident| $narrow:expr;)*) => {$(
        impl Number for $t {
            type Lane = $lane;
            type Wide = $wide;
            const HOT: bool = $hot;
            #[inline(always)]
            fn lane(self) -> $lane { let $x = self; $to }
            #[inline(always)]
            fn wide($l: $lane) -> $wide { $widen }
            #[inline(always)]
            fn narrow($w: $wide) -> $t { $narrow }
        }
    )*};
}
number! {
    u8, u8, i64, false, |x| x, |l| l as i64, |w| w as u8;
    i8, i8, i64, false, |x| x, |l| l as i64, |w| w as i8;
    i16, i16, i64, false, |x| x, |l| l as i64, |w| w as i16;
    i32, i32, i64, false, |x| x, |l| l as i64, |w| w as i32;
    i64, i64, i64, true, |x| x, |l| l, |w| w;
    f16, f32, f64, false, |x| x.to_f32(), |l| l as f64, |w| f16::from_f32(w as f32);
    bf16, f32, f64, true, |x| x.to_f32(), |l| l as f64, |w| bf16::from_f32(w as f32);
    f32, f32, f64, true, |x| x, |l| l as f64, |w| w as f32;
    f64, f64, f64, true, |x| x, |l| l, |w| w;
    Complex32, Complex32, Complex64, false, |x| x, |l| Complex64::new(l.re as f64, l.im as f64),
        |w| Complex32::new(w.re as f32, w.im as f32);
    Complex64, Complex64, Complex64, false, |x| x, |l| l, |w| w;
}

macro_rules! fraction {
    ($($t:ty),*) => {$(
        impl Fraction for $t {
            #[inline(always)]
            fn over(wide: Self::Wide, n: usize) -> Self::Wide { wide / n as f64 }
        }
    )*};
}
fraction!(f16, bf16, f32, f64, Complex32, Complex64);

macro_rules! real {
    ($($t:ty: $lane:ty),*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn pivot(mean: f64) -> $lane { mean as $lane }
        }
    )*};
}
real!(f16: f32, bf16: f32, f32: f32, f64: f64);

/// The sum.
pub(super) struct Sum<T>(PhantomData<T>);

impl<T: Number> Kernel for Sum<T> {
    type T = T;
    type Lane = T::Lane;
    type Wide = T::Wide;
    type Param = ();
    const IDENTITY: T::Lane = T::Lane::ZERO;
    const MERGE: Merge = Merge::Add;
    const HOT: bool = T::HOT;
    #[inline(always)]
    fn lift(x: T, _: ()) -> T::Lane {
        x.lane()
    }
    #[inline(always)]
    fn join(a: T::Lane, b: T::Lane) -> T::Lane {
        a.plus(b)
    }
    #[inline(always)]
    fn widen(a: T::Lane) -> T::Wide {
        T::wide(a)
    }
}

/// The product.
pub(super) struct Prod<T>(PhantomData<T>);

impl<T: Number> Kernel for Prod<T> {
    type T = T;
    type Lane = T::Lane;
    type Wide = T::Wide;
    type Param = ();
    const IDENTITY: T::Lane = T::Lane::ONE;
    const MERGE: Merge = Merge::Mul;
    const HOT: bool = false;
    #[inline(always)]
    fn lift(x: T, _: ()) -> T::Lane {
        x.lane()
    }
    #[inline(always)]
    fn join(a: T::Lane, b: T::Lane) -> T::Lane {
        a.times(b)
    }
    #[inline(always)]
    fn widen(a: T::Lane) -> T::Wide {
        T::wide(a)
    }
}

/// The sum of squared deviations from a given mean.
pub(super) struct Squares<T>(PhantomData<T>);

impl<T: Real> Kernel for Squares<T> {
    type T = T;
    type Lane = T::Lane;
    type Wide = f64;
    type Param = T::Lane;
    const IDENTITY: T::Lane = T::Lane::ZERO;
    const MERGE: Merge = Merge::Add;
    const HOT: bool = T::HOT;
    #[inline(always)]
    fn lift(x: T, mean: T::Lane) -> T::Lane {
        let d = x.lane().minus(mean);
        d.times(d)
    }
    #[inline(always)]
    fn join(a: T::Lane, b: T::Lane) -> T::Lane {
        a.plus(b)
    }
    #[inline(always)]
    fn widen(a: T::Lane) -> f64 {
        T::wide(a)
    }
}

/// An element type with an order: in what its elements are compared. NaN beats everything.
pub(super) trait Ordered: Plain {
    type Key: Copy + PartialOrd + Default + Send + Sync + 'static;
    type Wide: Wide;
    const LOWEST: Self::Key;
    const HIGHEST: Self::Key;
    const HOT: bool;
    fn key(self) -> Self::Key;
    fn wide(key: Self::Key) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
}

macro_rules! ordered {
    ($($t:ty, $key:ident, $wide:ty, $hot:expr, [$low:ident, $high:ident], |$x:ident| $to:expr, |$w:ident| $from:expr;)*) => {$(
        impl Ordered for $t {
            type Key = $key;
            type Wide = $wide;
            const LOWEST: $key = $key::$low;
            const HIGHEST: $key = $key::$high;
            const HOT: bool = $hot;
            #[inline(always)]
            fn key(self) -> $key { let $x = self; $to }
            #[inline(always)]
            fn wide(key: $key) -> $wide { key as $wide }
            #[inline(always)]
            fn narrow($w: $wide) -> $t { $from }
        }
    )*};
}
ordered! {
    u8, u8, i64, false, [MIN, MAX], |x| x, |w| w as u8;
    i8, i8, i64, false, [MIN, MAX], |x| x, |w| w as i8;
    i16, i16, i64, false, [MIN, MAX], |x| x, |w| w as i16;
    i32, i32, i64, false, [MIN, MAX], |x| x, |w| w as i32;
    i64, i64, i64, true, [MIN, MAX], |x| x, |w| w;
    f16, f32, f64, false, [NEG_INFINITY, INFINITY], |x| x.to_f32(), |w| f16::from_f32(w as f32);
    bf16, f32, f64, false, [NEG_INFINITY, INFINITY], |x| x.to_f32(), |w| bf16::from_f32(w as f32);
    f32, f32, f64, true, [NEG_INFINITY, INFINITY], |x| x, |w| w as f32;
    f64, f64, f64, true, [NEG_INFINITY, INFINITY], |x| x, |w| w;
}

/// Whether a key is NaN.
#[inline(always)]
#[allow(clippy::eq_op)]
pub(super) fn is_nan<K: PartialOrd>(k: K) -> bool {
    k != k
}

/// Whether `a` comes before `b`: it is larger (`MAX`) or smaller, or NaN.
#[inline(always)]
pub(super) fn beats<K: PartialOrd + Copy, const MAX: bool>(a: K, b: K) -> bool {
    (if MAX { a > b } else { a < b }) | is_nan(a)
}

/// The largest (`MAX`) or smallest element.
pub(super) struct Extreme<T, const MAX: bool>(PhantomData<T>);

impl<T: Ordered, const MAX: bool> Kernel for Extreme<T, MAX> {
    type T = T;
    type Lane = T::Key;
    type Wide = T::Wide;
    type Param = ();
    const IDENTITY: T::Key = if MAX { T::LOWEST } else { T::HIGHEST };
    const MERGE: Merge = if MAX { Merge::Max } else { Merge::Min };
    const HOT: bool = T::HOT;
    #[inline(always)]
    fn lift(x: T, _: ()) -> T::Key {
        x.key()
    }
    #[inline(always)]
    fn join(a: T::Key, b: T::Key) -> T::Key {
        if beats::<T::Key, MAX>(a, b) { a } else { b }
    }
    #[inline(always)]
    fn widen(a: T::Key) -> T::Wide {
        T::wide(a)
    }
}

/// Whether an element is non-zero.
pub(super) trait Truth: Plain {
    fn truth(self) -> bool;
}

macro_rules! truth {
    ($($t:ty),*) => {$(
        impl Truth for $t {
            #[inline(always)]
            fn truth(self) -> bool { self != <$t>::default() }
        }
    )*};
}
truth!(Bool, i16, i32, i64, f16, bf16, f32, f64, Complex32, Complex64);

/// Whether all (`ALL`) or any of the elements are non-zero, as 1 or 0.
pub(super) struct Logical<T, const ALL: bool>(PhantomData<T>);

impl<T: Truth, const ALL: bool> Kernel for Logical<T, ALL> {
    type T = T;
    type Lane = u8;
    type Wide = i64;
    type Param = ();
    const IDENTITY: u8 = ALL as u8;
    const MERGE: Merge = if ALL { Merge::Min } else { Merge::Max };
    const HOT: bool = false;
    #[inline(always)]
    fn lift(x: T, _: ()) -> u8 {
        x.truth() as u8
    }
    #[inline(always)]
    fn join(a: u8, b: u8) -> u8 {
        if ALL { a & b } else { a | b }
    }
    #[inline(always)]
    fn widen(a: u8) -> i64 {
        i64::from(a)
    }
}
