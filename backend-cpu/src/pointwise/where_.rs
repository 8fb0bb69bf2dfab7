//! `condition ? x : y`. Elements are chosen as words of their size, whatever they mean.

use std::sync::Arc;

use rushlight_backend::{Arg, Meta, Result, Storage};

use super::drive::{BLOCK, Val};
use crate::buffer::{Bool, CpuBuffer, Plain, cpu_mut, input, typed_mut};
use crate::shape::{with_word, words};
use crate::walk::{Walk, par_pieces};

pub(super) fn run(c: &Arg<'_>, x: &mut Arg<'_>, y: &mut Arg<'_>, out: &Meta) -> Result<Storage> {
    with_word!(out.dtype, W => choose::<W>(c, x, y, out))
}

fn choose<W: Plain>(c: &Arg<'_>, x: &mut Arg<'_>, y: &mut Arg<'_>, out: &Meta) -> Result<Storage> {
    let reused = super::reusable(x, &out.shape, out.dtype).or_else(|| super::reusable(y, &out.shape, out.dtype));
    let mut storage = match reused {
        Some(storage) => storage,
        None => Arc::new(CpuBuffer::new(out.numel() * size_of::<W>())?),
    };
    if out.numel() == 0 {
        return Ok(storage);
    }
    let walk = Walk::new(&out.shape, [c.layout(), x.layout(), y.layout()]);
    let memory = |arg| -> Result<Option<&[W]>> { if Arg::storage(arg).is_ok() { words::<W>(arg).map(Some) } else { Ok(None) } };
    let (c, x, y) = (input::<Bool>(c)?, memory(x)?, memory(y)?);
    par_pieces(typed_mut::<W>(cpu_mut(&mut storage)?), super::CHEAP, |start, piece| {
        let mut conditions = [Bool(0); BLOCK];
        let (mut xs, mut ys) = ([W::default(); BLOCK], [W::default(); BLOCK]);
        for (b, block) in piece.chunks_mut(BLOCK).enumerate() {
            let range = start + b * BLOCK..start + b * BLOCK + block.len();
            let c = fetch(&walk, 0, Some(c), range.clone(), &[], &mut conditions);
            let x = fetch(&walk, 1, x, range.clone(), block, &mut xs);
            let y = fetch(&walk, 2, y, range, block, &mut ys);
            choose_block(c, x, y, block);
        }
    });
    Ok(storage)
}

/// An operand's elements at a range of flat indices; without memory of its own they are the result's (`own`).
fn fetch<'a, T: Plain>(
    walk: &Walk<3>,
    k: usize,
    data: Option<&'a [T]>,
    range: std::ops::Range<usize>,
    own: &[T],
    stage: &'a mut [T; BLOCK],
) -> Val<'a, T> {
    let len = range.len();
    match data {
        None => stage[..len].copy_from_slice(own),
        Some(data) if walk.is_one(k) => return Val::One(data[walk.start(k)]),
        Some(data) if walk.is_flat(k) => return Val::Slice(&data[walk.start(k)..][range]),
        Some(data) => walk.gather(k, data, range, &mut stage[..len]),
    }
    Val::Slice(&stage[..len])
}

fn choose_block<W: Plain>(c: Val<'_, Bool>, x: Val<'_, W>, y: Val<'_, W>, out: &mut [W]) {
    let all = |v: Val<'_, W>, out: &mut [W]| match v {
        Val::Slice(v) => out.copy_from_slice(v),
        Val::One(v) => out.fill(v),
    };
    let c = match c {
        Val::One(c) => return all(if c.get() { x } else { y }, out),
        Val::Slice(c) => c,
    };
    match (x, y) {
        (Val::Slice(x), Val::Slice(y)) => {
            for (((o, c), &x), &y) in out.iter_mut().zip(c).zip(x).zip(y) {
                *o = if c.get() { x } else { y };
            }
        }
        (Val::Slice(x), Val::One(y)) => {
            for ((o, c), &x) in out.iter_mut().zip(c).zip(x) {
                *o = if c.get() { x } else { y };
            }
        }
        (Val::One(x), Val::Slice(y)) => {
            for ((o, c), &y) in out.iter_mut().zip(c).zip(y) {
                *o = if c.get() { x } else { y };
            }
        }
        (Val::One(x), Val::One(y)) => {
            for (o, c) in out.iter_mut().zip(c) {
                *o = if c.get() { x } else { y };
            }
        }
    }
}
