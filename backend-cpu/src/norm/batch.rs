//! Batch normalisation: a task takes some channels through all passes, so that later passes find them in the cache. Rows of a channel are often a power of
//! two apart and share few sets of a cache: a second pass goes backwards, and meets first what was read last. Bound by reading from the last cache.
//!
//! Channels of `[n, channels, ..]` whose elements lie in long rows are taken one by one. Where rows are short (`[n, channels]` above all), several channels
//! are taken side by side, as columns.

use std::ops::Range;

use rushlight_backend::{Arg, Meta, Result, Storage, Storages, numel};

use super::channel::{affine, affine_columns, gradient, gradient_columns, moments, moments_columns, products, products_columns};
use super::{InOrder, Shared, statistics};
use crate::buffer::{alloc, typed_mut};
use crate::pointwise::exp::Exp;
use crate::threads::par_chunks;

/// Elements that one task takes.
const GRAIN: usize = 1 << 14;
/// Elements of a row that are added up before they are added to a wider sum.
const BLOCK: usize = 4096;
/// Rows of columns that are added up before they are added to wider sums.
const ROWS: usize = 64;
/// From this length on rows are long.
const LONG: usize = 32;
/// Columns that are taken side by side.
const TILE: usize = 256;

/// `[n, channels, inner]`.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    channels: usize,
    inner: usize,
}

impl Sizes {
    fn of(shape: &[usize]) -> Sizes {
        Sizes { n: shape[0], channels: shape[1], inner: numel(&shape[2..]) }
    }

    /// The number of elements of a channel.
    fn count(self) -> usize {
        self.n * self.inner
    }

    /// Where the rows of a channel begin.
    fn rows(self, channel: usize) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.n).map(move |i| (i * self.channels + channel) * self.inner)
    }

    /// Calls `f` for ranges of channels that make up a task, or a tile of one.
    fn share(self, f: impl Fn(Range<usize>) + Sync) {
        let worth = (GRAIN / self.count().max(1)).max(1);
        let grain = if self.inner >= LONG { worth } else { worth.max(16 / self.inner.max(1)).min(TILE / self.inner.max(1)) };
        par_chunks(self.channels, grain, f);
    }
}

/// Sums of a tile's columns, gathered to one for each channel.
fn per_channel(columns: &[f64], inner: usize) -> impl Iterator<Item = f64> {
    columns.chunks_exact(inner).map(|c| c.iter().sum())
}

/// Two sums for each channel of a tile, over blocks of rows: `f(first row, rows, a, b)` adds those rows to a and b.
fn column_sums<T: Exp>(n: usize, width: usize, mut f: impl FnMut(usize, usize, &mut [T], &mut [T])) -> ([f64; TILE], [f64; TILE]) {
    let (mut wide_a, mut wide_b) = ([0.0; TILE], [0.0; TILE]);
    for start in (0..n).step_by(ROWS) {
        let (mut a, mut b) = ([T::narrow(0.0); TILE], [T::narrow(0.0); TILE]);
        f(start, ROWS.min(n - start), &mut a[..width], &mut b[..width]);
        for j in 0..width {
            wide_a[j] += a[j].wide();
            wide_b[j] += b[j].wide();
        }
    }
    (wide_a, wide_b)
}

