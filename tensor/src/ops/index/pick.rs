//! Reading by index, in terms of a few operations.

use rushlight_backend::op::Index;
use rushlight_backend::{DType, Error, Result, Shape, broadcast_shapes, normalize_dim};

use crate::{IntoSizes, Tensor, apply1, sizes};

/// The parameters of [`Tensor::embedding_with`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmbeddingOptions {
    /// A row that gets no gradient; negative numbers count from the back.
    pub padding_idx: Option<isize>,
    /// Whether a row's gradient is divided by how often its index occurs.
    pub scale_grad_by_freq: bool,
}

impl Tensor {
    /// Rows of this table (`[vocabulary, features]`) for each index (int64 or int32, any shape): the result has the index's shape and one more
    /// dimension.
    ///
    /// # Errors
    /// If the table is not a matrix, or an index is out of range.
    pub fn embedding(&self, indices: &Tensor) -> Result<Tensor> {
        self.embedding_with(indices, EmbeddingOptions::default())
    }

    /// As [`embedding`](Tensor::embedding), with a say in the table's gradient. (For `max_norm` see [`embedding_renorm`](Tensor::embedding_renorm).)
    ///
    /// # Errors
    /// If the table is not a matrix, or an index or the padding row is out of range.
    pub fn embedding_with(&self, indices: &Tensor, with: EmbeddingOptions) -> Result<Tensor> {
        let rows = self.shape().first().copied().unwrap_or(0);
        let padding_idx = match with.padding_idx {
            None => None,
            Some(i) => {
                let at = if i < 0 { i.saturating_add_unsigned(rows) } else { i };
                match usize::try_from(at) {
                    Ok(at) if at < rows => Some(at),
                    _ => return Err(Error::index("embedding", format!("padding_idx {i} is out of range for {rows} rows"))),
                }
            }
        };
        let indices = super::index64(indices, super::OF_VECTORS)?;
        apply1(Index::Embedding { padding_idx, scale_grad_by_freq: with.scale_grad_by_freq }, [self, &indices])
    }

    /// The elements at places in row-major order, in the shape of the index. Negative places count from the back.
    ///
    /// # Errors
    /// If the index is not int64, or a place is out of range.
    pub fn take(&self, index: &Tensor) -> Result<Tensor> {
        if index.dtype() != DType::I64 {
            return Err(Error::dtype("take", format!("the index must be int64, got {}", index.dtype())));
        }
        if index.numel() == 0 {
            return Tensor::zeros(index.shape(), (self.dtype(), self.device()));
        }
        self.reshape(-1)?.index(&[Some(index.reshape(-1)?)])?.reshape(index.shape())
    }

    /// As [`gather`](Tensor::gather) with tensor and index broadcast together in the other dimensions (`None`: both flat); what
    /// [`argsort`](Tensor::argsort) and its kin return can be given to it.
    ///
    /// # Errors
    /// If the index is not int64, shapes do not fit, or a place is out of range.
    pub fn take_along_dim(&self, index: &Tensor, dim: impl Into<Option<isize>>) -> Result<Tensor> {
        let op = "take_along_dim";
        if index.dtype() != DType::I64 {
            return Err(Error::dtype(op, format!("the index must be int64, got {}", index.dtype())));
        }
        let Some(dim) = dim.into() else {
            return self.reshape(-1)?.take_along_dim(&index.reshape(-1)?, 0);
        };
        if index.dim() != self.dim() {
            return Err(Error::shape(op, format!("an index of shape {:?} for a tensor of shape {:?}", index.shape(), self.shape())));
        }
        let d = normalize_dim(op, dim, self.dim())?;
        let (mut a, mut b) = (Shape::from_slice(self.shape()), Shape::from_slice(index.shape()));
        if let (Some(x), Some(y)) = (a.get_mut(d), b.get_mut(d)) {
            (*x, *y) = (1, 1);
        }
        let mut shape = broadcast_shapes(op, &[&a, &b])?;
        let mut sized = |n: Option<&usize>| {
            if let (Some(s), Some(&n)) = (shape.get_mut(d), n) {
                *s = n;
            }
            shape.clone()
        };
        let (of_x, of_index) = (sized(self.shape().get(d)), sized(index.shape().get(d)));
        let wrapped = index.lt(0)?.where_(&index.add(self.shape().get(d).copied().unwrap_or(1))?, index)?;
        self.expand(of_x.as_slice())?.gather(dim, &wrapped.expand(of_index.as_slice())?)
    }

    /// The elements where the mask (`bool`; both are broadcast) is true, in row-major order.
    ///
    /// # Errors
    /// If the mask is not `bool`, or the shapes do not fit.
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        if mask.dtype() != DType::Bool {
            return Err(Error::dtype("masked_select", format!("wants a mask (bool), got {}", mask.dtype())));
        }
        let shape = broadcast_shapes("masked_select", &[self.shape(), mask.shape()])?;
        let places = mask.expand(shape.as_slice())?.reshape(-1)?.nonzero()?.reshape(-1)?;
        self.expand(shape.as_slice())?.reshape(-1)?.index_select(0, &places)
    }

    /// The coordinates of the elements that are not zero, in row-major order: `[count, rank]`, int64. PyTorch's `argwhere` as well; `as_tuple` is
    /// `nonzero()?.unbind(1)?`.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[0.0f32, 2.0], [3.0, 0.0]])?;
    /// assert_eq!(x.nonzero()?.to_vec::<i64>()?, [0, 1, 1, 0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn nonzero(&self) -> Result<Tensor> {
        let x = self.detach();
        let mask = if x.dtype() == DType::Bool { x } else { x.ne(0)? };
        let count = mask.sum()?.item::<i64>()? as usize;
        apply1(Index::Nonzero { count }, [mask])
    }

    /// The first `size` rows of [`nonzero`](Tensor::nonzero); where there are fewer, rows of `fill_value` follow. PyTorch's default is -1.
    ///
    /// # Errors
    /// If the device fails.
    pub fn nonzero_static(&self, size: usize, fill_value: i64) -> Result<Tensor> {
        let places = self.nonzero()?;
        let (found, dims) = (places.shape()[0], places.shape()[1]);
        let rest = Tensor::full([size.saturating_sub(found), dims], fill_value, (DType::I64, self.device()))?;
        Tensor::cat(&[places.narrow(0, 0, size.min(found))?, rest], 0)
    }

    /// The coordinates in a tensor of this shape of places in row-major order: one tensor for each dimension. Negative places count from the back.
    ///
    /// # Errors
    /// If the tensor is not of integers, or a size is negative or 0.
    pub fn unravel_index(&self, shape: impl IntoSizes) -> Result<Vec<Tensor>> {
        let op = "unravel_index";
        if !self.dtype().is_int() {
            return Err(Error::dtype(op, format!("places are integers, got {}", self.dtype())));
        }
        let shape = sizes::shape(op, shape)?;
        if shape.contains(&0) && self.numel() > 0 {
            return Err(Error::shape(op, format!("a tensor of shape {:?} has no places", shape.as_slice())));
        }
        let places = self.detach();
        let mut step = 1i64;
        let mut out = Vec::new();
        for &n in shape.iter().rev() {
            let wide = places.to_dtype(DType::I64)?;
            out.push(wide.floor_divide(step)?.remainder(n)?.to_dtype(DType::I64)?);
            step = step.saturating_mul(n as i64);
        }
        out.reverse();
        Ok(out)
    }
}
