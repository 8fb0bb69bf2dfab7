//! Losses with a margin, of targets that are signs or classes.

use rushlight_backend::op::LossReduction;
use rushlight_backend::{DType, Error, Result, broadcast_shapes};

use super::reduced;
use crate::Tensor;
use crate::autocast::widened;

impl Tensor {
    /// `max(0, -y (x1 - x2) + margin)`, reduced: y is 1 where this tensor should be the larger one, else -1. PyTorch's default margin is 0.
    ///
    /// # Errors
    /// If ranks differ or the shapes cannot be broadcast together.
    pub fn margin_ranking_loss(&self, other: &Tensor, y: &Tensor, margin: f64, reduction: LossReduction) -> Result<Tensor> {
        if let Some([x, other]) = widened([self, other])? {
            return x.margin_ranking_loss(&other, y, margin, reduction);
        }
        if self.dim() != other.dim() || self.dim() != y.dim() {
            return Err(Error::shape(
                "margin_ranking_loss",
                format!("wants tensors of one number of dimensions, got {:?}, {:?} and {:?}", self.shape(), other.shape(), y.shape()),
            ));
        }
        reduced(&y.neg()?.mul(&self.sub(other)?)?.add(margin)?.clamp(0.0, None)?, reduction)
    }

    /// x where y is 1, `max(0, margin - x)` where y is -1, reduced. PyTorch's default margin is 1.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together.
    pub fn hinge_embedding_loss(&self, y: &Tensor, margin: f64, reduction: LossReduction) -> Result<Tensor> {
        if let Some([x]) = widened([self])? {
            return x.hinge_embedding_loss(y, margin, reduction);
        }
        if reduction == LossReduction::Mean {
            self.floats("hinge_embedding_loss")?;
        }
        let apart = self.rsub(margin)?.clamp(0.0, None)?;
        let losses = y.ne(1)?.where_(&apart, 0)?.add(&y.ne(-1)?.where_(self, 0)?)?;
        reduced(&losses, reduction)
    }

    /// `log(1 + exp(-y x))`, reduced.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together.
    pub fn soft_margin_loss(&self, y: &Tensor, reduction: LossReduction) -> Result<Tensor> {
        if let Some([x]) = widened([self])? {
            return x.soft_margin_loss(y, reduction);
        }
        let op = "soft_margin_loss";
        if !self.dtype().is_float() || y.dtype().is_complex() {
            return Err(Error::dtype(op, format!("wants real numbers, the input floating point, got {} and {}", self.dtype(), y.dtype())));
        }
        if broadcast_shapes(op, &[self.shape(), y.shape()])?[..] != *self.shape() {
            return Err(Error::shape(op, format!("targets {:?} do not broadcast to the input {:?}", y.shape(), self.shape())));
        }
        reduced(&y.neg()?.mul(self)?.exp()?.log1p()?, reduction)
    }

