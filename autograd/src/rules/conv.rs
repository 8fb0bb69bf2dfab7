//! Convolutions. The three operations are one trilinear form of input, weight and output: the derivatives of each are the other two.

use rushlight_backend::op::{Conv, Spatial};
use rushlight_tensor::{Result, Tensor, apply1};

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

impl Rule for Conv {
    fn kind(&self) -> Kind {
        // With a bias the forward operation is affine: it has its own tangent.
        if matches!(self, Conv::Forward(_)) { Kind::General } else { Kind::Multilinear }
    }

    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::inputs(u32::from(needs.get(1) == Some(&true)) | u32::from(needs.first() == Some(&true)) << 1)
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = only(ctx, grads)?;
        let (window, spatial) = (*self.window(), |i: usize| Spatial::of_shape("conv", &ctx.input_meta(i).shape[2..]));
        let to_x = |size: Spatial, y: &Tensor, w: &Tensor| apply1(Conv::InputGrad { window, size }, [y, w]);
        let to_w = |kernel: Spatial, y: &Tensor, x: &Tensor| apply1(Conv::WeightGrad { window, kernel }, [y, x]);
        let to_y = |x: &Tensor, w: &Tensor| apply1(Conv::Forward(window), [x, w]);
        // Complex gradients meet the other factor's conjugate.
        let first = |ctx: &Ctx<'_>| {
            let other = &ctx.input(1)?.conj()?;
            match self {
                Conv::Forward(_) => to_x(spatial(0)?, g, other),
                Conv::InputGrad { .. } => to_y(g, other),
                Conv::WeightGrad { .. } => to_y(other, g),
            }
        };
        let second = |ctx: &Ctx<'_>| {
            let other = &ctx.input(0)?.conj()?;
            match self {
                Conv::Forward(_) => to_w(spatial(1)?, g, other),
                Conv::InputGrad { .. } => to_w(spatial(1)?, other, g),
                Conv::WeightGrad { .. } => to_x(spatial(1)?, other, g),
            }
        };
        let mut out: Grads =
            smallvec::smallvec![ctx.needs(0).then(|| first(ctx)).transpose()?, ctx.needs(1).then(|| second(ctx)).transpose()?];
        if ctx.input_count() == 3 {
            let dims: Vec<usize> = (0..g.dim()).filter(|&d| d != 1).collect();
            out.push(ctx.needs(2).then(|| g.sum_dim(dims, false)).transpose()?);
        }
        Ok(out)
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let (Conv::Forward(_), [tx, tw, tb @ ..]) = (self, tangents) else { return Ok(None) };
        let parts = [
            tx.as_ref().map(|t| apply1(*self, [t, ctx.input(1)?])).transpose()?,
            tw.as_ref().map(|t| apply1(*self, [ctx.input(0)?, t])).transpose()?,
            match tb {
                [Some(t)] => {
                    let mut column = vec![1; ctx.output_meta(0).shape.len() - 1];
                    column[0] = t.numel();
                    Some(t.reshape(column)?)
                }
                _ => None,
            },
        ];
        let mut out: Option<Tensor> = None;
        for part in parts.into_iter().flatten() {
            out = Some(match out {
                None => part,
                Some(sum) => sum.add(&part)?,
            });
        }
        Ok(Some(smallvec::smallvec![out.map(|t| t.expand(ctx.output_meta(0).shape)).transpose()?]))
    }
}
