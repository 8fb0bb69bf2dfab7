//! Which elements fall together, in the order in which memory is best read.

use rushlight_backend::{Layout, Shape, Strides};
use smallvec::SmallVec;

/// A dimension: size and stride.
pub(super) type Dim = (usize, isize);
pub(super) type DimList = SmallVec<[Dim; 4]>;

/// An input split into the dimensions that make up the result and those that are reduced. Those of size 1 are left out.
pub(super) struct Plan {
    /// The kept dimensions in order: size, stride, and stride in the result.
    pub(super) kept: SmallVec<[(usize, isize, isize); 4]>,
    /// The reduced ones with the smallest stride last, merged where one steps evenly over the next, with no negative strides.
    pub(super) reduced: DimList,
    /// Where the first element of the first result lies.
    pub(super) offset: usize,
    /// The number of results.
    pub(super) outputs: usize,
    /// The number of elements of each.
    pub(super) count: usize,
}

impl Plan {
    /// Over `dims` of an input.
    pub(super) fn new(layout: &Layout, dims: &[usize]) -> Plan {
        let mut plan = Plan { kept: SmallVec::new(), reduced: DimList::new(), offset: layout.offset(), outputs: 1, count: 1 };
        let mut step = 1;
        for d in (0..layout.rank()).rev() {
            let (n, stride) = (layout.shape()[d], layout.strides()[d]);
            if dims.contains(&d) {
                plan.count *= n;
                if n > 1 && stride < 0 {
                    plan.offset = (plan.offset as isize + (n as isize - 1) * stride) as usize;
                }
                if n != 1 {
                    plan.reduced.push((n, stride.abs()));
                }
            } else {
                plan.outputs *= n;
                if n != 1 {
                    plan.kept.push((n, stride, step));
                    step *= n as isize;
                }
            }
        }
        plan.kept.reverse();
        // Repeated elements first: reading them again and again in the innermost loop would leave the vector units idle.
        plan.reduced.sort_by_key(|&(_, stride)| (stride != 0, std::cmp::Reverse(stride)));
        plan.reduced.dedup_by(|inner, outer| {
            let even = outer.1 == inner.0 as isize * inner.1;
            if even {
                *outer = (outer.0 * inner.0, inner.1);
            }
            even
        });
        plan
    }
}

/// A layout of these dimensions.
pub(super) fn layout(dims: impl Iterator<Item = Dim> + Clone, offset: usize) -> Layout {
    Layout::new(dims.clone().map(|d| d.0).collect::<Shape>(), dims.map(|d| d.1).collect::<Strides>(), offset)
}

/// The offsets that dimensions span, in order, from a position on.
pub(super) struct Odometer<'a> {
    dims: &'a [Dim],
    coords: SmallVec<[usize; 4]>,
    offset: isize,
}

impl<'a> Odometer<'a> {
    pub(super) fn new(dims: &'a [Dim], position: usize) -> Odometer<'a> {
        let mut coords: SmallVec<[usize; 4]> = SmallVec::from_elem(0, dims.len());
        let (mut rest, mut offset) = (position, 0);
        for (c, &(n, stride)) in coords.iter_mut().zip(dims).rev() {
            *c = rest % n;
            rest /= n;
            offset += *c as isize * stride;
        }
        Odometer { dims, coords, offset }
    }

    /// Where this position lies.
    pub(super) fn offset(&self) -> isize {
        self.offset
    }

    /// How many positions follow each other evenly from here on, up to `most`, and how far they are apart.
    pub(super) fn run(&self, most: usize) -> (usize, isize) {
        match (self.dims.last(), self.coords.last()) {
            (Some(&(n, stride)), Some(&c)) => ((n - c).min(most), stride),
            _ => (1, 0),
        }
    }

    /// Goes on by `n` positions of a [`run`](Odometer::run), which must not end it.
    pub(super) fn skip(&mut self, n: usize) {
        if let (Some(&(_, stride)), Some(c)) = (self.dims.last(), self.coords.last_mut()) {
            *c += n;
            self.offset += n as isize * stride;
        }
    }

    /// Goes on to the next position.
    pub(super) fn advance(&mut self) {
        for (c, &(n, stride)) in self.coords.iter_mut().zip(self.dims).rev() {
            *c += 1;
            self.offset += stride;
            if *c < n {
                return;
            }
            self.offset -= *c as isize * stride;
            *c = 0;
        }
    }
}
