//! The derivatives of vector norms.
//!
//! The formulas are PyTorch's (`norm_backward` and `norm_jvp`), down to what is masked where: that decides what second derivatives are where a norm or
//! an element is 0, and has no other reason.

use rushlight_backend::op::Reduce;
use rushlight_tensor::{Result, Tensor};

use super::{kept, total};
use crate::rule::{Ctx, Saves, zeros};

/// What [`vjp`] reads.
pub(super) fn saves(p: f64) -> Saves {
    match p {
        0.0 => Saves::NONE,
        1.0 => Saves::inputs(1),
        _ => Saves { inputs: 1, outputs: 1 },
    }
}

/// 0 where the norm is.
fn masked(t: &Tensor, norm: &Tensor) -> Result<Tensor> {
    t.masked_fill(&norm.eq(0)?, 0)
}

/// `|x|^(p - 1)`, and 0 where x is.
fn power_but_at_0(x: &Tensor, p: f64) -> Result<Tensor> {
    x.abs()?.pow(p - 1.0)?.masked_fill(&x.eq(0)?, 0)
}

/// 1 over their number where the magnitude is the norm, else 0; NaN counts as the norm.
fn shares(reduce: &Reduce, x: &Tensor, norm: &Tensor) -> Result<Tensor> {
    let size = x.abs()?;
    let found = size.eq(&kept(reduce, x.shape(), norm)?)?.logical_or(&size.isnan()?)?.to_dtype(norm.dtype())?;
    found.div(&total(reduce, &found, true)?)
}

/// The gradient of x from that of the norm, `g`, which broadcasts over x.
pub(super) fn vjp(reduce: &Reduce, p: f64, ctx: &Ctx<'_>, g: &Tensor) -> Result<Tensor> {
    if p == 0.0 {
        return zeros(ctx.input_meta(0), g.device());
    }
    let x = ctx.input(0)?;
    if p == 1.0 {
        return x.sgn()?.mul(g);
    }
    if p.is_infinite() {
        return x.sgn()?.mul(&g.mul(&shares(reduce, x, ctx.output(0)?)?)?);
    }
    let norm = &kept(reduce, x.shape(), ctx.output(0)?)?;
    if p == 2.0 {
        // Where nobody differentiates this in turn, two passes fewer.
        return match [x, norm, g].iter().all(|t| t.trace().is_none()) {
            true => x.mul(&masked(&g.div(norm)?, norm)?),
            false => masked(&x.div(norm)?, norm)?.mul(g),
        };
    }
    if p < 1.0 {
        return x.sgn()?.mul(&power_but_at_0(x, p)?)?.mul(g)?.mul(&norm.pow(1.0 - p)?);
    }
    let powers = if p < 2.0 { x.sgn()?.mul(&x.abs()?.pow(p - 1.0)?)? } else { x.mul(&x.abs()?.pow(p - 2.0)?)? };
    powers.mul(&masked(&g.div(&norm.pow(p - 1.0)?)?, norm)?)
}

/// The tangent of the norm from that of x.
pub(super) fn jvp(reduce: &Reduce, p: f64, ctx: &Ctx<'_>, t: &Tensor) -> Result<Tensor> {
    let (x, norm) = (ctx.input(0)?, ctx.output(0)?);
    let sum = |t: Tensor| total(reduce, &t, reduce.keepdim);
    // How far the tangent goes the way of `a`.
    let along = |a: &Tensor| if a.dtype().is_complex() { a.mul(&t.conj()?)?.real() } else { a.mul(t) };
    let over_power = |s: Tensor| masked(&s.div(&norm.pow(p - 1.0)?)?, norm);
    if p == 0.0 {
        norm.zeros_like()
    } else if p == 1.0 {
        sum(along(&x.sgn()?)?)
    } else if p == 2.0 {
        masked(&sum(along(x)?)?.div(norm)?, norm)
    } else if p.is_infinite() {
        sum(along(&x.sgn()?)?.mul(&shares(reduce, x, norm)?)?)
    } else if p < 1.0 {
        sum(power_but_at_0(x, p)?.mul(&along(&x.sgn()?)?)?)?.mul(&norm.pow(1.0 - p)?)
    } else if p < 2.0 {
        over_power(sum(x.abs()?.pow(p - 1.0)?.mul(&along(&x.sgn()?)?)?)?)
    } else {
        over_power(sum(x.abs()?.pow(p - 2.0)?.mul(&along(x)?)?)?)
    }
}
