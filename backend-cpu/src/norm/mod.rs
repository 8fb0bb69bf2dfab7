//! Normalisations in f32 and f64; half precision is left to the decomposition, which computes in f32.

mod batch;
mod channel;
mod group;
mod row;
mod softmax;

use rushlight_backend::op::Norm;
use rushlight_backend::{Arg, DType, Meta, Result, Storage, Storages};

use crate::buffer::{Plain, cpu, input, typed};
use crate::pointwise::exp::Exp;

/// Runs a normalisation, or declines.
pub(crate) fn run(op: &Norm, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Option<Storages>> {
    match outputs[0].dtype {
        DType::F32 => run_in::<f32>(op, inputs, outputs).map(Some),
        DType::F64 => run_in::<f64>(op, inputs, outputs).map(Some),
        _ => Ok(None),
    }
}

fn run_in<T: Exp>(op: &Norm, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    match *op {
        Norm::Softmax { dim } => softmax::forward::<T>(inputs, &outputs[0], dim, false),
        Norm::LogSoftmax { dim } => softmax::forward::<T>(inputs, &outputs[0], dim, true),
        Norm::SoftmaxGrad { dim } => softmax::backward::<T>(inputs, &outputs[0], dim, false),
        Norm::LogSoftmaxGrad { dim } => softmax::backward::<T>(inputs, &outputs[0], dim, true),
        Norm::BatchNorm { eps } => batch::forward::<T>(inputs, outputs, eps),
        Norm::BatchNormGrad { eps } => batch::backward::<T>(inputs, outputs, eps),
        Norm::GroupNorm { groups, eps } => group::forward::<T>(inputs, outputs, groups, eps),
        Norm::GroupNormGrad { groups, .. } => group::backward::<T>(inputs, outputs, groups),
        Norm::RmsNorm { eps } => row::rms_forward::<T>(inputs, outputs, eps),
        Norm::RmsNormGrad { .. } => row::rms_backward::<T>(inputs, outputs),
    }
}

/// An input's elements in row-major order: where they lie, or a copy.
struct InOrder<'a, 'b> {
    x: &'a Arg<'b>,
    copy: Option<Storage>,
}

impl<'a, 'b> InOrder<'a, 'b> {
    fn new(x: &'a Arg<'b>) -> Result<InOrder<'a, 'b>> {
        let copy = if x.layout().is_contiguous() { None } else { Some(crate::shape::contiguous(x)?) };
        Ok(InOrder { x, copy })
    }

    fn values<T: Plain>(&self) -> Result<&[T]> {
        let n = self.x.layout().numel();
        match &self.copy {
            _ if n == 0 => Ok(&[]),
            None => Ok(&input::<T>(self.x)?[self.x.layout().offset()..][..n]),
            Some(copy) => Ok(&typed::<T>(cpu(copy)?.as_bytes())[..n]),
        }
    }
}

/// Memory of a result that tasks write in places of their own.
struct Shared<T>(*mut T, usize);
// SAFETY: every task writes places of its own alone.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn new(all: &mut [T]) -> Shared<T> {
        Shared(all.as_mut_ptr(), all.len())
    }

    /// # Safety
    /// Nobody else reads or writes these places while the slice lives.
    #[allow(clippy::mut_from_ref)] // the caller answers for it
    unsafe fn part(&self, at: usize, len: usize) -> &mut [T] {
        assert!(at + len <= self.1);
        // SAFETY: inside of the memory, and the caller has it for itself.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(at), len) }
    }
}

/// Mean and biased variance from sums of deviations from a pivot and of their squares. The pivot is the mean of the channel's first row: were it far from
/// the others, the variance would be as large, so that no digits are lost by the difference.
fn statistics(pivot: f64, d: f64, squares: f64, count: usize) -> (f64, f64) {
    let n = count as f64;
    let squares = squares - d * d / n;
    (pivot + d / n, if squares < 0.0 { 0.0 } else { squares / n })
}
