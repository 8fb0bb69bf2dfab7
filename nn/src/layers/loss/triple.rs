//! Losses of three tensors or more.

use std::fmt;
use std::sync::Arc;

use rushlight_tensor::{CtcLoss, GaussianNllLoss, LossReduction, Result, Tensor, TripletMarginLoss as Triplet};

use super::losses;
use crate::Module;

losses! {
    /// The negative log likelihood of targets under normal distributions.
    GaussianNLLLoss, GaussianNLLLossBuilder {
        /// Whether the constant `log(2 pi) / 2` is added. Default: false.
        full: bool = false;
        /// Variances below it count as it. Default: 1e-6.
        eps: f64 = 1e-6;
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } []

    /// `max(0, -y (x1 - x2) + margin)`: which of two scores should be ahead, y being 1 or -1.
    MarginRankingLoss, MarginRankingLossBuilder {
        /// By how much. Default: 0.
        margin: f64 = 0.0;
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } []

    /// `1 - cos(x1, x2)` for y of 1, `max(0, cos(x1, x2) - margin)` for -1.
    CosineEmbeddingLoss, CosineEmbeddingLossBuilder {
        /// How near the unlike may be. Default: 0.
        margin: f64 = 0.0;
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } []

    /// `max(0, d(anchor, positive) - d(anchor, negative) + margin)`, d the p-norm distance.
    TripletMarginLoss, TripletMarginLossBuilder {
        /// By how much the negative should be farther away. Default: 1.
        margin: f64 = 1.0;
        /// Of which norm the distance is. Default: 2.
        p: f64 = 2.0;
        /// Added to the differences. Default: 1e-6.
        eps: f64 = 1e-6;
        /// Whether the distance between positive and negative counts where it is smaller. Default: false.
        swap: bool = false;
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
    } []

    /// Connectionist temporal classification: label sequences under log-probabilities over time.
    CTCLoss, CTCLossBuilder {
        /// The class that stands for no label. Default: 0.
        blank: usize = 0;
        /// How the losses of a batch become one. Default: their mean.
        reduction: LossReduction = LossReduction::Mean;
        /// Whether infinite losses count as zero. Default: false.
        zero_infinity: bool = false;
    } []
}

impl GaussianNLLLoss {
    /// The loss of means, targets and variances.
    ///
    /// # Errors
    /// If shapes do not fit, or a variance is negative.
    pub fn forward(&self, input: &Tensor, target: &Tensor, var: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let GaussianNLLLossBuilder { full, eps, reduction } = self.settings;
            input.gaussian_nll_loss(target, var, GaussianNllLoss { full, eps, reduction })
        })
    }
}

impl MarginRankingLoss {
    /// The loss of two scores and which should be ahead.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn forward(&self, x1: &Tensor, x2: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || x1.margin_ranking_loss(x2, target, self.settings.margin, self.settings.reduction))
    }
}

impl CosineEmbeddingLoss {
    /// The loss of two rows of vectors and whether they should be alike.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn forward(&self, x1: &Tensor, x2: &Tensor, target: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || x1.cosine_embedding_loss(x2, target, self.settings.margin, self.settings.reduction))
    }
}

impl TripletMarginLoss {
    /// The loss of anchors, what is like them, and what is not.
    ///
    /// # Errors
    /// If shapes do not fit, or the margin is not positive.
    pub fn forward(&self, anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let TripletMarginLossBuilder { margin, p, eps, swap, reduction } = self.settings;
            anchor.triplet_margin_loss(positive, negative, Triplet { margin, p, eps, swap, reduction })
        })
    }
}

impl CTCLoss {
    /// The loss of log-probabilities `[time, n, classes]`, labels, and the lengths of both.
    ///
    /// # Errors
    /// If shapes, dtypes or lengths do not fit.
    pub fn forward(&self, log_probs: &Tensor, targets: &Tensor, input_lengths: &Tensor, target_lengths: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let CTCLossBuilder { blank, reduction, zero_infinity } = self.settings;
            log_probs.ctc_loss(targets, input_lengths, target_lengths, CtcLoss { blank, reduction, zero_infinity })
        })
    }
}

/// A distance of two rows of vectors.
type Distance = Arc<dyn Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync>;

/// As [`TripletMarginLoss`], with any distance.
#[derive(Module, Clone)]
pub struct TripletMarginWithDistanceLoss {
    #[module(skip)]
    distance: Option<Distance>,
    margin: f64,
    swap: bool,
    #[module(skip)]
    reduction: LossReduction,
}

impl Default for TripletMarginWithDistanceLoss {
    fn default() -> TripletMarginWithDistanceLoss {
        TripletMarginWithDistanceLoss { distance: None, margin: 1.0, swap: false, reduction: LossReduction::Mean }
    }
}

impl fmt::Debug for TripletMarginWithDistanceLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TripletMarginWithDistanceLoss(margin={}, swap={})", self.margin, self.swap)
    }
}

impl TripletMarginWithDistanceLoss {
    /// The module with PyTorch's defaults; the distance is that of the 2-norm.
    pub fn new() -> TripletMarginWithDistanceLoss {
        TripletMarginWithDistanceLoss::default()
    }

    /// Another distance.
    #[must_use]
    pub fn distance(mut self, distance: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Self {
        self.distance = Some(Arc::new(distance));
        self
    }

    /// By how much the negative should be farther away. Default: 1.
    #[must_use]
    pub fn margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// Whether the distance between positive and negative counts where it is smaller. Default: false.
    #[must_use]
    pub fn swap(mut self, swap: bool) -> Self {
        self.swap = swap;
        self
    }

    /// How the losses of a batch become one. Default: their mean.
    #[must_use]
    pub fn reduction(mut self, reduction: LossReduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// The loss of anchors, what is like them, and what is not.
    ///
    /// # Errors
    /// If shapes do not fit, or the margin is not positive.
    pub fn forward(&self, anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let distance = |a: &Tensor, b: &Tensor| match &self.distance {
                Some(d) => d(a, b),
                None => a.pairwise_distance(b, 2.0, 1e-6, false),
            };
            anchor.triplet_margin_with_distance_loss(positive, negative, distance, self.margin, self.swap, self.reduction)
        })
    }
}
