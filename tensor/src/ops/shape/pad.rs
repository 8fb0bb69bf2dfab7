//! Margins.

use rushlight_backend::op::ShapeOp;
use rushlight_backend::{DType, Dims, Error, Result, Scalar};

use crate::{IntoSizes, Tensor, apply1};

/// What a margin is filled with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// A number: PyTorch's default, with 0.
    Constant(Scalar),
    /// The elements before the edge, in reverse order, without the one at the edge itself.
    Reflect,
    /// The element at the edge.
    Replicate,
    /// The elements of the other end.
    Circular,
}

impl Default for PadMode {
    fn default() -> PadMode {
        PadMode::Constant(Scalar::Int(0))
    }
}

impl Tensor {
    /// Margins around a tensor: `[before, after]` of the last dimension, then of the one before it, and so on, as in PyTorch. Negative ones cut off. All modes
    /// but `Constant` are for the last one to three dimensions, of which a batch may have one or two in front.
    ///
    /// # Errors
    /// If there are too many numbers, or the margins do not fit the mode.
    ///
    /// ```
    /// # use rushlight_tensor::{PadMode, Tensor};
    /// let x = Tensor::new(&[[1i64, 2, 3]])?;
    /// assert_eq!(x.pad([1, 2], PadMode::Reflect)?.to_vec::<i64>()?, [2, 1, 2, 3, 2, 1]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn pad(&self, margins: impl IntoSizes, mode: PadMode) -> Result<Tensor> {
        let (op, margins) = ("pad", margins.into_sizes());
        let pairs = margins.len() / 2;
        if margins.len() % 2 != 0 || pairs > self.dim() {
            return Err(Error::value(
                op,
                format!("margins {:?} are no pairs for the dimensions of {:?}", margins.as_slice(), self.shape()),
            ));
        }
        let of_dim = |k: usize| (self.dim() - 1 - k, margins[2 * k], margins[2 * k + 1]);
        for (d, before, after) in (0..pairs).map(of_dim) {
            let size = (self.shape()[d] as isize).checked_add(before).and_then(|s| s.checked_add(after));
            if size.is_none_or(|s| s < 0) {
                return Err(Error::shape(
                    op,
                    format!("margins of {before} and {after} cut more from dimension {d} than {:?} has", self.shape()),
                ));
            }
        }
        if let PadMode::Constant(value) = mode
            && !value.fits(self.dtype())
        {
            return Err(Error::value(op, format!("{value:?} is out of range for {}", self.dtype())));
        }
        if matches!(mode, PadMode::Reflect | PadMode::Replicate) && self.dtype() == DType::Bool {
            return Err(Error::dtype(op, "does not reflect or repeat booleans"));
        }
        if matches!(mode, PadMode::Reflect | PadMode::Replicate) && self.shape().iter().rev().take(pairs + 1).any(|&n| n == 0) {
            return Err(Error::shape(op, format!("only the batch may be empty, got {:?}", self.shape())));
        }
        let PadMode::Constant(value) = mode else {
            let fits = (1..=3).contains(&pairs) && (pairs + 1..=pairs + 2).contains(&self.dim());
            if !fits {
                return Err(Error::shape(
                    op,
                    format!("margins for {pairs} dimensions want a tensor of {} or {}, got {:?}", pairs + 1, pairs + 2, self.shape()),
                ));
            }
            return (0..pairs).map(of_dim).try_fold(self.clone(), |x, (d, before, after)| {
                if mode != PadMode::Circular || (before >= 0 && after >= 0) {
                    return x.pad_from_within(d, before, after, mode);
                }
                // What is cut off is no part of the circle.
                let (cut, end) = ((-before).max(0), (-after).max(0));
                let rest = (x.shape()[d] as isize - cut - end).max(0) as usize;
                x.narrow(d as isize, cut.min(x.shape()[d] as isize - rest as isize), rest)?.pad_from_within(
                    d,
                    before.max(0),
                    after.max(0),
                    mode,
                )
            });
        };
        let mut x = self.clone();
        let (mut lead, mut trail): (Dims, Dims) = (smallvec::smallvec![0; self.dim()], smallvec::smallvec![0; self.dim()]);
        for (d, before, after) in (0..pairs).map(of_dim) {
            let (cut, end) = ((-before).max(0), (-after).max(0));
            if cut > 0 || end > 0 {
                // What is cut off at one end may reach into the margin at the other.
                let n = x.shape()[d] as isize;
                let (first, last) = (cut.min(n), (n - end).max(0));
                x = x.narrow(d as isize, first.min(last), (last - first).max(0) as usize)?;
                let over = (cut + end - n).max(0);
                lead[d] = (before.max(0) - if before > 0 { over } else { 0 }) as usize;
                trail[d] = (after.max(0) - if after > 0 { over } else { 0 }) as usize;
            } else {
                (lead[d], trail[d]) = (before as usize, after as usize);
            }
        }
        if lead.iter().chain(&trail).all(|&m| m == 0) {
            return Ok(x);
        }
        apply1(ShapeOp::Pad { before: lead, after: trail, value }, [x])
    }

    /// Margins of one dimension with elements of the tensor.
    fn pad_from_within(&self, dim: usize, before: isize, after: isize, mode: PadMode) -> Result<Tensor> {
        let n = self.shape()[dim] as isize;
        if mode == PadMode::Circular && before.min(after) < 0 {
            // What is left repeats, not what is cut off.
            let (cut, end) = ((-before).max(0), (-after).max(0));
            let left = self.narrow(dim as isize, cut.min(n), (n - cut - end).max(0) as usize)?;
            return left.pad_from_within(dim, before.max(0), after.max(0), mode);
        }
        let most = match mode {
            PadMode::Reflect => n - 1,
            PadMode::Circular => n,
            _ => isize::MAX,
        };
        if before > most || after > most || (n == 0 && (before > 0 || after > 0)) {
            return Err(Error::shape(
                "pad",
                format!("margins of {before} and {after} are too wide for dimension {dim} of {:?}", self.shape()),
            ));
        }
        let place = |i: isize| match mode {
            PadMode::Reflect => {
                let i = i.abs();
                if i < n { i } else { 2 * (n - 1) - i }
            }
            PadMode::Circular => i.rem_euclid(n),
            _ => i.clamp(0, n - 1),
        };
        // Margins that repeat an element may be of any width.
        let mut places: Vec<i64> = Vec::new();
        let len = n.checked_add(before).and_then(|l| l.checked_add(after)).unwrap_or(isize::MAX).max(0) as usize;
        places.try_reserve_exact(len).map_err(|_| {
            Error::out_of_memory("pad", format!("margins of {before} and {after} of dimension {dim} of {:?}", self.shape()))
        })?;
        places.extend((-before..n + after).map(|i| place(i) as i64));
        self.index_select(dim as isize, &Tensor::from_vec(places, len, self.device())?)
    }
}
