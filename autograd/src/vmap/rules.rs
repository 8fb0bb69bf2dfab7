//! How operations run on all samples together.

use rushlight_backend::op::{Conv, Index, Matmul, Norm, Pointwise, Reduce, ShapeOp};
use rushlight_backend::{MetaRef, Op, Shape};
use rushlight_tensor::{Result, Tensor, Tensors, apply};
use smallvec::SmallVec;

use super::Value;

/// The results of an operation for all `n` samples, along dimension 0; `None` where no rule says how. The inputs have passed the shape rule for one
/// sample.
pub(super) fn batched(op: &Op, values: &[Value], metas: &[MetaRef<'_>], n: usize) -> Result<Option<Tensors>> {
    let all = || values.iter().map(|v| v.samples(n)).collect::<Result<SmallVec<[Tensor; 3]>>>();
    let first_alone = || match values {
        [Value::Samples(x), rest @ ..] if rest.iter().all(|v| matches!(v, Value::Shared(_))) => Some(x),
        _ => None,
    };
    let with_first = |x: Tensor| -> SmallVec<[Tensor; 3]> {
        let rest = values[1..].iter().map(|v| match v {
            Value::Samples(t) | Value::Shared(t) => t.clone(),
        });
        std::iter::once(x).chain(rest).collect()
    };
    match op {
        // A gradient and what it belongs to have one shape: they are not broadcast.
        Op::Pointwise(Pointwise::UnaryGrad(_)) => apply(op.clone(), &all()?).map(Some),
        Op::Pointwise(_) => apply(op.clone(), &aligned(values, metas)?).map(Some),
        Op::Matmul(Matmul::Product) => apply(op.clone(), &aligned(values, metas)?).map(Some),
        Op::Matmul(Matmul::Linear) => match first_alone() {
            Some(x) => apply(op.clone(), with_first(x.clone())).map(Some),
            None => Ok(None),
        },
        Op::Reduce(r) => {
            let dims = r.dims.iter().map(|d| d + 1).collect();
            apply(Reduce { dims, ..r.clone() }, &all()?).map(Some)
        }
        Op::Norm(norm) => {
            let shifted = match *norm {
                Norm::Softmax { dim } => Norm::Softmax { dim: dim + 1 },
                Norm::LogSoftmax { dim } => Norm::LogSoftmax { dim: dim + 1 },
                Norm::SoftmaxGrad { dim } => Norm::SoftmaxGrad { dim: dim + 1 },
                Norm::LogSoftmaxGrad { dim } => Norm::LogSoftmaxGrad { dim: dim + 1 },
                _ => return Ok(None),
            };
            // A 0-d tensor counts as having one dimension; shifted it would be another one.
            if metas.iter().any(|m| m.shape.is_empty()) {
                return Ok(None);
            }
            apply(shifted, &all()?).map(Some)
        }
        Op::Shape(shape) => shape_op(shape, &all()?, metas, n),
        Op::Index(Index::Select { dim }) => match first_alone() {
            Some(x) => apply(Index::Select { dim: dim + 1 }, with_first(x.clone())).map(Some),
            None => Ok(None),
        },
        Op::Index(Index::Gather { dim }) if !metas[0].shape.is_empty() => apply(Index::Gather { dim: dim + 1 }, &all()?).map(Some),
        // Samples of samples are samples.
        Op::Conv(Conv::Forward(_) | Conv::InputGrad { .. }) => match first_alone() {
            Some(x) => {
                let inner = metas[0].shape[0];
                let merged = x.reshape(with_front(n * inner, &metas[0].shape[1..]))?;
                let results = apply(op.clone(), with_first(merged))?;
                results.iter().map(|y| y.reshape([[n, inner].as_slice(), &y.shape()[1..]].concat())).collect::<Result<Tensors>>().map(Some)
            }
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn with_front(n: usize, shape: &[usize]) -> Vec<usize> {
    std::iter::once(n).chain(shape.iter().copied()).collect()
}

/// Inputs that will be broadcast: those that stand for samples get dimensions of size 1 behind the first, so that what is broadcast in one sample is in all.
fn aligned(values: &[Value], metas: &[MetaRef<'_>]) -> Result<SmallVec<[Tensor; 3]>> {
    let rank = metas.iter().map(|m| m.shape.len()).max().unwrap_or(0);
    values
        .iter()
        .zip(metas)
        .map(|(v, m)| match v {
            Value::Samples(t) if m.shape.len() < rank => {
                let ones = vec![1; rank - m.shape.len()];
                t.reshape([&t.shape()[..1], &ones, m.shape].concat())
            }
            Value::Samples(t) | Value::Shared(t) => Ok(t.clone()),
        })
        .collect()
}

fn shape_op(op: &ShapeOp, x: &[Tensor], metas: &[MetaRef<'_>], n: usize) -> Result<Option<Tensors>> {
    let wide = |shape: &Shape| with_front(n, shape);
    let op = match op {
        ShapeOp::Reshape(shape) => ShapeOp::Reshape(wide(shape).into()),
        ShapeOp::Permute(dims) => ShapeOp::Permute(std::iter::once(0).chain(dims.iter().map(|d| d + 1)).collect()),
        ShapeOp::Expand(shape) => {
            // New dimensions come in front of a sample's own, behind that of the samples.
            let ones = vec![1; shape.len() - metas[0].shape.len()];
            let x = x[0].reshape([&[n], ones.as_slice(), metas[0].shape].concat())?;
            return apply(ShapeOp::Expand(wide(shape).into()), [&x]).map(Some);
        }
        ShapeOp::Slice { dim, start, len, step } => ShapeOp::Slice { dim: dim + 1, start: *start, len: *len, step: *step },
        ShapeOp::Contiguous => ShapeOp::Contiguous,
        ShapeOp::Cat { dim } => ShapeOp::Cat { dim: dim + 1 },
        ShapeOp::SliceScatter { dim, start, step } => ShapeOp::SliceScatter { dim: dim + 1, start: *start, step: *step },
        #[allow(unreachable_patterns)] // views that are added later run sample by sample until they have a line here
        _ => return Ok(None),
    };
    apply(op, x).map(Some)
}
