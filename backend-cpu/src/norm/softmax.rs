//! Softmax and log-softmax: one pass over a row for its maximum, one for the exponentials and their sum, one to finish, all while the row is
//! in the cache. Along an outer dimension, the columns of a tile take the place of the numbers of a row.

use rushlight_backend::{Arg, Meta, Result, Storage, Storages};

use super::InOrder;
use crate::buffer::{alloc, typed_mut};
use crate::pointwise::exp::Exp;
use crate::simd::dispatch;
use crate::walk::par_pieces;

/// Elements that one task takes.
const GRAIN: usize = 1 << 14;
const LANES: usize = 64;
/// Elements that are added up in lanes before they are added to a wider sum.
const BLOCK: usize = 4096;
/// Columns that are taken side by side.
const TILE: usize = 128;

pub(super) fn forward<T: Exp>(inputs: &[Arg<'_>], out: &Meta, dim: usize, log: bool) -> Result<Storages> {
    let x = InOrder::new(&inputs[0])?;
    let x = x.values::<T>()?;
    over_slabs::<T>(out, dim, |first, out, n, inner| {
        let x = &x[first..first + out.len()];
        if inner == 1 { softmax_rows(x, out, n, log) } else { softmax_columns(x, out, n, inner, log) }
    })
}

pub(super) fn backward<T: Exp>(inputs: &[Arg<'_>], out: &Meta, dim: usize, log: bool) -> Result<Storages> {
    let (g, y) = (InOrder::new(&inputs[0])?, InOrder::new(&inputs[1])?);
    let (g, y) = (g.values::<T>()?, y.values::<T>()?);
    over_slabs::<T>(out, dim, |first, out, n, inner| {
        let (g, y) = (&g[first..first + out.len()], &y[first..first + out.len()]);
        if inner == 1 { grad_rows(g, y, out, n, log) } else { grad_columns(g, y, out, n, inner, log) }
    })
}

/// Calls `f(first, out, n, inner)` for parts of the result that are whole slabs `[n, inner]`.
fn over_slabs<T: Exp>(out: &Meta, dim: usize, f: impl Fn(usize, &mut [T], usize, usize) + Sync) -> Result<Storages> {
    let mut buffer = alloc::<T>(&out.shape)?;
    let (n, inner) = (out.shape[dim], rushlight_backend::numel(&out.shape[dim + 1..]));
    let slab = n * inner;
    let all = typed_mut::<T>(&mut buffer);
    if !all.is_empty() {
        par_pieces(all, (GRAIN / slab).max(1) * slab, |first, out| f(first, out, n, inner));
    }
    Ok(smallvec::smallvec![Storage::new(buffer)])
}

/// Joins lanes pairwise.
#[inline(always)]
fn tree<T: Exp>(mut lanes: [T; LANES], join: impl Fn(T, T) -> T) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn top<T: Exp>(x: &[T]) -> T {
    let larger = |t: T, x: T| if x > t { x } else { t };
    let low = T::narrow(f64::NEG_INFINITY);
    let mut chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    if rest.len() == x.len() {
        return rest.iter().fold(low, |a, &x| larger(a, x));
    }
    let mut tops = [low; LANES];
    for c in &mut chunks {
        for (t, &x) in tops.iter_mut().zip(c) {
            *t = larger(*t, x);
        }
    }
    for (t, &x) in tops.iter_mut().zip(rest) {
        *t = larger(*t, x);
    }
    tree(tops, larger)
}

/// The sum of `f` over the elements of two rows.
#[inline(always)]
fn sum<T: Exp>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut sums = [T::narrow(0.0); LANES];
        let (mut ca, mut cb) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        for (a, b) in (&mut ca).zip(&mut cb) {
            for i in 0..LANES {
                sums[i] = sums[i].plus(f(a[i], b[i]));
            }
        }
        for ((s, &a), &b) in sums.iter_mut().zip(ca.remainder()).zip(cb.remainder()) {
            *s = s.plus(f(a, b));
        }
        total += tree(sums, |a, b| a.plus(b)).wide();
    }
    total
}

/// `out = exp(x - top)`, and the sum.
#[inline(always)]
fn exponentials<T: Exp, const FMA: bool>(x: &[T], top: T, out: &mut [T]) -> f64 {
    let mut total = 0.0;
    for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let mut sums = [T::narrow(0.0); LANES];
        let (mut cx, mut co) = (x.chunks_exact(LANES), out.chunks_exact_mut(LANES));
        for (x, o) in (&mut cx).zip(&mut co) {
            for i in 0..LANES {
                o[i] = x[i].minus(top).exp_flushed::<FMA>();
                sums[i] = sums[i].plus(o[i]);
            }
        }
        for ((s, &x), o) in sums.iter_mut().zip(cx.remainder()).zip(co.into_remainder()) {
            *o = x.minus(top).exp_flushed::<FMA>();
            *s = s.plus(*o);
        }
        total += tree(sums, |a, b| a.plus(b)).wide();
    }
    total
}

