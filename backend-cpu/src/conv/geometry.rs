//! The numbers of a convolution, always with three spatial dimensions: missing ones have size 1.

use super::frame::Windows;
use rushlight_backend::op::{Conv, Spatial, Window};

/// What input, weight and output are and how their positions belong together. Everything is contiguous.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// Channels of the input and of the output in each group.
    pub(super) cin: usize,
    pub(super) cout: usize,
    pub(super) input: [usize; 3],
    pub(super) kernel: [usize; 3],
    pub(super) output: [usize; 3],
    pub(super) stride: [usize; 3],
    pub(super) dilation: [usize; 3],
    pub(super) before: [usize; 3],
}

/// Sizes with ones in front.
fn three(sizes: &[usize]) -> [usize; 3] {
    let mut out = [1; 3];
    out[3 - sizes.len()..].copy_from_slice(sizes);
    out
}

fn numbers(s: &Spatial, missing: usize) -> [usize; 3] {
    let mut out = [missing; 3];
    out[3 - s.rank()..].iter_mut().zip(s.iter()).for_each(|(o, v)| *o = v as usize);
    out
}

impl Geometry {
    /// Of an operation on inputs that its shape rule has accepted: shapes of input, weight, output.
    pub(super) fn new(op: &Conv, x: &[usize], w: &[usize], y: &[usize]) -> Geometry {
        let Window { stride, before, dilation, groups, .. } = op.window();
        Geometry {
            batch: x[0],
            groups: *groups,
            cin: w[1],
            cout: w[0] / groups,
            input: three(&x[2..]),
            kernel: three(&w[2..]),
            output: three(&y[2..]),
            stride: numbers(stride, 1),
            dilation: numbers(dilation, 1),
            before: numbers(before, 0),
        }
    }

    /// Elements of a plane of the input.
    pub(super) fn in_plane(&self) -> usize {
        self.input.iter().product()
    }

    /// Elements of a plane of the output.
    pub(super) fn out_plane(&self) -> usize {
        self.output.iter().product()
    }

    /// Elements of a kernel.
    pub(super) fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Where the windows of the outputs lie on the input.
    pub(super) fn windows(&self) -> Windows {
        let [_, kh, kw] = self.kernel;
        let at = |d: usize, k: usize| (k * self.dilation[d]) as isize - self.before[d] as isize;
        let taps = (0..self.taps()).map(|k| [at(0, k / (kh * kw)), at(1, k / kw % kh), at(2, k % kw)]).collect();
        Windows { source: self.input, outputs: self.output, step: self.stride, taps }
    }

    /// The outputs o of dimension d for which `o * stride + k * dilation - before` lies inside of the input.
    pub(super) fn reach(&self, d: usize, k: usize) -> std::ops::Range<usize> {
        let at = k * self.dilation[d];
        let start = self.before[d].saturating_sub(at).div_ceil(self.stride[d]);
        let end = (self.input[d] + self.before[d]).saturating_sub(at).div_ceil(self.stride[d]).min(self.output[d]);
        start..end.max(start)
    }

    /// The input's place along dimension d under element k of output o's window; only for o in [`reach`](Geometry::reach).
    pub(super) fn place(&self, d: usize, o: usize, k: usize) -> usize {
        o * self.stride[d] + k * self.dilation[d] - self.before[d]
    }
}
