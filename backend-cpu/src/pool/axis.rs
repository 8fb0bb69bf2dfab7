//! Where the windows lie along one axis.

use rushlight_backend::op::PoolWindow;

/// The part of a window that lies inside of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The first place.
    pub(super) start: usize,
    /// The number of places.
    pub(super) count: usize,
    /// The number of places inside of the padded input.
    pub(super) padded: usize,
}

/// An axis of a plane: its size, and the windows along it.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) size: usize,
    /// Steps between the places of a window.
    pub(super) step: usize,
    pub(super) spans: Vec<Span>,
}

impl Axis {
    /// The windows of a pooling along its dimension d: `out` windows over `size` places.
    pub(super) fn windows(window: &PoolWindow, d: usize, size: usize, out: usize) -> Axis {
        let [kernel, stride, padding, step] =
            [window.kernel, window.stride, window.padding, window.dilation].map(|numbers| numbers.get(d) as usize);
        let spans = (0..out).map(|o| {
            // In padded places.
            let first = o * stride;
            let skipped = padding.saturating_sub(first).div_ceil(step);
            let end = kernel.min((size + padding).saturating_sub(first).div_ceil(step));
            let padded = kernel.min((size + 2 * padding).saturating_sub(first).div_ceil(step));
            let count = end.saturating_sub(skipped);
            Span { start: if count == 0 { 0 } else { first + skipped * step - padding }, count, padded }
        });
        Axis { size, step, spans: spans.collect() }
    }

    /// `out` nearly equal parts of `size` places.
    pub(super) fn parts(size: usize, out: usize) -> Axis {
        let spans = (0..out).map(|i| {
            let (start, end) = (i * size / out, ((i + 1) * size).div_ceil(out));
            Span { start, count: end - start, padded: end - start }
        });
        Axis { size, step: 1, spans: spans.collect() }
    }
}

/// The three axes of a plane, outermost first.
#[derive(Debug)]
pub(super) struct Axes(pub(super) [Axis; 3]);

impl Default for Axes {
    /// A plane of one element.
    fn default() -> Axes {
        Axes(std::array::from_fn(|_| Axis::parts(1, 1)))
    }
}

impl Axes {
    /// Calls `f(output, spans)` for every window, in order.
    #[inline(always)]
    pub(super) fn windows(&self, mut f: impl FnMut(usize, [Span; 3])) {
        let [az, ah, aw] = &self.0;
        let mut at = 0;
        for &z in &az.spans {
            for &h in &ah.spans {
                for &w in &aw.spans {
                    f(at, [z, h, w]);
                    at += 1;
                }
            }
        }
    }

    /// Calls `f(start, count, step)` for every row of a window's places: flat indices into the plane.
    #[inline(always)]
    pub(super) fn rows(&self, [z, h, w]: [Span; 3], mut f: impl FnMut(usize, usize, usize)) {
        let [az, ah, aw] = &self.0;
        if w.count == 0 {
            return;
        }
        for i in 0..z.count {
            for j in 0..h.count {
                let row = (z.start + i * az.step) * ah.size + h.start + j * ah.step;
                f(row * aw.size + w.start, w.count, aw.step);
            }
        }
    }
}
