//! The derivative rules, one file a family.

mod attention;
mod conv;
mod create;
mod fft;
mod index;
mod linalg;
mod loss;
mod matmul;
mod norm;
mod optim;
mod pointwise;
mod pool;
mod random;
mod reduce;
mod resample;
mod rnn;
mod scan;
mod shape;
mod sort;

use rushlight_backend::Op;

use crate::rule::Rule;

/// The rule of an operation; it lies in the file of the operation's family.
pub(crate) fn rule_of(op: &Op) -> &dyn Rule {
    match op {
        Op::Pointwise(op) => op,
        Op::Reduce(op) => op,
        Op::Shape(op) => op,
        Op::Create(op) => op,
        Op::Fft(op) => op,
        Op::Index(op) => op,
        Op::Linalg(op) => op,
        Op::Scan(op) => op,
        Op::Sort(op) => op,
        Op::Matmul(op) => op,
        Op::Attention(op) => op,
        Op::Rnn(op) => op,
        Op::Loss(op) => op,
        Op::Conv(op) => op,
        Op::Pool(op) => op,
        Op::Norm(op) => op,
        Op::Resample(op) => op,
        Op::Optim(op) => op,
        Op::Random(op) => op,
        Op::Custom(op) => crate::function::rule_of(op),
        _ => &Unknown,
    }
}

/// An operation that this crate does not know.
struct Unknown;

impl Rule for Unknown {
    fn kind(&self) -> crate::rule::Kind {
        crate::rule::Kind::NotDifferentiable
    }
}
