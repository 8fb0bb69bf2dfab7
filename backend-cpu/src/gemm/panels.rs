//! A factor whose columns are packed once, for products with many others: a recurrent layer's weight meets a new state in every step.

use std::ops::Range;

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

    /// Rows in tiles of nearly equal height.
    pub(crate) fn tiles(&self, rows: usize) -> impl Iterator<Item = Range<usize>> + use<T> {
        let tiles = rows.div_ceil(self.kernels.rows());
        (0..tiles).map(move |tile| tile * rows / tiles..(tile + 1) * rows / tiles)
    }

    /// The products of the rows of a tile with the lines of a panel, over a part of k: `out[row * width + line]`, at most [`MAX_TILE`](super::MAX_TILE)
    /// elements. `add` says whether they are added to what is there.
    ///
    /// # Safety
    /// `a` is the part's first element of the first row, and the step from row to row, and can be read at all rows; `out` holds `rows * width` elements that nobody else uses, and the
    /// panel exists.
    #[inline]
    pub(crate) unsafe fn tile(&self, panel: usize, rows: usize, k: Range<usize>, (a, a_row): (*const T, isize), out: *mut T, add: bool) {
        let width = self.width();
        let step = Step {
            kc: k.len(),
            a,
            a_row,
            a_k: 1,
            b: self.panel(panel).wrapping_add(k.start * width),
            b_k: width as isize,
            c: out,
            c_row: width as isize,
            add,
        };
        // SAFETY: the caller answers for rows and output; the panel holds k times two vectors.
        unsafe { self.kernels.runs[rows - 1][1](step) };
    }
}
