//! Microkernels: a tile of sums in registers.
//!
//! One generic body over a vector type, compiled for every number of rows from 1 to the level's largest and for one or two vectors of columns, so that
//! a matrix whose sizes are no multiples of a tile's is cut in tiles of nearly equal size and nothing is multiplied by padding.
//! AVX-512 keeps up to 12 x 2 vectors of sums (of 32 registers; 24 multiply-adds for 14 loads), AVX2 6 x 2 (of 16), the portable level 4 x 2 of what
//! the compiler makes of short arrays.

use super::number::Number;

/// Elements of the largest tile: 4 rows of 2 vectors of 64 elements of one byte.
pub(crate) const MAX_TILE: usize = 4 * 2 * 64;

/// `c[i][j] (+)= sum over p < kc of a[i][p] * b[p][j]`, for as many rows and columns as the function is made for.
pub(crate) type Run<T> = unsafe fn(Step<T>);

/// What a microkernel reads and writes. All steps are in elements.
#[derive(Clone, Copy)]
pub(crate) struct Step<T> {
    /// The length of the sums.
    pub(crate) kc: usize,
    /// Element `[0][0]` of A's rows, the steps from row to row and along k.
    pub(crate) a: *const T,
    pub(crate) a_row: isize,
    pub(crate) a_k: isize,
    /// Element `[0][0]` of B's columns, which lie side by side, and the step along k.
    pub(crate) b: *const T,
    pub(crate) b_k: isize,
    /// Element `[0][0]` of the result, whose columns lie side by side, and the step from row to row.
    pub(crate) c: *mut T,
    pub(crate) c_row: isize,
    /// Whether to add to what is there.
    pub(crate) add: bool,
}

/// Lines of B that a function for dot products takes at a time.
pub(crate) const DOT_LINES: usize = 4;

/// Dot products of some rows and [`DOT_LINES`] lines, all of them runs: `(k, first row, step from row to row, lines, sums)`,
/// `sums[row * DOT_LINES + line]`.
pub(crate) type Dot<T> = unsafe fn(usize, *const T, isize, &[*const T; DOT_LINES], &mut [T; 4 * DOT_LINES]);

/// The microkernels of one element type at one level.
#[derive(Clone, Copy)]
pub(crate) struct Kernels<T: 'static> {
    /// Elements of a vector.
    pub(crate) lanes: usize,
    /// `runs[rows - 1][vectors of columns - 1]`.
    pub(crate) runs: &'static [[Run<T>; 2]],
    /// `dots[rows - 1]`.
    pub(crate) dots: &'static [Dot<T>; 4],
}

impl<T> Kernels<T> {
    /// Rows of the largest tile.
    pub(crate) fn rows(&self) -> usize {
        self.runs.len()
    }

    /// Columns of the largest tile.
    pub(crate) fn columns(&self) -> usize {
        2 * self.lanes
    }
}

/// A vector of elements. The methods compile to single instructions where the caller has the vector's `target_feature`.
pub(crate) trait Vector<T>: Copy {
    const LANES: usize;
    unsafe fn load(p: *const T) -> Self;
    unsafe fn store(self, p: *mut T);
    unsafe fn splat(x: T) -> Self;
    /// `self + a * b`
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    unsafe fn plus(self, other: Self) -> Self;
    /// The sum of the elements, added up in halves.
    #[inline(always)]
    unsafe fn total(self) -> T
    where
        T: Number,
    {
        let mut parts = [T::default(); 64];
        // SAFETY: no vector has more elements.
        unsafe { self.store(parts.as_mut_ptr()) };
        let mut width = Self::LANES;
        while width > 1 {
            width /= 2;
            for e in 0..width {
                parts[e] = parts[e].plus(parts[e + width]);
            }
        }
        parts[0]
    }
}

// The bodies are plain loops over numbers: what iterators are made of is not always compiled for the vector's instructions, and then is a call.

/// # Safety
/// `a` can be read at M rows and kc places along k, `b` at kc places N vectors each, `c` holds M rows of N vectors; the CPU has the vector's instructions.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
pub(super) unsafe fn tile<T: Number, V: Vector<T>, const M: usize, const N: usize>(s: Step<T>) {
    // SAFETY: all pointers that are read or written stay within what the caller promises.
    unsafe {
        let mut sums = [[V::splat(T::default()); N]; M];
        // Rows are addressed as one of four pointers plus 0, 1 or 2 steps, which x86 adds for nothing.
        let mut thirds: [*const T; 4] = std::array::from_fn(|i| s.a.wrapping_offset(3 * i as isize * s.a_row));
        let mut b = s.b;
        for _ in 0..s.kc {
            let mut right = [V::splat(T::default()); N];
            for j in 0..N {
                right[j] = V::load(b.add(j * V::LANES));
            }
            for i in 0..M {
                let left = V::splat(*thirds[i / 3].wrapping_offset((i % 3) as isize * s.a_row));
                for j in 0..N {
                    sums[i][j] = sums[i][j].add_product(left, right[j]);
                }
            }
            for i in 0..4 {
                thirds[i] = thirds[i].wrapping_offset(s.a_k);
            }
            b = b.wrapping_offset(s.b_k);
        }
        for i in 0..M {
            for j in 0..N {
                let (sum, place) = (sums[i][j], s.c.offset(i as isize * s.c_row).add(j * V::LANES));
                if s.add { V::load(place).plus(sum).store(place) } else { sum.store(place) }
            }
        }
    }
}

