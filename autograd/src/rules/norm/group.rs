//! Group normalisation (layer and instance normalisation are of it), and RMS normalisation.
//!
//! Formulas are over `[n, groups, channels / groups, inner]`, where a group is dimensions 2 and 3.

use rushlight_backend::op::Norm;
use rushlight_tensor::{Result, Tensor, apply};
use smallvec::SmallVec;

use super::plus;
use crate::rule::{Ctx, Grads};

const GROUP: [usize; 2] = [2, 3];

fn split(x: &Tensor, groups: usize) -> Result<Tensor> {
    let (n, channels) = (x.shape()[0], x.shape()[1]);
    x.reshape([n, groups, channels / groups, x.shape()[2..].iter().product()])
}

fn over(v: &Tensor, groups: usize) -> Result<Tensor> {
    v.reshape([1, groups, v.numel() / groups, 1])
}

/// The normalised groups and their factors, as functions of x.
fn normalized(x: &Tensor, groups: usize, eps: f64) -> Result<(Tensor, Tensor)> {
    let x = split(x, groups)?;
    let centred = x.sub(&x.mean_dim(GROUP, true)?)?;
    let factor = centred.square()?.mean_dim(GROUP, true)?.add(eps)?.rsqrt()?;
    Ok((centred.mul(&factor)?, factor))
}

/// Gradients of x, weight and bias. Means and factors are results too and may have gradients.
pub(super) fn vjp(groups: usize, eps: f64, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
    let x = ctx.input(0)?;
    let mut out: Grads = SmallVec::from_elem(None, ctx.input_count());
    if let Some(Some(g)) = grads.first() {
        let mut inputs: SmallVec<[&Tensor; 5]> = smallvec::smallvec![g, x, ctx.output(1)?, ctx.output(2)?];
        if ctx.input_count() == 3 {
            inputs.push(ctx.input(1)?);
        }
        for (o, r) in out.iter_mut().zip(apply(Norm::GroupNormGrad { groups, eps }, inputs)?) {
            *o = Some(r);
        }
    }
    let shape = [x.shape()[0], groups, 1, 1];
    let len = x.shape()[1..].iter().product::<usize>() as f64 / groups as f64;
    if let Some(Some(g)) = grads.get(1) {
        let each = g.div(len)?.reshape(shape)?.expand(split(x, groups)?.shape())?;
        out[0] = plus(out[0].take(), each.reshape(x.shape())?)?;
    }
    if let Some(Some(g)) = grads.get(2) {
        // d factor / d x = -factor^2 * normal / n.
        let (normal, factor) = normalized(x, groups, eps)?;
        let scale = factor.square()?.mul(&g.div(-len)?.reshape(shape)?)?;
        out[0] = plus(out[0].take(), normal.mul(&scale)?.reshape(x.shape())?)?;
    }
    Ok(out)
}

/// Tangents of y, means and factors.
pub(super) fn jvp(groups: usize, eps: f64, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Grads> {
    let x = ctx.input(0)?;
    let (normal, factor) = normalized(x, groups, eps)?;
    let each = [x.shape()[0], groups];
    let (mut dy, mut dmean, mut dfactor) = (None, None, None);
    if let Some(Some(t)) = tangents.first() {
        let t = split(t, groups)?;
        let (mean, along) = (t.mean_dim(GROUP, true)?, normal.mul(&t)?.mean_dim(GROUP, true)?);
        let mut d = t.sub(&mean)?.sub(&normal.mul(&along)?)?.mul(&factor)?;
        if ctx.input_count() == 3 {
            d = d.mul(&over(ctx.input(1)?, groups)?)?;
        }
        dy = Some(d);
        dmean = Some(mean.reshape(each)?);
        dfactor = Some(along.mul(&factor.square()?.neg()?)?.reshape(each)?);
    }
    if let Some(Some(t)) = tangents.get(1) {
        dy = plus(dy, normal.mul(&over(t, groups)?)?)?;
    }
    if let Some(Some(t)) = tangents.get(2) {
        dy = plus(dy, over(t, groups)?.expand(normal.shape())?)?;
    }
    Ok(smallvec::smallvec![dy.map(|d| d.reshape(x.shape())).transpose()?, dmean, dfactor])
}

/// Gradients of x and weight; the factors are not for users.
pub(super) fn rms_vjp(eps: f64, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
    let mut out: Grads = SmallVec::from_elem(None, ctx.input_count());
    let Some(Some(g)) = grads.first() else { return Ok(out) };
    let mut inputs: SmallVec<[&Tensor; 4]> = smallvec::smallvec![g, ctx.input(0)?, ctx.output(1)?];
    if ctx.input_count() == 2 {
        inputs.push(ctx.input(1)?);
    }
    for (o, r) in out.iter_mut().zip(apply(Norm::RmsNormGrad { eps }, inputs)?) {
        *o = Some(r);
    }
    Ok(out)
}

/// The tangent of y.
pub(super) fn rms_jvp(eps: f64, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Grads> {
    let x = ctx.input(0)?;
    let factor = x.square()?.mean_dim(1, true)?.add(eps)?.rsqrt()?;
    let normal = x.mul(&factor)?;
    let mut dy = None;
    if let Some(Some(t)) = tangents.first() {
        let along = normal.mul(t)?.mean_dim(1, true)?;
        let mut d = t.sub(&normal.mul(&along)?)?.mul(&factor)?;
        if ctx.input_count() == 2 {
            d = d.mul(ctx.input(1)?)?;
        }
        dy = Some(d);
    }
    if let Some(Some(t)) = tangents.get(1) {
        dy = plus(dy, normal.mul(t)?)?;
    }
    Ok(smallvec::smallvec![dy, None])
}
