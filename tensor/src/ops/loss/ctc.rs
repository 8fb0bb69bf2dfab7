//! Connectionist temporal classification.

use rushlight_backend::op::{Loss, LossReduction};
use rushlight_backend::{DType, Error, Result};

use super::reduced;
use crate::{Tensor, apply};

/// The parameters of [`Tensor::ctc_loss`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CtcLoss {
    /// The class that stands for no label.
    pub blank: usize,
    /// How the losses of the items become one. The mean is over the items of each one's loss divided by its number of labels.
    pub reduction: LossReduction,
    /// Whether infinite losses, of items whose labels do not fit into their time steps, count as zero.
    pub zero_infinity: bool,
}

impl Tensor {
    /// The CTC loss: the negative log-likelihood of label sequences, summed over all alignments with blanks. This tensor holds log-probabilities
    /// `[time, n, classes]` or `[time, classes]`, as [`log_softmax`](Tensor::log_softmax) gives them; labels are `[n, longest]`, or one after the other in one
    /// vector; the lengths are the number of time steps and of labels of each item. As in PyTorch, the gradient takes the input to be a log-softmax.
    ///
    /// # Errors
    /// If shapes, dtypes or lengths do not fit, or a label is no class.
    pub fn ctc_loss(&self, labels: &Tensor, input_lengths: &Tensor, label_lengths: &Tensor, options: CtcLoss) -> Result<Tensor> {
        let op = "ctc_loss";
        if self.dim() == 2 {
            let each = |t: &Tensor| t.reshape(1);
            let labels = if labels.dim() == 1 { labels.unsqueeze(0)? } else { labels.clone() };
            let one = self.unsqueeze(1)?.ctc_loss(&labels, &each(input_lengths)?, &each(label_lengths)?, options)?;
            return if options.reduction == LossReduction::None { one.squeeze_dim(0) } else { Ok(one) };
        }
        let whole = |t: &Tensor, what: &str| {
            if t.dtype().is_int() {
                t.to_dtype(DType::I64)
            } else {
                Err(Error::dtype(op, format!("{what} must be integers, got {}", t.dtype())))
            }
        };
        let (times, lengths) = (whole(input_lengths, "input lengths")?, whole(label_lengths, "label lengths")?);
        let mut labels = whole(labels, "labels")?;
        if labels.dim() == 1 {
            labels = padded(&labels, &lengths)?;
        }
        let CtcLoss { blank, reduction, zero_infinity } = options;
        let mut losses = apply(Loss::Ctc { blank, zero_infinity }, [self, &labels, &times, &lengths])?.swap_remove(0);
        if zero_infinity {
            losses = losses.masked_fill(&losses.isinf()?, 0)?;
        }
        match reduction {
            LossReduction::Mean => losses.div(&lengths.clamp(1.0, None)?.to_dtype(losses.dtype())?)?.mean(),
            other => reduced(&losses, other),
        }
    }
}

/// Labels that lie one after the other as rows of one length.
fn padded(labels: &Tensor, lengths: &Tensor) -> Result<Tensor> {
    let (all, lengths) = (labels.to_vec::<i64>()?, lengths.to_vec::<i64>()?);
    let longest = lengths.iter().copied().max().unwrap_or(0).max(0) as usize;
    let total: i64 = lengths.iter().sum();
    if lengths.iter().any(|&l| l < 0) || total != all.len() as i64 {
        return Err(Error::value("ctc_loss", format!("label lengths {lengths:?} do not add up to the {} labels", all.len())));
    }
    let mut rows = vec![0; lengths.len() * longest];
    let mut at = 0;
    for (row, &len) in lengths.iter().enumerate() {
        let len = len as usize;
        rows[row * longest..][..len].copy_from_slice(&all[at..at + len]);
        at += len;
    }
    Tensor::from_vec(rows, [lengths.len(), longest], labels.device())
}
