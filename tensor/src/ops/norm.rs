//! Normalisations: softmax, log-softmax, batch normalisation; the others are in the files of the folder.

mod group;
pub(crate) mod masked;
pub(crate) mod vector;

pub use group::InstanceNorm;

use rushlight_backend::op::{Norm, channel_shape};
use rushlight_backend::{DType, Error, Result, normalize_dim};

use crate::{Tensor, Tensors, apply, apply1};

impl Tensor {
    /// `exp(x) / sum(exp(x))` along a dimension, without overflow.
    ///
    /// # Errors
    /// If the tensor is not floating point, or the dimension does not exist.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let y = Tensor::new(&[0.0f32, 3f32.ln()])?.softmax(0)?;
    /// assert!((y.to_vec::<f32>()?[1] - 0.75).abs() < 1e-6);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn softmax(&self, dim: isize) -> Result<Tensor> {
        self.along("softmax", dim, |dim| Norm::Softmax { dim })
    }

    /// The logarithm of the softmax along a dimension: `x - logsumexp(x)`.
    ///
    /// # Errors
    /// If the tensor is not floating point, or the dimension does not exist.
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor> {
        self.along("log_softmax", dim, |dim| Norm::LogSoftmax { dim })
    }

    /// The softmax of the negative tensor.
    ///
    /// # Errors
    /// As [`softmax`](Tensor::softmax).
    pub fn softmin(&self, dim: isize) -> Result<Tensor> {
        self.neg()?.softmax(dim)
    }

    /// As [`softmin`](Tensor::softmin) in another dtype: the negated elements are converted.
    ///
    /// # Errors
    /// As `softmin`.
    pub fn softmin_as(&self, dim: isize, dtype: DType) -> Result<Tensor> {
        self.neg()?.to_dtype(dtype)?.softmax(dim)
    }

    fn along(&self, name: &'static str, dim: isize, op: impl Fn(usize) -> Norm) -> Result<Tensor> {
        let dim = normalize_dim(name, dim, self.dim())?;
        if self.dim() == 0 {
            return apply1(op(0), [self.reshape(1)?])?.reshape(());
        }
        apply1(op(dim), [self])
    }

    /// Batch normalisation with the statistics of this batch `[n, channels, ..]`: `(x - mean) / sqrt(variance + eps) * weight + bias` for each channel.
    /// Results: y, and each channel's mean and biased variance.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or a channel has a single value.
    pub fn batch_norm_train(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> Result<(Tensor, Tensor, Tensor)> {
        let results = match (weight, bias) {
            (None, None) => apply(Norm::BatchNorm { eps }, [self])?,
            (Some(w), Some(b)) => apply(Norm::BatchNorm { eps }, [self, w, b])?,
            (Some(w), None) => apply(Norm::BatchNorm { eps }, [self, w, &w.zeros_like()?])?,
            (None, Some(b)) => apply(Norm::BatchNorm { eps }, [self, &b.ones_like()?, b])?,
        };
        let mut results = results.into_iter();
        match (results.next(), results.next(), results.next()) {
            (Some(y), Some(mean), Some(var)) => Ok((y, mean, var)),
            _ => Err(Error::value("batch_norm", "the backend gave too few results")),
        }
    }

    /// Batch normalisation with given statistics: `(x - mean) / sqrt(var + eps) * weight + bias` for each channel of `[n, channels, ..]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn batch_norm_eval(&self, mean: &Tensor, var: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> Result<Tensor> {
        let Some(&channels) = self.shape().get(1) else {
            return Err(Error::shape("batch_norm", format!("wants [n, channels, ..], got {:?}", self.shape())));
        };
        for (what, v) in [("mean", Some(mean)), ("variance", Some(var)), ("weight", weight), ("bias", bias)] {
            if let Some(v) = v.filter(|v| v.shape() != [channels]) {
                return Err(Error::shape("batch_norm", format!("a {what} of shape {:?} does not fit {channels} channels", v.shape())));
            }
        }
        let inv = var.add(eps)?.rsqrt()?;
        let scale = match weight {
            Some(w) => inv.mul(w)?,
            None => inv,
        };
        let shift = mean.mul(&scale)?;
        let shift = match bias {
            Some(b) => b.sub(&shift)?,
            None => shift.neg()?,
        };
        let y = self.mul(&over_channels(&scale, self)?)?.add(&over_channels(&shift, self)?)?;
        if y.dtype() == self.dtype() { Ok(y) } else { y.to_dtype(self.dtype()) }
    }

    /// Batch normalisation as PyTorch's function of this name. In training the batch's statistics are used, and the running ones, where given, are
    /// updated: `running = (1 - momentum) * running + momentum * batch`, with the unbiased variance. Otherwise the running ones are used.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, a channel has a single value in training, or a running statistic is missing outside of it.
    #[allow(clippy::too_many_arguments)] // PyTorch's
    pub fn batch_norm(
        &self,
        running_mean: Option<&mut Tensor>,
        running_var: Option<&mut Tensor>,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        training: bool,
        momentum: f64,
        eps: f64,
    ) -> Result<Tensor> {
        if eps.is_nan() || eps < 0.0 || (training && eps == 0.0) {
            return Err(Error::value("batch_norm", format!("eps must not be negative, and positive in training, got {eps}")));
        }
        if let (true, [n, _, rest @ ..]) = (training, self.shape())
            && n * rest.iter().product::<usize>() == 1
        {
            return Err(Error::value("batch_norm", format!("more than 1 value per channel is needed in training, got {:?}", self.shape())));
        }
        if self.numel() == 0 && self.dim() > 0 {
            return self.batch_norm_empty(weight, bias);
        }
        let parameters = [running_mean.as_deref(), running_var.as_deref(), weight, bias];
        if matches!(self.dtype(), DType::F16 | DType::BF16) && parameters.iter().flatten().any(|p| p.dtype() == DType::F32) {
            // Half precision with parameters in f32: computed in f32.
            let wide = |t: Option<&Tensor>| t.map(|t| t.to_dtype(DType::F32)).transpose();
            let (w, b) = (wide(weight)?, wide(bias)?);
            let y = self.to_dtype(DType::F32)?;
            let y = y.batch_norm(running_mean, running_var, w.as_ref(), b.as_ref(), training, momentum, eps)?;
            return y.to_dtype(self.dtype());
        }
        check_running("batch_norm", self, running_mean.as_deref(), running_var.as_deref())?;
        one_dtype("batch_norm", self, &parameters)?;
        if !training {
            return match (running_mean, running_var) {
                (Some(mean), Some(var)) => self.batch_norm_eval(mean, var, weight, bias, eps),
                _ => Err(Error::value("batch_norm", "outside of training running_mean and running_var are needed")),
            };
        }
        let (y, mean, var) = self.batch_norm_train(weight, bias, eps)?;
        if let Some(running) = running_mean {
            update_running("batch_norm", running, &mean, momentum)?;
        }
        if let Some(running) = running_var {
            let n = (self.numel() / self.shape()[1].max(1)) as f64;
            update_running("batch_norm", running, &var.detach().mul(n / (n - 1.0))?, momentum)?;
        }
        Ok(y)
    }

    /// Nothing, of the shape of the input, which may have no channels; as in PyTorch it still depends on weight and bias.
    fn batch_norm_empty(&self, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
        let first = |v: &Tensor| v.narrow(0, 0, v.numel().min(1));
        let mut y = self.clone();
        for (v, product) in [(weight, true), (bias, false)] {
            let Some(v) = v.filter(|v| v.dim() == 1 && v.numel() > 0) else { continue };
            y = if product { y.mul(&first(v)?)? } else { y.add(&first(v)?)? };
        }
        Ok(y)
    }
}

