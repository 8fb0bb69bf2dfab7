//! Derivatives of the special functions (formulas: Abramowitz and Stegun, and what follows from the definitions).

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, PI};

use rushlight_backend::op::{Pointwise, Special};
use rushlight_tensor::{Result, Tensor, apply1, special};

use crate::rule::{Ctx, Kind, Saves};

pub(super) fn kind(f: Special) -> Kind {
    match f {
        Special::AiryAi | Special::Polynomial(_) => Kind::NotDifferentiable,
        _ => Kind::Pointwise,
    }
}

pub(super) fn saves(f: Special) -> Saves {
    use Special::*;
    match f {
        Erfinv | Ndtri => Saves::outputs(1),
        Erfcx | Hypot => Saves { inputs: 3, outputs: 1 },
        AiryAi | Polynomial(_) | FrexpExponent => Saves::NONE,
        _ => Saves::inputs(if f.arity() == 2 { 3 } else { 1 }),
    }
}

/// `d` with `at` where x is 0.
fn at_zero(x: &Tensor, at: f64, d: &Tensor) -> Result<Tensor> {
    d.masked_fill(&x.eq(0)?, at)
}

pub(super) fn partial(f: Special, ctx: &Ctx<'_>, i: usize) -> Result<Option<Tensor>> {
    use Special::*;
    let x = || ctx.input(0);
    let y = || ctx.input(1);
    let none = |why: &str| Err(rushlight_tensor::Error::autograd(f.name(), format!("has no derivative with respect to {why}")));
    Ok(Some(match (f, i) {
        (Lgamma, _) => x()?.digamma()?,
        (Digamma, _) => x()?.polygamma(1)?,
        (Polygamma(n), _) => x()?.polygamma(i64::from(n) + 1)?,
        (Erfinv, _) => ctx.output(0)?.square()?.exp()?.mul(1.0 / FRAC_2_SQRT_PI)?,
        (Erfcx, _) => x()?.mul(ctx.output(0)?)?.mul(2.0)?.sub(FRAC_2_SQRT_PI)?,
        (Ndtri, _) => ctx.output(0)?.square()?.mul(0.5)?.exp()?.mul((2.0 * PI).sqrt())?,
        // phi(x) / Phi(x), by the scaled function, in which nothing vanishes.
        (LogNdtr, _) => special::erfcx(&x()?.mul(-std::f64::consts::FRAC_1_SQRT_2)?)?.reciprocal()?.mul((2.0 / PI).sqrt())?,
        (Entr, _) => x()?.log()?.add(1.0)?.neg()?,
        (Sinc, _) => {
            let x = x()?;
            let z = x.mul(PI)?;
            let d = z.mul(&z.cos()?)?.sub(&z.sin()?)?.div(&z.mul(x)?)?;
            at_zero(x, 0.0, &d)?
        }
        (I0, _) => special::i1(x()?)?,
        (I0e, _) => special::i1e(x()?)?.sub(&x()?.sign()?.mul(&special::i0e(x()?)?)?)?,
        (I1, _) => at_zero(x()?, 0.5, &x()?.i0()?.sub(&special::i1(x()?)?.div(x()?)?)?)?,
        (I1e, _) => {
            let (x, e) = (x()?, special::i1e(x()?)?);
            at_zero(x, 0.5, &special::i0e(x)?.sub(&e.mul(&x.sign()?.add(&x.reciprocal()?)?)?)?)?
        }
        (BesselJ0, _) => special::bessel_j1(x()?)?.neg()?,
        (BesselJ1, _) => at_zero(x()?, 0.5, &special::bessel_j0(x()?)?.sub(&special::bessel_j1(x()?)?.div(x()?)?)?)?,
        (BesselY0, _) => special::bessel_y1(x()?)?.neg()?,
        (BesselY1, _) => special::bessel_y0(x()?)?.sub(&special::bessel_y1(x()?)?.div(x()?)?)?,
        (BesselK0, _) => special::modified_bessel_k1(x()?)?.neg()?,
        (BesselK1, _) => special::modified_bessel_k0(x()?)?.add(&special::modified_bessel_k1(x()?)?.div(x()?)?)?.neg()?,
        (ScaledK0, _) => special::scaled_modified_bessel_k0(x()?)?.sub(&special::scaled_modified_bessel_k1(x()?)?)?,
        (ScaledK1, _) => {
            let k1 = special::scaled_modified_bessel_k1(x()?)?;
            k1.sub(&special::scaled_modified_bessel_k0(x()?)?)?.sub(&k1.div(x()?)?)?
        }
        (SphericalJ0, _) => at_zero(x()?, 0.0, &x()?.cos()?.sub(&special::spherical_bessel_j0(x()?)?)?.div(x()?)?)?,
        (FrexpMantissa, _) => {
            let exponent = apply1(Pointwise::Special(FrexpExponent), [x()?])?;
            exponent.neg()?.exp2()?
        }
        (Igamma | Igammac, 0) => return none("its first argument"),
        (Igamma | Igammac, _) => {
            // x^(a-1) exp(-x) / Gamma(a)
            let (a, x) = (x()?, y()?);
            let d = a.sub(1.0)?.mul(&x.log()?)?.sub(x)?.sub(&a.lgamma()?)?.exp()?;
            if f == Igamma { d } else { d.neg()? }
        }
        (Zeta, 0) => return none("its first argument"),
        (Zeta, _) => special::zeta(&x()?.add(1.0)?, y()?)?.mul(x()?)?.neg()?,
        (Xlogy, 0) => y()?.log()?.masked_fill(&x()?.eq(0)?.logical_and(&y()?.le(0)?)?, 0.0)?,
        (Xlogy, _) => x()?.div(y()?)?,
        (Xlog1py, 0) => y()?.log1p()?.masked_fill(&x()?.eq(0)?.logical_and(&y()?.le(-1)?)?, 0.0)?,
        (Xlog1py, _) => x()?.div(&y()?.add(1.0)?)?,
        (LogAddExp, i) => difference(i, x()?, y()?)?.sigmoid()?,
        (LogAddExp2, i) => difference(i, x()?, y()?)?.mul(LN_2)?.sigmoid()?,
        (Hypot, i) => hypot_part(&x()?.ones_like()?, i, ctx)?,
        (Copysign, 0) => x()?.sign()?.mul(&y()?.ones_like()?.copysign(y()?)?)?,
        (Nextafter, 0) => Tensor::ones(ctx.output_meta(0).shape, (ctx.output_meta(0).dtype, x()?.device()))?,
        (Copysign | Nextafter | FrexpExponent, _) => return Ok(None),
        (AiryAi | Polynomial(_), _) => return none("its argument"),
    }))
}

/// What a gradient or tangent `t` becomes by the i-th leg. PyTorch's order of factors: infinite where the result is subnormal, or `t` times the leg overflows.
pub(super) fn hypot_part(t: &Tensor, i: usize, ctx: &Ctx<'_>) -> Result<Tensor> {
    t.mul(ctx.input(i)?)?.mul(&ctx.output(0)?.reciprocal()?)
}

fn difference(i: usize, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if i == 0 { x.sub(y) } else { y.sub(x) }
}
