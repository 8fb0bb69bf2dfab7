//! Recurrent layers.

use rushlight_backend::Error;
use rushlight_backend::op::{Rnn, RnnKind};
use rushlight_tensor::{Result, Tensor, apply};
use smallvec::smallvec;

use crate::forward::through_decomposition;
use crate::rule::{Ctx, Grads, Kind, Rule, Saves, zeros};

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
        let states = layer.kind.states();
        let mut inputs: Vec<Tensor> = Vec::new();
        for i in 0..states {
            inputs.push(match grads.get(i) {
                Some(Some(g)) => g.clone(),
                // One number: the kernel knows that, and reads a row.
                _ => {
                    let y = ctx.output(i)?;
                    zeros(y.meta(), y.device())?
                }
            });
        }
        for i in 0..ctx.input_count() {
            inputs.push(ctx.input(i)?.clone());
        }
        for i in 0..ctx.output_count() {
            inputs.push(ctx.output(i)?.clone());
        }
        let grads = apply(Rnn::Grad(layer), &inputs)?;
        // Of x and its weight the products with the gradient of the input's part of the gates, for all steps at once.
        let (of_gates, rest) = grads.split_first().ok_or_else(|| Error::autograd("rnn", "the operation has no result"))?;
        let (of_states, of_weights) = rest.split_at(states);
        let (x, weight) = (ctx.input(0)?, ctx.input(1 + states)?);
        let mut of_weights = of_weights.iter().cloned();
        let mut all: Grads = smallvec![if ctx.needs(0) { Some(of_gates.matmul(weight)?) } else { None }];
        all.extend(of_states.iter().cloned().map(Some));
        let flat = |t: &Tensor| t.flatten(0, 1);
        all.push(if ctx.needs(1 + states) { Some(flat(of_gates)?.t()?.matmul(&flat(x)?)?) } else { None });
        all.push(of_weights.next());
        if layer.bias {
            let of_bias = of_weights.next();
            // But for a GRU, whose reset gate takes part of the state alone, both biases are added to the same sums.
            all.push(match &of_bias {
                Some(g) if layer.kind != RnnKind::Gru => Some(g.clone()),
                _ => Some(flat(of_gates)?.sum_dim(0, false)?),
            });
            all.push(of_bias);
        }
        all.extend(of_weights.map(Some));
        Ok(all)
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        through_decomposition(ctx, tangents)
    }
}