/// Running statistics after those of a batch.
fn update_running(op: &'static str, running: &mut Tensor, batch: &Tensor, momentum: f64) -> Result<()> {
    if batch.trace().is_some_and(|t| t.hides_values()) {
        return Err(Error::unsupported(op, "inside of vmap running statistics would differ between samples: keep none"));
    }
    let batch = batch.detach().to_dtype(running.dtype())?;
    *running = running.detach().mul(1.0 - momentum)?.add(&batch.mul(momentum)?)?;
    Ok(())
}

/// An error if running statistics are not one number for each channel.
fn check_running(op: &'static str, x: &Tensor, mean: Option<&Tensor>, var: Option<&Tensor>) -> Result<()> {
    let channels = x.shape().get(1).copied().unwrap_or(0);
    for (what, v) in [("running mean", mean), ("running variance", var)] {
        if let Some(v) = v.filter(|v| v.shape() != [channels]) {
            return Err(Error::shape(op, format!("a {what} of shape {:?} does not fit {channels} channels", v.shape())));
        }
    }
    Ok(())
}

/// An error if parameters have another dtype than the input.
fn one_dtype(op: &'static str, x: &Tensor, parameters: &[Option<&Tensor>]) -> Result<()> {
    match parameters.iter().flatten().find(|p| p.dtype() != x.dtype()) {
        Some(p) => Err(Error::dtype(op, format!("parameters of {} for an input of {}", p.dtype(), x.dtype()))),
        None => Ok(()),
    }
}

