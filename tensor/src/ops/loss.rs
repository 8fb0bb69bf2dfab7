//! Losses. Those that are pointwise functions and sums, and CTC, are in the files of the folder.

mod ctc;
mod margin;
mod metric;
mod pair;

pub use ctc::CtcLoss;
pub use metric::TripletMarginLoss;
pub use pair::{GaussianNllLoss, KlReduction, PoissonNllLoss};

use rushlight_backend::op::{CrossEntropy, Loss, LossReduction};
use rushlight_backend::{DType, Error, Result};

use crate::autocast::widened;
use crate::{Tensor, Tensors, apply};

/// Losses of all items made one.
fn reduced(losses: &Tensor, reduction: LossReduction) -> Result<Tensor> {
    match reduction {
        LossReduction::None => Ok(losses.clone()),
        LossReduction::Mean => losses.mean(),
        LossReduction::Sum => losses.sum(),
    }
}

impl Tensor {
    /// The mean cross entropy of these logits `[n, classes, ..]` (or `[classes]`) and class numbers `[n, ..]` (int64), as PyTorch's defaults have it.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or a target is no class.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let logits = Tensor::zeros([2, 4], ())?;
    /// let loss = logits.cross_entropy(&Tensor::new([0i64, 3])?)?;
    /// assert!((loss.item::<f32>()? - 4f32.ln()).abs() < 1e-6);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn cross_entropy(&self, targets: &Tensor) -> Result<Tensor> {
        self.cross_entropy_with(targets, None, CrossEntropy::default())
    }

    /// The cross entropy with class weights and PyTorch's other parameters. Targets are class numbers (int64), or probabilities in the shape of the logits.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or a target is no class.
    pub fn cross_entropy_with(&self, targets: &Tensor, weight: Option<&Tensor>, options: CrossEntropy) -> Result<Tensor> {
        if let Some([x]) = widened([self])? {
            return x.cross_entropy_with(targets, weight, options);
        }
        if targets.dtype().is_float() {
            return self.soft_cross_entropy(targets, weight, options);
        }
        if self.dim() == 1 {
            let one = self.unsqueeze(0)?.cross_entropy_with(&targets.unsqueeze(0)?, weight, options)?;
            return if options.reduction == LossReduction::None { one.squeeze_dim(0) } else { Ok(one) };
        }
        let op = Loss::CrossEntropy(options);
        let mut results = match weight {
            Some(w) => apply(op, [self, targets, w])?,
            None => apply(op, [self, targets])?,
        };
        Ok(results.swap_remove(0))
    }

    /// [`cross_entropy_with`](Tensor::cross_entropy_with) of the logits `x W' + b` of these inputs `[n, in]` (or `[in]`): the weight is `[classes, .., in]`,
    /// the bias has its shape without the last dimension, and the targets are class numbers `[n, ..]` or probabilities `[n, classes, ..]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or a target is no class.
    pub fn linear_cross_entropy(
        &self,
        linear_weight: &Tensor,
        targets: &Tensor,
        linear_bias: Option<&Tensor>,
        weight: Option<&Tensor>,
        options: CrossEntropy,
    ) -> Result<Tensor> {
        let op = "linear_cross_entropy";
        let [out @ .., inner] = linear_weight.shape() else {
            return Err(Error::shape(op, "wants a weight of at least two dimensions"));
        };
        let fits =
            matches!(self.shape(), [n @ .., k] if n.len() < 2 && k == inner) && !out.is_empty() && (out.len() == 1 || self.dim() == 2);
        if !fits || linear_bias.is_some_and(|b| b.shape() != out) {
            let bias = linear_bias.map(Tensor::shape);
            return Err(Error::shape(
                op,
                format!("inputs {:?}, weight {:?} and bias {bias:?} do not fit", self.shape(), linear_weight.shape()),
            ));
        }
        let bias = linear_bias.map(|b| b.reshape(-1)).transpose()?;
        let logits = self.linear(&linear_weight.reshape([out.iter().product(), *inner])?, bias.as_ref())?;
        let shape: Vec<usize> = self.shape()[..self.dim() - 1].iter().chain(out).copied().collect();
        logits.reshape(shape)?.cross_entropy_with(targets, weight, options)
    }

    /// Cross entropy against probabilities.
    fn soft_cross_entropy(&self, targets: &Tensor, weight: Option<&Tensor>, options: CrossEntropy) -> Result<Tensor> {
        if targets.shape() != self.shape() {
            return Err(Error::shape(
                "cross_entropy",
                format!("target probabilities of shape {:?} do not fit logits of shape {:?}", targets.shape(), self.shape()),
            ));
        }
        let dim = if self.dim() == 1 { 0 } else { 1 };
        let classes = self.size(dim)? as f64;
        let s = options.label_smoothing;
        let targets = if s > 0.0 { targets.mul(1.0 - s)?.add(s / classes)? } else { targets.clone() };
        let mut log_p = self.log_softmax(dim)?;
        if let Some(w) = weight {
            log_p = log_p.mul(&along_classes(w, self.dim())?)?;
        }
        let losses = log_p.mul(&targets)?.sum_dim(dim, false)?.neg()?;
        match options.reduction {
            // The mean is over items, whatever the weights.
            LossReduction::Mean => losses.sum()?.div(self.numel() as f64 / classes),
            other => reduced(&losses, other),
        }
    }

    /// The negative log likelihood of class numbers under these log-probabilities `[n, classes, ..]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or a target is no class.
    pub fn nll_loss(&self, targets: &Tensor, weight: Option<&Tensor>, ignore_index: i64, reduction: LossReduction) -> Result<Tensor> {
        if let Some([x]) = widened([self])? {
            return x.nll_loss(targets, weight, ignore_index, reduction);
        }
        if self.dim() == 1 {
            let one = self.unsqueeze(0)?.nll_loss(&targets.unsqueeze(0)?, weight, ignore_index, reduction)?;
            return if reduction == LossReduction::None { one.squeeze_dim(0) } else { Ok(one) };
        }
        let fits = self.dim() >= 2
            && targets.dim() + 1 == self.dim()
            && targets.shape()[0] == self.shape()[0]
            && targets.shape()[1..] == self.shape()[2..];
        if !fits {
            return Err(Error::shape("nll_loss", format!("input {:?} and targets {:?} do not fit", self.shape(), targets.shape())));
        }
        if !matches!(targets.dtype(), DType::I64 | DType::U8) {
            return Err(Error::dtype("nll_loss", format!("wants targets of int64 or uint8, got {}", targets.dtype())));
        }
        if let Some(w) = weight.filter(|w| w.dtype() != self.dtype()) {
            return Err(Error::dtype("nll_loss", format!("weights of {} for an input of {}", w.dtype(), self.dtype())));
        }
        if let Some(w) = weight.filter(|w| w.shape() != [self.shape()[1]]) {
            return Err(Error::shape("nll_loss", format!("a weight of shape {:?} does not fit {} classes", w.shape(), self.shape()[1])));
        }
        let picked = Picked::new(self, targets, weight, ignore_index)?;
        let losses = picked.of(self)?.neg()?;
        match reduction {
            LossReduction::Mean => losses.sum()?.div(&picked.weights.sum()?),
            other => reduced(&losses, other),
        }
    }
}

