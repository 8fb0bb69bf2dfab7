//! Normalisations in f32 and f64; half precision is left to the decomposition, which computes in f32.

mod batch;
mod channel;
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
