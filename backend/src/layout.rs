//! How the elements of a tensor lie in memory, and the arithmetic of views.

use smallvec::SmallVec;

use crate::{Error, Result};

/// The sizes of the dimensions, outermost first. Up to 4 dimensions lie inline.
pub type Shape = SmallVec<[usize; 4]>;
/// Steps between neighbours along each dimension, in elements.
pub type Strides = SmallVec<[isize; 4]>;
/// Dimension numbers.
pub type Dims = SmallVec<[usize; 4]>;

/// The number of elements of a shape.
#[inline]
pub fn numel(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// A copy of a list that lies inline. It is filled in registers: what is written to memory in parts and moved at once waits there.
#[inline(always)]
fn inline<T: Copy>(list: &[T], blank: T) -> SmallVec<[T; 4]> {
    let at = |i: usize| list.get(i).copied().unwrap_or(blank);
    match list.len() {
        n @ 0..=4 => SmallVec::from_buf_and_len([at(0), at(1), at(2), at(3)], n),
        _ => SmallVec::from_vec(list.to_vec()),
    }
}

/// A shape.
#[inline(always)]
pub(crate) fn shape_of(sizes: &[usize]) -> Shape {
    inline(sizes, 1)
}

/// Whether two shapes are the same: a comparison of slices is a call, which costs more than comparing a few numbers.
#[inline]
pub fn same_shape(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

/// Shape, strides and offset: element `[i, j, ...]` lies at `offset + i * strides[0] + j * strides[1] + ...`.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    shape: Shape,
    strides: Strides,
    offset: usize,
}

impl Clone for Layout {
    #[inline]
    fn clone(&self) -> Layout {
        Layout { shape: inline(&self.shape, 1), strides: inline(&self.strides, 1), offset: self.offset }
    }
}

impl Layout {
    /// Row-major elements from the start of memory.
    #[inline]
    pub fn contiguous(shape: &[usize]) -> Layout {
        let n = shape.len();
        if n > 4 {
            return Layout::contiguous_of_many(shape);
        }
        let size = |i: usize| shape.get(i).map_or(1, |&n| n.max(1) as isize);
        let (b, c, d) = (size(1), size(2), size(3));
        // Sizes beside a 0 may have any product: no stride is used then.
        let strides = [b.wrapping_mul(c).wrapping_mul(d), c.wrapping_mul(d), d, 1];
        Layout { shape: shape_of(shape), strides: Strides::from_buf_and_len(strides, n), offset: 0 }
    }

    #[cold]
    fn contiguous_of_many(shape: &[usize]) -> Layout {
        let mut strides: Strides = SmallVec::from_elem(1, shape.len());
        let mut step = 1isize;
        for (stride, &size) in strides.iter_mut().zip(shape).rev() {
            *stride = step;
            step = step.wrapping_mul(size.max(1) as isize);
        }
        Layout { shape: Shape::from_slice(shape), strides, offset: 0 }
    }

    /// A layout from its parts. The caller answers for its staying inside the memory that it is used with.
    pub fn new(shape: Shape, strides: Strides, offset: usize) -> Layout {
        debug_assert_eq!(shape.len(), strides.len());
        Layout { shape, strides, offset }
    }

    /// The sizes of the dimensions.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Steps between neighbours along each dimension, in elements.
    #[inline]
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Where the first element lies, in elements from the start of memory.
    #[inline]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The number of dimensions.
    #[inline]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        numel(&self.shape)
    }

    /// Whether the elements lie in row-major order without gaps (from any offset).
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        let mut step = 1isize;
        for (&n, &s) in self.shape.iter().zip(&self.strides).rev() {
            if n != 1 {
                if s != step {
                    return self.shape.contains(&0);
                }
                step *= n as isize;
            }
        }
        true
    }

    /// The smallest and one past the largest place in memory that an element has; `(0, 0)` without elements.
    #[inline]
    pub fn span(&self) -> (usize, usize) {
        if self.shape.contains(&0) {
            return (0, 0);
        }
        let (mut lo, mut hi) = (self.offset as isize, self.offset as isize);
        for (&n, &s) in self.shape.iter().zip(&self.strides) {
            let reach = (n as isize - 1) * s;
            if reach < 0 { lo += reach } else { hi += reach }
        }
        (lo as usize, hi as usize + 1)
    }

    /// The dimensions in a new order. `dims` is a permutation (checked by the shape rule).
    pub fn permute(&self, dims: &[usize]) -> Layout {
        Layout {
            shape: dims.iter().map(|&d| self.shape[d]).collect(),
            strides: dims.iter().map(|&d| self.strides[d]).collect(),
            offset: self.offset,
        }
    }

    /// Dimensions of size 1 repeated, and new ones in front, without copying: their stride is 0.
    pub fn expand(&self, shape: &[usize]) -> Layout {
        let lead = shape.len() - self.rank();
        let strides =
            (0..shape.len()).map(|i| if i < lead || (self.shape[i - lead] == 1 && shape[i] != 1) { 0 } else { self.strides[i - lead] });
        Layout { shape: Shape::from_slice(shape), strides: strides.collect(), offset: self.offset }
    }

    /// `len` elements along `dim` from `start` on, `step` apart; `step` may be negative.
    pub fn slice(&self, dim: usize, start: usize, len: usize, step: isize) -> Layout {
        let mut out = self.clone();
        if len > 0 && self.numel() > 0 {
            out.offset = (out.offset as isize + start as isize * self.strides[dim]) as usize;
        }
        out.shape[dim] = len;
        out.strides[dim] *= step;
        out
    }

    /// The same elements in the same order under another shape of as many elements, if that needs no copy.
    pub fn reshape(&self, shape: &[usize]) -> Option<Layout> {
        if self.shape.as_slice() == shape {
            return Some(self.clone());
        }
        if self.is_contiguous() {
            return Some(Layout { offset: self.offset, ..Layout::contiguous(shape) });
        }
        // From the inside: old dimensions that follow each other without a gap form a run, and each run must be
        // made up by whole new dimensions.
        let mut strides: Strides = SmallVec::from_elem(0, shape.len());
        let mut new = shape.len();
        let (mut run, mut step) = (1, self.strides[self.rank() - 1]);
        for old in (0..self.rank()).rev() {
            run *= self.shape[old];
            let run_goes_on = old > 0 && (self.shape[old - 1] == 1 || self.strides[old - 1] == run as isize * step);
            if run_goes_on {
                continue;
            }
            let mut filled = 1;
            while new > 0 && (filled < run || shape[new - 1] == 1) {
                new -= 1;
                strides[new] = filled as isize * step;
                filled *= shape[new];
            }
            if filled != run {
                return None;
            }
            if old > 0 {
                (run, step) = (1, self.strides[old - 1]);
            }
        }
        (new == 0).then(|| Layout { shape: Shape::from_slice(shape), strides, offset: self.offset })
    }
}

