//! Layer, group, instance and RMS normalisation.

use rushlight_backend::op::Norm;
use rushlight_backend::{DType, Error, Result};

use crate::{IntoSizes, Tensor, Tensors, apply};

/// The parameters of [`Tensor::instance_norm`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstanceNorm {
    /// Whether the statistics are those of the input, else the running ones.
    pub use_input_stats: bool,
    /// The share of this call's statistics in the running ones.
    pub momentum: f64,
    /// Added to the variance.
    pub eps: f64,
}

impl Default for InstanceNorm {
    fn default() -> InstanceNorm {
        InstanceNorm { use_input_stats: true, momentum: 0.1, eps: 1e-5 }
    }
}

/// The trailing dimensions that are normalised, and how many rows and elements of a row they make.
struct Trailing {
    shape: Vec<usize>,
    /// The input's shape with ones in their place.
    statistics: Vec<usize>,
    rows: usize,
    len: usize,
}

impl Trailing {
    fn of(op: &'static str, x: &Tensor, shape: impl IntoSizes, vectors: &[(&str, Option<&Tensor>)]) -> Result<Trailing> {
        let shape: Vec<usize> = crate::sizes::shape(op, shape)?.to_vec();
        if shape.is_empty() {
            return Err(Error::value(op, "normalized_shape must name at least one dimension"));
        }
        if !x.shape().ends_with(&shape) {
            return Err(Error::shape(
                op,
                format!("normalized_shape {shape:?} wants an input whose last sizes are these, got {:?}", x.shape()),
            ));
        }
        for (what, v) in vectors {
            if let Some(v) = v.filter(|v| v.shape() != shape) {
                return Err(Error::shape(op, format!("a {what} of shape {:?} does not fit normalized_shape {shape:?}", v.shape())));
            }
        }
        let lead = &x.shape()[..x.dim() - shape.len()];
        let statistics = lead.iter().copied().chain(shape.iter().map(|_| 1)).collect();
        Ok(Trailing { rows: lead.iter().product(), len: shape.iter().product(), statistics, shape })
    }
}

/// A half-precision input with parameters in f32 is computed in f32, and its result is rounded.
fn mixed(x: &Tensor, parameters: &[Option<&Tensor>]) -> bool {
    matches!(x.dtype(), DType::F16 | DType::BF16) && parameters.iter().flatten().any(|p| p.dtype() == DType::F32)
}

fn flat(v: Option<&Tensor>) -> Result<Option<Tensor>> {
    v.map(|v| v.reshape(-1)).transpose()
}

/// Both of weight and bias, or neither: the missing one is filled in.
fn both(w: Option<&Tensor>, b: Option<&Tensor>) -> Result<Option<(Tensor, Tensor)>> {
    Ok(match (w, b) {
        (None, None) => None,
        (Some(w), Some(b)) => Some((w.clone(), b.clone())),
        (Some(w), None) => Some((w.clone(), w.zeros_like()?)),
        (None, Some(b)) => Some((b.ones_like()?, b.clone())),
    })
}

fn three(results: Tensors) -> Result<(Tensor, Tensor, Tensor)> {
    let mut results = results.into_iter();
    match (results.next(), results.next(), results.next()) {
        (Some(a), Some(b), Some(c)) => Ok((a, b, c)),
        _ => Err(Error::value("group_norm", "the backend gave too few results")),
    }
}

/// y, means and factors of the groups of `[n, channels, ..]`.
fn grouped(x: &Tensor, groups: usize, w: Option<&Tensor>, b: Option<&Tensor>, eps: f64) -> Result<(Tensor, Tensor, Tensor)> {
    let op = Norm::GroupNorm { groups, eps };
    three(match both(w, b)? {
        None => apply(op, [x])?,
        Some((w, b)) => apply(op, [x, &w, &b])?,
    })
}

