//! How a product is cut, and which factors are read in place.

use super::kernel::Kernels;
use super::number::Number;
use super::pack::{Pack, Strided};
use super::{OUTER, SERIAL};

/// Bytes of each line in one block of k. A panel of B then takes about the first cache twice, but the second one feeds the multiply-adds as well, and
/// each tile of sums is added to the output half as often as with 1024 (measured: up to 5 % faster, never slower).
pub(super) const K_BYTES: usize = 2048;
/// Bytes of packed panels that may be alive at a time, if one block of k does not need more.
const PACKED_BYTES: usize = 8 << 20;

/// A strided factor that is read in place.
#[derive(Clone, Copy)]
pub(super) struct Direct<T> {
    start: *const T,
    pub(super) line_step: isize,
    pub(super) k_step: isize,
}

impl<T> Direct<T> {
    /// The place of an element.
    #[inline(always)]
    pub(super) fn place(&self, line: usize, k: usize) -> *const T {
        self.start.wrapping_offset(line as isize * self.line_step + k as isize * self.k_step)
    }
}

/// How a product is cut. Nothing here changes results, but for `block`, which depends on k alone.
pub(super) struct Plan<T: Number> {
    pub(super) kernels: Kernels<T>,
    m: usize,
    n: usize,
    pub(super) k: usize,
    /// The factors where they are read in place. Of B whole panels only, and only if its columns lie side by side.
    pub(super) direct_a: Option<Direct<T>>,
    pub(super) direct_b: Option<Direct<T>>,
    /// The length of a block of k: sums run in registers over one, and are added up in the output.
    pub(super) block: usize,
    /// The length of k that is packed at a time, a multiple of `block`.
    pub(super) depth: usize,
    /// Whether the product is too small for threads.
    pub(super) serial: bool,
}

impl<T: Number> Plan<T> {
    pub(super) fn new(m: usize, n: usize, k: usize, a: &dyn Pack<T>, b: &dyn Pack<T>) -> Plan<T> {
        let kernels = T::kernels();
        let size = size_of::<T>();
        let direct = |x: Strided<'_, T>| Direct { start: x.data.as_ptr().wrapping_add(x.start), line_step: x.line_step, k_step: x.k_step };
        let direct_a = a
            .strided()
            .filter(|a| {
                let reuse = n.div_ceil(kernels.columns());
                // Runs of k at a step of many powers of two would share few sets of the first cache.
                let runs = a.k_step == 1 && (!(a.line_step.unsigned_abs() * size).is_multiple_of(1024) || m <= 4 || k <= 32);
                // Rows side by side: as for B below (measured with 4 to 48 uses, and steps of k from 256 bytes to 200 KB), but for steps that share
                // few sets of the second cache.
                let beside = a.line_step == 1 && (!(a.k_step.unsigned_abs() * size).is_multiple_of(1 << 16) || reuse <= 4);
                (reuse <= 1 || reuse <= 16 && runs || beside) && k > 0 && a.covers(m, k)
            })
            .map(direct);
        let direct_b = b
            .strided()
            // However often a panel is used, packing never paid (measured with 1 to 170 uses, and steps of k from 800 to 32768 bytes): its rows are
            // whole cache lines, and the microkernel runs at the speed of its multiply-adds from the second cache.
            .filter(|b| b.line_step == 1 && k > 0 && b.covers(n, k))
            .map(direct);
        let blocks = k.div_ceil(K_BYTES / size).max(1);
        let block = k.div_ceil(blocks).max(1);
        let line_bytes = (m.min(OUTER) + n.min(OUTER)) * size;
        let depth = (PACKED_BYTES / line_bytes / block).clamp(1, blocks) * block;
        Plan { kernels, m, n, k, direct_a, direct_b, block, depth, serial: m * n * k < SERIAL }
    }

    /// Elements of A that are packed at a time.
    pub(super) fn a_elements(&self) -> usize {
        if self.direct_a.is_some() { 0 } else { self.m.min(OUTER) * self.depth.min(self.k) }
    }

    /// Elements of B that are packed at a time. Of one that is read in place, a last narrow panel is packed.
    pub(super) fn b_elements(&self) -> usize {
        let columns = self.kernels.columns();
        let panels = match self.direct_b {
            None => self.n.min(OUTER).div_ceil(columns),
            Some(_) => usize::from(!self.n.is_multiple_of(self.kernels.lanes)),
        };
        panels * columns * self.depth.min(self.k)
    }

    /// The panels of A and of B that one task multiplies: few enough for tasks that every thread gets its share of, enough to be worth a task, and to
    /// reuse panels from the second cache.
    pub(super) fn task_size(&self, tall: usize, wide: usize, depth: usize) -> (usize, usize) {
        let (mut high, mut broad) = (4.min(tall), 4.min(wide));
        let tile = self.kernels.rows() * self.kernels.columns() * depth;
        while tall.div_ceil(high) * wide.div_ceil(broad) < 16 && high * broad * tile > 2 * SERIAL && high * broad > 1 {
            if broad >= high { broad = broad.div_ceil(2) } else { high = high.div_ceil(2) }
        }
        (high, broad)
    }
}
