//! Composite operations written in smaller ones.

use rushlight_backend::{Op, Result};

use crate::{Tensor, Tensors, ops};

/// Runs an operation as its decomposition into smaller ones, for a backend without a kernel for it and for derivatives. `None` if it is
/// primitive. Inputs are assumed to have passed the shape rule.
pub fn decompose(op: &Op, inputs: &[&Tensor]) -> Option<Result<Tensors>> {
    match op {
        Op::Pointwise(op) => ops::pointwise::decompose(op, inputs),
        Op::Reduce(op) => ops::reduce::decompose(op, inputs),
        Op::Matmul(op) => ops::matmul::decompose(op, inputs),
        Op::Norm(op) => ops::norm::decompose(op, inputs),
        Op::Attention(op) => ops::attention::decompose(op, inputs),
        Op::Rnn(op) => Some(ops::rnn::decompose(op, inputs)),
        Op::Resample(op) => ops::resample::grid::decompose(op, inputs),
        Op::Loss(op) => ops::loss::decompose(op, inputs),
        Op::Optim(op) => ops::optim::decompose(op, inputs),
        _ => None,
    }
}
