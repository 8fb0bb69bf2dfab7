//! Moving elements: copies into order, joining, writing into slices.
//!
//! Elements are moved as words of their size, whatever they mean.

use rushlight_backend::op::ShapeOp;
use rushlight_backend::{Arg, Complex32, Complex64, DType, Error, Layout, Result, Scalar, Shape, Storage, bf16, f16};

use crate::buffer::{Bool, CpuBuffer, Plain, alloc, cpu, input, typed, typed_mut};
use crate::create::{FromScalar, with_element};
use crate::transpose::transpose;
use crate::walk::{Walk, par_pieces};

/// Elements copied by one task.
const GRAIN: usize = 1 << 15;

/// Evaluates an expression with `W` as the word type of a dtype's size.
macro_rules! with_word {
    ($dtype:expr, $W:ident => $e:expr) => {
        match $dtype.size() {
            1 => {
                type $W = u8;
                $e
            }
            2 => {
                type $W = i16;
                $e
            }
            4 => {
                type $W = i32;
                $e
            }
            8 => {
                type $W = i64;
                $e
            }
            _ => {
                type $W = rushlight_backend::Complex64;
                $e
            }
        }
    };
}
pub(crate) use with_word;

/// An input's memory as words.
pub(crate) fn words<'a, W: Plain>(arg: &'a Arg<'_>) -> Result<&'a [W]> {
    let all = typed::<W>(cpu(arg.storage()?)?.as_bytes());
    if arg.layout().span().1 > all.len() {
        return Err(Error::value("backend-cpu", "an input's layout does not fit its memory"));
    }
    Ok(all)
}

