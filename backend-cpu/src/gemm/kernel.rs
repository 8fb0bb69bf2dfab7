//! Microkernels: a tile of sums in registers.
//!
//! One generic body over a vector type; AVX-512 keeps 12 x 2 vectors of sums (of 32 registers; 24 multiply-adds for 14 loads), AVX2 6 x 2 (of 16), the
//! portable level 4 x 2 of whatever the compiler makes of arrays of 4.

use std::ops::{Add, Mul};

use crate::buffer::Plain;
use crate::simd::{Level, level};

/// Elements of the largest tile.
pub(crate) const MAX_TILE: usize = 12 * 32;

/// A microkernel: its tile's size, and the function
/// `(kc, a, b, c, row stride of c, add)`: `c[i][j] (+)= sum over k of a[k * mr + i] * b[k * nr + j]`.
pub(crate) struct Kernel<T> {
    pub(crate) mr: usize,
    pub(crate) nr: usize,
    pub(crate) run: unsafe fn(usize, *const T, *const T, *mut T, isize, bool),
}

/// An element type with microkernels.
pub(crate) trait Real: Plain + Add<Output = Self> + Mul<Output = Self> {
    /// The microkernel for this machine.
    fn kernel() -> Kernel<Self>;
}

/// A vector of elements. The methods compile to single instructions where the caller has the vector's `target_feature`.
trait Vector<T>: Copy {
    const LANES: usize;
    unsafe fn zero() -> Self;
    unsafe fn load(p: *const T) -> Self;
    unsafe fn store(self, p: *mut T);
    unsafe fn splat(x: T) -> Self;
    /// `self + a * b`
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    unsafe fn plus(self, other: Self) -> Self;
}

/// # Safety
/// `a` holds kc * M elements, `b` kc * N vectors, `c` M rows of N vectors; the CPU has the vector's instructions.
#[inline(always)]
unsafe fn tile<T: Copy, V: Vector<T>, const M: usize, const N: usize>(
    kc: usize,
    mut a: *const T,
    mut b: *const T,
    c: *mut T,
    rs: isize,
    add: bool,
) {
    // SAFETY: all pointers stay within what the caller promises.
    unsafe {
        let mut sums = [[V::zero(); N]; M];
        for _ in 0..kc {
            let mut right = [V::zero(); N];
            for (j, r) in right.iter_mut().enumerate() {
                *r = V::load(b.add(j * V::LANES));
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let left = V::splat(*a.add(i));
                for (sum, &r) in row.iter_mut().zip(&right) {
                    *sum = sum.add_product(left, r);
                }
            }
            a = a.add(M);
            b = b.add(N * V::LANES);
        }
        for (i, row) in sums.iter().enumerate() {
            for (j, &sum) in row.iter().enumerate() {
                let place = c.offset(i as isize * rs).add(j * V::LANES);
                if add { V::load(place).plus(sum).store(place) } else { sum.store(place) }
            }
        }
    }
}

macro_rules! kernels {
    ($($t:ty: $zmm:ty, $ymm:ty, $small:ty;)*) => {$(
        impl Real for $t {
            fn kernel() -> Kernel<$t> {
                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                    unsafe fn avx512(kc: usize, a: *const $t, b: *const $t, c: *mut $t, rs: isize, add: bool) {
                        // SAFETY: passed on.
                        unsafe { tile::<$t, $zmm, 12, 2>(kc, a, b, c, rs, add) }
                    }
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn avx2(kc: usize, a: *const $t, b: *const $t, c: *mut $t, rs: isize, add: bool) {
                        // SAFETY: passed on.
                        unsafe { tile::<$t, $ymm, 6, 2>(kc, a, b, c, rs, add) }
                    }
                    match level() {
                        Level::Avx512 => return Kernel { mr: 12, nr: 2 * <$zmm as Vector<$t>>::LANES, run: avx512 },
                        Level::Avx2 => return Kernel { mr: 6, nr: 2 * <$ymm as Vector<$t>>::LANES, run: avx2 },
                        Level::Portable => {}
                    }
                }
                Kernel { mr: 4, nr: 2 * <$small as Vector<$t>>::LANES, run: tile::<$t, $small, 4, 2> }
            }
        }

        impl Vector<$t> for $small {
            const LANES: usize = 4;
            #[inline(always)]
            unsafe fn zero() -> Self { [0.0; 4] }
            #[inline(always)]
            unsafe fn load(p: *const $t) -> Self {
                // SAFETY: the caller promises 4 elements.
                unsafe { p.cast::<Self>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $t) {
                // SAFETY: as in `load`.
                unsafe { p.cast::<Self>().write_unaligned(self) }
            }
            #[inline(always)]
            unsafe fn splat(x: $t) -> Self { [x; 4] }
            #[inline(always)]
            unsafe fn add_product(self, a: Self, b: Self) -> Self {
                [self[0] + a[0] * b[0], self[1] + a[1] * b[1], self[2] + a[2] * b[2], self[3] + a[3] * b[3]]
            }
            #[inline(always)]
            unsafe fn plus(self, o: Self) -> Self { [self[0] + o[0], self[1] + o[1], self[2] + o[2], self[3] + o[3]] }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

#[cfg(target_arch = "x86_64")]
macro_rules! vectors {
    ($($v:ty, $t:ty, $lanes:literal: $zero:ident $load:ident $store:ident $splat:ident $fma:ident $plus:ident;)*) => {$(
        impl Vector<$t> for $v {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller has the instructions; so for all of these.
                unsafe { $zero() }
            }
            #[inline(always)]
            unsafe fn load(p: *const $t) -> Self {
                // SAFETY: the caller promises the elements.
                unsafe { $load(p) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $t) {
                // SAFETY: the caller promises the elements.
                unsafe { $store(p, self) }
            }
            #[inline(always)]
            unsafe fn splat(x: $t) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn add_product(self, a: Self, b: Self) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $fma(a, b, self) }
            }
            #[inline(always)]
            unsafe fn plus(self, other: Self) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $plus(self, other) }
            }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
vectors! {
    __m512, f32, 16: _mm512_setzero_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_set1_ps _mm512_fmadd_ps _mm512_add_ps;
    __m512d, f64, 8: _mm512_setzero_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_set1_pd _mm512_fmadd_pd _mm512_add_pd;
    __m256, f32, 8: _mm256_setzero_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_set1_ps _mm256_fmadd_ps _mm256_add_ps;
    __m256d, f64, 4: _mm256_setzero_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_set1_pd _mm256_fmadd_pd _mm256_add_pd;
}

#[cfg(target_arch = "x86_64")]
kernels! {
    f32: __m512, __m256, [f32; 4];
    f64: __m512d, __m256d, [f64; 4];
}
#[cfg(not(target_arch = "x86_64"))]
kernels! {
    f32: [f32; 4], [f32; 4], [f32; 4];
    f64: [f64; 4], [f64; 4], [f64; 4];
}
