//! Views, copies of views, joining: all linear.

use rushlight_backend::op::ShapeOp;
use rushlight_tensor::{DType, Result, Scalar, Tensor, apply1};

use crate::rule::{Ctx, Grads, Kind, Rule, only};

/// `0, step, 2 step...`, n of them, where this tensor is.
fn range(n: usize, step: usize, like: &Tensor) -> Result<Tensor> {
    Tensor::arange(0, n, 1, (DType::I64, like.device()))?.mul(step)
}

impl Rule for ShapeOp {
    fn kind(&self) -> Kind {
        // A margin of another number than 0 is not linear.
        if matches!(self, ShapeOp::Pad { .. }) { Kind::General } else { Kind::Linear }
    }

    fn jvp(&self, _: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        match (self, tangents) {
            (ShapeOp::Pad { before, after, .. }, [Some(t)]) => {
                let op = ShapeOp::Pad { before: before.clone(), after: after.clone(), value: Scalar::Int(0) };
                Ok(Some(smallvec::smallvec![Some(apply1(op, [t])?)]))
            }
            _ => Ok(None),
        }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = only(ctx, grads)?;
        let x = ctx.input_meta(0);
        Ok(match self {
            ShapeOp::Reshape(_) => smallvec::smallvec![Some(g.reshape(x.shape)?)],
            ShapeOp::Permute(dims) => {
                let mut back = vec![0usize; dims.len()];
                for (to, &from) in dims.iter().enumerate() {
                    back[from] = to;
                }
                smallvec::smallvec![Some(g.permute(back)?)]
            }
            ShapeOp::Expand(_) => smallvec::smallvec![Some(g.sum_to_size(x.shape)?)],
            ShapeOp::Slice { dim, start, step, .. } => {
                let zeros = Tensor::zeros(x.shape, (x.dtype, g.device()))?;
                let op = ShapeOp::SliceScatter { dim: *dim, start: *start, step: *step };
                smallvec::smallvec![Some(apply1(op, [zeros, g.clone()])?)]
            }
            ShapeOp::Contiguous => smallvec::smallvec![Some(g.clone())],
            ShapeOp::Cat { dim } => {
                let mut start = 0;
                (0..ctx.input_count())
                    .map(|i| {
                        let len = ctx.input_meta(i).shape[*dim];
                        start += len;
                        ctx.needs(i).then(|| g.narrow(*dim as isize, (start - len) as isize, len)).transpose()
                    })
                    .collect::<Result<_>>()?
            }
            ShapeOp::Diagonal(diagonal) => {
                let zeros = Tensor::zeros(x.shape, (x.dtype, g.device()))?;
                smallvec::smallvec![Some(apply1(ShapeOp::DiagonalScatter(*diagonal), [&zeros, g])?)]
            }
            ShapeOp::DiagonalScatter(diagonal) => {
                let source = ctx.input_meta(1);
                let base = || apply1(self.clone(), [g, &Tensor::zeros(source.shape, (source.dtype, g.device()))?]);
                let of_source = || apply1(ShapeOp::Diagonal(*diagonal), [g]);
                smallvec::smallvec![ctx.needs(0).then(base).transpose()?, ctx.needs(1).then(of_source).transpose()?]
            }
            ShapeOp::Unfold { dim, size, step } => {
                let windows = ctx.output_meta(0).shape[*dim];
                let places = range(windows, *step, g)?.unsqueeze(1)?.add(&range(*size, 1, g)?)?.reshape(-1)?;
                let d = *dim as isize;
                let side_by_side = g.movedim(-1, d + 1)?.flatten(d, d + 1)?;
                smallvec::smallvec![Some(Tensor::zeros(x.shape, (x.dtype, g.device()))?.index_add(d, &places, &side_by_side)?)]
            }
            ShapeOp::Strided { shape, strides, offset } => {
                let mut places = Tensor::full((), *offset, (DType::I64, g.device()))?;
                for (&n, &stride) in shape.iter().zip(strides) {
                    places = places.unsqueeze(-1)?.add(&range(n, stride as usize, g)?)?;
                }
                let flat = Tensor::zeros(x.numel(), (x.dtype, g.device()))?;
                smallvec::smallvec![Some(flat.index_add(0, &places.reshape(-1)?, &g.reshape(-1)?)?.reshape(x.shape)?)]
            }
            ShapeOp::Pad { before, .. } => {
                let cut = |t: Tensor, d: usize| t.narrow(d as isize, before[d] as isize, x.shape[d]);
                smallvec::smallvec![Some((0..x.shape.len()).try_fold(g.clone(), cut)?)]
            }
            ShapeOp::SliceScatter { dim, start, step } => {
                let source = ctx.input_meta(1);
                let slice = ShapeOp::Slice { dim: *dim, start: *start, len: source.shape[*dim], step: *step };
                let base = || {
                    let zeros = Tensor::zeros(source.shape, (source.dtype, g.device()))?;
                    apply1(self.clone(), [g, &zeros])
                };
                smallvec::smallvec![ctx.needs(0).then(base).transpose()?, ctx.needs(1).then(|| apply1(slice, [g])).transpose()?]
            }
        })
    }
}
