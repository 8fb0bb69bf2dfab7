//! Matrix products: linear in each factor.

use rushlight_backend::op::Matmul;
use rushlight_tensor::{Result, Tensor};

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

impl Rule for Matmul {
    fn kind(&self) -> Kind {
        match self {
            Matmul::Product => Kind::Multilinear,
            Matmul::Linear => Kind::General,
        }
    }

    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::inputs(u32::from(needs.get(1) == Some(&true)) | u32::from(needs.first() == Some(&true)) << 1)
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = only(ctx, grads)?;
        // Complex gradients meet the other factor's conjugate.
        let factor = |i: usize| ctx.input(i).and_then(Tensor::conj);
        match self {
            Matmul::Product => {
                let left = || g.matmul(&factor(1)?.transpose(-2, -1)?)?.sum_to_size(ctx.input_meta(0).shape);
                let right = || factor(0)?.transpose(-2, -1)?.matmul(g)?.sum_to_size(ctx.input_meta(1).shape);
                Ok(smallvec::smallvec![ctx.needs(0).then(left).transpose()?, ctx.needs(1).then(right).transpose()?])
            }
            Matmul::Linear => {
                let (x, w) = (ctx.input_meta(0), ctx.input_meta(1));
                let rows = |t: &Tensor, n: usize| t.reshape([t.shape().iter().rev().skip(1).product(), n]);
                let flat = rows(g, w.shape[0])?;
                let dx = || flat.matmul(&factor(1)?)?.reshape(x.shape);
                let dw = || flat.t()?.matmul(&rows(&factor(0)?, w.shape[1])?);
                let mut out: Grads = smallvec::smallvec![ctx.needs(0).then(dx).transpose()?, ctx.needs(1).then(dw).transpose()?];
                if ctx.input_count() == 3 {
                    out.push(ctx.needs(2).then(|| flat.sum_dim(0, false)).transpose()?);
                }
                Ok(out)
            }
        }
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let (Matmul::Linear, [tx, tw, tb @ ..]) = (self, tangents) else { return Ok(None) };
        // d(x W^T + b) = dx W^T + x dW^T + db
        let mut out: Option<Tensor> = None;
        let parts = [
            tx.as_ref().map(|t| t.linear(ctx.input(1)?, None)).transpose()?,
            tw.as_ref().map(|t| ctx.input(0)?.linear(t, None)).transpose()?,
            tb.first().cloned().flatten(),
        ];
        for part in parts.into_iter().flatten() {
            out = Some(match out {
                None => part,
                Some(sum) => sum.add(&part)?,
            });
        }
        Ok(Some(smallvec::smallvec![out.map(|t| t.expand(ctx.output_meta(0).shape)).transpose()?]))
    }
}
