//! The gradient of the weight by inner products: for each output channel, input channel and tap, the product of two planes, summed over the batch.
//!
//! The plane of the gradient lies in order already; the input's places under a tap are copied into order. Tasks make different input channels; where there
//! are few, the batch is cut into pieces as well, whose results are added in order. How, depends on shapes alone.

use std::ops::Range;
use std::sync::atomic::{AtomicPtr, Ordering};

use rushlight_backend::Result;

use super::frame::{Frame, Part, Windows};
use super::gather::{Seen, zero};
use super::geometry::Geometry;
use super::micro::{DOT_COLUMNS, Element, Kernels, Piece};
use crate::alloc::Block;
use crate::threads::par_for;

/// Outputs whose products are summed in registers: enough that adding up the lanes in the end does not count, few enough for the caches.
const LONG: usize = 2048;
const ENOUGH: usize = 1024;
const TASKS: usize = 8;
const SERIAL: usize = 1 << 16;

/// What is to be summed.
pub(super) struct Contraction<'a, T> {
    pub(super) geometry: Geometry,
    pub(super) windows: Windows,
    pub(super) dy: &'a [T],
    pub(super) x: &'a [T],
}

/// What a task makes.
struct Area {
    group: usize,
    channels: Range<usize>,
    images: Range<usize>,
}