impl Tensor {
    /// Layer normalisation: over the last dimensions, whose sizes are `normalized_shape`, `(x - mean) / sqrt(variance + eps) * weight + bias` with the biased
    /// variance. Weight and bias have the normalized shape. PyTorch's default eps is 1e-5.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[1.0f32, 3.0], [10.0, 30.0]])?;
    /// let y = x.layer_norm(2, None, None, 0.0)?;
    /// assert_eq!(y.to_vec::<f32>()?, [-1.0, 1.0, -1.0, 1.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn layer_norm(&self, normalized_shape: impl IntoSizes, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> Result<Tensor> {
        self.native_layer_norm(normalized_shape, weight, bias, eps).map(|r| r.0)
    }

    /// As [`layer_norm`](Tensor::layer_norm), with the means and `1 / sqrt(variance + eps)`, in the shape of the input with ones in the place of the last
    /// dimensions.
    ///
    /// # Errors
    /// As there.
    pub fn native_layer_norm(
        &self,
        normalized_shape: impl IntoSizes,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let last = Trailing::of("layer_norm", self, normalized_shape, &[("weight", weight), ("bias", bias)])?;
        if mixed(self, &[weight, bias]) {
            let wide = |t: Option<&Tensor>| t.map(|t| t.to_dtype(DType::F32)).transpose();
            let (w, b) = (wide(weight)?, wide(bias)?);
            let (y, mean, factor) = self.to_dtype(DType::F32)?.native_layer_norm(last.shape, w.as_ref(), b.as_ref(), eps)?;
            return Ok((y.to_dtype(self.dtype())?, mean, factor));
        }
        if last.len == 0 {
            let statistics = Tensor::zeros(last.statistics, (self.dtype(), self.device()))?;
            return Ok((self.clone(), statistics.clone(), statistics.add(eps)?.rsqrt()?));
        }
        let (w, b) = (flat(weight)?, flat(bias)?);
        let (y, mean, factor) = grouped(&self.reshape([last.rows, last.len])?, 1, w.as_ref(), b.as_ref(), eps)?;
        Ok((y.reshape(self.shape())?, mean.reshape(last.statistics.as_slice())?, factor.reshape(last.statistics)?))
    }

    /// Group normalisation of `[n, channels, ..]`: the channels are divided into `groups`, and each group of each item is normalised as by
    /// [`layer_norm`](Tensor::layer_norm). Weight and bias are `[channels]`. PyTorch's default eps is 1e-5.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the channels cannot be divided so.
    pub fn group_norm(&self, groups: usize, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> Result<Tensor> {
        self.native_group_norm(groups, weight, bias, eps).map(|r| r.0)
    }

    /// As [`group_norm`](Tensor::group_norm), with the means and the factors `1 / sqrt(variance + eps)`, `[n, groups]`.
    ///
    /// # Errors
    /// As there.
    pub fn native_group_norm(
        &self,
        groups: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        if mixed(self, &[weight, bias]) {
            let wide = |t: Option<&Tensor>| t.map(|t| t.to_dtype(DType::F32)).transpose();
            let (w, b) = (wide(weight)?, wide(bias)?);
            let (y, mean, factor) = self.to_dtype(DType::F32)?.native_group_norm(groups, w.as_ref(), b.as_ref(), eps)?;
            return Ok((y.to_dtype(self.dtype())?, mean, factor));
        }
        if let (Some(1), true) = (self.numel().checked_div(groups), self.shape().first() == Some(&1)) {
            return Err(Error::value(
                "group_norm",
                format!("more than 1 value per group is needed, got {:?} and {groups} groups", self.shape()),
            ));
        }
        grouped(self, groups, weight, bias, eps)
    }

    /// Instance normalisation of `[n, channels, ..]`: each channel of each item is normalised with its own mean and biased variance. The running statistics
    /// (`[channels]`), where given, are updated with the mean over the items of the means and of the unbiased variances, or used instead of the input's.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, there is one element for each channel, or running statistics are missing where they are to be used.
    pub fn instance_norm(
        &self,
        running_mean: Option<&mut Tensor>,
        running_var: Option<&mut Tensor>,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        options: InstanceNorm,
    ) -> Result<Tensor> {
        let op = "instance_norm";
        if self.dim() < 2 {
            return Err(Error::shape(op, format!("wants [n, channels, ..], got {:?}", self.shape())));
        }
        super::check_running(op, self, running_mean.as_deref(), running_var.as_deref())?;
        if !mixed(self, &[running_mean.as_deref(), running_var.as_deref(), weight, bias]) {
            super::one_dtype(op, self, &[running_mean.as_deref(), running_var.as_deref(), weight, bias])?;
        }
        if !options.use_input_stats {
            return match (running_mean, running_var) {
                (Some(mean), Some(var)) => self.batch_norm_eval(mean, var, weight, bias, options.eps),
                _ => Err(Error::value(op, "without the input's statistics running_mean and running_var are needed")),
            };
        }
        let (channels, each) = (self.shape()[1], self.shape()[2..].iter().product::<usize>());
        if each == 1 {
            return Err(Error::value(op, format!("more than 1 value per channel is needed, got an input of shape {:?}", self.shape())));
        }
        if self.shape()[0] == 0 && (running_mean.is_some() || running_var.is_some()) {
            return Err(Error::shape(op, format!("running statistics cannot be updated without items, got {:?}", self.shape())));
        }
        let y = self.group_norm(channels, weight, bias, options.eps)?;
        let mean_of_items = |items: Tensor, running: &mut Tensor| {
            let now = items.reshape([self.shape()[0], channels])?.mean_dim(0, false)?;
            super::update_running(op, running, &now, options.momentum)
        };
        let (x, dims): (_, Vec<usize>) = (self.detach(), (2..self.dim()).collect());
        if let Some(running) = running_mean {
            mean_of_items(x.mean_dim(dims.clone(), false)?, running)?;
        }
        if let Some(running) = running_var {
            mean_of_items(x.var_dim(dims, 1.0, false)?, running)?;
        }
        Ok(y)
    }

    /// RMS normalisation: over the last dimensions, whose sizes are `normalized_shape`, `x / sqrt(mean of squares + eps) * weight`. Without an eps it is the
    /// distance from 1 to the next larger number of the dtype, as in PyTorch.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn rms_norm(&self, normalized_shape: impl IntoSizes, weight: Option<&Tensor>, eps: impl Into<Option<f64>>) -> Result<Tensor> {
        let last = Trailing::of("rms_norm", self, normalized_shape, &[("weight", weight)])?;
        let eps = eps.into().unwrap_or(match self.dtype() {
            DType::F64 | DType::C128 => f64::EPSILON,
            DType::F16 => f64::from(crate::f16::EPSILON),
            DType::BF16 => f64::from(crate::bf16::EPSILON),
            _ => f64::from(f32::EPSILON),
        });
        if mixed(self, &[weight]) {
            let weight = weight.map(|w| w.to_dtype(DType::F32)).transpose()?;
            return self.to_dtype(DType::F32)?.rms_norm(last.shape, weight.as_ref(), eps)?.to_dtype(self.dtype());
        }
        let rows = self.reshape([last.rows, last.len])?;
        let op = Norm::RmsNorm { eps };
        if self.dtype().is_complex() {
            // PyTorch divides by the root of the mean of the squares themselves, not of their magnitudes.
            let mut inputs = vec![&rows];
            let weight = flat(weight)?;
            inputs.extend(&weight);
            return composed(&op, &inputs)?.swap_remove(0).reshape(self.shape());
        }
        let mut results = match flat(weight)? {
            None => apply(op, [&rows])?,
            Some(w) => apply(op, [&rows, &w])?,
        };
        results.swap_remove(0).reshape(self.shape())
    }
}

