//! Losses.

use rushlight_backend::op::Loss;
use rushlight_tensor::{Result, Tensor, apply1};
use smallvec::SmallVec;

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

/// The fused backward pass of a cross entropy.
fn backward(ctx: &Ctx<'_>, loss: &Loss, g: &Tensor) -> Result<Tensor> {
    let Loss::CrossEntropy(parameters) = *loss else { return Err(rushlight_tensor::Error::autograd("cross_entropy", "is no loss")) };
    let mut inputs: SmallVec<[&Tensor; 6]> = smallvec::smallvec![g, ctx.output(1)?, ctx.output(2)?];
    for i in 0..ctx.input_count() {
        inputs.push(ctx.input(i)?);
    }
    apply1(Loss::CrossEntropyGrad(parameters), inputs)
}

impl Rule for Loss {
    fn kind(&self) -> Kind {
        match self {
            Loss::CrossEntropy(_) => Kind::General,
            Loss::CrossEntropyGrad(_) => Kind::Decomposed,
        }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        Saves { inputs: 7, outputs: 6 }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        // The results for the backward pass are not for users: only the loss has a gradient. Class weights are constants.
        Ok(smallvec::smallvec![Some(backward(ctx, self, only(ctx, grads)?)?), None, None])
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let Some(Some(t)) = tangents.first() else { return Ok(Some(smallvec::smallvec![None, None, None])) };
        // <gradient, tangent>, item by item where the loss is not reduced.
        let loss = ctx.output(0)?;
        let d = backward(ctx, self, &loss.ones_like()?)?.mul(t)?;
        let tangent = if loss.dim() == 0 { d.sum()? } else { d.sum_dim(1, false)? };
        Ok(Some(smallvec::smallvec![Some(tangent), None, None]))
    }
}