pub(super) fn forward<T: Exp>(inputs: &[Arg<'_>], outputs: &[Meta], eps: f64) -> Result<Storages> {
    let held = inputs.iter().map(InOrder::new).collect::<Result<smallvec::SmallVec<[InOrder<'_, '_>; 3]>>>()?;
    let x = held[0].values::<T>()?;
    let affine_parameters = if held.len() == 3 { Some((held[1].values::<T>()?, held[2].values::<T>()?)) } else { None };
    let sizes = Sizes::of(inputs[0].shape());
    let (mut y, mut mean, mut var) = (alloc::<T>(&outputs[0].shape)?, alloc::<T>(&outputs[1].shape)?, alloc::<T>(&outputs[2].shape)?);
    let ys = Shared::new(typed_mut::<T>(&mut y));
    let (means, vars) = (Shared::new(typed_mut::<T>(&mut mean)), Shared::new(typed_mut::<T>(&mut var)));
    let zero = T::narrow(0.0);
    // What is written for a channel, and with which numbers its elements are normalised: mean, scale, shift.
    let finish = |channel: usize, (m, v): (f64, f64)| -> (T, T, T) {
        // SAFETY: the task's own channel.
        unsafe {
            means.part(channel, 1)[0] = T::narrow(m);
            vars.part(channel, 1)[0] = T::narrow(v);
        }
        let (w, b) = affine_parameters.map_or((1.0, 0.0), |(w, b)| (w[channel].wide(), b[channel].wide()));
        let scale = w / (v + eps).sqrt();
        let rounded = T::narrow(m);
        (rounded, T::narrow(scale), T::narrow(b - (m - rounded.wide()) * scale))
    };
    sizes.share(|channels| {
        if sizes.inner >= LONG {
            for channel in channels {
                let first = sizes.rows(channel).next().map_or(&x[..0], |at| &x[at..at + sizes.inner]);
                let pivot = T::narrow(first.chunks(BLOCK).map(|c| moments(c, zero).0).sum::<f64>() / first.len().max(1) as f64);
                let (mut d, mut squares) = (0.0, 0.0);
                for at in sizes.rows(channel) {
                    for block in x[at..at + sizes.inner].chunks(BLOCK) {
                        let (a, b) = moments(block, pivot);
                        d += a;
                        squares += b;
                    }
                }
                let (m, scale, shift) = finish(channel, statistics(pivot.wide(), d, squares, sizes.count()));
                for at in sizes.rows(channel).rev() {
                    // SAFETY: the task's own channel.
                    affine(&x[at..at + sizes.inner], m, scale, shift, unsafe { ys.part(at, sizes.inner) });
                }
            }
            return;
        }
        let (inner, step) = (sizes.inner, sizes.channels * sizes.inner);
        let (at, width) = (channels.start * inner, channels.len() * inner);
        if width == 0 || sizes.n == 0 {
            channels.for_each(|c| {
                finish(c, (f64::NAN, f64::NAN));
            });
            return;
        }
        let mut pivots = [zero; TILE];
        for (p, first) in pivots[..width].chunks_mut(inner).zip(x[at..at + width].chunks(inner)) {
            p.fill(T::narrow(first.iter().map(|v| v.wide()).sum::<f64>() / inner as f64));
        }
        let (d, squares) = column_sums::<T>(sizes.n, width, |row, n, d, squares| {
            moments_columns(&x[at + row * step..], step, n, &pivots[..width], d, squares);
        });
        let (mut ms, mut scales, mut shifts) = ([zero; TILE], [zero; TILE], [zero; TILE]);
        let sums = per_channel(&d[..width], inner).zip(per_channel(&squares[..width], inner));
        for ((k, channel), (d, squares)) in channels.enumerate().zip(sums) {
            let (m, scale, shift) = finish(channel, statistics(pivots[k * inner].wide(), d, squares, sizes.count()));
            ms[k * inner..][..inner].fill(m);
            scales[k * inner..][..inner].fill(scale);
            shifts[k * inner..][..inner].fill(shift);
        }
        for i in 0..sizes.n {
            let at = at + i * step;
            // SAFETY: the task's own channels.
            affine_columns(&x[at..at + width], &ms, &scales, &shifts, unsafe { ys.part(at, width) });
        }
    });
    Ok(smallvec::smallvec![Storage::new(y), Storage::new(mean), Storage::new(var)])
}

pub(super) fn backward<T: Exp>(inputs: &[Arg<'_>], outputs: &[Meta], eps: f64) -> Result<Storages> {
    let held = inputs.iter().map(InOrder::new).collect::<Result<smallvec::SmallVec<[InOrder<'_, '_>; 5]>>>()?;
    let (g, x, mean, var) = (held[0].values::<T>()?, held[1].values::<T>()?, held[2].values::<T>()?, held[3].values::<T>()?);
    let weight = held.get(4).map(|w| w.values::<T>()).transpose()?;
    let sizes = Sizes::of(inputs[1].shape());
    let (mut dx, mut dw, mut db) = (alloc::<T>(&outputs[0].shape)?, alloc::<T>(&outputs[1].shape)?, alloc::<T>(&outputs[2].shape)?);
    let dxs = Shared::new(typed_mut::<T>(&mut dx));
    let (dws, dbs) = (Shared::new(typed_mut::<T>(&mut dw)), Shared::new(typed_mut::<T>(&mut db)));
    let zero = T::narrow(0.0);
    // From the sums of g and of g * (x - mean): dx = a (g - mean(g) - (x - mean) inv^2 mean(g (x - mean))), as `g a - (x - mean) b - c`.
    let finish = |channel: usize, (sum, product): (f64, f64)| -> [T; 3] {
        let inv = 1.0 / (var[channel].wide() + eps).sqrt();
        // SAFETY: the task's own channel.
        unsafe {
            dws.part(channel, 1)[0] = T::narrow(product * inv);
            dbs.part(channel, 1)[0] = T::narrow(sum);
        }
        let (a, n) = (weight.map_or(1.0, |w| w[channel].wide()) * inv, sizes.count() as f64);
        [T::narrow(a), T::narrow(a * inv * inv * product / n), T::narrow(a * sum / n)]
    };
    sizes.share(|channels| {
        if sizes.inner >= LONG {
            for channel in channels {
                let (mut sum, mut product) = (0.0, 0.0);
                for at in sizes.rows(channel) {
                    let row = at..at + sizes.inner;
                    for (g, x) in g[row.clone()].chunks(BLOCK).zip(x[row].chunks(BLOCK)) {
                        let (a, b) = products(g, x, mean[channel]);
                        sum += a;
                        product += b;
                    }
                }
                let abc = finish(channel, (sum, product));
                for at in sizes.rows(channel).rev() {
                    let row = at..at + sizes.inner;
                    // SAFETY: the task's own channel.
                    gradient(&g[row.clone()], &x[row], mean[channel], abc, unsafe { dxs.part(at, sizes.inner) });
                }
            }
            return;
        }
        let (inner, step) = (sizes.inner, sizes.channels * sizes.inner);
        let (at, width) = (channels.start * inner, channels.len() * inner);
        if width == 0 || sizes.n == 0 {
            channels.for_each(|c| {
                finish(c, (0.0, 0.0));
            });
            return;
        }
        let mut means = [zero; TILE];
        for (m, channel) in means[..width].chunks_mut(inner).zip(channels.clone()) {
            m.fill(mean[channel]);
        }
        let (sums, products) = column_sums::<T>(sizes.n, width, |row, n, sums, products| {
            let at = at + row * step;
            products_columns(&g[at..], &x[at..], step, n, &means[..width], sums, products);
        });
        let [mut a, mut b, mut c] = [[zero; TILE]; 3];
        let sums = per_channel(&sums[..width], inner).zip(per_channel(&products[..width], inner));
        for ((k, channel), sums) in channels.enumerate().zip(sums) {
            let abc = finish(channel, sums);
            for (all, one) in [&mut a, &mut b, &mut c].into_iter().zip(abc) {
                all[k * inner..][..inner].fill(one);
            }
        }
        for i in 0..sizes.n {
            let at = at + i * step;
            // SAFETY: the task's own channels.
            gradient_columns(&g[at..at + width], &x[at..at + width], &means, &a, &b, &c, unsafe { dxs.part(at, width) });
        }
    });
    Ok(smallvec::smallvec![Storage::new(dx), Storage::new(dw), Storage::new(db)])
}