/// The groups of `[n, channels, ..]` as dimensions 2 and 3 of `[n, groups, channels / groups, inner]`.
fn split(x: &Tensor, groups: usize) -> Result<Tensor> {
    let (n, channels) = (x.shape()[0], x.shape()[1]);
    x.reshape([n, groups, channels / groups, x.shape()[2..].iter().product()])
}

/// A vector over the channels in the shape in which it is broadcast over what [`split`] gives.
fn over(v: &Tensor, groups: usize) -> Result<Tensor> {
    v.reshape([1, groups, v.numel() / groups, 1])
}

const GROUP: [usize; 2] = [2, 3];
const BUT_CHANNELS: [usize; 2] = [0, 3];

/// The normalised groups, their means and factors.
fn normalized(x: &Tensor, eps: f64) -> Result<[Tensor; 3]> {
    let mean = x.mean_dim(GROUP, true)?;
    let centred = x.sub(&mean)?;
    let factor = centred.square()?.mean_dim(GROUP, true)?.add(eps)?.rsqrt()?;
    Ok([centred.mul(&factor)?, mean, factor])
}

fn normalized_rms(x: &Tensor, eps: f64) -> Result<[Tensor; 2]> {
    let factor = x.square()?.mean_dim(1, true)?.add(eps)?.rsqrt()?;
    Ok([x.mul(&factor)?, factor])
}