impl<T: Element> Contraction<'_, T> {
    pub(super) fn run(mut self, dw: &mut [T]) -> Result<()> {
        if self.is_depthwise() {
            return self.depthwise(dw);
        }
        let w = &mut self.windows;
        if w.taps == [[0; 3]] && w.step == [1; 3] && w.source == w.outputs {
            // Every window is one place: planes are lines.
            let line = [1, 1, w.source.iter().product()];
            (w.source, w.outputs) = (line, line);
        }
        let (g, kernels) = (&self.geometry, T::kernels());
        let len = dw.len();
        let serial = len * g.batch * g.out_plane() < SERIAL;
        let channels = (g.groups * g.cin).div_ceil(2 * TASKS).min(g.cin).max(1);
        let splits = g.cin.div_ceil(channels);
        let pieces = TASKS.div_ceil(g.groups * splits).min(g.batch).max(1);
        let images = g.batch.div_ceil(pieces).max(1);
        let pieces = g.batch.div_ceil(images).max(1);
        let mut partial = if pieces > 1 { Some(Block::new((pieces - 1) * len * size_of::<T>())?) } else { None };
        zero(dw);
        let first = AtomicPtr::new(dw.as_mut_ptr());
        let others = AtomicPtr::new(partial.as_mut().map_or(std::ptr::null_mut(), |b| {
            b.as_mut_slice().fill(0);
            b.as_mut_ptr().cast::<T>()
        }));
        let failed = std::sync::Mutex::new(None);
        let run = |task: usize| {
            let (split, task) = (task % splits, task / splits);
            let (group, piece) = (task % g.groups, task / g.groups);
            let area = Area {
                group,
                channels: split * channels..((split + 1) * channels).min(g.cin),
                images: piece * images..((piece + 1) * images).min(g.batch),
            };
            let out = match piece {
                0 => first.load(Ordering::Relaxed),
                _ => others.load(Ordering::Relaxed).wrapping_add((piece - 1) * len),
            };
            // SAFETY: every piece has a weight of its own, and the tasks of a piece write to different channels or groups of it.
            if let Err(e) = unsafe { self.area(&kernels, area, out) } {
                *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(e);
            }
        };
        let tasks = splits * g.groups * pieces;
        if serial {
            (0..tasks).for_each(run)
        } else {
            par_for(tasks, run)
        }
        if let Some(e) = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return Err(e);
        }
        if let Some(block) = &partial {
            // SAFETY: the block holds as many elements, initialised with zeros above (no bits set).
            let others = unsafe { std::slice::from_raw_parts(block.as_ptr().cast::<T>(), (pieces - 1) * len) };
            for piece in others.chunks_exact(len) {
                dw.iter_mut().zip(piece).for_each(|(sum, &x)| *sum = *sum + x);
            }
        }
        Ok(())
    }

    /// # Safety
    /// `out` holds a weight, initialised, and nobody else uses the area's elements of it.
    unsafe fn area(&self, kernels: &Kernels<T>, area: Area, out: *mut T) -> Result<()> {
        let g = &self.geometry;
        let plane = g.out_plane();
        let whole = Part { dim: 2, start: 0, len: self.windows.outputs[2] };
        let images = (ENOUGH / plane.max(1)).clamp(1, area.images.len().max(1));
        let mut n = area.images.start;
        while n < area.images.end && plane > 0 {
            let some = n..(n + images).min(area.images.end);
            let channels = area.group * g.cin + area.channels.start..area.group * g.cin + area.channels.end;
            let frame = Frame::new(&self.windows, whole);
            let seen = Seen::of(frame, self.x, g.groups * g.cin, channels, some.clone(), kernels.lanes)?;
            let total = some.len() * plane;
            let mut p = 0;
            while p < total {
                let range = p..(p + LONG).min(total);
                // SAFETY: passed on.
                unsafe { self.stretch(kernels, &area, &seen, n, range.clone(), out)? };
                p = range.end;
            }
            n = some.end;
        }
        Ok(())
    }

    /// Sums over a range of outputs, counted from image `first` on.
    ///
    /// # Safety
    /// As `area`.
    unsafe fn stretch(
        &self,
        kernels: &Kernels<T>,
        area: &Area,
        seen: &Seen<'_, T>,
        first: usize,
        range: Range<usize>,
        out: *mut T,
    ) -> Result<()> {
        let (g, lanes) = (&self.geometry, kernels.lanes);
        let (plane, taps) = (g.out_plane(), seen.frame.taps.len());
        let len = range.len();
        let vectors = len.div_ceil(lanes);
        let width = vectors * lanes;
        let mut pieces = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let (from, rest) = seen.frame.output(at % plane);
            let some = rest.min(range.end - at);
            pieces.push(Piece { to: at - range.start, from: seen.start + at / plane * seen.image + from, len: some });
            at += some;
        }
        let channel = |n: usize, o: usize| ((first + n) * g.groups * g.cout + area.group * g.cout + o) * plane;

        // Gradients: where they lie, or copied if a vector would reach beyond them.
        let one = range.start / plane == (range.end - 1) / plane && len == width;
        let mut copy = Block::new(if one { 0 } else { g.cout * width * size_of::<T>() })?;
        let (left, left_stride) = if one {
            (self.dy[channel(range.start / plane, 0) + range.start % plane..].as_ptr(), plane)
        } else {
            // SAFETY: the block has as many elements, aligned for any type and initialised.
            let rows = unsafe { std::slice::from_raw_parts_mut(copy.as_mut_ptr().cast::<T>(), g.cout * width) };
            for (o, row) in rows.chunks_exact_mut(width).enumerate() {
                let mut at = range.start;
                while at < range.end {
                    let some = (plane - at % plane).min(range.end - at);
                    row[at - range.start..][..some].copy_from_slice(&self.dy[channel(at / plane, o) + at % plane..][..some]);
                    at += some;
                }
                row[len..].fill(T::default());
            }
            (copy.as_ptr().cast::<T>(), width)
        };

        let mut panel = Block::new((DOT_COLUMNS * width + lanes) * size_of::<T>())?;
        let panel = panel.as_mut_ptr().cast::<T>();
        let source = seen.elements();
        let last = pieces.iter().map(|p| p.from + p.len.next_multiple_of(lanes)).max().unwrap_or(0);
        let columns = area.channels.len() * taps;
        let blocks = columns.div_ceil(DOT_COLUMNS);
        for b in 0..blocks {
            let some = b * columns / blocks..(b + 1) * columns / blocks;
            let mut places = [0; DOT_COLUMNS];
            for (place, j) in places.iter_mut().zip(some.clone()) {
                *place = j / taps * seen.channel + seen.frame.taps[j % taps];
            }
            let places = &places[..some.len()];
            let furthest = places.iter().max().copied().unwrap_or(0);
            let (right, right_stride) = if taps == 1 && pieces.len() == 1 && len == width {
                // Channels lie evenly, each in order.
                (source[pieces[0].from + places[0]..].as_ptr(), seen.channel)
            } else {
                let readable = last + furthest <= source.len();
                // SAFETY: the panel has room for a row for every column and a vector more.
                unsafe {
                    seen.pack(kernels, places, &pieces, readable, panel, width);
                    for k in 0..places.len() {
                        std::slice::from_raw_parts_mut(panel.add(k * width + len), width - len).fill(T::default());
                    }
                }
                (panel.cast_const(), width)
            };
            let mut o = 0;
            while o < g.cout {
                let rows = [4, 2, 1].into_iter().find(|&r| r <= kernels.dot_rows && r <= g.cout - o).unwrap_or(1);
                let to = ((area.group * g.cout + o) * g.cin + area.channels.start) * taps + some.start;
                // SAFETY: the rows on both sides have as many vectors, and these elements of the result are the area's.
                unsafe {
                    let a = left.add(o * left_stride);
                    kernels.dot(rows, places.len())(vectors, a, left_stride, right, right_stride, out.add(to), g.cin * taps);
                }
                o += rows;
            }
        }
        Ok(())
    }
}