/// `dim` counted from the front: negative ones count from the back, as in PyTorch.
///
/// # Errors
/// If there is no such dimension. A 0-d tensor counts as having one.
pub fn normalize_dim(op: &'static str, dim: isize, rank: usize) -> Result<usize> {
    let n = rank.max(1) as isize;
    if dim < -n || dim >= n {
        return Err(Error::index(
            op,
            format!("dimension {dim} is out of range for a tensor of {rank} dimensions: wanted {} to {}", -n, n - 1),
        ));
    }
    Ok((if dim < 0 { dim + n } else { dim }) as usize)
}

/// All dimensions counted from the front. None at all means every dimension.
///
/// # Errors
/// If one does not exist or is named twice.
pub fn normalize_dims(op: &'static str, dims: &[isize], rank: usize) -> Result<Dims> {
    let mut out = Dims::new();
    for &d in dims {
        let d = normalize_dim(op, d, rank)?;
        if out.contains(&d) {
            return Err(Error::value(op, format!("dimension {d} is named twice in {dims:?}")));
        }
        out.push(d);
    }
    Ok(out)
}

/// The shape that shapes have together when dimensions of size 1, and missing ones in front, are repeated.
///
/// # Errors
/// If sizes differ and neither is 1.
pub fn broadcast_shapes(op: &'static str, shapes: &[&[usize]]) -> Result<Shape> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out: Shape = SmallVec::from_elem(1, rank);
    for s in shapes {
        let lead = rank - s.len();
        for (i, &n) in s.iter().enumerate() {
            let o = &mut out[lead + i];
            if *o == 1 {
                *o = n;
            } else if n != 1 && n != *o {
                return Err(Error::shape(
                    op,
                    format!("shapes {} cannot be broadcast together: sizes {} and {n} meet in dimension {}", join(shapes), *o, lead + i),
                ));
            }
        }
    }
    Ok(out)
}