pub(crate) fn run(op: &ShapeOp, inputs: &mut [Arg<'_>]) -> Result<Storage> {
    match (op, inputs) {
        (ShapeOp::Cat { dim }, inputs) => with_word!(inputs[0].dtype(), W => cat::<W>(*dim, inputs)),
        (ShapeOp::SliceScatter { dim, start, step }, [x, src]) => {
            let place = Layout::contiguous(x.shape()).slice(*dim, *start, src.shape()[*dim], *step);
            with_word!(x.dtype(), W => write_over::<W>(&place, x, src))
        }
        (ShapeOp::DiagonalScatter(diagonal), [x, src]) => {
            let place = diagonal.view(&Layout::contiguous(x.shape()));
            with_word!(x.dtype(), W => write_over::<W>(&place, x, src))
        }
        (ShapeOp::Pad { before, after, value }, [x]) => with_element!(x.dtype(), T => pad::<T>(before, after, *value, x)),
        (ShapeOp::Reshape(_) | ShapeOp::Contiguous, [x]) => contiguous(x),
        (ShapeOp::Strided { .. }, [x]) => {
            // Counted in row-major order: they must lie so first.
            let (storage, flat) = (contiguous(x)?, Layout::contiguous(x.shape()));
            let x = Arg::borrowed(&storage, &flat, x.dtype());
            contiguous_as(&x, &op.view(&flat).unwrap_or_else(|| flat.clone()))
        }
        (op, [x]) => match op.view(x.layout()) {
            Some(layout) => contiguous_as(x, &layout),
            None => contiguous(x),
        },
        (op, inputs) => {
            let name = rushlight_backend::Op::from(op.clone()).name();
            Err(Error::value(name, format!("does not take {} tensors", inputs.len())))
        }
    }
}

/// The elements in row-major order in new memory.
pub(crate) fn contiguous(x: &Arg<'_>) -> Result<Storage> {
    contiguous_as(x, x.layout())
}

fn contiguous_as(x: &Arg<'_>, layout: &Layout) -> Result<Storage> {
    with_word!(x.dtype(), W => {
        let mut buffer = CpuBuffer::new(layout.numel() * size_of::<W>())?;
        copy(words::<W>(x)?, layout, typed_mut(&mut buffer));
        Ok(Storage::new(buffer))
    })
}

/// Copies elements that lie anyhow to a place where they lie in order.
fn copy<W: Plain>(data: &[W], layout: &Layout, out: &mut [W]) {
    if out.is_empty() {
        return;
    }
    let walk = Walk::new(layout.shape(), [layout]);
    if transpose(&walk, data, out) {
        return;
    }
    par_pieces(out, GRAIN, |start, piece| walk.gather(0, data, start..start + piece.len(), piece));
}

/// Tensors along a dimension. In the result, each piece of the outer dimensions holds the pieces of all tensors.
fn cat<W: Plain>(dim: usize, inputs: &[Arg<'_>]) -> Result<Storage> {
    let mut shape = Shape::from_slice(inputs[0].shape());
    shape[dim] = inputs.iter().map(|x| x.shape()[dim]).sum();
    let mut buffer = CpuBuffer::new(rushlight_backend::numel(&shape) * size_of::<W>())?;
    let inner: usize = shape[dim + 1..].iter().product();
    let step = shape[dim] * inner;
    let mut parts = Vec::with_capacity(inputs.len());
    let mut begin = 0;
    for x in inputs {
        let len = x.shape()[dim] * inner;
        parts.push((begin..begin + len, words::<W>(x)?, Walk::new(x.shape(), [x.layout()])));
        begin += len;
    }
    par_pieces(typed_mut::<W>(&mut buffer), GRAIN, |start, piece| {
        let end = start + piece.len();
        for row in start / step..end.div_ceil(step) {
            for (part, data, walk) in &parts {
                // What this piece of the result has of this tensor's part of the row.
                let (lo, hi) = ((row * step + part.start).max(start), (row * step + part.end).min(end));
                if lo < hi {
                    let own = row * part.len() + lo - (row * step + part.start);
                    walk.gather(0, data, own..own + hi - lo, &mut piece[lo - start..hi - start]);
                }
            }
        }
    });
    Ok(Storage::new(buffer))
}

/// `x` with `src` written over the part of it that this layout (of a contiguous x) sees.
fn write_over<W: Plain>(place: &Layout, x: &mut Arg<'_>, src: &Arg<'_>) -> Result<Storage> {
    let mut out = match crate::pointwise::reusable(x, x.shape(), x.dtype()) {
        Some(storage) => storage,
        None => contiguous(x)?,
    };
    put(typed_mut::<W>(crate::buffer::cpu_mut(&mut out)?), place, words::<W>(src)?, src.layout());
    Ok(out)
}

/// Copies elements from where one layout sees them to where another one does.
fn put<W: Plain>(out: &mut [W], place: &Layout, from: &[W], source: &Layout) {
    if source.numel() == 0 {
        return;
    }
    let walk = Walk::new(source.shape(), [place, source]);
    let [so, si] = walk.inner();
    walk.rows(0..walk.total(), |_, len, [o, i]| {
        if so == 1 && si == 1 {
            out[o as usize..][..len].copy_from_slice(&from[i as usize..][..len]);
        } else {
            for k in 0..len as isize {
                out[(o + k * so) as usize] = from[(i + k * si) as usize];
            }
        }
    });
}

/// The input in the middle of one value.
fn pad<T: FromScalar>(before: &[usize], after: &[usize], value: Scalar, x: &Arg<'_>) -> Result<Storage> {
    let shape: Shape = (0..x.shape().len()).map(|d| before[d] + x.shape()[d] + after[d]).collect();
    let mut buffer = alloc::<T>(&shape)?;
    let out = typed_mut::<T>(&mut buffer);
    let value = T::from_scalar(value);
    par_pieces(out, GRAIN, |_, piece| piece.fill(value));
    let place = (0..shape.len()).fold(Layout::contiguous(&shape), |l, d| l.slice(d, before[d], x.shape()[d], 1));
    put(out, &place, input::<T>(x)?, x.layout());
    Ok(Storage::new(buffer))
}
