//! The arithmetic of an operation, counted: a reader of the vocabulary for profiles.

use crate::op::{Attention, Conv, Matmul, Rnn};
use crate::{Meta, MetaRef, Op};

impl Op {
    /// Floating-point operations, a multiply-add counted as two, from shapes alone. Products, convolutions and attention are counted by their formulas; of all
    /// else each element counts once, of the largest input or result, whatever its function costs. Views count nothing.
    pub fn flops(&self, inputs: &[MetaRef<'_>], outputs: &[Meta]) -> u64 {
        let numel = |i: usize| inputs.get(i).map_or(0, MetaRef::numel) as u64;
        let size = |i: usize, d: usize| inputs.get(i).and_then(|m| m.shape.get(d)).copied().unwrap_or(0) as u64;
        let results: u64 = outputs.first().map_or(0, Meta::numel) as u64;
        match self {
            Op::Matmul(Matmul::Product) => 2 * results * inputs.first().and_then(|m| m.shape.last()).copied().unwrap_or(0) as u64,
            Op::Matmul(Matmul::Linear) => 2 * results * size(1, 1),
            // Each element of y meets the weights of its channel.
            Op::Conv(Conv::Forward(_)) => 2 * results * numel(1) / size(1, 0).max(1),
            Op::Conv(Conv::InputGrad { .. }) => 2 * numel(0) * numel(1) / size(1, 0).max(1),
            Op::Conv(Conv::WeightGrad { .. }) => 2 * numel(0) * results / outputs.first().map_or(1, |w| w.shape[0].max(1)) as u64,
            // Two products of l x s forward; backward the scores again, and four more.
            Op::Attention(Attention::Forward { .. }) => 2 * size(1, 2) * (numel(0) + results),
            Op::Attention(Attention::Grad { .. }) => 2 * size(2, 2) * (2 * numel(0) + 3 * numel(1)),
            // Each row of each step meets both weights; backward the state's twice, for the gradients of the state and of the weight.
            Op::Rnn(Rnn::Forward(layer)) => 2 * size(0, 0) * size(0, 1) * (numel(1 + layer.kind.states()) + numel(2 + layer.kind.states())),
            Op::Rnn(Rnn::Grad(layer)) => 4 * results / size(2 + 2 * layer.kind.states(), 0).max(1) * numel(2 + 2 * layer.kind.states()),
            Op::Shape(_) | Op::Create(_) => 0,
            _ => inputs.iter().map(|m| m.numel() as u64).chain([results]).max().unwrap_or(0),
        }
    }
}
