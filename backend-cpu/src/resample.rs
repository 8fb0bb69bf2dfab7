//! Resampling: one dimension after the other, each by a table of the elements and weights that make up an element of the result. The gradient uses the
//! transposed tables.

mod grid;

use rushlight_backend::op::{Interpolation, Method, Resample};
use rushlight_backend::{Arg, DType, Meta, Result, Storage, Storages, bf16, f16, numel};

use crate::buffer::{Plain, alloc, typed_mut};
use crate::pointwise::exp::Exp;
use crate::pool::dense;
use crate::simd::dispatch;
use crate::walk::par_pieces;

/// Elements of a result that one task writes.
const GRAIN: usize = 1 << 14;

/// For each place of a result the places that it reads, with their weights.
struct Table {
    from: usize,
    taps: Vec<Vec<(usize, f64)>>,
}

impl Table {
    /// The table of one dimension. PyTorch computes places in the type of the tensor, in single precision for narrower ones.
    fn new(of: &Interpolation, dim: usize, from: usize, single: bool) -> Table {
        let round = |x: f64| if single { f64::from(x as f32) } else { x };
        let (step, last) = (round(of.step[dim]), from - 1);
        let clamped = |i: f64| i.clamp(0.0, last as f64) as usize;
        let centre = |i: usize| round(round(step * (i as f64 + 0.5)) - 0.5);
        let taps = (0..of.size.get(dim) as usize).map(|i| match of.method {
            Method::Nearest => vec![(clamped(f64::from(round(i as f64 * step) as f32).floor()), 1.0)],
            Method::NearestExact => vec![(clamped(f64::from(round((i as f64 + 0.5) * step) as f32).floor()), 1.0)],
            _ if of.antialias => widened(of.method, step, i, from),
            Method::Linear => {
                let at = if of.align_corners { round(step * i as f64) } else { centre(i).max(0.0) };
                let first = clamped(at.floor());
                let part = round(at - first as f64).clamp(0.0, 1.0);
                merged([(first, round(1.0 - part)), ((first + 1).min(last), part)])
            }
            Method::Cubic => {
                let at = if of.align_corners { round(step * i as f64) } else { centre(i) };
                let (first, t) = (at.floor(), round(at - at.floor()));
                let weights = [outer(t + 1.0, -0.75), inner(t, -0.75), inner(1.0 - t, -0.75), outer(2.0 - t, -0.75)];
                merged(std::array::from_fn::<_, 4, _>(|k| (clamped(first + k as f64 - 1.0), weights[k])))
            }
        });
        Table { from, taps: taps.collect() }
    }

    fn transposed(&self) -> Table {
        let mut taps = vec![Vec::new(); self.from];
        for (o, own) in self.taps.iter().enumerate() {
            own.iter().for_each(|&(i, w)| taps[i].push((o, w)));
        }
        Table { from: self.taps.len(), taps }
    }
}

/// The cubic convolution for distances up to 1, and from 1 to 2.
fn inner(x: f64, a: f64) -> f64 {
    ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
}

fn outer(x: f64, a: f64) -> f64 {
    ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
}

/// Taps of one place added up.
fn merged<const N: usize>(taps: [(usize, f64); N]) -> Vec<(usize, f64)> {
    let mut out: Vec<(usize, f64)> = Vec::with_capacity(N);
    for (i, w) in taps {
        match out.iter_mut().find(|o| o.0 == i) {
            Some(o) => o.1 += w,
            None => out.push((i, w)),
        }
    }
    out
}

/// The taps of a filter as wide as the step, normalised.
fn widened(method: Method, step: f64, i: usize, from: usize) -> Vec<(usize, f64)> {
    let reach = if method == Method::Linear { 1.0 } else { 2.0 };
    let wide = step.max(1.0);
    let (support, centre) = (reach * wide, step * (i as f64 + 0.5));
    let start = ((centre - support + 0.5).max(0.0) as usize).min(from - 1);
    let end = ((centre + support + 0.5).max(0.0) as usize).clamp(start + 1, from);
    let weight = |j: usize| {
        let x = ((j as f64 - centre + 0.5) / wide).abs();
        match (method, x) {
            (Method::Linear, x) => (1.0 - x).max(0.0),
            (_, x) if x < 1.0 => inner(x, -0.5),
            (_, x) if x < 2.0 => outer(x, -0.5),
            _ => 0.0,
        }
    };
    let total: f64 = (start..end).map(weight).sum();
    (start..end).map(|j| (j, if total == 0.0 { 0.0 } else { weight(j) / total })).collect()
}

