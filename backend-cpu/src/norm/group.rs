//! Group normalisation. A task takes some groups through all passes. Where channels have no further dimensions, groups are rows: see `row`.

use rushlight_backend::{Arg, Meta, Result, Storage, Storages, numel};
use smallvec::SmallVec;

use super::channel::{affine, gradient, products};
use super::row::{self, GRAIN, row_statistics};
use super::{InOrder, Shared};
use crate::buffer::{alloc, typed_mut};
use crate::pointwise::exp::Exp;
use crate::threads::par_chunks;

/// Elements of a channel that are added up before they are added to a wider sum.
const BLOCK: usize = 4096;

pub(super) fn forward<T: Exp>(inputs: &[Arg<'_>], outputs: &[Meta], groups: usize, eps: f64) -> Result<Storages> {
    let held = inputs.iter().map(InOrder::new).collect::<Result<SmallVec<[InOrder<'_, '_>; 3]>>>()?;
    let x = held[0].values::<T>()?;
    let affine_by = if held.len() == 3 { Some((held[1].values::<T>()?, held[2].values::<T>()?)) } else { None };
    let shape = inputs[0].shape();
    let (channels, inner) = (shape[1], numel(&shape[2..]));
    let (mut y, mut mean, mut factor) = (alloc::<T>(&outputs[0].shape)?, alloc::<T>(&outputs[1].shape)?, alloc::<T>(&outputs[2].shape)?);
    let ys = Shared::new(typed_mut::<T>(&mut y));
    let (means, factors) = (Shared::new(typed_mut::<T>(&mut mean)), Shared::new(typed_mut::<T>(&mut factor)));
    if inner == 1 {
        row::forward(x, affine_by, groups, channels, eps, [&ys, &means, &factors]);
    } else {
        let (of_group, zero) = (channels / groups, T::narrow(0.0));
        let len = of_group * inner;
        par_chunks(shape[0] * groups, (GRAIN / len).max(1), |all| {
            for group in all {
                let x = &x[group * len..][..len];
                let (m, v) = row_statistics(x);
                let (m, scale) = (T::narrow(m), T::narrow(1.0 / (v + eps).sqrt()));
                // SAFETY: the task's own groups.
                let y = unsafe {
                    means.part(group, 1)[0] = m;
                    factors.part(group, 1)[0] = scale;
                    ys.part(group * len, len)
                };
                match affine_by {
                    Some((w, b)) => {
                        let first = group % groups * of_group;
                        for (c, (x, y)) in x.chunks_exact(inner).zip(y.chunks_exact_mut(inner)).enumerate() {
                            affine(x, m, scale.times(w[first + c]), b[first + c], y);
                        }
                    }
                    None => affine(x, m, scale, zero, y),
                }
            }
        });
    }
    Ok(smallvec::smallvec![Storage::new(y), Storage::new(mean), Storage::new(factor)])
}

pub(super) fn backward<T: Exp>(inputs: &[Arg<'_>], outputs: &[Meta], groups: usize) -> Result<Storages> {
    let held = inputs.iter().map(InOrder::new).collect::<Result<SmallVec<[InOrder<'_, '_>; 5]>>>()?;
    let (g, x, means, factors) = (held[0].values::<T>()?, held[1].values::<T>()?, held[2].values::<T>()?, held[3].values::<T>()?);
    let w = held.get(4).map(|w| w.values::<T>()).transpose()?;
    let shape = inputs[1].shape();
    let (n, channels, inner) = (shape[0], shape[1], numel(&shape[2..]));
    let mut dx = alloc::<T>(&outputs[0].shape)?;
    let kept = if w.is_some() { channels } else { 0 };
    let (mut dw, mut db) = (alloc::<T>(&[kept])?, alloc::<T>(&[kept])?);
    let dxs = Shared::new(typed_mut::<T>(&mut dx));
    if inner == 1 {
        let sums = w.is_some().then(|| (typed_mut::<T>(&mut dw), typed_mut::<T>(&mut db)));
        row::backward([g, x, factors], Some(means), w, groups, channels, &dxs, sums)?;
    } else {
        // For each channel of each item: the sums of g and of g * (x - mean).
        let mut sums = vec![(0.0, 0.0); n * channels];
        let all_sums = Shared::new(&mut sums);
        let of_group = channels / groups;
        let len = of_group * inner;
        par_chunks(n * groups, (GRAIN / len).max(1), |all| {
            for group in all {
                let (m, r, first) = (means[group], factors[group].wide(), group % groups * of_group);
                let weight = |c: usize| w.map_or(1.0, |w| w[first + c].wide());
                // SAFETY: the task's own groups.
                let (sums, dx) = unsafe { (all_sums.part(group * of_group, of_group), dxs.part(group * len, len)) };
                let (g, x) = (&g[group * len..][..len], &x[group * len..][..len]);
                let (mut sum, mut product) = (0.0, 0.0);
                for (c, (g, x)) in g.chunks_exact(inner).zip(x.chunks_exact(inner)).enumerate() {
                    let parts = g.chunks(BLOCK).zip(x.chunks(BLOCK)).map(|(g, x)| products(g, x, m));
                    sums[c] = parts.fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
                    sum += weight(c) * sums[c].0;
                    product += weight(c) * sums[c].1;
                }
                let (b, c) = (T::narrow(r * r * r * product / len as f64), T::narrow(r * sum / len as f64));
                let planes = g.chunks_exact(inner).zip(x.chunks_exact(inner)).zip(dx.chunks_exact_mut(inner));
                for (i, ((g, x), dx)) in planes.enumerate() {
                    gradient(g, x, m, [T::narrow(r * weight(i)), b, c], dx);
                }
            }
        });
        if w.is_some() {
            for (c, (dw, db)) in typed_mut::<T>(&mut dw).iter_mut().zip(typed_mut::<T>(&mut db)).enumerate() {
                let of_item = |i: usize| (sums[i * channels + c], factors[i * groups + c / of_group].wide());
                *dw = T::narrow((0..n).map(of_item).map(|(s, r)| s.1 * r).sum());
                *db = T::narrow((0..n).map(of_item).map(|(s, _)| s.0).sum());
            }
        }
    }
    let mut storages = Storages::new();
    storages.push(Storage::new(dx));
    if w.is_some() {
        storages.push(Storage::new(dw));
        storages.push(Storage::new(db));
    }
    Ok(storages)
}
