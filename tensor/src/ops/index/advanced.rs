//! Indexing as Python writes it, and index tensors for several dimensions.

use rushlight_backend::op::Index;
use rushlight_backend::{DType, Dims, Error, Result, Shape, broadcast_shapes};

use super::ix::{IntoIndex, Ix};
use crate::{Operand, Tensor, apply1};

const OP: &str = "index";

/// Index tensors for some of the dimensions of a tensor, as places in one dimension.
struct Places {
    /// The order of dimensions in which the indexed ones are neighbours.
    order: Dims,
    /// The first of them in that order, and how many there are.
    first: usize,
    count: usize,
    /// The common shape of the index tensors, and the places, flat.
    shape: Shape,
    flat: Tensor,
}

impl Places {
    fn new(x: &Tensor, indices: &[Option<Tensor>]) -> Result<Places> {
        let given: Dims = (0..indices.len()).filter(|&d| indices[d].is_some()).collect();
        let tensors: Vec<&Tensor> = indices.iter().flatten().collect();
        let shapes: Vec<&[usize]> = tensors.iter().map(|t| t.shape()).collect();
        let shape = broadcast_shapes(OP, &shapes)?;
        let neighbours = given.windows(2).all(|w| w[0] + 1 == w[1]);
        let first = if neighbours { given[0] } else { 0 };
        let mut order: Dims = if neighbours { (0..first).collect() } else { Dims::new() };
        order.extend_from_slice(&given);
        let rest: Dims = (0..x.dim()).filter(|d| !order.contains(d)).collect();
        order.extend(rest);
        let sizes: Shape = given.iter().map(|&d| x.shape()[d]).collect();
        if sizes.contains(&0) && rushlight_backend::numel(&shape) > 0 {
            return Err(Error::index(OP, format!("an index into a dimension of size 0 of {:?}", x.shape())));
        }
        let expanded = tensors.iter().map(|t| t.detach().to_dtype(DType::I64)?.expand(shape.as_slice())).collect::<Result<Vec<_>>>()?;
        let flat = apply1(Index::Ravel { sizes, first: given[0] }, expanded)?.reshape(-1)?;
        Ok(Places { order, first, count: given.len(), shape, flat })
    }

    /// The tensor with the indexed dimensions as one.
    fn joined(&self, x: &Tensor) -> Result<Tensor> {
        let ordered = x.permute(self.order.to_vec())?;
        ordered.flatten(self.first as isize, (self.first + self.count) as isize - 1)
    }

    /// The reverse of `joined`.
    fn parted(&self, joined: &Tensor, like: &[usize]) -> Result<Tensor> {
        let shape: Vec<usize> = self.order.iter().map(|&d| like[d]).collect();
        let mut back = vec![0usize; self.order.len()];
        for (to, &from) in self.order.iter().enumerate() {
            back[from] = to;
        }
        joined.reshape(shape)?.permute(back)
    }

    /// The shape of the joined tensor with these sizes in place of the joined dimension.
    fn with_sizes(&self, joined: &Tensor, sizes: &[usize]) -> Vec<usize> {
        let s = joined.shape();
        [&s[..self.first], sizes, &s[self.first + 1..]].concat()
    }
}

/// Masks as coordinates: one index tensor for each of their dimensions, which must be those of the tensor.
fn open_masks(x: &Tensor, indices: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
    let mut out: Vec<Option<Tensor>> = Vec::new();
    for index in indices {
        match index {
            Some(t) if matches!(t.dtype(), DType::Bool | DType::U8) => {
                let at = out.len();
                let fits = x.shape().get(at..at + t.dim()).is_some_and(|s| s == t.shape());
                if !fits {
                    return Err(Error::index(
                        OP,
                        format!("the mask of shape {:?} at dimension {at} does not fit a tensor of shape {:?}", t.shape(), x.shape()),
                    ));
                }
                out.extend(t.nonzero()?.unbind(1)?.into_iter().map(Some));
            }
            Some(t) if !t.dtype().is_int() => {
                return Err(Error::dtype(OP, format!("index tensors are integers or bool, got {}", t.dtype())));
            }
            other => out.push(other.clone()),
        }
    }
    if out.len() > x.dim() {
        return Err(Error::index(OP, format!("{} indices for a tensor of shape {:?}", out.len(), x.shape())));
    }
    Ok(out)
}

