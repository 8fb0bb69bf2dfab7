//! Distinct elements, written in sorting, comparing neighbours and running sums.

use rushlight_backend::{DType, Error, Result, normalize_dim};

use crate::ops::pointwise::common_type;
use crate::{Operand, Tensor};

/// What [`Tensor::unique`] takes; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unique {
    /// The dimension whose slices are compared; `None`: elements.
    pub dim: Option<isize>,
    /// Whether only neighbours are compared: the order stays as it is.
    pub consecutive: bool,
}

/// What [`Tensor::unique`] returns.
#[derive(Clone)]
pub struct UniqueResults {
    /// The distinct elements or slices, in ascending order (`consecutive`: in the order in which they occur).
    pub values: Tensor,
    /// For each element, or slice, the place of its value.
    pub inverse: Tensor,
    /// How often each value occurs.
    pub counts: Tensor,
}

impl Tensor {
    /// Which elements are among others (`bool`), or, with `invert`, are not. NaN is among none.
    ///
    /// # Errors
    /// If the numbers are complex or booleans.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[3i64, 1, 2])?;
    /// assert_eq!(x.isin(&Tensor::new(&[2i64, 3])?, false)?.to_vec::<bool>()?, [true, false, true]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn isin<'b>(&self, among: impl Into<Operand<'b>>, invert: bool) -> Result<Tensor> {
        let among = among.into();
        let dtype = common_type(&[Operand::Tensor(self), among]);
        if dtype == DType::Bool || dtype.is_complex() {
            return Err(Error::dtype("isin", format!("does not take {dtype}")));
        }
        let x = self.to_dtype(dtype)?;
        let among = match among {
            Operand::Tensor(t) => t.to_dtype(dtype)?.reshape(-1)?,
            Operand::Scalar(s) if s.fits(dtype) => Tensor::full(1, s, (dtype, self.device()))?,
            Operand::Scalar(_) => Tensor::zeros(0, (dtype, self.device()))?,
        };
        let found = match among.numel() {
            0 => Tensor::full(x.shape(), false, (DType::Bool, x.device()))?,
            n => {
                // Only the first that is not smaller can be equal.
                let (sorted, _) = among.sort(0, false)?;
                let place = sorted.searchsorted(&x, false, None)?.clamp(None, (n - 1) as f64)?;
                sorted.take(&place)?.eq(&x)?
            }
        };
        if invert { found.logical_not() } else { Ok(found) }
    }

    /// The distinct elements, or slices of a dimension; where each has gone, and how often each occurs.
    ///
    /// # Errors
    /// If the dimension does not exist, or the tensor is complex.
    ///
    /// ```
    /// # use rushlight_tensor::{Tensor, Unique};
    /// let u = Tensor::new(&[3i64, 1, 3])?.unique(Unique::default())?;
    /// assert_eq!(u.values.to_vec::<i64>()?, [1, 3]);
    /// assert_eq!(u.inverse.to_vec::<i64>()?, [1, 0, 1]);
    /// assert_eq!(u.counts.to_vec::<i64>()?, [1, 2]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn unique(&self, with: Unique) -> Result<UniqueResults> {
        let x = self.detach();
        if x.dtype().is_complex() {
            return Err(Error::dtype("unique", format!("complex numbers have no order, got {}", x.dtype())));
        }
        let (rows, dim) = match with.dim {
            None => (x.reshape([-1, 1])?, None),
            Some(d) if x.dim() > 0 => {
                let d = normalize_dim("unique", d, x.dim())?;
                if x.shape().iter().enumerate().any(|(i, &n)| n == 0 && i != d) {
                    return Err(Error::shape("unique", format!("the slices of dimension {d} of {:?} are empty", x.shape())));
                }
                let front = x.movedim(d as isize, 0)?;
                let width = front.shape()[1..].iter().product::<usize>();
                (front.reshape([front.shape()[0], width])?, Some(d))
            }
            Some(_) => return Err(Error::index("unique", "a 0-d tensor has no dimension")),
        };
        let n = rows.shape()[0];
        let places = |t: Vec<i64>| Tensor::from_vec(t, n, x.device());
        // Rows in order of their first element, then the second...: sort by the last one first.
        let mut order = places((0..n as i64).collect())?;
        if !with.consecutive {
            for column in (0..rows.shape()[1]).rev() {
                let key = rows.select(1, column as isize)?.index_select(0, &order)?;
                order = order.index_select(0, &key.argsort(0, false)?)?;
            }
        }
        let sorted = rows.index_select(0, &order)?;
        let len = n.saturating_sub(1);
        let (low, high) = (sorted.narrow(0, 0, len)?, sorted.narrow(0, n.min(1) as isize, len)?);
        let first = Tensor::ones(n.min(1), (DType::Bool, x.device()))?;
        let starts = Tensor::cat(&[first, high.ne(&low)?.any_dim(1, false)?], 0)?;
        let group = starts.cumsum(0)?.sub(1)?;
        let inverse = Tensor::zeros(n, (DType::I64, x.device()))?.scatter(0, &order, &group)?;
        let begins = starts.nonzero()?.reshape(-1)?;
        let end = Tensor::full(1, n, (DType::I64, x.device()))?;
        let counts = begins.diff(1, 0, None, Some(&end))?;
        let chosen = sorted.index_select(0, &begins)?;
        let (values, inverse) = match dim {
            None => (chosen.reshape(-1)?, inverse.reshape(if with.dim.is_none() { x.shape() } else { &[1][..] })?),
            Some(d) => {
                let front = x.movedim(d as isize, 0)?;
                let mut shape = vec![chosen.shape()[0]];
                shape.extend(&front.shape()[1..]);
                (chosen.reshape(shape)?.movedim(0, d as isize)?, inverse)
            }
        };
        Ok(UniqueResults { values, inverse, counts })
    }
}
