//! Outputs by implicit matrix products: every output is a sum over source channels and taps. The forward operation is of this form, and so is the
//! gradient of the input: with a stride of s, once for each of the s remainders of input places (along each dimension), with the taps that meet them.
//!
//! A task makes some images, or a part of one, for one group. It lays out what its windows see in frames (see [`super::frame`]), copies panels of
//! neighbouring outputs' windows from there, and multiplies each panel with all packed weights. Nothing is summed across tasks.

use std::ops::Range;
use std::sync::atomic::{AtomicPtr, Ordering};

use rushlight_backend::Result;

use super::frame::{Frame, Part, Windows};
use super::micro::{Element, Kernels, Piece};
use crate::alloc::Block;
use crate::threads::par_for;
use crate::walk::par_pieces;

/// Bytes of frames that stay in the second cache beside the weights.
const FRAMES: usize = 384 << 10;
/// Outputs of a task, at least, where there are as many.
const OUTPUTS: usize = 256;
/// Tasks, at least, where there is work for as many.
const TASKS: usize = 8;
/// Multiplications below which threads do not pay.
pub(super) const SERIAL: usize = 1 << 16;
/// Channels up to which a panel is read where it lies: copying it would cost as much as multiplying.
const FEW_CHANNELS: usize = 16;

/// What is to be summed.
pub(super) struct Job<'a, T> {
    pub(super) windows: Windows,
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// Channels of source and destination in a group.
    pub(super) sources: usize,
    pub(super) dests: usize,
    pub(super) source: &'a [T],
    pub(super) weight: &'a [T],
    /// Steps in the weight from destination channel to channel, and from source channel to channel.
    pub(super) weight_steps: [usize; 2],
    /// The place of each tap in the weight.
    pub(super) weight_taps: Vec<usize>,
    /// For each destination channel.
    pub(super) bias: Option<&'a [T]>,
    /// The sizes of a destination plane; output q lies at `q * dest_step + dest_start`.
    pub(super) dest: [usize; 3],
    pub(super) dest_step: [usize; 3],
    pub(super) dest_start: [usize; 3],
}

/// Weights as the tiles read them.
struct Weights {
    packed: Block,
    bias: Block,
    /// For each block of channels: the first, how many, and the tile's number.
    blocks: Vec<(usize, usize, usize)>,
    /// Elements of a group.
    len: usize,
    channels: usize,
}