/// An index walked through: a view, and index tensors for some of its dimensions.
fn resolve(x: &Tensor, index: Vec<Ix>) -> Result<(Tensor, Vec<Option<Tensor>>)> {
    let index = index.into_iter().map(|i| i.on(x.device())).collect::<Result<Vec<_>>>()?;
    let uses = |i: &Ix| match i {
        Ix::At(_) | Ix::Range { .. } => 1,
        Ix::Tensor(t) if matches!(t.dtype(), DType::Bool | DType::U8) => t.dim(),
        Ix::Tensor(_) => 1,
        _ => 0,
    };
    let used: usize = index.iter().map(uses).sum();
    let Some(left) = x.dim().checked_sub(used) else {
        return Err(Error::index(OP, format!("{used} indices for a tensor of shape {:?}", x.shape())));
    };
    if index.iter().filter(|i| matches!(i, Ix::Ellipsis)).count() > 1 {
        return Err(Error::index(OP, "more than one ellipsis"));
    }
    let (mut view, mut tensors, mut dim) = (x.clone(), Vec::new(), 0usize);
    for i in index {
        let d = dim as isize;
        match i {
            Ix::At(at) => view = view.select(d, at).map_err(|e| Error::index(OP, e.message()))?,
            Ix::Range { start, end, step } => {
                view = view.slice(d, start, end, step)?;
                dim += 1;
            }
            Ix::Ellipsis => dim += left,
            Ix::NewAxis => {
                view = view.unsqueeze(d)?;
                dim += 1;
            }
            Ix::Tensor(t) if t.dim() == 0 && t.dtype().is_int() && t.dtype() != DType::U8 => {
                let at = t.detach().to_dtype(DType::I64)?.item::<i64>()?;
                view = view.select(d, at as isize).map_err(|e| Error::index(OP, e.message()))?;
            }
            Ix::Tensor(t) => {
                let mut t = t.detach();
                if t.dim() == 0 {
                    // One truth value: a new dimension that is there or not.
                    view = view.unsqueeze(d)?;
                    t = t.reshape(1)?;
                }
                let covers = if matches!(t.dtype(), DType::Bool | DType::U8) { t.dim() } else { 1 };
                if tensors.len() < dim {
                    tensors.resize(dim, None);
                }
                // A mask over several dimensions stands at the first of them; `open_masks` gives it the others.
                tensors.push(Some(t));
                if covers > 1 {
                    tensors = open_masks(&view, &tensors)?;
                }
                dim += covers;
            }
            Ix::List(_) | Ix::Mask(_) | Ix::Bool(_) => {}
        }
    }
    let tensors = open_masks(&view, &tensors)?;
    Ok((view, tensors))
}

