//! Attention.

use rushlight_backend::op::Attention;
use rushlight_tensor::{Result, Tensor, apply, attention_weights, repeat_heads};
use smallvec::SmallVec;

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

/// The probabilities, and keys and values in as many heads as there are queries.
fn parts(ctx: &Ctx<'_>, scale: f64, causal: bool) -> Result<[Tensor; 3]> {
    let q = ctx.input(0)?;
    let heads = q.shape()[1];
    let (k, v) = (repeat_heads(ctx.input(1)?, heads)?, repeat_heads(ctx.input(2)?, heads)?);
    let mask = if ctx.input_count() == 4 { Some(ctx.input(3)?) } else { None };
    Ok([attention_weights(q, &k, mask, scale, causal)?, k, v])
}

impl Rule for Attention {
    fn kind(&self) -> Kind {
        match self {
            Attention::Forward { .. } => Kind::General,
            Attention::Grad { .. } => Kind::Decomposed,
        }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        Saves { inputs: 15, outputs: 3 }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Attention::Forward { scale, causal } = *self else { return Ok(Grads::new()) };
        let (g, y) = (only(ctx, grads)?, ctx.output(0)?);
        let mut inputs: SmallVec<[&Tensor; 7]> = smallvec::smallvec![g, ctx.input(0)?, ctx.input(1)?, ctx.input(2)?, y, ctx.output(1)?];
        if ctx.input_count() == 4 {
            inputs.push(ctx.input(3)?);
        }
        let mut out: Grads = apply(Attention::Grad { scale, causal }, inputs)?.into_iter().map(Some).collect();
        if ctx.input_count() == 4 {
            out.push(if ctx.needs(3) {
                let [p, _, v] = parts(ctx, scale, causal)?;
                let along = g.mul(&p.matmul(&v)?)?.sum_dim(-1, true)?;
                let d = g.matmul(&v.transpose(-1, -2)?)?.sub(&along)?.mul(&p)?;
                Some(d.sum_to_size(ctx.input_meta(3).shape)?)
            } else {
                None
            });
        }
        Ok(out)
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let Attention::Forward { scale, causal } = *self else { return Ok(None) };
        let [p, k, v] = parts(ctx, scale, causal)?;
        let heads = ctx.input_meta(0).shape[1];
        let of = |i: usize| tangents.get(i).and_then(Option::as_ref);
        let mut scores: Option<Tensor> = None;
        let mut add = |t: Tensor| -> Result<()> {
            scores = Some(match scores.take() {
                None => t,
                Some(s) => s.add(&t)?,
            });
            Ok(())
        };
        if let Some(t) = of(0) {
            add(t.matmul(&k.transpose(-1, -2)?)?.mul(scale)?)?;
        }
        if let Some(t) = of(1) {
            add(ctx.input(0)?.matmul(&repeat_heads(t, heads)?.transpose(-1, -2)?)?.mul(scale)?)?;
        }
        if let Some(t) = of(3) {
            add(t.clone())?;
        }
        let mut out = None;
        if let Some(s) = scores {
            // Where a mask is minus infinity its tangent does not matter.
            let along = p.mul(&s)?.sum_dim(-1, true)?;
            out = Some(p.mul(&s.sub(&along)?)?.matmul(&v)?);
        }
        if let Some(t) = of(2) {
            let part = p.matmul(&repeat_heads(t, heads)?)?;
            out = Some(match out {
                None => part,
                Some(o) => o.add(&part)?,
            });
        }
        Ok(Some(smallvec::smallvec![out, None]))
    }
}
