//! Normalisation of rows whose weight is a vector along the row: layer normalisation, RMS normalisation. A row is read again while it is in the cache.

use rushlight_backend::{Arg, Meta, Result, Storage, Storages};
use smallvec::SmallVec;

use super::channel::{affine, moments, products, two_sums};
use super::{InOrder, Shared, statistics};
use crate::buffer::{alloc, typed_mut};
use crate::pointwise::exp::Exp;
use crate::simd::dispatch;
use crate::threads::par_chunks;

/// Elements that one task takes.
pub(super) const GRAIN: usize = 1 << 14;
/// Elements of a row that are added up before they are added to a wider sum.
const BLOCK: usize = 4096;
/// At most as many partial sums of the weight's gradient are kept.
const PARTS: usize = 64;

#[inline(always)]
fn weighted_body<T: Exp, const FMA: bool>(x: &[T], mean: T, scale: T, w: &[T], b: &[T], out: &mut [T]) {
    let n = out.len();
    let (x, w, b) = (&x[..n], &w[..n], &b[..n]);
    for i in 0..n {
        out[i] = x[i].minus(mean).times(scale).times(w[i]).plus(b[i]);
    }
}

dispatch! {
    /// `(x - mean) * scale * w + b`.
    fn weighted<T: Exp>(x: &[T], mean: T, scale: T, w: &[T], b: &[T], out: &mut [T]) = weighted_body;
}

#[inline(always)]
fn scaled_body<T: Exp, const FMA: bool>(x: &[T], scale: T, w: &[T], out: &mut [T]) {
    let n = out.len();
    let (x, w) = (&x[..n], &w[..n]);
    for i in 0..n {
        out[i] = x[i].times(scale).times(w[i]);
    }
}

dispatch! {
    /// `x * scale * w`.
    fn scaled<T: Exp>(x: &[T], scale: T, w: &[T], out: &mut [T]) = scaled_body;
}

#[inline(always)]
fn weighted_products_body<T: Exp, const FMA: bool>(g: &[T], x: &[T], w: &[T], mean: T) -> (f64, f64) {
    two_sums([g, x, w], |[g, x, w]| [g.times(w), g.times(w).times(x.minus(mean))])
}

dispatch! {
    /// The sums of `g * w` and of `g * w * (x - mean)`.
    fn weighted_products<T: Exp>(g: &[T], x: &[T], w: &[T], mean: T) -> (f64, f64) = weighted_products_body;
}

#[inline(always)]
fn weighted_gradient_body<T: Exp, const FMA: bool>(g: &[T], x: &[T], w: &[T], mean: T, abc: [T; 3], out: &mut [T]) {
    let ([a, b, c], n) = (abc, out.len());
    let (g, x, w) = (&g[..n], &x[..n], &w[..n]);
    for i in 0..n {
        out[i] = g[i].times(w[i]).times(a).minus(x[i].minus(mean).times(b)).minus(c);
    }
}

dispatch! {
    /// `g * w * a - (x - mean) * b - c`.
    fn weighted_gradient<T: Exp>(g: &[T], x: &[T], w: &[T], mean: T, abc: [T; 3], out: &mut [T]) = weighted_gradient_body;
}

#[inline(always)]
fn add_products_body<T: Exp, const FMA: bool>(g: &[T], x: &[T], mean: T, scale: T, dw: &mut [T], db: &mut [T]) {
    let n = dw.len();
    let (g, x, db) = (&g[..n], &x[..n], &mut db[..n]);
    for i in 0..n {
        dw[i] = dw[i].plus(g[i].times(x[i].minus(mean).times(scale)));
        db[i] = db[i].plus(g[i]);
    }
}

dispatch! {
    /// `dw += g * (x - mean) * scale; db += g`.
    fn add_products<T: Exp>(g: &[T], x: &[T], mean: T, scale: T, dw: &mut [T], db: &mut [T]) = add_products_body;
}

