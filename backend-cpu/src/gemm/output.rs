//! Where a product goes, and what is done with its sums once they are complete.

use super::Number;
use crate::simd::dispatch;

/// What is added to the product.
#[derive(Clone, Copy)]
pub(crate) enum Bias<'a, T> {
    /// Nothing.
    None,
    /// One number for each row.
    Rows(&'a [T]),
    /// One number for each column.
    Columns(&'a [T]),
}

/// Where the result goes, and what is done with it once its sum is complete.
#[derive(Clone, Copy)]
pub(crate) struct Output<'a, T> {
    /// Element `[0, 0]`.
    pub(crate) data: *mut T,
    /// Steps between rows and columns.
    pub(crate) strides: (isize, isize),
    /// Whether the product is added to what is there.
    pub(crate) accumulate: bool,
    /// Added to the sums.
    pub(crate) bias: Bias<'a, T>,
    /// Whether negative results become 0, after the bias.
    pub(crate) relu: bool,
}

impl<'a, T: Number> Output<'a, T> {
    /// An element.
    ///
    /// # Safety
    /// `[i, j]` lies inside of the output.
    #[inline(always)]
    pub(super) unsafe fn at(&self, i: usize, j: usize) -> *mut T {
        // SAFETY: inside of the output.
        unsafe { self.data.offset(i as isize * self.strides.0 + j as isize * self.strides.1) }
    }

    /// Bias and ReLU of all elements, whose sums are complete.
    ///
    /// # Safety
    /// The output has m rows and n columns, all written.
    #[cfg(feature = "blas")]
    pub(super) unsafe fn finish_all(&self, m: usize, n: usize) {
        if !self.relu && matches!(self.bias, Bias::None) {
            return;
        }
        crate::threads::par_chunks(m, (1usize << 15).div_ceil(n), |rows| {
            for i in rows {
                for j in 0..n {
                    // SAFETY: inside of the output; each row belongs to one task.
                    unsafe {
                        let place = self.at(i, j);
                        *place = self.finish(i, j, *place);
                    }
                }
            }
        });
    }

    /// Bias and ReLU of element `[i, j]`.
    #[inline(always)]
    pub(super) fn finish(&self, i: usize, j: usize, sum: T) -> T {
        finish_chunk(self, i, j, [sum])[0]
    }

    pub(super) fn transposed(self) -> Output<'a, T> {
        let bias = match self.bias {
            Bias::None => Bias::None,
            Bias::Rows(b) => Bias::Columns(b),
            Bias::Columns(b) => Bias::Rows(b),
        };
        Output { strides: (self.strides.1, self.strides.0), bias, ..self }
    }
}

// SAFETY: the pointer is only used inside `gemm`, whose caller answers for it; tiles written by different threads do not overlap.
unsafe impl<T: Sync> Sync for Output<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Output<'_, T> {}

/// A tile of an output whose columns lie side by side, written and used by nobody else.
pub(super) struct Tile<'a, T> {
    out: &'a Output<'a, T>,
    i: usize,
    rows: usize,
    j: usize,
    columns: usize,
}

impl<'a, T: Number> Tile<'a, T> {
    /// So many rows and columns from `[i, j]` on.
    ///
    /// # Safety
    /// They lie inside of the output, whose columns lie side by side; they have been written, and nobody else uses them while the tile lives.
    pub(super) unsafe fn new(out: &'a Output<'a, T>, (i, rows): (usize, usize), (j, columns): (usize, usize)) -> Tile<'a, T> {
        Tile { out, i, rows, j, columns }
    }
}

dispatch! {
    /// Bias and ReLU of a tile whose sums are complete.
    pub(super) fn finish<T: Number>(tile: Tile<'_, T>) = finish_body;
}

#[inline(always)]
fn finish_body<T: Number, const FMA: bool>(tile: Tile<'_, T>) {
    let Tile { out, i, rows, j, columns } = tile;
    for i in i..i + rows {
        // SAFETY: a row of the tile, which is ours.
        let row = unsafe { std::slice::from_raw_parts_mut(out.at(i, j), columns) };
        // Whole vectors: in arrays, because a loop over a few elements that the compiler cannot count is none of vectors.
        let (whole, rest) = row.as_chunks_mut::<LANES>();
        let done = whole.len() * LANES;
        for (c, chunk) in whole.iter_mut().enumerate() {
            *chunk = finish_chunk(out, i, j + c * LANES, *chunk);
        }
        for (c, x) in rest.iter_mut().enumerate() {
            [*x] = finish_chunk(out, i, j + done + c, [*x]);
        }
    }
}

/// Elements that are finished side by side.
const LANES: usize = 16;

/// Bias and ReLU of elements from `[i, j]` on.
#[inline(always)]
fn finish_chunk<T: Number, const N: usize>(out: &Output<'_, T>, i: usize, j: usize, mut sums: [T; N]) -> [T; N] {
    match out.bias {
        Bias::None => {}
        Bias::Rows(b) => sums = sums.map(|s| s.plus(b[i])),
        Bias::Columns(b) => {
            let b = &b[j..j + N];
            for e in 0..N {
                sums[e] = sums[e].plus(b[e]);
            }
        }
    }
    if out.relu { sums.map(T::relu) } else { sums }
}
