//! The gradients of a recurrent layer.

use rushlight_backend::Result;
use rushlight_backend::op::RnnKind;

use super::{COLUMNS, Problem, ROWS, Real, cells, known, part, shared};
use crate::buffer::{CpuBuffer, typed_mut};
use crate::gemm::{Bias, Output, Panels, Strided, product};
use crate::simd::expect;
use crate::threads::par_for;
use crate::walk::Shared;

/// Columns that a task adds up for the gradient of the bias.
const BIAS_COLUMNS: usize = 256;

/// Fills `outputs` with the gradients of the inputs. `grads` are those of the states of all steps, `made` the results of forward.
pub(super) fn backward<T: Real>(p: &Problem<'_, T>, grads: &[&[T]], made: &[&[T]], outputs: &mut [CpuBuffer]) -> Result<()> {
    let (n, hidden, width, lstm) = (p.n, p.hidden, p.width(), p.kind == RnnKind::Lstm);
    // The weight's columns are lines here: the gradient of the state sums over the gates.
    let panels = Panels::new(hidden, width, &Strided { data: p.weight, start: 0, line_step: 1, k_step: hidden as isize })?;
    if lstm {
        typed_mut::<T>(&mut outputs[2]).fill(T::default());
    }
    let outputs: Vec<Shared<T>> = outputs.iter_mut().map(shared).collect();
    let (dx, dh0, rest) = (&outputs[0], &outputs[1], &outputs[1 + p.kind.states()..]);
    // What a GRU's h gets past the gates, and its gradients of the state's part of the gates; of the others these are those of the input's part.
    let gru = if p.kind == RnnKind::Gru { [n * hidden, p.l * n * width] } else { [0; 2] };
    let mut memory = [CpuBuffer::new(gru[0] * size_of::<T>())?, CpuBuffer::new(gru[1] * size_of::<T>())?];
    typed_mut::<T>(&mut memory[0]).fill(T::default());
    let [carry, of_state] = memory.each_mut().map(shared::<T>);
    let ds = if p.kind == RnnKind::Gru { &of_state } else { dx };

    // The gradient of h after the step, by the way of the next one: without a next one there is none.
    let from_next = |next: Option<usize>, panel: usize, row: usize, rows: usize, sums: *mut T| {
        if let Some(next) = next {
            // SAFETY: the next step's gradients are complete, and the sums have room for a panel of ROWS rows.
            unsafe { panels.multiply(panel, rows, ds.0.add((next * n + row) * width), width as isize, sums) };
        } else {
            // SAFETY: as above.
            unsafe { sums.write_bytes(0, rows * panels.width()) };
        }
    };
    for step in (0..p.l).rev() {
        let (t, before, next) = (p.at(step), step.checked_sub(1).map(|s| p.at(s)), (step + 1 < p.l).then(|| p.at(step + 1)));
        p.blocks(&panels, |panel, row, rows, unit, units| {
            let mut sums = [const { std::mem::MaybeUninit::<T>::uninit() }; ROWS * COLUMNS];
            let all = sums.as_mut_ptr().cast::<T>();
            // Short runs of rows: asked for now, they are there when the product is done.
            for place in t * n + row..t * n + row + rows {
                for g in 0..p.kind.gates() {
                    expect(dx.0.cast_const().wrapping_add(place * width + g * hidden + unit), units);
                }
                for g in 0..p.kind.reserve() {
                    expect(made[made.len() - 1].as_ptr().wrapping_add((place * 4 + g) * hidden + unit), units);
                }
                for all in grads.iter().chain(&made[..p.kind.states()]) {
                    expect(all.as_ptr().wrapping_add(place * hidden + unit), units);
                }
            }
            from_next(next, panel, row, rows, all);
            for i in 0..rows {
                let (place, of_row) = (t * n + row + i, (row + i) * hidden + unit);
                let own = place * hidden + unit;
                // SAFETY: a step writes its own part of the gradients, each task its rows and units of it and of what is carried along; shapes say
                // how long all of them are. The sums have been written.
                unsafe {
                    let dh = std::slice::from_raw_parts_mut(all.add(i * panels.width()), units);
                    cells::accumulate(dh, &grads[0][own..own + units]);
                    let gate = |all: &Shared<T>, g: usize| part(all, place * width + g * hidden + unit, units);
                    let kept = |g: usize| &made[made.len() - 1][(place * 4 + g) * hidden + unit..][..units];
                    let old = |first: &'_ [T], all: &'_ [T]| {
                        let from = before.map_or(first.as_ptr(), |t| all.as_ptr().add(t * n * hidden));
                        std::slice::from_raw_parts(from.add(of_row), units)
                    };
                    match p.kind {
                        RnnKind::Tanh => cells::tanh_back(gate(dx, 0), dh, &made[0][own..own + units]),
                        RnnKind::Relu => cells::relu_back(gate(dx, 0), dh, &made[0][own..own + units]),
                        RnnKind::Gru => {
                            let carry = part(&carry, of_row, units);
                            cells::accumulate(dh, carry);
                            let [d_reset, d_update, d_new] = [0, 1, 2].map(|g| gate(dx, g));
                            let [reset, update, new, from_state] = [0, 1, 2, 3].map(kept);
                            let old = old(p.h0, made[0]);
                            cells::gru_back(d_reset, d_update, d_new, gate(ds, 2), carry, dh, reset, update, new, from_state, old);
                            gate(ds, 0).copy_from_slice(d_reset);
                            gate(ds, 1).copy_from_slice(d_update);
                        }
                        RnnKind::Lstm => {
                            let [d_input, d_forget, d_cell, d_output] = [0, 1, 2, 3].map(|g| gate(dx, g));
                            let [input, forget, cell, output] = [0, 1, 2, 3].map(kept);
                            let (c, old, given) = (&made[1][own..own + units], old(p.c0, made[1]), &grads[1][own..own + units]);
                            let dc = part(&outputs[2], of_row, units);
                            cells::lstm_back(d_input, d_forget, d_cell, d_output, dc, dh, given, input, forget, cell, output, c, old);
                        }
                    }
                }
            }
        });
    }
    p.blocks(&panels, |panel, row, rows, unit, units| {
        let mut sums = [const { std::mem::MaybeUninit::<T>::uninit() }; ROWS * COLUMNS];
        let all = sums.as_mut_ptr().cast::<T>();
        from_next(Some(p.at(0)), panel, row, rows, all);
        for i in 0..rows {
            let of_row = (row + i) * hidden + unit;
            // SAFETY: as above.
            unsafe {
                let dh = part(dh0, of_row, units);
                dh.copy_from_slice(std::slice::from_raw_parts(all.add(i * panels.width()), units));
                if p.kind == RnnKind::Gru {
                    cells::accumulate(dh, known(&carry, of_row, units));
                }
            }
        }
    });
    // SAFETY: all gradients of gates are complete.
    let ds = unsafe { known(ds, 0, p.l * n * width) };
    weight_gradient(p, ds, made[0], &rest[0])?;
    if p.bias.is_some() {
        bias_gradient(p, ds, &rest[1]);
    }
    Ok(())
}

