//! A few rows times a matrix: every element of the matrix is read once or twice, so memory is the limit, and nothing but the rows is ever packed.
//!
//! The rows are A's, and the matrix is B; for a matrix times a few columns the caller exchanges the factors.

use super::kernel::DOT_LINES;
use super::number::Number;
use super::pack::Strided;
use super::{Output, spread};
use crate::alloc::Block;
use crate::simd::dispatch;

use rushlight_backend::Result;

/// Rows up to which sums along k are made line by line of the matrix.
const ROWS: usize = 8;
/// Rows that one pass over lines of the matrix serves.
const PASS: usize = 4;
/// The least k for which it pays with more than one row.
const LONG: usize = 64;
/// Columns that one task takes when it adds up rows of the matrix.
const COLUMNS: usize = 1024;
/// Multiplications below which threads do not pay, and those of a task.
const SERIAL: usize = 1 << 15;

/// C = A B (+ C) (+ bias) if A is one of a few rows and B lies suitably; else nothing is done, and the answer is no.
///
/// # Safety
/// As [`gemm`](super::gemm).
pub(super) unsafe fn product<T: Number>(
    m: usize,
    n: usize,
    k: usize,
    a: &Strided<'_, T>,
    b: &Strided<'_, T>,
    out: &Output<'_, T>,
) -> Result<bool> {
    if m > ROWS || k == 0 {
        return Ok(false);
    }
    let lines = b.k_step == 1 && (m == 1 || k >= LONG) && b.covers(n, k);
    let rows = m == 1 && b.line_step == 1 && n >= 16;
    if !lines && !rows {
        return Ok(false);
    }
    // A's rows, each a run.
    let in_place = a.k_step == 1 && a.covers(m, k) && (m == 1 || a.line_step > 0);
    let copy = if in_place { None } else { Some(Block::new(m * k * size_of::<T>())?) };
    let (x, x_row) = match &copy {
        None => (a.data[a.start..].as_ptr(), a.line_step),
        Some(block) => {
            let to = block.as_ptr().cast_mut().cast::<T>();
            for i in 0..m {
                for p in 0..k {
                    // SAFETY: the block holds m x k elements.
                    unsafe { *to.add(i * k + p) = a.data[a.at(i, p)] };
                }
            }
            (to.cast_const(), k as isize)
        }
    };
    // SAFETY: x has m runs of k elements x_row apart; B's lines are covered; the caller answers for the output.
    unsafe {
        if lines {
            dots(m, n, k, Rows { x, x_row }, b, out);
        } else {
            combine(n, std::slice::from_raw_parts(x, k), b, out);
        }
    }
    Ok(true)
}

/// A's rows.
#[derive(Clone, Copy)]
struct Rows<T> {
    x: *const T,
    x_row: isize,
}

// SAFETY: it is only read.
unsafe impl<T: Sync> Sync for Rows<T> {}

impl<T> Rows<T> {
    fn row(&self, i: usize) -> *const T {
        self.x.wrapping_offset(i as isize * self.x_row)
    }
}

/// # Safety
/// `x` has m rows of k elements, B n lines of k elements with step 1; as [`gemm`](super::gemm).
unsafe fn dots<T: Number>(m: usize, n: usize, k: usize, x: Rows<T>, b: &Strided<'_, T>, out: &Output<'_, T>) {
    let kernels = T::kernels();
    let group = (SERIAL / k).clamp(DOT_LINES, 1024) / DOT_LINES * DOT_LINES;
    spread(n * k < SERIAL, n.div_ceil(group), |task| {
        for first in (task * group..((task + 1) * group).min(n)).step_by(DOT_LINES) {
            let len = (n - first).min(DOT_LINES);
            // Where fewer are left, the last line stands for the others.
            let lines: [*const T; DOT_LINES] = std::array::from_fn(|l| &raw const b.data[b.at(first + l.min(len - 1), 0)]);
            for i in (0..m).step_by(PASS) {
                let rows = (m - i).min(PASS);
                let mut sums = [T::default(); PASS * DOT_LINES];
                // SAFETY: the runs have k elements; there are PASS functions, for 1 to PASS rows.
                unsafe { kernels.dots[rows - 1](k, x.row(i), x.x_row, &lines, &mut sums) };
                for r in 0..rows {
                    for l in 0..len {
                        // SAFETY: inside of the output; each element is written by one task.
                        unsafe { write(out, i + r, first + l, sums[r * DOT_LINES + l]) };
                    }
                }
            }
        }
    });
}

/// One row times a matrix whose rows are runs: they are scaled and added up.
///
/// # Safety
/// As [`gemm`](super::gemm).
unsafe fn combine<T: Number>(n: usize, x: &[T], b: &Strided<'_, T>, out: &Output<'_, T>) {
    let columns = if n < 4 * COLUMNS { COLUMNS / 4 } else { COLUMNS };
    spread(n * x.len() < SERIAL, n.div_ceil(columns), |task| {
        let first = task * columns;
        let len = columns.min(n - first);
        let mut sums = [T::default(); COLUMNS];
        let run = |k: usize| {
            let from = b.at(first, k);
            &b.data[from..from + len]
        };
        let (fours, rest) = x.as_chunks::<4>();
        for (i, x) in fours.iter().enumerate() {
            add_four(&mut sums[..len], [0, 1, 2, 3].map(|r| run(4 * i + r)), *x);
        }
        for (i, &x) in rest.iter().enumerate() {
            add_one(&mut sums[..len], run(4 * fours.len() + i), x);
        }
        for (j, &sum) in sums[..len].iter().enumerate() {
            // SAFETY: inside of the output; each element is written by one task.
            unsafe { write(out, 0, first + j, sum) };
        }
    });
}

/// # Safety
/// `[i, j]` lies inside of the output, and nobody else uses it.
#[inline(always)]
unsafe fn write<T: Number>(out: &Output<'_, T>, i: usize, j: usize, sum: T) {
    // SAFETY: inside of the output; initialised if it accumulates.
    unsafe {
        let place = out.at(i, j);
        let sum = if out.accumulate { (*place).plus(sum) } else { sum };
        *place = out.finish(i, j, sum);
    }
}

dispatch! {
    fn add_four<T: Number>(sums: &mut [T], rows: [&[T]; 4], x: [T; 4]) = add_four_body;
}

#[inline(always)]
fn add_four_body<T: Number, const FMA: bool>(sums: &mut [T], rows: [&[T]; 4], x: [T; 4]) {
    let rows = rows.map(|r| &r[..sums.len()]);
    for (i, s) in sums.iter_mut().enumerate() {
        *s = (0..4).fold(*s, |s, r| s.plus(rows[r][i].times(x[r])));
    }
}

dispatch! {
    fn add_one<T: Number>(sums: &mut [T], row: &[T], x: T) = add_one_body;
}

#[inline(always)]
fn add_one_body<T: Number, const FMA: bool>(sums: &mut [T], row: &[T], x: T) {
    for (s, &r) in sums.iter_mut().zip(row) {
        *s = s.plus(r.times(x));
    }
}
