//! Matrix products: C = A B, or C += A B, then perhaps a bias and a ReLU.
//!
//! [`product`] takes strided matrices (any strides) and chooses the path, [`batched`] many of one size. [`gemm`] takes the factors as packers of panels
//! ([`Pack`]): of A, some rows side by side for each k, of B, some columns. A microkernel multiplies two panels into a tile of sums that stays in registers
//! ([`kernel`]). What a factor *is* is the packer's business: a strided matrix ([`Strided`]), or an image seen through a convolution's window, which so
//! never exists as a matrix. A strided matrix is read where it lies if packing it would cost more than it saves ([`plan`]).
//!
//! First all panels are packed, then all tiles are computed, each by one thread, k in blocks of about [`plan::K_BYTES`]. Every element's sum runs over k
//! in order, block by block, and the blocks depend on k alone. So results depend neither on the number of threads nor on the tile that an element falls
//! into. (Products with few rows or columns sum in another order, see [`few`]; which order it is depends on the sizes and strides alone.)
//!
//! With a feature that asks for a BLAS library, floating-point products of strided matrices are the library's ([`blas`]).
//!
//! What limits them, on a core with one 512-bit (two 256-bit) multiply-adds a cycle: large products the multiply-add units; products with few panels the
//! packing, which moves each element once more; few rows or columns the memory; 8 x 8 x 8 and the like the fixed cost of about a hundred nanoseconds.

#[cfg(feature = "blas")]
pub(crate) mod blas;
mod few;
mod kernel;
mod number;
mod output;
mod pack;
mod panels;
mod plan;

use std::sync::{Mutex, PoisonError};

use rushlight_backend::Result;

pub(crate) use kernel::{MAX_TILE, Vector};
pub(crate) use number::Number;
pub(crate) use output::{Bias, Output};
pub(crate) use pack::{Pack, Strided};
pub(crate) use panels::Panels;

use crate::alloc::Block;
use crate::threads::par_for;
use kernel::Step;
use output::Tile;
use plan::Plan;

/// Rows and columns whose packed panels are alive at a time.
const OUTER: usize = 2048;
/// Multiplications below which threads do not pay.
const SERIAL: usize = 48 * 48 * 48;

/// `par_for`, or a plain loop where threads do not pay.
fn spread(serial: bool, tasks: usize, f: impl Fn(usize) + Sync) {
    if serial { (0..tasks).for_each(f) } else { par_for(tasks, f) }
}

/// C = A B (+ C) (+ bias), A of m x k, B of k x n, given as packers of A's rows and B's columns.
///
/// # Safety
/// Every element `[i, j]` of the output, i < m, j < n, lies in memory that the caller may write and nobody else uses meanwhile; no two are
/// the same place; if it accumulates they are initialised.
///
/// # Errors
/// If there is no memory for the packed panels.
pub(crate) unsafe fn gemm<T: Number>(m: usize, n: usize, k: usize, a: &dyn Pack<T>, b: &dyn Pack<T>, out: Output<'_, T>) -> Result<()> {
    if m == 0 || n == 0 {
        return Ok(());
    }
    let plan = Plan::new(m, n, k, a, b);
    let packed_a = Block::new(plan.a_elements() * size_of::<T>())?;
    let packed_b = Block::new(plan.b_elements() * size_of::<T>())?;
    for j0 in (0..n).step_by(OUTER) {
        // At least one pass over k, so that an empty sum writes zeros.
        for k0 in (0..k.max(1)).step_by(plan.depth) {
            for i0 in (0..m).step_by(OUTER) {
                let part = Part {
                    plan: &plan,
                    out: &out,
                    packed_a: packed_a.as_ptr().cast_mut().cast(),
                    packed_b: packed_b.as_ptr().cast_mut().cast(),
                    i0,
                    j0,
                    k0,
                    rows: (m - i0).min(OUTER),
                    columns: (n - j0).min(OUTER),
                    depth: (k - k0).min(plan.depth),
                };
                part.pack(a, b);
                // SAFETY: the panels have been packed; the caller answers for the output.
                unsafe { part.multiply() };
            }
        }
    }
    Ok(())
}

/// Rows `i0..i0 + rows` times columns `j0..j0 + columns` over `k0..k0 + depth`: what is packed at a time.
struct Part<'a, T: Number> {
    plan: &'a Plan<T>,
    out: &'a Output<'a, T>,
    packed_a: *mut T,
    packed_b: *mut T,
    i0: usize,
    j0: usize,
    k0: usize,
    rows: usize,
    columns: usize,
    depth: usize,
}

