//! Order of the elements of rows. Every element becomes a key, an unsigned integer of the same order, with its place behind it; from there on
//! there are two types of words to sort.

mod key;
mod radix;

use rushlight_backend::op::{Rank, Sort};
use rushlight_backend::{Arg, DType, Error, Meta, Result, Storage, Storages, bf16, f16};

use self::key::{CHUNK, LANES, Sortable, Word};
use crate::buffer::{Bool, alloc, cpu, typed, typed_mut};
use crate::shape::{contiguous, words};
use crate::walk::par_pieces;

/// Elements that one task looks at, if there are rows to share.
const GRAIN: usize = 1 << 14;

/// Candidates above twice the number that is wanted, from which on they are thinned out.
const SLACK: usize = 32;

/// Evaluates an expression with `T` as the element type of a dtype that has an order.
macro_rules! with_sortable {
    ($dtype:expr, $T:ident => $e:expr) => {{
        macro_rules! case {
            ($t:ty) => {{
                type $T = $t;
                $e
            }};
        }
        match $dtype {
            DType::Bool => case!(Bool),
            DType::U8 => case!(u8),
            DType::I8 => case!(i8),
            DType::I16 => case!(i16),
            DType::I32 => case!(i32),
            DType::I64 => case!(i64),
            DType::F16 => case!(f16),
            DType::BF16 => case!(bf16),
            DType::F32 => case!(f32),
            DType::F64 => case!(f64),
            other => Err(Error::dtype("sort", format!("complex numbers have no order, got {other}"))),
        }
    }};
}

