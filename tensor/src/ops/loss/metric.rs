//! Losses of distances between triplets; the bilinear form.

use rushlight_backend::op::LossReduction;
use rushlight_backend::{Error, Result};

use super::reduced;
use crate::Tensor;
use crate::autocast::widened;

/// The parameters of [`Tensor::triplet_margin_loss`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TripletMarginLoss {
    /// By how much the negative should be farther away than the positive; more than 0.
    pub margin: f64,
    /// Of which norm the distance is.
    pub p: f64,
    /// Added to the differences.
    pub eps: f64,
    /// Whether the distance between positive and negative counts where it is smaller than that between anchor and negative.
    pub swap: bool,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for TripletMarginLoss {
    fn default() -> TripletMarginLoss {
        TripletMarginLoss { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: LossReduction::Mean }
    }
}

impl Tensor {
    /// `max(0, d(anchor, positive) - d(anchor, negative) + margin)`, reduced, where this tensor is the anchor and d the
    /// [`pairwise_distance`](Tensor::pairwise_distance).
    ///
    /// # Errors
    /// If the margin is not positive, ranks differ, or the shapes cannot be broadcast together.
    pub fn triplet_margin_loss(&self, positive: &Tensor, negative: &Tensor, options: TripletMarginLoss) -> Result<Tensor> {
        if let Some([a, p, n]) = widened([self, positive, negative])? {
            return a.triplet_margin_loss(&p, &n, options);
        }
        let TripletMarginLoss { margin, p, eps, swap, reduction } = options;
        if self.dim() != positive.dim() || self.dim() != negative.dim() {
            return Err(Error::shape(
                "triplet_margin_loss",
                format!(
                    "wants tensors of one number of dimensions, got {:?}, {:?} and {:?}",
                    self.shape(),
                    positive.shape(),
                    negative.shape()
                ),
            ));
        }
        let distance = |a: &Tensor, b: &Tensor| a.pairwise_distance(b, p, eps, false);
        self.triplet_margin_with_distance_loss(positive, negative, distance, margin, swap, reduction)
    }

    /// As [`triplet_margin_loss`](Tensor::triplet_margin_loss), with any distance.
    ///
    /// # Errors
    /// If the margin is not positive, and those of the distance.
    pub fn triplet_margin_with_distance_loss(
        &self,
        positive: &Tensor,
        negative: &Tensor,
        distance: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
        margin: f64,
        swap: bool,
        reduction: LossReduction,
    ) -> Result<Tensor> {
        if margin.is_nan() || margin <= 0.0 {
            return Err(Error::value("triplet_margin_loss", format!("the margin must be positive, got {margin}")));
        }
        let near = distance(self, positive)?;
        let mut far = distance(self, negative)?;
        if swap {
            far = far.minimum(&distance(positive, negative)?)?;
        }
        reduced(&near.sub(&far)?.add(margin)?.clamp(0.0, None)?, reduction)
    }

    /// `x1' W[k] x2 + bias[k]` for each k: x1 `[.., in1]`, x2 `[.., in2]`, weight `[out, in1, in2]`, bias `[out]` -> `[.., out]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn bilinear(&self, other: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (&[out, in1, in2], Some((&last1, lead1)), Some((&last2, lead2))) =
            (weight.shape(), self.shape().split_last(), other.shape().split_last())
        else {
            return Err(wrong(self, other, weight, bias));
        };
        if lead1 != lead2 || last1 != in1 || last2 != in2 || bias.is_some_and(|b| b.shape() != [out]) {
            return Err(wrong(self, other, weight, bias));
        }
        if let Some(t) = [Some(other), Some(weight), bias].into_iter().flatten().find(|t| t.dtype() != self.dtype()) {
            return Err(Error::dtype("bilinear", format!("wants one dtype, got {} and {}", self.dtype(), t.dtype())));
        }
        let n = lead1.iter().product::<usize>();
        let by_first = self.reshape([n, in1])?.matmul(&weight.transpose(0, 1)?.reshape([in1, out * in2])?)?.reshape([n, out, in2])?;
        let y = by_first.matmul(&other.reshape([n, in2, 1])?)?.reshape(lead1.iter().copied().chain([out]).collect::<Vec<_>>())?;
        match bias {
            Some(b) => y.add(b),
            None => Ok(y),
        }
    }
}

fn wrong(x: &Tensor, other: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Error {
    Error::shape(
        "bilinear",
        format!(
            "wants [.., in1], [.., in2], a weight [out, in1, in2] and a bias [out], got {:?}, {:?}, {:?} and {:?}",
            x.shape(),
            other.shape(),
            weight.shape(),
            bias.map(Tensor::shape)
        ),
    )
}
