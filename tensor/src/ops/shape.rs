//! Views and joining.

mod arrange;
mod diagonal;
mod join;
mod pad;
mod repeat;

pub use join::{Indexing, IntoSections, Sections};
pub use pad::PadMode;
pub use repeat::{IntoRepeats, Repeats};

use rushlight_backend::op::ShapeOp;
use rushlight_backend::{Dims, Error, Result, Shape, normalize_dim, normalize_dims, numel};

use crate::{IntoSizes, Tensor, apply1, sizes};

impl Tensor {
    /// The same elements in the same order under another shape; one size may be -1 and follows from the others. A view where the strides
    /// allow, else a copy.
    ///
    /// # Errors
    /// If the number of elements differs.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::arange(0, 6, 1, ())?.reshape([2, -1])?;
    /// assert_eq!(x.shape(), [2, 3]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn reshape(&self, sizes: impl IntoSizes) -> Result<Tensor> {
        let shape = self.resolve("reshape", sizes)?;
        if shape.as_slice() == self.shape() {
            return Ok(self.clone());
        }
        apply1(ShapeOp::Reshape(shape), [self])
    }

    /// As [`reshape`](Tensor::reshape), but never copies.
    ///
    /// # Errors
    /// If the number of elements differs, or the strides do not allow a view.
    pub fn view(&self, sizes: impl IntoSizes) -> Result<Tensor> {
        let shape = self.resolve("view", sizes)?;
        if numel(&shape) == self.numel() && self.layout().reshape(&shape).is_none() {
            return Err(Error::shape(
                "view",
                format!(
                    "a tensor of shape {:?} and strides {:?} cannot be seen as {:?} without a copy: use `reshape`",
                    self.shape(),
                    self.layout().strides(),
                    shape.as_slice()
                ),
            ));
        }
        apply1(ShapeOp::Reshape(shape), [self])
    }

    /// The shape meant by sizes of which one may be -1.
    fn resolve(&self, op: &'static str, sizes: impl IntoSizes) -> Result<Shape> {
        let mut sizes = sizes.into_sizes();
        let open: Dims = (0..sizes.len()).filter(|&i| sizes[i] == -1).collect();
        if let [i] = open[..] {
            let rest = sizes.iter().filter(|&&n| n != -1).try_fold(1isize, |a, &n| a.checked_mul(n)).unwrap_or(0);
            if rest <= 0 || self.numel() as isize % rest != 0 {
                return Err(Error::shape(
                    op,
                    format!("{} elements of shape {:?} do not fill {:?}", self.numel(), self.shape(), sizes.as_slice()),
                ));
            }
            sizes[i] = self.numel() as isize / rest;
        } else if open.len() > 1 {
            return Err(Error::shape(op, format!("only one size can be -1, got {:?}", sizes.as_slice())));
        }
        sizes::shape(op, sizes)
    }

    /// The dimensions in another order.
    ///
    /// # Errors
    /// If `dims` does not name every dimension once.
    pub fn permute(&self, dims: impl IntoSizes) -> Result<Tensor> {
        let dims = normalize_dims("permute", &dims.into_sizes(), self.dim())?;
        apply1(ShapeOp::Permute(dims), [self])
    }

    /// Two dimensions exchanged.
    ///
    /// # Errors
    /// If a dimension does not exist.
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Result<Tensor> {
        let (a, b) = (normalize_dim("transpose", dim0, self.dim())?, normalize_dim("transpose", dim1, self.dim())?);
        if self.dim() == 0 {
            return Ok(self.clone());
        }
        let mut dims: Dims = (0..self.dim()).collect();
        dims.swap(a, b);
        apply1(ShapeOp::Permute(dims), [self])
    }

    /// The transpose of a matrix; vectors and 0-d tensors as they are.
    ///
    /// # Errors
    /// If there are more than two dimensions.
    pub fn t(&self) -> Result<Tensor> {
        match self.dim() {
            0 | 1 => Ok(self.clone()),
            2 => self.transpose(0, 1),
            n => Err(Error::shape("t", format!("wants at most two dimensions, got {n}: use `transpose` or `permute`"))),
        }
    }

    /// Dimensions of size 1 repeated, and new ones in front, without a copy; -1 keeps a size.
    ///
    /// # Errors
    /// If a size other than 1 would change.
    pub fn expand(&self, sizes: impl IntoSizes) -> Result<Tensor> {
        let mut sizes = sizes.into_sizes();
        let lead = sizes.len().saturating_sub(self.dim());
        for (i, n) in sizes.iter_mut().enumerate().skip(lead).filter(|(_, n)| **n == -1) {
            *n = self.shape()[i - lead] as isize;
        }
        let shape = sizes::shape("expand", sizes)?;
        if shape.as_slice() == self.shape() {
            return Ok(self.clone());
        }
        apply1(ShapeOp::Expand(shape), [self])
    }

    /// Elements `start..end` of a dimension, `step` apart (positive). Negative bounds count from the back, and bounds beyond the dimension
    /// are cut, as in Python's slices.
    ///
    /// # Errors
    /// If the dimension does not exist or the step is not positive.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::arange(0, 10, 1, ())?;
    /// assert_eq!(x.slice(0, -4, None, 2)?.to_vec::<i64>()?, [6, 8]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn slice(&self, dim: isize, start: impl Into<Option<isize>>, end: impl Into<Option<isize>>, step: isize) -> Result<Tensor> {
        let (dim, start, len) = self.slice_bounds("slice", dim, start.into(), end.into(), step)?;
        if start == 0 && step == 1 && len == self.shape()[dim] {
            return Ok(self.clone());
        }
        apply1(ShapeOp::Slice { dim, start, len, step }, [self])
    }

    /// The first element and the number of elements of a Python slice.
    fn slice_bounds(
        &self,
        op: &'static str,
        dim: isize,
        start: Option<isize>,
        end: Option<isize>,
        step: isize,
    ) -> Result<(usize, usize, usize)> {
        if self.dim() == 0 {
            return Err(Error::index(op, "a 0-d tensor has no dimension to slice"));
        }
        let dim = normalize_dim(op, dim, self.dim())?;
        if step <= 0 {
            return Err(Error::value(op, format!("the step must be positive, got {step}")));
        }
        let n = self.shape()[dim] as isize;
        let bound = |x: isize| (if x < 0 { x.saturating_add(n) } else { x }).clamp(0, n);
        let (start, end) = (bound(start.unwrap_or(0)), bound(end.unwrap_or(n)));
        let len = ((end - start).max(0) as usize).div_ceil(step as usize);
        Ok((dim, start as usize, len))
    }

    /// This tensor with `source` written over a slice of a dimension (bounds as in [`slice`](Tensor::slice)).
    ///
    /// # Errors
    /// If the source does not have the slice's shape.
    pub fn slice_scatter(
        &self,
        source: &Tensor,
        dim: isize,
        start: impl Into<Option<isize>>,
        end: impl Into<Option<isize>>,
        step: isize,
    ) -> Result<Tensor> {
        let (dim, start, len) = self.slice_bounds("slice_scatter", dim, start.into(), end.into(), step)?;
        if source.size(dim as isize)? != len {
            return Err(Error::shape(
                "slice_scatter",
                format!("the slice has {len} elements in dimension {dim}, the source has shape {:?}", source.shape()),
            ));
        }
        apply1(ShapeOp::SliceScatter { dim, start, step }, [self, source])
    }

    /// `len` elements of a dimension from `start` on.
    ///
    /// # Errors
    /// If they do not lie within the dimension.
    pub fn narrow(&self, dim: isize, start: isize, len: usize) -> Result<Tensor> {
        if self.dim() == 0 {
            return Err(Error::index("narrow", "a 0-d tensor has no dimension to narrow"));
        }
        let dim = normalize_dim("narrow", dim, self.dim())?;
        let n = self.shape()[dim] as isize;
        let first = if start < 0 { start + n } else { start };
        if first < 0 || first.checked_add(len as isize).is_none_or(|end| end > n) {
            return Err(Error::index(
                "narrow",
                format!("{len} elements from {start} do not lie within dimension {dim} of {:?}", self.shape()),
            ));
        }
        apply1(ShapeOp::Slice { dim, start: first as usize, len, step: 1 }, [self])
    }

    /// One slice of a dimension, which is dropped.
    ///
    /// # Errors
    /// If the index is out of range.
    pub fn select(&self, dim: isize, index: isize) -> Result<Tensor> {
        if self.dim() == 0 {
            return Err(Error::index("select", "a 0-d tensor has no dimension to select from"));
        }
        let d = normalize_dim("select", dim, self.dim())?;
        let n = self.shape()[d] as isize;
        let i = if index < 0 { index + n } else { index };
        if i < 0 || i >= n {
            return Err(Error::index("select", format!("index {index} is out of range for dimension {d} of {:?}", self.shape())));
        }
        apply1(ShapeOp::Slice { dim: d, start: i as usize, len: 1, step: 1 }, [self])?.squeeze_dim(d as isize)
    }

    /// The order of the elements of dimensions reversed, without a copy.
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice.
    pub fn flip(&self, dims: impl IntoSizes) -> Result<Tensor> {
        let mut x = self.clone();
        for d in normalize_dims("flip", &dims.into_sizes(), self.dim())? {
            let n = x.shape().get(d).copied().unwrap_or(0);
            if n > 1 {
                x = apply1(ShapeOp::Slice { dim: d, start: n - 1, len: n, step: -1 }, [x])?;
            }
        }
        Ok(x)
    }

    /// All dimensions of size 1 dropped.
    ///
    /// # Errors
    /// None in practice; the door's result is passed on.
    pub fn squeeze(&self) -> Result<Tensor> {
        let shape: Shape = self.shape().iter().copied().filter(|&n| n != 1).collect();
        self.reshape(shape.as_slice())
    }

    /// A dimension dropped if its size is 1.
    ///
    /// # Errors
    /// If the dimension does not exist.
    pub fn squeeze_dim(&self, dim: isize) -> Result<Tensor> {
        let d = normalize_dim("squeeze", dim, self.dim())?;
        let mut shape = Shape::from_slice(self.shape());
        if shape.get(d) == Some(&1) {
            shape.remove(d);
        }
        self.reshape(shape.as_slice())
    }

    /// A new dimension of size 1 before the given place; negative places count from the back of the result.
    ///
    /// # Errors
    /// If there is no such place.
    pub fn unsqueeze(&self, dim: isize) -> Result<Tensor> {
        let d = normalize_dim("unsqueeze", dim, self.dim() + 1)?;
        let mut shape = Shape::from_slice(self.shape());
        shape.insert(d, 1);
        apply1(ShapeOp::Reshape(shape), [self])
    }

    /// Dimensions `start..=end` made one; PyTorch's defaults are 0 and -1.
    ///
    /// # Errors
    /// If a dimension does not exist or they are in the wrong order.
    pub fn flatten(&self, start: isize, end: isize) -> Result<Tensor> {
        let (a, b) = (normalize_dim("flatten", start, self.dim())?, normalize_dim("flatten", end, self.dim())?);
        if a > b {
            return Err(Error::value("flatten", format!("the first dimension, {start}, lies behind the last, {end}")));
        }
        if self.dim() == 0 {
            return self.reshape(1);
        }
        let mut shape = Shape::from_slice(&self.shape()[..a]);
        shape.push(numel(&self.shape()[a..=b]));
        shape.extend_from_slice(&self.shape()[b + 1..]);
        self.reshape(shape.as_slice())
    }

    /// The tensor in row-major order: itself if it is so, else a copy.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn contiguous(&self) -> Result<Tensor> {
        if self.is_contiguous() { Ok(self.clone()) } else { apply1(ShapeOp::Contiguous, [self]) }
    }

    /// Tensors one after the other along a dimension; dtypes are promoted, and empty vectors are passed over as in PyTorch.
    ///
    /// # Errors
    /// If there are none, or sizes in other dimensions differ.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[1.0f32, 2.0]])?;
    /// assert_eq!(Tensor::cat(&[&x, &x], 0)?.shape(), [2, 2]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn cat<T: std::borrow::Borrow<Tensor>>(tensors: &[T], dim: isize) -> Result<Tensor> {
        let all: Vec<&Tensor> = tensors.iter().map(std::borrow::Borrow::borrow).collect();
        let Some(&first) = all.first() else {
            return Err(Error::value("cat", "needs at least one tensor"));
        };
        let operands: Vec<crate::Operand<'_>> = all.iter().map(|&t| t.into()).collect();
        let dtype = super::pointwise::common_type(&operands);
        let mut real: Vec<&Tensor> = all.iter().copied().filter(|t| t.shape() != [0]).collect();
        if real.is_empty() {
            real.push(first);
        }
        if let Some(t) = real.iter().find(|t| t.dim() == 0) {
            return Err(Error::shape("cat", format!("a 0-d tensor has no dimension to join along (dtype {}): use `stack`", t.dtype())));
        }
        let dim = normalize_dim("cat", dim, real[0].dim())?;
        if let [only] = real[..] {
            return only.to_dtype(dtype);
        }
        if real.iter().all(|t| t.dtype() == dtype) {
            return apply1(ShapeOp::Cat { dim }, real);
        }
        let cast = real.iter().map(|t| t.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
        apply1(ShapeOp::Cat { dim }, cast)
    }

    /// Tensors of one shape along a new dimension.
    ///
    /// # Errors
    /// If there are none or shapes differ.
    pub fn stack<T: std::borrow::Borrow<Tensor>>(tensors: &[T], dim: isize) -> Result<Tensor> {
        let Some(first) = tensors.first() else {
            return Err(Error::value("stack", "needs at least one tensor"));
        };
        let shape = first.borrow().shape();
        if let Some(other) = tensors.iter().find(|t| (*t).borrow().shape() != shape) {
            return Err(Error::shape("stack", format!("shapes must be equal, got {shape:?} and {:?}", other.borrow().shape())));
        }
        let dim = normalize_dim("stack", dim, shape.len() + 1)? as isize;
        let rows = tensors.iter().map(|t| t.borrow().unsqueeze(dim)).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&rows, dim)
    }

    /// The tensor cut along a dimension into pieces of a size; the last may be smaller. Views.
    ///
    /// # Errors
    /// If the size is 0 for a dimension that is not, or the dimension does not exist.
    pub fn split(&self, size: usize, dim: isize) -> Result<Vec<Tensor>> {
        let n = self.size(dim)?;
        if size == 0 && n > 0 {
            return Err(Error::value("split", "the size of the pieces must not be 0"));
        }
        let pieces = if n == 0 { 1 } else { n.div_ceil(size) };
        (0..pieces).map(|i| self.narrow(dim, (i * size) as isize, size.min(n - i * size))).collect()
    }

    /// The tensor cut along a dimension into at most `chunks` pieces of equal size, the last perhaps smaller. Views.
    ///
    /// # Errors
    /// If `chunks` is 0 or the dimension does not exist.
    pub fn chunk(&self, chunks: usize, dim: isize) -> Result<Vec<Tensor>> {
        if chunks == 0 {
            return Err(Error::value("chunk", "the number of pieces must not be 0"));
        }
        let n = self.size(dim)?;
        if n == 0 {
            return (0..chunks).map(|_| Ok(self.clone())).collect();
        }
        self.split(n.div_ceil(chunks), dim)
    }

    /// The slices of the first dimension, one after the other: `for row in x.iter()?`. Elements come from [`to_vec`](Tensor::to_vec).
    ///
    /// # Errors
    /// For a 0-d tensor.
    pub fn iter(&self) -> Result<std::vec::IntoIter<Tensor>> {
        if self.dim() == 0 {
            return Err(Error::index("iter", "a 0-d tensor has no dimension to iterate over"));
        }
        Ok(self.unbind(0)?.into_iter())
    }

    /// Every slice of a dimension, which is dropped. Views.
    ///
    /// # Errors
    /// If the dimension does not exist.
    pub fn unbind(&self, dim: isize) -> Result<Vec<Tensor>> {
        (0..self.size(dim)?).map(|i| self.select(dim, i as isize)).collect()
    }
}
