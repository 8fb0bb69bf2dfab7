//! Averages of windows, and their transposes.

use rushlight_backend::op::Divisor;
use rushlight_backend::{bf16, f16};

use super::axis::{Axes, Span};
use crate::buffer::Plain;

/// An element type that is averaged: in a wider type, where it is a half.
pub(super) trait Mean: Plain {
    type Sum: Copy + Default;
    fn add(sum: Self::Sum, x: Self) -> Self::Sum;
    /// Integers truncate.
    fn divide(sum: Self::Sum, by: i64) -> Self;
    /// The sum of two elements, for gradients.
    fn plus(self, other: Self) -> Self;
}

macro_rules! mean {
    ($($t:ty: $sum:ty, |$s:ident, $x:ident| $add:expr, |$d:ident, $by:ident| $div:expr;)*) => {$(
        impl Mean for $t {
            type Sum = $sum;
            #[inline(always)]
            fn add($s: $sum, $x: $t) -> $sum { $add }
            #[inline(always)]
            fn divide($d: $sum, $by: i64) -> $t { $div }
            #[inline(always)]
            fn plus(self, other: $t) -> $t {
                let sum = <$t as Mean>::add(<$t as Mean>::add(Default::default(), self), other);
                <$t as Mean>::divide(sum, 1)
            }
        }
    )*};
}
mean! {
    f32: f32, |s, x| s + x, |s, by| s / by as f32;
    f64: f64, |s, x| s + x, |s, by| s / by as f64;
    f16: f32, |s, x| s + x.to_f32(), |s, by| f16::from_f32(s / by as f32);
    bf16: f32, |s, x| s + x.to_f32(), |s, by| bf16::from_f32(s / by as f32);
    u8: i64, |s, x| s + i64::from(x), |s, by| (s / by) as u8;
    i8: i64, |s, x| s + i64::from(x), |s, by| (s / by) as i8;
    i16: i64, |s, x| s + i64::from(x), |s, by| (s / by) as i16;
    i32: i64, |s, x| s + i64::from(x), |s, by| (s / by) as i32;
    i64: i64, |s, x| s.wrapping_add(x), |s, by| s.wrapping_div(by);
}

fn divisor(kind: Divisor, spans: [Span; 3]) -> i64 {
    match kind {
        Divisor::Fixed(n) => n,
        Divisor::Padded => spans.iter().map(|s| s.padded as i64).product(),
        Divisor::Inside => spans.iter().map(|s| s.count as i64).product(),
    }
}

/// The averages of a plane.
pub(super) fn forward<T: Mean>(axes: &Axes, kind: Divisor, x: &[T], y: &mut [T]) {
    axes.windows(|at, spans| {
        let mut sum = T::Sum::default();
        axes.rows(spans, |start, count, step| {
            if step == 1 {
                sum = x[start..start + count].iter().fold(sum, |s, &x| T::add(s, x));
            } else {
                sum = (0..count).fold(sum, |s, i| T::add(s, x[start + i * step]));
            }
        });
        // A window without a place inside has the sum 0 and perhaps the divisor 0.
        let by = divisor(kind, spans);
        y[at] = if by == 0 { T::default() } else { T::divide(sum, by) };
    });
}

/// The gradient of a plane from that of its averages.
pub(super) fn backward<T: Mean>(axes: &Axes, kind: Divisor, g: &[T], dx: &mut [T]) {
    dx.fill(T::default());
    axes.windows(|at, spans| {
        let by = divisor(kind, spans);
        if by == 0 {
            return;
        }
        let share = T::divide(T::add(T::Sum::default(), g[at]), by);
        axes.rows(spans, |start, count, step| {
            for x in dx[start..].iter_mut().step_by(step).take(count) {
                *x = x.plus(share);
            }
        });
    });
}
