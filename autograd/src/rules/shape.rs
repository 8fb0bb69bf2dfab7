//! Views, copies of views, joining: all linear.

use rushlight_backend::op::ShapeOp;
use rushlight_tensor::{Result, Tensor, apply1};

use crate::rule::{Ctx, Grads, Kind, Rule, only};

impl Rule for ShapeOp {
    fn kind(&self) -> Kind {
        Kind::Linear
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
