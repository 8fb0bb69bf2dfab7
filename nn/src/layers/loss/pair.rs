//! Losses of an input and a target of the same shape.

use rushlight_tensor::{KlReduction, LossReduction, PoissonNllLoss, Result, Tensor};

use super::{Loss, losses};
use crate::Buffer;

losses! {
    /// The absolute differences from the target.
    L1Loss, L1LossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } []

    /// The squared differences from the target.
    MSELoss, MSELossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } []

    /// `d^2 / (2 beta)` where the difference d from the target is below beta, `|d| - beta / 2` elsewhere.
    SmoothL1Loss, SmoothL1LossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
        /// Where the parabola becomes a line. Default: 1.
        beta: f64 = 1.0;
    } []

    /// `d^2 / 2` where the difference d from the target is below delta, `delta (|d| - delta / 2)` elsewhere.
    HuberLoss, HuberLossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
        /// Where the parabola becomes a line. Default: 1.
        delta: f64 = 1.0;
    } []

    /// `log(1 + exp(-y x))` for targets y of 1 and -1.
    SoftMarginLoss, SoftMarginLossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } []

    /// The binary cross entropy of probabilities and targets in 0 to 1. For logits, [`BCEWithLogitsLoss`] is more accurate.
    BCELoss, BCELossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } [
        /// A weight for each loss, broadcast. Default: none.
        weight
    ]

    /// The binary cross entropy of the sigmoid of logits.
    BCEWithLogitsLoss, BCEWithLogitsLossBuilder {
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } [
        /// A weight for each loss, broadcast. Default: none.
        weight,
        /// A weight for positive targets, broadcast. Default: none.
        pos_weight
    ]

    /// The negative log likelihood of counts under Poisson distributions.
    PoissonNLLLoss, PoissonNLLLossBuilder {
        /// Whether the input is the logarithm of the rate. Default: true.
        log_input: bool = true;
        /// Whether Stirling's approximation of `log(target!)` is added. Default: false.
        full: bool = false;
        /// Added to the rate before its logarithm is taken. Default: 1e-8.
        eps: f64 = 1e-8;
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } []

    /// The Kullback-Leibler divergence of log-probabilities from probabilities.
    KLDivLoss, KLDivLossBuilder {
        /// How the losses become one. Default: their mean over all elements; the divergence itself is `BatchMean`.
        reduction: KlReduction = KlReduction::Mean;
        /// Whether the target holds logarithms too. Default: false.
        log_target: bool = false;
    } []

    /// `x` for targets of 1, `max(0, margin - x)` for -1: for distances x.
    HingeEmbeddingLoss, HingeEmbeddingLossBuilder {
        /// How far the unlike should be. Default: 1.
        margin: f64 = 1.0;
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } []
}

impl Loss for L1Loss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || input.l1_loss(target, self.settings.reduction))
    }
}

impl Loss for MSELoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || input.mse_loss(target, self.settings.reduction))
    }
}

impl Loss for SmoothL1Loss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || input.smooth_l1_loss(target, self.settings.reduction, self.settings.beta))
    }
}

impl Loss for HuberLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || input.huber_loss(target, self.settings.reduction, self.settings.delta))
    }
}

impl Loss for SoftMarginLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || input.soft_margin_loss(target, self.settings.reduction))
    }
}

impl Loss for BCELoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let weight = self.weight.as_ref().map(Buffer::tensor);
            input.binary_cross_entropy(target, weight.as_ref(), self.settings.reduction)
        })
    }
}

impl Loss for BCEWithLogitsLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let (weight, positive) = (self.weight.as_ref().map(Buffer::tensor), self.pos_weight.as_ref().map(Buffer::tensor));
            input.binary_cross_entropy_with_logits(target, weight.as_ref(), positive.as_ref(), self.settings.reduction)
        })
    }
}

impl Loss for PoissonNLLLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let PoissonNLLLossBuilder { log_input, full, eps, reduction } = self.settings;
            input.poisson_nll_loss(target, PoissonNllLoss { log_input, full, eps, reduction })
        })
    }
}

impl Loss for KLDivLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || input.kl_div(target, self.settings.reduction, self.settings.log_target))
    }
}

impl Loss for HingeEmbeddingLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || input.hinge_embedding_loss(target, self.settings.margin, self.settings.reduction))
    }
}