impl<T: Element> Job<'_, T> {
    /// Terms of each sum.
    fn depth(&self) -> usize {
        self.sources * self.windows.taps.len()
    }

    fn pack_weights(&self, kernels: &Kernels<T>) -> Result<Weights> {
        let depth = self.depth();
        let mut blocks = Vec::new();
        let (mut m, mut channels) = (0, 0);
        while m < self.dests {
            let rows = kernels.tile_rows(self.dests - m);
            blocks.push((m, rows.min(self.dests - m), rows));
            m += rows;
            channels += rows;
        }
        let len = channels * depth;
        let mut packed = Block::new(self.groups * len * size_of::<T>())?;
        let mut bias = Block::new(self.groups * channels * size_of::<T>())?;
        let (taps, [to_m, to_c]) = (self.windows.taps.len(), self.weight_steps);
        let group_step = self.weight.len() / self.groups;
        let base = AtomicPtr::new(packed.as_mut_ptr().cast::<T>());
        let pack = |task: usize| {
            let (g, (m0, count, rows)) = (task / blocks.len(), blocks[task % blocks.len()]);
            // SAFETY: each block of each group has `rows * depth` elements of its own.
            let out = unsafe { std::slice::from_raw_parts_mut(base.load(Ordering::Relaxed).add(g * len + m0 * depth), rows * depth) };
            for (k, out) in out.chunks_exact_mut(rows).enumerate() {
                let from = g * group_step + m0 * to_m + k / taps * to_c + self.weight_taps[k % taps];
                for (i, out) in out.iter_mut().enumerate() {
                    *out = if i < count { self.weight[from + i * to_m] } else { T::default() };
                }
            }
        };
        let tasks = self.groups * blocks.len();
        if self.groups * len < 1 << 14 {
            (0..tasks).for_each(pack)
        } else {
            par_for(tasks, pack)
        }
        // SAFETY: the block has as many elements, aligned for any type; all are written.
        let biases = unsafe { std::slice::from_raw_parts_mut(bias.as_mut_ptr().cast::<T>(), self.groups * channels) };
        for (i, b) in biases.iter_mut().enumerate() {
            let (g, m) = (i / channels, i % channels);
            *b = self.bias.filter(|_| m < self.dests).map_or(T::default(), |bias| bias[g * self.dests + m]);
        }
        Ok(Weights { packed, bias, blocks, len, channels })
    }

    /// If every window is one place, planes are lines.
    fn flatten(&mut self) {
        let w = &mut self.windows;
        if w.taps == [[0; 3]] && w.step == [1; 3] && w.source == w.outputs && self.dest == w.outputs && self.dest_step == [1; 3] {
            let line = [1, 1, w.source.iter().product()];
            (w.source, w.outputs, self.dest) = (line, line, line);
        }
    }

    /// Sums everything into `out`, which has a plane of `dest` for each image and destination channel.
    pub(super) fn run(mut self, out: &mut [T]) -> Result<()> {
        let outputs: usize = self.windows.outputs.iter().product();
        if out.is_empty() || outputs == 0 {
            return Ok(());
        }
        if self.is_depthwise() {
            return self.depthwise(out);
        }
        self.flatten();
        let kernels = T::kernels();
        let weights = self.pack_weights(&kernels)?;
        let w = &self.windows;

        // How the work is divided; by the shapes alone.
        let dim = (0..3).find(|&d| w.outputs[d] > 1).unwrap_or(2);
        let whole = w.outputs[dim];
        let each = outputs / whole;
        let mut frame = Frame::new(w, Part { dim, start: 0, len: whole });
        let bytes = if frame.in_place().is_some() { 0 } else { self.sources * frame.len * size_of::<T>() };
        let (mut images, mut part) = (1, whole);
        if bytes > FRAMES {
            part = (whole * FRAMES / bytes).max(1);
        } else {
            images = OUTPUTS.div_ceil(outputs).min(FRAMES / bytes.max(1)).clamp(1, self.batch);
        }
        let count = |images: usize, part: usize| self.groups * self.batch.div_ceil(images) * whole.div_ceil(part);
        let work = self.batch * self.groups * self.dests * self.depth() * outputs;
        let serial = work < SERIAL;
        while !serial && images > 1 && count(images, part) < TASKS {
            images = images.div_ceil(2);
        }
        while !serial && part * each > OUTPUTS && count(images, part) < TASKS {
            part = part.div_ceil(2);
        }
        if each == 1 && part < whole {
            part = part.next_multiple_of(2 * kernels.lanes);
        }
        let tasks = count(images, part);
        let splits = if serial { 1 } else { TASKS.div_ceil(tasks).min(weights.blocks.len()) };
        let parts = whole.div_ceil(part);
        let dest = AtomicPtr::new(out.as_mut_ptr());
        let failed = std::sync::Mutex::new(None);
        let run = |task: usize| {
            let (split, task) = (task % splits, task / splits);
            let (p, task) = (task % parts, task / parts);
            let (g, n) = (task % self.groups, task / self.groups * images);
            let start = p * part;
            let area = Area {
                group: g,
                images: n..(n + images).min(self.batch),
                part: Part { dim, start, len: part.min(whole - start) },
                blocks: split * weights.blocks.len() / splits..(split + 1) * weights.blocks.len() / splits,
            };
            // SAFETY: areas do not overlap, and `out` has a place for every output.
            if let Err(e) = unsafe { self.area(&kernels, &weights, area, dest.load(Ordering::Relaxed)) } {
                *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(e);
            }
        };
        if serial {
            (0..tasks * splits).for_each(run)
        } else {
            par_for(tasks * splits, run)
        }
        failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// # Safety
    /// `out` holds all planes of the destination, and nobody else writes to this area's outputs.
    unsafe fn area(&self, kernels: &Kernels<T>, weights: &Weights, area: Area, out: *mut T) -> Result<()> {
        let (lanes, width, depth) = (kernels.lanes, 2 * kernels.lanes, self.depth());
        let seen = Seen::new(self, &area, lanes)?;
        let source = seen.elements();
        let frame = &seen.frame;
        let positions = frame.positions();
        let places: Vec<usize> = (0..self.sources).flat_map(|c| frame.taps.iter().map(move |t| c * seen.channel + t)).collect();
        let furthest = places.iter().max().copied().unwrap_or(0);
        let row = frame.outputs[2];
        let in_rows = self.dests <= FEW_CHANNELS && row.next_multiple_of(lanes) * 3 <= row * 4;
        let packed_places: Vec<usize> = (0..depth).map(|k| k * width).collect();
        let mut panel = Block::new((depth * width + lanes) * size_of::<T>())?;
        let panel = panel.as_mut_ptr().cast::<T>();
        let dest_plane: usize = self.dest.iter().product();
        let dense = self.dest_step == [1; 3] && self.dest == self.windows.outputs;
        let first = area.part.start * frame.outputs[area.part.dim + 1..].iter().product::<usize>();
        let mut tile = [T::default(); MAX_TILE];
        let (mut pieces, mut runs) = (Vec::<Piece>::new(), Vec::<Run>::new());

        let total = area.images.len() * positions;
        let mut p = 0;
        while p < total {
            let left = if in_rows { frame.output(p % positions).1 } else { total - p };
            let count = left.min(width).min(total - p);
            pieces.clear();
            runs.clear();
            let mut to = 0;
            while to < count {
                let (n, q) = ((p + to) / positions, (p + to) % positions);
                let (from, rest) = frame.output(q);
                let len = rest.min(count - to);
                pieces.push(Piece { to, from: seen.start + n * seen.image + from, len });
                let image = ((area.images.start + n) * self.groups + area.group) * self.dests * dest_plane;
                match runs.last_mut() {
                    Some(run) if dense && q > 0 => run.len += len,
                    _ if dense => runs.push(Run { to, dest: image + first + q, len }),
                    _ => runs.push(Run { to, dest: image + self.dest_place(&area.part, frame, q), len }),
                }
                to += len;
            }
            let vectors = count.div_ceil(lanes);
            let last = pieces.iter().map(|p| p.from + p.len.next_multiple_of(lanes)).max().unwrap_or(0);
            let readable = last + furthest <= source.len();
            let (b, places) = if in_rows && pieces.len() == 1 && readable {
                // SAFETY: the panel is read where it lies: whole vectors from every place on are inside of the source.
                (unsafe { source.as_ptr().add(pieces[0].from) }, &places)
            } else {
                // SAFETY: as above; the panel has room for all rows and a vector more.
                unsafe { seen.pack(kernels, &places, &pieces, readable, panel, width) };
                (panel.cast_const(), &packed_places)
            };
            for &(m, rows, block) in &weights.blocks[area.blocks.clone()] {
                let a = weights.packed.as_ptr().cast::<T>().wrapping_add(area.group * weights.len + m * depth);
                let bias = weights.bias.as_ptr().cast::<T>().wrapping_add(area.group * weights.channels + m);
                let kernel = kernels.tile(block, vectors);
                if let ([run], true) = (runs.as_slice(), rows == block && dense && count == vectors * lanes) {
                    // SAFETY: the whole tile lies inside of the area's outputs.
                    unsafe { kernel(depth, a, b, places.as_ptr(), bias, out.add(m * dest_plane + run.dest), dest_plane) };
                    continue;
                }
                // SAFETY: the buffer holds any tile.
                unsafe { kernel(depth, a, b, places.as_ptr(), bias, tile.as_mut_ptr(), width) };
                for i in 0..rows {
                    for run in &runs {
                        let from = &tile[i * width + run.to..][..run.len];
                        // SAFETY: these are outputs of the area.
                        let to = unsafe { out.add((m + i) * dest_plane + run.dest) };
                        for (j, &x) in from.iter().enumerate() {
                            // SAFETY: as above.
                            unsafe { *to.add(j * self.dest_step[2]) = x };
                        }
                    }
                }
            }
            p += count;
        }
        Ok(())
    }

    /// The place of an output of a part in its destination plane.
    fn dest_place(&self, part: &Part, frame: &Frame, q: usize) -> usize {
        let [_, h, w] = frame.outputs;
        let mut at = [q / (h * w), q / w % h, q % w];
        at[part.dim] += part.start;
        (0..3).fold(0, |place, d| place * self.dest[d] + at[d] * self.dest_step[d] + self.dest_start[d])
    }
}

