//! Microkernels of convolution, in the vectors of the matrix product.
//!
//! [`Kernels::tile`] makes outputs: some channels by one or two vectors of neighbouring outputs. [`Kernels::dot`] makes elements of a weight's gradient:
//! inner products of rows that lie in order.

use crate::gemm::Vector;
use crate::simd::{Level, level};

/// `(k, a, b, places, bias, c, row stride of c)`: `c[i][j] = bias[i] + sum over k of a[k * rows + i] * b[places[k] + j]`.
pub(super) type Tile<T> = unsafe fn(usize, *const T, *const T, *const usize, *const T, *mut T, usize);
/// `(vectors, a, row stride, b, row stride, out, row stride)`: `out[i][j] += sum over p of a[i][p] * b[j][p]`.
pub(super) type Dot<T> = unsafe fn(usize, *const T, usize, *const T, usize, *mut T, usize);

/// `(taps, weights, bias, frame, step, rows, columns, out)`: `out[r][x] = bias + sum over k of weights[k] * frame[r * step + taps[k] + x]`.
pub(super) type RowsOf<T> = unsafe fn(&[usize], *const T, T, *const T, usize, usize, usize, *mut T);
/// `(taps, frame, step, dy, width, rows, sums)`: `sums[k] += sum over r and x of dy[r * width + x] * frame[r * step + taps[k] + x]`.
pub(super) type SumsOf<T> = unsafe fn(&[usize], *const T, usize, *const T, usize, usize, &mut [T]);

/// The microkernels of a machine.
pub(super) struct Kernels<T> {
    /// Elements of a vector.
    pub(super) lanes: usize,
    /// The largest number of channels of a tile.
    pub(super) rows: usize,
    /// The numbers of channels that there are tiles for, and the tiles with one and with two vectors.
    tiles: [(usize, [Tile<T>; 2]); 5],
    /// The largest number of rows on the left of inner products.
    pub(super) dot_rows: usize,
    /// For 1, 2 and 4 rows on the left, and 1 to [`DOT_COLUMNS`] on the right.
    dots: [[Dot<T>; DOT_COLUMNS]; 3],
    /// `(k, places, source, pieces, panel, width)`: packs a panel.
    pub(super) pack: unsafe fn(&[usize], *const T, &[Piece], *mut T, usize),
    /// Rows of outputs of one channel.
    pub(super) windows: RowsOf<T>,
    /// The sums of 9, 5, 3 and 1 taps.
    pub(super) sums: [(usize, SumsOf<T>); 4],
}

/// The largest number of rows on the right of inner products.
pub(super) const DOT_COLUMNS: usize = 6;

/// Neighbouring outputs of one row: where they lie in a panel, where in the source their window begins, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) to: usize,
    pub(super) from: usize,
    pub(super) len: usize,
}

impl<T> Kernels<T> {
    /// The number of channels of the tile that makes `rows` of them (or as many as a tile can).
    pub(super) fn tile_rows(&self, rows: usize) -> usize {
        self.tiles.iter().map(|t| t.0).find(|&r| r >= rows).unwrap_or(self.rows).min(self.rows)
    }

    /// The tile of a number of channels, as `tile_rows` gave it, and of 1 or 2 vectors.
    pub(super) fn tile(&self, rows: usize, vectors: usize) -> Tile<T> {
        let at = self.tiles.iter().position(|t| t.0 == rows).unwrap_or(0);
        self.tiles[at].1[vectors - 1]
    }

    /// The inner products of 1, 2 or 4 rows with 1 to 6.
    pub(super) fn dot(&self, rows: usize, columns: usize) -> Dot<T> {
        self.dots[rows / 2][columns - 1]
    }
}

/// # Safety
/// `a` holds k * M elements, `places` k, `bias` M; `b` holds N vectors from each place on, `c` M rows of N vectors; the CPU has the vector's instructions.
#[inline(always)]
unsafe fn tile<T: Copy + Default, V: Vector<T>, const M: usize, const N: usize>(
    k: usize,
    a: *const T,
    b: *const T,
    places: *const usize,
    bias: *const T,
    c: *mut T,
    stride: usize,
) {
    // SAFETY: all pointers stay within what the caller promises.
    unsafe {
        let mut sums = [[V::splat(T::default()); N]; M];
        for (i, row) in sums.iter_mut().enumerate() {
            *row = [V::splat(*bias.add(i)); N];
        }
        for k in 0..k {
            let (from, a) = (b.add(*places.add(k)), a.add(k * M));
            let mut right = [V::splat(T::default()); N];
            for (j, r) in right.iter_mut().enumerate() {
                *r = V::load(from.add(j * V::LANES));
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let left = V::splat(*a.add(i));
                for (sum, &r) in row.iter_mut().zip(&right) {
                    *sum = sum.add_product(left, r);
                }
            }
        }
        for (i, row) in sums.iter().enumerate() {
            for (j, &sum) in row.iter().enumerate() {
                sum.store(c.add(i * stride + j * V::LANES));
            }
        }
    }
}

