//! Who reduces what: results or parts of the elements are shared out among threads, and parts merged in an order that depends on
//! the shape alone.

use std::ops::Range;

use rushlight_backend::Shape;
use smallvec::SmallVec;

use super::block::{BATCH, BLOCK, Blocks, Columns, ROWS, Rows, TILE};
use super::kernel::{Merge, Wide};
use super::plan::{DimList, Odometer, Plan, layout};
use crate::threads::par_chunks;
use crate::walk::{Walk, par_pieces};

/// Elements that are worth a task of their own.
const GRAIN: usize = 32 * 1024;
/// Parts of one result, at most.
const MOST: usize = 32;

/// Merges results pairwise as they come, so that rounding errors grow with the logarithm of their number: a binary counter whose digits
/// are results of 1, 2, 4... parts.
struct Cascade<W> {
    digits: SmallVec<[W; 8]>,
    count: usize,
    merge: Merge,
}

impl<W: Wide> Cascade<W> {
    fn new(merge: Merge) -> Cascade<W> {
        Cascade { digits: SmallVec::new(), count: 0, merge }
    }

    #[inline]
    fn push(&mut self, mut part: W) {
        let mut c = self.count;
        while c & 1 == 1 {
            if let Some(before) = self.digits.pop() {
                part = self.merge.of(before, part);
            }
            c >>= 1;
        }
        self.digits.push(part);
        self.count += 1;
    }

    fn finish(mut self) -> Option<W> {
        let mut all = self.digits.pop()?;
        while let Some(before) = self.digits.pop() {
            all = self.merge.of(before, all);
        }
        Some(all)
    }
}

/// Takes finished results: those of outputs `first`, `first + step`, and so on. Each output is handed over once.
pub(super) type Finish<'a, W> = &'a (dyn Fn(usize, isize, &[W]) + Sync);

/// Reduces an input.
pub(super) fn reduce<W: Wide>(plan: &Plan, blocks: &dyn Blocks<W>, finish: Finish<'_, W>) {
    if plan.count == 0 {
        (0..plan.outputs).for_each(|i| finish(i, 0, &[blocks.identity()]));
        return;
    }
    if plan.outputs == 0 {
        return;
    }
    let job = Job { plan, blocks, finish, row: Row::of(plan) };
    let column = plan.kept.iter().position(|k| k.1 == 1).filter(|_| job.row.stride != 1);
    match column {
        Some(column) => job.by_columns(column),
        None => job.by_rows(),
    }
}

struct Job<'a, W> {
    plan: &'a Plan,
    blocks: &'a dyn Blocks<W>,
    finish: Finish<'a, W>,
    row: Row,
}

/// The reduced dimensions as rows: the innermost one, and the others around it.
struct Row {
    len: usize,
    stride: isize,
    outer: DimList,
    around: usize,
}

impl Row {
    fn of(plan: &Plan) -> Row {
        let mut outer = plan.reduced.clone();
        let (len, stride) = outer.pop().unwrap_or((1, 1));
        let around = outer.iter().map(|d| d.0).product();
        Row { len, stride, outer, around }
    }
}

