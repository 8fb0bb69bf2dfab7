//! Losses.

use rushlight_backend::op::Loss;
use rushlight_tensor::{Result, Tensor, apply1};
use smallvec::SmallVec;

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only, pointwise_vjp};

/// The fused backward pass of a cross entropy.
fn backward(ctx: &Ctx<'_>, loss: &Loss, g: &Tensor) -> Result<Tensor> {
    let Loss::CrossEntropy(parameters) = *loss else { return Err(rushlight_tensor::Error::autograd("cross_entropy", "is no loss")) };
    let mut inputs: SmallVec<[&Tensor; 6]> = smallvec::smallvec![g, ctx.output(1)?, ctx.output(2)?];
    for i in 0..ctx.input_count() {
        inputs.push(ctx.input(i)?);
    }
    apply1(Loss::CrossEntropyGrad(parameters), inputs)
}

/// The backward pass of the CTC loss. Whoever wants zeros where the loss is infinite has masked the gradient.
fn ctc_backward(ctx: &Ctx<'_>, loss: &Loss, g: &Tensor) -> Result<Tensor> {
    let Loss::Ctc { blank, zero_infinity } = *loss else { return Err(rushlight_tensor::Error::autograd("ctc_loss", "is no loss")) };
    let mut inputs: SmallVec<[&Tensor; 7]> = smallvec::smallvec![g, ctx.output(0)?, ctx.output(1)?];
    for i in 0..ctx.input_count() {
        inputs.push(ctx.input(i)?);
    }
    apply1(Loss::CtcGrad { blank, zero_infinity }, inputs)
}

impl Rule for Loss {
    fn kind(&self) -> Kind {
        match self {
            Loss::CrossEntropy(_) | Loss::Ctc { .. } => Kind::General,
            Loss::CrossEntropyGrad(_) => Kind::Decomposed,
            Loss::BinaryCrossEntropy => Kind::Pointwise,
            Loss::CtcGrad { .. } => Kind::NotDifferentiable,
        }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        match self {
            Loss::BinaryCrossEntropy => Saves::inputs(3),
            Loss::Ctc { .. } => Saves { inputs: 15, outputs: 3 },
            _ => Saves { inputs: 7, outputs: 6 },
        }
    }

    fn partial(&self, ctx: &Ctx<'_>, i: usize) -> Result<Option<Tensor>> {
        let (x, target) = (ctx.input(0)?, ctx.input(1)?);
        let rest = x.rsub(1.0)?;
        Ok(Some(match i {
            0 => x.sub(target)?.div(&rest.mul(x)?.clamp(1e-12, None)?)?,
            _ => rest.log()?.clamp(-100.0, None)?.sub(&x.log()?.clamp(-100.0, None)?)?,
        }))
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        match self {
            Loss::BinaryCrossEntropy => return pointwise_vjp(|i| self.partial(ctx, i), ctx, grads),
            Loss::Ctc { .. } => return Ok(smallvec::smallvec![Some(ctc_backward(ctx, self, only(ctx, grads)?)?), None, None, None]),
            _ => {}
        }
        // The results for the backward pass are not for users: only the loss has a gradient. Class weights are constants.
        Ok(smallvec::smallvec![Some(backward(ctx, self, only(ctx, grads)?)?), None, None])
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        if matches!(self, Loss::BinaryCrossEntropy) {
            return Ok(None);
        }
        let Some(Some(t)) = tangents.first() else { return Ok(Some(smallvec::smallvec![None, None, None])) };
        if matches!(self, Loss::Ctc { .. }) {
            let d = ctc_backward(ctx, self, &ctx.output(0)?.ones_like()?)?;
            return Ok(Some(smallvec::smallvec![Some(d.mul(t)?.sum_dim([0, 2], false)?), None]));
        }
        // <gradient, tangent>, item by item where the loss is not reduced.
        let loss = ctx.output(0)?;
        let d = backward(ctx, self, &loss.ones_like()?)?.mul(t)?;
        let tangent = if loss.dim() == 0 { d.sum()? } else { d.sum_dim(1, false)? };
        Ok(Some(smallvec::smallvec![Some(tangent), None, None]))
    }
}