/// # Safety
/// `a` holds M rows and `b` N rows of that many vectors, `out` M rows of N elements; the CPU has the vector's instructions.
#[inline(always)]
unsafe fn dot<T: Copy + Default + std::ops::Add<Output = T>, V: Vector<T>, const M: usize, const N: usize>(
    vectors: usize,
    a: *const T,
    a_stride: usize,
    b: *const T,
    b_stride: usize,
    out: *mut T,
    out_stride: usize,
) {
    // SAFETY: all pointers stay within what the caller promises; `row` holds any vector.
    unsafe {
        let mut sums = [[V::splat(T::default()); N]; M];
        for p in 0..vectors {
            let at = p * V::LANES;
            let mut left = [V::splat(T::default()); M];
            for (i, l) in left.iter_mut().enumerate() {
                *l = V::load(a.add(i * a_stride + at));
            }
            for j in 0..N {
                let right = V::load(b.add(j * b_stride + at));
                for (row, &l) in sums.iter_mut().zip(&left) {
                    row[j] = row[j].add_product(l, right);
                }
            }
        }
        for (i, row) in sums.iter().enumerate() {
            for (j, &sum) in row.iter().enumerate() {
                let place = out.add(i * out_stride + j);
                *place = *place + total(sum);
            }
        }
    }
}

/// # Safety
/// The frame holds whole vectors from every tap on for all rows and columns, `weights` one for each tap, `out` rows of `columns` elements; the CPU has the
/// vector's instructions.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn windows<T: Copy + Default, V: Vector<T>, const M: usize>(
    taps: &[usize],
    weights: *const T,
    bias: T,
    frame: *const T,
    step: usize,
    columns: usize,
    out: *mut T,
) {
    // SAFETY: all pointers stay within what the caller promises; `lanes` holds any vector.
    unsafe {
        for x in (0..columns).step_by(V::LANES) {
            let mut sums = [V::splat(bias); M];
            for (k, &tap) in taps.iter().enumerate() {
                let (w, from) = (V::splat(*weights.add(k)), frame.add(tap + x));
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add_product(w, V::load(from.add(i * step)));
                }
            }
            for (i, sum) in sums.iter().enumerate() {
                let to = out.add(i * columns + x);
                if columns - x >= V::LANES {
                    sum.store(to);
                } else {
                    let mut lanes = [T::default(); 16];
                    sum.store(lanes.as_mut_ptr());
                    std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, columns - x);
                }
            }
        }
    }
}

/// # Safety
/// As [`SumsOf`] needs it: whole vectors; there are K taps and sums; the CPU has the vector's instructions.
#[inline(always)]
unsafe fn sums<T: Copy + Default + std::ops::Add<Output = T>, V: Vector<T>, const K: usize>(
    taps: &[usize],
    frame: *const T,
    step: usize,
    dy: *const T,
    width: usize,
    rows: usize,
    out: &mut [T],
) {
    // SAFETY: all pointers stay within what the caller promises.
    unsafe {
        let mut sums = [V::splat(T::default()); K];
        let from: [*const T; K] = std::array::from_fn(|k| frame.add(taps[k]));
        for r in 0..rows {
            for x in (0..width).step_by(V::LANES) {
                let g = V::load(dy.add(r * width + x));
                for (sum, from) in sums.iter_mut().zip(&from) {
                    *sum = sum.add_product(g, V::load(from.add(r * step + x)));
                }
            }
        }
        for (o, sum) in out.iter_mut().zip(&sums) {
            *o = *o + total(*sum);
        }
    }
}