/// Elements of the largest tile.
const MAX_TILE: usize = 8 * 32;

/// What a task makes.
struct Area {
    group: usize,
    images: Range<usize>,
    part: Part,
    blocks: Range<usize>,
}

/// Neighbouring outputs: where they lie in a tile's row and in the destination.
struct Run {
    to: usize,
    dest: usize,
    len: usize,
}

/// What the windows of some outputs see: frames, or the source itself.
pub(super) struct Seen<'a, T> {
    pub(super) frame: Frame,
    source: &'a [T],
    copied: Option<(Block, usize)>,
    /// Where output 0 of the first image meets a tap at 0, and steps to the next image and channel.
    pub(super) start: usize,
    pub(super) image: usize,
    pub(super) channel: usize,
}

impl<'a, T: Element> Seen<'a, T> {
    fn new(job: &Job<'a, T>, area: &Area, lanes: usize) -> Result<Seen<'a, T>> {
        let frame = Frame::new(&job.windows, area.part);
        // Without taps nothing is read.
        let channels = if job.windows.taps.is_empty() { 0..0 } else { area.group * job.sources..(area.group + 1) * job.sources };
        Seen::of(frame, job.source, job.groups * job.sources, channels, area.images.clone(), lanes)
    }

    /// Of some channels (of all that an image has) of some images.
    pub(super) fn of(
        mut frame: Frame,
        source: &'a [T],
        all: usize,
        channels: Range<usize>,
        images: Range<usize>,
        lanes: usize,
    ) -> Result<Seen<'a, T>> {
        let plane = frame.source_len();
        if let Some(at) = frame.in_place() {
            let start = (images.start * all + channels.start) * plane + at;
            return Ok(Seen { frame, source, copied: None, start, image: all * plane, channel: plane });
        }
        let len = images.len() * channels.len() * frame.len;
        let mut block = Block::new((len + 2 * lanes) * size_of::<T>())?;
        // SAFETY: the block has as many elements, aligned for any type and initialised.
        let frames = unsafe { std::slice::from_raw_parts_mut(block.as_mut_ptr().cast::<T>(), len) };
        if frame.len > 0 {
            for (i, to) in frames.chunks_exact_mut(frame.len).enumerate() {
                let (n, c) = (images.start + i / channels.len(), channels.start + i % channels.len());
                frame.fill(&source[(n * all + c) * plane..][..plane], to);
            }
        }
        let (image, channel) = (channels.len() * frame.len, frame.len);
        Ok(Seen { frame, source, copied: Some((block, len + 2 * lanes)), start: 0, image, channel })
    }

