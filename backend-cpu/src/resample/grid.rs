//! Sampling at the points of a grid. The elements around some points and their weights are found once and used for all channels.

use rushlight_backend::op::{GridMode, GridPadding, GridSample};
use rushlight_backend::{Arg, Meta, Result, Storage, Storages, numel};
use smallvec::SmallVec;

use super::{inner, outer};
use crate::buffer::{alloc, typed_mut};
use crate::pointwise::exp::Exp;
use crate::pool::dense;
use crate::threads::par_for;
use crate::walk::Shared;

/// Points that are taken at a time.
const POINTS: usize = 256;
/// Channels whose gradients one task adds up.
const CHANNELS: usize = 8;

/// An element along one dimension: its place if it lies inside, its weight, and the weight's derivative with respect to the grid's coordinate.
#[derive(Clone, Copy)]
struct Tap {
    at: Option<usize>,
    w: f64,
    dw: f64,
}

/// An element around a point, over all dimensions.
struct Element<T> {
    at: usize,
    w: T,
    dw: [T; 3],
}

/// Inputs in row-major order, and their sizes.
struct Problem<'a, T> {
    with: GridSample,
    x: &'a [T],
    grid: &'a [T],
    n: usize,
    channels: usize,
    sizes: SmallVec<[usize; 3]>,
    plane: usize,
    points: usize,
    single: bool,
}

fn slope_inner(x: f64, a: f64) -> f64 {
    (3.0 * (a + 2.0) * x - 2.0 * (a + 3.0)) * x
}

fn slope_outer(x: f64, a: f64) -> f64 {
    (3.0 * a * x - 10.0 * a) * x + 8.0 * a
}

impl<'a, T: Exp> Problem<'a, T> {
    fn new(with: &GridSample, x: &'a [T], grid: &'a [T], shape: &[usize], grid_shape: &[usize]) -> Problem<'a, T> {
        let rank = shape.len() - 2;
        Problem {
            with: *with,
            x,
            grid,
            n: shape[0],
            channels: shape[1],
            sizes: shape[2..].into(),
            plane: numel(&shape[2..]),
            points: numel(&grid_shape[1..=rank]),
            single: size_of::<T>() == 4,
        }
    }

    fn round(&self, x: f64) -> f64 {
        if self.single { f64::from(x as f32) } else { x }
    }

    /// Where a coordinate lies after padding, and the derivative.
    fn padded(&self, x: f64, n: usize) -> (f64, f64) {
        let last = n as f64 - 1.0;
        let limited = |x: f64| if x > 0.0 && x < last { (x, 1.0) } else { (x.clamp(0.0, last), 0.0) };
        match self.with.padding {
            GridPadding::Zeros => (x, 1.0),
            GridPadding::Border => limited(x),
            GridPadding::Reflection => {
                let (low, span) = if self.with.align_corners { (0.0, last) } else { (-0.5, n as f64) };
                if span == 0.0 {
                    return (0.0, 0.0);
                }
                let away = self.round(x - low).abs();
                let turns = self.round(away / span).floor();
                let rest = self.round(away - turns * span);
                let odd = turns.rem_euclid(2.0) == 1.0;
                let side = if x < low { -1.0 } else { 1.0 };
                let (x, d) = limited(self.round(if odd { span - rest } else { rest } + low));
                (x, if odd { -d * side } else { d * side })
            }
        }
    }

    /// Calls `f` with the elements along a dimension for a coordinate from -1 to 1.
    fn taps(&self, x: f64, n: usize) -> SmallVec<[Tap; 4]> {
        let size = n as f64;
        let (x, scale) = if self.with.align_corners {
            (self.round(self.round(x + 1.0) * self.round((size - 1.0) / 2.0)), (size - 1.0) / 2.0)
        } else {
            (self.round(self.round(self.round(x + 1.0) * size) - 1.0) * 0.5, size / 2.0)
        };
        let inside = |i: f64| (i >= 0.0 && i <= size - 1.0).then_some(i as usize);
        // Where padding fills everything a coordinate that is no number counts as 0.
        let held = |i: f64| if self.with.padding == GridPadding::Zeros { inside(i) } else { Some((i.clamp(0.0, size - 1.0)) as usize) };
        match self.with.mode {
            GridMode::Nearest => smallvec::smallvec![Tap { at: held(self.padded(x, n).0.round_ties_even()), w: 1.0, dw: 0.0 }],
            GridMode::Bilinear => {
                let (x, slope) = self.padded(x, n);
                let first = x.floor();
                let part = self.round(x - first);
                smallvec::smallvec![
                    Tap { at: inside(first), w: self.round(1.0 - part), dw: -slope * scale },
                    Tap { at: inside(first + 1.0), w: part, dw: slope * scale }
                ]
            }
            GridMode::Bicubic => {
                let (first, a) = (x.floor(), -0.75);
                let t = self.round(x - first);
                let weights = [
                    (outer(t + 1.0, a), slope_outer(t + 1.0, a)),
                    (inner(t, a), slope_inner(t, a)),
                    (inner(1.0 - t, a), -slope_inner(1.0 - t, a)),
                    (outer(2.0 - t, a), -slope_outer(2.0 - t, a)),
                ];
                let tap = |(k, (w, dw)): (usize, (f64, f64))| Tap { at: held(self.padded(first + k as f64 - 1.0, n).0), w, dw: dw * scale };
                weights.into_iter().enumerate().map(tap).collect()
            }
        }
    }

    /// The elements around a point of an item that lie inside.
    fn elements(&self, item: usize, point: usize, out: &mut Vec<Element<T>>) {
        let rank = self.sizes.len();
        let coordinates = &self.grid[(item * self.points + point) * rank..][..rank];
        // The last coordinate belongs to the first dimension; missing dimensions have one element.
        let taps: [SmallVec<[Tap; 4]>; 3] = std::array::from_fn(|d| match (d + rank).checked_sub(3) {
            Some(own) => self.taps(coordinates[rank - 1 - own].wide(), self.sizes[own]),
            None => smallvec::smallvec![Tap { at: Some(0), w: 1.0, dw: 0.0 }],
        });
        let size = |d: usize| (d + rank).checked_sub(3).map_or(1, |own| self.sizes[own]);
        for a in &taps[0] {
            for b in &taps[1] {
                for c in &taps[2] {
                    let (Some(i), Some(j), Some(k)) = (a.at, b.at, c.at) else { continue };
                    out.push(Element {
                        at: (i * size(1) + j) * size(2) + k,
                        w: T::narrow(a.w * b.w * c.w),
                        dw: [T::narrow(a.dw * b.w * c.w), T::narrow(a.w * b.dw * c.w), T::narrow(a.w * b.w * c.dw)],
                    });
                }
            }
        }
    }

    /// Calls `f(point, elements)` for some points of an item.
    fn each(&self, item: usize, points: std::ops::Range<usize>, mut f: impl FnMut(usize, &[Element<T>])) {
        let mut elements = Vec::new();
        for point in points {
            elements.clear();
            self.elements(item, point, &mut elements);
            f(point, &elements);
        }
    }
}

