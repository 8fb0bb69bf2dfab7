//! Repetition.

use rushlight_backend::{DType, Error, Result, normalize_dim};

use crate::{IntoSizes, Tensor, sizes};

/// How often [`Tensor::repeat_interleave`] repeats: the same number of times everywhere, or each slice as often as a tensor says.
pub enum Repeats {
    /// Everywhere.
    Each(usize),
    /// A vector (int64 or int32) with one number for each slice, or one for all.
    Tensor(Tensor),
}

/// What can be given as [`Repeats`].
pub trait IntoRepeats {
    /// The repeats.
    fn into_repeats(self) -> Repeats;
}

impl IntoRepeats for usize {
    fn into_repeats(self) -> Repeats {
        Repeats::Each(self)
    }
}

impl IntoRepeats for &Tensor {
    fn into_repeats(self) -> Repeats {
        Repeats::Tensor(self.clone())
    }
}

impl IntoRepeats for Repeats {
    fn into_repeats(self) -> Repeats {
        self
    }
}

impl Tensor {
    /// Copies side by side, so many along each dimension; more numbers than dimensions make new dimensions in front.
    ///
    /// # Errors
    /// If there are fewer numbers than dimensions, or one is negative.
    pub fn repeat(&self, times: impl IntoSizes) -> Result<Tensor> {
        let times = sizes::shape("repeat", times)?;
        let Some(lead) = times.len().checked_sub(self.dim()) else {
            return Err(Error::shape("repeat", format!("{:?} has fewer numbers than {:?} dimensions", times.as_slice(), self.shape())));
        };
        let (mut open, mut wide, mut shape) = (Vec::new(), Vec::new(), Vec::new());
        for (d, &t) in times.iter().enumerate() {
            let n = if d < lead { 1 } else { self.shape()[d - lead] };
            open.extend([1, n]);
            wide.extend([t, n]);
            shape.push(t.checked_mul(n).ok_or_else(|| Error::out_of_memory("repeat", "the result is larger than memory can be"))?);
        }
        self.reshape(open)?.expand(wide)?.reshape(shape)
    }

    /// As [`repeat`](Tensor::repeat), but fewer numbers than dimensions are for the last ones.
    ///
    /// # Errors
    /// If a number is negative.
    pub fn tile(&self, times: impl IntoSizes) -> Result<Tensor> {
        let times = times.into_sizes();
        let lead = self.dim().saturating_sub(times.len());
        self.repeat(std::iter::repeat_n(1, lead).chain(times).collect::<Vec<isize>>())
    }

    /// Each slice of a dimension (`None`: each element) repeated in place: a number of times, or as often as a tensor says.
    ///
    /// # Errors
    /// If the tensor does not have one number for each slice, or has a negative one, or the dimension does not exist.
    pub fn repeat_interleave(&self, repeats: impl IntoRepeats, dim: impl Into<Option<isize>>) -> Result<Tensor> {
        let op = "repeat_interleave";
        let Some(dim) = dim.into() else {
            return self.reshape(-1)?.repeat_interleave(repeats, 0);
        };
        let d = normalize_dim(op, dim, self.dim())?;
        if self.dim() == 0 {
            return self.reshape(1)?.repeat_interleave(repeats, 0);
        }
        let n = self.shape()[d];
        match repeats.into_repeats() {
            Repeats::Each(times) => {
                let mut wide: Vec<usize> = self.shape().to_vec();
                wide.insert(d + 1, times);
                let mut shape = self.shape().to_vec();
                shape[d] *= times;
                self.unsqueeze(d as isize + 1)?.expand(wide)?.reshape(shape)
            }
            Repeats::Tensor(times) => {
                if !matches!(times.dtype(), DType::I64 | DType::I32) || times.dim() > 1 || !(times.numel() == n || times.numel() == 1) {
                    return Err(Error::shape(
                        op,
                        format!(
                            "wants a vector of {n} integers for dimension {dim} of {:?}, got {} {:?}",
                            self.shape(),
                            times.dtype(),
                            times.shape()
                        ),
                    ));
                }
                self.index_select(dim, &times.reshape(-1)?.expand(n)?.repeats()?)
            }
        }
    }

    /// The numbers from 0 on, each as often as this vector of counts says. PyTorch's `repeat_interleave` of one tensor.
    ///
    /// # Errors
    /// If it is no vector of int64 or int32, or a count is negative.
    pub fn repeats(&self) -> Result<Tensor> {
        let op = "repeat_interleave";
        if self.dim() != 1 || !matches!(self.dtype(), DType::I64 | DType::I32) {
            return Err(Error::shape(op, format!("wants a vector of integers, got {} {:?}", self.dtype(), self.shape())));
        }
        if self.lt(0)?.any()?.item::<bool>()? {
            return Err(Error::value(op, "repeats must not be negative"));
        }
        let total = self.sum()?.item::<i64>()?;
        let places = self.cumsum(0)?.searchsorted(&Tensor::arange(0, total, 1, self.device())?, true, None)?;
        places.to_dtype(self.dtype())
    }
}