pub(crate) fn run(op: &Sort, inputs: &mut [Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    let copy;
    let (data, dtype) = (&inputs[0], inputs[0].dtype());
    let whole = contiguous_layout(data);
    let x = if data.layout().is_contiguous() {
        data
    } else {
        copy = contiguous(data)?;
        &Arg::borrowed(&copy, &whole, dtype)
    };
    match op {
        Sort::Search { right } => {
            let values = &inputs[1];
            let flat = contiguous(values)?;
            with_sortable!(dtype, T => search::<T>(x, typed(cpu(&flat)?.as_bytes()), values.shape(), *right))
        }
        op => with_sortable!(dtype, T => rows::<T>(op, x, outputs)),
    }
}

fn contiguous_layout(x: &Arg<'_>) -> rushlight_backend::Layout {
    rushlight_backend::Layout::contiguous(x.shape())
}

/// Values and places of an operation on each row.
fn rows<T: Sortable>(op: &Sort, x: &Arg<'_>, outputs: &[Meta]) -> Result<Storages> {
    let data = &words::<T>(x)?[x.layout().offset()..];
    let (n, m) = (x.shape().last().copied().unwrap_or(1), outputs[0].shape.last().copied().unwrap_or(1));
    if u32::try_from(n).is_err() {
        return Err(Error::unsupported("sort", format!("rows of {n} elements: at most {} are taken", u32::MAX)));
    }
    let (mut values, mut places) = (alloc::<T>(&outputs[0].shape)?, alloc::<i64>(&outputs[0].shape)?);
    let out = typed_mut::<i64>(&mut places);
    if !out.is_empty() {
        par_pieces(out, m * (GRAIN / n.max(1)).max(1), |start, out| {
            let mut scratch = Scratch { words: Vec::new(), spare: Vec::new() };
            for (i, places) in out.chunks_mut(m).enumerate() {
                row(op, &data[(start / m + i) * n..][..n], places, &mut scratch);
            }
        });
        let out = &*out;
        par_pieces(typed_mut::<T>(&mut values), GRAIN, |start, values| {
            for (i, v) in values.iter_mut().enumerate() {
                *v = data[(start + i) / m * n + out[start + i] as usize];
            }
        });
    }
    Ok(smallvec::smallvec![Storage::new(values), Storage::new(places)])
}

/// Memory that the rows of a task share.
struct Scratch<W> {
    words: Vec<W>,
    spare: Vec<W>,
}

/// The places that an operation picks of one row.
fn row<T: Sortable>(op: &Sort, x: &[T], out: &mut [i64], scratch: &mut Scratch<T::Word>) {
    let Scratch { words, spare } = scratch;
    let all = |words: &mut Vec<T::Word>, flip: bool| {
        words.clear();
        words.extend(x.iter().enumerate().map(|(i, x)| T::Word::new(if flip { !x.key() } else { x.key() }, i)));
    };
    match *op {
        Sort::Sort { descending } => {
            all(words, descending);
            radix::sort(words, spare);
        }
        Sort::TopK { k, largest } => {
            if k < x.len() / 8 {
                candidates(x, k, largest, words);
            } else {
                all(words, largest);
            }
            cut(words, k);
            words.sort_unstable();
        }
        Sort::Rank(rank) => {
            all(words, false);
            let k = match rank {
                Rank::Nth(k) => k,
                Rank::Median if x.iter().any(|x| x.is_nan()) => {
                    out[0] = x.iter().position(|x| x.is_nan()).unwrap_or(0) as i64;
                    return;
                }
                Rank::Median => (x.len() - 1) / 2,
                Rank::NanMedian => (x.iter().filter(|x| !x.is_nan()).count().max(1) - 1) / 2,
            };
            out[0] = words.select_nth_unstable(k).1.place() as i64;
            return;
        }
        Sort::Mode => {
            all(words, false);
            radix::sort(words, spare);
            let mut longest = 0;
            for run in words.chunk_by(|a, b| a.key() == b.key()) {
                if run.len() > longest {
                    longest = run.len();
                    out[0] = run[run.len() - 1].place() as i64;
                }
            }
            return;
        }
        Sort::Search { .. } => return,
    }
    for (o, w) in out.iter_mut().zip(words) {
        *o = w.place() as i64;
    }
}

/// Leaves the `k` smallest words, in any order.
fn cut<W: Word>(words: &mut Vec<W>, k: usize) {
    if k > 0 && k < words.len() {
        words.select_nth_unstable(k - 1);
    }
    words.truncate(k);
}

/// A key before which at least `k` elements of a row come, if that is found out fast: behind the k-th of the firsts of all lanes.
fn bound<T: Sortable>(x: &[T], k: usize, largest: bool) -> Option<<T::Word as Word>::Key> {
    if k == 0 || k > LANES / 2 || x.len() < 2 * LANES {
        return None;
    }
    let mut firsts = T::firsts(x, largest);
    T::Word::after(*firsts.select_nth_unstable(k - 1).1)
}

/// Elements among which the `k` first are: those that come before a bound, or before the last of the best seen so far.
///
/// Limited by the two looks at every element, and for short rows by the few that are kept.
fn candidates<T: Sortable>(x: &[T], k: usize, largest: bool, words: &mut Vec<T::Word>) {
    words.clear();
    let mut limit = bound(x, k, largest);
    let mut places = std::array::from_fn(|i| i as u32);
    for (c, chunk) in x.chunks(CHUNK).enumerate() {
        // Of equals those seen before come first.
        let count = limit.map_or(chunk.len(), |limit| T::before(chunk, largest, limit, &mut places));
        words.extend(places[..count].iter().map(|&i| {
            let key = chunk[i as usize].key();
            T::Word::new(if largest { !key } else { key }, c * CHUNK + i as usize)
        }));
        if k > 0 && words.len() >= 2 * k + if limit.is_none() { 0 } else { SLACK } {
            cut(words, k);
            limit = words.iter().max().map(|w| w.key());
        }
    }
}

/// For each value the number of elements of its row that come before it.
fn search<T: Sortable>(sequence: &Arg<'_>, values: &[T], shape: &[usize], right: bool) -> Result<Storages> {
    let data = &words::<T>(sequence)?[sequence.layout().offset()..];
    let n = sequence.shape().last().copied().unwrap_or(1);
    let m = if sequence.shape().len() <= 1 { values.len() } else { shape.last().copied().unwrap_or(1) };
    let mut places = alloc::<i64>(shape)?;
    par_pieces(typed_mut::<i64>(&mut places), GRAIN / 8, |start, out| {
        for (i, o) in out.iter_mut().enumerate() {
            let (row, value) = (&data[(start + i) / m * n..][..n], values[start + i].key());
            *o = row.partition_point(|x| if right { x.key() <= value } else { x.key() < value }) as i64;
        }
    });
    Ok(smallvec::smallvec![Storage::new(places)])
}
