//! Triangular systems: halves are solved one after the other, and what the first half means for the second is a matrix product; columns of the right-hand
//! side are shared out among the threads.

use rushlight_backend::Result;

use super::BASE;
use super::field::{Field, Mat, axpy};
use crate::simd::dispatch;
use crate::threads::par_for;
use crate::walk::Shared;

/// Columns of the right-hand side that one task solves for.
const COLUMNS: usize = 128;

/// The solution of a triangular system in place of `b`, `n x k` without gaps.
pub(super) fn triangular<T: Field>(a: Mat<'_, T>, n: usize, b: &mut [T], k: usize, upper: bool, unit: bool) -> Result<()> {
    if k <= COLUMNS || n <= BASE {
        return halves(a, n, b, k, upper, unit);
    }
    assert!(b.len() >= n * k, "triangular: sizes");
    let tasks = k.div_ceil(COLUMNS);
    let place = Shared(b.as_mut_ptr());
    let results: Vec<std::sync::OnceLock<Result<()>>> = (0..tasks).map(|_| std::sync::OnceLock::new()).collect();
    par_for(tasks, |task| {
        let place = &place;
        let (from, to) = (task * COLUMNS, ((task + 1) * COLUMNS).min(k));
        // SAFETY: inside of `b`, as asserted; each task has columns of its own. So below.
        let row = |i: usize| unsafe { std::slice::from_raw_parts_mut(place.0.add(i * k + from), to - from) };
        let mut part = Vec::with_capacity(n * (to - from));
        for i in 0..n {
            part.extend_from_slice(row(i));
        }
        let result = halves(a, n, &mut part, to - from, upper, unit);
        for (i, solved) in part.chunks_exact(to - from).enumerate() {
            row(i).copy_from_slice(solved);
        }
        results[task].get_or_init(|| result);
    });
    results.into_iter().filter_map(|r| r.into_inner()).collect()
}

fn halves<T: Field>(a: Mat<'_, T>, n: usize, b: &mut [T], k: usize, upper: bool, unit: bool) -> Result<()> {
    if k == 0 {
        return Ok(());
    }
    if n <= BASE {
        rows(a.data, a.step, b, k, upper, unit);
        return Ok(());
    }
    let half = (n / 2).next_multiple_of(BASE);
    let (top, bottom) = b.split_at_mut(half * k);
    let bottom = &mut bottom[..(n - half) * k];
    let minus = |x: &[T]| -> Vec<T> { x.iter().map(|&x| -x).collect() };
    if upper {
        halves(a.at(half, half), n - half, bottom, k, upper, unit)?;
        T::add_product(top, k, a.at(0, half), Mat { data: &minus(bottom), step: k }, half, k, n - half)?;
        return halves(a, half, top, k, upper, unit);
    }
    halves(a, half, top, k, upper, unit)?;
    T::add_product(bottom, k, a.at(half, 0), Mat { data: &minus(top), step: k }, n - half, k, half)?;
    halves(a.at(half, half), n - half, bottom, k, upper, unit)
}

dispatch! {
    /// A small system: `b` has as many rows as there are equations.
    fn rows<T: Field>(a: &[T], step: usize, b: &mut [T], k: usize, upper: bool, unit: bool) = rows_body;
}

#[inline(always)]
fn rows_body<T: Field, const FMA: bool>(a: &[T], step: usize, b: &mut [T], k: usize, upper: bool, unit: bool) {
    let n = b.len() / k;
    for at in 0..n {
        let i = if upper { n - 1 - at } else { at };
        let (before, rest) = b.split_at_mut(i * k);
        let (row, after) = rest.split_at_mut(k);
        let factors = &a[i * step..];
        if upper {
            for (j, x) in (i + 1..n).zip(after.chunks_exact(k)) {
                axpy(row, factors[j], x);
            }
        } else {
            for (&factor, x) in factors.iter().zip(before.chunks_exact(k)) {
                axpy(row, factor, x);
            }
        }
        if !unit {
            let d = factors[i];
            row.iter_mut().for_each(|x| *x = *x / d);
        }
    }
}