impl Tensor {
    /// Python's `x[...]`: integers, ranges, `..` (all of a dimension), [`Ellipsis`](crate::Ellipsis), `None` (a new dimension), integer tensors
    /// and lists, masks, in a tuple for several dimensions. Without tensors and lists the result is a view.
    ///
    /// Index tensors are broadcast together; the dimensions of their common shape take the place of the indexed ones if these are neighbours, else they come
    /// first, as in NumPy.
    ///
    /// # Errors
    /// If an index is out of range, there are more indices than dimensions, or shapes do not fit.
    ///
    /// ```
    /// # use rushlight_tensor::{Ellipsis, Tensor, step_by};
    /// let x = Tensor::arange(0, 24, 1, ())?.reshape([2, 3, 4])?;
    /// assert_eq!(x.i((1, .., 2))?.to_vec::<i64>()?, [14, 18, 22]);
    /// assert_eq!(x.i((Ellipsis, -1))?.shape(), [2, 3]);
    /// assert_eq!(x.i((0, step_by(.., 2), None, 1..3))?.shape(), [2, 1, 2]);
    /// assert_eq!(x.i((.., [0, 2], [1, 3]))?.to_vec::<i64>()?, [1, 11, 13, 23]);
    /// assert_eq!(x.i(&x.gt(21)?)?.to_vec::<i64>()?, [22, 23]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn i(&self, index: impl IntoIndex) -> Result<Tensor> {
        let (view, tensors) = resolve(self, index.into_index())?;
        if tensors.iter().all(Option::is_none) { Ok(view) } else { view.index(&tensors) }
    }

    /// This tensor with `value` (a tensor that broadcasts to the part, or a number) written where the index says; see [`i`](Tensor::i). The last of
    /// several writes to one place wins.
    ///
    /// # Errors
    /// As `i`, and if the value does not fit.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::zeros([2, 3], ())?;
    /// let x = x.with_i((.., 1), 5.0)?.with_i((1, [0, 2]), &Tensor::new(&[1.0f32, 2.0])?)?;
    /// assert_eq!(x.to_vec::<f32>()?, [0.0, 5.0, 0.0, 1.0, 5.0, 2.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn with_i<'a>(&self, index: impl IntoIndex, value: impl Into<Operand<'a>>) -> Result<Tensor> {
        let places = Tensor::arange(0, self.numel() as i64, 1, self.device())?.reshape(self.shape())?.i(index)?;
        let value = match value.into() {
            Operand::Tensor(t) => t.to_dtype(self.dtype())?,
            Operand::Scalar(s) => Tensor::full((), s, (self.dtype(), self.device()))?,
        };
        // As in NumPy, leading dimensions of size 1 that the part does not have are no matter.
        let lead = (0..value.dim().saturating_sub(places.dim())).take_while(|&d| value.shape()[d] == 1).count();
        let value = value.reshape(&value.shape()[lead..])?.expand(places.shape())?.reshape(-1)?;
        self.reshape(-1)?.scatter(0, &places.reshape(-1)?, &value)?.reshape(self.shape())
    }

    /// As [`with_i`](Tensor::with_i), in place.
    ///
    /// # Errors
    /// As `with_i`; the tensor is then unchanged.
    pub fn set_i<'a>(&mut self, index: impl IntoIndex, value: impl Into<Operand<'a>>) -> Result<()> {
        *self = self.with_i(index, value)?;
        Ok(())
    }

    /// The elements that index tensors (integers or masks) name in some of the dimensions; `None` takes the whole dimension. See [`i`](Tensor::i).
    ///
    /// # Errors
    /// If an index is out of range, or shapes or dtypes do not fit.
    pub fn index(&self, indices: &[Option<Tensor>]) -> Result<Tensor> {
        let indices = open_masks(self, indices)?;
        if indices.iter().all(Option::is_none) {
            return Ok(self.clone());
        }
        let places = Places::new(self, &indices)?;
        let joined = places.joined(self)?;
        let shape = places.with_sizes(&joined, &places.shape);
        joined.index_select(places.first as isize, &places.flat)?.reshape(shape)
    }

    /// This tensor with values (broadcast) written where index tensors say, or added there (`accumulate`). See [`index`](Tensor::index).
    ///
    /// # Errors
    /// If an index is out of range, or shapes or dtypes do not fit.
    pub fn index_put(&self, indices: &[Option<Tensor>], values: &Tensor, accumulate: bool) -> Result<Tensor> {
        if values.dtype() != self.dtype() {
            return Err(Error::dtype("index_put", format!("values are {}, the tensor is {}", values.dtype(), self.dtype())));
        }
        let indices = open_masks(self, indices)?;
        if indices.iter().all(Option::is_none) {
            let values = values.expand(self.shape())?;
            return if accumulate { self.add(&values) } else { Ok(values) };
        }
        let places = Places::new(self, &indices)?;
        let joined = places.joined(self)?;
        let (dim, n) = (places.first as isize, places.flat.numel());
        let values = values.expand(places.with_sizes(&joined, &places.shape))?.reshape(places.with_sizes(&joined, &[n]))?;
        let written = match accumulate {
            true => joined.index_add(dim, &places.flat, &values)?,
            false => joined.index_copy(dim, &places.flat, &values)?,
        };
        places.parted(&written, self.shape())
    }
}
