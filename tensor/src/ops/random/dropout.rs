//! Functions that draw: dropout and its kin, randomised leaky ReLU, Gumbel softmax. They draw from the default generator, as PyTorch does.

use rushlight_backend::{DType, Error, Result, normalize_dim};

use crate::Tensor;

/// What SELU's negative side tends to, times -1.
const ALPHA: f64 = 1.7580993408473766;

fn check(op: &'static str, p: f64) -> Result<()> {
    if (0.0..=1.0).contains(&p) {
        return Ok(());
    }
    Err(Error::value(op, format!("the probability must lie in 0 to 1, got {p}")))
}

/// The dtype of masks for x.
fn mask_dtype(op: &'static str, x: &Tensor) -> Result<DType> {
    match x.dtype() {
        DType::C64 => Ok(DType::F32),
        DType::C128 => Ok(DType::F64),
        dtype if dtype.is_float() => Ok(dtype),
        dtype => Err(Error::dtype(op, format!("wants a floating-point tensor, got {dtype}"))),
    }
}

/// `[n, channels, 1, ..]` for x.
fn feature_shape(op: &'static str, x: &Tensor) -> Result<Vec<usize>> {
    if x.dim() < 2 {
        return Err(Error::shape(op, format!("wants [n, channels, ..], got {:?}", x.shape())));
    }
    Ok(x.shape().iter().enumerate().map(|(d, &n)| if d < 2 { n } else { 1 }).collect())
}

impl Tensor {
    /// In training each element is zeroed with probability p, and the others are divided by `1 - p`; otherwise this tensor. PyTorch's default p is 0.5.
    ///
    /// # Errors
    /// If p is not in 0 to 1, or the tensor is not floating point.
    pub fn dropout(&self, p: f64, training: bool) -> Result<Tensor> {
        self.dropout_of("dropout", p, training, false, false)
    }

    /// As [`dropout`](Tensor::dropout) of whole channels of `[n, channels, l]` or `[channels, l]`.
    ///
    /// # Errors
    /// As there, or for another number of dimensions.
    pub fn dropout1d(&self, p: f64, training: bool) -> Result<Tensor> {
        self.dropout_channels("dropout1d", p, training, 1)
    }

    /// As [`dropout`](Tensor::dropout) of whole channels of `[n, channels, ..]`. (PyTorch takes three dimensions for `[n, channels, l]` here.)
    ///
    /// # Errors
    /// As there, or if there are fewer than two dimensions.
    pub fn dropout2d(&self, p: f64, training: bool) -> Result<Tensor> {
        self.dropout_of("dropout2d", p, training, true, false)
    }

    /// As [`dropout`](Tensor::dropout) of whole channels of `[n, channels, d, h, w]` or `[channels, d, h, w]`.
    ///
    /// # Errors
    /// As there, or if there are fewer than two dimensions.
    pub fn dropout3d(&self, p: f64, training: bool) -> Result<Tensor> {
        if self.dim() == 4 {
            self.dropout_channels("dropout3d", p, training, 3)
        } else {
            self.dropout_of("dropout3d", p, training, true, false)
        }
    }

    /// Dropout for SELU: dropped elements become what SELU tends to at minus infinity, and all are scaled and shifted so that mean and variance are kept.
    ///
    /// # Errors
    /// As [`dropout`](Tensor::dropout).
    pub fn alpha_dropout(&self, p: f64, training: bool) -> Result<Tensor> {
        self.dropout_of("alpha_dropout", p, training, false, true)
    }

    /// As [`alpha_dropout`](Tensor::alpha_dropout) of whole channels of `[n, channels, ..]`.
    ///
    /// # Errors
    /// As there, or if there are fewer than two dimensions.
    pub fn feature_alpha_dropout(&self, p: f64, training: bool) -> Result<Tensor> {
        self.dropout_of("feature_alpha_dropout", p, training, true, true)
    }

