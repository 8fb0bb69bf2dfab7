//! Matrix products: C = A B, or C += A B.
//!
//! Both factors are packed into panels ([`Pack`]): of A, `MR` rows side by side for each k, of B, `NR` columns. A microkernel multiplies two panels into a
//! tile of `MR x NR` sums that stays in registers ([`kernel`]). What a factor *is* is the packer's business: a strided matrix ([`Strided`]), or an
//! image seen through a convolution's window, which so never exists as a matrix.
//!
//! k is cut in blocks of [`KC`], m and n so that packed blocks stay in the caches. Tiles are independent of each other and every element's sum runs over k in
//! order, so results depend neither on the number of threads nor on the tile an element falls into.
//!
//! Limits: large products are bound by the FMA units (two 256-bit, or one 512-bit, each cycle); products with a small m or n by packing, which moves
//! every element once more; a matrix times a vector by memory, and it has its own path ([`vector`]).

mod kernel;
mod pack;
mod vector;

use std::sync::atomic::{AtomicPtr, Ordering};

use rushlight_backend::Result;

pub(crate) use kernel::Real;
pub(crate) use pack::{Pack, Strided};

use crate::alloc::Block;
use crate::threads::par_for;
use kernel::{Kernel, MAX_TILE};

/// The length of a block of k.
const KC: usize = 256;
/// Rows and columns whose packed blocks are alive at a time.
const OUTER: usize = 2048;
/// Multiplications below which threads do not pay.
const SERIAL: usize = 48 * 48 * 48;

/// Where the result goes, and what is added to it.
#[derive(Clone, Copy)]
pub(crate) struct Output<'a, T> {
    /// Element `[0, 0]`.
    pub(crate) data: *mut T,
    /// Steps between rows and columns.
    pub(crate) strides: (isize, isize),
    /// Whether the product is added to what is there.
    pub(crate) accumulate: bool,
    /// Added to every row: one number for each column.
    pub(crate) bias: Option<&'a [T]>,
}

// SAFETY: the pointer is only used inside `gemm`, whose caller answers for it; tiles written by different threads do not overlap.
unsafe impl<T: Sync> Sync for Output<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Output<'_, T> {}

/// C = A B (+ C) (+ bias), A of m x k, B of k x n, given as packers of A's rows and B's columns.
///
/// # Safety
/// Every element `[i, j]` of the output, i < m, j < n, lies in memory that the caller may write and nobody else uses meanwhile; no two are
/// the same place; if it accumulates they are initialised.
pub(crate) unsafe fn gemm<T: Real>(m: usize, n: usize, k: usize, a: &dyn Pack<T>, b: &dyn Pack<T>, out: Output<'_, T>) -> Result<()> {
    if m == 0 || n == 0 {
        return Ok(());
    }
    let kernel = T::kernel();
    let (mr, nr) = (kernel.mr, kernel.nr);
    let serial = m * n * k.max(1) < SERIAL;
    let threads = |tasks: usize, f: &(dyn Fn(usize) + Sync)| if serial { (0..tasks).for_each(f) } else { par_for(tasks, f) };

    let panels = |size: usize, width: usize| size.min(OUTER).div_ceil(width);
    let depth = k.min(KC);
    let mut packed_a = Block::new(panels(m, mr) * mr * depth * size_of::<T>())?;
    let mut packed_b = Block::new(panels(n, nr) * nr * depth * size_of::<T>())?;
    let pa = AtomicPtr::new(packed_a.as_mut_ptr().cast::<T>());
    let pb = AtomicPtr::new(packed_b.as_mut_ptr().cast::<T>());

    for j0 in (0..n).step_by(OUTER) {
        let nj = (n - j0).min(OUTER);
        // At least one pass over k, so that an empty sum writes zeros.
        for k0 in (0..k.max(1)).step_by(KC) {
            let kc = (k - k0).min(KC);
            let (first, last) = (k0 == 0, k0 + kc == k);
            for i0 in (0..m).step_by(OUTER) {
                let ni = (m - i0).min(OUTER);
                let (a_panels, b_panels) = (ni.div_ceil(mr), nj.div_ceil(nr));
                // B is packed once for all rows.
                let pack_b = if i0 == 0 { b_panels } else { 0 };
                const GROUP: usize = 4;
                threads((a_panels + pack_b).div_ceil(GROUP), &|task| {
                    for p in task * GROUP..((task + 1) * GROUP).min(a_panels + pack_b) {
                        let (pack, base, width, start, size, p) = match p.checked_sub(a_panels) {
                            None => (a, &pa, mr, i0, ni, p),
                            Some(p) => (b, &pb, nr, j0, nj, p),
                        };
                        // SAFETY: panel p lies inside of its block and belongs to this task alone.
                        let panel = unsafe { std::slice::from_raw_parts_mut(base.load(Ordering::Relaxed).add(p * width * kc), width * kc) };
                        pack.panel(start + p * width, (size - p * width).min(width), k0, kc, width, panel);
                    }
                });
                // Tasks of a few panels each way, so that a block of A stays in the second cache while panels of B pass by.
                let (bi, bj) = if a_panels * b_panels >= 256 { (8, 16) } else { (2, 2) };
                let (ti, tj) = (a_panels.div_ceil(bi), b_panels.div_ceil(bj));
                threads(ti * tj, &|task| {
                    let (ib, jb) = (task % ti * bi, task / ti * bj);
                    for jp in jb..(jb + bj).min(b_panels) {
                        for ip in ib..(ib + bi).min(a_panels) {
                            let (i, j) = (ip * mr, jp * nr);
                            // SAFETY: the panels were packed above, each of width x kc elements; the tile lies inside of the output and
                            // belongs to this task alone.
                            unsafe {
                                let a = pa.load(Ordering::Relaxed).add(ip * mr * kc);
                                let b = pb.load(Ordering::Relaxed).add(jp * nr * kc);
                                let tile = Tile { i: i0 + i, j: j0 + j, rows: (ni - i).min(mr), cols: (nj - j).min(nr) };
                                write_tile(&kernel, kc, a, b, &out, &tile, !first || out.accumulate, last);
                            }
                        }
                    }
                });
            }
        }
    }
    Ok(())
}

