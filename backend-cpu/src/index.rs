//! Reading and writing by index.
//!
//! All but a few operations are two loops over the index, broadcast to the shape of what is moved: one that reads, one that writes. Along the indexed
//! dimension the other operand stands still, and the index says where.

mod places;
mod rows;

use rushlight_backend::op::{Index, ScatterReduction};
use rushlight_backend::{Arg, Complex32, Complex64, DType, Error, Layout, Meta, Result, Shape, Storage, Strides, bf16, f16};

use crate::buffer::{Bool, Plain, alloc, cpu_mut, input, typed_mut};
use crate::pointwise::reusable;
use crate::reduce::kernel::{Arith, Merge, Number, Wide};
use crate::shape::{contiguous, with_word, words};
use crate::simd::dispatch;
use crate::threads::par_for;
use crate::walk::{Walk, par_pieces};
use crate::wide::{self, Numbers};

/// Elements moved by one task.
const GRAIN: usize = 1 << 14;

pub(crate) fn run(op: &Index, inputs: &mut [Arg<'_>], outputs: &[Meta]) -> Result<Storage> {
    let (name, dim) = match op {
        Index::Select { dim } => ("index_select", *dim),
        Index::Add { dim } => ("index_add", *dim),
        Index::Gather { dim } => ("gather", *dim),
        Index::Scatter { dim } => ("scatter", *dim),
        Index::ScatterAdd { dim } => ("scatter_add", *dim),
        Index::ScatterReduce { dim, .. } => ("scatter_reduce", *dim),
        Index::Embedding { .. } => ("embedding", 0),
        Index::Ravel { sizes, first } => return places::ravel(sizes, *first, inputs),
        Index::Nonzero { count } => return places::nonzero(*count, &inputs[0]),
    };
    if let (Index::Select { dim: 0 } | Index::Embedding { .. }, [x, index]) = (op, &*inputs)
        && rows::side_by_side(x.layout())
        && let Some(storage) = with_word!(x.dtype(), W => rows::take::<W>(x, index, &outputs[0]))?
    {
        return Ok(storage);
    }
    // Says which index is wrong, if one is.
    check(name, dim, &inputs[1], inputs[0].shape()[dim])?;
    match (op, inputs) {
        (Index::Select { .. }, [x, index]) => {
            let along = along(index.layout(), dim, &outputs[0].shape);
            with_word!(x.dtype(), W => read::<W>(x, index, &along, dim))
        }
        (Index::Embedding { .. }, [table, index]) => with_word!(table.dtype(), W => rows::<W>(table, index)),
        (Index::Gather { .. }, [x, index]) => with_word!(x.dtype(), W => read::<W>(x, index, index.layout(), dim)),
        (Index::Add { .. }, [x, index, source]) => {
            let along = along(index.layout(), dim, source.shape());
            add(x, index, &along, source, dim)
        }
        (Index::ScatterAdd { .. }, [x, index, source]) => add(x, index, index.layout(), source, dim),
        (Index::Scatter { .. }, [x, index, source]) => with_word!(x.dtype(), W => {
            write::<W>(x, index, index.layout(), source, dim, |o, s| *o = s, |o, s| o.copy_from_slice(s))
        }),
        (Index::ScatterReduce { kind, .. }, [x, index, source]) => reduce(*kind, x, index, source, dim),
        _ => Err(Error::value(name, "takes other inputs")),
    }
}

/// Rows of a matrix, for an index of any shape.
fn rows<W: Plain>(table: &Arg<'_>, index: &Arg<'_>) -> Result<Storage> {
    let flat = contiguous(index)?;
    let n = index.layout().numel();
    let layout = Layout::contiguous(&[n]);
    let index = Arg::borrowed(&flat, &layout, DType::I64);
    read::<W>(table, &index, &along(&layout, 0, &[n, table.shape()[1]]), 0)
}

/// A scatter that joins values in another way than by adding, in wide numbers.
fn reduce(kind: ScatterReduction, x: &Arg<'_>, index: &Arg<'_>, source: &Arg<'_>, dim: usize) -> Result<Storage> {
    fn go<W: Wide>(
        kind: ScatterReduction,
        x: &mut [W],
        shape: &[usize],
        source: &[W],
        index: &Arg<'_>,
        from: &Layout,
        dim: usize,
    ) -> Result<()> {
        let (of, whole) = (input::<i64>(index)?, Layout::contiguous(shape));
        let step = whole.strides()[dim];
        let walk = Walk::new(index.shape(), [index.layout(), from, &still(&whole, dim, index.shape())]);
        let [si, sf, sw] = walk.inner();
        walk.rows(0..walk.total(), |_, len, [place, first, base]| {
            for j in 0..len as isize {
                let at = base + j * sw + of[(place + j * si) as usize] as isize * step;
                let (o, s) = (&mut x[at as usize], source[(first + j * sf) as usize]);
                let merge = match kind {
                    ScatterReduction::Prod => Merge::Mul,
                    ScatterReduction::Amax => Merge::Max,
                    ScatterReduction::Amin => Merge::Min,
                };
                *o = merge.of(s, *o);
            }
        });
        Ok(())
    }
    let (shape, dtype) = (x.shape(), x.dtype());
    let from = Layout::new(Shape::from_slice(index.shape()), Strides::from_slice(Layout::contiguous(source.shape()).strides()), 0);
    match (wide::load(x)?, wide::load(source)?) {
        (Numbers::Real(mut x), Numbers::Real(s)) => {
            go(kind, &mut x, shape, &s, index, &from, dim)?;
            wide::store(dtype, Numbers::Real(x))
        }
        (Numbers::Int(mut x), Numbers::Int(s)) => {
            go(kind, &mut x, shape, &s, index, &from, dim)?;
            wide::store(dtype, Numbers::Int(x))
        }
        (Numbers::Complex(mut x), Numbers::Complex(s)) => {
            go(kind, &mut x, shape, &s, index, &from, dim)?;
            wide::store(dtype, Numbers::Complex(x))
        }
        _ => Err(Error::dtype("scatter_reduce", "takes tensors of one dtype")),
    }
}

/// An error if an index is negative or too large.
fn check(name: &'static str, dim: usize, index: &Arg<'_>, size: usize) -> Result<()> {
    let of = input::<i64>(index)?;
    let walk = Walk::new(index.shape(), [index.layout()]);
    let stride = walk.inner()[0];
    let mut bad = None;
    walk.rows(0..walk.total(), |_, len, [offset]| {
        let wrong = |i: i64| i as u64 >= size as u64;
        if stride == 1 && !of[offset as usize..][..len].iter().fold(false, |any, &i| any | wrong(i)) {
            return;
        }
        let mut row = (0..len).map(|j| of[(offset + j as isize * stride) as usize]);
        bad = bad.or_else(|| row.find(|&i| wrong(i)));
    });
    match bad {
        None => Ok(()),
        Some(i) => Err(Error::index(name, format!("index {i} is out of range for dimension {dim} of size {size}"))),
    }
}

/// An index vector along a dimension of a shape, the same for every place in the others.
fn along(index: &Layout, dim: usize, shape: &[usize]) -> Layout {
    let strides: Strides = (0..shape.len()).map(|d| if d == dim { index.strides()[0] } else { 0 }).collect();
    Layout::new(Shape::from_slice(shape), strides, index.offset())
}

/// The part of a layout that an index of this shape reaches, standing still along `dim`.
fn still(layout: &Layout, dim: usize, shape: &[usize]) -> Layout {
    let mut strides = Strides::from_slice(layout.strides());
    strides[dim] = 0;
    Layout::new(Shape::from_slice(shape), strides, layout.offset())
}

/// `out[..] = x[.., index[..], ..]`; `places` is the index's layout in the shape of the result.
fn read<W: Plain>(x: &Arg<'_>, index: &Arg<'_>, places: &Layout, dim: usize) -> Result<Storage> {
    let (from, of) = (words::<W>(x)?, input::<i64>(index)?);
    let step = x.layout().strides()[dim];
    let mut buffer = alloc::<W>(places.shape())?;
    let walk = Walk::new(places.shape(), [places, &still(x.layout(), dim, places.shape())]);
    let [index_stride, stride] = walk.inner();
    par_pieces(typed_mut::<W>(&mut buffer), GRAIN, |start, out| {
        walk.rows(start..start + out.len(), |at, len, [place, base]| {
            let out = &mut out[at - start..][..len];
            if index_stride == 0 && stride == 1 {
                let first = base + of[place as usize] as isize * step;
                return out.copy_from_slice(&from[first as usize..][..len]);
            }
            for (j, o) in out.iter_mut().enumerate() {
                let j = j as isize;
                let i = of[(place + j * index_stride) as usize] as isize;
                *o = from[(base + j * stride + i * step) as usize];
            }
        });
    });
    Ok(Storage::new(buffer))
}

/// Elements that can be added up.
trait Sums: Plain {
    fn add(self, other: Self) -> Self;
}

macro_rules! sums {
    ($($t:ty),*) => {$(
        impl Sums for $t {
            #[inline(always)]
            fn add(self, other: $t) -> $t { <$t>::narrow(<$t>::wide(self.lane().plus(other.lane()))) }
        }
    )*};
}
sums!(u8, i8, i16, i32, i64, f16, bf16, f32, f64, Complex32, Complex64);

impl Sums for Bool {
    #[inline(always)]
    fn add(self, other: Bool) -> Bool {
        Bool(self.0 | other.0)
    }
}

#[inline(always)]
fn add_row_body<T: Sums, const FMA: bool>(out: &mut [T], source: &[T]) {
    for (o, &s) in out.iter_mut().zip(source) {
        *o = o.add(s);
    }
}

dispatch! {
    fn add_row<T: Sums>(out: &mut [T], source: &[T]) = add_row_body;
}

fn add(x: &mut Arg<'_>, index: &Arg<'_>, places: &Layout, source: &Arg<'_>, dim: usize) -> Result<Storage> {
    fn typed<T: Sums>(x: &mut Arg<'_>, index: &Arg<'_>, places: &Layout, source: &Arg<'_>, dim: usize) -> Result<Storage> {
        if dim == 0 && index.shape().len() == 1 && rows::is_one(x.layout()) && rows::side_by_side(source.layout()) {
            return rows::add_to_one::<T>(x, index, source);
        }
        write::<T>(x, index, places, source, dim, |o, s| *o = o.add(s), add_row::<T>)
    }
    macro_rules! by_dtype {
        ($($d:ident: $t:ty),*) => {
            match x.dtype() { $(DType::$d => typed::<$t>(x, index, places, source, dim),)* }
        };
    }
    by_dtype!(Bool: Bool, U8: u8, I8: i8, I16: i16, I32: i32, I64: i64, F16: f16, BF16: bf16, F32: f32, F64: f64, C64: Complex32,
        C128: Complex64)
}

/// Memory in which threads write to places of their own.
struct Shared<W>(*mut W, usize);
// SAFETY: `write` gives each thread places of its own.
unsafe impl<W: Send> Sync for Shared<W> {}

/// A copy of x into which every element of the source is put where the index says, in the order of the index: `one` puts one element,
/// `row` several side by side. `places` is the index's layout in the shape of (the part that is read of) the source.
fn write<W: Plain>(
    x: &mut Arg<'_>,
    index: &Arg<'_>,
    places: &Layout,
    source: &Arg<'_>,
    dim: usize,
    one: impl Fn(&mut W, W) + Sync,
    row: impl Fn(&mut [W], &[W]) + Sync,
) -> Result<Storage> {
    let shape = Shape::from_slice(x.shape());
    let mut storage = match reusable(x, &shape, x.dtype()) {
        Some(storage) => storage,
        None => contiguous(x)?,
    };
    let (of, from) = (input::<i64>(index)?, words::<W>(source)?);
    let out = typed_mut::<W>(cpu_mut(&mut storage)?);
    let shared = Shared(out.as_mut_ptr(), out.len());
    let whole = Layout::contiguous(&shape);
    let step = whole.strides()[dim];
    let to = still(&whole, dim, places.shape());
    let from_layout =
        Layout::new(Shape::from_slice(places.shape()), Strides::from_slice(source.layout().strides()), source.layout().offset());

    // Writes to one place come from along `dim`: tasks are ranges of another dimension.
    let total = places.numel();
    let split = (0..places.rank()).filter(|&d| d != dim).max_by_key(|&d| (places.shape()[d].min(64), std::cmp::Reverse(d)));
    let (split, tasks) = match split {
        Some(d) if total >= 2 * GRAIN => (d, (total / GRAIN).min(places.shape()[d].div_ceil(if d > dim { 64 } else { 1 })).clamp(1, 64)),
        _ => (0, 1),
    };
    par_for(tasks, |task| {
        let part = |l: &Layout| {
            if tasks == 1 {
                return l.clone();
            }
            let n = places.shape()[split];
            let (start, end) = (n * task / tasks, n * (task + 1) / tasks);
            l.slice(split, start, end - start, 1)
        };
        let (places, from_layout, to) = (part(places), part(&from_layout), part(&to));
        let walk = Walk::new(places.shape(), [&places, &from_layout, &to]);
        let [index_stride, stride, to_stride] = walk.inner();
        let shared = &shared;
        walk.rows(0..walk.total(), |_, len, [place, first, base]| {
            if index_stride == 0 && stride == 1 && to_stride == 1 {
                let at = (base + of[place as usize] as isize * step) as usize;
                assert!(at + len <= shared.1);
                // SAFETY: inside of the memory; no other task writes to these places, and no reference to them outlives this call.
                let out = unsafe { std::slice::from_raw_parts_mut(shared.0.add(at), len) };
                return row(out, &from[first as usize..][..len]);
            }
            for j in 0..len as isize {
                let i = of[(place + j * index_stride) as usize] as isize;
                let at = (base + j * to_stride + i * step) as usize;
                assert!(at < shared.1);
                // SAFETY: as above.
                one(unsafe { &mut *shared.0.add(at) }, from[(first + j * stride) as usize]);
            }
        });
    });
    Ok(storage)
}