#[inline(always)]
fn add_row_body<T: Exp, const FMA: bool>(y: &mut [T], x: &[T], w: T) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = y.plus(x.times(w));
    }
}

dispatch! {
    /// `y += x * w`.
    fn add_row<T: Exp>(y: &mut [T], x: &[T], w: T) = add_row_body;
}

/// The sizes `[before, this dimension, behind]` of a dimension.
fn around(shape: &[usize], dim: usize) -> [usize; 3] {
    [numel(&shape[..dim]), shape[dim], numel(&shape[dim + 1..])]
}

/// One dimension of x resampled.
fn pass<T: Exp>(x: &[T], [_, from, behind]: [usize; 3], table: &Table, y: &mut [T]) {
    let to = table.taps.len();
    let zero = T::narrow(0.0);
    let taps: Vec<Vec<(usize, T)>> = table.taps.iter().map(|t| t.iter().map(|&(i, w)| (i, T::narrow(w))).collect()).collect();
    par_pieces(y, (GRAIN / behind).max(1) * behind, |start, y| {
        for (k, y) in y.chunks_exact_mut(behind).enumerate() {
            let row = start / behind + k;
            let (base, taps) = (row / to * from * behind, &taps[row % to]);
            if behind == 1 {
                y[0] = taps.iter().fold(zero, |s, &(i, w)| s.plus(x[base + i].times(w)));
                continue;
            }
            y.fill(zero);
            for &(i, w) in taps {
                add_row(y, &x[base + i * behind..][..behind], w);
            }
        }
    });
}

/// All dimensions, the last one first.
fn all<T: Exp>(x: &[T], shape: &[usize], tables: &[Table], y: &mut [T]) {
    let mut shape = shape.to_vec();
    let mut now: Option<Vec<T>> = None;
    for d in (0..tables.len()).rev() {
        let (table, dim) = (&tables[d], d + 2);
        let sizes = around(&shape, dim);
        shape[dim] = table.taps.len();
        let from = now.as_deref().unwrap_or(x);
        if d == 0 {
            pass(from, sizes, table, y);
        } else {
            let mut next = vec![T::narrow(0.0); numel(&shape)];
            pass(from, sizes, table, &mut next);
            now = Some(next);
        }
    }
}

/// One dimension of bytes resampled, with weights of 16 bits and rounding, as PyTorch does it.
fn byte_pass(x: &[u8], [before, from, behind]: [usize; 3], table: &Table) -> Vec<u8> {
    let largest = table.taps.iter().flatten().fold(0.0f64, |m, t| m.max(t.1));
    let bits = (0..22).take_while(|&b| 0.5 + largest * f64::from(1u32 << (b + 1)) < f64::from(1 << 15)).count();
    let whole = |w: f64| (w * (1u64 << bits) as f64 + 0.5f64.copysign(w)) as i64;
    let taps: Vec<Vec<(usize, i64)>> = table.taps.iter().map(|t| t.iter().map(|&(i, w)| (i, whole(w))).collect()).collect();
    let half = if bits > 0 { 1i64 << (bits - 1) } else { 0 };
    let mut y = Vec::with_capacity(before * taps.len() * behind);
    for b in 0..before {
        for taps in &taps {
            for k in 0..behind {
                let sum = taps.iter().fold(half, |s, &(i, w)| s + w * i64::from(x[(b * from + i) * behind + k]));
                y.push((sum >> bits).clamp(0, 255) as u8);
            }
        }
    }
    y
}