// SAFETY: the packed panels are written by one task each and read when all are written; the output as `Output`.
unsafe impl<T: Number> Sync for Part<'_, T> {}

impl<T: Number> Part<'_, T> {
    fn a_panels(&self) -> usize {
        self.rows.div_ceil(self.plan.kernels.rows())
    }

    fn b_panels(&self) -> usize {
        self.columns.div_ceil(self.plan.kernels.columns())
    }

    /// The first row of a panel of A. Panels are of nearly equal height.
    fn a_first(&self, panel: usize) -> usize {
        panel * self.rows / self.a_panels()
    }

    /// The columns of a panel of B, its width when packed, and whether it is packed.
    fn b_width(&self, panel: usize) -> (usize, usize, bool) {
        let columns = self.plan.kernels.columns();
        let len = (self.columns - panel * columns).min(columns);
        let width = len.next_multiple_of(self.plan.kernels.lanes);
        (len, width, self.plan.direct_b.is_none() || width != len)
    }

    /// Packs the panels that are not read in place. Those of B are there already if this is not the first block of rows.
    fn pack(&self, a: &dyn Pack<T>, b: &dyn Pack<T>) {
        let from_a = if self.plan.direct_a.is_some() { 0 } else { self.a_panels() };
        // Only the last panel of B can be a narrow one.
        let from_b = match self.b_panels() {
            _ if self.i0 > 0 => 0,
            all if self.plan.direct_b.is_none() => all,
            all => usize::from(self.b_width(all - 1).2),
        };
        let group = (1usize << 13).div_ceil((self.plan.kernels.columns() * self.depth).max(1));
        let panels = from_a + from_b;
        spread(self.plan.serial, panels.div_ceil(group), |task| {
            for p in task * group..((task + 1) * group).min(panels) {
                if p < from_a {
                    let (first, end) = (self.a_first(p), self.a_first(p + 1));
                    // SAFETY: the panel lies inside of the block and belongs to this task alone.
                    let to = unsafe { std::slice::from_raw_parts_mut(self.packed_a.add(first * self.depth), (end - first) * self.depth) };
                    a.panel(self.i0 + first, end - first, self.k0, self.depth, end - first, to);
                } else {
                    let p = self.b_panels() - from_b + p - from_a;
                    let (len, width, _) = self.b_width(p);
                    let first = p * self.plan.kernels.columns();
                    // SAFETY: as above.
                    let to = unsafe { std::slice::from_raw_parts_mut(self.packed_b.add(self.b_place(p)), width * self.depth) };
                    b.panel(self.j0 + first, len, self.k0, self.depth, width, to);
                }
            }
        });
    }

    /// Where a packed panel of B begins. If most are read in place, the only packed one lies at the beginning.
    fn b_place(&self, panel: usize) -> usize {
        if self.plan.direct_b.is_some() { 0 } else { panel * self.plan.kernels.columns() * self.depth }
    }

    /// # Safety
    /// The panels are packed; as [`gemm`].
    unsafe fn multiply(&self) {
        let (tall, wide) = (self.a_panels(), self.b_panels());
        let (high, broad) = self.plan.task_size(tall, wide, self.depth);
        let (down, across) = (tall.div_ceil(high), wide.div_ceil(broad));
        spread(self.plan.serial, down * across, |task| {
            let (i, j) = (task % down, task / down);
            for offset in (0..self.depth.max(1)).step_by(self.plan.block) {
                for jp in j * wide / across..(j + 1) * wide / across {
                    for ip in i * tall / down..(i + 1) * tall / down {
                        // SAFETY: the tile belongs to this task alone; its panels are packed.
                        unsafe { self.tile(ip, jp, offset) };
                    }
                }
            }
        });
    }

    /// One tile's sums over one block of k, which begins at `k0 + offset`.
    ///
    /// # Safety
    /// The panels are packed; nobody else writes to the tile.
    #[inline(always)]
    unsafe fn tile(&self, ip: usize, jp: usize, offset: usize) {
        let plan = self.plan;
        let k = self.k0 + offset;
        let kc = (self.depth - offset).min(plan.block);
        let (first, last) = (k == 0, k + kc == plan.k);
        let (i, rows) = (self.a_first(ip), self.a_first(ip + 1) - self.a_first(ip));
        let (j, (columns, width, packed)) = (jp * plan.kernels.columns(), self.b_width(jp));
        let (a, a_row, a_k) = match plan.direct_a {
            Some(a) => (a.place(self.i0 + i, k), a.line_step, a.k_step),
            None => (self.packed_a.cast_const().wrapping_add(i * self.depth + offset * rows), 1, rows as isize),
        };
        let (b, b_k) = match plan.direct_b {
            Some(b) if !packed => (b.place(self.j0 + j, k), b.k_step),
            _ => (self.packed_b.cast_const().wrapping_add(self.b_place(jp) + offset * width), width as isize),
        };
        let add = !first || self.out.accumulate;
        let run = plan.kernels.runs[rows - 1][width / plan.kernels.lanes - 1];
        let step = Step { kc, a, a_row, a_k, b, b_k, c: std::ptr::null_mut(), c_row: 0, add };
        let (i, j) = (self.i0 + i, self.j0 + j);
        let finish = last && (self.out.relu || !matches!(self.out.bias, Bias::None));
        if columns == width && self.out.strides.1 == 1 {
            // SAFETY: whole vectors, whose columns lie side by side, inside of the output.
            unsafe { run(Step { c: self.out.at(i, j), c_row: self.out.strides.0, ..step }) };
            if finish {
                // SAFETY: the tile has just been written, and belongs to this task.
                output::finish(unsafe { Tile::new(self.out, (i, rows), (j, columns)) });
            }
            return;
        }
        let mut sums = [const { std::mem::MaybeUninit::<T>::uninit() }; MAX_TILE];
        // SAFETY: the buffer holds any kernel's tile, and is only written.
        unsafe { run(Step { c: sums.as_mut_ptr().cast(), c_row: width as isize, add: false, ..step }) };
        for r in 0..rows {
            for c in 0..columns {
                // SAFETY: the kernel has written the sum; the place lies inside of the output, and has been initialised by an earlier
                // block of k or by the caller if something is added to it.
                unsafe {
                    let place = self.out.at(i + r, j + c);
                    let sum = sums[r * width + c].assume_init();
                    let sum = if add { (*place).plus(sum) } else { sum };
                    *place = if finish { self.out.finish(i + r, j + c, sum) } else { sum };
                }
            }
        }
    }
}

