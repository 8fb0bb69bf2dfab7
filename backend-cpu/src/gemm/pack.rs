//! Packing: a factor's panels in the order in which the microkernel reads them.

/// A factor of a product as the packer of its panels. For A the "lines" are its rows, for B its columns; both have k elements.
///
/// A convolution implements this for its image: a "line" of B is an output pixel, k runs over channels and the window, and the matrix that `im2col` would
/// make exists one panel at a time.
pub(crate) trait Pack<T>: Sync {
    /// Writes elements `k0..k0 + kc` of the lines `first..first + lines` as `out[k * width + line]`, zeros for lines up to `width`.
    /// `out` has `width * kc` elements of arbitrary content.
    fn panel(&self, first: usize, lines: usize, k0: usize, kc: usize, width: usize, out: &mut [T]);

    /// The factor as a strided matrix, if it is one: then it may be read in place instead.
    fn strided(&self) -> Option<Strided<'_, T>> {
        None
    }
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

    /// Whether all elements of so many lines of length k (neither 0) lie in the memory.
    pub(crate) fn covers(&self, lines: usize, k: usize) -> bool {
        // Places are linear in both indices, so their extremes are at the corners.
        [(0, 0), (lines - 1, 0), (0, k - 1), (lines - 1, k - 1)].iter().all(|&(line, k)| self.at(line, k) < self.data.len())
    }
}

impl<T: Copy + Default + Sync> Pack<T> for Strided<'_, T> {
    fn panel(&self, first: usize, lines: usize, k0: usize, kc: usize, width: usize, out: &mut [T]) {
        if lines < width {
            for row in out.chunks_exact_mut(width) {
                row[lines..].fill(T::default());
            }
        }
        if self.line_step == 1 {
            // Lines lie side by side: whole runs are copied.
            for (k, row) in out.chunks_exact_mut(width).enumerate().take(kc) {
                let from = self.at(first, k0 + k);
                copy(&self.data[from..from + lines], &mut row[..lines]);
            }
        } else if self.k_step == 1 {
            self.transpose(first, lines, k0, kc, width, out);
        } else {
            for k in 0..kc {
                for line in 0..lines {
                    out[k * width + line] = self.data[self.at(first + line, k0 + k)];
                }
            }
        }
    }

    fn strided(&self) -> Option<Strided<'_, T>> {
        Some(*self)
    }
}

/// Copies a short run: pieces of known size, the last of which may overlap the one before, because the compiler would make a call of `memcpy` of a loop.
#[inline(always)]
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    #[inline(always)]
    fn pieces<T: Copy, const N: usize>(from: &[T], to: &mut [T]) {
        let last = from.len() - N;
        to[..N].copy_from_slice(&from[..N]);
        to[last..].copy_from_slice(&from[last..]);
    }
    let to = &mut to[..from.len()];
    match from.len() {
        0 => {}
        1 => to[0] = from[0],
        2..4 => pieces::<T, 2>(from, to),
        4..8 => pieces::<T, 4>(from, to),
        8..16 => pieces::<T, 8>(from, to),
        16..=32 => pieces::<T, 16>(from, to),
        _ => to.copy_from_slice(from),
    }
}

impl<T: Copy> Strided<'_, T> {
    /// The panel where each line is a run: squares of 4 x 4 elements, which the compiler turns in registers.
    fn transpose(&self, first: usize, lines: usize, k0: usize, kc: usize, width: usize, out: &mut [T]) {
        /// Elements of each line taken at a time, so that what is written stays in the first cache until it is complete.
        const BLOCK: usize = 64;
        for (block, out) in out.chunks_mut(BLOCK * width).enumerate() {
            let k = block * BLOCK;
            let len = BLOCK.min(kc - k);
            let run = |line: usize| {
                let from = self.at(first + line, k0 + k);
                &self.data[from..from + len]
            };
            let squares = lines / 4 * 4;
            for line in (0..squares).step_by(4) {
                let rows = [run(line), run(line + 1), run(line + 2), run(line + 3)].map(|r| r.as_chunks::<4>());
                for i in 0..len / 4 {
                    let [a, b, c, d] = [rows[0].0[i], rows[1].0[i], rows[2].0[i], rows[3].0[i]];
                    let square = &mut out[4 * i * width + line..][..3 * width + 4];
                    square[..4].copy_from_slice(&[a[0], b[0], c[0], d[0]]);
                    square[width..width + 4].copy_from_slice(&[a[1], b[1], c[1], d[1]]);
                    square[2 * width..2 * width + 4].copy_from_slice(&[a[2], b[2], c[2], d[2]]);
                    square[3 * width..].copy_from_slice(&[a[3], b[3], c[3], d[3]]);
                }
                for (r, row) in rows.iter().enumerate() {
                    for (i, &x) in row.1.iter().enumerate() {
                        out[(len / 4 * 4 + i) * width + line + r] = x;
                    }
                }
            }
            for line in squares..lines {
                for (i, &x) in run(line).iter().enumerate() {
                    out[i * width + line] = x;
                }
            }
        }
    }
}
