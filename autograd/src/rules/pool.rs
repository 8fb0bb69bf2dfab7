//! Pooling. Averages are linear; maxima take elements by index, which is linear where the indices do not change.

use rushlight_backend::Op;
use rushlight_backend::op::{Pool, Spatial};
use rushlight_tensor::{Result, Tensor, apply1};

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

/// The spatial sizes of an input of an operation of this many spatial dimensions.
fn plane(op: &Pool, ctx: &Ctx<'_>) -> Result<Spatial> {
    let shape = ctx.input_meta(0).shape;
    Spatial::of_shape(Op::from(*op).name(), &shape[shape.len() - op.spatial_rank()..])
}

/// Elements of the planes of x at flat indices.
fn gather(op: &Pool, x: &Tensor, indices: &Tensor) -> Result<Tensor> {
    let start = x.dim() - op.spatial_rank();
    let flat = |t: &Tensor| {
        let mut shape = t.shape()[..start].to_vec();
        shape.push(t.shape()[start..].iter().product());
        t.reshape(shape)
    };
    flat(x)?.gather(-1, &flat(indices)?)?.reshape(indices.shape())
}

impl Rule for Pool {
    fn kind(&self) -> Kind {
        if matches!(self, Pool::Max(_) | Pool::AdaptiveMax { .. }) { Kind::General } else { Kind::Linear }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        match self {
            Pool::Max(_) | Pool::AdaptiveMax { .. } => Saves::outputs(2),
            Pool::MaxGrad { .. } => Saves::inputs(2),
            _ => Saves::NONE,
        }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = only(ctx, grads)?;
        let dx = match *self {
            Pool::Max(_) | Pool::AdaptiveMax { .. } => apply1(Pool::MaxGrad { size: plane(self, ctx)? }, [g, ctx.output(1)?])?,
            Pool::MaxGrad { .. } => return Ok(smallvec::smallvec![Some(gather(self, g, ctx.input(1)?)?), None]),
            Pool::Avg { window, divisor } => apply1(Pool::AvgGrad { window, divisor, size: plane(self, ctx)? }, [g])?,
            Pool::AvgGrad { window, divisor, .. } => apply1(Pool::Avg { window, divisor }, [g])?,
            Pool::AdaptiveAvg { .. } => apply1(Pool::AdaptiveAvgGrad { size: plane(self, ctx)? }, [g])?,
            Pool::AdaptiveAvgGrad { .. } => apply1(Pool::AdaptiveAvg { size: plane(self, ctx)? }, [g])?,
        };
        Ok(smallvec::smallvec![Some(dx)])
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        match (self, tangents) {
            (Pool::Max(_) | Pool::AdaptiveMax { .. }, [Some(t)]) => {
                Ok(Some(smallvec::smallvec![Some(gather(self, t, ctx.output(1)?)?), None]))
            }
            _ => Ok(None),
        }
    }
}
