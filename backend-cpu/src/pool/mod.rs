//! Pooling: every plane for itself, along axes whose windows are listed once.

mod average;
mod axis;
mod max;

use rushlight_backend::op::Pool;
use rushlight_backend::{Arg, DType, Error, Meta, Op, Result, Storage, Storages, bf16, f16};
use smallvec::smallvec;

use self::average::Mean;
use self::axis::{Axes, Axis};
use crate::buffer::{Plain, alloc, cpu, input, typed, typed_mut};
use crate::walk::par_pieces;

/// Elements that one task reads or writes, about.
const GRAIN: usize = 1 << 15;

pub(crate) fn run(op: &Pool, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    let dtype = inputs[0].dtype();
    match op {
        Pool::Max(_) | Pool::AdaptiveMax { .. } => match dtype {
            DType::F32 => max::run(op, inputs, outputs, f32::NEG_INFINITY, Some(max::two_by_two)),
            DType::F64 => max::run(op, inputs, outputs, f64::NEG_INFINITY, None),
            DType::F16 => max::run(op, inputs, outputs, f16::NEG_INFINITY, None),
            DType::BF16 => max::run(op, inputs, outputs, bf16::NEG_INFINITY, None),
            DType::U8 => max::run(op, inputs, outputs, u8::MIN, None),
            DType::I8 => max::run(op, inputs, outputs, i8::MIN, None),
            DType::I16 => max::run(op, inputs, outputs, i16::MIN, None),
            DType::I32 => max::run(op, inputs, outputs, i32::MIN, None),
            DType::I64 => max::run(op, inputs, outputs, i64::MIN, None),
            dtype => Err(unsupported(op, dtype)),
        },
        _ => match dtype {
            DType::F32 => sums::<f32>(op, inputs, &outputs[0]),
            DType::F64 => sums::<f64>(op, inputs, &outputs[0]),
            DType::F16 => sums::<f16>(op, inputs, &outputs[0]),
            DType::BF16 => sums::<bf16>(op, inputs, &outputs[0]),
            DType::U8 => sums::<u8>(op, inputs, &outputs[0]),
            DType::I8 => sums::<i8>(op, inputs, &outputs[0]),
            DType::I16 => sums::<i16>(op, inputs, &outputs[0]),
            DType::I32 => sums::<i32>(op, inputs, &outputs[0]),
            DType::I64 => sums::<i64>(op, inputs, &outputs[0]),
            dtype => Err(unsupported(op, dtype)),
        },
    }
}

fn unsupported(op: &Pool, dtype: DType) -> Error {
    Error::unsupported(Op::from(*op).name(), format!("the CPU has no kernel for {dtype}"))
}

/// The elements of an input in order, copied if they do not lie so.
pub(crate) fn dense<'a, T: Plain>(arg: &'a Arg<'_>, copy: &'a mut Option<Storage>) -> Result<&'a [T]> {
    let layout = arg.layout();
    if layout.numel() == 0 {
        return Ok(&[]);
    }
    if layout.is_contiguous() {
        return Ok(&input::<T>(arg)?[layout.offset()..][..layout.numel()]);
    }
    Ok(typed(cpu(copy.insert(crate::shape::contiguous(arg)?))?.as_bytes()))
}

/// The axes of the plane that is pooled, and the sizes of both planes, for planes of these shapes.
fn axes(op: &Pool, x: &[usize], y: &[usize]) -> Axes {
    let rank = op.spatial_rank();
    let (x, y) = (&x[x.len() - rank..], &y[y.len() - rank..]);
    let mut axes = Axes::default();
    for d in 0..rank {
        axes.0[3 - rank + d] = match op {
            Pool::Max(window) => Axis::windows(window, d, x[d], y[d]),
            Pool::Avg { window, .. } | Pool::AvgGrad { window, .. } => Axis::windows(window, d, x[d], y[d]),
            _ => Axis::parts(x[d], y[d]),
        };
    }
    axes
}

/// Everything that adds: averages, and the gradients.
fn sums<T: Mean>(op: &Pool, inputs: &[Arg<'_>], out: &Meta) -> Result<Storages> {
    let (mut copy, mut copied_indices) = (None, None);
    let x = dense::<T>(&inputs[0], &mut copy)?;
    let mut buffer = alloc::<T>(&out.shape)?;
    let result = typed_mut::<T>(&mut buffer);
    let rank = op.spatial_rank();
    let plane = |shape: &[usize]| shape[shape.len() - rank..].iter().product::<usize>();
    let (from, to) = (plane(inputs[0].shape()), plane(&out.shape));
    if to > 0 {
        let planes = (GRAIN / (from + to)).max(1);
        let mut each = |f: &(dyn Fn(&[T], &mut [T]) + Sync)| {
            par_pieces(result, planes * to, |start, piece| {
                for (i, y) in piece.chunks_exact_mut(to).enumerate() {
                    f(&x[(start / to + i) * from..][..from], y);
                }
            });
        };
        match op {
            Pool::Avg { divisor, .. } => {
                let axes = axes(op, inputs[0].shape(), &out.shape);
                each(&|x, y| average::forward(&axes, *divisor, x, y));
            }
            Pool::AdaptiveAvg { .. } => {
                let axes = axes(op, inputs[0].shape(), &out.shape);
                each(&|x, y| average::forward(&axes, rushlight_backend::op::Divisor::Inside, x, y));
            }
            Pool::AvgGrad { divisor, .. } => {
                let axes = axes(op, &out.shape, inputs[0].shape());
                each(&|g, dx| average::backward(&axes, *divisor, g, dx));
            }
            Pool::AdaptiveAvgGrad { .. } => {
                let axes = axes(op, &out.shape, inputs[0].shape());
                each(&|g, dx| average::backward(&axes, rushlight_backend::op::Divisor::Inside, g, dx));
            }
            _ => {
                let indices = dense::<i64>(&inputs[1], &mut copied_indices)?;
                max::backward(op, x, indices, from, planes, result, to)?;
            }
        }
    } else if let (Pool::MaxGrad { .. }, true) = (op, from > 0 && !x.is_empty()) {
        return Err(Error::index(Op::from(*op).name(), "indices into an empty plane"));
    }
    Ok(smallvec![Storage::new(buffer)])
}
