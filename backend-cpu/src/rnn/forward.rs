//! A recurrent layer's states, step by step.

use std::mem::MaybeUninit;

use rushlight_backend::Result;
use rushlight_backend::op::RnnKind;

use super::cells::{self, Gates};
use super::{Problem, Real, known, part, shared};
use crate::alloc::Block;
use crate::buffer::CpuBuffer;
use crate::gemm::{MAX_TILE, Panels, Strided};
use crate::simd::expect;
use crate::walk::Shared;

/// Rows of the input, of some steps, whose part of the gates is computed at a time: a good product, and a result that stays in the cache.
const AHEAD: usize = 256;

/// The gate of a GRU whose state's part is kept apart, and the place of that part among the gates.
const NEW: usize = 2;
const OF_STATE: usize = 3;

/// Rows of x have `input` elements. `weights` are those of the input and of the state, then perhaps their biases.
pub(super) fn forward<T: Real>(p: &Problem<'_, T>, x: &[T], input: usize, weights: &[&[T]], outputs: &mut [CpuBuffer]) -> Result<()> {
    let (gates, hidden, n) = (p.kind.gates(), p.hidden, p.n);
    let pack = |data: &[T], k: usize| {
        let of_gate = |g: usize| Panels::new(hidden, k, &Strided { data, start: g * hidden * k, line_step: k as isize, k_step: 1 });
        (0..gates).map(of_gate).collect::<Result<Vec<_>>>()
    };
    let (of_input, of_state) = (pack(weights[0], input)?, pack(weights[1], hidden)?);
    let bias = bias(p, &weights[2..]);
    let outputs: Vec<Shared<T>> = outputs.iter_mut().map(shared).collect();
    let (y, last) = (&outputs[0], &outputs[outputs.len() - 1]);

    // The sums of the gates of some steps, panel by panel: first the input's part, to which a step adds the state's.
    let (columns, count) = (of_state[0].width(), of_state[0].count());
    let steps = (AHEAD / n.max(1)).clamp(1, p.l);
    let memory = Block::new(count * gates * steps * n * columns * size_of::<T>())?;
    let ahead = Shared(memory.as_ptr().cast_mut().cast::<T>());
    let place = |panel: usize, g: usize, row: usize| {
        let all: &Shared<T> = &ahead;
        all.0.wrapping_add(((panel * gates + g) * steps * n + row) * columns)
    };

    for step in 0..p.l {
        let (t, before) = (p.at(step), step.checked_sub(1).map(|s| p.at(s)));
        // These steps' inputs lie one after another, whichever way they are gone through.
        let (begin, end) = (step / steps * steps, (step / steps * steps + steps).min(p.l));
        let first = p.at(begin).min(p.at(end - 1)) * n;
        if step == begin {
            p.blocks((end - begin) * n, input * gates, &of_input[0], |panel, row, rows, _, _| {
                for (g, panels) in of_input.iter().enumerate() {
                    for tile in panels.tiles(rows) {
                        let row = row + tile.start;
                        // SAFETY: the rows lie inside of x, and their sums in this task's part of the memory.
                        unsafe {
                            let a = x.as_ptr().add((first + row) * input);
                            panels.tile(panel, tile.len(), 0..input, (a, input as isize), place(panel, g, row), false);
                        }
                    }
                }
            });
        }
        // Where this step's rows begin among those that were computed ahead.
        let start = t * n - first;
        // The states before the step, which earlier steps have written.
        let states = |all: &Shared<T>, first: &[T]| before.map_or(first.as_ptr().cast_mut(), |t| all.0.wrapping_add(t * n * hidden));
        let h_before = Shared(states(y, p.h0));
        let c_before = Shared(states(&outputs[p.kind.states() - 1], p.c0));
        p.blocks(n, hidden * gates, &of_state[0], |panel, row, rows, unit, units| {
            let mut memory = [const { MaybeUninit::<T>::uninit() }; MAX_TILE];
            let apart = memory.as_mut_ptr().cast::<T>();
            for tile in of_state[0].tiles(rows) {
                let rows = row + tile.start..row + tile.end;
                let sums = |g: usize| if p.kind == RnnKind::Gru && g == OF_STATE { apart } else { place(panel, g, start + rows.start) };
                for (g, panels) in of_state.iter().enumerate() {
                    // What is written to lies in short runs far apart: asked for now, it is there when the products are done.
                    expect(place(panel, g, start + rows.start).cast_const(), rows.len() * columns);
                    if p.kind.reserve() > 0 {
                        for place in rows.clone().map(|i| t * n + i) {
                            expect(last.0.cast_const().wrapping_add((place * 4 + g) * hidden + unit), units);
                        }
                    }
                    let (to, add) = if p.kind == RnnKind::Gru && g == NEW { (apart, false) } else { (sums(g), true) };
                    // SAFETY: the rows of the state have `hidden` elements each, and there is room for a tile of each gate.
                    unsafe {
                        let a = h_before.0.cast_const().add(rows.start * hidden);
                        panels.tile(panel, rows.len(), 0..hidden, (a, hidden as isize), to, add);
                    }
                }
                for (i, row) in rows.clone().enumerate() {
                    let (place, of_row) = (t * n + row, row * hidden + unit);
                    let bias = |g: usize| &bias[g * hidden + unit..][..units];
                    // SAFETY: a step writes its own part of the results, each task its rows and units of it, and reads what earlier steps and the
                    // inputs hold; shapes say how long all of them are. The products have filled what is read of the sums.
                    unsafe {
                        let sums = |g: usize| std::slice::from_raw_parts(sums(g).add(i * columns), units);
                        let h = part(y, place * hidden + unit, units);
                        let kept = |g: usize| part(last, (place * 4 + g) * hidden + unit, units);
                        if p.kind.reserve() == 0 {
                            let gate = &Gates { sums: [sums(0)], bias: [bias(0)] };
                            if p.kind == RnnKind::Tanh {
                                cells::tanh(h, gate)
                            } else {
                                cells::relu(h, gate)
                            }
                            continue;
                        }
                        let gates = &Gates { sums: [sums(0), sums(1), sums(2), sums(3)], bias: [bias(0), bias(1), bias(2), bias(3)] };
                        let kept = &mut [kept(0), kept(1), kept(2), kept(3)];
                        if p.kind == RnnKind::Gru {
                            cells::gru(h, kept, gates, known(&h_before, of_row, units));
                        } else {
                            cells::lstm(h, part(&outputs[1], place * hidden + unit, units), kept, gates, known(&c_before, of_row, units));
                        }
                    }
                }
            }
        });
    }
    Ok(())
}

/// The biases of the gates: of the input's and of the state's part together, but for a GRU's new gate, whose are apart.
fn bias<T: Real>(p: &Problem<'_, T>, biases: &[&[T]]) -> Vec<T> {
    let (width, apart) = if p.kind == RnnKind::Gru { (4 * p.hidden, NEW * p.hidden) } else { (p.width(), p.width()) };
    let [of_input, of_state] = biases else { return vec![T::default(); width] };
    let both = of_input[..apart].iter().zip(&of_state[..apart]).map(|(&a, &b)| a + b);
    both.chain(of_input[apart..].iter().copied()).chain(of_state[apart..].iter().copied()).collect()
}
