//! Largest elements of windows and their places.

use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use rushlight_backend::op::Pool;
use rushlight_backend::{Arg, Error, Meta, Op, Result, Storage, Storages};
use smallvec::smallvec;

use super::average::Mean;
use super::axis::Axes;
use super::{GRAIN, axes, dense};
use crate::buffer::{Plain, alloc, typed_mut};
use crate::simd::dispatch;
use crate::walk::par_pieces;

/// The maxima and places of a plane of some width, for windows of 2 x 2 that tile it.
pub(super) type TwoByTwo<T> = fn(x: &[T], width: usize, out_width: usize, values: &mut [T], places: &mut [i64]);

pub(super) fn run<T: Plain + PartialOrd>(
    op: &Pool,
    inputs: &[Arg<'_>],
    outputs: &[Meta],
    least: T,
    fast: Option<TwoByTwo<T>>,
) -> Result<Storages> {
    let mut copy = None;
    let x = dense::<T>(&inputs[0], &mut copy)?;
    let axes = axes(op, inputs[0].shape(), &outputs[0].shape);
    let from: usize = axes.0.iter().map(|a| a.size).product();
    let to: usize = axes.0.iter().map(|a| a.spans.len()).product();
    let (mut values, mut places) = (alloc::<T>(&outputs[0].shape)?, alloc::<i64>(&outputs[1].shape)?);
    if to > 0 {
        let fast = fast.filter(|_| tiles(op, &axes));
        let planes = (GRAIN / (from + 3 * to)).max(1);
        let base = AtomicPtr::new(typed_mut::<i64>(&mut places).as_mut_ptr());
        par_pieces(typed_mut::<T>(&mut values), planes * to, |start, piece| {
            // SAFETY: there are as many places as values, and pieces do not overlap.
            let places = unsafe { std::slice::from_raw_parts_mut(base.load(Ordering::Relaxed).add(start), piece.len()) };
            for (i, (v, p)) in piece.chunks_exact_mut(to).zip(places.chunks_exact_mut(to)).enumerate() {
                let x = &x[(start / to + i) * from..][..from];
                match fast {
                    Some(f) => f(x, axes.0[2].size, axes.0[2].spans.len(), v, p),
                    None => plane(&axes, least, x, v, p),
                }
            }
        });
    }
    Ok(smallvec![Storage::new(values), Storage::new(places)])
}

/// Whether the windows are 2 x 2 and lie side by side, all inside.
fn tiles(op: &Pool, axes: &Axes) -> bool {
    let Pool::Max(w) = op else { return false };
    let [z, h, x] = &axes.0;
    w.kernel.as_slice() == [2, 2]
        && w.stride.as_slice() == [2, 2]
        && w.padding.as_slice() == [0, 0]
        && w.dilation.as_slice() == [1, 1]
        && z.size == 1
        && 2 * h.spans.len() <= h.size
        && 2 * x.spans.len() <= x.size
}

fn plane<T: Plain + PartialOrd>(axes: &Axes, least: T, x: &[T], values: &mut [T], places: &mut [i64]) {
    axes.windows(|at, spans| {
        let (mut best, mut place) = (least, None);
        axes.rows(spans, |start, count, step| {
            for i in (start..).step_by(step).take(count) {
                let v = x[i];
                #[allow(clippy::eq_op)] // NaN
                if place.is_none() || v > best || v != v {
                    (best, place) = (v, Some(i));
                }
            }
        });
        values[at] = best;
        places[at] = place.unwrap_or(0) as i64;
    });
}

dispatch! {
    /// As [`plane`], branch-free.
    pub(super) fn two_by_two(x: &[f32], width: usize, out_width: usize, values: &mut [f32], places: &mut [i64]) = two_by_two_body;
}

#[inline(always)]
fn two_by_two_body<const FMA: bool>(x: &[f32], width: usize, out_width: usize, values: &mut [f32], places: &mut [i64]) {
    for (row, (values, places)) in values.chunks_exact_mut(out_width).zip(places.chunks_exact_mut(out_width)).enumerate() {
        let at = 2 * row * width;
        let (upper, lower) = (&x[at..][..2 * out_width], &x[at + width..][..2 * out_width]);
        for i in 0..out_width {
            let (mut best, mut place) = (upper[2 * i], 0i32);
            for (v, p) in [(upper[2 * i + 1], 1), (lower[2 * i], width as i32), (lower[2 * i + 1], width as i32 + 1)] {
                let better = (v > best) | v.is_nan();
                best = if better { v } else { best };
                place = if better { p } else { place };
            }
            values[i] = best;
            places[i] = (at + 2 * i) as i64 + i64::from(place);
        }
    }
}

/// Adds every element of g to the place of its plane that its index names. `planes` planes make a task.
pub(super) fn backward<T: Mean>(op: &Pool, g: &[T], indices: &[i64], from: usize, planes: usize, dx: &mut [T], to: usize) -> Result<()> {
    let bad = AtomicBool::new(false);
    par_pieces(dx, planes * to, |start, piece| {
        for (i, dx) in piece.chunks_exact_mut(to).enumerate() {
            let range = (start / to + i) * from..(start / to + i + 1) * from;
            dx.fill(T::default());
            for (&g, &index) in g[range.clone()].iter().zip(&indices[range]) {
                match usize::try_from(index).ok().and_then(|i| dx.get_mut(i)) {
                    Some(x) => *x = x.plus(g),
                    None => bad.store(true, Ordering::Relaxed),
                }
            }
        }
    });
    if bad.into_inner() {
        return Err(Error::index(Op::from(*op).name(), format!("an index lies outside of its plane of {to} elements")));
    }
    Ok(())
}
