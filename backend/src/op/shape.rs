//! Views, copies of views, joining.
//!
//! A view has no kernel: [`ShapeOp::view`] gives its layout. All the named views of PyTorch (squeeze, flatten, select,
//! transpose, narrow...) are made of the four here.

use super::{MetaRef, Metas, exactly, one, same_dtype, want_dim};
use crate::{Dims, Error, Layout, Result, Shape, numel};

/// An operation that moves elements without computing with them.
#[derive(Clone, Debug, PartialEq, Eq)]
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
            ShapeOp::Cat { .. } | ShapeOp::SliceScatter { .. } => None,
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
