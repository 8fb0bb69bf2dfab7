//! Depthwise convolutions: each channel with a kernel of its own, and a stride of one along the rows.
//!
//! A plane, or a band of it that the first caches hold, is copied with its zeros around it and rows of whole vectors. Outputs are then summed in registers,
//! some rows at a time, without packing anything; so are the products that make the weight's gradient. Bound by loads: one for each multiply-add.

use std::marker::PhantomData;
use std::ops::Range;

use rushlight_backend::Result;

use super::contract::Contraction;
use super::frame::Windows;
use super::gather::{Job, SERIAL};
use super::micro::{Element, Kernels};
use crate::alloc::Block;
use crate::threads::par_try;
use crate::walk::Shared;

/// Planes from which on there is enough for all threads.
const PLANES: usize = 8;
/// Outputs that one task makes, about.
const OUTPUTS: usize = 1 << 14;
/// Bytes of a band.
const BAND: usize = 64 << 10;

/// A band of a plane with its zeros.
struct Band<'a, T> {
    windows: &'a Windows,
    /// The lowest offset of a tap along columns and rows, and the number of places that taps span.
    low: [isize; 2],
    span: [usize; 2],
    /// Elements of a row.
    pitch: usize,
    /// Output rows of a band.
    rows: usize,
    /// Where output 0 meets each tap.
    taps: Vec<usize>,
    memory: Block,
    element: PhantomData<T>,
}

impl<'a, T: Element> Band<'a, T> {
    fn new(windows: &'a Windows, lanes: usize) -> Result<Band<'a, T>> {
        let low = [1, 2].map(|d| windows.taps.iter().map(|t| t[d]).min().unwrap_or(0));
        let high = [1, 2].map(|d| windows.taps.iter().map(|t| t[d]).max().unwrap_or(0));
        let span = [0, 1].map(|d| (high[d] - low[d]) as usize);
        let pitch = windows.outputs[2].next_multiple_of(lanes) + span[1];
        let fit = BAND / (pitch * size_of::<T>()).max(1);
        let rows = (fit.saturating_sub(span[0]) / windows.step[1]).clamp(1, windows.outputs[1]);
        let taps = windows.taps.iter().map(|t| (t[1] - low[0]) as usize * pitch + (t[2] - low[1]) as usize).collect();
        let len = ((rows - 1) * windows.step[1] + span[0] + 1) * pitch;
        Ok(Band { windows, low, span, pitch, rows, taps, memory: Block::new(len * size_of::<T>())?, element: PhantomData })
    }

    /// The bands' output rows.
    fn bands(&self) -> impl Iterator<Item = Range<usize>> + use<T> {
        let (all, rows) = (self.windows.outputs[1], self.rows);
        (0..all).step_by(rows).map(move |first| first..(first + rows).min(all))
    }

    /// Copies what some output rows see of a plane.
    fn fill(&mut self, plane: &[T], outputs: Range<usize>) -> *const T {
        let [_, height, width] = self.windows.source;
        let lines = (outputs.len() - 1) * self.windows.step[1] + self.span[0] + 1;
        // SAFETY: `new` got memory for the lines of `self.rows` outputs, aligned for any type and initialised.
        let frame = unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast::<T>(), lines * self.pitch) };
        let seen = self.windows.outputs[2] + self.span[1];
        let left = (-self.low[1]).clamp(0, seen as isize) as usize;
        let from = self.low[1].clamp(0, width as isize) as usize;
        let count = (width - from).min(seen - left);
        let first = (outputs.start * self.windows.step[1]) as isize + self.low[0];
        for (h, line) in (first..).zip(frame.chunks_exact_mut(self.pitch)) {
            if h < 0 || h as usize >= height {
                line.fill(T::default());
                continue;
            }
            line[..left].fill(T::default());
            line[left..left + count].copy_from_slice(&plane[h as usize * width + from..][..count]);
            line[left + count..].fill(T::default());
        }
        frame.as_ptr()
    }
}

fn suits(w: &Windows, planes: usize) -> bool {
    let flat = w.source[0] == 1 && w.outputs[0] == 1 && w.taps.iter().all(|t| t[0] == 0);
    flat && w.step[2] == 1 && !w.taps.is_empty() && planes >= PLANES
}

