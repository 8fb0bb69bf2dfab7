//! A factor whose columns are packed once, for products with many others: a recurrent layer's weight meets a new state in every step.

use rushlight_backend::Result;

use super::kernel::{Kernels, Step};
use super::number::Number;
use super::pack::{Pack, Strided};
use super::{SERIAL, spread};
use crate::alloc::Block;

/// Lines of k elements each, packed in panels of [`width`](Panels::width) lines side by side.
pub(crate) struct Panels<T: Number> {
    kernels: Kernels<T>,
    packed: Block,
    lines: usize,
    k: usize,
}

impl<T: Number> Panels<T> {
    /// Packs all lines of a factor.
    pub(crate) fn new(lines: usize, k: usize, b: &Strided<'_, T>) -> Result<Panels<T>> {
        let kernels = T::kernels();
        let width = kernels.columns();
        let count = lines.div_ceil(width);
        let packed = Block::new(count * width * k * size_of::<T>())?;
        let panels = Panels { kernels, packed, lines, k };
        spread(lines * k < SERIAL, count, |panel| {
            let first = panel * width;
            // SAFETY: the panel lies inside of the block and belongs to this task alone.
            let to = unsafe { std::slice::from_raw_parts_mut(panels.panel(panel).cast_mut(), width * k) };
            b.panel(first, width.min(lines - first), 0, k, width, to);
        });
        Ok(panels)
    }

    /// Lines of a panel: the last has zeros for those that it lacks.
    pub(crate) fn width(&self) -> usize {
        self.kernels.columns()
    }

    /// The number of panels.
    pub(crate) fn count(&self) -> usize {
        self.lines.div_ceil(self.width())
    }

    fn panel(&self, panel: usize) -> *const T {
        self.packed.as_ptr().cast::<T>().wrapping_add(panel * self.width() * self.k)
    }

    /// The products of some rows (runs of k elements) with the lines of a panel: `out[row * width + line]`.
    ///
    /// # Safety
    /// The rows can be read, `out` holds `rows * width` elements that nobody else uses, and the panel exists.
    pub(crate) unsafe fn multiply(&self, panel: usize, rows: usize, a: *const T, a_row: isize, out: *mut T) {
        let width = self.width();
        let blocks = rows.div_ceil(self.kernels.rows());
        for block in 0..blocks {
            // Blocks of nearly equal height.
            let (first, end) = (block * rows / blocks, (block + 1) * rows / blocks);
            let step = Step {
                kc: self.k,
                a: a.wrapping_offset(first as isize * a_row),
                a_row,
                a_k: 1,
                b: self.panel(panel),
                b_k: width as isize,
                c: out.wrapping_add(first * width),
                c_row: width as isize,
                add: false,
            };
            // SAFETY: the caller answers for rows and output; the panel holds k times two vectors.
            unsafe { self.kernels.runs[end - first - 1][1](step) };
        }
    }
}
