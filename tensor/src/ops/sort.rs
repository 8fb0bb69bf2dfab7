//! Order: sorting, ranks, searching.

mod count;
mod histogram;
mod quantile;
mod unique;

pub use histogram::HistogramBins;
pub use quantile::Quantile;
pub use unique::{Unique, UniqueResults};

use rushlight_backend::op::{Rank, Sort};
use rushlight_backend::{DType, Error, Result, normalize_dim};

use crate::{Operand, Tensor, apply, apply1};

impl Tensor {
    /// An operation on rows along a dimension, which it leaves with another size (dropped if `drop`).
    fn in_order(&self, sort: Sort, op: &'static str, dim: isize, drop: bool) -> Result<(Tensor, Tensor)> {
        let d = normalize_dim(op, dim, self.dim())?;
        if self.dim() == 0 {
            let (values, indices) = self.reshape(1)?.in_order(sort, op, 0, drop)?;
            return match drop || values.numel() == 1 {
                true => Ok((values.reshape(())?, indices.reshape(())?)),
                false => Ok((values, indices)),
            };
        }
        let mut both = apply(sort, [self.transpose(d as isize, -1)?])?;
        let back = |t: Tensor| match drop {
            true => t.transpose(d as isize, -1)?.squeeze_dim(d as isize),
            false => t.transpose(d as isize, -1),
        };
        let indices = back(both.swap_remove(1))?;
        Ok((back(both.swap_remove(0))?, indices))
    }

    /// The elements of a dimension in order, and the places where they lay: values, indices. Equal elements keep their order (the sort is always
    /// stable), and NaN counts as the largest.
    ///
    /// # Errors
    /// If the dimension does not exist, or the tensor is complex.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let (values, indices) = Tensor::new(&[3.0f32, 1.0, 2.0])?.sort(-1, true)?;
    /// assert_eq!((values.to_vec::<f32>()?, indices.to_vec::<i64>()?), (vec![3.0, 2.0, 1.0], vec![0, 2, 1]));
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn sort(&self, dim: isize, descending: bool) -> Result<(Tensor, Tensor)> {
        self.in_order(Sort::Sort { descending }, "sort", dim, false)
    }

    /// The places of the elements of a dimension in order; see [`sort`](Tensor::sort).
    ///
    /// # Errors
    /// If the dimension does not exist, or the tensor is complex.
    pub fn argsort(&self, dim: isize, descending: bool) -> Result<Tensor> {
        Ok(self.sort(dim, descending)?.1)
    }

    /// The `k` largest (or smallest) elements of a dimension in order, and their places: values, indices. Of equals the first comes first.
    ///
    /// # Errors
    /// If there are fewer, the dimension does not exist, or the tensor is complex.
    pub fn topk(&self, k: usize, dim: isize, largest: bool) -> Result<(Tensor, Tensor)> {
        if self.dtype() == DType::Bool {
            return Err(Error::dtype("topk", "does not take booleans"));
        }
        self.in_order(Sort::TopK { k, largest }, "topk", dim, false)
    }

    /// The `k`-th smallest element of a dimension, counted from 1, and its place: values, indices.
    ///
    /// # Errors
    /// If there are fewer, the dimension does not exist, or the tensor is complex.
    pub fn kthvalue(&self, k: usize, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let Some(k0) = k.checked_sub(1) else {
            return Err(Error::index("kthvalue", "k counts from 1, got 0"));
        };
        self.in_order(Sort::Rank(Rank::Nth(k0)), "kthvalue", dim, !keepdim)
    }

    /// The middle element of all, the lower of two; NaN if there is one. Equal elements share the gradient.
    ///
    /// # Errors
    /// If there are no elements of an integer tensor (of floats: NaN), or the tensor is complex.
    pub fn median(&self) -> Result<Tensor> {
        self.middle(Rank::Median)
    }

    /// The middle element of all that are not NaN, the lower of two. Equal elements share the gradient.
    ///
    /// # Errors
    /// As [`median`](Tensor::median).
    pub fn nanmedian(&self) -> Result<Tensor> {
        self.middle(Rank::NanMedian)
    }