fn join(shapes: &[&[usize]]) -> String {
    let text: Vec<_> = shapes.iter().map(|s| format!("{s:?}")).collect();
    text.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of all elements in row-major order, by counting.
    fn places_of(l: &Layout) -> Vec<usize> {
        let mut all = vec![l.offset() as isize];
        for (&n, &s) in l.shape().iter().zip(l.strides()) {
            all = all.iter().flat_map(|p| (0..n as isize).map(move |i| p + i * s)).collect();
        }
        all.into_iter().map(|p| p as usize).collect()
    }

    fn factorisations(n: usize, rank: usize) -> Vec<Vec<usize>> {
        if rank == 0 {
            return if n == 1 { vec![vec![]] } else { vec![] };
        }
        let firsts = (1..=n).filter(|d| n.is_multiple_of(*d));
        firsts.flat_map(|d| factorisations(n / d, rank - 1).into_iter().map(move |rest| [vec![d], rest].concat())).collect()
    }

    /// Every view of a strided tensor of 24 elements keeps the order of the elements; where none is given, no strides would do.
    #[test]
    fn reshape_keeps_the_order() {
        let base = Layout::contiguous(&[4, 3, 2, 1]);
        let views = [
            base.clone(),
            base.permute(&[1, 0, 2, 3]),
            base.permute(&[2, 1, 0, 3]),
            base.permute(&[0, 3, 2, 1]),
            Layout::contiguous(&[8, 3, 2]).slice(0, 1, 4, 2),
            Layout::contiguous(&[4, 3, 2]).slice(0, 3, 4, -1),
            Layout::contiguous(&[1, 6]).expand(&[4, 6]),
        ];
        for view in &views {
            for rank in 1..=5 {
                for shape in factorisations(view.numel(), rank) {
                    match view.reshape(&shape) {
                        Some(new) => assert_eq!((places_of(&new), new.shape()), (places_of(view), &shape[..]), "{view:?}"),
                        None => assert!(!strided(&places_of(view), &shape), "{view:?} can be seen as {shape:?}"),
                    }
                }
            }
        }
    }

    /// Whether places in row-major order are those of some strides.
    fn strided(places: &[usize], shape: &[usize]) -> bool {
        let mut strides = Strides::new();
        let mut inner: usize = shape.iter().product();
        for &n in shape {
            inner /= n;
            strides.push(if n > 1 { places[inner] as isize - places[0] as isize } else { 0 });
        }
        places_of(&Layout::new(Shape::from_slice(shape), strides, places[0])) == places
    }

    #[test]
    fn contiguity_and_span() {
        assert!(Layout::contiguous(&[2, 0, 3]).is_contiguous());
        assert!(Layout::contiguous(&[2, 1, 3]).permute(&[1, 0, 2]).is_contiguous());
        assert!(!Layout::contiguous(&[2, 3]).permute(&[1, 0]).is_contiguous());
        assert_eq!(Layout::contiguous(&[4, 3]).slice(0, 3, 2, -2).span(), (3, 12));
        assert_eq!(Layout::contiguous(&[0, 3]).span(), (0, 0));
    }

    #[test]
    fn broadcasting() {
        assert_eq!(broadcast_shapes("f", &[&[3, 1], &[2, 1, 4], &[]]).unwrap().as_slice(), [2, 3, 4]);
        assert_eq!(broadcast_shapes("f", &[&[0], &[1]]).unwrap().as_slice(), [0]);
        assert!(broadcast_shapes("f", &[&[2], &[3]]).unwrap_err().to_string().contains("[2] and [3] cannot be broadcast"));
        assert_eq!(normalize_dim("f", -1, 3).unwrap(), 2);
        assert!(normalize_dim("f", 3, 3).is_err());
        assert_eq!(normalize_dim("f", -1, 0).unwrap(), 0);
    }
}
