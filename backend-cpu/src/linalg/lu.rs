//! Eliminations with exchanges of rows: by halves of the columns, so that nearly all work is in matrix products. Matrices are row-major.

use std::ops::Range;

use rushlight_backend::Result;

use super::BASE;
use super::field::{Field, Mat, axpy, transposed};
use super::triangular::triangular;
use crate::simd::dispatch;

/// `P L U`, with L and U in place of the matrix.
#[derive(Default)]
pub(super) struct Lu {
    /// The row that each was exchanged with, counted from 0.
    pub(super) pivots: Vec<usize>,
    /// The place of the first pivot that is 0.
    pub(super) singular: Option<usize>,
}

/// `P L U` in place of an `m x n` matrix.
pub(super) fn lu<T: Field>(a: &mut [T], m: usize, n: usize, pivot: bool) -> Result<Lu> {
    let k = m.min(n);
    let mut found = Lu::default();
    if k == 0 {
        return Ok(found);
    }
    columns(a, (m, n), 0..k, pivot, &mut found)?;
    if n > k {
        eliminate(a, (m, n), 0..k, k..n)?;
    }
    Ok(found)
}

/// Factors some columns, from the diagonal down; those to their left have been eliminated.
fn columns<T: Field>(a: &mut [T], size: (usize, usize), range: Range<usize>, pivot: bool, found: &mut Lu) -> Result<()> {
    if range.len() <= BASE {
        panel(a, size, range, pivot, found);
        return Ok(());
    }
    let middle = range.start + (range.len() / 2).next_multiple_of(BASE);
    columns(a, size, range.start..middle, pivot, found)?;
    eliminate(a, size, range.start..middle, middle..range.end)?;
    columns(a, size, middle..range.end, pivot, found)
}

/// What factored columns mean for others to their right: `U12 = L11^-1 A12`, `A22 -= L21 U12`.
fn eliminate<T: Field>(a: &mut [T], (m, n): (usize, usize), done: Range<usize>, right: Range<usize>) -> Result<()> {
    let (k, width) = (done.len(), right.len());
    let mut u = Vec::with_capacity(k * width);
    for row in a.chunks_exact(n).take(done.end).skip(done.start) {
        u.extend_from_slice(&row[right.clone()]);
    }
    triangular(Mat { data: a, step: n }.at(done.start, done.start), k, &mut u, width, false, true)?;
    for (row, solved) in a.chunks_exact_mut(n).skip(done.start).zip(u.chunks_exact_mut(width)) {
        row[right.clone()].copy_from_slice(solved);
        solved.iter_mut().for_each(|x| *x = -*x);
    }
    if m == done.end {
        return Ok(());
    }
    let l: Vec<T> = a.chunks_exact(n).skip(done.end).flat_map(|row| &row[done.clone()]).copied().collect();
    let below = &mut a[done.end * n + right.start..];
    T::add_product(below, n, Mat { data: &l, step: k }, Mat { data: &u, step: width }, m - done.end, width, k)
}

/// A few columns, which are copied to lie one after the other. Rows are exchanged over the whole matrix.
fn panel<T: Field>(a: &mut [T], (m, n): (usize, usize), range: Range<usize>, pivot: bool, found: &mut Lu) {
    let (from, height) = (range.start, m - range.start);
    let mut part: Vec<T> = Vec::with_capacity(range.len() * height);
    for c in range.clone() {
        part.extend(a.chunks_exact(n).skip(from).map(|row| row[c]));
    }
    for j in 0..range.len() {
        let best = if pivot { j + largest(&part[j * height + j..(j + 1) * height]) } else { j };
        found.pivots.push(from + best);
        if best != j {
            part.chunks_exact_mut(height).for_each(|column| column.swap(j, best));
            let (upper, lower) = a.split_at_mut((from + best) * n);
            upper[(from + j) * n..][..n].swap_with_slice(&mut lower[..n]);
        }
        if part[j * height + j] == T::ZERO {
            found.singular = found.singular.or(Some(from + j));
            continue;
        }
        step(&mut part[j * height..], height, j);
    }
    for (row, solved) in a.chunks_exact_mut(n).skip(from).zip(transposed(&part, range.len(), height).chunks_exact(range.len())) {
        row[range.clone()].copy_from_slice(solved);
    }
}

/// The first of the largest in magnitude, which for complex numbers is LAPACK's here: |re| + |im|.
fn largest<T: Field>(column: &[T]) -> usize {
    let (mut best, mut most) = (0, None);
    for (i, x) in column.iter().enumerate() {
        let size = x.re().abs() + x.im().abs();
        if most.is_none_or(|most| size > most) {
            (best, most) = (i, Some(size));
        }
    }
    best
}

dispatch! {
    /// Eliminates below row `j` of the first column, in all columns.
    fn step<T: Field>(part: &mut [T], height: usize, j: usize) = step_body;
}

#[inline(always)]
fn step_body<T: Field, const FMA: bool>(part: &mut [T], height: usize, j: usize) {
    let (first, others) = part.split_at_mut(height);
    let (top, below) = first.split_at_mut(j + 1);
    let d = top[j];
    below.iter_mut().for_each(|x| *x = *x / d);
    for column in others.chunks_exact_mut(height) {
        let (top, rest) = column.split_at_mut(j + 1);
        if top[j] != T::ZERO {
            axpy(rest, top[j], below);
        }
    }
}

/// The solution of `A X = B` in place of `b`; the place of the first pivot that is 0, and then `b` means nothing.
pub(super) fn solve<T: Field>(a: &mut [T], n: usize, b: &mut [T], k: usize) -> Result<Option<usize>> {
    let Lu { pivots, singular } = lu(a, n, n, true)?;
    for (i, &p) in pivots.iter().enumerate() {
        if p != i {
            let (upper, lower) = b.split_at_mut(p * k);
            upper[i * k..][..k].swap_with_slice(&mut lower[..k]);
        }
    }
    let factors = Mat { data: a, step: n };
    triangular(factors, n, b, k, false, true)?;
    triangular(factors, n, b, k, true, false)?;
    Ok(singular)
}

/// Sign (or phase) and logarithm of the magnitude of the determinant, and the determinant.
pub(super) fn determinant<T: Field>(a: &mut [T], n: usize) -> Result<(T, f64, T)> {
    let pivots = lu(a, n, n, true)?.pivots;
    let odd = pivots.iter().enumerate().filter(|&(i, &p)| i != p).count() % 2 == 1;
    let (mut sign, mut log) = (if odd { -T::ONE } else { T::ONE }, 0.0);
    let mut det = sign;
    for i in 0..n {
        let d = a[i * n + i];
        let size = d.abs();
        det = det * d;
        sign = if size == 0.0 { T::ZERO } else { sign * d.scale(1.0 / size) };
        log += size.ln();
    }
    Ok((sign, log, det))
}
