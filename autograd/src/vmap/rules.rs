//! How operations run on all samples together.

use rushlight_backend::op::{
    Attention, Conv, Diagonal, Fft, Index, Matmul, Norm, Pointwise, Pool, Reduce, Resample, Scan, ShapeOp, Sort, Window,
};
use rushlight_backend::{MetaRef, Op, Shape};
use rushlight_tensor::{DType, Result, Tensor, Tensors, apply};
use smallvec::SmallVec;

use super::Value;

type List = SmallVec<[Tensor; 3]>;

/// The inputs of an operation at a level.
struct Inputs<'a> {
    values: &'a [Value],
    metas: &'a [MetaRef<'a>],
    n: usize,
}

/// The results of an operation for all `n` samples, along dimension 0; `None` where no rule says how. The inputs have passed the shape rule for one
/// sample.
pub(super) fn batched(op: &Op, values: &[Value], metas: &[MetaRef<'_>], n: usize) -> Result<Option<Tensors>> {
    let x = Inputs { values, metas, n };
    match op {
        // A gradient and what it belongs to have one shape: they are not broadcast.
        Op::Pointwise(Pointwise::UnaryGrad(_)) => apply(op.clone(), &x.all()?).map(Some),
        Op::Pointwise(_) | Op::Matmul(Matmul::Product) => apply(op.clone(), &aligned(values, metas)?).map(Some),
        // A weight for each sample: as its decomposition.
        Op::Matmul(Matmul::Linear) => x.with_first_alone(|x| apply(op.clone(), x)),
        Op::Reduce(r) if r.dims.is_empty() && !metas[0].shape.is_empty() => Ok(None),
        Op::Reduce(r) => x.along(|d| {
            Reduce {
                dims: if d == 0 { r.dims.iter().map(|d| d + 1).collect() } else { [1].into_iter().collect() },
                keepdim: r.keepdim && d == 0,
                ..r.clone()
            }
            .into()
        }),
        Op::Scan(scan) => x.along(|_| Scan { dim: scan.dim + 1, ..*scan }.into()),
        Op::Sort(Sort::Search { .. }) => match (&values[0], metas[0].shape.len()) {
            (Value::Shared(rows), 1) => apply(op.clone(), [rows, &values[1].samples(n)?]).map(Some),
            (_, rank) if rank == metas[1].shape.len() && rank > 0 => apply(op.clone(), &x.all()?).map(Some),
            _ => Ok(None),
        },
        Op::Sort(_) => x.along(|_| op.clone()),
        Op::Norm(norm) => x.norm(norm),
        Op::Shape(shape) => shape_op(shape, &x.all()?, metas, n),
        Op::Index(index) => x.index(index),
        Op::Conv(conv) => x.conv(conv),
        // Every plane is pooled for itself.
        Op::Pool(Pool::Max(_) | Pool::AdaptiveMax { .. } | Pool::MaxGrad { .. } | Pool::Avg { .. } | Pool::AvgGrad { .. }) => x.merged(op),
        Op::Pool(Pool::AdaptiveAvg { .. } | Pool::AdaptiveAvgGrad { .. }) | Op::Resample(Resample::Forward(_) | Resample::Grad { .. }) => {
            x.merged(op)
        }
        Op::Resample(Resample::Grid(_) | Resample::GridGrad(_)) => x.merged(op),
        Op::Attention(Attention::Forward { .. }) => x.attention(op, 3),
        Op::Attention(Attention::Grad { .. }) => x.attention(op, 6),
        Op::Fft(fft) => apply(shifted_fft(fft), &x.all()?).map(Some),
        // Matrices are the last two dimensions.
        Op::Linalg(_) => apply(op.clone(), &x.all()?).map(Some),
        _ => Ok(None),
    }
}

fn shifted_fft(fft: &Fft) -> Fft {
    match fft {
        Fft::Complex { dims, inverse, scale } => {
            Fft::Complex { dims: dims.iter().map(|d| d + 1).collect(), inverse: *inverse, scale: *scale }
        }
        Fft::FromReal { dim, inverse, scale } => Fft::FromReal { dim: dim + 1, inverse: *inverse, scale: *scale },
        Fft::ToReal { dim, n, inverse, scale } => Fft::ToReal { dim: dim + 1, n: *n, inverse: *inverse, scale: *scale },
    }
}

/// The samples of samples along one dimension.
fn merge(t: &Tensor) -> Result<Tensor> {
    let shape = t.shape();
    t.reshape([&[shape[0] * shape[1]], &shape[2..]].concat())
}

/// The transpose of [`merge`].
fn split(t: &Tensor, n: usize, inner: usize) -> Result<Tensor> {
    t.reshape([&[n, inner], &t.shape()[1..]].concat())
}

/// `[n, a, b, ..]` as `[a, n b, ..]`: what is done for each channel is done for each sample's.
fn into_channels(t: &Tensor) -> Result<Tensor> {
    let shape = t.shape();
    t.transpose(0, 1)?.reshape([&[shape[1], shape[0] * shape[2]], &shape[3..]].concat())
}

/// The transpose of [`into_channels`].
fn from_channels(t: &Tensor, n: usize) -> Result<Tensor> {
    let shape = t.shape();
    t.reshape([&[shape[0], n, shape[1] / n], &shape[2..]].concat())?.transpose(0, 1)
}

impl Inputs<'_> {
    /// All inputs with the samples along dimension 0.
    fn all(&self) -> Result<List> {
        self.values.iter().map(|v| v.samples(self.n)).collect()
    }

    /// Whether this input is the same for all samples.
    fn shared(&self, i: usize) -> bool {
        matches!(self.values[i], Value::Shared(_))
    }

    /// The inputs where the first one alone stands for samples, as a rule wants it.
    fn with_first_alone(&self, f: impl FnOnce(List) -> Result<Tensors>) -> Result<Option<Tensors>> {
        if self.shared(0) || !(1..self.values.len()).all(|i| self.shared(i)) {
            return Ok(None);
        }
        f(self.values.iter().map(|(Value::Samples(t) | Value::Shared(t))| t.clone()).collect()).map(Some)
    }

    /// An operation along dimensions, which `op` names one further back; it is told whether a 0-d sample was made a vector for it.
    fn along(&self, op: impl Fn(usize) -> Op) -> Result<Option<Tensors>> {
        let all = self.all()?;
        if self.metas.iter().any(|m| !m.shape.is_empty()) {
            return apply(op(0), &all).map(Some);
        }
        // A 0-d tensor counts as having one dimension.
        let vectors = all.iter().map(|t| t.unsqueeze(1)).collect::<Result<List>>()?;
        let results = apply(op(1), &vectors)?;
        results.iter().map(|y| y.reshape(self.n)).collect::<Result<Tensors>>().map(Some)
    }

    /// Samples of items are items.
    fn merged(&self, op: &Op) -> Result<Option<Tensors>> {
        let inner = self.metas[0].shape[0];
        let inputs = self.all()?.iter().map(merge).collect::<Result<List>>()?;
        apply(op.clone(), &inputs)?.iter().map(|y| split(y, self.n, inner)).collect::<Result<Tensors>>().map(Some)
    }

    fn norm(&self, norm: &Norm) -> Result<Option<Tensors>> {
        // Items are for themselves, but a weight for each sample is not to be had with them.
        let items = |parameters: usize| (parameters..self.values.len()).all(|i| self.shared(i));
        match *norm {
            Norm::Softmax { dim } => self.along(|_| Norm::Softmax { dim: dim + 1 }.into()),
            Norm::LogSoftmax { dim } => self.along(|_| Norm::LogSoftmax { dim: dim + 1 }.into()),
            Norm::SoftmaxGrad { dim } => self.along(|_| Norm::SoftmaxGrad { dim: dim + 1 }.into()),
            Norm::LogSoftmaxGrad { dim } => self.along(|_| Norm::LogSoftmaxGrad { dim: dim + 1 }.into()),
            Norm::BatchNorm { .. } | Norm::BatchNormGrad { .. } => {
                let channels = |(t, m): (&Tensor, &MetaRef<'_>)| if m.shape.len() == 1 { merge(t) } else { into_channels(t) };
                let inputs = self.all()?.iter().zip(self.metas).map(channels).collect::<Result<List>>()?;
                let results = apply(*norm, &inputs)?;
                let back =
                    |t: &Tensor| if t.dim() == 1 { t.reshape([self.n, t.numel() / self.n.max(1)]) } else { from_channels(t, self.n) };
                results.iter().map(back).collect::<Result<Tensors>>().map(Some)
            }
            Norm::GroupNorm { .. } | Norm::RmsNorm { .. } if items(1) => self.items(norm, 1),
            // With a weight its gradient would be summed over all samples.
            Norm::GroupNormGrad { .. } if self.values.len() == 4 => self.items(norm, 4),
            Norm::RmsNormGrad { .. } if self.values.len() == 3 => self.items(norm, 3),
            _ => Ok(None),
        }
    }

    /// As [`merged`](Inputs::merged) of the first inputs; the others are shared.
    fn items(&self, norm: &Norm, first: usize) -> Result<Option<Tensors>> {
        let inner = self.metas[0].shape[0];
        let inputs = self.values.iter().enumerate().map(|(i, v)| match v {
            Value::Shared(t) if i >= first => Ok(t.clone()),
            v => merge(&v.samples(self.n)?),
        });
        let inputs = inputs.collect::<Result<List>>()?;
        apply(*norm, &inputs)?.iter().map(|y| split(y, self.n, inner)).collect::<Result<Tensors>>().map(Some)
    }

    /// Attention over `tensors` inputs of items, and perhaps a mask that is broadcast over them.
    fn attention(&self, op: &Op, tensors: usize) -> Result<Option<Tensors>> {
        let inner = self.metas[0].shape[0];
        let mut inputs = self.values[..tensors].iter().map(|v| merge(&v.samples(self.n)?)).collect::<Result<List>>()?;
        if let Some(mask) = self.values.get(tensors) {
            let shape = self.metas[tensors].shape;
            inputs.push(match mask {
                Value::Shared(mask) if shape.len() < 4 || shape[0] == 1 => mask.clone(),
                mask => {
                    let mut wide = vec![1; 4 - shape.len()];
                    wide.extend(shape);
                    let mask = mask.samples(self.n)?.reshape([&[self.n], wide.as_slice()].concat())?;
                    wide[0] = inner;
                    merge(&mask.expand([&[self.n], wide.as_slice()].concat())?)?
                }
            });
        }
        apply(op.clone(), &inputs)?.iter().map(|y| split(y, self.n, inner)).collect::<Result<Tensors>>().map(Some)
    }

    /// A convolution: samples of items are items where the weight is shared, and groups of channels where it is not.
    fn conv(&self, conv: &Conv) -> Result<Option<Tensors>> {
        let n = self.n;
        if !matches!(conv, Conv::WeightGrad { .. }) && (1..self.values.len()).all(|i| self.shared(i)) {
            let inner = self.metas[0].shape[0];
            return self.with_first_alone(|mut x| {
                x[0] = merge(&x[0])?;
                apply(*conv, x)?.iter().map(|y| split(y, n, inner)).collect()
            });
        }
        if n == 0 {
            return Ok(None);
        }
        let groups = |window: Window| Window { groups: window.groups * n, ..window };
        let (conv, weight) = match *conv {
            Conv::Forward(window) => (Conv::Forward(groups(window)), 1),
            Conv::InputGrad { window, size } => (Conv::InputGrad { window: groups(window), size }, 1),
            Conv::WeightGrad { window, kernel } => (Conv::WeightGrad { window: groups(window), kernel }, 2),
        };
        let all = self.all()?;
        // Weights and biases are merged, what they are applied to becomes channels.
        let inputs =
            all.iter().enumerate().map(|(i, t)| if i >= weight { merge(t) } else { into_channels(t) }).collect::<Result<List>>()?;
        let results = apply(conv, &inputs)?;
        let back = |y: &Tensor| if weight == 2 { split(y, n, y.shape()[0] / n) } else { from_channels(y, n) };
        results.iter().map(back).collect::<Result<Tensors>>().map(Some)
    }

    fn index(&self, index: &Index) -> Result<Option<Tensors>> {
        let n = self.n;
        let flat = self.metas.iter().any(|m| m.shape.is_empty());
        match *index {
            Index::Select { dim } if !flat => match (&self.values[0], &self.values[1]) {
                (Value::Samples(x), Value::Shared(places)) => apply(Index::Select { dim: dim + 1 }, [x, places]).map(Some),
                (Value::Shared(x), Value::Samples(places)) => {
                    let (picked, d) = (x.index_select(dim as isize, &places.reshape(places.numel())?)?, dim as isize);
                    let shape = picked.shape();
                    let apart = [&shape[..dim], &[n, self.metas[1].shape[0]], &shape[dim + 1..]].concat();
                    Ok(Some(smallvec::smallvec![picked.reshape(apart)?.movedim(d, 0)?]))
                }
                _ => {
                    let (x, places) = (self.values[0].samples(n)?, spread(&self.values[1].samples(n)?, dim, self.metas[0].shape)?);
                    apply(Index::Gather { dim: dim + 1 }, [x, places]).map(Some)
                }
            },
            Index::Add { dim } if !flat => match &self.values[1] {
                Value::Shared(places) => {
                    apply(Index::Add { dim: dim + 1 }, [&self.values[0].samples(n)?, places, &self.values[2].samples(n)?]).map(Some)
                }
                Value::Samples(places) => {
                    let places = spread(places, dim, self.metas[2].shape)?;
                    apply(Index::ScatterAdd { dim: dim + 1 }, [self.values[0].samples(n)?, places, self.values[2].samples(n)?]).map(Some)
                }
            },
            Index::Gather { dim } => self.along(|_| Index::Gather { dim: dim + 1 }.into()),
            Index::Scatter { dim } => self.along(|_| Index::Scatter { dim: dim + 1 }.into()),
            Index::ScatterAdd { dim } => self.along(|_| Index::ScatterAdd { dim: dim + 1 }.into()),
            Index::ScatterReduce { dim, kind } => self.along(|_| Index::ScatterReduce { dim: dim + 1, kind }.into()),
            Index::Embedding { padding_idx, scale_grad_by_freq } => match (&self.values[0], &self.values[1]) {
                // Frequencies are counted in each sample.
                _ if scale_grad_by_freq => Ok(None),
                (Value::Shared(table), Value::Samples(places)) => apply(index.clone(), [table, places]).map(Some),
                (Value::Samples(tables), places) if padding_idx.is_none() => {
                    let rows = self.metas[0].shape[0];
                    let places = places.samples(n)?;
                    let mut first = vec![1; places.dim()];
                    first[0] = n;
                    let first = Tensor::arange(0, n, 1, (DType::I64, places.device()))?.mul(rows)?.reshape(first)?;
                    apply(index.clone(), [merge(tables)?, places.to_dtype(DType::I64)?.add(&first)?]).map(Some)
                }
                _ => Ok(None),
            },
            Index::Ravel { .. } => apply(index.clone(), &self.all()?).map(Some),
            _ => Ok(None),
        }
    }
}

/// A vector of places for each sample as an index of elements along `dim` of something of this shape.
fn spread(places: &Tensor, dim: usize, shape: &[usize]) -> Result<Tensor> {
    let (n, k) = (places.shape()[0], places.shape()[1]);
    let mut narrow = vec![1; shape.len() + 1];
    (narrow[0], narrow[dim + 1]) = (n, k);
    let mut wide = with_front(n, shape);
    wide[dim + 1] = k;
    places.reshape(narrow)?.expand(wide)
}

fn with_front(n: usize, shape: &[usize]) -> Vec<usize> {
    std::iter::once(n).chain(shape.iter().copied()).collect()
}

/// Inputs that will be broadcast: those that stand for samples get dimensions of size 1 behind the first, so that what is broadcast in one sample is in all.
fn aligned(values: &[Value], metas: &[MetaRef<'_>]) -> Result<List> {
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
    let later = |d: Diagonal| Diagonal { offset: d.offset, dim1: d.dim1 + 1, dim2: d.dim2 + 1 };
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
        ShapeOp::Diagonal(diagonal) => ShapeOp::Diagonal(later(*diagonal)),
        ShapeOp::DiagonalScatter(diagonal) => ShapeOp::DiagonalScatter(later(*diagonal)),
        ShapeOp::Unfold { dim, size, step } => ShapeOp::Unfold { dim: dim + 1, size: *size, step: *step },
        ShapeOp::Strided { shape, strides, offset } => {
            let apart = rushlight_backend::numel(metas[0].shape) as isize;
            ShapeOp::Strided {
                shape: wide(shape).into(),
                strides: std::iter::once(apart).chain(strides.iter().copied()).collect(),
                offset: *offset,
            }
        }
        ShapeOp::Pad { before, after, value } => {
            let wide = |dims: &[usize]| std::iter::once(0).chain(dims.iter().copied()).collect();
            ShapeOp::Pad { before: wide(before), after: wide(after), value: *value }
        }
    };
    apply(op, x).map(Some)
}