/// The sum over all steps of the gates' gradients times the states before.
fn weight_gradient<T: Real>(p: &Problem<'_, T>, ds: &[T], y: &[T], dw: &Shared<T>) -> Result<()> {
    let (n, hidden, width) = (p.n, p.hidden, p.width());
    let multiply = |rows: usize, step: usize, states: &[T], state: usize, accumulate: bool| {
        let a = Strided { data: ds, start: step * n * width, line_step: 1, k_step: width as isize };
        let b = Strided { data: states, start: state * n * hidden, line_step: 1, k_step: hidden as isize };
        let out = Output { data: dw.0, strides: (hidden as isize, 1), accumulate, bias: Bias::None, relu: false };
        // SAFETY: the gradient has `width` rows of `hidden` elements, and nobody else uses it.
        unsafe { product(width, hidden, rows, a, b, out) }
    };
    multiply(n, p.at(0), p.h0, 0, false)?;
    if p.l == 1 {
        return Ok(());
    }
    // All other steps together: each meets the state of the one before.
    let (step, state) = if p.reverse { (0, 1) } else { (1, 0) };
    multiply((p.l - 1) * n, step, y, state, true)
}

/// The sum of the gates' gradients over steps and rows, step by step.
fn bias_gradient<T: Real>(p: &Problem<'_, T>, ds: &[T], db: &Shared<T>) {
    let width = p.width();
    par_for(width.div_ceil(BIAS_COLUMNS), |task| {
        let first = task * BIAS_COLUMNS;
        let len = BIAS_COLUMNS.min(width - first);
        // SAFETY: this task's columns of the bias' gradient.
        let total = unsafe { part(db, first, len) };
        total.fill(T::default());
        for t in 0..p.l {
            let mut sum = [T::default(); BIAS_COLUMNS];
            for row in 0..p.n {
                cells::accumulate(&mut sum[..len], &ds[(t * p.n + row) * width + first..][..len]);
            }
            cells::accumulate(total, &sum[..len]);
        }
    });
}