    fn middle(&self, rank: Rank) -> Result<Tensor> {
        let x = self.detach();
        if x.numel() == 0 && x.dtype().is_float() {
            return Tensor::full((), f64::NAN, (x.dtype(), x.device()));
        }
        let value = x.reshape(-1)?.in_order(Sort::Rank(rank), "median", 0, true)?.0;
        if self.trace().is_none() || !self.dtype().is_float() {
            return Ok(value);
        }
        let same = x.eq(&value)?.logical_or(&x.isnan()?.logical_and(&value.isnan()?)?)?;
        let shared = same.where_(self, 0.0)?.sum()?.div(&same.sum()?.to_dtype(self.dtype())?)?;
        // The value of one, the derivative of the other; they are the same but for rounding.
        Ok(if value.trace().is_none() { value.with_trace(shared.trace().cloned()) } else { shared })
    }

    /// The middle elements of a dimension, the lower of two, and their places; NaN if there is one: values, indices.
    ///
    /// # Errors
    /// If the dimension is empty or does not exist, or the tensor is complex.
    pub fn median_dim(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        self.in_order(Sort::Rank(Rank::Median), "median", dim, !keepdim)
    }

    /// The middle elements of a dimension among those that are not NaN, the lower of two, and their places: values, indices.
    ///
    /// # Errors
    /// If the dimension is empty or does not exist, or the tensor is complex.
    pub fn nanmedian_dim(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        self.in_order(Sort::Rank(Rank::NanMedian), "nanmedian", dim, !keepdim)
    }

    /// The most frequent elements of a dimension, the smallest of several, and the places where they last occur: values, indices.
    ///
    /// # Errors
    /// If the dimension is empty or does not exist, or the tensor is complex.
    pub fn mode(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        self.in_order(Sort::Mode, "mode", dim, !keepdim)
    }

    /// For each value the place in this ascending sequence before which it could be put: the number of smaller elements (`right`: smaller or equal).
    /// The sequence is one row, or has as many rows along its last dimension as the values. `sorter` says in which order to read it.
    ///
    /// # Errors
    /// If the shapes do not fit, or the tensors are complex.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let edges = Tensor::new(&[0.0f32, 1.0, 2.0])?;
    /// assert_eq!(edges.searchsorted(&Tensor::new(&[1.0f32, 1.5])?, false, None)?.to_vec::<i64>()?, [1, 2]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn searchsorted<'a>(&self, values: impl Into<Operand<'a>>, right: bool, sorter: Option<&Tensor>) -> Result<Tensor> {
        let op = "searchsorted";
        if self.dim() == 0 {
            return Err(Error::shape(op, "the sequence must have at least one dimension"));
        }
        let sequence = match sorter {
            Some(s) if s.shape() != self.shape() => {
                return Err(Error::shape(op, format!("a sorter of shape {:?} for a sequence of {:?}", s.shape(), self.shape())));
            }
            Some(s) => self.detach().gather(-1, s)?,
            None => self.detach(),
        };
        let values = match values.into() {
            Operand::Tensor(t) => t.detach(),
            Operand::Scalar(s) => {
                let dtype = super::pointwise::common_type(&[(&sequence).into(), s.into()]);
                Tensor::full((), s, (dtype, self.device()))?
            }
        };
        let dtype = super::pointwise::common_type(&[(&sequence).into(), (&values).into()]);
        if dtype == DType::Bool {
            return Err(Error::dtype(op, "does not take booleans alone"));
        }
        if values.dim() == 0 && self.dim() > 1 {
            return Err(Error::shape(op, format!("one value for the rows of a sequence of shape {:?}", self.shape())));
        }
        apply1(Sort::Search { right }, [sequence.to_dtype(dtype)?, values.to_dtype(dtype)?])
    }

    /// For each element the number of its bucket between ascending boundaries (a vector): the number of boundaries below it (`right`: not above it).
    ///
    /// # Errors
    /// If the boundaries are no vector, or the tensors are complex.
    pub fn bucketize(&self, boundaries: &Tensor, right: bool) -> Result<Tensor> {
        if boundaries.dim() != 1 {
            return Err(Error::shape("bucketize", format!("boundaries must be a vector, got {:?}", boundaries.shape())));
        }
        boundaries.searchsorted(self, right, None)
    }
}