pub(super) fn forward<T: Exp>(with: &GridSample, inputs: &[Arg<'_>], out: &Meta) -> Result<Storages> {
    let (mut copy_x, mut copy_grid) = (None, None);
    let (x, grid) = (dense::<T>(&inputs[0], &mut copy_x)?, dense::<T>(&inputs[1], &mut copy_grid)?);
    let p = Problem::new(with, x, grid, inputs[0].shape(), inputs[1].shape());
    let mut buffer = alloc::<T>(&out.shape)?;
    let y = Shared(typed_mut::<T>(&mut buffer).as_mut_ptr());
    let blocks = p.points.div_ceil(POINTS);
    par_for(p.n * blocks, |task| {
        let (y, item, start) = (&y, task / blocks, task % blocks * POINTS);
        p.each(item, start..(start + POINTS).min(p.points), |point, elements| {
            for channel in 0..p.channels {
                let plane = &p.x[(item * p.channels + channel) * p.plane..][..p.plane];
                let sum = elements.iter().fold(T::narrow(0.0), |s, e| s.plus(plane[e.at].times(e.w)));
                // SAFETY: this task's points, in a result of n * channels * points elements.
                unsafe { *y.0.add((item * p.channels + channel) * p.points + point) = sum };
            }
        });
    });
    Ok(smallvec::smallvec![Storage::new(buffer)])
}

pub(super) fn backward<T: Exp>(with: &GridSample, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    let (mut copy_g, mut copy_x, mut copy_grid) = (None, None, None);
    let g = dense::<T>(&inputs[0], &mut copy_g)?;
    let (x, grid) = (dense::<T>(&inputs[1], &mut copy_x)?, dense::<T>(&inputs[2], &mut copy_grid)?);
    let p = Problem::new(with, x, grid, inputs[1].shape(), inputs[2].shape());
    let (mut dx, mut dgrid) = (alloc::<T>(&outputs[0].shape)?, alloc::<T>(&outputs[1].shape)?);
    let zero = T::narrow(0.0);
    // Planes are added to by one task each.
    let groups = p.channels.div_ceil(CHANNELS);
    let planes = Shared(typed_mut::<T>(&mut dx).as_mut_ptr());
    par_for(p.n * groups, |task| {
        let (planes, item, first) = (&planes, task / groups, task % groups * CHANNELS);
        let channels = CHANNELS.min(p.channels - first);
        let at = item * p.channels + first;
        // SAFETY: this task's planes, in a result of n * channels planes.
        let dx = unsafe { std::slice::from_raw_parts_mut(planes.0.add(at * p.plane), channels * p.plane) };
        dx.fill(zero);
        p.each(item, 0..p.points, |point, elements| {
            for (c, dx) in dx.chunks_exact_mut(p.plane).enumerate() {
                let g = g[(at + c) * p.points + point];
                elements.iter().for_each(|e| dx[e.at] = dx[e.at].plus(g.times(e.w)));
            }
        });
    });
    let rank = p.sizes.len();
    let coordinates = Shared(typed_mut::<T>(&mut dgrid).as_mut_ptr());
    let blocks = p.points.div_ceil(POINTS);
    par_for(p.n * blocks, |task| {
        let (coordinates, item, start) = (&coordinates, task / blocks, task % blocks * POINTS);
        p.each(item, start..(start + POINTS).min(p.points), |point, elements| {
            let mut sums = [zero; 3];
            for channel in item * p.channels..(item + 1) * p.channels {
                let (g, plane) = (g[channel * p.points + point], &p.x[channel * p.plane..][..p.plane]);
                for e in elements {
                    let along = g.times(plane[e.at]);
                    (0..3).for_each(|d| sums[d] = sums[d].plus(along.times(e.dw[d])));
                }
            }
            // SAFETY: this task's points, in a result of n * points * rank elements.
            let to = unsafe { std::slice::from_raw_parts_mut(coordinates.0.add((item * p.points + point) * rank), rank) };
            to.iter_mut().enumerate().for_each(|(i, to)| *to = sums[2 - i]);
        });
    });
    Ok(smallvec::smallvec![Storage::new(dx), Storage::new(dgrid)])
}
