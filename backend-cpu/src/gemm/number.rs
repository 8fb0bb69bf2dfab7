//! The types that matrices may have as elements.

use crate::buffer::Plain;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Level, level};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::kernel::{Kernels, kernels};
#[cfg(feature = "blas")]
use super::{Output, Strided};

/// An element type with microkernels. Integers wrap around.
pub(crate) trait Number: Plain {
    /// `self + other`
    fn plus(self, other: Self) -> Self;
    /// `self * other`
    fn times(self, other: Self) -> Self;
    /// The larger of the number and 0; NaN stays.
    fn relu(self) -> Self;
    /// The microkernels for this machine.
    fn kernels() -> Kernels<Self>;
    /// C = A B (+ C) (+ bias) by the library that a feature asks for; no if it has no such product.
    ///
    /// # Safety
    /// As [`gemm`](super::gemm).
    #[cfg(feature = "blas")]
    unsafe fn blas(_m: usize, _n: usize, _k: usize, _a: Strided<'_, Self>, _b: Strided<'_, Self>, _out: Output<'_, Self>) -> bool {
        false
    }
}

macro_rules! floats {
    ($($t:ident: $v512:ty, $v256:ty, $v128:ty;)*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self + other }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self * other }
            #[inline(always)]
            fn relu(self) -> Self { if self < 0.0 { 0.0 } else { self } }
            kernels!($t, $v512: 1 2 3 4 5 6 7 8 9 10 11 12, $v256: 1 2 3 4 5 6, $v128: 1 2 3 4);
            #[cfg(feature = "blas")]
            unsafe fn blas(m: usize, n: usize, k: usize, a: Strided<'_, $t>, b: Strided<'_, $t>, out: Output<'_, $t>) -> bool {
                let (m, n, a, b, out) = if out.strides.1 == 1 { (m, n, a, b, out) } else { (n, m, b, a, out.transposed()) };
                let Ok(step) = usize::try_from(out.strides.0) else { return false };
                if out.strides.1 != 1 || (m > 1 && step < n) {
                    return false;
                }
                let Some(product) = super::blas::Product::new(m, n, k, a, b) else { return false };
                // SAFETY: the caller answers for the output, whose rows are runs that do not overlap.
                unsafe {
                    let done = product.run(out.data, step, out.accumulate);
                    if done {
                        out.finish_all(m, n);
                    }
                    done
                }
            }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
floats! {
    f32: __m512, __m256, [f32; 4];
    f64: __m512d, __m256d, [f64; 2];
}
#[cfg(not(target_arch = "x86_64"))]
floats! {
    f32: [f32; 4], [f32; 4], [f32; 4];
    f64: [f64; 2], [f64; 2], [f64; 2];
}

macro_rules! integers {
    ($($t:ident: $l512:literal $l256:literal $l128:literal;)*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline(always)]
            fn relu(self) -> Self { self.max(0) }
            kernels!($t, [$t; $l512]: 1 2 3 4, [$t; $l256]: 1 2 3 4, [$t; $l128]: 1 2 3 4);
        }
    )*};
}

integers! {
    u8: 64 32 16;
    i8: 64 32 16;
    i16: 32 16 8;
    i32: 16 8 4;
    i64: 8 4 2;
}

#[cfg(target_arch = "x86_64")]
macro_rules! vectors {
    ($($v:ty, $t:ty, $lanes:literal: $load:ident $store:ident $splat:ident $fma:ident $plus:ident |$x:ident| $total:expr;)*) => {$(
        impl super::kernel::Vector<$t> for $v {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn load(p: *const $t) -> Self {
                // SAFETY: the caller promises the elements, and has the instructions; so for all of these.
                unsafe { $load(p) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $t) {
                // SAFETY: as in `load`.
                unsafe { $store(p, self) }
            }
            #[inline(always)]
            unsafe fn splat(x: $t) -> Self {
                // SAFETY: as in `load`.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn add_product(self, a: Self, b: Self) -> Self {
                // SAFETY: as in `load`.
                unsafe { $fma(a, b, self) }
            }
            #[inline(always)]
            unsafe fn plus(self, other: Self) -> Self {
                // SAFETY: as in `load`.
                unsafe { $plus(self, other) }
            }
            #[inline(always)]
            unsafe fn total(self) -> $t {
                let $x = self;
                // SAFETY: as in `load`.
                unsafe { $total }
            }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
vectors! {
    __m512, f32, 16: _mm512_loadu_ps _mm512_storeu_ps _mm512_set1_ps _mm512_fmadd_ps _mm512_add_ps |x| _mm512_reduce_add_ps(x);
    __m512d, f64, 8: _mm512_loadu_pd _mm512_storeu_pd _mm512_set1_pd _mm512_fmadd_pd _mm512_add_pd |x| _mm512_reduce_add_pd(x);
    __m256, f32, 8: _mm256_loadu_ps _mm256_storeu_ps _mm256_set1_ps _mm256_fmadd_ps _mm256_add_ps |x| {
        let half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let two = _mm_add_ps(half, _mm_movehl_ps(half, half));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    };
    __m256d, f64, 4: _mm256_loadu_pd _mm256_storeu_pd _mm256_set1_pd _mm256_fmadd_pd _mm256_add_pd |x| {
        let half = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)))
    };
}