impl<W: Wide> Job<'_, W> {
    /// Where the reduced elements innermost in memory lie side by side, or nothing does.
    fn by_rows(&self) {
        let (plan, row) = (self.plan, &self.row);
        let shape: Shape = plan.kept.iter().map(|k| k.0).collect();
        let walk = Walk::new(&shape, [&layout(plan.kept.iter().map(|k| (k.0, k.1)), plan.offset)]);
        let step = walk.inner()[0];
        let units = row.len.div_ceil(BLOCK) * row.around;
        if plan.outputs >= 16 || plan.count <= 2 * GRAIN {
            par_chunks(plan.outputs, (GRAIN / plan.count).max(1), |range| {
                let mut wide = [W::default(); BATCH];
                walk.rows(range, |at, n, [offset]| {
                    for b in (0..n).step_by(BATCH) {
                        let (at, wide) = (at + b, &mut wide[..BATCH.min(n - b)]);
                        let offset = offset + b as isize * step;
                        if units == 1 {
                            let r = Rows { at: offset as usize, step, len: row.len, stride: row.stride, first: at, same: false };
                            self.blocks.rows(r, wide);
                        } else {
                            for (i, w) in wide.iter_mut().enumerate() {
                                *w = self.part((offset + i as isize * step) as usize, at + i, 0..units);
                            }
                        }
                        (self.finish)(at, 1, wide);
                    }
                });
            });
            return;
        }
        // Few results of many elements: parts of the elements are the tasks.
        // Long ones, where there are many: at the beginning of each the reading ahead starts anew.
        let per_task = (2 * GRAIN / row.len.min(BLOCK)).max(units.div_ceil(MOST)).max(1);
        let tasks = units.div_ceil(per_task);
        let mut starts: SmallVec<[usize; 16]> = SmallVec::new();
        walk.rows(0..plan.outputs, |_, n, [offset]| starts.extend((0..n).map(|i| (offset + i as isize * step) as usize)));
        let mut parts = vec![W::default(); plan.outputs * tasks];
        par_pieces(&mut parts, 1, |i, part| {
            let (output, task) = (i / tasks, i % tasks);
            part[0] = self.part(starts[output], output, task * per_task..((task + 1) * per_task).min(units));
        });
        for (i, parts) in parts.chunks(tasks).enumerate() {
            let mut cascade = Cascade::new(self.blocks.merge());
            parts.iter().for_each(|&p| cascade.push(p));
            (self.finish)(i, 0, &[cascade.finish().unwrap_or(self.blocks.identity())]);
        }
    }

    /// A range of the blocks that make up one result.
    fn part(&self, first: usize, output: usize, units: Range<usize>) -> W {
        let row = &self.row;
        let mut wide = [W::default(); BATCH];
        let mut cascade = Cascade::new(self.blocks.merge());
        let per_row = row.len.div_ceil(BLOCK);
        let mut outer = Odometer::new(&row.outer, units.start / per_row);
        let (mut unit, mut block) = (units.start, units.start % per_row);
        while unit < units.end {
            let at = (first as isize + outer.offset() + (block * BLOCK) as isize * row.stride) as usize;
            let left = (units.end - unit).min(BATCH);
            let whole = (row.len / BLOCK).saturating_sub(block).min(left);
            let (n, step, len) = if whole > 0 {
                (whole, BLOCK as isize * row.stride, BLOCK)
            } else if per_row == 1 {
                // Short rows: those of several positions.
                let (n, step) = outer.run(left);
                outer.skip(n - 1);
                (n, step, row.len)
            } else {
                (1, 0, row.len % BLOCK)
            };
            self.blocks.rows(Rows { at, step, len, stride: row.stride, first: output, same: true }, &mut wide[..n]);
            wide[..n].iter().for_each(|&w| cascade.push(w));
            unit += n;
            block = if per_row == 1 { 1 } else { block + n };
            if block == per_row {
                block = 0;
                outer.advance();
            }
        }
        cascade.finish().unwrap_or(self.blocks.identity())
    }

    /// Where a kept dimension lies side by side: rows of results are joined as a whole.
    fn by_columns(&self, column: usize) {
        let (plan, row) = (self.plan, &self.row);
        let (width, _, out_step) = plan.kept[column];
        let others = || plan.kept.iter().enumerate().filter(move |(i, _)| *i != column).map(|(_, k)| k);
        let shape: Shape = others().map(|k| k.0).collect();
        let walk = Walk::new(&shape, [&layout(others().map(|k| (k.0, k.1)), plan.offset), &layout(others().map(|k| (k.0, k.2)), 0)]);
        let tiles = width.div_ceil(TILE);
        let tile = |i: usize, [at, first]: [isize; 2]| Tile {
            at: at + (i * TILE) as isize,
            first: (first + (i * TILE) as isize * out_step) as usize,
            width: TILE.min(width - i * TILE),
            out_step,
        };
        let units = row.len.div_ceil(ROWS) * row.around;
        let total = walk.total() * tiles;
        let span = width.min(TILE);
        let per_tile = span * plan.count;
        if units == 1 || total >= 16 || per_tile * total <= 2 * GRAIN {
            par_chunks(walk.total(), (GRAIN / per_tile / tiles).max(1), |range| {
                if span <= 64 {
                    self.tiles::<64>(&walk, range, tiles, units, &tile)
                } else {
                    self.tiles::<TILE>(&walk, range, tiles, units, &tile)
                }
            });
            return;
        }
        let per_task = (2 * GRAIN / (ROWS.min(row.len) * span)).max(1);
        let tasks = units.div_ceil(per_task);
        let mut at: SmallVec<[[isize; 2]; 16]> = SmallVec::new();
        walk.rows(0..walk.total(), |_, n, [a, o]| {
            let [sa, so] = walk.inner();
            at.extend((0..n as isize).map(|i| [a + i * sa, o + i * so]));
        });
        let mut parts = vec![W::default(); total * tasks * span];
        par_pieces(&mut parts, span, |start, part| {
            let (i, task) = (start / span / tasks, start / span % tasks);
            let t = tile(i % tiles, at[i / tiles]);
            self.tile(&t, task * per_task..((task + 1) * per_task).min(units), &mut part[..t.width]);
        });
        let merge = self.blocks.merge();
        for (i, parts) in parts.chunks_mut(span * tasks).enumerate() {
            let t = tile(i % tiles, at[i / tiles]);
            let (all, rest) = parts.split_at_mut(span);
            for part in rest.chunks(span) {
                all.iter_mut().zip(part).for_each(|(a, &b)| *a = merge.of(*a, b));
            }
            (self.finish)(t.first, t.out_step, &all[..t.width]);
        }
    }

    /// All tiles at a range of positions of the other kept dimensions.
    fn tiles<const N: usize>(
        &self,
        walk: &Walk<2>,
        range: Range<usize>,
        tiles: usize,
        units: usize,
        tile: &(dyn Fn(usize, [isize; 2]) -> Tile + Sync),
    ) {
        let mut wide = [W::default(); N];
        let [sa, so] = walk.inner();
        walk.rows(range, |_, n, [a, o]| {
            for i in 0..n as isize {
                for k in 0..tiles {
                    let t = tile(k, [a + i * sa, o + i * so]);
                    self.tile(&t, 0..units, &mut wide[..t.width]);
                    (self.finish)(t.first, t.out_step, &wide[..t.width]);
                }
            }
        });
    }

    /// A range of the blocks of rows of one tile.
    fn tile(&self, t: &Tile, units: Range<usize>, wide: &mut [W]) {
        let row = &self.row;
        let per_row = row.len.div_ceil(ROWS);
        let mut outer = Odometer::new(&row.outer, units.start / per_row);
        let mut block = units.start % per_row;
        for unit in units.clone() {
            let at = (t.at + outer.offset() + (block * ROWS) as isize * row.stride) as usize;
            let n = ROWS.min(row.len - block * ROWS);
            let c = Columns { at, step: row.stride, n, first: t.first, out_step: t.out_step };
            self.blocks.columns(c, wide, unit > units.start);
            block += 1;
            if block == per_row {
                block = 0;
                outer.advance();
            }
        }
    }
}

/// One group of columns: where its first element lies, and its outputs.
struct Tile {
    at: isize,
    first: usize,
    width: usize,
    out_step: isize,
}
