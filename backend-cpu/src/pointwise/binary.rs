//! The functions of two numbers, as loops over slices.

use num_complex::{Complex, ComplexFloat};
use rushlight_backend::op::{Binary, Rounding};

use super::drive::{Lane, Val};
use super::float::Float;
use super::int::Int;
use crate::buffer::Bool;
use crate::simd::dispatch;

/// A function of two numbers as loops over two slices, a slice and a number, and a number and a slice.
#[derive(Clone, Copy)]
pub(super) struct Loops<T, U> {
    both: fn(&[T], &[T], &mut [U]),
    right_one: fn(&[T], T, &mut [U]),
    left_one: fn(T, &[T], &mut [U]),
}

impl<T: Copy, U: Copy> Loops<T, U> {
    #[inline(always)]
    pub(super) fn run(&self, x: Val<'_, T>, y: Val<'_, T>, out: &mut [U]) {
        match (x, y) {
            (Val::Slice(x), Val::Slice(y)) => (self.both)(x, y, out),
            (Val::Slice(x), Val::One(y)) => (self.right_one)(x, y, out),
            (Val::One(x), Val::Slice(y)) => (self.left_one)(x, y, out),
            (Val::One(x), Val::One(y)) => {
                if let Some((first, rest)) = out.split_first_mut() {
                    (self.left_one)(x, &[y], std::slice::from_mut(first));
                    rest.fill(*first);
                }
            }
        }
    }
}

/// Loops over floats, compiled for each SIMD level.
macro_rules! simd {
    ($u:ty, $FMA:ident, |$x:ident, $y:ident| $e:expr) => {{
        #[inline(always)]
        fn both_body<T: Float, const $FMA: bool>(xs: &[T], ys: &[T], out: &mut [$u]) {
            for ((o, &$x), &$y) in out.iter_mut().zip(xs).zip(ys) {
                *o = $e;
            }
        }
        #[inline(always)]
        fn right_body<T: Float, const $FMA: bool>(xs: &[T], $y: T, out: &mut [$u]) {
            for (o, &$x) in out.iter_mut().zip(xs) {
                *o = $e;
            }
        }
        #[inline(always)]
        fn left_body<T: Float, const $FMA: bool>($x: T, ys: &[T], out: &mut [$u]) {
            for (o, &$y) in out.iter_mut().zip(ys) {
                *o = $e;
            }
        }
        dispatch! { fn both<T: Float>(xs: &[T], ys: &[T], out: &mut [$u]) = both_body; }
        dispatch! { fn right_one<T: Float>(xs: &[T], y: T, out: &mut [$u]) = right_body; }
        dispatch! { fn left_one<T: Float>(x: T, ys: &[T], out: &mut [$u]) = left_body; }
        Loops { both: both::<T>, right_one: right_one::<T>, left_one: left_one::<T> }
    }};
}

/// Loops that are compiled once.
macro_rules! plain {
    (|$x:ident, $y:ident| $e:expr) => {
        Loops {
            both: |xs, ys, out| {
                for ((o, &$x), &$y) in out.iter_mut().zip(xs).zip(ys) {
                    *o = $e;
                }
            },
            right_one: |xs, $y, out| {
                for (o, &$x) in out.iter_mut().zip(xs) {
                    *o = $e;
                }
            },
            left_one: |$x, ys, out| {
                for (o, &$y) in out.iter_mut().zip(ys) {
                    *o = $e;
                }
            },
        }
    };
}

/// PyTorch's `div_floor_floating`: exact where the quotient is, with the remainder's sign rule of Python.
#[inline(always)]
fn div_floor<T: Float>(x: T, y: T) -> T {
    let zero = T::c(0.0);
    let r = x % y;
    let q = (x - r) / y;
    let q = if r != zero && (y < zero) != (r < zero) { q - T::c(1.0) } else { q };
    let down = q.floor();
    let near = if q - down > T::c(0.5) { down + T::c(1.0) } else { down };
    let near = if q == zero { zero.copysign(x / y) } else { near };
    if y == zero { x / y } else { near }
}

#[inline(always)]
fn remainder<T: Float>(x: T, y: T) -> T {
    let r = x % y;
    if r != T::c(0.0) && (r < T::c(0.0)) != (y < T::c(0.0)) { r + y } else { r }
}

pub(super) fn float<T: Float>(f: Binary) -> Option<Loops<T, T>> {
    use Binary::*;
    Some(match f {
        Add => simd!(T, FMA, |x, y| x + y),
        Sub => simd!(T, FMA, |x, y| x - y),
        Mul => simd!(T, FMA, |x, y| x * y),
        Div(Rounding::None) => simd!(T, FMA, |x, y| x / y),
        Div(Rounding::Trunc) => simd!(T, FMA, |x, y| (x / y).trunc()),
        Div(Rounding::Floor) => plain!(|x, y| div_floor(x, y)),
        Remainder => plain!(|x, y| remainder(x, y)),
        Fmod => plain!(|x, y| x % y),
        Pow => simd!(T, FMA, |x, y| x.pow::<FMA>(y)),
        Maximum => simd!(T, FMA, |x, y| if x > y || x.is_nan() { x } else { y }),
        Minimum => simd!(T, FMA, |x, y| if x < y || x.is_nan() { x } else { y }),
        Atan2 => simd!(T, FMA, |x, y| x.atan2::<FMA>(y)),
        _ => return None,
    })
}