/// A number for each class in the shape `[1, classes, 1, ..]`.
fn along_classes(w: &Tensor, rank: usize) -> Result<Tensor> {
    if rank == 1 {
        return Ok(w.clone());
    }
    let mut shape = vec![1; rank];
    shape[1] = w.numel();
    w.reshape(shape)
}

/// The targets' elements and weights.
struct Picked {
    /// The targets with ignored ones as class 0, `[n, 1, ..]`.
    index: Tensor,
    /// The weight of each target, 0 where ignored, `[n, ..]`.
    weights: Tensor,
}

impl Picked {
    fn new(x: &Tensor, targets: &Tensor, weight: Option<&Tensor>, ignore_index: i64) -> Result<Picked> {
        let counts = targets.ne(ignore_index)?;
        let index = counts.where_(targets, 0)?.to_dtype(DType::I64)?;
        let mask = counts.to_dtype(x.dtype())?;
        let weights = match weight {
            Some(w) => mask.mul(&w.index_select(0, &index.reshape(-1)?)?.reshape(targets.shape())?)?,
            None => mask,
        };
        Ok(Picked { index: index.unsqueeze(1)?, weights })
    }

    /// The targets' elements times their weights; what is ignored is 0 even if its element is infinite.
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        let picked = x.gather(1, &self.index)?.squeeze_dim(1)?;
        self.weights.eq(0)?.where_(0.0, &picked.mul(&self.weights)?)
    }
}

