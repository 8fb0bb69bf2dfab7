//! Recurrent layers, one kernel over the sequence.
//!
//! A step is a product of the last state with a weight, which was packed once, and a few functions of its elements. A task has some rows of the batch and some
//! units with all of their gates, so that product and functions need nothing from other tasks of the step: there is one parallel region a step. The
//! gradient of the weight is one product over all steps.
//!
//! Limited by the multiply-adds for batches of a dozen rows and more, below by reading the packed weight from the second cache.

mod backward;
mod cells;
mod forward;

use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::Arc;

use rushlight_backend::op::{Rnn, RnnKind, RnnLayer};
use rushlight_backend::{Arg, DType, Meta, Result, Storage, Storages};

use crate::buffer::{CpuBuffer, Plain, alloc, cpu, typed, typed_mut};
use crate::gemm::{Number, Panels};
use crate::pointwise::exp::Exp;
use crate::shape;
use crate::threads::par_for;
use crate::walk::Shared;

/// Rows of the batch that a task takes.
const ROWS: usize = 48;
/// Multiplications of a step below which threads do not pay.
const SERIAL: usize = 1 << 16;

/// The elements of recurrent layers.
trait Real: Number + Exp + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self> {}
impl Real for f32 {}
impl Real for f64 {}

/// `None` declines: projections and half precision run as the decomposition.
pub(crate) fn run(op: &Rnn, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Option<Storages>> {
    if op.layer().projection {
        return Ok(None);
    }
    match outputs[0].dtype {
        DType::F32 => run_in::<f32>(op, inputs, outputs).map(Some),
        DType::F64 => run_in::<f64>(op, inputs, outputs).map(Some),
        _ => Ok(None),
    }
}

fn run_in<T: Real>(op: &Rnn, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    let held = inputs.iter().map(Held::new).collect::<Result<Vec<_>>>()?;
    let data = held.iter().map(Held::elements).collect::<Result<Vec<&[T]>>>()?;
    let mut memory = outputs.iter().map(|m| alloc::<T>(&m.shape)).collect::<Result<Vec<CpuBuffer>>>()?;
    match op {
        Rnn::Forward(layer) => forward::forward(&Problem::new(layer, inputs[0].shape(), &data), &mut memory)?,
        Rnn::Grad(layer) => {
            let states = layer.kind.states();
            let (grads, rest) = data.split_at(states);
            let (given, made) = rest.split_at(layer.inputs());
            backward::backward(&Problem::new(layer, inputs[states].shape(), given), grads, made, &mut memory)?;
        }
    }
    Ok(memory.into_iter().map(|m| Arc::new(m) as Storage).collect())
}

/// An input in row-major order: its own memory, or a copy.
struct Held {
    storage: Storage,
    start: usize,
    len: usize,
}

impl Held {
    fn new(arg: &Arg<'_>) -> Result<Held> {
        let layout = arg.layout();
        let (storage, start) =
            if layout.is_contiguous() { (arg.storage()?.clone(), layout.offset()) } else { (shape::contiguous(arg)?, 0) };
        Ok(Held { storage, start, len: layout.numel() })
    }

    fn elements<T: Plain>(&self) -> Result<&[T]> {
        let all = typed::<T>(cpu(&self.storage)?.as_bytes());
        Ok(if self.len == 0 { &[] } else { &all[self.start..self.start + self.len] })
    }
}

/// The inputs of a layer.
struct Problem<'a, T> {
    kind: RnnKind,
    reverse: bool,
    l: usize,
    n: usize,
    hidden: usize,
    /// The input's part of the gates.
    x: &'a [T],
    h0: &'a [T],
    /// Of an LSTM.
    c0: &'a [T],
    weight: &'a [T],
    bias: Option<&'a [T]>,
}

impl<'a, T: Real> Problem<'a, T> {
    fn new(layer: &RnnLayer, shape: &[usize], inputs: &[&'a [T]]) -> Problem<'a, T> {
        let states = layer.kind.states();
        Problem {
            kind: layer.kind,
            reverse: layer.reverse,
            l: shape[0],
            n: shape[1],
            hidden: shape[2] / layer.kind.gates(),
            x: inputs[0],
            h0: inputs[1],
            c0: if states == 2 { inputs[2] } else { &[] },
            weight: inputs[1 + states],
            bias: layer.bias.then(|| inputs[2 + states]),
        }
    }

    /// Elements of the gates of a row.
    fn width(&self) -> usize {
        self.kind.gates() * self.hidden
    }

    /// The step that is the i-th in order of time.
    fn at(&self, i: usize) -> usize {
        if self.reverse { self.l - 1 - i } else { i }
    }

    /// Runs `f` for blocks of rows and panels of units: `(panel, first row, rows, first unit, units)`.
    fn blocks(&self, panels: &Panels<T>, f: impl Fn(usize, usize, usize, usize, usize) + Sync) {
        let count = panels.count();
        let task = |task: usize| {
            let (panel, row) = (task % count, task / count * ROWS);
            let unit = panel * panels.width();
            f(panel, row, ROWS.min(self.n - row), unit, panels.width().min(self.hidden - unit));
        };
        let tasks = count * self.n.div_ceil(ROWS);
        if self.n * self.width() * self.hidden < SERIAL { (0..tasks).for_each(task) } else { par_for(tasks, task) }
    }
}

/// A part of memory that tasks share.
///
/// # Safety
/// It lies inside of the memory, which is initialised, and no other task has it.
unsafe fn part<'a, T>(memory: &Shared<T>, start: usize, len: usize) -> &'a mut [T] {
    // SAFETY: the caller answers for it.
    unsafe { std::slice::from_raw_parts_mut(memory.0.add(start), len) }
}

/// A part of memory that no task writes meanwhile.
///
/// # Safety
/// It lies inside of the memory, which is initialised.
unsafe fn known<'a, T>(memory: &Shared<T>, start: usize, len: usize) -> &'a [T] {
    // SAFETY: the caller answers for it.
    unsafe { std::slice::from_raw_parts(memory.0.add(start), len) }
}

fn shared<T: Plain>(memory: &mut CpuBuffer) -> Shared<T> {
    Shared(typed_mut::<T>(memory).as_mut_ptr())
}
