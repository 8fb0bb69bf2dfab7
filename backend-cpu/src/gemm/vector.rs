//! A matrix times a vector: every element of the matrix is read once, so memory is the limit and nothing is packed.

use super::{Output, Real, Strided};
use crate::simd::dispatch;
use crate::threads::par_for;

/// Lines that one task takes.
const LINES: usize = 64;
/// Columns that one task takes when it adds up rows.
const COLUMNS: usize = 1024;
/// Elements of the matrix below which threads do not pay.
const SERIAL: usize = 1 << 15;

/// C = A B (+ C) (+ bias) where m or n is 1.
///
/// # Safety
/// As [`gemm`](super::gemm).
pub(super) unsafe fn product<T: Real>(m: usize, n: usize, k: usize, a: &Strided<'_, T>, b: &Strided<'_, T>, out: &Output<'_, T>) {
    // The vector is the factor with one line; the result has one element for each line of the matrix.
    let (matrix, vector, lines) = if m == 1 { (b, a, n) } else { (a, b, m) };
    let step = if m == 1 { out.strides.1 } else { out.strides.0 };
    let x: Vec<T> = (0..k).map(|i| vector.data[vector.at(0, i)]).collect();
    let write = |line: usize, sum: T| {
        // SAFETY: the caller answers for the output; each line is written by one task.
        let place = unsafe { &mut *out.data.offset(line as isize * step) };
        let mut sum = if out.accumulate { *place + sum } else { sum };
        if let Some(bias) = out.bias {
            sum = sum + bias[if m == 1 { line } else { 0 }];
        }
        *place = sum;
    };
    let serial = lines * k < SERIAL;
    let threads = |tasks: usize, f: &(dyn Fn(usize) + Sync)| if serial { (0..tasks).for_each(f) } else { par_for(tasks, f) };
    if matrix.line_step == 1 && matrix.k_step != 1 {
        // Elements of different lines lie side by side: whole rows are scaled and added.
        threads(lines.div_ceil(COLUMNS), &|task| {
            let first = task * COLUMNS;
            let len = COLUMNS.min(lines - first);
            let mut sums = [T::default(); COLUMNS];
            for (i, &x) in x.iter().enumerate() {
                let from = matrix.at(first, i);
                add_scaled(&mut sums[..len], &matrix.data[from..from + len], x);
            }
            (0..len).for_each(|i| write(first + i, sums[i]));
        });
    } else {
        threads(lines.div_ceil(LINES), &|task| {
            for line in task * LINES..((task + 1) * LINES).min(lines) {
                let sum = if matrix.k_step == 1 {
                    let from = matrix.at(line, 0);
                    dot(&matrix.data[from..from + k], &x)
                } else {
                    (0..k).fold(T::default(), |s, i| s + matrix.data[matrix.at(line, i)] * x[i])
                };
                write(line, sum);
            }
        });
    }
}

dispatch! {
    fn add_scaled<T: Real>(sums: &mut [T], row: &[T], x: T) = add_scaled_body;
}

#[inline(always)]
fn add_scaled_body<T: Real, const FMA: bool>(sums: &mut [T], row: &[T], x: T) {
    for (s, &r) in sums.iter_mut().zip(row) {
        *s = *s + r * x;
    }
}

dispatch! {
    fn dot<T: Real>(a: &[T], b: &[T]) -> T = dot_body;
}

/// 32 running sums, added up pairwise at the end.
#[inline(always)]
fn dot_body<T: Real, const FMA: bool>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 32;
    let mut sums = [T::default(); LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (x, y) in a_chunks.zip(b_chunks) {
        for i in 0..LANES {
            sums[i] = sums[i] + x[i] * y[i];
        }
    }
    for (i, (&x, &y)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[i] = sums[i] + x * y;
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            sums[i] = sums[i] + sums[i + width];
        }
    }
    sums[0]
}
