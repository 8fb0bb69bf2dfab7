//! Copies in which neighbours in the result are far apart in memory: by tiles that fit in the nearest cache. What limits them is that every line of a tile
//! comes from another page, where the hardware does not read ahead: lines are asked for two tiles before they are used.

use crate::buffer::Plain;
use crate::simd::prefetch;
use crate::threads::par_for;
use crate::walk::{Shared, Walk};
use rushlight_backend::Layout;

/// The sides of a tile: a cache line of most types.
const TILE: usize = 16;
/// Fewer elements are copied one by one.
const SMALL: usize = 1 << 10;
/// Elements copied by one task, about.
const GRAIN: usize = 1 << 15;

/// Whether copying this layout into order is worth [`transpose`].
pub(crate) fn is_transposed(layout: &Layout) -> bool {
    let (shape, strides) = (layout.shape(), layout.strides());
    if shape.len() < 2 {
        return false;
    }
    let Some(row) = shape.iter().rposition(|&n| n != 1) else { return false };
    layout.numel() >= SMALL
        && strides[row].unsigned_abs() > 1
        && shape[row] >= TILE / 2
        && shape.iter().zip(strides).any(|(&n, &s)| s == 1 && n >= TILE / 2)
}

/// Copies elements to a place where they lie in order, if they lie transposed: contiguous along another dimension than the last.
pub(crate) fn transpose<W: Plain>(walk: &Walk<1>, data: &[W], out: &mut [W]) -> bool {
    let (rows, [stride]) = (walk.row_len(), walk.inner());
    let outer = walk.outer();
    let Some(across) = outer.iter().rposition(|&(n, [s])| s == 1 && n >= TILE / 2) else { return false };
    if out.len() < SMALL || stride.unsigned_abs() <= 1 || rows < TILE / 2 {
        return false;
    }
    debug_assert_eq!(out.len(), walk.total());
    // In the result, a step along the dimension `across`, of size `cols`; and for all dimensions but it and the row: size, step in
    // memory, step in the result.
    let cols = outer[across].0;
    let (mut out_step, mut others) = (0, Vec::with_capacity(outer.len()));
    let mut step = rows;
    for (d, &(n, [s])) in outer.iter().enumerate().rev() {
        if d == across {
            out_step = step;
        } else {
            others.push((n, s, step));
        }
        step *= n;
    }
    // A task has a band of tiles: some of the `cols`, all of the rows.
    let band = (GRAIN / rows).clamp(1, cols).next_multiple_of(TILE);
    let bands = cols.div_ceil(band);
    let base = Shared(out.as_mut_ptr());
    par_for(out.len() / (rows * cols) * bands, |task| {
        let base = &base;
        let (mut rest, first) = (task / bands, task % bands * band);
        let (mut from, mut to) = (walk.start(0) as isize, 0);
        for &(n, s, out_step) in &others {
            from += (rest % n) as isize * s;
            to += rest % n * out_step;
            rest /= n;
        }
        let mut tile = [W::default(); TILE * TILE];
        for i in (first..(first + band).min(cols)).step_by(TILE) {
            let width = TILE.min(cols - i);
            for j in (0..rows).step_by(TILE) {
                let height = TILE.min(rows - j);
                let first = (from + j as isize * stride) as usize + i;
                if (width, height) == (TILE, TILE) {
                    for b in 2 * TILE..3 * TILE {
                        prefetch(data.as_ptr().wrapping_offset(first as isize + b as isize * stride));
                    }
                    // With sizes known to the compiler.
                    for b in 0..TILE {
                        let line = &data[(first as isize + b as isize * stride) as usize..][..TILE];
                        for a in 0..TILE {
                            tile[a * TILE + b] = line[a];
                        }
                    }
                } else {
                    for b in 0..height {
                        let line = &data[(first as isize + b as isize * stride) as usize..][..width];
                        for (a, &x) in line.iter().enumerate() {
                            tile[a * TILE + b] = x;
                        }
                    }
                }
                for a in 0..width {
                    let place = to + (i + a) * out_step + j;
                    // SAFETY: a task alone writes at its coordinates `i + a` of dimension `across` and of the other dimensions, and
                    // with all coordinates in range the place and `height` elements on (of the row) lie within `out`.
                    unsafe { base.0.add(place).copy_from_nonoverlapping(tile[a * TILE..].as_ptr(), height) };
                }
            }
        }
    });
    true
}
