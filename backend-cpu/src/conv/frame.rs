//! The part of an image that windows see, with its zeros around it, laid out so that every tap of the kernel meets neighbouring outputs at neighbouring
//! places: with a stride of s, row elements 0, s, 2s, ... come first, then 1, s + 1, ...

use crate::buffer::Plain;

/// Windows over planes: output q meets tap t at source place `q * step + t` (along each dimension).
#[derive(Clone, Debug)]
pub(super) struct Windows {
    /// The sizes of a source plane.
    pub(super) source: [usize; 3],
    /// The number of outputs.
    pub(super) outputs: [usize; 3],
    pub(super) step: [usize; 3],
    /// Each tap's place relative to the output's.
    pub(super) taps: Vec<[isize; 3]>,
}

/// The outputs whose windows a frame serves: a range along one dimension, all along the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) dim: usize,
    pub(super) start: usize,
    pub(super) len: usize,
}

/// How a frame lies over a source plane, and where taps and outputs meet in it.
#[derive(Debug)]
pub(super) struct Frame {
    /// The source place of the frame's first element.
    origin: [isize; 3],
    /// Elements of the source that the frame covers.
    extent: [usize; 3],
    source: [usize; 3],
    step: usize,
    /// Elements of a row that belong to one remainder modulo the step.
    run: usize,
    /// Elements of a row, and of a plane of rows.
    row: usize,
    sheet: usize,
    /// Elements of the frame of one channel.
    pub(super) len: usize,
    /// The number of outputs that the frame serves along each dimension, and their steps in it.
    pub(super) outputs: [usize; 3],
    steps: [usize; 3],
    /// Where output 0 meets each tap.
    pub(super) taps: Vec<usize>,
}

impl Frame {
    pub(super) fn new(w: &Windows, part: Part) -> Frame {
        let mut outputs = w.outputs;
        outputs[part.dim] = part.len;
        let (mut origin, mut extent) = ([0; 3], [0; 3]);
        for d in 0..3 {
            let low = w.taps.iter().map(|t| t[d]).min().unwrap_or(0);
            let high = w.taps.iter().map(|t| t[d]).max().unwrap_or(0);
            let first = if d == part.dim { part.start * w.step[d] } else { 0 };
            origin[d] = first as isize + low;
            extent[d] = (outputs[d].max(1) - 1) * w.step[d] + (high - low) as usize + 1;
        }
        let step = w.step[2];
        let run = extent[2].div_ceil(step);
        let (row, sheet) = (run * step, run * step * extent[1]);
        let low = |d: usize| w.taps.iter().map(|t| t[d]).min().unwrap_or(0);
        let lows = [low(0), low(1), low(2)];
        let place = |t: &[isize; 3]| {
            let [z, h, x] = [0, 1, 2].map(|d| (t[d] - lows[d]) as usize);
            z * sheet + h * row + x % step * run + x / step
        };
        Frame {
            origin,
            extent,
            source: w.source,
            step,
            run,
            row,
            sheet,
            len: sheet * extent[0],
            outputs,
            steps: [w.step[0] * sheet, w.step[1] * row, 1],
            taps: w.taps.iter().map(place).collect(),
        }
    }

    /// The number of outputs that the frame serves.
    pub(super) fn positions(&self) -> usize {
        self.outputs.iter().product()
    }

    /// Elements of a source plane.
    pub(super) fn source_len(&self) -> usize {
        self.source.iter().product()
    }

    /// If the frame lies inside of the source as it is, where it begins there; taps and steps are changed to fit.
    pub(super) fn in_place(&mut self) -> Option<usize> {
        let inside = (0..3).all(|d| self.origin[d] >= 0 && self.origin[d] as usize + self.extent[d] <= self.source[d]);
        if !inside || self.step != 1 {
            return None;
        }
        let [_, h, w] = self.source;
        for t in &mut self.taps {
            let (z, rest) = (*t / self.sheet, *t % self.sheet);
            *t = (z * h + rest / self.row) * w + rest % self.row;
        }
        self.steps = [self.steps[0] / self.sheet * h * w, self.steps[1] / self.row * w, 1];
        self.len = self.source.iter().product();
        let o = self.origin.map(|o| o as usize);
        Some((o[0] * h + o[1]) * w + o[2])
    }

    /// Where output number p of the frame's outputs meets a tap at 0, and how many follow in its row (p's own included).
    #[inline(always)]
    pub(super) fn output(&self, p: usize) -> (usize, usize) {
        let x = p % self.outputs[2];
        let rest = p / self.outputs[2];
        (rest / self.outputs[1] * self.steps[0] + rest % self.outputs[1] * self.steps[1] + x, self.outputs[2] - x)
    }

    /// Copies one channel's plane into the frame.
    pub(super) fn fill<T: Plain>(&self, plane: &[T], frame: &mut [T]) {
        let [sz, sh, sw] = self.source;
        // Columns that the source has.
        let left = (-self.origin[2]).clamp(0, self.extent[2] as isize) as usize;
        let right = ((sw as isize - self.origin[2]).clamp(0, self.extent[2] as isize) as usize).max(left);
        for z in 0..self.extent[0] {
            for h in 0..self.extent[1] {
                let row = &mut frame[z * self.sheet + h * self.row..][..self.row];
                let (pz, ph) = (z as isize + self.origin[0], h as isize + self.origin[1]);
                if pz < 0 || ph < 0 || pz as usize >= sz || ph as usize >= sh || left == right {
                    row.fill(T::default());
                    continue;
                }
                let from = &plane[(pz as usize * sh + ph as usize) * sw..][..sw];
                let from = &from[(left as isize + self.origin[2]) as usize..][..right - left];
                if self.step == 1 {
                    row[..left].fill(T::default());
                    row[left..right].copy_from_slice(from);
                    row[right..].fill(T::default());
                    continue;
                }
                row.fill(T::default());
                for r in 0..self.step {
                    // The first column of this remainder at or after `left`.
                    let first = left + (r + self.step - left % self.step) % self.step;
                    if first < right {
                        let to = &mut row[r * self.run + first / self.step..];
                        to.iter_mut().zip(from[first - left..].iter().step_by(self.step)).for_each(|(to, &x)| *to = x);
                    }
                }
            }
        }
    }
}
