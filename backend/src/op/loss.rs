//! Losses that are one pass over their input.

use super::{MetaRef, Metas, same_dtype, want_float, want_index};
use crate::{Error, Meta, Result, Shape};

/// How the losses of a batch become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossReduction {
    /// Not at all: one loss for each item.
    None,
    /// Their (weighted) mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

impl LossReduction {
    /// By PyTorch's name: `none`, `mean`, `sum`.
    ///
    /// # Errors
    /// For any other text.
    pub fn from_name(name: &str) -> Result<LossReduction> {
        match name {
            "none" => Ok(LossReduction::None),
            "mean" => Ok(LossReduction::Mean),
            "sum" => Ok(LossReduction::Sum),
            other => Err(Error::value("reduction", format!("`{other}` is none of `none`, `mean`, `sum`"))),
        }
    }
}

/// The parameters of the cross entropy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropy {
    /// How the losses of a batch become one. The mean is weighted by the targets' class weights.
    pub reduction: LossReduction,
    /// A target that counts for nothing; PyTorch's default is -100.
    pub ignore_index: i64,
    /// The share of the loss that is spread over all classes; 0 unless given.
    pub label_smoothing: f64,
}

impl Default for CrossEntropy {
    fn default() -> CrossEntropy {
        CrossEntropy { reduction: LossReduction::Mean, ignore_index: -100, label_smoothing: 0.0 }
    }
}

/// A loss, or the gradient of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Softmax and negative log likelihood of the target class in one. Inputs: logits `[n, classes, ..]`, targets (int64) `[n, ..]`, and perhaps a weight for
    /// each class. Results: the loss; for the backward pass the logarithm of the sum of exponentials of each item, and the total weight.
    CrossEntropy(CrossEntropy),
    /// The gradient of the cross entropy with respect to the logits. Inputs: the loss's gradient, then the two results for the backward pass, then the loss's
    /// inputs.
    CrossEntropyGrad(CrossEntropy),
}

impl Loss {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Loss::CrossEntropy(_) => "cross_entropy",
            Loss::CrossEntropyGrad(_) => "cross_entropy_backward",
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let wrong_number = |wanted: &str| Error::value(name, format!("takes {wanted} tensors, got {}", inputs.len()));
        match self {
            Loss::CrossEntropy(p) => {
                let (logits, targets, weight) = match inputs {
                    [x, t] => (x, t, None),
                    [x, t, w] => (x, t, Some(w)),
                    _ => return Err(wrong_number("2 or 3")),
                };
                want_float(name, logits.dtype)?;
                want_index(name, targets.dtype)?;
                let items = item_shape(logits.shape);
                if logits.shape.len() < 2 || items.as_slice() != targets.shape {
                    return Err(Error::shape(
                        name,
                        format!(
                            "logits of shape {:?} and targets of shape {:?} do not fit: wanted [n, classes, ..] and [n, ..]",
                            logits.shape, targets.shape
                        ),
                    ));
                }
                if let Some(w) = weight {
                    same_dtype(name, &[*logits, *w])?;
                    if w.shape != &logits.shape[1..2] {
                        return Err(Error::shape(
                            name,
                            format!("a weight of shape {:?} does not fit {} classes", w.shape, logits.shape[1]),
                        ));
                    }
                }
                if !(0.0..=1.0).contains(&p.label_smoothing) {
                    return Err(Error::value(name, format!("label smoothing must lie in 0 to 1, got {}", p.label_smoothing)));
                }
                let dtype = logits.dtype;
                let loss = if p.reduction == LossReduction::None { items.clone() } else { Shape::new() };
                Ok(smallvec::smallvec![Meta { shape: loss, dtype }, Meta { shape: items, dtype }, Meta { shape: Shape::new(), dtype }])
            }
            Loss::CrossEntropyGrad(_) => {
                let [g, lse, total, rest @ ..] = inputs else { return Err(wrong_number("5 or 6")) };
                let [logits, ..] = rest else { return Err(wrong_number("5 or 6")) };
                same_dtype(name, &[*g, *lse, *total, *logits])?;
                Ok(smallvec::smallvec![logits.to_meta()])
            }
        }
    }
}

/// The shape without the classes.
fn item_shape(logits: &[usize]) -> Shape {
    logits.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, &n)| n).collect()
}