#[inline(always)]
fn softmax_rows_body<T: Exp, const FMA: bool>(x: &[T], out: &mut [T], n: usize, log: bool) {
    for (x, out) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
        let top = top(x);
        let total = exponentials::<T, FMA>(x, top, out);
        if log {
            let shift = T::narrow(total.ln());
            for (o, &x) in out.iter_mut().zip(x) {
                *o = x.minus(top).minus(shift);
            }
        } else {
            let scale = T::narrow(1.0 / total);
            for o in out.iter_mut() {
                *o = o.times(scale);
            }
        }
    }
}

dispatch! {
    fn softmax_rows<T: Exp>(x: &[T], out: &mut [T], n: usize, log: bool) = softmax_rows_body;
}

#[inline(always)]
fn softmax_columns_body<T: Exp, const FMA: bool>(x: &[T], out: &mut [T], n: usize, inner: usize, log: bool) {
    let slab = n * inner;
    for (x, out) in x.chunks_exact(slab).zip(out.chunks_exact_mut(slab)) {
        for start in (0..inner).step_by(TILE) {
            let width = TILE.min(inner - start);
            let (mut tops, mut sums) = ([T::narrow(f64::NEG_INFINITY); TILE], [T::narrow(0.0); TILE]);
            let (tops, sums) = (&mut tops[..width], &mut sums[..width]);
            for i in 0..n {
                for (t, &x) in tops.iter_mut().zip(&x[i * inner + start..][..width]) {
                    *t = if x > *t { x } else { *t };
                }
            }
            for i in 0..n {
                let (x, out) = (&x[i * inner + start..][..width], &mut out[i * inner + start..][..width]);
                for j in 0..width {
                    let e = x[j].minus(tops[j]).exp_flushed::<FMA>();
                    out[j] = e;
                    sums[j] = sums[j].plus(e);
                }
            }
            for (s, t) in sums.iter_mut().zip(tops.iter_mut()) {
                if log {
                    *s = T::narrow(s.wide().ln());
                } else {
                    *s = T::narrow(1.0 / s.wide());
                    *t = T::narrow(0.0);
                }
            }
            for i in 0..n {
                let (x, out) = (&x[i * inner + start..][..width], &mut out[i * inner + start..][..width]);
                for j in 0..width {
                    out[j] = if log { x[j].minus(tops[j]).minus(sums[j]) } else { out[j].times(sums[j]) };
                }
            }
        }
    }
}

dispatch! {
    fn softmax_columns<T: Exp>(x: &[T], out: &mut [T], n: usize, inner: usize, log: bool) = softmax_columns_body;
}

#[inline(always)]
fn grad_rows_body<T: Exp, const FMA: bool>(g: &[T], y: &[T], out: &mut [T], n: usize, log: bool) {
    for ((g, y), out) in g.chunks_exact(n).zip(y.chunks_exact(n)).zip(out.chunks_exact_mut(n)) {
        if log {
            let total = T::narrow(sum(g, g, |g, _| g));
            for ((o, &g), &y) in out.iter_mut().zip(g).zip(y) {
                *o = g.minus(y.exp::<FMA>().times(total));
            }
        } else {
            let total = T::narrow(sum(g, y, |g, y| g.times(y)));
            for ((o, &g), &y) in out.iter_mut().zip(g).zip(y) {
                *o = y.times(g.minus(total));
            }
        }
    }
}

dispatch! {
    fn grad_rows<T: Exp>(g: &[T], y: &[T], out: &mut [T], n: usize, log: bool) = grad_rows_body;
}

#[inline(always)]
fn grad_columns_body<T: Exp, const FMA: bool>(g: &[T], y: &[T], out: &mut [T], n: usize, inner: usize, log: bool) {
    let slab = n * inner;
    for ((g, y), out) in g.chunks_exact(slab).zip(y.chunks_exact(slab)).zip(out.chunks_exact_mut(slab)) {
        for start in (0..inner).step_by(TILE) {
            let width = TILE.min(inner - start);
            let mut sums = [T::narrow(0.0); TILE];
            let sums = &mut sums[..width];
            for i in 0..n {
                let (g, y) = (&g[i * inner + start..][..width], &y[i * inner + start..][..width]);
                for j in 0..width {
                    sums[j] = sums[j].plus(if log { g[j] } else { g[j].times(y[j]) });
                }
            }
            for i in 0..n {
                let at = i * inner + start;
                let (g, y, out) = (&g[at..][..width], &y[at..][..width], &mut out[at..][..width]);
                for j in 0..width {
                    out[j] = if log { g[j].minus(y[j].exp::<FMA>().times(sums[j])) } else { y[j].times(g[j].minus(sums[j])) };
                }
            }
        }
    }
}

dispatch! {
    fn grad_columns<T: Exp>(g: &[T], y: &[T], out: &mut [T], n: usize, inner: usize, log: bool) = grad_columns_body;
}