/// A vector over the channels in the shape in which it is broadcast over x.
fn over_channels(v: &Tensor, x: &Tensor) -> Result<Tensor> {
    v.reshape(channel_shape(x.dim(), v.numel()).as_slice())
}

/// Every dimension but that of the channels.
fn all_but_channels(x: &Tensor) -> Vec<usize> {
    (0..x.dim()).filter(|&d| d != 1).collect()
}

/// Composite operations of this family in smaller ones. Half precision is computed in single.
pub(crate) fn decompose(op: &Norm, inputs: &[&Tensor]) -> Option<Result<Tensors>> {
    let dtype = inputs.first()?.dtype();
    Some(if matches!(dtype, DType::F16 | DType::BF16) { widened(op, inputs, dtype) } else { composed(op, inputs) })
}

fn widened(op: &Norm, inputs: &[&Tensor], dtype: DType) -> Result<Tensors> {
    let wide = inputs.iter().map(|x| x.to_dtype(DType::F32)).collect::<Result<Tensors>>()?;
    apply(*op, &wide)?.iter().map(|y| y.to_dtype(dtype)).collect()
}

fn composed(op: &Norm, inputs: &[&Tensor]) -> Result<Tensors> {
    let one = |t: Tensor| smallvec::smallvec![t];
    Ok(match (*op, inputs) {
        (Norm::Softmax { dim }, &[x]) => one(x.sub(&x.logsumexp(dim, true)?)?.exp()?),
        (Norm::LogSoftmax { dim }, &[x]) => one(x.sub(&x.logsumexp(dim, true)?)?),
        (Norm::SoftmaxGrad { dim }, &[g, y]) => one(y.mul(&g.sub(&g.mul(y)?.sum_dim(dim, true)?)?)?),
        (Norm::LogSoftmaxGrad { dim }, &[g, y]) => one(g.sub(&y.exp()?.mul(&g.sum_dim(dim, true)?)?)?),
        (Norm::BatchNorm { eps }, &[x, ref rest @ ..]) => {
            let (normal, mean, var, _) = normalized(x, eps)?;
            let y = match rest {
                [w, b] => normal.mul(&over_channels(w, x)?)?.add(&over_channels(b, x)?)?,
                _ => normal,
            };
            smallvec::smallvec![y, mean, var]
        }
        // The statistics are functions of x: they are computed again, so that the derivative of this sees it.
        (Norm::BatchNormGrad { eps }, &[g, x, _, _, ref weight @ ..]) => {
            let (normal, _, _, inv) = normalized(x, eps)?;
            let dims = all_but_channels(x);
            let dbias = g.sum_dim(dims.clone(), false)?;
            let dweight = g.mul(&normal)?.sum_dim(dims, false)?;
            let n = (x.numel() / x.shape()[1].max(1)) as f64;
            let mean_g = over_channels(&dbias.div(n)?, x)?;
            let mean_gx = over_channels(&dweight.div(n)?, x)?;
            let scale = match weight {
                [w] => inv.mul(&over_channels(w, x)?)?,
                _ => inv,
            };
            let dx = g.sub(&mean_g)?.sub(&normal.mul(&mean_gx)?)?.mul(&scale)?;
            smallvec::smallvec![dx, dweight, dbias]
        }
        _ => return group::composed(op, inputs),
    })
}

/// x less its mean over its standard deviation; mean, variance, and 1 over the standard deviation (in a shape that broadcasts).
fn normalized(x: &Tensor, eps: f64) -> Result<(Tensor, Tensor, Tensor, Tensor)> {
    let dims = all_but_channels(x);
    let mean = x.mean_dim(dims.clone(), true)?;
    let centred = x.sub(&mean)?;
    let var = centred.square()?.mean_dim(dims, true)?;
    let inv = var.add(eps)?.rsqrt()?;
    let channels = x.shape()[1];
    Ok((centred.mul(&inv)?, mean.reshape(channels)?, var.reshape(channels)?, inv))
}