/// Mean and biased variance of a row.
pub(super) fn row_statistics<T: Exp>(x: &[T]) -> (f64, f64) {
    let zero = T::narrow(0.0);
    let pivot = T::narrow(x.chunks(BLOCK).map(|c| moments(c, zero).0).sum::<f64>() / x.len() as f64);
    let (d, squares) = x.chunks(BLOCK).map(|c| moments(c, pivot)).fold((0.0, 0.0), |s, m| (s.0 + m.0, s.1 + m.1));
    statistics(pivot.wide(), d, squares, x.len())
}

/// Layer normalisation of the groups of `[n, channels]`: y, means, factors. `groups` rows share the weight, each has its part of it.
pub(super) fn forward<T: Exp>(x: &[T], affine_by: Option<(&[T], &[T])>, groups: usize, channels: usize, eps: f64, out: [&Shared<T>; 3]) {
    let (len, zero) = (channels / groups, T::narrow(0.0));
    let [ys, means, factors] = out;
    par_chunks(x.len() / len, (GRAIN / len).max(1), |rows| {
        for row in rows {
            let x = &x[row * len..][..len];
            let (m, v) = row_statistics(x);
            let (m, scale) = (T::narrow(m), T::narrow(1.0 / (v + eps).sqrt()));
            // SAFETY: the task's own rows.
            let y = unsafe {
                means.part(row, 1)[0] = m;
                factors.part(row, 1)[0] = scale;
                ys.part(row * len, len)
            };
            match affine_by {
                Some((w, b)) => {
                    let at = row % groups * len;
                    weighted(x, m, scale, &w[at..at + len], &b[at..at + len], y);
                }
                None => affine(x, m, scale, zero, y),
            }
        }
    });
}

/// A row of the gradient: its inputs, and what they are normalised with. Without a mean the normalisation is that of RMS.
struct Row<'a, T> {
    g: &'a [T],
    x: &'a [T],
    w: Option<&'a [T]>,
    mean: Option<T>,
    scale: T,
}

impl<T: Exp> Row<'_, T> {
    fn gradient(&self, out: &mut [T]) {
        let (n, r, mean) = (self.g.len() as f64, self.scale.wide(), self.mean.unwrap_or(T::narrow(0.0)));
        let (mut sum, mut product) = (0.0, 0.0);
        for start in (0..self.g.len()).step_by(BLOCK) {
            let part = start..(start + BLOCK).min(self.g.len());
            let (g, x) = (&self.g[part.clone()], &self.x[part.clone()]);
            let (a, b) = match self.w {
                Some(w) => weighted_products(g, x, &w[part], mean),
                None => products(g, x, mean),
            };
            sum += a;
            product += b;
        }
        let c = if self.mean.is_some() { r * sum / n } else { 0.0 };
        let abc = [self.scale, T::narrow(r * r * r * product / n), T::narrow(c)];
        match self.w {
            Some(w) => weighted_gradient(self.g, self.x, w, mean, abc, out),
            None => super::channel::gradient(self.g, self.x, mean, abc, out),
        }
    }
}

