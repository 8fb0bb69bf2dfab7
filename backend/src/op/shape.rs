//! Views, copies of views, joining.
//!
//! A view has no kernel: [`ShapeOp::view`] gives its layout. All the named views of PyTorch (squeeze, flatten, select,
//! transpose, narrow...) are made of the four here.

use super::{MetaRef, Metas, exactly, one, same_dtype, want_dim};
use crate::{Dims, Error, Layout, Result, Scalar, Shape, Strides, numel};

/// An operation that moves elements without computing with them.
#[derive(Clone, Debug, PartialEq)]
pub enum ShapeOp {
    /// The same elements in the same order under another shape. A view where the strides allow, else a copy.
    Reshape(Shape),
    /// The dimensions in another order. A view.
    Permute(Dims),
    /// Dimensions of size 1 repeated, and new ones in front. A view.
    Expand(Shape),
    /// `len` elements of a dimension from `start` on, `step` apart (negative: backwards). A view.
    Slice {
        /// The dimension.
        dim: usize,
        /// The first index.
        start: usize,
        /// The number of elements.
        len: usize,
        /// The distance between them, not 0.
        step: isize,
    },
    /// The same tensor in row-major order.
    Contiguous,
    /// Tensors one after the other along a dimension. One input or more.
    Cat {
        /// The dimension.
        dim: usize,
    },
    /// The first input with the second one written over a slice of it: the transpose of `Slice`.
    SliceScatter {
        /// The dimension.
        dim: usize,
        /// The first index.
        start: usize,
        /// The distance between elements, not 0.
        step: isize,
    },
    /// The diagonal of two dimensions, which becomes the last dimension of the result. A view.
    Diagonal(Diagonal),
    /// The first input with the second one written over a diagonal of it: the transpose of `Diagonal`.
    DiagonalScatter(Diagonal),
    /// Windows of a dimension: their number takes its place, and their elements become a new last dimension. A view.
    Unfold {
        /// The dimension.
        dim: usize,
        /// The size of a window.
        size: usize,
        /// The distance between windows, not 0.
        step: usize,
    },
    /// Elements at any distance, counted in the row-major order of the input. A view of a contiguous input.
    Strided {
        /// The sizes of the result.
        shape: Shape,
        /// The distance between neighbours along each dimension.
        strides: Strides,
        /// The place of the first element.
        offset: usize,
    },
    /// The input in the middle of a larger tensor of one value.
    Pad {
        /// How much comes before it in each dimension.
        before: Dims,
        /// How much comes after it.
        after: Dims,
        /// The value around it.
        value: Scalar,
    },
}

/// Which diagonal: of two different dimensions, `offset` places above (below, if negative) the main one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diagonal {
    /// How far above the main diagonal.
    pub offset: isize,
    /// The dimension of the rows.
    pub dim1: usize,
    /// The dimension of the columns.
    pub dim2: usize,
}

impl Diagonal {
    /// The first row, the first column and the length of the diagonal.
    fn extent(self, shape: &[usize]) -> (usize, usize, usize) {
        let (row, col) = (self.offset.min(0).unsigned_abs(), self.offset.max(0) as usize);
        let len = shape[self.dim1].saturating_sub(row).min(shape[self.dim2].saturating_sub(col));
        (row, col, len)
    }

    fn check(self, name: &'static str, shape: &[usize]) -> Result<()> {
        want_dim(name, self.dim1, shape.len())?;
        want_dim(name, self.dim2, shape.len())?;
        if self.dim1 == self.dim2 {
            return Err(Error::value(name, format!("wants two different dimensions, got {} twice", self.dim1)));
        }
        Ok(())
    }

    /// The shape of the diagonals of a tensor.
    fn shape(self, shape: &[usize]) -> Shape {
        let mut out: Shape = (0..shape.len()).filter(|&d| d != self.dim1 && d != self.dim2).map(|d| shape[d]).collect();
        out.push(self.extent(shape).2);
        out
    }

    /// The diagonals of a tensor as a view of it.
    pub fn view(self, x: &Layout) -> Layout {
        let (row, col, len) = self.extent(x.shape());
        let mut strides: Strides = (0..x.rank()).filter(|&d| d != self.dim1 && d != self.dim2).map(|d| x.strides()[d]).collect();
        strides.push(x.strides()[self.dim1] + x.strides()[self.dim2]);
        let start = row as isize * x.strides()[self.dim1] + col as isize * x.strides()[self.dim2];
        let offset = if len == 0 { x.offset() } else { (x.offset() as isize + start) as usize };
        Layout::new(self.shape(x.shape()), strides, offset)
    }
}

