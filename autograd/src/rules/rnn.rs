//! Recurrent layers.

use rushlight_backend::op::Rnn;
use rushlight_tensor::{Result, Tensor, apply};

use crate::forward::through_decomposition;
use crate::rule::{Ctx, Grads, Kind, Rule, Saves};

impl Rule for Rnn {
    fn kind(&self) -> Kind {
        match self {
            Rnn::Forward(_) => Kind::General,
            Rnn::Grad(_) => Kind::Decomposed,
        }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        Saves { inputs: u32::MAX, outputs: u32::MAX }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let layer = *self.layer();
        let mut inputs: Vec<Tensor> = Vec::new();
        for i in 0..layer.kind.states() {
            inputs.push(match grads.get(i) {
                Some(Some(g)) => g.clone(),
                _ => ctx.output(i)?.with_trace(None).zeros_like()?,
            });
        }
        for i in 0..ctx.input_count() {
            inputs.push(ctx.input(i)?.clone());
        }
        for i in 0..ctx.output_count() {
            inputs.push(ctx.output(i)?.clone());
        }
        Ok(apply(Rnn::Grad(layer), &inputs)?.into_iter().map(Some).collect())
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        through_decomposition(ctx, tangents)
    }
}
