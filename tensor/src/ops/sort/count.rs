//! Counting: how often numbers occur, one-hot vectors.

use rushlight_backend::{DType, Error, Result};

use crate::Tensor;

impl Tensor {
    /// How often each number from 0 on occurs in a vector of non-negative integers, or the sums of the weights of its occurrences. The result has at least
    /// `minlength` elements.
    ///
    /// # Errors
    /// If the tensor is not such a vector, or the weights have another shape.
    pub fn bincount(&self, weights: Option<&Tensor>, minlength: usize) -> Result<Tensor> {
        let op = "bincount";
        if self.dim() != 1 || !self.dtype().is_int() {
            return Err(Error::shape(op, format!("wants a vector of integers, got {} {:?}", self.dtype(), self.shape())));
        }
        if let Some(w) = weights.filter(|w| w.shape() != self.shape()) {
            return Err(Error::shape(op, format!("weights of shape {:?} for {:?}", w.shape(), self.shape())));
        }
        let x = self.to_dtype(DType::I64)?;
        let mut len = minlength;
        if x.numel() > 0 {
            if x.min()?.item::<i64>()? < 0 {
                return Err(Error::value(op, "numbers must not be negative"));
            }
            len = len.max(x.max()?.item::<i64>()? as usize + 1);
        }
        let source = match weights {
            None => x.ones_like()?,
            Some(w) if w.dtype() == DType::F32 => w.detach(),
            Some(w) => w.detach().to_dtype(DType::F64)?,
        };
        Tensor::zeros(len, (source.dtype(), x.device()))?.index_add(0, &x, &source)
    }

    /// Vectors of `num_classes` zeros with a 1 at the place that each element (int64) names: one more dimension. `None`: as many as are needed.
    ///
    /// # Errors
    /// If an element is negative or not below the number of classes, or the dtype is not int64.
    pub fn one_hot(&self, num_classes: impl Into<Option<usize>>) -> Result<Tensor> {
        let op = "one_hot";
        if self.dtype() != DType::I64 {
            return Err(Error::dtype(op, format!("classes must be int64, got {}", self.dtype())));
        }
        let classes = match num_classes.into() {
            Some(n) => n,
            None if self.numel() == 0 => return Err(Error::value(op, "the number of classes cannot be inferred from no elements")),
            None => usize::try_from(self.max()?.item::<i64>()?.saturating_add(1)).unwrap_or(0),
        };
        let index = self.unsqueeze(-1)?;
        let mut shape = self.shape().to_vec();
        shape.push(classes);
        if self.numel() == 0 {
            return Tensor::zeros(shape, (DType::I64, self.device()));
        }
        let one = Tensor::ones((), (DType::I64, self.device()))?.expand(index.shape())?;
        Tensor::zeros(shape, (DType::I64, self.device()))?
            .scatter(-1, &index, &one)
            .map_err(|e| Error::index(op, format!("classes must be from 0 to {}: {}", classes as isize - 1, e.message())))
    }
}
