//! The innermost loops: many lanes side by side, in an order that the length alone decides.

use super::kernel::{Kernel, Merge};
use crate::simd::{dispatch, prefetch};

/// The longest row that is reduced in lanes without merging in between: at most 64 elements fall to one lane.
pub(super) const BLOCK: usize = 4096;

/// Rows of columns that are added up before they are merged.
pub(super) const ROWS: usize = 512;

/// Rows that are reduced by one call.
pub(super) const BATCH: usize = 32;

/// Columns that are reduced side by side.
pub(super) const TILE: usize = 1024;

/// Rows narrower than this are taken several at a time.
const NARROW_COLUMNS: usize = 64;

const LANES: usize = 64;
const NARROW: usize = 16;
/// Bytes by which long rows are read ahead. Sums of long vectors are bound by memory: 64 MB take 0.58 ms with it, 0.87 without.
const AHEAD: usize = 8192;
/// Bytes of a cache line.
const LINE: usize = 64;

/// One row of elements that lie side by side.
#[inline(always)]
fn row<K: Kernel>(x: &[K::T], p: K::Param) -> K::Lane {
    if x.len() < NARROW {
        return x.iter().fold(K::IDENTITY, |a, &x| K::join(a, K::lift(x, p)));
    }
    let mut acc = [K::IDENTITY; NARROW];
    let mut rest = x;
    if x.len() >= LANES {
        let mut wide = [K::IDENTITY; LANES];
        let mut chunks = x.chunks_exact(LANES);
        for chunk in &mut chunks {
            let ahead = chunk.as_ptr().cast::<u8>().wrapping_add(AHEAD);
            for line in 0..(LANES * size_of::<K::T>()).div_ceil(LINE) {
                prefetch(ahead.wrapping_add(line * LINE));
            }
            for (a, &x) in wide.iter_mut().zip(chunk) {
                *a = K::join(*a, K::lift(x, p));
            }
        }
        rest = chunks.remainder();
        for i in 0..NARROW {
            acc[i] = K::join(K::join(wide[i], wide[i + NARROW]), K::join(wide[i + 2 * NARROW], wide[i + 3 * NARROW]));
        }
    }
    let mut chunks = rest.chunks_exact(NARROW);
    for chunk in &mut chunks {
        for (a, &x) in acc.iter_mut().zip(chunk) {
            *a = K::join(*a, K::lift(x, p));
        }
    }
    for (a, &x) in acc.iter_mut().zip(chunks.remainder()) {
        *a = K::join(*a, K::lift(x, p));
    }
    let mut half = NARROW / 2;
    while half > 0 {
        for i in 0..half {
            acc[i] = K::join(acc[i], acc[i + half]);
        }
        half /= 2;
    }
    acc[0]
}

#[inline(always)]
fn rows_body<K: Kernel, const FMA: bool>(x: &[K::T], at: usize, step: isize, len: usize, params: &[K::Param], out: &mut [K::Lane]) {
    for (i, (o, &p)) in out.iter_mut().zip(params).enumerate() {
        let start = (at as isize + i as isize * step) as usize;
        *o = row::<K>(&x[start..start + len], p);
    }
}

dispatch! {
    fn hot_rows<K: Kernel>(x: &[K::T], at: usize, step: isize, len: usize, params: &[K::Param], out: &mut [K::Lane]) = rows_body;
}

/// Reduces one row of `len` elements for each result: the i-th begins `i * step` elements after `at`.
pub(super) fn rows<K: Kernel>(x: &[K::T], at: usize, step: isize, len: usize, params: &[K::Param], out: &mut [K::Lane]) {
    if K::HOT { hot_rows::<K>(x, at, step, len, params, out) } else { rows_body::<K, false>(x, at, step, len, params, out) }
}

#[inline(always)]
fn columns_body<K: Kernel, const FMA: bool>(x: &[K::T], at: usize, step: isize, n: usize, params: &[K::Param], acc: &mut [K::Lane]) {
    let width = acc.len();
    let params = &params[..width];
    let line = |i: usize| {
        let start = (at as isize + i as isize * step) as usize;
        &x[start..start + width]
    };
    let mut i = 0;
    while i + 8 <= n {
        let l: [&[K::T]; 8] = std::array::from_fn(|k| line(i + k));
        let [l0, l1, l2, l3, l4, l5, l6, l7] = l;
        for j in 0..width {
            let f = |l: &[K::T]| K::lift(l[j], params[j]);
            let front = K::join(K::join(f(l0), f(l1)), K::join(f(l2), f(l3)));
            let back = K::join(K::join(f(l4), f(l5)), K::join(f(l6), f(l7)));
            acc[j] = K::join(acc[j], K::join(front, back));
        }
        i += 8;
    }
    while i < n {
        let l = line(i);
        for j in 0..width {
            acc[j] = K::join(acc[j], K::lift(l[j], params[j]));
        }
        i += 1;
    }
}

dispatch! {
    fn hot_columns<K: Kernel>(x: &[K::T], at: usize, step: isize, n: usize, params: &[K::Param], acc: &mut [K::Lane]) = columns_body;
}

