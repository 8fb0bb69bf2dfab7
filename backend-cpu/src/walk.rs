//! The shared iteration over operands that are broadcast or strided.
//!
//! Results are contiguous, so an iteration is over their flat index. [`Walk`] holds, for each operand, the strides along the
//! dimensions of the result, after those of size 1 are dropped and those that all operands step through evenly are merged.

use std::ops::Range;

use rushlight_backend::Layout;
use smallvec::SmallVec;

use crate::threads::par_for;

/// One dimension: its size, and each operand's stride along it (0 where the operand is broadcast).
pub(crate) type Dim<const N: usize> = (usize, [isize; N]);

/// How `N` operands are read while a result is written in order.
pub(crate) struct Walk<const N: usize> {
    /// The innermost dimension.
    row: Dim<N>,
    /// The others, outermost first.
    outer: SmallVec<[Dim<N>; 4]>,
    start: [isize; N],
    total: usize,
}

impl<const N: usize> Walk<N> {
    /// The walk over a result of this shape, to which the layouts broadcast.
    pub(crate) fn new(shape: &[usize], layouts: [&Layout; N]) -> Walk<N> {
        let mut dims: SmallVec<[Dim<N>; 4]> = SmallVec::new();
        for (d, &size) in shape.iter().enumerate() {
            if size == 1 {
                continue;
            }
            let mut strides = [0; N];
            for (s, l) in strides.iter_mut().zip(layouts) {
                if let Some(own) = (d + l.rank()).checked_sub(shape.len())
                    && l.shape()[own] != 1
                {
                    *s = l.strides()[own];
                }
            }
            match dims.last_mut() {
                Some((n, outer)) if (0..N).all(|k| outer[k] == strides[k] * size as isize) => {
                    *n *= size;
                    *outer = strides;
                }
                _ => dims.push((size, strides)),
            }
        }
        let row = dims.pop().unwrap_or((1, [0; N]));
        Walk { row, outer: dims, start: layouts.map(|l| l.offset() as isize), total: shape.iter().product() }
    }

    /// The number of elements of the result.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// The length of a row.
    pub(crate) fn row_len(&self) -> usize {
        self.row.0
    }

    /// The operands' strides within a row.
    pub(crate) fn inner(&self) -> [isize; N] {
        self.row.1
    }

    /// The dimensions but the innermost, outermost first.
    pub(crate) fn outer(&self) -> &[Dim<N>] {
        &self.outer
    }

    /// Whether operand `k` is one element, repeated.
    pub(crate) fn is_one(&self, k: usize) -> bool {
        self.row.1[k] == 0 && self.outer.iter().all(|d| d.1[k] == 0)
    }

    /// Whether operand `k` lies in the order of the result, without gaps.
    pub(crate) fn is_flat(&self, k: usize) -> bool {
        let mut step = 1;
        std::iter::once(&self.row).chain(self.outer.iter().rev()).all(|d| {
            let fits = d.1[k] == step || d.0 == 1;
            step *= d.0 as isize;
            fits
        })
    }

    /// Where operand `k` begins.
    pub(crate) fn start(&self, k: usize) -> usize {
        self.start[k] as usize
    }

    /// Calls `f(at, len, offsets)` for every (piece of a) row that makes up a range of flat indices of the result: it begins at
    /// flat index `at`, and each operand's first element lies at its offset.
    #[inline]
    pub(crate) fn rows(&self, range: Range<usize>, mut f: impl FnMut(usize, usize, [isize; N])) {
        let (mut at, end) = (range.start, range.end);
        if at >= end {
            return;
        }
        // The coordinates of the first element, from the inside.
        let (row, inner) = self.row;
        let mut rest = at / row;
        let mut within = at % row;
        let mut coords: SmallVec<[usize; 4]> = SmallVec::from_elem(0, self.outer.len());
        let mut offsets = self.start;
        for (c, (size, strides)) in coords.iter_mut().zip(&self.outer).rev() {
            *c = rest % size;
            rest /= size;
            for k in 0..N {
                offsets[k] += *c as isize * strides[k];
            }
        }
        loop {
            let len = (row - within).min(end - at);
            f(at, len, std::array::from_fn(|k| offsets[k] + within as isize * inner[k]));
            at += len;
            if at >= end {
                return;
            }
            within = 0;
            for (c, (size, strides)) in coords.iter_mut().zip(&self.outer).rev() {
                *c += 1;
                let back = if *c == *size { *size as isize } else { 0 };
                for k in 0..N {
                    offsets[k] += strides[k] - back * strides[k];
                }
                if back == 0 {
                    break;
                }
                *c = 0;
            }
        }
    }

    /// Copies operand `k`'s elements at a range of flat indices to `into`.
    pub(crate) fn gather<T: Copy>(&self, k: usize, data: &[T], range: Range<usize>, into: &mut [T]) {
        let (first, stride) = (range.start, self.row.1[k]);
        self.rows(range, |at, len, offsets| {
            let (into, from) = (&mut into[at - first..][..len], offsets[k]);
            match stride {
                0 => into.fill(data[from as usize]),
                1 => into.copy_from_slice(&data[from as usize..][..len]),
                _ => {
                    for (i, x) in into.iter_mut().enumerate() {
                        *x = data[(from + i as isize * stride) as usize];
                    }
                }
            }
        });
    }
}

/// Splits `out` into pieces of `grain` elements and calls `f(start, piece)` for each, in parallel if there is more than one.
pub(crate) fn par_pieces<T: Send>(out: &mut [T], grain: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let len = out.len();
    if len <= grain {
        if len > 0 {
            f(0, out);
        }
        return;
    }
    let base = Shared(out.as_mut_ptr());
    par_for(len.div_ceil(grain), |i| {
        let (base, start) = (&base, i * grain);
        // SAFETY: the pieces lie within `out` and do not overlap, and `par_for` returns when all are done.
        let piece = unsafe { std::slice::from_raw_parts_mut(base.0.add(start), grain.min(len - start)) };
        f(start, piece);
    });
}

/// A pointer that tasks share. Each must write to places of its own.
pub(crate) struct Shared<T>(pub(crate) *mut T);
// SAFETY: it is only dereferenced in blocks that say why the places are a task's own.
unsafe impl<T: Send> Sync for Shared<T> {}