/// Runs a resampling, or declines: samples at a grid in half precision are left to the decomposition, which computes in f32.
pub(crate) fn run(op: &Resample, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Option<Storages>> {
    let out = &outputs[0];
    match (op, out.dtype) {
        (Resample::Grid(with), DType::F32) => grid::forward::<f32>(with, inputs, out).map(Some),
        (Resample::Grid(with), DType::F64) => grid::forward::<f64>(with, inputs, out).map(Some),
        (Resample::GridGrad(with), DType::F32) => grid::backward::<f32>(with, inputs, outputs).map(Some),
        (Resample::GridGrad(with), DType::F64) => grid::backward::<f64>(with, inputs, outputs).map(Some),
        (Resample::Grid(_) | Resample::GridGrad(_), _) => Ok(None),
        _ => interpolate(op, inputs, out).map(|s| Some(smallvec::smallvec![s])),
    }
}

fn interpolate(op: &Resample, inputs: &[Arg<'_>], out: &Meta) -> Result<Storage> {
    match out.dtype {
        DType::F64 => real::<f64>(op, &inputs[0], out),
        DType::F16 => half::<f16>(op, &inputs[0], out, f16::to_f32, f16::from_f32),
        DType::BF16 => half::<bf16>(op, &inputs[0], out, bf16::to_f32, bf16::from_f32),
        DType::U8 => bytes(op, &inputs[0], out),
        _ => real::<f32>(op, &inputs[0], out),
    }
}

fn tables(op: &Resample, shape: &[usize], single: bool) -> Vec<Table> {
    let rank = shape.len() - 2;
    match op {
        Resample::Forward(of) => (0..rank).map(|d| Table::new(of, d, shape[d + 2], single)).collect(),
        Resample::Grad { of, size } => (0..rank).map(|d| Table::new(of, d, size.get(d) as usize, single).transposed()).collect(),
        Resample::Grid(_) | Resample::GridGrad(_) => Vec::new(),
    }
}

fn real<T: Exp>(op: &Resample, x: &Arg<'_>, out: &Meta) -> Result<Storage> {
    let mut copy = None;
    let data = dense::<T>(x, &mut copy)?;
    let mut buffer = alloc::<T>(&out.shape)?;
    let y = typed_mut::<T>(&mut buffer);
    if !y.is_empty() {
        all(data, x.shape(), &tables(op, x.shape(), out.dtype != DType::F64), y);
    }
    Ok(Storage::new(buffer))
}

/// Narrow elements are computed in f32.
fn half<T: Plain>(op: &Resample, x: &Arg<'_>, out: &Meta, widen: fn(T) -> f32, narrow: fn(f32) -> T) -> Result<Storage> {
    let mut copy = None;
    let wide: Vec<f32> = dense::<T>(x, &mut copy)?.iter().map(|&x| widen(x)).collect();
    let mut buffer = alloc::<T>(&out.shape)?;
    let y = typed_mut::<T>(&mut buffer);
    if !y.is_empty() {
        let mut sums = vec![0.0; y.len()];
        all(&wide, x.shape(), &tables(op, x.shape(), true), &mut sums);
        y.iter_mut().zip(sums).for_each(|(y, s)| *y = narrow(s));
    }
    Ok(Storage::new(buffer))
}

fn bytes(op: &Resample, x: &Arg<'_>, out: &Meta) -> Result<Storage> {
    let Resample::Forward(Interpolation { method: Method::Linear | Method::Cubic, .. }) = op else {
        return half::<u8>(op, x, out, f32::from, |x| x as u8);
    };
    let mut copy = None;
    let mut now = dense::<u8>(x, &mut copy)?.to_vec();
    let mut shape = x.shape().to_vec();
    for (d, table) in tables(op, x.shape(), true).iter().enumerate().rev() {
        now = byte_pass(&now, around(&shape, d + 2), table);
        shape[d + 2] = table.taps.len();
    }
    let mut buffer = alloc::<u8>(&out.shape)?;
    typed_mut::<u8>(&mut buffer).copy_from_slice(&now);
    Ok(Storage::new(buffer))
}
