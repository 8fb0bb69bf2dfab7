//! `condition ? x : y`. Elements are chosen as words of their size, whatever they mean.

use std::ops::Range;

use rushlight_backend::{Arg, Complex64, Meta, Result, Storage};

use super::drive::{BLOCK, Val};
use crate::buffer::{Bool, CpuBuffer, Plain, cpu_mut, input, typed_mut};
use crate::shape::{with_word, words};
use crate::simd::dispatch;
use crate::walk::{Walk, par_pieces};

pub(super) fn run(c: &Arg<'_>, x: &mut Arg<'_>, y: &mut Arg<'_>, out: &Meta) -> Result<Storage> {
    with_word!(out.dtype, W => choose::<W>(c, x, y, out))
}

fn choose<W: Word>(c: &Arg<'_>, x: &mut Arg<'_>, y: &mut Arg<'_>, out: &Meta) -> Result<Storage> {
    let reused = super::reusable(x, &out.shape, out.dtype).or_else(|| super::reusable(y, &out.shape, out.dtype));
    let mut storage = match reused {
        Some(storage) => storage,
        None => Storage::new(CpuBuffer::new(out.numel() * size_of::<W>())?),
    };
    if out.numel() == 0 {
        return Ok(storage);
    }
    let walk = Walk::new(&out.shape, [c.layout(), x.layout(), y.layout()]);
    let memory = |arg| -> Result<Option<&[W]>> { if Arg::storage(arg).is_ok() { words::<W>(arg).map(Some) } else { Ok(None) } };
    let (c, x, y) = (input::<Bool>(c)?, memory(x)?, memory(y)?);
    let as_it_lies = |k, own: bool| !own && (walk.is_flat(k) || walk.is_one(k));
    if as_it_lies(0, false) && as_it_lies(1, x.is_none()) && as_it_lies(2, y.is_none()) {
        par_pieces(typed_mut::<W>(cpu_mut(&mut storage)?), super::CHEAP, |start, piece| {
            let range = start..start + piece.len();
            let (x, y) = (lying(&walk, 1, x.unwrap_or(&[]), &range), lying(&walk, 2, y.unwrap_or(&[]), &range));
            choose_block(lying(&walk, 0, c, &range), x, y, piece);
        });
        return Ok(storage);
    }
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

/// The elements at a range of flat indices, of an operand that is one number or lies in order.
fn lying<'a, T: Plain>(walk: &Walk<3>, k: usize, data: &'a [T], range: &Range<usize>) -> Val<'a, T> {
    let start = walk.start(k);
    if walk.is_one(k) { Val::One(data[start]) } else { Val::Slice(&data[start..][range.clone()]) }
}

/// An operand's elements at a range of flat indices; without memory of its own they are the result's (`own`).
fn fetch<'a, T: Plain>(
    walk: &Walk<3>,
    k: usize,
    data: Option<&'a [T]>,
    range: Range<usize>,
    own: &[T],
    stage: &'a mut [T; BLOCK],
) -> Val<'a, T> {
    let len = range.len();
    match data {
        None => stage[..len].copy_from_slice(own),
        Some(data) if walk.is_one(k) || walk.is_flat(k) => return lying(walk, k, data, &range),
        Some(data) => walk.gather(k, data, range, &mut stage[..len]),
    }
    Val::Slice(&stage[..len])
}

/// An element as bits.
trait Word: Plain {
    /// `c ? x : y` by masks: a branch, or what LLVM makes of it (loads from chosen addresses), is several times slower.
    fn choose(c: bool, x: Self, y: Self) -> Self;
}

macro_rules! word {
    ($($t:ty),*) => {$(
        impl Word for $t {
            #[inline(always)]
            fn choose(c: bool, x: $t, y: $t) -> $t {
                y ^ ((x ^ y) & (0 as $t).wrapping_sub(c as $t))
            }
        }
    )*};
}
word!(u8, i16, i32, i64);

impl Word for Complex64 {
    #[inline(always)]
    fn choose(c: bool, x: Complex64, y: Complex64) -> Complex64 {
        let part = |x: f64, y: f64| f64::from_bits(Word::choose(c, x.to_bits() as i64, y.to_bits() as i64) as u64);
        Complex64::new(part(x.re, y.re), part(x.im, y.im))
    }
}

dispatch! {
    fn choose_block<W: Word>(c: Val<'_, Bool>, x: Val<'_, W>, y: Val<'_, W>, out: &mut [W]) = choose_body;
}

#[inline(always)]
fn choose_body<W: Word, const FMA: bool>(c: Val<'_, Bool>, x: Val<'_, W>, y: Val<'_, W>, out: &mut [W]) {
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
                *o = W::choose(c.get(), x, y);
            }
        }
        (Val::Slice(x), Val::One(y)) => {
            for ((o, c), &x) in out.iter_mut().zip(c).zip(x) {
                *o = W::choose(c.get(), x, y);
            }
        }
        (Val::One(x), Val::Slice(y)) => {
            for ((o, c), &y) in out.iter_mut().zip(c).zip(y) {
                *o = W::choose(c.get(), x, y);
            }
        }
        (Val::One(x), Val::One(y)) => {
            for (o, c) in out.iter_mut().zip(c) {
                *o = W::choose(c.get(), x, y);
            }
        }
    }
}
