//! Places of extrema along one dimension: the first of equals, and the first NaN if there is one.

use rushlight_backend::Layout;

use super::block::{BLOCK, rows};
use super::kernel::{Extreme, Kernel, Ordered, beats, is_nan};
use super::plan::layout;
use crate::simd::dispatch;
use crate::walk::{Walk, par_pieces};

const GRAIN: usize = 32 * 1024;
/// Columns that are compared side by side.
const TILE: usize = 256;

/// Finds the place of the extremum of each row along `dim`, and its value if wanted. The dimension is not empty.
pub(super) fn run<T: Ordered, const MAX: bool>(x: &[T], l: &Layout, dim: usize, places: &mut [i64], values: Option<&mut [T]>) {
    // A 0-d tensor counts as having one dimension of one element.
    let (n, stride) = if l.rank() == 0 { (1, 1) } else { (l.shape()[dim], l.strides()[dim]) };
    let kept = (0..l.rank()).filter(|&d| d != dim).map(|d| (l.shape()[d], l.strides()[d]));
    let kept = layout(kept, l.offset());
    let walk = Walk::new(kept.shape(), [&kept]);
    let columns = stride != 1 && walk.inner()[0] == 1 && n > 1 && u32::try_from(n).is_ok();
    if n >= 4 * BLOCK && places.len() < 16 && stride == 1 {
        for (i, p) in places.iter_mut().enumerate() {
            walk.rows(i..i + 1, |_, _, [offset]| *p = long::<T, MAX>(&x[offset as usize..][..n]) as i64);
        }
    } else {
        par_pieces(places, (GRAIN / n).max(1), |start, places| {
            walk.rows(start..start + places.len(), |at, len, [offset]| {
                let places = &mut places[at - start..][..len];
                if columns {
                    for (t, places) in places.chunks_mut(TILE).enumerate() {
                        down::<T, MAX>(x, offset as usize + t * TILE, stride, n, places);
                    }
                    return;
                }
                for (i, p) in places.iter_mut().enumerate() {
                    let first = offset + i as isize * walk.inner()[0];
                    *p = if stride == 1 {
                        along::<T, MAX>(&x[first as usize..][..n]) as i64
                    } else {
                        steps::<T, MAX>(x, first, stride, n) as i64
                    };
                }
            });
        });
    }
    if let Some(values) = values {
        let places = &*places;
        par_pieces(values, GRAIN, |start, values| {
            walk.rows(start..start + values.len(), |at, len, [offset]| {
                for (i, v) in values[at - start..][..len].iter_mut().enumerate() {
                    *v = x[(offset + i as isize * walk.inner()[0] + places[at + i] as isize * stride) as usize];
                }
            });
        });
    }
}

/// The extremum of elements that lie side by side.
fn best_of<T: Ordered, const MAX: bool>(x: &[T]) -> T::Key {
    let mut best = [Extreme::<T, MAX>::IDENTITY];
    rows::<Extreme<T, MAX>>(x, 0, 0, x.len(), &[()], &mut best);
    best[0]
}

#[inline(always)]
fn find_body<T: Ordered, const FMA: bool>(x: &[T], key: T::Key) -> usize {
    let hit = |x: T| (x.key() == key) | (is_nan(key) & is_nan(x.key()));
    let mut start = 0;
    for chunk in x.chunks(64) {
        if chunk.iter().fold(false, |any, &x| any | hit(x)) {
            return start + chunk.iter().position(|&x| hit(x)).unwrap_or(0);
        }
        start += chunk.len();
    }
    0
}

dispatch! {
    fn hot_find<T: Ordered>(x: &[T], key: T::Key) -> usize = find_body;
}

/// The first place of an element with this key (or of a NaN, if it is one).
fn find<T: Ordered>(x: &[T], key: T::Key) -> usize {
    if T::HOT { hot_find(x, key) } else { find_body::<T, false>(x, key) }
}

/// Elements side by side: the extremum of each block, and the place within the best block.
fn along<T: Ordered, const MAX: bool>(x: &[T]) -> usize {
    let (mut best, mut block) = (best_of::<T, MAX>(&x[..x.len().min(BLOCK)]), 0);
    for (b, chunk) in x.chunks(BLOCK).enumerate().skip(1) {
        let key = best_of::<T, MAX>(chunk);
        if !is_nan(best) && beats::<T::Key, MAX>(key, best) {
            (best, block) = (key, b);
        }
    }
    block * BLOCK + find(&x[block * BLOCK..x.len().min((block + 1) * BLOCK)], best)
}

/// The same on all threads.
fn long<T: Ordered, const MAX: bool>(x: &[T]) -> usize {
    let mut parts = vec![0usize; x.len().div_ceil(GRAIN)];
    par_pieces(&mut parts, 1, |i, part| {
        let start = i * GRAIN;
        part[0] = start + along::<T, MAX>(&x[start..x.len().min(start + GRAIN)]);
    });
    parts.into_iter().fold(0, |best, p| {
        let (a, b) = (x[p].key(), x[best].key());
        if !is_nan(b) && beats::<T::Key, MAX>(a, b) { p } else { best }
    })
}

/// Elements at any distance.
fn steps<T: Ordered, const MAX: bool>(x: &[T], first: isize, stride: isize, n: usize) -> usize {
    let key = |i: usize| x[(first + i as isize * stride) as usize].key();
    let (mut best, mut place) = (key(0), 0);
    for i in 1..n {
        let k = key(i);
        if !is_nan(best) && beats::<T::Key, MAX>(k, best) {
            (best, place) = (k, i);
        }
    }
    place
}

#[inline(always)]
fn down_body<T: Ordered, const FMA: bool>(x: &[T], at: usize, stride: isize, n: usize, max: bool, places: &mut [i64]) {
    let width = places.len();
    let line = |i: usize| &x[(at as isize + i as isize * stride) as usize..][..width];
    let mut best = [T::Key::default(); TILE];
    let mut place = [0u32; TILE];
    let (best, place) = (&mut best[..width], &mut place[..width]);
    for (b, &x) in best.iter_mut().zip(line(0)) {
        *b = x.key();
    }
    for i in 1..n {
        let line = line(i);
        for j in 0..width {
            let (k, b) = (line[j].key(), best[j]);
            let better = !is_nan(b) & ((max & (k > b)) | (!max & (k < b)) | is_nan(k));
            best[j] = if better { k } else { b };
            place[j] = if better { i as u32 } else { place[j] };
        }
    }
    for (p, &i) in places.iter_mut().zip(&*place) {
        *p = i64::from(i);
    }
}

dispatch! {
    fn hot_down<T: Ordered>(x: &[T], at: usize, stride: isize, n: usize, max: bool, places: &mut [i64]) = down_body;
}

/// Columns, all at once, for as many results as there are places (up to a tile).
fn down<T: Ordered, const MAX: bool>(x: &[T], at: usize, stride: isize, n: usize, places: &mut [i64]) {
    if T::HOT { hot_down(x, at, stride, n, MAX, places) } else { down_body::<T, false>(x, at, stride, n, MAX, places) }
}