/// C = A B (+ C) (+ bias) for strided matrices, by the path that suits the sizes.
///
/// # Safety
/// As [`gemm`].
///
/// # Errors
/// As [`gemm`].
pub(crate) unsafe fn product<T: Number>(
    m: usize,
    n: usize,
    k: usize,
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    out: Output<'_, T>,
) -> Result<()> {
    if m == 0 || n == 0 {
        return Ok(());
    }
    #[cfg(feature = "blas")]
    // SAFETY: the caller answers for the output.
    if unsafe { T::blas(m, n, k, a, b, out) } {
        return Ok(());
    }
    // SAFETY: the caller answers for the output, here and below.
    if unsafe { few::product(m, n, k, &a, &b, &out)? || few::product(n, m, k, &b, &a, &out.transposed())? } {
        return Ok(());
    }
    if out.strides.1 != 1 && out.strides.0 == 1 {
        // A column-major result: C^T = B^T A^T.
        // SAFETY: the same output, transposed.
        return unsafe { gemm(n, m, k, &b, &a, out.transposed()) };
    }
    // SAFETY: as above.
    unsafe { gemm(m, n, k, &a, &b, out) }
}

/// Products of one size: for each index below `batch`, `starts` gives the places where the factors start in their memory, and the output's first
/// element counted from `out.data`. The threads share out the products if they are many, else the tiles of each.
///
/// # Safety
/// As [`gemm`] for each product; no two outputs overlap.
///
/// # Errors
/// As [`gemm`].
#[allow(clippy::too_many_arguments)]
pub(crate) unsafe fn batched<T: Number>(
    batch: usize,
    m: usize,
    n: usize,
    k: usize,
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    out: Output<'_, T>,
    starts: impl Fn(usize) -> (usize, usize, isize) + Sync,
) -> Result<()> {
    let one = |i: usize| {
        let (start_a, start_b, start_c) = starts(i);
        let mut out = out;
        out.data = out.data.wrapping_offset(start_c);
        // SAFETY: the caller answers for the outputs.
        unsafe { product(m, n, k, Strided { start: start_a, ..a }, Strided { start: start_b, ..b }, out) }
    };
    if batch < 4 {
        return (0..batch).try_for_each(one);
    }
    let group = SERIAL.div_ceil((m * n * k).max(1)).min(batch);
    let failed = Mutex::new(Ok(()));
    par_for(batch.div_ceil(group), |task| {
        let result = (task * group..((task + 1) * group).min(batch)).try_for_each(one);
        if result.is_err() {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = result;
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