/// The operations of this file in smaller ones. Statistics are functions of x: backward computes them again, so that its derivative sees it.
pub(super) fn composed(op: &Norm, inputs: &[&Tensor]) -> Result<Tensors> {
    Ok(match (*op, inputs) {
        (Norm::GroupNorm { groups, eps }, &[x, ref rest @ ..]) => {
            let [normal, mean, factor] = normalized(&split(x, groups)?, eps)?;
            let y = match rest {
                [w, b] => normal.mul(&over(w, groups)?)?.add(&over(b, groups)?)?,
                _ => normal,
            };
            let each = [x.shape()[0], groups];
            smallvec::smallvec![y.reshape(x.shape())?, mean.reshape(each)?, factor.reshape(each)?]
        }
        (Norm::GroupNormGrad { groups, eps }, &[g, x, _, _, ref weight @ ..]) => {
            let [normal, _, factor] = normalized(&split(x, groups)?, eps)?;
            let g = split(g, groups)?;
            let weighted = match weight {
                [w] => g.mul(&over(w, groups)?)?,
                _ => g.clone(),
            };
            let along = normal.mul(&weighted.mul(&normal)?.mean_dim(GROUP, true)?)?;
            let dx = weighted.sub(&weighted.mean_dim(GROUP, true)?)?.sub(&along)?.mul(&factor)?;
            let mut results: Tensors = smallvec::smallvec![dx.reshape(x.shape())?];
            if let [w] = weight {
                results.push(g.mul(&normal)?.sum_dim(BUT_CHANNELS, false)?.reshape(w.shape())?);
                results.push(g.sum_dim(BUT_CHANNELS, false)?.reshape(w.shape())?);
            }
            results
        }
        (Norm::RmsNorm { eps }, &[x, ref weight @ ..]) => {
            let [normal, factor] = normalized_rms(x, eps)?;
            let y = match weight {
                [w] => normal.mul(*w)?,
                _ => normal,
            };
            smallvec::smallvec![y, factor.reshape(x.shape()[0])?]
        }
        (Norm::RmsNormGrad { eps }, &[g, x, _, ref weight @ ..]) => {
            let [normal, factor] = normalized_rms(x, eps)?;
            let weighted = match weight {
                [w] => g.mul(*w)?,
                _ => g.clone(),
            };
            let along = normal.mul(&weighted.mul(&normal)?.mean_dim(1, true)?)?;
            let mut results: Tensors = smallvec::smallvec![weighted.sub(&along)?.mul(&factor)?];
            if let [_] = weight {
                results.push(g.mul(&normal)?.sum_dim(0, false)?);
            }
            results
        }
        _ => return Err(Error::value("norm", "takes other inputs")),
    })
}
