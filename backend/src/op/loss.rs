//! Losses that are one pass over their input.

use super::{MetaRef, Metas, exactly, same_dtype, want_float, want_index};
use crate::{DType, Error, Meta, Result, Shape};

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
    /// `-(t log x + (1 - t) log(1 - x))` of each element, logarithms not below -100; the derivative is `(x - t) / max(x (1 - x), 1e-12)`, as in PyTorch.
    /// Inputs: probabilities x, targets t.
    BinaryCrossEntropy,
    /// The negative log-likelihood of label sequences, summed over all alignments with blanks (Graves et al., 2006). Inputs: log-probabilities `[time, n,
    /// classes]` (f32 or f64), and int64 tensors: labels `[n, longest]`, the number of time steps and of labels of each item, `[n]` both. Results: the loss of
    /// each item (infinite where there is no alignment); for the backward pass the log-probabilities of the prefixes, `[n, time, 2 longest + 1]`.
    Ctc {
        /// The class that stands for no label.
        blank: usize,
        /// Whether items without an alignment have the gradient zero.
        zero_infinity: bool,
    },
    /// The gradient of `Ctc` with respect to the log-probabilities, which are taken to be a log-softmax: as in PyTorch it is that of the softmax's input.
    /// Inputs: the loss's gradient `[n]`, the loss's two results, its four inputs.
    CtcGrad {
        /// The class that stands for no label.
        blank: usize,
        /// Whether items without an alignment have the gradient zero.
        zero_infinity: bool,
    },
}

impl Loss {
    names! {
        Loss::CrossEntropy(_) => "cross_entropy",
        Loss::CrossEntropyGrad(_) => "cross_entropy_backward",
        Loss::BinaryCrossEntropy => "binary_cross_entropy",
        Loss::Ctc { .. } => "ctc_loss",
        Loss::CtcGrad { .. } => "ctc_loss_backward",
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
            Loss::BinaryCrossEntropy => {
                let [x, target] = exactly(name, inputs)?;
                want_float(name, same_dtype(name, inputs)?)?;
                if x.shape != target.shape {
                    return Err(Error::shape(name, format!("wants a target of the input's shape {:?}, got {:?}", x.shape, target.shape)));
                }
                Ok(smallvec::smallvec![x.to_meta()])
            }
            Loss::Ctc { blank, .. } => {
                let [x, labels, times, lengths] = exactly(name, inputs)?;
                check_ctc(name, *blank, x, labels, [times, lengths])?;
                let (time, n) = (x.shape[0], x.shape[1]);
                Ok(smallvec::smallvec![Meta::new(&[n], x.dtype), Meta::new(&[n, time, 2 * labels.shape[1] + 1], x.dtype)])
            }
            Loss::CtcGrad { blank, .. } => {
                let [g, loss, alpha, x, labels, times, lengths] = exactly(name, inputs)?;
                check_ctc(name, *blank, x, labels, [times, lengths])?;
                same_dtype(name, &[*g, *loss, *alpha, *x])?;
                if g.shape != &x.shape[1..2] {
                    return Err(Error::shape(name, format!("a gradient of shape {:?} does not fit {:?}", g.shape, x.shape)));
                }
                Ok(smallvec::smallvec![x.to_meta()])
            }
        }
    }
}

fn check_ctc(name: &'static str, blank: usize, x: &MetaRef<'_>, labels: &MetaRef<'_>, lengths: [&MetaRef<'_>; 2]) -> Result<()> {
    if !matches!(x.dtype, DType::F32 | DType::F64) {
        return Err(Error::dtype(name, format!("wants log-probabilities in float32 or float64, got {}", x.dtype)));
    }
    let &[_, n, classes] = x.shape else {
        return Err(Error::shape(name, format!("wants log-probabilities [time, n, classes], got {:?}", x.shape)));
    };
    want_index(name, labels.dtype)?;
    if labels.shape.len() != 2 || labels.shape[0] != n {
        return Err(Error::shape(name, format!("labels of shape {:?} do not fit log-probabilities of shape {:?}", labels.shape, x.shape)));
    }
    for l in lengths {
        want_index(name, l.dtype)?;
        if l.shape != [n] {
            return Err(Error::shape(name, format!("wants a length for each of {n} items, got {:?}", l.shape)));
        }
    }
    if blank >= classes {
        return Err(Error::index(name, format!("the blank {blank} is none of {classes} classes")));
    }
    Ok(())
}

/// The shape without the classes.
fn item_shape(logits: &[usize]) -> Shape {
    logits.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, &n)| n).collect()
}
