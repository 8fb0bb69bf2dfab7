//! Writing by index, in terms of a few operations.

use rushlight_backend::op::{Index, ScatterReduction};
use rushlight_backend::{DType, Error, Result, Scalar, normalize_dim};

use super::{OF_GATHER, OF_VECTORS, index64, vector};
use crate::{Operand, Tensor, apply1};

/// How values that are written to one place become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScatterMode {
    /// Their sum.
    Sum,
    /// Their product.
    Prod,
    /// Their mean (of integers: rounded down).
    Mean,
    /// The largest; equal ones share the gradient.
    Amax,
    /// The smallest; equal ones share the gradient.
    Amin,
}

/// The number that leaves any other as it is in a maximum (or minimum).
fn neutral(dtype: DType, max: bool) -> Scalar {
    let int = |low: i64, high: i64| Scalar::Int(if max { low } else { high });
    match dtype {
        DType::Bool => Scalar::Bool(!max),
        DType::U8 => int(0, u8::MAX.into()),
        DType::I8 => int(i8::MIN.into(), i8::MAX.into()),
        DType::I16 => int(i16::MIN.into(), i16::MAX.into()),
        DType::I32 => int(i32::MIN.into(), i32::MAX.into()),
        DType::I64 => int(i64::MIN, i64::MAX),
        _ => Scalar::Float(if max { f64::NEG_INFINITY } else { f64::INFINITY }),
    }
}

impl Tensor {
    /// One number in this tensor's dtype, seen in a shape.
    fn constant(&self, value: impl Into<Scalar>, shape: &[usize]) -> Result<Tensor> {
        Tensor::full((), value, (self.dtype(), self.device()))?.expand(shape)
    }

    /// As [`index_add`](Tensor::index_add) with the source times `alpha`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the index reaches beyond the dimension.
    pub fn index_add_scaled(&self, dim: isize, index: &Tensor, source: &Tensor, alpha: impl Into<Scalar>) -> Result<Tensor> {
        let alpha = alpha.into();
        if !alpha.fits(source.dtype()) {
            return Err(Error::value("index_add", format!("alpha {alpha:?} is out of range for {}", source.dtype())));
        }
        let scaled = match alpha {
            Scalar::Int(1) | Scalar::Bool(true) => source.clone(),
            alpha if source.dtype() == DType::Bool => source.logical_and(&Tensor::full((), alpha, (DType::Bool, self.device()))?)?,
            alpha => source.mul(alpha)?.to_dtype(source.dtype())?,
        };
        self.index_add(dim, index, &scaled)
    }

    /// That a source has this tensor's number of dimensions.
    pub(super) fn same_rank(&self, op: &'static str, source: &Tensor) -> Result<()> {
        if source.dim() == self.dim() {
            return Ok(());
        }
        Err(Error::shape(op, format!("a source of shape {:?} for a tensor of shape {:?}", source.shape(), self.shape())))
    }

    /// An index vector in the shape of what it moves along a dimension.
    fn index_along(&self, op: &'static str, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let d = normalize_dim(op, dim, self.dim())?;
        let (index, source) = (vector(&index64(index, OF_VECTORS)?)?, vector(source)?);
        let mut wanted = vector(self)?.shape().to_vec();
        wanted[d] = index.numel();
        if index.dim() != 1 || source.shape() != wanted {
            return Err(Error::shape(op, format!("the source has shape {:?}, wanted {wanted:?}", source.shape())));
        }
        let mut shape = vec![1; wanted.len()];
        shape[d] = index.numel();
        index.reshape(shape)?.expand(source.shape())
    }

    /// This tensor with slices of a dimension, which an index vector names, replaced by those of `source`. The last of several wins.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the index reaches beyond the dimension.
    pub fn index_copy(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let index = self.index_along("index_copy", dim, index, source)?;
        vector(self)?.scatter(dim, &index, &vector(source)?)?.reshape(self.shape())
    }