impl<T: Element> Job<'_, T> {
    /// Whether [`depthwise`](Job::depthwise) can do it.
    pub(super) fn is_depthwise(&self) -> bool {
        let dense = self.dest_step == [1; 3] && self.dest == self.windows.outputs;
        self.sources == 1 && self.dests == 1 && dense && suits(&self.windows, self.batch * self.groups)
    }

    pub(super) fn depthwise(&self, out: &mut [T]) -> Result<()> {
        let (w, kernels) = (&self.windows, T::kernels());
        let (source, dest): (usize, usize) = (w.source.iter().product(), w.outputs.iter().product());
        let planes = self.batch * self.groups;
        let some = OUTPUTS.div_ceil(dest.max(1)).min(planes.div_ceil(PLANES)).max(1);
        let (shared, group_step) = (Shared(out.as_mut_ptr()), self.weight.len() / self.groups);
        assert!(out.len() == planes * dest && self.source.len() == planes * source);
        let run = |task: usize| -> Result<()> {
            let shared = &shared;
            let mut band = Band::<T>::new(w, kernels.lanes)?;
            let mut weights = vec![T::default(); w.taps.len()];
            for plane in task * some..((task + 1) * some).min(planes) {
                let group = plane % self.groups;
                for (to, &at) in weights.iter_mut().zip(&self.weight_taps) {
                    *to = self.weight[group * group_step + at];
                }
                let bias = self.bias.map_or(T::default(), |b| b[group]);
                for rows in band.bands() {
                    let frame = band.fill(&self.source[plane * source..][..source], rows.clone());
                    let step = band.pitch * w.step[1];
                    // SAFETY: the band has whole vectors from every tap on for every row; the outputs are this plane's alone.
                    unsafe {
                        let to = shared.0.add(plane * dest + rows.start * w.outputs[2]);
                        (kernels.windows)(&band.taps, weights.as_ptr(), bias, frame, step, rows.len(), w.outputs[2], to);
                    }
                }
            }
            Ok(())
        };
        let tasks = planes.div_ceil(some);
        if planes * dest * w.taps.len() < SERIAL { (0..tasks).try_for_each(run) } else { par_try(tasks, run) }
    }
}

impl<T: Element> Contraction<'_, T> {
    /// Whether [`depthwise`](Contraction::depthwise) can do it.
    pub(super) fn is_depthwise(&self) -> bool {
        let g = &self.geometry;
        g.cin == 1 && g.cout == 1 && g.batch > 0 && suits(&self.windows, g.groups)
    }

    pub(super) fn depthwise(&self, dw: &mut [T]) -> Result<()> {
        let (g, w, kernels) = (&self.geometry, &self.windows, T::kernels());
        let (source, dest, taps) = (g.in_plane(), g.out_plane(), w.taps.len());
        assert!(dw.len() == g.groups * taps && self.dy.len() == g.batch * g.groups * dest);
        let shared = Shared(dw.as_mut_ptr());
        let run = |group: usize| -> Result<()> {
            let shared = &shared;
            // SAFETY: the group's own weights.
            let dw = unsafe { std::slice::from_raw_parts_mut(shared.0.add(group * taps), taps) };
            dw.fill(T::default());
            let mut band = Band::<T>::new(w, kernels.lanes)?;
            let columns = w.outputs[2];
            let width = columns.next_multiple_of(kernels.lanes);
            let mut padded = vec![T::default(); if width == columns { 0 } else { width * band.rows }];
            for image in 0..g.batch {
                let plane = image * g.groups + group;
                for rows in band.bands() {
                    let frame = band.fill(&self.x[plane * source..][..source], rows.clone());
                    let mut dy = &self.dy[plane * dest + rows.start * columns..][..rows.len() * columns];
                    if width != columns {
                        for (to, from) in padded.chunks_exact_mut(width).zip(dy.chunks_exact(columns)) {
                            to[..columns].copy_from_slice(from);
                        }
                        dy = &padded;
                    }
                    // SAFETY: the band has whole vectors from every tap on for every row, and so has dy.
                    unsafe { kernels.correlate(&band.taps, frame, band.pitch * w.step[1], dy.as_ptr(), width, rows.len(), dw) };
                }
            }
            Ok(())
        };
        if g.batch * g.groups * dest * taps < SERIAL { (0..g.groups).try_for_each(run) } else { par_try(g.groups, run) }
    }
}

impl<T: Element> Kernels<T> {
    /// Adds the products of dy, rows of `width` elements, with what each tap meets.
    ///
    /// # Safety
    /// The frame holds, `step` apart, as many rows of `width` elements from every tap on.
    #[allow(clippy::too_many_arguments)]
    unsafe fn correlate(&self, taps: &[usize], frame: *const T, step: usize, dy: *const T, width: usize, rows: usize, dw: &mut [T]) {
        let mut done = 0;
        while done < taps.len() {
            let (count, kernel) = self.sums.iter().copied().find(|s| s.0 <= taps.len() - done).unwrap_or(self.sums[self.sums.len() - 1]);
            // SAFETY: passed on.
            unsafe { kernel(&taps[done..done + count], frame, step, dy, width, rows, &mut dw[done..done + count]) };
            done += count;
        }
    }
}