/// The gradient of [`forward`] for `[n, channels]`, or of RMS normalisation where there are no means: dx, and with a weight also dw and db.
pub(super) fn backward<T: Exp>(
    [g, x, factors]: [&[T]; 3],
    means: Option<&[T]>,
    w: Option<&[T]>,
    groups: usize,
    channels: usize,
    dx: &Shared<T>,
    sums: Option<(&mut [T], &mut [T])>,
) -> Result<()> {
    let (len, zero) = (channels / groups, T::narrow(0.0));
    let items = g.len() / channels;
    // Items are cut into parts by shape, each with its own sums, which are added up in order.
    let grain = (GRAIN / channels).max(items.div_ceil(PARTS)).max(1);
    let parts = items.div_ceil(grain);
    let mut memory = alloc::<T>(&[if sums.is_some() { parts * 2 * channels } else { 0 }])?;
    let partial = typed_mut::<T>(&mut memory);
    partial.fill(zero);
    let shared = Shared::new(partial);
    let with_sums = sums.is_some();
    par_chunks(items, grain, |items| {
        let part = items.start / grain;
        // SAFETY: the task's own part.
        let (dw, db) = unsafe { shared.part(if with_sums { part * 2 * channels } else { 0 }, if with_sums { 2 * channels } else { 0 }) }
            .split_at_mut(if with_sums { channels } else { 0 });
        for row in items.start * groups..items.end * groups {
            let (at, own) = (row * len, row % groups * len..(row % groups + 1) * len);
            let row_of = Row {
                g: &g[at..at + len],
                x: &x[at..at + len],
                w: w.map(|w| &w[own.clone()]),
                mean: means.map(|m| m[row]),
                scale: factors[row],
            };
            // SAFETY: the task's own rows.
            row_of.gradient(unsafe { dx.part(at, len) });
            if with_sums {
                add_products(row_of.g, row_of.x, row_of.mean.unwrap_or(zero), row_of.scale, &mut dw[own.clone()], &mut db[own]);
            }
        }
    });
    if let Some((dw, db)) = sums {
        let mut totals = vec![0.0; 2 * channels];
        for part in partial.chunks_exact(2 * channels) {
            totals.iter_mut().zip(part).for_each(|(t, p)| *t += p.wide());
        }
        dw.iter_mut().chain(db.iter_mut()).zip(totals).for_each(|(o, t)| *o = T::narrow(t));
    }
    Ok(())
}

pub(super) fn rms_forward<T: Exp>(inputs: &[Arg<'_>], outputs: &[Meta], eps: f64) -> Result<Storages> {
    let held = inputs.iter().map(InOrder::new).collect::<Result<SmallVec<[InOrder<'_, '_>; 2]>>>()?;
    let x = held[0].values::<T>()?;
    let w = held.get(1).map(|w| w.values::<T>()).transpose()?;
    let (rows, len) = (inputs[0].shape()[0], inputs[0].shape()[1]);
    let (mut y, mut factors) = (alloc::<T>(&outputs[0].shape)?, alloc::<T>(&outputs[1].shape)?);
    let (ys, rs) = (Shared::new(typed_mut::<T>(&mut y)), Shared::new(typed_mut::<T>(&mut factors)));
    let zero = T::narrow(0.0);
    par_chunks(rows, (GRAIN / len.max(1)).max(1), |rows| {
        for row in rows {
            let x = &x[row * len..][..len];
            let squares: f64 = x.chunks(BLOCK).map(|c| moments(c, zero).1).sum();
            let scale = T::narrow(1.0 / (squares / len as f64 + eps).sqrt());
            // SAFETY: the task's own rows.
            let y = unsafe {
                rs.part(row, 1)[0] = scale;
                ys.part(row * len, len)
            };
            match w {
                Some(w) => scaled(x, scale, w, y),
                None => affine(x, zero, scale, zero, y),
            }
        }
    });
    Ok(smallvec::smallvec![Storage::new(y), Storage::new(factors)])
}

pub(super) fn rms_backward<T: Exp>(inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    let held = inputs.iter().map(InOrder::new).collect::<Result<SmallVec<[InOrder<'_, '_>; 4]>>>()?;
    let w = held.get(3).map(|w| w.values::<T>()).transpose()?;
    let len = inputs[1].shape()[1];
    let mut dx = alloc::<T>(&outputs[0].shape)?;
    let mut storages = Storages::new();
    let mut dw = alloc::<T>(&[if w.is_some() { len } else { 0 }])?;
    let mut db = alloc::<T>(&[if w.is_some() { len } else { 0 }])?;
    typed_mut::<T>(&mut dw).fill(T::narrow(0.0));
    if len > 0 {
        let sums = w.is_some().then(|| (typed_mut::<T>(&mut dw), typed_mut::<T>(&mut db)));
        let tensors = [held[0].values::<T>()?, held[1].values::<T>()?, held[2].values::<T>()?];
        backward(tensors, None, w, 1, len, &Shared::new(typed_mut::<T>(&mut dx)), sums)?;
    }
    storages.push(Storage::new(dx));
    if w.is_some() {
        storages.push(Storage::new(dw));
    }
    Ok(storages)
}
