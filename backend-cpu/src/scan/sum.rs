//! Cumulative sums of floats.
//!
//! Running sums are kept in f64, one element after the other: some rows side by side, or a strip of columns. A row longer than [`BLOCK`] is cut into
//! blocks, whose sums come first. Bound by the latency of an addition, which side by side is hidden (a vector's prefix sums took twice as long).

use rushlight_backend::{Arg, Result, Storage};

use super::Lines;
use crate::buffer::{Plain, alloc, typed, typed_mut};
use crate::shape::{contiguous, words};
use crate::simd::dispatch;
use crate::threads::par_for;
use crate::walk::{Shared, par_pieces};

/// Rows that are summed side by side: the most whose lines share a set of the first cache.
const ROWS: usize = 4;
/// Sums side by side in the total of a block.
const LANES: usize = 16;
/// Elements of a row that one task scans.
const BLOCK: usize = 1 << 16;
/// Columns that are summed side by side.
const STRIP: usize = 512;

pub(super) trait Float: Plain {
    fn wide(self) -> f64;
    fn narrow(wide: f64) -> Self;
    /// Adds a line to running sums and writes them.
    fn line(x: &[Self], sums: &mut [f64], out: &mut [Self]);
}

/// One element after the other, `R` rows side by side: the additions of one row wait for each other.
#[inline(always)]
fn rows_body<T: Float, const R: usize>(x: &[T], out: &mut [T], n: usize, carry: f64, reverse: bool) -> f64 {
    let xs: [&[T]; R] = std::array::from_fn(|r| &x[r * n..][..n]);
    let mut rest = out.chunks_exact_mut(n);
    let mut outs: [&mut [T]; R] = std::array::from_fn(|_| rest.next().unwrap_or_default());
    let mut sums = [carry; R];
    let mut step = |k: usize| {
        for r in 0..R {
            sums[r] += xs[r][k].wide();
        }
        for r in 0..R {
            outs[r][k] = T::narrow(sums[r]);
        }
    };
    if reverse {
        (0..n).rev().for_each(&mut step)
    } else {
        (0..n).for_each(&mut step)
    }
    sums[R - 1]
}

fn row<T: Float>(x: &[T], out: &mut [T], carry: f64, reverse: bool) -> f64 {
    rows_body::<T, 1>(x, out, x.len(), carry, reverse)
}

/// Whole rows of `n` elements.
fn rows<T: Float>(x: &[T], out: &mut [T], n: usize, reverse: bool) {
    for (x, out) in x.chunks(ROWS * n).zip(out.chunks_mut(ROWS * n)) {
        if x.len() == ROWS * n {
            rows_body::<T, ROWS>(x, out, n, 0.0, reverse);
        } else {
            x.chunks(n).zip(out.chunks_mut(n)).for_each(|(x, out)| {
                row(x, out, 0.0, reverse);
            });
        }
    }
}

#[inline(always)]
fn line_body<T: Float, const FMA: bool>(x: &[T], sums: &mut [f64], out: &mut [T]) {
    for ((&x, s), o) in x.iter().zip(sums).zip(out) {
        *s += x.wide();
        *o = T::narrow(*s);
    }
}

dispatch! {
    fn line32(x: &[f32], sums: &mut [f64], out: &mut [f32]) = line_of_f32;
}
dispatch! {
    fn line64(x: &[f64], sums: &mut [f64], out: &mut [f64]) = line_of_f64;
}

macro_rules! float {
    ($t:ty, $line:ident = $line_body:ident) => {
        #[inline(always)]
        fn $line_body<const FMA: bool>(x: &[$t], sums: &mut [f64], out: &mut [$t]) {
            line_body::<$t, FMA>(x, sums, out)
        }
        impl Float for $t {
            #[inline(always)]
            fn wide(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn narrow(wide: f64) -> $t {
                wide as $t
            }
            fn line(x: &[$t], sums: &mut [f64], out: &mut [$t]) {
                $line(x, sums, out)
            }
        }
    };
}
float!(f32, line32 = line_of_f32);
float!(f64, line64 = line_of_f64);

pub(super) fn run<T: Float>(lines: Lines, x: &Arg<'_>) -> Result<Storage> {
    let mut buffer = alloc::<T>(x.shape())?;
    let copy;
    let data = if x.layout().is_contiguous() {
        &words::<T>(x)?[x.layout().offset()..]
    } else {
        copy = contiguous(x)?;
        typed::<T>(crate::buffer::cpu(&copy)?.as_bytes())
    };
    let out = typed_mut::<T>(&mut buffer);
    let Lines { n, inner, reverse, .. } = lines;
    if out.is_empty() {
    } else if inner > 1 {
        columns(lines, data, out);
    } else if n <= BLOCK {
        par_pieces(out, n * (BLOCK / 2 / n).max(1), |start, out| {
            rows(&data[start..][..out.len()], out, n, reverse);
        });
    } else {
        for (x, out) in data.chunks(n).zip(out.chunks_mut(n)) {
            long(x, out, reverse);
        }
    }
    Ok(Storage::new(buffer))
}

/// One row on all threads: the sums of its blocks, then each block from the sum of those before it.
fn long<T: Float>(x: &[T], out: &mut [T], reverse: bool) {
    let block = |i: usize| &x[i * BLOCK..x.len().min((i + 1) * BLOCK)];
    let mut sums = vec![0.0; x.len().div_ceil(BLOCK)];
    par_pieces(&mut sums, 1, |i, sum| {
        let mut lanes = [0.0; LANES];
        for chunk in block(i).chunks(LANES) {
            for (l, x) in lanes.iter_mut().zip(chunk) {
                *l += x.wide();
            }
        }
        sum[0] = lanes.iter().sum();
    });
    let mut total = 0.0;
    let mut add = |sum: &mut f64| total += std::mem::replace(sum, total);
    if reverse {
        sums.iter_mut().rev().for_each(&mut add)
    } else {
        sums.iter_mut().for_each(&mut add)
    }
    par_pieces(out, BLOCK, |start, out| {
        row(block(start / BLOCK), out, sums[start / BLOCK], reverse);
    });
}

/// Across rows: strips of columns are tasks.
fn columns<T: Float>(lines: Lines, x: &[T], out: &mut [T]) {
    let Lines { outer, n, inner, .. } = lines;
    let strips = inner.div_ceil(STRIP);
    assert!(x.len() >= outer * n * inner && out.len() == outer * n * inner);
    let shared = Shared(out.as_mut_ptr());
    let work = |i: usize| {
        let (shared, o, first) = (&shared, i / strips, i % strips * STRIP);
        let width = STRIP.min(inner - first);
        let mut sums = [0.0; STRIP];
        for k in 0..n {
            let at = (o * n + lines.place(k)) * inner + first;
            // SAFETY: `at + width` lies inside of `out` (asserted above), and the strip is this task's alone.
            let out = unsafe { std::slice::from_raw_parts_mut(shared.0.add(at), width) };
            T::line(&x[at..at + width], &mut sums[..width], out);
        }
    };
    if out.len() < BLOCK / 2 { (0..outer * strips).for_each(work) } else { par_for(outer * strips, work) }
}