impl ShapeOp {
    pub(super) fn name(&self) -> &'static str {
        match self {
            ShapeOp::Reshape(_) => "reshape",
            ShapeOp::Permute(_) => "permute",
            ShapeOp::Expand(_) => "expand",
            ShapeOp::Slice { .. } => "slice",
            ShapeOp::Contiguous => "contiguous",
            ShapeOp::Cat { .. } => "cat",
            ShapeOp::SliceScatter { .. } => "slice_scatter",
            ShapeOp::Diagonal(_) => "diagonal",
            ShapeOp::DiagonalScatter(_) => "diagonal_scatter",
            ShapeOp::Unfold { .. } => "unfold",
            ShapeOp::Strided { .. } => "as_strided",
            ShapeOp::Pad { .. } => "pad",
        }
    }

    /// The layout of the result as a view of its input, or `None` if elements must be copied. The inputs have been checked.
    pub fn view(&self, input: &Layout) -> Option<Layout> {
        match self {
            ShapeOp::Reshape(shape) => input.reshape(shape),
            ShapeOp::Permute(dims) => Some(input.permute(dims)),
            ShapeOp::Expand(shape) => Some(input.expand(shape)),
            ShapeOp::Slice { dim, start, len, step } => Some(input.slice(*dim, *start, *len, *step)),
            ShapeOp::Contiguous => input.is_contiguous().then(|| input.clone()),
            ShapeOp::Diagonal(diagonal) => Some(diagonal.view(input)),
            ShapeOp::Unfold { dim, size, step } => {
                let (mut shape, mut strides) = (Shape::from_slice(input.shape()), Strides::from_slice(input.strides()));
                shape[*dim] = (shape[*dim] - size) / step + 1;
                shape.push(*size);
                strides.push(strides[*dim]);
                strides[*dim] *= *step as isize;
                Some(Layout::new(shape, strides, input.offset()))
            }
            ShapeOp::Strided { shape, strides, offset } => {
                input.is_contiguous().then(|| Layout::new(shape.clone(), strides.clone(), input.offset() + offset))
            }
            ShapeOp::Cat { .. } | ShapeOp::SliceScatter { .. } | ShapeOp::DiagonalScatter(_) | ShapeOp::Pad { .. } => None,
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        match self {
            ShapeOp::Reshape(shape) => {
                let [x] = exactly(name, inputs)?;
                if numel(shape) != x.numel() {
                    return Err(Error::shape(
                        name,
                        format!("cannot see {:?} ({} elements) as {:?} ({} elements)", x.shape, x.numel(), shape.as_slice(), numel(shape)),
                    ));
                }
                one(shape.clone(), x.dtype)
            }
            ShapeOp::Permute(dims) => {
                let [x] = exactly(name, inputs)?;
                let mut seen: Dims = smallvec::smallvec![0; x.shape.len()];
                let permutes =
                    dims.len() == x.shape.len() && dims.iter().all(|&d| seen.get_mut(d).is_some_and(|s| std::mem::replace(s, 1) == 0));
                if !permutes {
                    return Err(Error::value(
                        name,
                        format!("{:?} is no order of the {} dimensions of {:?}", dims.as_slice(), x.shape.len(), x.shape),
                    ));
                }
                one(dims.iter().map(|&d| x.shape[d]).collect(), x.dtype)
            }
            ShapeOp::Expand(shape) => {
                let [x] = exactly(name, inputs)?;
                let fits = shape.len() >= x.shape.len()
                    && x.shape.iter().rev().zip(shape.iter().rev()).all(|(&from, &to)| from == to || from == 1);
                if !fits {
                    return Err(Error::shape(
                        name,
                        format!("cannot expand {:?} to {:?}: only dimensions of size 1 can be repeated", x.shape, shape.as_slice()),
                    ));
                }
                one(shape.clone(), x.dtype)
            }
            ShapeOp::Slice { dim, start, len, step } => {
                let [x] = exactly(name, inputs)?;
                want_dim(name, *dim, x.shape.len())?;
                check_slice(name, x.shape[*dim], *start, *len, *step)?;
                let mut shape: Shape = x.shape.into();
                shape[*dim] = *len;
                one(shape, x.dtype)
            }
            ShapeOp::Contiguous => {
                let [x] = exactly(name, inputs)?;
                one(x.shape.into(), x.dtype)
            }
            ShapeOp::Cat { dim } => {
                let dtype = same_dtype(name, inputs)?;
                let mut shape: Shape = inputs[0].shape.into();
                want_dim(name, *dim, shape.len())?;
                for (i, x) in inputs.iter().enumerate().skip(1) {
                    let fits = x.shape.len() == shape.len() && (0..shape.len()).all(|d| d == *dim || x.shape[d] == shape[d]);
                    if !fits {
                        return Err(Error::shape(
                            name,
                            format!(
                                "tensor {i} of shape {:?} does not fit to {:?}: sizes must agree except in dimension {dim}",
                                x.shape, inputs[0].shape
                            ),
                        ));
                    }
                    shape[*dim] += x.shape[*dim];
                }
                one(shape, dtype)
            }
            ShapeOp::Diagonal(diagonal) => {
                let [x] = exactly(name, inputs)?;
                diagonal.check(name, x.shape)?;
                one(diagonal.shape(x.shape), x.dtype)
            }
            ShapeOp::DiagonalScatter(diagonal) => {
                let [x, src] = exactly(name, inputs)?;
                let dtype = same_dtype(name, inputs)?;
                diagonal.check(name, x.shape)?;
                let wanted = diagonal.shape(x.shape);
                if src.shape != wanted.as_slice() {
                    return Err(Error::shape(name, format!("the source has shape {:?}, the diagonal {:?}", src.shape, wanted.as_slice())));
                }
                one(x.shape.into(), dtype)
            }
            ShapeOp::Unfold { dim, size, step } => {
                let [x] = exactly(name, inputs)?;
                want_dim(name, *dim, x.shape.len())?;
                if *size > x.shape[*dim] || *step == 0 {
                    return Err(Error::shape(
                        name,
                        format!("windows of {size}, {step} apart, do not fit dimension {dim} of {:?}: the step must be positive", x.shape),
                    ));
                }
                let mut shape: Shape = x.shape.into();
                shape[*dim] = (shape[*dim] - size) / step + 1;
                shape.push(*size);
                one(shape, x.dtype)
            }
            ShapeOp::Strided { shape, strides, offset } => {
                let [x] = exactly(name, inputs)?;
                if shape.len() != strides.len() || strides.iter().any(|&s| s < 0) {
                    return Err(Error::value(
                        name,
                        format!("{:?} and {:?} are no sizes and non-negative strides", shape.as_slice(), strides.as_slice()),
                    ));
                }
                let last = shape
                    .iter()
                    .zip(strides)
                    .try_fold(*offset, |at, (&n, &s)| n.saturating_sub(1).checked_mul(s as usize).and_then(|reach| at.checked_add(reach)));
                if !shape.contains(&0) && last.is_none_or(|l| l >= x.numel()) {
                    return Err(Error::index(
                        name,
                        format!(
                            "sizes {:?} with strides {:?} from {offset} reach beyond {} elements",
                            shape.as_slice(),
                            strides.as_slice(),
                            x.numel()
                        ),
                    ));
                }
                one(shape.clone(), x.dtype)
            }
            ShapeOp::Pad { before, after, .. } => {
                let [x] = exactly(name, inputs)?;
                if before.len() != x.shape.len() || after.len() != x.shape.len() {
                    return Err(Error::value(name, format!("wants margins for the {} dimensions of {:?}", x.shape.len(), x.shape)));
                }
                let size = |d: usize| x.shape[d].checked_add(before[d])?.checked_add(after[d]);
                let Some(shape) = (0..x.shape.len()).map(size).collect::<Option<Shape>>() else {
                    return Err(Error::out_of_memory(name, "the result is larger than memory can be"));
                };
                super::check_size(name, &shape, x.dtype)?;
                one(shape, x.dtype)
            }
            ShapeOp::SliceScatter { dim, start, step } => {
                let [x, src] = exactly(name, inputs)?;
                let dtype = same_dtype(name, inputs)?;
                want_dim(name, *dim, x.shape.len())?;
                let fits = src.shape.len() == x.shape.len() && (0..x.shape.len()).all(|d| d == *dim || src.shape[d] == x.shape[d]);
                if !fits {
                    return Err(Error::shape(
                        name,
                        format!("a source of shape {:?} does not fit into {:?} along dimension {dim}", src.shape, x.shape),
                    ));
                }
                check_slice(name, x.shape[*dim], *start, src.shape[*dim], *step)?;
                one(x.shape.into(), dtype)
            }
        }
    }
}

/// That `len` elements from `start`, `step` apart, lie within `size`.
fn check_slice(name: &'static str, size: usize, start: usize, len: usize, step: isize) -> Result<()> {
    if step == 0 {
        return Err(Error::value(name, "the step must not be 0"));
    }
    if len == 0 {
        return Ok(());
    }
    let last = (len as isize - 1).checked_mul(step).and_then(|d| d.checked_add(start as isize));
    if start >= size || !last.is_some_and(|l| l >= 0 && (l as usize) < size) {
        return Err(Error::index(
            name,
            format!("{len} elements from {start} with step {step} do not lie within a dimension of size {size}"),
        ));
    }
    Ok(())
}
