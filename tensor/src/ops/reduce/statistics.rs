//! Traces, covariances, correlations.

use rushlight_backend::promote::promote_types;
use rushlight_backend::{DType, Error, Result};

use crate::{Tensor, default_dtype};

/// Weights of observations: a vector of their number.
fn weights(name: &str, w: &Tensor, observations: usize) -> Result<()> {
    if w.dim() > 1 {
        return Err(Error::shape("cov", format!("{name} must be a vector, got shape {:?}", w.shape())));
    }
    if w.numel() != observations {
        return Err(Error::shape("cov", format!("{name} has {} elements for {observations} observations", w.numel())));
    }
    Ok(())
}

impl Tensor {
    /// The sum of the diagonal of a matrix. Integers give int64.
    ///
    /// # Errors
    /// If the tensor is not a matrix.
    pub fn matrix_trace(&self) -> Result<Tensor> {
        if self.dim() != 2 {
            return Err(Error::shape("trace", format!("wants a matrix, got shape {:?}", self.shape())));
        }
        if self.dtype() == DType::Bool {
            return Err(Error::dtype("trace", "does not take booleans"));
        }
        self.diagonal(0, -2, -1)?.sum()
    }

    /// The covariance matrix of variables (rows) over observations (columns); that of a vector or a number is 0-d. `correction` is 1 in PyTorch
    /// by default. `fweights` (integers) says how often each observation was made, `aweights` how much it counts.
    ///
    /// # Errors
    /// If there are more than two dimensions, or weights are not vectors that fit, of the right dtype and not negative.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[0.0f64, 2.0, 4.0], [2.0, 1.0, 0.0]])?;
    /// assert_eq!(x.cov(1.0, None, None)?.to_vec::<f64>()?, [4.0, -2.0, -2.0, 1.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn cov(&self, correction: f64, fweights: Option<&Tensor>, aweights: Option<&Tensor>) -> Result<Tensor> {
        if self.dim() > 2 {
            return Err(Error::shape("cov", format!("wants at most two dimensions, got shape {:?}", self.shape())));
        }
        if self.dtype() == DType::Bool {
            return Err(Error::dtype("cov", "does not take booleans"));
        }
        let x = if self.dim() < 2 { self.reshape([1, -1])? } else { self.clone() };
        let observations = x.shape()[1];
        if let Some(w) = fweights {
            weights("fweights", w, observations)?;
            if !w.dtype().is_int() {
                return Err(Error::dtype("cov", format!("fweights must be integers, got {}", w.dtype())));
            }
        }
        if let Some(w) = aweights {
            weights("aweights", w, observations)?;
            if !w.dtype().is_float() {
                return Err(Error::dtype("cov", format!("aweights must be floats, got {}", w.dtype())));
            }
        }
        for w in [fweights, aweights].into_iter().flatten().filter(|w| w.numel() > 0) {
            if w.all_values().min()?.to_f64()? < 0.0 {
                return Err(Error::value("cov", "weights must not be negative"));
            }
        }
        let w = match (fweights, aweights) {
            (Some(f), Some(a)) => Some(f.mul(a)?),
            (one, other) => one.or(other).cloned(),
        };
        let x = if x.dtype().is_differentiable() { x } else { x.to_dtype(default_dtype())? };
        // Weights of a wider type make the result so.
        let x = match &w {
            Some(w) if w.dtype().is_float() => x.to_dtype(promote_types(x.dtype(), w.dtype()))?,
            _ => x,
        };
        // The sum of the weights (in their type, as in PyTorch), and the mean.
        let (total, mean) = match &w {
            None => (Tensor::full((), observations as f64, (DType::F64, x.device()))?, x.mean_dim(1, true)?),
            Some(w) => {
                let total = w.sum()?;
                let mean = x.mul(w)?.sum_dim(1, true)?.div(&total)?;
                (if total.dtype().is_int() { total.to_dtype(DType::F64)? } else { total }, mean)
            }
        };
        // What the products are divided by, never negative.
        let norm = match (&w, aweights) {
            (Some(w), Some(a)) if correction != 0.0 => {
                let weighted = w.mul(a)?.sum()?;
                total.sub(&weighted.mul(correction)?.div(&total)?)?
            }
            _ => total.sub(correction)?,
        };
        let norm = norm.clamp(0.0, None)?.to_dtype(x.dtype().to_real())?;
        let centred = x.sub(&mean)?;
        let weighted = match &w {
            Some(w) => centred.mul(w)?.to_dtype(x.dtype())?,
            None => centred.clone(),
        };
        centred.matmul(&weighted.mh()?)?.div(&norm)?.squeeze()
    }

    /// The correlation matrix of variables (rows) over observations (columns): the covariances divided by both standard deviations, cut to
    /// [-1, 1].
    ///
    /// # Errors
    /// If there are more than two dimensions.
    pub fn corrcoef(&self) -> Result<Tensor> {
        if self.dim() > 2 {
            return Err(Error::shape("corrcoef", format!("wants at most two dimensions, got shape {:?}", self.shape())));
        }
        let c = self.cov(1.0, None, None)?;
        if c.dim() == 0 {
            return c.div(&c);
        }
        let deviations = c.diagonal(0, -2, -1)?.sqrt()?;
        let c = c.div(&deviations.unsqueeze(1)?)?.div(&deviations.unsqueeze(0)?)?;
        if c.dtype().is_complex() { Ok(c) } else { c.clamp(-1.0, 1.0) }
    }
}