    /// The elements that places count in.
    pub(super) fn elements(&self) -> &[T] {
        match &self.copied {
            None => self.source,
            // SAFETY: the block has as many elements, aligned for any type and initialised.
            Some((block, len)) => unsafe { std::slice::from_raw_parts(block.as_ptr().cast::<T>(), *len) },
        }
    }

    /// Copies the pieces at every place to a row of a panel.
    ///
    /// # Safety
    /// The panel has room for a row of `width` elements for every place, and a vector more. If `readable`, whole vectors may be read from every
    /// place and piece on.
    pub(super) unsafe fn pack(
        &self,
        kernels: &Kernels<T>,
        places: &[usize],
        pieces: &[Piece],
        readable: bool,
        panel: *mut T,
        width: usize,
    ) {
        let source = self.elements();
        if readable {
            // SAFETY: passed on.
            return unsafe { (kernels.pack)(places, source.as_ptr(), pieces, panel, width) };
        }
        for (k, place) in places.iter().enumerate() {
            for piece in pieces {
                let from = &source[place + piece.from..][..piece.len];
                // SAFETY: the piece lies inside of its row.
                unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), panel.add(k * width + piece.to), piece.len) };
            }
        }
    }
}

/// Fills a result with zeros.
pub(super) fn zero<T: Element>(out: &mut [T]) {
    par_pieces(out, 1 << 16, |_, piece| piece.fill(T::default()));
}