/// A part of the output that one call of the microkernel makes.
struct Tile {
    i: usize,
    j: usize,
    rows: usize,
    cols: usize,
}

/// # Safety
/// `a` and `b` point to packed panels of kc elements' depth; the tile lies inside of the output, to which nobody else writes there.
#[inline]
#[allow(clippy::too_many_arguments)]
unsafe fn write_tile<T: Real>(
    kernel: &Kernel<T>,
    kc: usize,
    a: *const T,
    b: *const T,
    out: &Output<'_, T>,
    tile: &Tile,
    add: bool,
    last: bool,
) {
    let (rs, cs) = out.strides;
    let bias = if last { out.bias.map(|b| &b[tile.j..tile.j + tile.cols]) } else { None };
    // SAFETY: the tile's first element lies inside of the output.
    let c = unsafe { out.data.offset(tile.i as isize * rs + tile.j as isize * cs) };
    if tile.rows == kernel.mr && tile.cols == kernel.nr && cs == 1 {
        // SAFETY: a whole tile with unit column stride.
        unsafe { (kernel.run)(kc, a, b, c, rs, add) };
        if let Some(bias) = bias {
            for r in 0..tile.rows {
                // SAFETY: row r of the tile, which the kernel has just written.
                let row = unsafe { std::slice::from_raw_parts_mut(c.offset(r as isize * rs), tile.cols) };
                row.iter_mut().zip(bias).for_each(|(c, &b)| *c = *c + b);
            }
        }
        return;
    }
    let mut sums = [T::default(); MAX_TILE];
    // SAFETY: the buffer holds any kernel's tile.
    unsafe { (kernel.run)(kc, a, b, sums.as_mut_ptr(), kernel.nr as isize, false) };
    for r in 0..tile.rows {
        for col in 0..tile.cols {
            // SAFETY: element [r, col] of the tile lies inside of the output.
            let place = unsafe { c.offset(r as isize * rs + col as isize * cs) };
            let mut sum = sums[r * kernel.nr + col];
            if add {
                // SAFETY: an earlier block of k, or the caller, has initialised it.
                sum = unsafe { *place } + sum;
            }
            if let Some(bias) = bias {
                sum = sum + bias[col];
            }
            // SAFETY: as above.
            unsafe { *place = sum };
        }
    }
}

/// C = A B (+ C) (+ bias) for strided matrices, by the path that suits the sizes.
///
/// # Safety
/// As [`gemm`]; and `a`, `b` hold every element that their strides reach.
pub(crate) unsafe fn product<T: Real>(
    m: usize,
    n: usize,
    k: usize,
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    out: Output<'_, T>,
) -> Result<()> {
    if (m == 1 || n == 1) && k > 0 {
        // SAFETY: the caller answers for the output.
        unsafe { vector::product(m, n, k, &a, &b, &out) };
        return Ok(());
    }
    if out.strides.1 != 1 && out.strides.0 == 1 && out.bias.is_none() {
        // A column-major result: C^T = B^T A^T.
        let out = Output { strides: (out.strides.1, out.strides.0), ..out };
        // SAFETY: the same output, transposed.
        return unsafe { gemm(n, m, k, &b, &a, out) };
    }
    // SAFETY: the caller answers for the output.
    unsafe { gemm(m, n, k, &a, &b, out) }
}

#[cfg(test)]
mod tests;
