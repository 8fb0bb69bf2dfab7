//! A recurrent layer's states, step by step.

use std::mem::MaybeUninit;

use rushlight_backend::Result;
use rushlight_backend::op::RnnKind;

use super::cells::{self, Gates};
use super::{Problem, Real, known, part, shared};
use crate::buffer::CpuBuffer;
use crate::gemm::{MAX_TILE, Panels, Strided};
use crate::simd::expect;
use crate::walk::Shared;

pub(super) fn forward<T: Real>(p: &Problem<'_, T>, outputs: &mut [CpuBuffer]) -> Result<()> {
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
        // The states before the step. SAFETY: earlier steps have written them.
        let states = |all: &Shared<T>, first: &[T]| before.map_or(first.as_ptr(), |t| all.0.wrapping_add(t * n * hidden).cast_const());
        let h_before = Shared(states(y, p.h0).cast_mut());
        let c_before = Shared(states(&outputs[outputs.len().min(2) - 1], p.c0).cast_mut());
        p.blocks(&panels[0], |panel, row, rows, unit, units| {
            let columns = panels[0].width();
            let mut sums = [const { MaybeUninit::<T>::uninit() }; 4 * MAX_TILE];
            let all = sums.as_mut_ptr().cast::<T>();
            for tile in panels[0].tiles(rows) {
                let rows = row + tile.start..row + tile.end;
                for (g, panels) in panels.iter().enumerate() {
                    // Short runs of rows far apart: asked for now, they are there when the products are done.
                    for place in rows.clone().map(|i| t * n + i) {
                        expect(p.x.as_ptr().wrapping_add(place * width + g * hidden + unit), units);
                        if p.kind.reserve() > 0 {
                            expect(last.0.cast_const().wrapping_add((place * 4 + g) * hidden + unit), units);
                        }
                    }
                    // SAFETY: the rows of the state have `hidden` elements each, and the sums room for a tile of each gate.
                    unsafe {
                        let a = h_before.0.cast_const().add(rows.start * hidden);
                        panels.tile(panel, rows.len(), 0..hidden, a, hidden as isize, all.add(g * MAX_TILE));
                    }
                }
                for (i, row) in rows.enumerate() {
                    let (place, of_row) = (t * n + row, row * hidden + unit);
                    let x = |g: usize| &p.x[place * width + g * hidden + unit..][..units];
                    let b = |g: usize| &bias[g * hidden + unit..][..units];
                    // SAFETY: a step writes its own part of the results, each task its rows and units of it, and reads what earlier steps and the
                    // inputs hold; shapes say how long all of them are. The products have filled what is read of the sums.
                    unsafe {
                        let s = |g: usize| std::slice::from_raw_parts(all.add(g * MAX_TILE + i * columns), units);
                        let h = part(y, place * hidden + unit, units);
                        let kept = |g: usize| part(last, (place * 4 + g) * hidden + unit, units);
                        match p.kind {
                            RnnKind::Tanh => cells::tanh(h, Gates { s: [s(0)], x: [x(0)], b: [b(0)] }),
                            RnnKind::Relu => cells::relu(h, Gates { s: [s(0)], x: [x(0)], b: [b(0)] }),
                            RnnKind::Gru => {
                                let gates = Gates { s: [0, 1, 2].map(s), x: [0, 1, 2].map(x), b: [0, 1, 2].map(b) };
                                cells::gru(h, [0, 1, 2, 3].map(kept), gates, known(&h_before, of_row, units));
                            }
                            RnnKind::Lstm => {
                                let gates = Gates { s: [0, 1, 2, 3].map(s), x: [0, 1, 2, 3].map(x), b: [0, 1, 2, 3].map(b) };
                                let c = part(&outputs[1], place * hidden + unit, units);
                                cells::lstm(h, c, [0, 1, 2, 3].map(kept), gates, known(&c_before, of_row, units));
                            }
                        }
                    }
                }
            }
        });
    }
    Ok(())
}
