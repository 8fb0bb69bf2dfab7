//! Losses of scores of classes.

use rushlight_tensor::{CrossEntropy, LossReduction, Result, Tensor};

use super::{Loss, losses};
use crate::Buffer;

losses! {
    /// The cross entropy of logits `[n, classes, ..]` and class numbers `[n, ..]` (int64), or probabilities in the shape of the logits.
    CrossEntropyLoss, CrossEntropyLossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
        /// A target that counts for nothing. Default: -100.
        ignore_index: i64 = -100;
        /// The share of the loss that is spread over all classes. Default: 0.
        label_smoothing: f64 = 0.0;
    } [
        /// A weight for each class. Default: none.
        weight
    ]

    /// The negative log likelihood of class numbers `[n, ..]` (int64) under log-probabilities `[n, classes, ..]`.
    NLLLoss, NLLLossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
        /// A target that counts for nothing. Default: -100.
        ignore_index: i64 = -100;
    } [
        /// A weight for each class. Default: none.
        weight
    ]

    /// The hinge loss of class numbers (int64) and scores `[n, classes]`: `sum over c != y of max(0, margin - x[y] + x[c])^p / classes`.
    MultiMarginLoss, MultiMarginLossBuilder {
        /// The power, 1 or 2. Default: 1.
        p: i64 = 1;
        /// By how much the right class should be ahead. Default: 1.
        margin: f64 = 1.0;
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } [
        /// A weight for each class. Default: none.
        weight
    ]

    /// The hinge loss of several classes at once: rows of class numbers (int64) that end at the first -1, and scores of the same shape.
    MultiLabelMarginLoss, MultiLabelMarginLossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } []

    /// The binary cross entropy of each class with logits, averaged over the classes.
    MultiLabelSoftMarginLoss, MultiLabelSoftMarginLossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } [
        /// A weight for each class. Default: none.
        weight
    ]
}

impl Loss for CrossEntropyLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let CrossEntropyLossBuilder { reduction, ignore_index, label_smoothing, .. } = self.settings;
            let weight = self.weight.as_ref().map(Buffer::tensor);
            input.cross_entropy_with(target, weight.as_ref(), CrossEntropy { reduction, ignore_index, label_smoothing })
        })
    }
}

impl Loss for NLLLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let weight = self.weight.as_ref().map(Buffer::tensor);
            input.nll_loss(target, weight.as_ref(), self.settings.ignore_index, self.settings.reduction)
        })
    }
}

impl Loss for MultiMarginLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let weight = self.weight.as_ref().map(Buffer::tensor);
            input.multi_margin_loss(target, self.settings.p, self.settings.margin, weight.as_ref(), self.settings.reduction)
        })
    }
}

impl Loss for MultiLabelMarginLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || input.multilabel_margin_loss(target, self.settings.reduction))
    }
}

impl Loss for MultiLabelSoftMarginLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let weight = self.weight.as_ref().map(Buffer::tensor);
            input.multilabel_soft_margin_loss(target, weight.as_ref(), self.settings.reduction)
        })
    }
}
