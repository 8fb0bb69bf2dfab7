//! Convolutions: forward, gradient of the input, gradient of the weight.

mod contract;
mod depthwise;
mod frame;
mod gather;
mod geometry;
mod micro;
mod naive;

use std::ops::{Add, Mul};

use rushlight_backend::op::Conv;
use rushlight_backend::{Arg, Complex32, Complex64, DType, Error, Layout, Meta, Result, Storage, bf16, f16};

use self::contract::Contraction;
use self::frame::Windows;
use self::gather::Job;
use self::geometry::Geometry;
use self::micro::Element;
use self::naive::Arithmetic;
use crate::buffer::{CpuBuffer, Plain, alloc, cpu, input, typed, typed_mut};

pub(crate) fn run(op: &Conv, inputs: &[Arg<'_>], out: &Meta) -> Result<Storage> {
    match out.dtype {
        DType::F32 => real::<f32>(op, inputs, out),
        DType::F64 => real::<f64>(op, inputs, out),
        DType::F16 => half::<f16>(op, inputs, out, f16::to_f32, f16::from_f32),
        DType::BF16 => half::<bf16>(op, inputs, out, bf16::to_f32, bf16::from_f32),
        DType::U8 => plain::<u8>(op, inputs, out, u8::wrapping_add, u8::wrapping_mul),
        DType::I8 => plain::<i8>(op, inputs, out, i8::wrapping_add, i8::wrapping_mul),
        DType::I16 => plain::<i16>(op, inputs, out, i16::wrapping_add, i16::wrapping_mul),
        DType::I32 => plain::<i32>(op, inputs, out, i32::wrapping_add, i32::wrapping_mul),
        DType::I64 => plain::<i64>(op, inputs, out, i64::wrapping_add, i64::wrapping_mul),
        DType::C64 => plain::<Complex32>(op, inputs, out, Complex32::add, Complex32::mul),
        DType::C128 => plain::<Complex64>(op, inputs, out, Complex64::add, Complex64::mul),
        DType::Bool => Err(Error::unsupported("convolution", "bool is not supported on the CPU")),
    }
}

/// The elements of an input in row-major order, copied if they do not lie so.
enum Dense<'a, T> {
    There(&'a [T]),
    Copied(Storage),
}

impl<'a, T: Plain> Dense<'a, T> {
    fn new(arg: &'a Arg<'_>) -> Result<Dense<'a, T>> {
        let layout = arg.layout();
        if layout.is_contiguous() {
            return Ok(Dense::There(&input::<T>(arg)?[if layout.numel() == 0 { 0 } else { layout.offset() }..][..layout.numel()]));
        }
        Ok(Dense::Copied(crate::shape::contiguous(arg)?))
    }

    fn get(&self) -> Result<&[T]> {
        match self {
            Dense::There(x) => Ok(x),
            Dense::Copied(storage) => Ok(typed(cpu(storage)?.as_bytes())),
        }
    }
}

fn plain<T: Plain>(op: &Conv, inputs: &[Arg<'_>], out: &Meta, add: fn(T, T) -> T, mul: fn(T, T) -> T) -> Result<Storage> {
    let dense = inputs.iter().map(Dense::<T>::new).collect::<Result<Vec<_>>>()?;
    let data = dense.iter().map(Dense::get).collect::<Result<Vec<_>>>()?;
    let mut buffer = alloc::<T>(&out.shape)?;
    let (result, a) = (typed_mut::<T>(&mut buffer), Arithmetic { add, mul });
    let shape = |i: usize| inputs[i].shape();
    if result.is_empty() {
        return Ok(Storage::new(buffer));
    }
    match op {
        Conv::Forward(_) => {
            let g = Geometry::new(op, shape(0), shape(1), &out.shape);
            naive::forward(&g, a, data[0], data[1], data.get(2).copied(), result);
        }
        Conv::InputGrad { .. } => naive::input_grad(&Geometry::new(op, &out.shape, shape(1), shape(0)), a, data[0], data[1], result),
        Conv::WeightGrad { .. } => naive::weight_grad(&Geometry::new(op, shape(1), &out.shape, shape(0)), a, data[0], data[1], result),
    }
    Ok(Storage::new(buffer))
}

fn real<T: Element>(op: &Conv, inputs: &[Arg<'_>], out: &Meta) -> Result<Storage> {
    let dense = inputs.iter().map(Dense::<T>::new).collect::<Result<Vec<_>>>()?;
    let data = dense.iter().map(Dense::get).collect::<Result<Vec<_>>>()?;
    let mut buffer = alloc::<T>(&out.shape)?;
    let result = typed_mut::<T>(&mut buffer);
    let shape = |i: usize| inputs[i].shape();
    if result.is_empty() {
        return Ok(Storage::new(buffer));
    }
    match op {
        Conv::Forward(_) => {
            let g = Geometry::new(op, shape(0), shape(1), &out.shape);
            forward(&g, data[0], data[1], data.get(2).copied()).run(result)?;
        }
        Conv::InputGrad { .. } => input_grad(&Geometry::new(op, &out.shape, shape(1), shape(0)), data[0], data[1], result)?,
        Conv::WeightGrad { .. } => {
            let geometry = Geometry::new(op, shape(1), &out.shape, shape(0));
            Contraction { geometry, windows: geometry.windows(), dy: data[0], x: data[1] }.run(result)?;
        }
    }
    Ok(Storage::new(buffer))
}

fn forward<'a, T: Element>(g: &Geometry, x: &'a [T], w: &'a [T], bias: Option<&'a [T]>) -> Job<'a, T> {
    let taps = g.taps();
    Job {
        windows: g.windows(),
        batch: g.batch,
        groups: g.groups,
        sources: g.cin,
        dests: g.cout,
        source: x,
        weight: w,
        weight_steps: [g.cin * taps, taps],
        weight_taps: (0..taps).collect(),
        bias,
        dest: g.output,
        dest_step: [1; 3],
        dest_start: [0; 3],
    }
}