/// The sum of a vector's elements, in halves.
///
/// # Safety
/// The CPU has the vector's instructions.
#[inline(always)]
unsafe fn total<T: Copy + Default + std::ops::Add<Output = T>, V: Vector<T>>(sum: V) -> T {
    let mut lanes = [T::default(); 16];
    // SAFETY: `lanes` holds any vector.
    unsafe { sum.store(lanes.as_mut_ptr()) };
    let mut width = V::LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] = lanes[l] + lanes[l + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Copies, for every place, the pieces to a row of the panel of that width. Whole vectors are copied: what is too much is overwritten by the next piece or
/// row, or lies behind the panel.
///
/// # Safety
/// From every place and piece on, `source` holds the piece's length rounded up to whole vectors; `panel` holds all rows and a vector more.
#[inline(always)]
unsafe fn pack<T: Copy, V: Vector<T>>(places: &[usize], source: *const T, pieces: &[Piece], panel: *mut T, width: usize) {
    // SAFETY: all pointers stay within what the caller promises.
    unsafe {
        for (k, &place) in places.iter().enumerate() {
            let (from, to) = (source.add(place), panel.add(k * width));
            for piece in pieces {
                let (from, to) = (from.add(piece.from), to.add(piece.to));
                let mut at = 0;
                while at < piece.len {
                    V::load(from.add(at)).store(to.add(at));
                    at += V::LANES;
                }
            }
        }
    }
}

/// An element type with microkernels for convolution.
pub(super) trait Element: crate::buffer::Plain + std::ops::Add<Output = Self> {
    fn kernels() -> Kernels<Self>;
}

macro_rules! compiled {
    ($t:ty, $v:ty, $rows:literal, $dot_rows:literal $(, $feature:literal)?) => {{
        $(#[target_feature(enable = $feature)])?
        #[allow(clippy::too_many_arguments)]
        unsafe fn tile_of<const M: usize, const N: usize>(
            k: usize, a: *const $t, b: *const $t, places: *const usize, bias: *const $t, c: *mut $t, stride: usize,
        ) {
            // SAFETY: passed on.
            unsafe { tile::<$t, $v, M, N>(k, a, b, places, bias, c, stride) }
        }
        $(#[target_feature(enable = $feature)])?
        #[allow(clippy::too_many_arguments)]
        unsafe fn dot_of<const M: usize, const N: usize>(
            vectors: usize, a: *const $t, a_stride: usize, b: *const $t, b_stride: usize, out: *mut $t, out_stride: usize,
        ) {
            // SAFETY: passed on.
            unsafe { dot::<$t, $v, M, N>(vectors, a, a_stride, b, b_stride, out, out_stride) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn pack_of(places: &[usize], source: *const $t, pieces: &[Piece], panel: *mut $t, width: usize) {
            // SAFETY: passed on.
            unsafe { pack::<$t, $v>(places, source, pieces, panel, width) }
        }
        $(#[target_feature(enable = $feature)])?
        #[allow(clippy::too_many_arguments)]
        unsafe fn windows_of(
            taps: &[usize], weights: *const $t, bias: $t, frame: *const $t, step: usize, rows: usize, columns: usize, out: *mut $t,
        ) {
            let mut r = 0;
            while r < rows {
                // SAFETY: passed on, for some of the rows.
                unsafe {
                    let (frame, out) = (frame.add(r * step), out.add(r * columns));
                    if rows - r >= 4 {
                        windows::<$t, $v, 4>(taps, weights, bias, frame, step, columns, out);
                        r += 4;
                    } else {
                        windows::<$t, $v, 1>(taps, weights, bias, frame, step, columns, out);
                        r += 1;
                    }
                }
            }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn sums_of<const K: usize>(
            taps: &[usize], frame: *const $t, step: usize, dy: *const $t, width: usize, rows: usize, out: &mut [$t],
        ) {
            // SAFETY: passed on.
            unsafe { sums::<$t, $v, K>(taps, frame, step, dy, width, rows, out) }
        }
        Kernels {
            lanes: <$v as Vector<$t>>::LANES,
            rows: $rows,
            tiles: [
                (1, [tile_of::<1, 1>, tile_of::<1, 2>]),
                (2, [tile_of::<2, 1>, tile_of::<2, 2>]),
                (4, [tile_of::<4, 1>, tile_of::<4, 2>]),
                (6, [tile_of::<6, 1>, tile_of::<6, 2>]),
                (8, [tile_of::<8, 1>, tile_of::<8, 2>]),
            ],
            dot_rows: $dot_rows,
            dots: [
                [dot_of::<1, 1>, dot_of::<1, 2>, dot_of::<1, 3>, dot_of::<1, 4>, dot_of::<1, 5>, dot_of::<1, 6>],
                [dot_of::<2, 1>, dot_of::<2, 2>, dot_of::<2, 3>, dot_of::<2, 4>, dot_of::<2, 5>, dot_of::<2, 6>],
                [dot_of::<4, 1>, dot_of::<4, 2>, dot_of::<4, 3>, dot_of::<4, 4>, dot_of::<4, 5>, dot_of::<4, 6>],
            ],
            pack: pack_of,
            windows: windows_of,
            sums: [(9, sums_of::<9>), (5, sums_of::<5>), (3, sums_of::<3>), (1, sums_of::<1>)],
        }
    }};
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

macro_rules! elements {
    ($($t:ty: $zmm:ident, $ymm:ident;)*) => {$(
        impl Element for $t {
            fn kernels() -> Kernels<$t> {
                #[cfg(target_arch = "x86_64")]
                match level() {
                    Level::Avx512 => return compiled!($t, $zmm, 8, 4, "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"),
                    Level::Avx2 => return compiled!($t, $ymm, 6, 2, "avx2,fma"),
                    Level::Portable => {}
                }
                compiled!($t, [$t; 4], 4, 2)
            }
        }
    )*};
}
elements! {
    f32: __m512, __m256;
    f64: __m512d, __m256d;
}