/// Composite operations of this family in smaller ones.
pub(crate) fn decompose(op: &Loss, inputs: &[&Tensor]) -> Option<Result<Tensors>> {
    Some(match (op, inputs) {
        (Loss::CrossEntropy(p), [x, targets, weight @ ..]) => cross_entropy(p, x, targets, weight.first().copied()),
        (Loss::CrossEntropyGrad(p), [g, _, _, x, targets, weight @ ..]) => cross_entropy_grad(p, g, x, targets, weight.first().copied()),
        (Loss::BinaryCrossEntropy, [x, target]) => pair::binary_cross_entropy(x, target).map(|y| smallvec::smallvec![y]),
        _ => return None,
    })
}

fn cross_entropy(p: &CrossEntropy, x: &Tensor, targets: &Tensor, weight: Option<&Tensor>) -> Result<Tensors> {
    let lse = x.logsumexp(1, false)?;
    let log_p = x.sub(&lse.unsqueeze(1)?)?;
    let picked = Picked::new(x, targets, weight, p.ignore_index)?;
    let mut losses = picked.of(&log_p)?.neg()?;
    if p.label_smoothing > 0.0 {
        let all = match weight {
            Some(w) => log_p.mul(&along_classes(w, x.dim())?)?,
            None => log_p,
        };
        let spread = targets.ne(p.ignore_index)?.where_(&all.sum_dim(1, false)?, 0.0)?;
        let classes = x.shape()[1] as f64;
        losses = losses.mul(1.0 - p.label_smoothing)?.sub(&spread.mul(p.label_smoothing / classes)?)?;
    }
    let total = picked.weights.sum()?;
    let loss = match p.reduction {
        LossReduction::Mean => losses.sum()?.div(&total)?,
        other => reduced(&losses, other)?,
    };
    Ok(smallvec::smallvec![loss, lse, total])
}

/// With q the target distribution (weights and smoothing included), d loss / d x = softmax(x) * sum(q) - q, times the gradient of the item.
fn cross_entropy_grad(p: &CrossEntropy, g: &Tensor, x: &Tensor, targets: &Tensor, weight: Option<&Tensor>) -> Result<Tensors> {
    let picked = Picked::new(x, targets, weight, p.ignore_index)?;
    let weights = picked.weights.unsqueeze(1)?;
    let zeros = Tensor::zeros(x.shape(), (x.dtype(), x.device()))?;
    let mut q = zeros.scatter(1, &picked.index, &weights)?;
    if p.label_smoothing > 0.0 {
        let counts = targets.ne(p.ignore_index)?.to_dtype(x.dtype())?.unsqueeze(1)?;
        let spread = match weight {
            Some(w) => counts.mul(&along_classes(w, x.dim())?)?,
            None => counts.expand(x.shape())?,
        };
        q = q.mul(1.0 - p.label_smoothing)?.add(&spread.mul(p.label_smoothing / x.shape()[1] as f64)?)?;
    }
    let softmax = x.log_softmax(1)?.exp()?;
    let d = softmax.mul(&q.sum_dim(1, true)?)?.sub(&q)?;
    let scale = match p.reduction {
        LossReduction::None => g.unsqueeze(1)?,
        LossReduction::Sum => g.clone(),
        LossReduction::Mean => g.div(&picked.weights.sum()?)?,
    };
    Ok(smallvec::smallvec![d.mul(&scale)?])
}
