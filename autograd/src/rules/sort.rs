//! Order: what is picked is linear, as long as the order stays.

use rushlight_backend::op::Sort;
use rushlight_tensor::{Result, Tensor};

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

impl Rule for Sort {
    fn kind(&self) -> Kind {
        if matches!(self, Sort::Search { .. }) { Kind::NotDifferentiable } else { Kind::General }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        Saves::outputs(2)
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let (g, x) = (only(ctx, grads)?, ctx.input_meta(0));
        // No place is picked twice.
        let zeros = Tensor::zeros(x.shape, (x.dtype, g.device()))?;
        Ok(smallvec::smallvec![Some(zeros.scatter(-1, ctx.output(1)?, g)?)])
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        match tangents {
            [Some(t)] => Ok(Some(smallvec::smallvec![Some(t.gather(-1, ctx.output(1)?)?), None])),
            _ => Ok(None),
        }
    }
}
