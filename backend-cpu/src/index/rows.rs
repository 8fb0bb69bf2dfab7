//! Whole rows by index: what embeddings read, and the sums of their gradients.
//!
//! Bound by memory. Rows lie anywhere, so those to come are asked for a few rows ahead.

use std::sync::atomic::{AtomicBool, Ordering};

use rushlight_backend::{Arg, Layout, Meta, Result, Storage};

use super::{GRAIN, Sums, add_row};
use crate::buffer::{Plain, alloc, input, typed_mut};
use crate::shape::words;
use crate::simd::{dispatch, prefetch};
use crate::walk::par_pieces;

/// Rows that are asked for ahead of the one that is read.
const AHEAD: usize = 8;
/// Bytes of a row that are asked for ahead; the rest the hardware finds by itself.
const LINES: usize = 8;
const LINE: usize = 64;
/// Shorter rows (in elements) are not worth a path of their own.
const SHORT: usize = 8;

/// Whether each row, all dimensions but the first, lies in order.
pub(super) fn side_by_side(layout: &Layout) -> bool {
    let mut step = 1;
    let (shape, strides) = (layout.shape(), layout.strides());
    let in_order = (1..shape.len()).rev().all(|d| {
        let fits = strides[d] == step || shape[d] == 1;
        step *= shape[d] as isize;
        fits
    });
    in_order && shape.len() > 1 && step >= SHORT as isize
}

/// Whether all elements of some are one.
pub(super) fn is_one(layout: &Layout) -> bool {
    layout.numel() > 1 && layout.shape().iter().zip(layout.strides()).all(|(&n, &s)| n == 1 || s == 0)
}

/// Asks for the beginning of a row.
#[inline(always)]
fn ask<W>(row: *const W, bytes: usize) {
    for line in 0..bytes.div_ceil(LINE).min(LINES) {
        prefetch(row.cast::<u8>().wrapping_add(line * LINE));
    }
}

/// Rows of `from` (which begins with row 0, `step` apart) by index. False if an index is wrong.
#[inline(always)]
fn take_body<W: Plain, const FMA: bool>(from: &[W], step: usize, count: usize, index: &[i64], row: usize, out: &mut [W]) -> bool {
    for (k, (&i, out)) in index.iter().zip(out.chunks_exact_mut(row)).enumerate() {
        if let Some(&next) = index.get(k + AHEAD) {
            ask(from.as_ptr().wrapping_add((next as usize).wrapping_mul(step)), row * size_of::<W>());
        }
        if i as u64 >= count as u64 {
            return false;
        }
        let x = &from[i as usize * step..][..row];
        let (mut to, mut of) = (out.chunks_exact_mut(16), x.chunks_exact(16));
        if row <= 256 {
            // In place: a call for each short row would take as long as the row.
            for (o, x) in (&mut to).zip(&mut of) {
                o.copy_from_slice(x);
            }
            to.into_remainder().copy_from_slice(of.remainder());
        } else {
            out.copy_from_slice(x);
        }
    }
    true
}

dispatch! {
    fn take_rows<W: Plain>(from: &[W], step: usize, count: usize, index: &[i64], row: usize, out: &mut [W]) -> bool = take_body;
}

/// The rows that an index of any shape names; nothing if one does not exist, or memory runs backwards.
pub(super) fn take<W: Plain>(x: &Arg<'_>, index: &Arg<'_>, out: &Meta) -> Result<Option<Storage>> {
    let layout = x.layout();
    let (count, step, row) = (layout.shape()[0], layout.strides()[0], layout.shape()[1..].iter().product::<usize>());
    let Ok(step) = usize::try_from(step) else { return Ok(None) };
    if !index.layout().is_contiguous() || index.layout().numel() == 0 || count == 0 {
        return Ok(None);
    }
    let of = &input::<i64>(index)?[index.layout().offset()..][..index.layout().numel()];
    let from = &words::<W>(x)?[layout.offset()..];
    let mut buffer = alloc::<W>(&out.shape)?;
    let wrong = AtomicBool::new(false);
    par_pieces(typed_mut::<W>(&mut buffer), (GRAIN / row).max(1) * row, |start, piece| {
        let (first, n) = (start / row, piece.len() / row);
        if !take_rows(from, step, count, &of[first..first + n], row, piece) {
            wrong.store(true, Ordering::Relaxed);
        }
    });
    Ok(if wrong.load(Ordering::Relaxed) { None } else { Some(Storage::new(buffer)) })
}

/// Rows of the source added, in the order of the index, to a matrix whose elements are all one number: every row of the result is written once. For each
/// row of the result there is a list of the rows that go there.
pub(super) fn add_to_one<T: Sums>(x: &Arg<'_>, index: &Arg<'_>, source: &Arg<'_>) -> Result<Storage> {
    let (shape, row) = (x.shape(), x.shape()[1..].iter().product::<usize>());
    let (of, stride, first) = (input::<i64>(index)?, index.layout().strides()[0], index.layout().offset() as isize);
    let n = index.shape()[0];
    let one = input::<T>(x)?[x.layout().offset()];
    let (from, step) = (input::<T>(source)?, source.layout().strides()[0]);
    let place = |i: usize| (source.layout().offset() as isize + i as isize * step) as usize;
    const NONE: usize = usize::MAX;
    let (mut heads, mut next) = (vec![NONE; shape[0]], vec![NONE; n]);
    for i in (0..n).rev() {
        let to = of[(first + i as isize * stride) as usize] as usize;
        next[i] = std::mem::replace(&mut heads[to], i);
    }
    let mut buffer = alloc::<T>(shape)?;
    par_pieces(typed_mut::<T>(&mut buffer), (GRAIN / row).max(1) * row, |start, piece| {
        for (r, out) in (start / row..).zip(piece.chunks_exact_mut(row)) {
            if let Some(&i) = heads.get(r + AHEAD)
                && i != NONE
            {
                ask(from.as_ptr().wrapping_add(place(i)), row * size_of::<T>());
            }
            out.fill(one);
            let mut i = heads[r];
            while i != NONE {
                add_row(out, &from[place(i)..][..row]);
                i = next[i];
            }
        }
    });
    Ok(Storage::new(buffer))
}
