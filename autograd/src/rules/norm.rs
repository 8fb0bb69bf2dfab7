//! Normalisations. Group, layer and RMS normalisation are in `norm/group.rs`.

mod group;

use rushlight_backend::op::{Norm, channel_shape};
use rushlight_tensor::{Result, Tensor, apply, apply1};
use smallvec::SmallVec;

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

/// The gradient of a softmax is symmetric in what comes in and goes out, that of a log-softmax is not.
fn softmax_grad(dim: usize, ctx: &Ctx<'_>, g: &Tensor) -> Result<Tensor> {
    apply1(Norm::SoftmaxGrad { dim }, [g, ctx.output(0)?])
}

/// A vector over the channels in the shape in which it is broadcast over x.
fn over_channels(v: &Tensor, x: &Tensor) -> Result<Tensor> {
    v.reshape(channel_shape(x.dim(), v.numel()).as_slice())
}

/// Every dimension but that of the channels.
fn dims(x: &Tensor) -> Vec<usize> {
    (0..x.dim()).filter(|&d| d != 1).collect()
}

fn plus(a: Option<Tensor>, b: Tensor) -> Result<Option<Tensor>> {
    Ok(Some(match a {
        Some(a) => a.add(&b)?,
        None => b,
    }))
}

/// Gradients of x, weight and bias. The mean and the variance are results too and may have gradients.
fn batch_norm_vjp(eps: f64, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
    let x = ctx.input(0)?;
    let mut out: Grads = SmallVec::from_elem(None, ctx.input_count());
    if let Some(Some(g)) = grads.first() {
        let mut inputs: SmallVec<[&Tensor; 5]> = smallvec::smallvec![g, x, ctx.output(1)?, ctx.output(2)?];
        if ctx.input_count() == 3 {
            inputs.push(ctx.input(1)?);
        }
        let results = apply(Norm::BatchNormGrad { eps }, inputs)?;
        for (o, r) in out.iter_mut().zip(results) {
            *o = Some(r);
        }
    }
    let n = (x.numel() / x.shape()[1].max(1)) as f64;
    if let Some(Some(g)) = grads.get(1) {
        out[0] = plus(out[0].take(), over_channels(&g.div(n)?, x)?.expand(x.shape())?)?;
    }
    if let Some(Some(g)) = grads.get(2) {
        let centred = x.sub(&x.mean_dim(dims(x), true)?)?;
        out[0] = plus(out[0].take(), centred.mul(&over_channels(&g.mul(2.0 / n)?, x)?)?)?;
    }
    Ok(out)
}

/// Tangents of y, mean and variance. The statistics are computed again from x, so that derivatives of this see that they depend on it.
fn batch_norm_jvp(eps: f64, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Grads> {
    let x = ctx.input(0)?;
    let dims = dims(x);
    let centred = x.sub(&x.mean_dim(dims.clone(), true)?)?;
    let inv = centred.square()?.mean_dim(dims.clone(), true)?.add(eps)?.rsqrt()?;
    let normal = centred.mul(&inv)?;
    let channels = x.shape()[1];
    let (mut dy, mut dmean, mut dvar) = (None, None, None);
    if let Some(Some(t)) = tangents.first() {
        let mean_t = t.mean_dim(dims.clone(), true)?;
        let mean_xt = normal.mul(t)?.mean_dim(dims.clone(), true)?;
        let mut d = t.sub(&mean_t)?.sub(&normal.mul(&mean_xt)?)?.mul(&inv)?;
        if ctx.input_count() == 3 {
            d = d.mul(&over_channels(ctx.input(1)?, x)?)?;
        }
        dy = Some(d);
        dmean = Some(mean_t.reshape(channels)?);
        dvar = Some(centred.mul(t)?.mean_dim(dims, false)?.mul(2.0)?);
    }
    if let Some(Some(t)) = tangents.get(1) {
        dy = plus(dy, normal.mul(&over_channels(t, x)?)?)?;
    }
    if let Some(Some(t)) = tangents.get(2) {
        dy = plus(dy, over_channels(t, x)?.expand(x.shape())?)?;
    }
    Ok(smallvec::smallvec![dy, dmean, dvar])
}

impl Rule for Norm {
    fn kind(&self) -> Kind {
        match self {
            Norm::Softmax { .. } | Norm::LogSoftmax { .. } | Norm::BatchNorm { .. } | Norm::GroupNorm { .. } | Norm::RmsNorm { .. } => {
                Kind::General
            }
            Norm::SoftmaxGrad { .. }
            | Norm::LogSoftmaxGrad { .. }
            | Norm::BatchNormGrad { .. }
            | Norm::GroupNormGrad { .. }
            | Norm::RmsNormGrad { .. } => Kind::Decomposed,
        }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        match self {
            Norm::BatchNorm { .. } | Norm::GroupNorm { .. } => Saves { inputs: 0b11, outputs: 0b110 },
            Norm::RmsNorm { .. } => Saves { inputs: 0b11, outputs: 0b10 },
            _ => Saves::outputs(1),
        }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        Ok(smallvec::smallvec![Some(match *self {
            Norm::BatchNorm { eps } => return batch_norm_vjp(eps, ctx, grads),
            Norm::GroupNorm { groups, eps } => return group::vjp(groups, eps, ctx, grads),
            Norm::RmsNorm { eps } => return group::rms_vjp(eps, ctx, grads),
            Norm::LogSoftmax { dim } => apply1(Norm::LogSoftmaxGrad { dim }, [only(ctx, grads)?, ctx.output(0)?])?,
            Norm::Softmax { dim } => softmax_grad(dim, ctx, only(ctx, grads)?)?,
            // Differentiated as their decompositions.
            _ => return Err(rushlight_tensor::Error::autograd("norm", "has no rule of its own")),
        })])
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        Ok(match (*self, tangents) {
            (Norm::BatchNorm { eps }, _) => Some(batch_norm_jvp(eps, ctx, tangents)?),
            (Norm::GroupNorm { groups, eps }, _) => Some(group::jvp(groups, eps, ctx, tangents)?),
            (Norm::RmsNorm { eps }, _) => Some(group::rms_jvp(eps, ctx, tangents)?),
            (Norm::Softmax { dim }, [Some(t)]) => Some(smallvec::smallvec![Some(softmax_grad(dim, ctx, t)?)]),
            (Norm::LogSoftmax { dim }, [Some(t)]) => {
                let weighted = ctx.output(0)?.exp()?.mul(t)?.sum_dim(dim, true)?;
                Some(smallvec::smallvec![Some(t.sub(&weighted)?)])
            }
            _ => None,
        })
    }
}