    /// This tensor with the slices of a dimension that an index vector names filled with a number, which may be a tensor of no dimensions.
    ///
    /// # Errors
    /// If the index reaches beyond the dimension, or the value has dimensions.
    pub fn index_fill<'b>(&self, dim: isize, index: &Tensor, value: impl Into<Operand<'b>>) -> Result<Tensor> {
        let d = normalize_dim("index_fill", dim, self.dim())?;
        let mut shape = vector(self)?.shape().to_vec();
        shape[d] = index.numel();
        match value.into() {
            Operand::Scalar(s) => self.index_copy(dim, index, &self.constant(s, &shape)?),
            // A place that is named twice takes the number, and gives its gradient, once.
            Operand::Tensor(t) if t.dim() == 0 => {
                let places = Tensor::zeros(self.shape(), (DType::Bool, self.device()))?.index_fill(dim, index, true)?;
                places.where_(&t.to_dtype(self.dtype())?, self)
            }
            Operand::Tensor(t) => Err(Error::shape("index_fill", format!("wants a value of no dimensions, got the shape {:?}", t.shape()))),
        }
    }

    /// As [`scatter_reduce`](Tensor::scatter_reduce) with an index vector for whole slices of a dimension.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the index reaches beyond the dimension.
    pub fn index_reduce(&self, dim: isize, index: &Tensor, source: &Tensor, mode: ScatterMode, include_self: bool) -> Result<Tensor> {
        self.same_rank("index_reduce", source)?;
        let index = self.index_along("index_reduce", dim, index, source)?;
        vector(self)?.scatter_reduce(dim, &index, &vector(source)?, mode, include_self)?.reshape(self.shape())
    }

    /// As [`scatter`](Tensor::scatter) of one number.
    ///
    /// # Errors
    /// If the index does not fit or reaches beyond the tensor.
    pub fn scatter_value(&self, dim: isize, index: &Tensor, value: impl Into<Scalar>) -> Result<Tensor> {
        self.scatter(dim, index, &self.constant(value, index.shape())?)
    }

    /// This tensor with elements of `source` joined to what is where the index says (`include_self`), or in its place: for dimension 0, `out[index[i][j]][j]`
    /// becomes the sum, product, mean or extremum of all `source[i][j]` that go there.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the index reaches beyond the tensor.
    pub fn scatter_reduce(&self, dim: isize, index: &Tensor, source: &Tensor, mode: ScatterMode, include_self: bool) -> Result<Tensor> {
        let op = "scatter_reduce";
        let d = normalize_dim(op, dim, self.dim())?;
        let (x, index, mut source) = (vector(self)?, vector(&index64(index, OF_GATHER)?)?, vector(source)?);
        if source.dtype() != x.dtype() {
            return Err(Error::dtype(op, format!("the source is {}, the tensor is {}", source.dtype(), x.dtype())));
        }
        if source.dim() == index.dim() {
            for k in 0..index.dim() {
                let n = index.shape()[k];
                if source.shape()[k] > n {
                    source = source.narrow(k as isize, 0, n)?;
                }
            }
        }
        let shape = index.shape().to_vec();
        let started = |value: Scalar| if include_self { Ok(x.clone()) } else { x.scatter(dim, &index, &x.constant(value, &shape)?) };
        let reduced = |kind, start: Scalar| apply1(Index::ScatterReduce { dim: d, kind }, [started(start)?, index.clone(), source.clone()]);
        let result = match mode {
            ScatterMode::Sum => started(0.into())?.scatter_add(dim, &index, &source)?,
            ScatterMode::Prod => reduced(ScatterReduction::Prod, 1.into())?,
            ScatterMode::Amax => reduced(ScatterReduction::Amax, neutral(x.dtype(), true))?,
            ScatterMode::Amin => reduced(ScatterReduction::Amin, neutral(x.dtype(), false))?,
            ScatterMode::Mean => {
                let sum = started(0.into())?.scatter_add(dim, &index, &source)?;
                let first = if include_self { 1 } else { 0 };
                let plain = x.detach();
                let counts = plain.full_like(first)?.scatter_add(dim, &index, &plain.constant(1, &shape)?)?;
                let counts = counts.eq(0)?.where_(&counts.ones_like()?, &counts)?;
                match x.dtype() {
                    DType::Bool => sum,
                    d if d.is_differentiable() => sum.div(&counts)?,
                    d => sum.floor_divide(&counts)?.to_dtype(d)?,
                }
            }
        };
        result.reshape(self.shape())
    }

    /// This tensor with elements of `source` written at places in row-major order, or added there (`accumulate`). Negative places count from the back.
    ///
    /// # Errors
    /// If the sizes of places and source differ, dtypes do not fit, or a place is out of range.
    pub fn put(&self, places: &Tensor, source: &Tensor, accumulate: bool) -> Result<Tensor> {
        if places.numel() != source.numel() {
            return Err(Error::shape("put", format!("{} places for {} elements", places.numel(), source.numel())));
        }
        if places.dtype() != DType::I64 || source.dtype() != self.dtype() {
            return Err(Error::dtype(
                "put",
                format!("wants places of int64 and elements of {}, got {} and {}", self.dtype(), places.dtype(), source.dtype()),
            ));
        }
        if places.numel() == 0 {
            return Ok(self.clone());
        }
        let flat = self.reshape(-1)?.index_put(&[Some(places.reshape(-1)?)], &source.reshape(-1)?, accumulate)?;
        flat.reshape(self.shape())
    }

    /// This tensor with the elements of `source`, in row-major order, written where the mask (`bool`, broadcast) is true.
    ///
    /// # Errors
    /// If the mask is not `bool`, dtypes differ, or the source has too few elements.
    pub fn masked_scatter(&self, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
        let op = "masked_scatter";
        if mask.dtype() != DType::Bool || source.dtype() != self.dtype() {
            return Err(Error::dtype(
                op,
                format!("wants a mask of bool and a source of {}, got {} and {}", self.dtype(), mask.dtype(), source.dtype()),
            ));
        }
        let shape = rushlight_backend::broadcast_shapes(op, &[self.shape(), mask.shape()])?;
        let places = mask.expand(shape.as_slice())?.reshape(-1)?.nonzero()?.reshape(-1)?;
        let n = places.numel();
        if source.numel() < n {
            return Err(Error::shape(op, format!("a source of {} elements for {n} places", source.numel())));
        }
        let whole = self.expand(shape.as_slice())?;
        whole.reshape(-1)?.scatter(0, &places, &source.reshape(-1)?.narrow(0, 0, n)?)?.reshape(shape.as_slice())
    }

    /// This tensor with one slice of a dimension replaced by `source`.
    ///
    /// # Errors
    /// If the index is out of range or the source does not have the slice's shape.
    pub fn select_scatter(&self, source: &Tensor, dim: isize, index: isize) -> Result<Tensor> {
        let slice = self.detach().select(dim, index)?;
        if slice.shape() != source.shape() {
            return Err(Error::shape(
                "select_scatter",
                format!("the source has shape {:?}, the slice {:?}", source.shape(), slice.shape()),
            ));
        }
        let (d, n) = (normalize_dim("select_scatter", dim, self.dim())? as isize, self.size(dim)? as isize);
        let at = if index < 0 { index + n } else { index };
        self.slice_scatter(&source.unsqueeze(d)?, d, at, at + 1, 1)
    }

    /// Slices of a dimension scaled down to a p-norm of `maxnorm`, where theirs is larger.
    ///
    /// # Errors
    /// If there are fewer than two dimensions, or p is not positive, or the dtype does not fit.
    pub fn renorm(&self, p: f64, dim: isize, maxnorm: f64) -> Result<Tensor> {
        if self.dim() < 2 {
            return Err(Error::shape("renorm", format!("wants at least two dimensions, got {:?}", self.shape())));
        }
        if !(p > 0.0 && maxnorm >= 0.0) {
            return Err(Error::value("renorm", format!("wants a positive p and a maxnorm not below 0, got {p} and {maxnorm}")));
        }
        let d = normalize_dim("renorm", dim, self.dim())?;
        let others: Vec<usize> = (0..self.dim()).filter(|&k| k != d).collect();
        let norms = self.vector_norm(p, others, true)?;
        let factors = norms.gt(maxnorm)?.where_(&norms.add(1e-7)?.reciprocal()?.mul(maxnorm)?, 1.0)?;
        self.mul(&factors.to_dtype(self.dtype())?)
    }
}
