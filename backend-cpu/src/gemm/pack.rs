//! Packing: a factor's panels in the order in which the microkernel reads them.

/// A factor of a product as the packer of its panels. For A the "lines" are its rows, for B its columns; both have k elements.
pub(crate) trait Pack<T>: Sync {
    /// Writes elements `k0..k0 + kc` of the lines `first..first + lines` as `out[k * width + line]`, zeros for lines up to `width`.
    fn panel(&self, first: usize, lines: usize, k0: usize, kc: usize, width: usize, out: &mut [T]);
}

/// A strided matrix. `data[start + line * line_step + k * k_step]` is element k of a line.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a, T> {
    /// The whole memory.
    pub(crate) data: &'a [T],
    /// Element 0 of line 0.
    pub(crate) start: usize,
    /// The step from line to line.
    pub(crate) line_step: isize,
    /// The step from element to element of a line.
    pub(crate) k_step: isize,
}

impl<T> Strided<'_, T> {
    /// The place of an element.
    #[inline(always)]
    pub(crate) fn at(&self, line: usize, k: usize) -> usize {
        (self.start as isize + line as isize * self.line_step + k as isize * self.k_step) as usize
    }
}

impl<T: Copy + Default + Sync> Pack<T> for Strided<'_, T> {
    fn panel(&self, first: usize, lines: usize, k0: usize, kc: usize, width: usize, out: &mut [T]) {
        if lines < width {
            out.fill(T::default());
        }
        if self.line_step == 1 {
            // Lines lie side by side: whole runs are copied.
            for (k, row) in out.chunks_exact_mut(width).enumerate().take(kc) {
                let from = self.at(first, k0 + k);
                row[..lines].copy_from_slice(&self.data[from..from + lines]);
            }
        } else if self.k_step == 1 {
            // Each line is a run: a transpose, by blocks of 16 elements so that reads stay within a cache line.
            const BLOCK: usize = 16;
            for kb in (0..kc).step_by(BLOCK) {
                let n = BLOCK.min(kc - kb);
                for line in 0..lines {
                    let from = self.at(first + line, k0 + kb);
                    for (i, &x) in self.data[from..from + n].iter().enumerate() {
                        out[(kb + i) * width + line] = x;
                    }
                }
            }
        } else {
            for k in 0..kc {
                for line in 0..lines {
                    out[k * width + line] = self.data[self.at(first + line, k0 + k)];
                }
            }
        }
    }
}