pub(super) fn float_predicate<T: Float>(f: Binary) -> Option<Loops<T, Bool>> {
    use Binary::*;
    Some(match f {
        Eq => simd!(Bool, FMA, |x, y| (x == y).into()),
        Ne => simd!(Bool, FMA, |x, y| (x != y).into()),
        Lt => simd!(Bool, FMA, |x, y| (x < y).into()),
        Le => simd!(Bool, FMA, |x, y| (x <= y).into()),
        Gt => simd!(Bool, FMA, |x, y| (x > y).into()),
        Ge => simd!(Bool, FMA, |x, y| (x >= y).into()),
        LogicalAnd => simd!(Bool, FMA, |x, y| (x != T::c(0.0) && y != T::c(0.0)).into()),
        LogicalOr => simd!(Bool, FMA, |x, y| (x != T::c(0.0) || y != T::c(0.0)).into()),
        LogicalXor => simd!(Bool, FMA, |x, y| ((x != T::c(0.0)) != (y != T::c(0.0))).into()),
        _ => return None,
    })
}

pub(super) fn int<T: Int>(f: Binary) -> Option<Loops<T, T>> {
    use Binary::*;
    Some(match f {
        Add => plain!(|x, y| x.wrapping_add(y)),
        Sub => plain!(|x, y| x.wrapping_sub(y)),
        Mul => plain!(|x, y| x.wrapping_mul(y)),
        Div(Rounding::Trunc) => plain!(|x, y| x.div_trunc(y)),
        Div(Rounding::Floor) => plain!(|x, y| x.div_floor(y)),
        Remainder => plain!(|x, y| x.remainder(y)),
        Fmod => plain!(|x, y| x.fmod(y)),
        Pow => plain!(|x, y| x.pow(y)),
        Maximum => plain!(|x, y| x.max(y)),
        Minimum => plain!(|x, y| x.min(y)),
        BitwiseAnd => plain!(|x, y| x & y),
        BitwiseOr => plain!(|x, y| x | y),
        BitwiseXor => plain!(|x, y| x ^ y),
        _ => return None,
    })
}

pub(super) fn int_predicate<T: Int>(f: Binary) -> Option<Loops<T, Bool>> {
    use Binary::*;
    Some(match f {
        Eq => plain!(|x, y| (x == y).into()),
        Ne => plain!(|x, y| (x != y).into()),
        Lt => plain!(|x, y| (x < y).into()),
        Le => plain!(|x, y| (x <= y).into()),
        Gt => plain!(|x, y| (x > y).into()),
        Ge => plain!(|x, y| (x >= y).into()),
        LogicalAnd => plain!(|x, y| (x != T::default() && y != T::default()).into()),
        LogicalOr => plain!(|x, y| (x != T::default() || y != T::default()).into()),
        LogicalXor => plain!(|x, y| ((x != T::default()) != (y != T::default())).into()),
        _ => return None,
    })
}

pub(super) fn bool(f: Binary) -> Option<Loops<Bool, Bool>> {
    use Binary::*;
    Some(match f {
        Add | LogicalOr | BitwiseOr | Maximum => plain!(|x, y| (x.get() | y.get()).into()),
        Mul | LogicalAnd | BitwiseAnd | Minimum => plain!(|x, y| (x.get() & y.get()).into()),
        LogicalXor | BitwiseXor | Ne => plain!(|x, y| (x.get() ^ y.get()).into()),
        Eq => plain!(|x, y| (x.get() == y.get()).into()),
        Lt => plain!(|x, y| (!x.get() & y.get()).into()),
        Le => plain!(|x, y| (!x.get() | y.get()).into()),
        Gt => plain!(|x, y| (x.get() & !y.get()).into()),
        Ge => plain!(|x, y| (x.get() | !y.get()).into()),
        _ => return None,
    })
}

/// Smith's division: no overflow on the way.
#[inline]
pub(super) fn divide<R: Float>(x: Complex<R>, y: Complex<R>) -> Complex<R> {
    if y.re.abs() >= y.im.abs() {
        if y.re == R::c(0.0) && y.im == R::c(0.0) {
            return Complex { re: x.re / y.re.abs(), im: x.im / y.re.abs() };
        }
        let ratio = y.im / y.re;
        let scale = R::c(1.0) / (y.re + y.im * ratio);
        Complex { re: (x.re + x.im * ratio) * scale, im: (x.im - x.re * ratio) * scale }
    } else {
        let ratio = y.re / y.im;
        let scale = R::c(1.0) / (y.re * ratio + y.im);
        Complex { re: (x.re * ratio + x.im) * scale, im: (x.im * ratio - x.re) * scale }
    }
}

pub(super) fn complex<R: Float>(f: Binary) -> Option<Loops<Complex<R>, Complex<R>>>
where
    Complex<R>: Lane + ComplexFloat,
{
    use Binary::*;
    Some(match f {
        Add => plain!(|x, y| x + y),
        Sub => plain!(|x, y| x - y),
        Mul => plain!(|x, y| x * y),
        Div(Rounding::None) => plain!(|x, y| divide(x, y)),
        Pow => plain!(|x, y| {
            let zero = Complex { re: R::c(0.0), im: R::c(0.0) };
            let one = Complex { re: R::c(1.0), im: R::c(0.0) };
            if y == zero {
                one
            } else if x == zero && y.re > R::c(0.0) {
                zero
            } else {
                (y * ComplexFloat::ln(x)).exp()
            }
        }),
        _ => return None,
    })
}

pub(super) fn complex_predicate<R: Float>(f: Binary) -> Option<Loops<Complex<R>, Bool>>
where
    Complex<R>: Lane,
{
    use Binary::*;
    Some(match f {
        Eq => plain!(|x, y| (x == y).into()),
        Ne => plain!(|x, y| (x != y).into()),
        LogicalAnd => plain!(|x, y| (x != Complex::default() && y != Complex::default()).into()),
        LogicalOr => plain!(|x, y| (x != Complex::default() || y != Complex::default()).into()),
        LogicalXor => plain!(|x, y| ((x != Complex::default()) != (y != Complex::default())).into()),
        _ => return None,
    })
}
