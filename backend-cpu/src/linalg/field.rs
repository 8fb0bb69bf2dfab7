//! The numbers of this family: single precision is computed in double, so that there is one copy of every algorithm for real and one for
//! complex numbers.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use rushlight_backend::{Arg, Complex32, Complex64, DType, Result, Storage};

use crate::buffer::{CpuBuffer, Plain, cpu, typed, typed_mut};
use crate::gemm::{Bias, Output, Strided, product};
use crate::shape::contiguous;

/// A row-major matrix inside of another: element `[0, 0]` is the first, and rows are `step` apart.
#[derive(Clone, Copy)]
pub(super) struct Mat<'a, T> {
    pub(super) data: &'a [T],
    pub(super) step: usize,
}

impl<'a, T> Mat<'a, T> {
    /// The part that begins at an element.
    pub(super) fn at(self, row: usize, column: usize) -> Mat<'a, T> {
        Mat { data: &self.data[row * self.step + column..], step: self.step }
    }
}

#[cfg(feature = "linalg")]
pub(super) use rushlight_backend_cpu_linalg::Spectral;

/// Without the feature `linalg` every number will do.
#[cfg(not(feature = "linalg"))]
pub(super) trait Spectral {}
#[cfg(not(feature = "linalg"))]
impl<T> Spectral for T {}

/// `f64` or `Complex64`.
pub(super) trait Field:
    Plain
    + Spectral
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
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
    /// `C += A B`, C of `m x n` with rows `step` apart, A of `m x k`.
    fn add_product(c: &mut [Self], step: usize, a: Mat<'_, Self>, b: Mat<'_, Self>, m: usize, n: usize, k: usize) -> Result<()>;

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
    fn add_product(c: &mut [f64], step: usize, a: Mat<'_, f64>, b: Mat<'_, f64>, m: usize, n: usize, k: usize) -> Result<()> {
        if m * n * k == 0 {
            return Ok(());
        }
        assert!(n <= step && c.len() >= (m - 1) * step + n, "linalg: sizes of a product");
        let a = Strided { data: a.data, start: 0, line_step: a.step as isize, k_step: 1 };
        let b = Strided { data: b.data, start: 0, line_step: 1, k_step: b.step as isize };
        let out = Output { data: c.as_mut_ptr(), strides: (step as isize, 1), accumulate: true, bias: Bias::None, relu: false };
        // SAFETY: the elements lie inside of `c`, as asserted, which is borrowed.
        unsafe { product(m, n, k, a, b, out) }
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
    fn add_product(c: &mut [Self], step: usize, a: Mat<'_, Self>, b: Mat<'_, Self>, m: usize, n: usize, k: usize) -> Result<()> {
        if m * n * k == 0 {
            return Ok(());
        }
        // Four products of the parts.
        let parts = |x: Mat<'_, Self>, rows: usize, columns: usize| -> (Vec<f64>, Vec<f64>) {
            x.data.chunks(x.step).take(rows).flat_map(|row| &row[..columns]).map(|x| (x.re, x.im)).unzip()
        };
        let ((ar, ai), (br, bi)) = (parts(a, m, k), parts(b, k, n));
        let minus: Vec<f64> = ai.iter().map(|x| -x).collect();
        let (mut re, mut im) = (vec![0.0; m * n], vec![0.0; m * n]);
        for (to, a, b) in [(&mut re, &ar, &br), (&mut im, &ar, &bi)] {
            f64::add_product(to, n, Mat { data: a, step: k }, Mat { data: b, step: n }, m, n, k)?;
        }
        f64::add_product(&mut re, n, Mat { data: &minus, step: k }, Mat { data: &bi, step: n }, m, n, k)?;
        f64::add_product(&mut im, n, Mat { data: &ai, step: k }, Mat { data: &br, step: n }, m, n, k)?;
        for (row, (re, im)) in c.chunks_mut(step).zip(re.chunks_exact(n).zip(im.chunks_exact(n))) {
            for (c, (&re, &im)) in row.iter_mut().zip(re.iter().zip(im)) {
                *c += Complex64::new(re, im);
            }
        }
        Ok(())
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
    Ok(Storage::new(buffer))
}

/// int32 results.
pub(super) fn store_ints(values: &[i32]) -> Result<Storage> {
    let mut buffer = CpuBuffer::new(size_of_val(values))?;
    typed_mut::<i32>(&mut buffer)[..values.len()].copy_from_slice(values);
    Ok(Storage::new(buffer))
}

/// `y -= a * x`, element by element.
#[inline(always)]
pub(super) fn axpy<T: Field>(y: &mut [T], a: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y -= a * x;
    }
}

/// `sum conj(x) y`.
#[inline(always)]
pub(super) fn inner<T: Field>(x: &[T], y: &[T]) -> T {
    // Sums side by side, so that they need not wait for each other.
    let mut sums = [T::ZERO; 16];
    let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
    let rest = xs.remainder().iter().zip(ys.remainder()).fold(T::ZERO, |s, (&x, &y)| s + x.conj() * y);
    for (x, y) in xs.zip(ys) {
        for i in 0..16 {
            sums[i] += x[i].conj() * y[i];
        }
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    sums[0] + rest
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

/// The transpose of a row-major `m x n` matrix: its columns one after the other. By tiles, so that lines of the cache are used whole.
pub(super) fn transposed<T: Field>(a: &[T], m: usize, n: usize) -> Vec<T> {
    const TILE: usize = 8;
    let mut out = vec![T::ZERO; m * n];
    for i0 in (0..m).step_by(TILE) {
        for j0 in (0..n).step_by(TILE) {
            for j in j0..(j0 + TILE).min(n) {
                for (i, to) in (i0..m).zip(&mut out[j * m + i0..(j * m + m).min(j * m + i0 + TILE)]) {
                    *to = a[i * n + j];
                }
            }
        }
    }
    out
}