    /// `1 - cos(x1, x2)` where y is 1, `max(0, cos(x1, x2) - margin)` where y is -1, reduced; for vectors and one y, or matrices and a vector of y. PyTorch's
    /// default margin is 0.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn cosine_embedding_loss(&self, other: &Tensor, y: &Tensor, margin: f64, reduction: LossReduction) -> Result<Tensor> {
        if let Some([x, other]) = widened([self, other])? {
            return x.cosine_embedding_loss(&other, y, margin, reduction);
        }
        if y.dim() > 1 || self.dim() != y.dim() + 1 || other.dim() != y.dim() + 1 {
            return Err(Error::shape(
                "cosine_embedding_loss",
                format!(
                    "wants vectors and one target, or matrices and a vector of targets, got {:?}, {:?} and {:?}",
                    self.shape(),
                    other.shape(),
                    y.shape()
                ),
            ));
        }
        // The formula that PyTorch uses here, which is not that of `cosine_similarity`.
        let dim = [y.dim()];
        let squares = |x: &Tensor| x.mul(x)?.sum_dim(dim, false)?.add(1e-12);
        let cos = self.mul(other)?.sum_dim(dim, false)?.div(&squares(self)?.mul(&squares(other)?)?.sqrt()?)?;
        let y = if y.dtype().is_int() || y.dtype() == DType::Bool { y.to_dtype(DType::I64)? } else { y.clone() };
        let near = y.eq(1)?.where_(&cos.rsub(1.0)?, 0)?;
        let apart = y.eq(-1)?.where_(&cos.sub(margin)?.clamp(0.0, None)?, 0)?;
        reduced(&near.add(&apart)?, reduction)
    }

    /// The hinge loss of classes: `sum over c != y of max(0, margin - x[y] + x[c])^p * weight[y] / classes` for the scores `[n, classes]` or `[classes]` and
    /// class numbers y (int64), reduced. p is 1 or 2. PyTorch's defaults are p = 1, margin = 1.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, p is another number, or a target is no class.
    pub fn multi_margin_loss(
        &self,
        targets: &Tensor,
        p: i64,
        margin: f64,
        weight: Option<&Tensor>,
        reduction: LossReduction,
    ) -> Result<Tensor> {
        if let Some([x]) = widened([self])? {
            return x.multi_margin_loss(targets, p, margin, weight, reduction);
        }
        let op = "multi_margin_loss";
        if !matches!(p, 1 | 2) {
            return Err(Error::value(op, format!("p must be 1 or 2, got {p}")));
        }
        self.floats(op)?;
        let (x, targets, shape) = scores(op, self, targets)?;
        let classes = x.shape()[1];
        if let Some(w) = weight.filter(|w| w.dtype() != x.dtype()) {
            return Err(Error::dtype(op, format!("a weight of {} for an input of {}", w.dtype(), x.dtype())));
        }
        if let Some(w) = weight.filter(|w| w.shape() != [classes]) {
            return Err(Error::shape(op, format!("a weight of shape {:?} does not fit {classes} classes", w.shape())));
        }
        if targets.dtype() != DType::I64 {
            return Err(Error::dtype(op, format!("targets must be int64, got {}", targets.dtype())));
        }
        let index = targets.reshape([x.shape()[0], 1])?;
        let mut z = x.sub(&x.gather(1, &index)?)?.add(margin)?.clamp(0.0, None)?;
        if p == 2 {
            z = z.square()?;
        }
        if let Some(w) = weight {
            z = z.mul(&w.index_select(0, &targets.reshape(-1)?)?.unsqueeze(1)?)?;
        }
        let own = numbers(classes, &x)?.eq(&index)?;
        let losses = z.masked_fill(&own, 0)?.sum_dim(1, false)?.div(classes as f64)?;
        reduced(&losses.reshape(shape.as_slice())?, reduction)
    }

    /// The hinge loss of several classes at once: `sum over y in targets, c not in targets of max(0, 1 - x[y] + x[c]) / classes` for the scores `[n, classes]`
    /// or `[classes]`, reduced. Targets are class numbers (int64) in the shape of the scores; a row of them ends at the first -1.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or a target is no class.
    pub fn multilabel_margin_loss(&self, targets: &Tensor, reduction: LossReduction) -> Result<Tensor> {
        if let Some([x]) = widened([self])? {
            return x.multilabel_margin_loss(targets, reduction);
        }
        let op = "multilabel_margin_loss";
        if targets.shape() != self.shape() || targets.dtype() != DType::I64 {
            return Err(Error::shape(
                op,
                format!("wants int64 targets of shape {:?}, got {} {:?}", self.shape(), targets.dtype(), targets.shape()),
            ));
        }
        let (n, classes) = match self.shape() {
            [] => (1, 1),
            &[c] => (1, c),
            &[n, c] => (n, c),
            shape => return Err(Error::shape(op, format!("wants [n, classes] or [classes], got {shape:?}"))),
        };
        if classes == 0 {
            return Err(Error::shape(op, format!("there are no classes in {:?}", self.shape())));
        }
        let (x, targets) = (self.reshape([n, classes])?, targets.reshape([n, classes])?);
        let place = numbers(classes, &x)?;
        let end = targets.lt(0)?.where_(&place, classes)?.amin(1, true)?;
        let counts = place.lt(&end)?;
        let index = counts.where_(&targets, 0)?;
        let ones = counts.to_dtype(x.dtype())?;
        let is_target = ones.zeros_like()?.scatter_add(1, &index, &ones)?.gt(0)?;
        let z = x.unsqueeze(1)?.sub(&x.gather(1, &index)?.unsqueeze(2)?)?.add(1.0)?.clamp(0.0, None)?;
        let z = z.masked_fill(&counts.logical_not()?.unsqueeze(2)?, 0)?.masked_fill(&is_target.unsqueeze(1)?, 0)?;
        let losses = z.sum_dim([1, 2], false)?.div(classes as f64)?;
        if self.dim() < 2 { reduced(&losses.reshape(())?, reduction) } else { reduced(&losses, reduction) }
    }

    /// The binary cross entropy of each class with logits, averaged over the classes (the last dimension) and reduced. The weight is one number for each class.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together, or there is no dimension.
    pub fn multilabel_soft_margin_loss(&self, y: &Tensor, weight: Option<&Tensor>, reduction: LossReduction) -> Result<Tensor> {
        let mut losses = y.mul(&self.logsigmoid()?)?.add(&y.rsub(1.0)?.mul(&self.neg()?.logsigmoid()?)?)?.neg()?;
        if let Some(w) = weight {
            losses = losses.mul(w)?;
        }
        let classes = self.size(-1)? as f64;
        reduced(&losses.sum_dim(-1, false)?.div(classes)?, reduction)
    }
}

/// The numbers `0..n` as int64.
fn numbers(n: usize, like: &Tensor) -> Result<Tensor> {
    Tensor::arange(0, n, 1, (DType::I64, like.device()))
}

/// Scores as `[n, classes]`, their targets, and the shape of the losses.
fn scores(op: &'static str, x: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor, Vec<usize>)> {
    let (n, classes) = match x.shape() {
        [] => (1, 1),
        &[c] => (1, c),
        &[n, c] => (n, c),
        shape => return Err(Error::shape(op, format!("wants [n, classes] or [classes], got {shape:?}"))),
    };
    if classes == 0 {
        return Err(Error::shape(op, format!("there are no classes in {:?}", x.shape())));
    }
    if targets.numel() != n || targets.dim() > 1 {
        return Err(Error::shape(op, format!("targets of shape {:?} do not fit scores of shape {:?}", targets.shape(), x.shape())));
    }
    Ok((x.reshape([n, classes])?, targets.clone(), targets.shape().to_vec()))
}
