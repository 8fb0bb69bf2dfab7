//! The numbers of this family: single precision is computed in double, so that there is one copy of every algorithm for real and one for
//! complex numbers.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};
use std::sync::Arc;

use rushlight_backend::{Arg, Complex32, Complex64, DType, Result, Storage};

use crate::buffer::{CpuBuffer, Plain, cpu, typed, typed_mut};
use crate::shape::contiguous;

/// `f64` or `Complex64`.
pub(super) trait Field:
    Plain + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self> + AddAssign + SubAssign
{
    const ZERO: Self;
    const ONE: Self;
    /// The dtype of half the size, and how its elements are converted.
    type Single: Plain;
    fn widen(x: Self::Single) -> Self;
    fn narrow(self) -> Self::Single;
    fn of(x: f64) -> Self;
    fn re(self) -> f64;
    fn im(self) -> f64;
    fn conj(self) -> Self;
    fn scale(self, by: f64) -> Self;
    fn abs(self) -> f64;

    fn square(self) -> f64 {
        self.re() * self.re() + self.im() * self.im()
    }
}

impl Field for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    type Single = f32;
    fn widen(x: f32) -> f64 {
        x.into()
    }
    fn narrow(self) -> f32 {
        self as f32
    }
    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn re(self) -> f64 {
        self
    }
    #[inline(always)]
    fn im(self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn conj(self) -> f64 {
        self
    }
    #[inline(always)]
    fn scale(self, by: f64) -> f64 {
        self * by
    }
    #[inline(always)]
    fn abs(self) -> f64 {
        f64::abs(self)
    }
}

impl Field for Complex64 {
    const ZERO: Complex64 = Complex64::new(0.0, 0.0);
    const ONE: Complex64 = Complex64::new(1.0, 0.0);
    type Single = Complex32;
    fn widen(x: Complex32) -> Complex64 {
        Complex64::new(x.re.into(), x.im.into())
    }
    fn narrow(self) -> Complex32 {
        Complex32::new(self.re as f32, self.im as f32)
    }
    fn of(x: f64) -> Complex64 {
        Complex64::new(x, 0.0)
    }
    #[inline(always)]
    fn re(self) -> f64 {
        self.re
    }
    #[inline(always)]
    fn im(self) -> f64 {
        self.im
    }
    #[inline(always)]
    fn conj(self) -> Complex64 {
        Complex64::new(self.re, -self.im)
    }
    #[inline(always)]
    fn scale(self, by: f64) -> Complex64 {
        Complex64::new(self.re * by, self.im * by)
    }
    fn abs(self) -> f64 {
        self.re.hypot(self.im)
    }
}

/// All elements of an input in row-major order.
pub(super) fn load<T: Field>(x: &Arg<'_>) -> Result<Vec<T>> {
    let source = contiguous(x)?;
    let bytes = cpu(&source)?.as_bytes();
    let n = x.layout().numel();
    Ok(match x.dtype() {
        DType::F32 | DType::C64 => typed::<T::Single>(bytes)[..n].iter().map(|&x| T::widen(x)).collect(),
        _ => typed::<T>(bytes)[..n].to_vec(),
    })
}

/// Results as memory of a dtype, of single or double precision.
pub(super) fn store<T: Field>(values: &[T], dtype: DType) -> Result<Storage> {
    let mut buffer = CpuBuffer::new(values.len() * dtype.size())?;
    match dtype {
        DType::F32 | DType::C64 => typed_mut::<T::Single>(&mut buffer).iter_mut().zip(values).for_each(|(o, x)| *o = x.narrow()),
        _ => typed_mut::<T>(&mut buffer)[..values.len()].copy_from_slice(values),
    }
    Ok(Arc::new(buffer))
}

/// int32 results.
pub(super) fn store_ints(values: &[i32]) -> Result<Storage> {
    let mut buffer = CpuBuffer::new(size_of_val(values))?;
    typed_mut::<i32>(&mut buffer)[..values.len()].copy_from_slice(values);
    Ok(Arc::new(buffer))
}

/// `y -= a * x`, element by element.
#[inline]
pub(super) fn subtract<T: Field>(y: &mut [T], a: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y -= a * x;
    }
}

/// `sum conj(x) y`.
#[inline]
pub(super) fn inner<T: Field>(x: &[T], y: &[T]) -> T {
    // Four sums side by side, so that they need not wait for each other.
    let mut sums = [T::ZERO; 4];
    let (xs, ys) = (x.chunks_exact(4), y.chunks_exact(4));
    let rest = xs.remainder().iter().zip(ys.remainder()).fold(T::ZERO, |s, (&x, &y)| s + x.conj() * y);
    for (x, y) in xs.zip(ys) {
        for i in 0..4 {
            sums[i] += x[i].conj() * y[i];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// The Euclidean norm, without overflow.
pub(super) fn norm<T: Field>(x: &[T]) -> f64 {
    let plain: f64 = x.iter().map(|x| x.square()).sum();
    if plain.is_normal() && plain < f64::MAX / 4.0 {
        return plain.sqrt();
    }
    let largest = x.iter().map(|x| x.re().abs().max(x.im().abs())).fold(0.0, f64::max);
    if largest == 0.0 || !largest.is_finite() {
        return plain.sqrt();
    }
    largest * x.iter().map(|x| x.scale(1.0 / largest).square()).sum::<f64>().sqrt()
}

/// The transpose of a row-major `m x n` matrix: its columns one after the other.
pub(super) fn transposed<T: Field>(a: &[T], m: usize, n: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(m * n);
    for j in 0..n {
        out.extend((0..m).map(|i| a[i * n + j]));
    }
    out
}
