//! Recurrent layers, one kernel over the sequence.
//!
//! A step is a product of the last state with a weight, which was packed once, and a few functions of its elements. A task has some rows of the batch and some
//! units with all of their gates, so that product and functions need nothing from other tasks of the step: there is one parallel region a step. The
//! input's part of the gates is a product for some steps at a time, few enough to stay in the cache until the steps add to it; the gradient of the state's
//! weight is one product over all steps.
//!
//! Limited by the multiply-adds for batches of a dozen rows and more (they take four fifths of the time of an LSTM with 256 units, the functions of the
//! gates most of the rest), below by reading the packed weight from the second cache.

mod backward;
mod cells;
mod forward;

use std::ops::{Add, Div, Mul, Neg, Range, Sub};

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
    let layer = op.layer();
    let mut memory = outputs.iter().map(|m| alloc::<T>(&m.shape)).collect::<Result<Vec<CpuBuffer>>>()?;
    match op {
        Rnn::Forward(_) => {
            let held = inputs.iter().map(Held::new).collect::<Result<Vec<_>>>()?;
            let data = held.iter().map(Held::elements).collect::<Result<Vec<&[T]>>>()?;
            let (x, states, weights) = layer.split(&data);
            forward::forward(&Problem::new(layer, &outputs[0].shape, states, weights[1]), x, inputs[0].shape()[2], weights, &mut memory)?;
        }
        Rnn::Grad(_) => {
            // Of x, its weight and the biases nothing is read.
            let of_x = layer.kind.states();
            let of_weight = of_x + 2 + of_x;
            let read = |i: &usize| (*i > of_x && *i + 1 < of_weight) || *i == of_weight || *i >= of_x + layer.inputs();
            let held = (0..inputs.len()).filter(read).map(|i| Held::new(&inputs[i])).collect::<Result<Vec<_>>>()?;
            let data = held.iter().map(Held::elements).collect::<Result<Vec<&[T]>>>()?;
            let (states, rest) = data.split_at(of_x);
            let (weight, made) = (rest[0], &rest[1..]);
            let given = inputs[..of_x].iter().map(Held::rows::<T>).collect::<Result<Vec<_>>>()?;
            let grads =
                given.iter().map(|(held, same)| Ok(Given { elements: held.elements()?, same: *same })).collect::<Result<Vec<_>>>()?;
            backward::backward(&Problem::new(layer, inputs[0].shape(), states, weight), &grads, made, &mut memory)?;
        }
    }
    Ok(memory.into_iter().map(Storage::new).collect())
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

    /// An input of rows, or a single row and true if all are one number that was expanded.
    fn rows<T: Plain>(arg: &Arg<'_>) -> Result<(Held, bool)> {
        let layout = arg.layout();
        if layout.numel() == 0 || layout.strides().iter().any(|&step| step != 0) {
            return Ok((Held::new(arg)?, false));
        }
        let len = layout.shape()[layout.rank() - 1];
        let mut row = alloc::<T>(&[len])?;
        typed_mut::<T>(&mut row).fill(typed::<T>(cpu(arg.storage()?)?.as_bytes())[layout.offset()]);
        Ok((Held { storage: Storage::new(row), start: 0, len }, true))
    }

    fn elements<T: Plain>(&self) -> Result<&[T]> {
        let all = typed::<T>(cpu(&self.storage)?.as_bytes());
        Ok(if self.len == 0 { &[] } else { &all[self.start..self.start + self.len] })
    }
}

/// The gradient of a state of all steps, `[l, n, hidden]`, or one row for all: where nobody asks for a state it is 0.
struct Given<'a, T> {
    elements: &'a [T],
    same: bool,
}

impl<T> Given<'_, T> {
    /// Some units of a row of a step.
    fn at(&self, row: usize, unit: Range<usize>, hidden: usize) -> &[T] {
        let start = if self.same { 0 } else { row * hidden };
        &self.elements[start + unit.start..start + unit.end]
    }
}

/// A layer, and what both directions of it read.
struct Problem<'a, T> {
    kind: RnnKind,
    reverse: bool,
    bias: bool,
    l: usize,
    n: usize,
    hidden: usize,
    h0: &'a [T],
    /// Of an LSTM.
    c0: &'a [T],
    /// The state's weight.
    weight: &'a [T],
}

impl<'a, T: Real> Problem<'a, T> {
    /// From the shape of all h.
    fn new(layer: &RnnLayer, shape: &[usize], states: &[&'a [T]], weight: &'a [T]) -> Problem<'a, T> {
        Problem {
            kind: layer.kind,
            reverse: layer.reverse,
            bias: layer.bias,
            l: shape[0],
            n: shape[1],
            hidden: shape[2],
            h0: states[0],
            c0: states.get(1).copied().unwrap_or(&[]),
            weight,
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

    /// Runs `f` for blocks of so many rows and panels of units: `(panel, first row, rows, first unit, units)`. `k` is the length of the sums.
    fn blocks(&self, rows: usize, k: usize, panels: &Panels<T>, f: impl Fn(usize, usize, usize, usize, usize) + Sync) {
        let count = panels.count();
        let task = |task: usize| {
            let (panel, row) = (task % count, task / count * ROWS);
            let unit = panel * panels.width();
            f(panel, row, ROWS.min(rows - row), unit, panels.width().min(self.hidden - unit));
        };
        let tasks = count * rows.div_ceil(ROWS);
        if rows * self.hidden * k < SERIAL { (0..tasks).for_each(task) } else { par_for(tasks, task) }
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
