//! Recurrent layers, one kernel over the sequence.
//!
//! A step is a product of the last state with a weight, which was packed once, and a few functions of its elements. A task has some rows of the batch and some
//! units with all of their gates, so that product and functions need nothing from other tasks of the step: there is one parallel region a step. The
//! gradient of the weight is one product over all steps.
//!
//! Limited by the multiply-adds for batches of a dozen rows and more, below by reading the packed weight from the second cache.

mod backward;
mod cells;

use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::Arc;

use rushlight_backend::op::{Rnn, RnnKind, RnnLayer};
use rushlight_backend::{Arg, DType, Meta, Result, Storage, Storages};

use crate::buffer::{CpuBuffer, Plain, alloc, cpu, typed, typed_mut};
use crate::gemm::{Number, Panels, Strided};
use crate::pointwise::exp::Exp;
use crate::shape;
use crate::simd::expect;
use crate::threads::par_for;
use crate::walk::Shared;

/// Rows of the batch that a task takes.
const ROWS: usize = 48;
/// The most units that a task takes: the widest panel.
const COLUMNS: usize = 32;
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
        Rnn::Forward(layer) => forward(&Problem::new(layer, inputs[0].shape(), &data), &mut memory)?,
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

fn forward<T: Real>(p: &Problem<'_, T>, outputs: &mut [CpuBuffer]) -> Result<()> {
    let (gates, hidden, n, width) = (p.kind.gates(), p.hidden, p.n, p.width());
    let of_gate = |g: usize| {
        let weight = Strided { data: p.weight, start: g * hidden * hidden, line_step: hidden as isize, k_step: 1 };
        Panels::new(hidden, hidden, &weight)
    };
    let panels = (0..gates).map(of_gate).collect::<Result<Vec<_>>>()?;
    let zeros = vec![T::default(); if p.bias.is_some() { 0 } else { width }];
    let bias = p.bias.unwrap_or(&zeros);
    let outputs: Vec<Shared<T>> = outputs.iter_mut().map(shared).collect();
    let (y, last) = (&outputs[0], &outputs[outputs.len() - 1]);
    for step in 0..p.l {
        let (t, before) = (p.at(step), step.checked_sub(1).map(|s| p.at(s)));
        p.blocks(&panels[0], |panel, row, rows, unit, units| {
            let mut sums = [const { std::mem::MaybeUninit::<T>::uninit() }; 4 * ROWS * COLUMNS];
            let columns = panels[0].width();
            // SAFETY: a step writes its own part of the results, each task its rows and units of it, and reads what earlier steps and the inputs
            // hold; shapes say how long all of them are. The products fill what is read of the sums.
            unsafe {
                let start = |t: usize| t * n * hidden;
                let state = before.map_or(p.h0.as_ptr(), |t| y.0.add(start(t)).cast_const());
                let all = sums.as_mut_ptr().cast::<T>();
                // Short runs of rows: asked for now, they are there when the products are done.
                for i in row..row + rows {
                    for g in 0..gates {
                        expect(p.x.as_ptr().wrapping_add((t * n + i) * width + g * hidden + unit), units);
                    }
                    for g in 0..p.kind.reserve() {
                        expect(last.0.cast_const().wrapping_add(((t * n + i) * 4 + g) * hidden + unit), units);
                    }
                }
                for (g, panels) in panels.iter().enumerate() {
                    panels.multiply(panel, rows, state.add(row * hidden), hidden as isize, all.add(g * ROWS * columns));
                }
                for i in 0..rows {
                    let place = t * n + row + i;
                    let s = |g: usize| std::slice::from_raw_parts(all.add((g * ROWS + i) * columns), units);
                    let x = |g: usize| &p.x[place * width + g * hidden + unit..][..units];
                    let b = |g: usize| &bias[g * hidden + unit..][..units];
                    let h = part(y, place * hidden + unit, units);
                    let kept = |g: usize| part(last, (place * 4 + g) * hidden + unit, units);
                    let old = |first: &'_ [T], all: &Shared<T>| {
                        let from = before.map_or(first.as_ptr(), |t| all.0.add(start(t)).cast_const());
                        std::slice::from_raw_parts(from.add((row + i) * hidden + unit), units)
                    };
                    match p.kind {
                        RnnKind::Tanh => cells::tanh(h, s(0), x(0), b(0)),
                        RnnKind::Relu => cells::relu(h, s(0), x(0), b(0)),
                        RnnKind::Gru => {
                            let [reset, update, new, from_state] = [0, 1, 2, 3].map(kept);
                            cells::sigmoid(reset, s(0), x(0), b(0));
                            cells::sigmoid(update, s(1), x(1), b(1));
                            cells::gru(h, new, from_state, reset, update, s(2), x(2), b(2), old(p.h0, y));
                        }
                        RnnKind::Lstm => {
                            let [input, forget, cell, output] = [0, 1, 2, 3].map(kept);
                            cells::sigmoid(input, s(0), x(0), b(0));
                            cells::sigmoid(forget, s(1), x(1), b(1));
                            cells::tanh(cell, s(2), x(2), b(2));
                            cells::sigmoid(output, s(3), x(3), b(3));
                            let c = part(&outputs[1], place * hidden + unit, units);
                            cells::lstm(h, c, input, forget, cell, output, old(p.c0, &outputs[1]));
                        }
                    }
                }
            }
        });
    }
    Ok(())
}