/// # Safety
/// The rows (M of them) and lines have k elements; the CPU has the vector's instructions.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
pub(super) unsafe fn dot<T: Number, V: Vector<T>, const M: usize>(
    k: usize,
    x: *const T,
    x_row: isize,
    lines: &[*const T; DOT_LINES],
    out: &mut [T; 4 * DOT_LINES],
) {
    // SAFETY: all that is read lies in the rows and lines.
    unsafe {
        let mut sums = [[V::splat(T::default()); DOT_LINES]; M];
        let whole = k / V::LANES * V::LANES;
        let mut p = 0;
        while p < whole {
            let mut right = [V::splat(T::default()); DOT_LINES];
            for l in 0..DOT_LINES {
                right[l] = V::load(lines[l].add(p));
            }
            for i in 0..M {
                let left = V::load(x.offset(i as isize * x_row).add(p));
                for l in 0..DOT_LINES {
                    sums[i][l] = sums[i][l].add_product(left, right[l]);
                }
            }
            p += V::LANES;
        }
        for i in 0..M {
            for l in 0..DOT_LINES {
                let mut sum = sums[i][l].total();
                for p in whole..k {
                    sum = sum.plus((*x.offset(i as isize * x_row).add(p)).times(*lines[l].add(p)));
                }
                out[i * DOT_LINES + l] = sum;
            }
        }
    }
}

/// Short arrays as vectors: for the levels and types without intrinsics of their own.
impl<T: Number, const L: usize> Vector<T> for [T; L] {
    const LANES: usize = L;
    #[inline(always)]
    unsafe fn load(p: *const T) -> Self {
        // SAFETY: the caller promises L elements.
        unsafe { p.cast::<Self>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut T) {
        // SAFETY: as in `load`.
        unsafe { p.cast::<Self>().write_unaligned(self) }
    }
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        [x; L]
    }
    #[inline(always)]
    unsafe fn add_product(mut self, a: Self, b: Self) -> Self {
        for i in 0..L {
            self[i] = self[i].plus(a[i].times(b[i]));
        }
        self
    }
    #[inline(always)]
    unsafe fn plus(mut self, other: Self) -> Self {
        for i in 0..L {
            self[i] = self[i].plus(other[i]);
        }
        self
    }
}

/// The functions for the given numbers of rows.
macro_rules! table {
    ($f:ident: $($rows:literal)*) => { &[$([$f::<$rows, 1>, $f::<$rows, 2>]),*] };
}

/// The functions for 1 to 4 rows.
macro_rules! dots {
    ($f:ident) => {
        &[$f::<1>, $f::<2>, $f::<3>, $f::<4>]
    };
}

/// `Number::kernels` for an element type, given its vectors: for AVX-512 and AVX2 with the rows of their tiles, and for the portable level.
macro_rules! kernels {
    ($t:ty, $v512:ty: $($m512:literal)*, $v256:ty: $($m256:literal)*, $v128:ty: $($m128:literal)*) => {
        fn kernels() -> $crate::gemm::kernel::Kernels<$t> {
            use $crate::gemm::kernel::{DOT_LINES, Kernels, Step, Vector, dot, dots, table, tile};
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                unsafe fn avx512<const M: usize, const N: usize>(s: Step<$t>) {
                    // SAFETY: passed on.
                    unsafe { tile::<$t, $v512, M, N>(s) }
                }
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2<const M: usize, const N: usize>(s: Step<$t>) {
                    // SAFETY: passed on.
                    unsafe { tile::<$t, $v256, M, N>(s) }
                }
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                unsafe fn dot512<const M: usize>(k: usize, x: *const $t, row: isize, lines: &[*const $t; DOT_LINES], out: &mut [$t; 4 * DOT_LINES]) {
                    // SAFETY: passed on.
                    unsafe { dot::<$t, $v512, M>(k, x, row, lines, out) }
                }
                #[target_feature(enable = "avx2,fma")]
                unsafe fn dot256<const M: usize>(k: usize, x: *const $t, row: isize, lines: &[*const $t; DOT_LINES], out: &mut [$t; 4 * DOT_LINES]) {
                    // SAFETY: passed on.
                    unsafe { dot::<$t, $v256, M>(k, x, row, lines, out) }
                }
                match level() {
                    Level::Avx512 => return Kernels { lanes: <$v512 as Vector<$t>>::LANES, runs: table!(avx512: $($m512)*), dots: dots!(dot512) },
                    Level::Avx2 => return Kernels { lanes: <$v256 as Vector<$t>>::LANES, runs: table!(avx2: $($m256)*), dots: dots!(dot256) },
                    Level::Portable => {}
                }
            }
            unsafe fn portable<const M: usize, const N: usize>(s: Step<$t>) {
                // SAFETY: passed on.
                unsafe { tile::<$t, $v128, M, N>(s) }
            }
            Kernels { lanes: <$v128 as Vector<$t>>::LANES, runs: table!(portable: $($m128)*), dots: &[dot::<$t, $v128, 1>, dot::<$t, $v128, 2>, dot::<$t, $v128, 3>, dot::<$t, $v128, 4>] }
        }
    };
}
pub(super) use {dots, kernels, table};
