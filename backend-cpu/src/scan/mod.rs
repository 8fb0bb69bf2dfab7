//! Scans: sums of f32, f64 by vector instructions and on all threads, the others one element after the other in wide numbers.

mod sum;

use rushlight_backend::op::{Scan, ScanKind};
use rushlight_backend::{Arg, Complex64, DType, Error, Meta, Result, Storage, Storages};

use crate::buffer::{alloc, typed_mut};
use crate::pointwise::analytic;
use crate::reduce::kernel::{Arith, Wide};
use crate::walk::par_pieces;
use crate::wide::{Numbers, load, store};

/// Elements scanned by one task, if there are lines to share.
const GRAIN: usize = 1 << 15;

/// The sizes before the dimension, of it, and behind it.
#[derive(Clone, Copy)]
struct Lines {
    outer: usize,
    n: usize,
    inner: usize,
    reverse: bool,
}

impl Lines {
    fn new(op: &Scan, shape: &[usize]) -> Lines {
        let (outer, inner) = (shape[..op.dim].iter().product(), shape[op.dim + 1..].iter().product());
        Lines { outer, n: shape[op.dim], inner, reverse: op.reverse }
    }

    /// The place of step `k` within a line.
    fn place(&self, k: usize) -> usize {
        if self.reverse { self.n - 1 - k } else { k }
    }
}

pub(crate) fn run(op: &Scan, inputs: &mut [Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    let (x, dtype) = (&inputs[0], outputs[0].dtype);
    let lines = Lines::new(op, x.shape());
    let one = |s: Result<Storage>| s.map(|s| smallvec::smallvec![s]);
    match op.kind {
        ScanKind::Sum if dtype == DType::F32 => one(sum::run::<f32>(lines, x)),
        ScanKind::Sum if dtype == DType::F64 => one(sum::run::<f64>(lines, x)),
        ScanKind::Sum => one(store(dtype, fold(lines, load(x)?, |y, x| y.plus(x), |y, x| y.plus(x), |y, x| y.plus(x)))),
        ScanKind::Prod => one(store(dtype, fold(lines, load(x)?, |y, x| y.times(x), |y, x| y.times(x), |y, x| y.times(x)))),
        ScanKind::LogSumExp => match load(x)? {
            Numbers::Real(x) => one(store(dtype, Numbers::Real(line_by_line(lines, &x, log_add_exp)))),
            Numbers::Complex(x) => one(store(dtype, Numbers::Complex(line_by_line(lines, &x, analytic::log_add_exp)))),
            Numbers::Int(_) => Err(Error::dtype("logcumsumexp", "wants floating-point or complex numbers")),
        },
        ScanKind::Recurrence => match (load(x)?, load(&inputs[1])?) {
            (Numbers::Real(a), Numbers::Real(b)) => one(store(dtype, Numbers::Real(recurrence(lines, &a, &b)))),
            (Numbers::Complex(a), Numbers::Complex(b)) => one(store(dtype, Numbers::Complex(recurrence(lines, &a, &b)))),
            _ => Err(Error::dtype("recurrence", "wants floating-point tensors of one dtype")),
        },
        ScanKind::Max | ScanKind::Min => {
            let max = op.kind == ScanKind::Max;
            let (values, places) = match load(x)? {
                Numbers::Real(x) => {
                    let (v, p) = extremes(lines, &x, max)?;
                    (store(dtype, Numbers::Real(v))?, p)
                }
                Numbers::Int(x) => {
                    let (v, p) = extremes(lines, &x, max)?;
                    (store(dtype, Numbers::Int(v))?, p)
                }
                Numbers::Complex(_) => return Err(Error::dtype("cummax", "complex numbers have no order")),
            };
            Ok(smallvec::smallvec![values, places])
        }
    }
}

/// `log(exp(a) + exp(b))`.
fn log_add_exp(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == high && high.is_infinite() {
        return high;
    }
    high + (low - high).exp().ln_1p()
}

fn fold(
    lines: Lines,
    x: Numbers,
    real: fn(f64, f64) -> f64,
    int: fn(i64, i64) -> i64,
    complex: fn(Complex64, Complex64) -> Complex64,
) -> Numbers {
    match x {
        Numbers::Real(x) => Numbers::Real(line_by_line(lines, &x, real)),
        Numbers::Int(x) => Numbers::Int(line_by_line(lines, &x, int)),
        Numbers::Complex(x) => Numbers::Complex(line_by_line(lines, &x, complex)),
    }
}

/// `y[k] = step(y[k - 1], x[k])`, from `y[0] = x[0]`.
fn line_by_line<W: Wide>(lines: Lines, x: &[W], step: impl Fn(W, W) -> W + Sync) -> Vec<W> {
    scan(lines, x.len(), |at, before| before.map_or(x[at], |y| step(y, x[at])))
}

fn recurrence<W: Wide>(lines: Lines, a: &[W], b: &[W]) -> Vec<W> {
    scan(lines, b.len(), |at, before| before.map_or(b[at], |y| a[at].times(y).plus(b[at])))
}

/// Each element from its place and the result before it.
fn scan<W: Wide>(lines: Lines, total: usize, next: impl Fn(usize, Option<W>) -> W + Sync) -> Vec<W> {
    let mut out = vec![W::default(); total];
    if total == 0 {
        return out;
    }
    let block = lines.n * lines.inner;
    par_pieces(&mut out, block * (GRAIN / block).max(1), |start, piece| {
        for (o, block_out) in piece.chunks_mut(block).enumerate() {
            let first = start + o * block;
            for k in 0..lines.n {
                let at = lines.place(k) * lines.inner;
                for i in at..at + lines.inner {
                    let before = (k > 0).then(|| block_out[lines.place(k - 1) * lines.inner + i - at]);
                    block_out[i] = next(first + i, before);
                }
            }
        }
    });
    out
}

/// The extrema so far and their places, the last of equals.
fn extremes<W: Wide + PartialEq>(lines: Lines, x: &[W], max: bool) -> Result<(Vec<W>, Storage)> {
    let mut buffer = alloc::<i64>(&[x.len()])?;
    let (places, mut values) = (typed_mut::<i64>(&mut buffer), x.to_vec());
    for o in 0..lines.outer {
        for k in 0..lines.n {
            let at = (o * lines.n + lines.place(k)) * lines.inner;
            for i in at..at + lines.inner {
                places[i] = lines.place(k) as i64;
                if k == 0 {
                    continue;
                }
                let before = (o * lines.n + lines.place(k - 1)) * lines.inner + i - at;
                // NaN beats everything, itself as well, and never equals.
                if !(values[i].beats(values[before], max) || values[i] == values[before]) {
                    (values[i], places[i]) = (values[before], places[before]);
                }
            }
        }
    }
    Ok((values, Storage::new(buffer)))
}
