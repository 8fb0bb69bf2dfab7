//! The gradients of a recurrent layer.

use std::mem::MaybeUninit;
use std::ops::Range;

use rushlight_backend::Result;
use rushlight_backend::op::RnnKind;

use super::cells::{self, GruBack, LstmBack};
use super::{Given, Problem, Real, known, part, shared};
use crate::buffer::{CpuBuffer, typed_mut};
use crate::gemm::{Bias, MAX_TILE, Output, Panels, Strided, product};
use crate::simd::expect;
use crate::threads::par_for;
use crate::walk::Shared;

/// Columns that a task adds up for the gradient of the bias.
const BIAS_COLUMNS: usize = 256;

/// Fills `outputs` with the gradients of the inputs. `grads` are those of the states of all steps, `made` the results of forward.
pub(super) fn backward<T: Real>(p: &Problem<'_, T>, grads: &[Given<'_, T>], made: &[&[T]], outputs: &mut [CpuBuffer]) -> Result<()> {
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

    // The gradient of h after a step by the way of the next one, for a tile of rows; without a next step there is none. `meanwhile(g)` comes before each
    // gate's part of the sum.
    let from_next = |next: Option<usize>, panel: usize, rows: &Range<usize>, sums: *mut T, meanwhile: &dyn Fn(usize)| {
        for g in 0..p.kind.gates() {
            meanwhile(g);
            // SAFETY: the next step's gradients are complete, and the sums have room for a tile.
            unsafe {
                match next {
                    Some(next) => {
                        let k = g * hidden..(g + 1) * hidden;
                        let a = ds.0.cast_const().add((next * n + rows.start) * width + k.start);
                        panels.tile(panel, rows.len(), k, (a, width as isize), sums, g > 0);
                    }
                    None => sums.write_bytes(0, rows.len() * panels.width()),
                }
            }
        }
    };
    for step in (0..p.l).rev() {
        let (t, before, next) = (p.at(step), step.checked_sub(1).map(|s| p.at(s)), (step + 1 < p.l).then(|| p.at(step + 1)));
        // The states before the step.
        let old = |all: &'_ [T], first: &'_ [T]| Shared(before.map_or(first.as_ptr(), |t| all[t * n * hidden..].as_ptr()).cast_mut());
        let (h_before, c_before) = (old(made[0], p.h0), if lstm { old(made[1], p.c0) } else { old(made[0], p.h0) });
        p.blocks(n, width, &panels, |panel, row, rows, unit, units| {
            let mut sums = [const { MaybeUninit::<T>::uninit() }; MAX_TILE];
            let all = sums.as_mut_ptr().cast::<T>();
            for tile in panels.tiles(rows) {
                let rows = row + tile.start..row + tile.end;
                // Short runs of rows far apart: asked for now, they are there when the product is done.
                from_next(next, panel, &rows, all, &|g| {
                    for (row, place) in rows.clone().map(|i| (i, t * n + i)) {
                        expect(dx.0.cast_const().wrapping_add(place * width + g * hidden + unit), units);
                        if p.kind.reserve() > 0 {
                            expect(made[made.len() - 1].as_ptr().wrapping_add((place * 4 + g) * hidden + unit), units);
                        }
                        if g == 0 {
                            // Of the states those that the step before has not read.
                            match p.kind {
                                RnnKind::Tanh | RnnKind::Relu => expect(made[0].as_ptr().wrapping_add(place * hidden + unit), units),
                                RnnKind::Gru => expect(h_before.0.cast_const().wrapping_add(row * hidden + unit), units),
                                RnnKind::Lstm => expect(c_before.0.cast_const().wrapping_add(row * hidden + unit), units),
                            }
                            grads.iter().for_each(|all| expect(all.at(place, unit..unit + units, hidden).as_ptr(), units));
                        }
                    }
                });
                for (i, row) in rows.enumerate() {
                    let (place, of_row) = (t * n + row, row * hidden + unit);
                    let own = place * hidden + unit;
                    let kept = |g: usize| &made[made.len() - 1][(place * 4 + g) * hidden + unit..][..units];
                    let dh = grads[0].at(place, unit..unit + units, hidden);
                    // SAFETY: a step writes its own part of the gradients, each task its rows and units of it and of what is carried along; shapes
                    // say how long all of them are. The sums have been written.
                    unsafe {
                        let s = std::slice::from_raw_parts(all.add(i * panels.width()), units);
                        let gate = |all: &Shared<T>, g: usize| part(all, place * width + g * hidden + unit, units);
                        match p.kind {
                            RnnKind::Tanh => cells::tanh_back(gate(dx, 0), s, dh, &made[0][own..own + units]),
                            RnnKind::Relu => cells::relu_back(gate(dx, 0), s, dh, &made[0][own..own + units]),
                            RnnKind::Gru => {
                                let kept = [kept(0), kept(1), kept(2), kept(3)];
                                let row = &GruBack { kept, old: known(&h_before, of_row, units), s, dh };
                                let d = &mut [gate(dx, 0), gate(dx, 1), gate(dx, 2)];
                                let of_state = &mut [gate(ds, 0), gate(ds, 1), gate(ds, 2)];
                                cells::gru_back(d, of_state, part(&carry, of_row, units), row);
                            }
                            RnnKind::Lstm => {
                                let (c, dc) = (&made[1][own..own + units], grads[1].at(place, unit..unit + units, hidden));
                                let kept = [kept(0), kept(1), kept(2), kept(3)];
                                let row = &LstmBack { kept, c, old: known(&c_before, of_row, units), s, dh, dc };
                                let d = &mut [gate(dx, 0), gate(dx, 1), gate(dx, 2), gate(dx, 3)];
                                cells::lstm_back(d, part(&outputs[2], of_row, units), row);
                            }
                        }
                    }
                }
            }
        });
    }
    p.blocks(n, width, &panels, |panel, row, rows, unit, units| {
        let mut sums = [const { MaybeUninit::<T>::uninit() }; MAX_TILE];
        let all = sums.as_mut_ptr().cast::<T>();
        for tile in panels.tiles(rows) {
            let rows = row + tile.start..row + tile.end;
            from_next(Some(p.at(0)), panel, &rows, all, &|_| ());
            for (i, row) in rows.enumerate() {
                let of_row = row * hidden + unit;
                // SAFETY: as above.
                unsafe {
                    let dh = part(dh0, of_row, units);
                    dh.copy_from_slice(std::slice::from_raw_parts(all.add(i * panels.width()), units));
                    if p.kind == RnnKind::Gru {
                        cells::accumulate(dh, known(&carry, of_row, units));
                    }
                }
            }
        }
    });
    // SAFETY: all gradients of gates are complete.
    let ds = unsafe { known(ds, 0, p.l * n * width) };
    weight_gradient(p, ds, made[0], &rest[0])?;
    if p.bias {
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