/// One job for each remainder of input places modulo the stride: place `q * stride + r` is met by output `q + t` through the tap k with
/// `t * stride = r + before - k * dilation`.
fn input_grad<T: Element>(g: &Geometry, dy: &[T], w: &[T], dx: &mut [T]) -> Result<()> {
    let taps = g.taps();
    let [sz, sh, sw] = g.stride;
    for phase in 0..sz * sh * sw {
        let start = [phase / (sh * sw), phase / sw % sh, phase % sw];
        // For each tap: the output it comes from.
        let meets = |d: usize, k: usize| {
            let t = (start[d] + g.before[d]) as isize - (k * g.dilation[d]) as isize;
            (t % g.stride[d] as isize == 0).then(|| t / g.stride[d] as isize)
        };
        let [_, kh, kw] = g.kernel;
        let met = (0..taps).filter_map(|k| Some((k, [meets(0, k / (kh * kw))?, meets(1, k / kw % kh)?, meets(2, k % kw)?])));
        let (weight_taps, taps_met): (Vec<usize>, Vec<[isize; 3]>) = met.unzip();
        let job = Job {
            windows: Windows {
                source: g.output,
                outputs: std::array::from_fn(|d| (g.input[d] + g.stride[d] - 1 - start[d]) / g.stride[d]),
                step: [1; 3],
                taps: taps_met,
            },
            batch: g.batch,
            groups: g.groups,
            sources: g.cout,
            dests: g.cin,
            source: dy,
            weight: w,
            weight_steps: [taps, g.cin * taps],
            weight_taps,
            bias: None,
            dest: g.input,
            dest_step: g.stride,
            dest_start: start,
        };
        job.run(dx)?;
    }
    Ok(())
}

/// In half precision: the computation in f32, its result rounded.
fn half<T: Plain>(op: &Conv, inputs: &[Arg<'_>], out: &Meta, widen: fn(T) -> f32, narrow: fn(f32) -> T) -> Result<Storage> {
    let mut wide = Vec::with_capacity(inputs.len());
    for x in inputs {
        let dense = Dense::<T>::new(x)?;
        let mut buffer = CpuBuffer::new(x.layout().numel() * size_of::<f32>())?;
        typed_mut::<f32>(&mut buffer).iter_mut().zip(dense.get()?).for_each(|(to, &x)| *to = widen(x));
        wide.push((Storage::new(buffer), Layout::contiguous(x.shape())));
    }
    let args: Vec<Arg<'_>> = wide.iter().map(|(s, l)| Arg::borrowed(s, l, DType::F32)).collect();
    let sums = run(op, &args, &Meta::new(&out.shape, DType::F32))?;
    let mut buffer = alloc::<T>(&out.shape)?;
    typed_mut::<T>(&mut buffer).iter_mut().zip(typed::<f32>(cpu(&sums)?.as_bytes())).for_each(|(to, &x)| *to = narrow(x));
    Ok(Storage::new(buffer))
}