    fn dropout_channels(&self, op: &'static str, p: f64, training: bool, rank: usize) -> Result<Tensor> {
        match self.dim() {
            d if d == rank + 1 => self.unsqueeze(0)?.dropout_of(op, p, training, true, false)?.squeeze_dim(0),
            d if d == rank + 2 => self.dropout_of(op, p, training, true, false),
            _ => {
                let wanted = format!("wants {} dimensions, or {} without a batch, got {:?}", rank + 2, rank + 1, self.shape());
                Err(Error::shape(op, wanted))
            }
        }
    }

    fn dropout_of(&self, op: &'static str, p: f64, training: bool, features: bool, alpha: bool) -> Result<Tensor> {
        check(op, p)?;
        if !training || p == 0.0 || self.numel() == 0 {
            return Ok(self.clone());
        }
        let dtype = mask_dtype(op, self)?;
        if p == 1.0 {
            return self.mul(0.0);
        }
        let shape = if features { feature_shape(op, self)? } else { self.shape().to_vec() };
        let kept = Tensor::bernoulli_p(1.0 - p, shape, (dtype, self.device()))?;
        if !alpha {
            return self.mul(&kept.div(1.0 - p)?);
        }
        let a = 1.0 / ((ALPHA * ALPHA * p + 1.0) * (1.0 - p)).sqrt();
        let shift = kept.add(-1.0)?.mul(ALPHA * a)?.add(ALPHA * a * p)?;
        self.mul(&kept.mul(a)?)?.add(&shift)
    }

    /// Leaky ReLU whose slope is drawn from `lower..upper` for each element that is not positive; outside of training it is the mean of both. PyTorch's
    /// defaults are 1/8 and 1/3.
    ///
    /// # Errors
    /// If the tensor is not floating point, or `lower > upper`.
    pub fn rrelu(&self, lower: f64, upper: f64, training: bool) -> Result<Tensor> {
        if !(lower <= upper && lower.is_finite() && upper.is_finite()) {
            return Err(Error::value("rrelu", format!("wants finite bounds with lower <= upper, got {lower} and {upper}")));
        }
        if !self.dtype().is_float() {
            return Err(Error::dtype("rrelu", format!("wants a floating-point tensor, got {}", self.dtype())));
        }
        if !training {
            return self.leaky_relu((lower + upper) / 2.0);
        }
        // Slopes are drawn for these elements alone, in order.
        let drawn = self.detach().le(0)?.to_vec::<bool>()?;
        let count = drawn.iter().filter(|&&d| d).count();
        let mut slopes = Tensor::uniform(lower, upper, count, (DType::F64, crate::Device::cpu()))?.to_vec::<f64>()?.into_iter();
        let slopes: Vec<f64> = drawn.into_iter().map(|d| if d { slopes.next().unwrap_or(1.0) } else { 1.0 }).collect();
        self.mul(&Tensor::from_vec(slopes, self.shape(), self.device())?.to_dtype(self.dtype())?)
    }

    /// A sample of the Gumbel-softmax distribution along a dimension: `softmax((x + gumbel noise) / tau)`; with `hard` 1 at the largest element and else 0,
    /// while the derivative is that of the soft sample. PyTorch's defaults are tau = 1, not hard, the last dimension.
    ///
    /// # Errors
    /// If the tensor is not floating point, or the dimension does not exist.
    pub fn gumbel_softmax(&self, tau: f64, hard: bool, dim: isize) -> Result<Tensor> {
        let dim = normalize_dim("gumbel_softmax", dim, self.dim())? as isize;
        let noise = Tensor::exponential(1.0, self.shape(), (self.dtype(), self.device()))?.log()?.neg()?;
        let soft = self.add(&noise)?.div(tau)?.softmax(dim)?;
        if !hard {
            return Ok(soft);
        }
        let plain = soft.detach();
        let index = plain.argmax_dim(dim, true)?;
        let ones = Tensor::ones(index.shape(), (self.dtype(), self.device()))?;
        plain.zeros_like()?.scatter(dim, &index, &ones)?.sub(&plain)?.add(&soft)
    }
}