/// Joins `n` rows of elements into as many lanes as a row has; the rows begin `step` elements apart.
pub(super) fn columns<K: Kernel>(x: &[K::T], at: usize, step: isize, n: usize, params: &[K::Param], acc: &mut [K::Lane]) {
    if K::HOT { hot_columns::<K>(x, at, step, n, params, acc) } else { columns_body::<K, false>(x, at, step, n, params, acc) }
}

/// Blocks of an input, reduced to wide results. What is around them does not see the element type.
pub(super) trait Blocks<W>: Sync {
    /// One row for each result: the i-th begins `i * step` after `at` and belongs to output `first + i`, or to `first` if `same`.
    fn rows(&self, r: Rows, wide: &mut [W]);
    /// One result for each column of some rows, set or (`more`) merged into what is there.
    fn columns(&self, c: Columns, wide: &mut [W], more: bool);
    /// The result of nothing.
    fn identity(&self) -> W;
    /// How results are merged.
    fn merge(&self) -> Merge;
}

/// Which rows: elements `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) at: usize,
    pub(super) step: isize,
    pub(super) len: usize,
    pub(super) stride: isize,
    pub(super) first: usize,
    pub(super) same: bool,
}

/// Which columns: `n` rows `step` apart; the i-th column belongs to output `first + i * out_step`.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) at: usize,
    pub(super) step: isize,
    pub(super) n: usize,
    pub(super) first: usize,
    pub(super) out_step: isize,
}

/// An input with a kernel, and what is known of each output before (nothing, or one parameter each).
pub(super) struct Of<'a, K: Kernel> {
    pub(super) x: &'a [K::T],
    pub(super) params: &'a [K::Param],
}

impl<K: Kernel> Of<'_, K> {
    fn param(&self, output: usize) -> K::Param {
        self.params.get(output).copied().unwrap_or_default()
    }

    fn columns_in<const N: usize>(&self, c: Columns, wide: &mut [K::Wide], more: bool) {
        let (mut params, mut lanes) = ([K::Param::default(); N], [K::IDENTITY; N]);
        let own = wide.len();
        // Narrow rows that follow each other are joined as longer ones.
        let at_once = if c.step == own as isize { (NARROW_COLUMNS / own).clamp(1, c.n) } else { 1 };
        let width = at_once * own;
        if !self.params.is_empty() {
            for (j, p) in params[..width].iter_mut().enumerate() {
                *p = self.param((c.first as isize + (j % own) as isize * c.out_step) as usize);
            }
        }
        let long = c.n / at_once;
        columns::<K>(self.x, c.at, c.step * at_once as isize, long, &params, &mut lanes[..width]);
        let done = long * at_once;
        if done < c.n {
            let at = (c.at as isize + done as isize * c.step) as usize;
            columns::<K>(self.x, at, c.step, c.n - done, &params, &mut lanes[..own]);
        }
        for (j, w) in wide.iter_mut().enumerate() {
            let all = K::widen((1..at_once).fold(lanes[j], |a, k| K::join(a, lanes[j + k * own])));
            *w = if more { K::MERGE.of(*w, all) } else { all };
        }
    }
}

impl<K: Kernel> Blocks<K::Wide> for Of<'_, K> {
    fn rows(&self, r: Rows, wide: &mut [K::Wide]) {
        let mut lanes = [K::IDENTITY; BATCH];
        let mut params = [K::Param::default(); BATCH];
        for (b, wide) in wide.chunks_mut(BATCH).enumerate() {
            let (n, at) = (wide.len(), r.at as isize + (b * BATCH) as isize * r.step);
            if !self.params.is_empty() {
                for (i, p) in params[..n].iter_mut().enumerate() {
                    *p = self.param(if r.same { r.first } else { r.first + b * BATCH + i });
                }
            }
            if r.stride == 1 || r.len == 1 {
                rows::<K>(self.x, at as usize, r.step, r.len, &params[..n], &mut lanes[..n]);
            } else {
                // Elements that do not lie side by side are brought there first.
                let mut side_by_side = [K::T::default(); BLOCK];
                for i in 0..n {
                    let first = at + i as isize * r.step;
                    for (j, s) in side_by_side[..r.len].iter_mut().enumerate() {
                        *s = self.x[(first + j as isize * r.stride) as usize];
                    }
                    rows::<K>(&side_by_side, 0, 0, r.len, &params[i..=i], &mut lanes[i..=i]);
                }
            }
            wide.iter_mut().zip(&lanes).for_each(|(w, &l)| *w = K::widen(l));
        }
    }

    fn columns(&self, c: Columns, wide: &mut [K::Wide], more: bool) {
        if wide.len() <= NARROW_COLUMNS {
            self.columns_in::<NARROW_COLUMNS>(c, wide, more);
        } else {
            self.columns_in::<TILE>(c, wide, more);
        }
    }

    fn identity(&self) -> K::Wide {
        K::widen(K::IDENTITY)
    }

    fn merge(&self) -> Merge {
        K::MERGE
    }
}
