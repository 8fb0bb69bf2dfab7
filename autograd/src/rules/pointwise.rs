//! Element by element.
//!
//! Derivatives of complex functions follow PyTorch: the gradient is multiplied by the conjugate of the derivative, the tangent by the derivative.

mod special;

use rushlight_backend::op::{Binary, GradUses, Part, Pointwise, Rounding, Special, Unary};
use rushlight_backend::{Scalar, same_shape};
use rushlight_tensor::{Input, Result, Tensor, apply_slice1, apply1, unary_derivative};

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

impl Rule for Pointwise {
    fn kind(&self) -> Kind {
        use Binary::*;
        match self {
            Pointwise::Unary(Unary::Neg | Unary::Conj) | Pointwise::Cast(_) | Pointwise::Where | Pointwise::Binary(Add | Sub) => {
                Kind::Linear
            }
            Pointwise::Part(Part::Real | Part::Imag) | Pointwise::Complex => Kind::Linear,
            Pointwise::Part(Part::Abs) => Kind::General,
            Pointwise::Integer(_) => Kind::NotDifferentiable,
            Pointwise::Special(f) => special::kind(*f),
            Pointwise::Binary(Mul) => Kind::Multilinear,
            Pointwise::UnaryGrad(_) => Kind::Decomposed,
            Pointwise::Unary(f) if f.is_predicate() || *f == Unary::BitwiseNot => Kind::NotDifferentiable,
            Pointwise::Binary(op) | Pointwise::WithScalar { op, .. }
                if op.is_predicate() || matches!(op, BitwiseAnd | BitwiseOr | BitwiseXor) =>
            {
                Kind::NotDifferentiable
            }
            _ => Kind::Pointwise,
        }
    }

    fn saves(&self, needs: &[bool]) -> Saves {
        use Binary::*;
        let both = |a: bool, b: bool| Saves::inputs(u32::from(a) | u32::from(b) << 1);
        let (first, second) = (needs.first() == Some(&true), needs.get(1) == Some(&true));
        match self {
            Pointwise::Unary(Unary::Neg | Unary::Conj) | Pointwise::Cast(_) => Saves::NONE,
            Pointwise::Part(Part::Abs) => Saves::inputs(1),
            Pointwise::Part(_) | Pointwise::Complex | Pointwise::Integer(_) => Saves::NONE,
            Pointwise::Special(f) => special::saves(*f),
            Pointwise::Unary(f) => match f.grad_uses() {
                GradUses::Input => Saves::inputs(1),
                GradUses::Output => Saves::outputs(1),
                GradUses::Nothing => Saves::NONE,
            },
            Pointwise::Where => Saves::inputs(1),
            Pointwise::Binary(Add | Sub) => Saves::NONE,
            Pointwise::Binary(Mul) => both(second, first),
            Pointwise::Binary(Div(Rounding::None)) => both(second, true),
            Pointwise::Binary(Pow) => Saves { inputs: 3, outputs: u32::from(second) },
            Pointwise::Binary(_) => Saves::inputs(3),
            Pointwise::WithScalar { op: Add | Sub | Mul | Fmod | Remainder, reflected: false, .. } => Saves::NONE,
            Pointwise::WithScalar { op: Add | Sub | Mul, .. } => Saves::NONE,
            Pointwise::WithScalar { op: Div(_), reflected: false, .. } => Saves::NONE,
            Pointwise::WithScalar { op: Pow, reflected: true, .. } => Saves { inputs: 1, outputs: 1 },
            Pointwise::WithScalar { .. } => Saves::inputs(1),
            Pointwise::UnaryGrad(_) => Saves::NONE,
        }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = only(ctx, grads)?;
        let to = |i: usize, g: Tensor| -> Result<Option<Tensor>> {
            let shape = ctx.input_meta(i).shape;
            if g.shape() == shape { Ok(Some(g)) } else { g.sum_to_size(shape).map(Some) }
        };
        let wanted = |i: usize, f: &dyn Fn() -> Result<Tensor>| if ctx.needs(i) { to(i, f()?) } else { Ok(None) };
        Ok(match self {
            Pointwise::Cast(_) => smallvec::smallvec![Some(g.to_dtype(ctx.input_meta(0).dtype)?)],
            Pointwise::Unary(Unary::Neg) => smallvec::smallvec![Some(g.neg()?)],
            Pointwise::Unary(Unary::Conj) => smallvec::smallvec![Some(g.conj()?)],
            Pointwise::Part(Part::Real) => smallvec::smallvec![Some(Tensor::complex(g, &g.zeros_like()?)?)],
            Pointwise::Part(Part::Imag) => smallvec::smallvec![Some(Tensor::complex(&g.zeros_like()?, g)?)],
            Pointwise::Part(Part::Abs) => smallvec::smallvec![Some(g.mul(&ctx.input(0)?.sgn()?)?)],
            Pointwise::Complex => smallvec::smallvec![wanted(0, &|| g.real())?, wanted(1, &|| g.imag())?],
            Pointwise::Unary(f) => {
                let saved = match f.grad_uses() {
                    GradUses::Input => ctx.input(0)?,
                    GradUses::Output => ctx.output(0)?,
                    GradUses::Nothing => return Ok(smallvec::smallvec![Some(g.zeros_like()?)]),
                };
                smallvec::smallvec![Some(apply1(Pointwise::UnaryGrad(*f), [g, saved])?)]
            }
            Pointwise::Where => {
                let (c, zero) = (ctx.input(0)?, Tensor::zeros((), (g.dtype(), g.device()))?);
                smallvec::smallvec![
                    None,
                    wanted(1, &|| apply1(Pointwise::Where, [c, g, &zero]))?,
                    wanted(2, &|| apply1(Pointwise::Where, [c, &zero, g]))?
                ]
            }
            Pointwise::Special(Special::Hypot) => {
                smallvec::smallvec![wanted(0, &|| special::hypot_part(g, 0, ctx))?, wanted(1, &|| special::hypot_part(g, 1, ctx))?]
            }
            Pointwise::Binary(Binary::Add) => smallvec::smallvec![wanted(0, &|| Ok(g.clone()))?, wanted(1, &|| Ok(g.clone()))?],
            Pointwise::Binary(Binary::Sub) => smallvec::smallvec![wanted(0, &|| Ok(g.clone()))?, wanted(1, &|| g.neg())?],
            Pointwise::Binary(Binary::Mul) => {
                smallvec::smallvec![wanted(0, &|| times(g, ctx.input(1)?))?, wanted(1, &|| times(g, ctx.input(0)?))?]
            }
            Pointwise::Binary(Binary::Div(Rounding::None)) => smallvec::smallvec![
                wanted(0, &|| g.div(&ctx.input(1)?.conj()?))?,
                wanted(1, &|| {
                    let (a, b) = (ctx.input(0)?, ctx.input(1)?);
                    times(g, &a.div(b)?.div(b)?)?.neg()
                })?
            ],
            Pointwise::WithScalar { op, scalar, reflected } => {
                smallvec::smallvec![match scalar_derivative(*op, *scalar, *reflected) {
                    Constant::One => Some(g.clone()),
                    Constant::Times(s) => Some(g.mul(conjugate(s))?),
                    Constant::Over(s) => Some(g.div(conjugate(s))?),
                    Constant::No => match self.partial(ctx, 0)? {
                        Some(d) => Some(times(g, &d)?),
                        None => Some(g.zeros_like()?),
                    },
                }]
            }
            _ => (0..ctx.input_count())
                .map(|i| match ctx.needs(i) {
                    true => self.partial(ctx, i)?.map_or(Ok(None), |d| to(i, times(g, &d)?)),
                    false => Ok(None),
                })
                .collect::<Result<_>>()?,
        })
    }

    fn vjp_in_place(&self, ctx: &Ctx<'_>, mut grads: Grads) -> Result<Grads> {
        use Binary::*;
        let whole = |i: usize, g: &Tensor| !ctx.needs(1 - i) && same_shape(ctx.input_meta(i).shape, g.shape()) && !g.dtype().is_complex();
        let i = usize::from(!ctx.needs(0));
        let results = match (self, grads.first_mut().and_then(Option::take)) {
            (Pointwise::Binary(Add), Some(g)) if whole(i, &g) => g,
            (Pointwise::Binary(Mul), Some(g)) if whole(i, &g) => apply_slice1(ctx.op, &mut [Input::Own(g), Input::Ref(ctx.input(1 - i)?)])?,
            (Pointwise::Unary(f), Some(g)) if !matches!(f, Unary::Neg | Unary::Conj) && f.grad_uses() != GradUses::Nothing => {
                let saved = if f.grad_uses() == GradUses::Input { ctx.input(0)? } else { ctx.output(0)? };
                return Ok(smallvec::smallvec![Some(apply1(Pointwise::UnaryGrad(*f), [Input::Own(g), Input::Ref(saved)])?)]);
            }
            (_, g) => return self.vjp(ctx, &[g]),
        };
        let mut out = Grads::new();
        if i == 1 {
            out.push(None);
        }
        out.push(Some(results));
        Ok(out)
    }

    fn partial(&self, ctx: &Ctx<'_>, i: usize) -> Result<Option<Tensor>> {
        match self {
            Pointwise::Unary(f) => {
                unary_derivative(*f, ctx.inputs.first().and_then(Option::as_ref), ctx.outputs.first().and_then(Option::as_ref))
            }
            Pointwise::Binary(op) => binary_partial(*op, ctx, i),
            Pointwise::WithScalar { op, scalar, reflected } => scalar_partial(*op, *scalar, *reflected, ctx),
            Pointwise::Special(f) => special::partial(*f, ctx, i),
            _ => Ok(None),
        }
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let out =
            |t: Result<Tensor>| -> Result<Option<Grads>> { Ok(Some(smallvec::smallvec![Some(t?.expand(ctx.output_meta(0).shape)?)])) };
        match (self, tangents) {
            // As in reverse mode, so that 0 stays 0 beside an infinite tangent.
            (Pointwise::Unary(f), [Some(t)]) if !t.dtype().is_complex() && !matches!(f, Unary::Neg | Unary::Conj) => {
                out(match f.grad_uses() {
                    GradUses::Input => apply1(Pointwise::UnaryGrad(*f), [t, ctx.input(0)?]),
                    GradUses::Output => apply1(Pointwise::UnaryGrad(*f), [t, ctx.output(0)?]),
                    GradUses::Nothing => t.zeros_like(),
                })
            }
            (Pointwise::Part(Part::Abs), [Some(t)]) => out(ctx.input(0)?.sgn()?.conj()?.mul(t)?.real()),
            (Pointwise::Special(Special::Hypot), [Some(t), None]) => out(special::hypot_part(t, 0, ctx)),
            (Pointwise::Special(Special::Hypot), [None, Some(t)]) => out(special::hypot_part(t, 1, ctx)),
            (Pointwise::Special(Special::Hypot), [Some(a), Some(b)]) => {
                out(special::hypot_part(a, 0, ctx)?.add(&special::hypot_part(b, 1, ctx)?))
            }
            (Pointwise::Binary(Binary::Add | Binary::Sub), [Some(t), None]) => out(Ok(t.clone())),
            (Pointwise::Binary(Binary::Add), [None, Some(t)]) => out(Ok(t.clone())),
            (Pointwise::Binary(Binary::Sub), [None, Some(t)]) => out(t.neg()),
            (Pointwise::WithScalar { op, scalar, reflected }, [Some(t)]) => match scalar_derivative(*op, *scalar, *reflected) {
                Constant::One => out(Ok(t.clone())),
                Constant::Times(s) => out(t.mul(s)),
                Constant::Over(s) => out(t.div(s)),
                Constant::No => Ok(None),
            },
            _ => Ok(None),
        }
    }
}

/// The gradient times the conjugate of a derivative.
fn times(g: &Tensor, d: &Tensor) -> Result<Tensor> {
    if d.dtype().is_complex() { g.mul(&d.conj()?) } else { g.mul(d) }
}

fn conjugate(s: Scalar) -> Scalar {
    if let Scalar::Complex(c) = s { Scalar::Complex(c.conj()) } else { s }
}

/// The derivative with respect to a tensor beside a scalar, where it does not depend on the tensor.
enum Constant {
    One,
    Times(Scalar),
    Over(Scalar),
    No,
}

fn scalar_derivative(op: Binary, scalar: Scalar, reflected: bool) -> Constant {
    match (op, reflected) {
        (Binary::Add, _) | (Binary::Sub | Binary::Fmod | Binary::Remainder, false) => Constant::One,
        (Binary::Sub, true) => Constant::Times(Scalar::Int(-1)),
        (Binary::Mul, _) => Constant::Times(scalar),
        (Binary::Div(Rounding::None), false) => Constant::Over(scalar),
        _ => Constant::No,
    }
}

fn scalar_partial(op: Binary, scalar: Scalar, reflected: bool, ctx: &Ctx<'_>) -> Result<Option<Tensor>> {
    let s = scalar.to_f64();
    if let Scalar::Complex(c) = scalar {
        return Ok(match (op, reflected) {
            (Binary::Div(Rounding::None), true) => Some(ctx.input(0)?.square()?.reciprocal()?.mul(-c)?),
            (Binary::Pow, false) => Some(ctx.input(0)?.pow(c - 1.0)?.mul(c)?),
            (Binary::Pow, true) => Some(ctx.output(0)?.mul(c.ln())?),
            _ => None,
        });
    }
    Ok(match (op, reflected) {
        (Binary::Div(Rounding::None), true) => Some(ctx.input(0)?.square()?.reciprocal()?.mul(-s)?),
        // A power of 0 is constant, also at 0 where the formula would give NaN.
        (Binary::Pow, false) if s == 0.0 => None,
        (Binary::Pow, false) => Some(ctx.input(0)?.pow(s - 1.0)?.mul(s)?),
        // d s^x / dx = s^x ln s; 0 at s = 0 and x >= 0.
        (Binary::Pow, true) if s == 0.0 && !ctx.input(0)?.dtype().is_complex() => {
            let (x, y) = (ctx.input(0)?, ctx.output(0)?);
            Some(x.ge(0)?.where_(0.0, &y.mul(f64::NEG_INFINITY)?)?)
        }
        (Binary::Pow, true) => Some(ctx.output(0)?.mul(s.ln())?),
        (Binary::Maximum, _) => Some(half_at_ties(&ctx.input(0)?.gt(s)?, &ctx.input(0)?.eq(s)?, ctx)?),
        (Binary::Minimum, _) => Some(half_at_ties(&ctx.input(0)?.lt(s)?, &ctx.input(0)?.eq(s)?, ctx)?),
        (Binary::Atan2, false) => Some(ctx.input(0)?.square()?.add(s * s)?.reciprocal()?.mul(s)?),
        (Binary::Atan2, true) => Some(ctx.input(0)?.square()?.add(s * s)?.reciprocal()?.mul(-s)?),
        // d (s - floor(s/x) x) / dx
        (Binary::Remainder, true) => Some(ctx.input(0)?.reciprocal()?.mul(s)?.floor()?.neg()?),
        (Binary::Fmod, true) => Some(ctx.input(0)?.reciprocal()?.mul(s)?.trunc()?.neg()?),
        _ => None,
    })
}

/// 1 where `wins`, one half where `ties`.
fn half_at_ties(wins: &Tensor, ties: &Tensor, ctx: &Ctx<'_>) -> Result<Tensor> {
    let dtype = ctx.output_meta(0).dtype;
    wins.to_dtype(dtype)?.add(&ties.to_dtype(dtype)?.mul(0.5)?)
}

fn binary_partial(op: Binary, ctx: &Ctx<'_>, i: usize) -> Result<Option<Tensor>> {
    let (a, b) = (|| ctx.input(0), || ctx.input(1));
    Ok(match (op, i) {
        (Binary::Div(Rounding::None), 0) => Some(b()?.reciprocal()?),
        (Binary::Div(Rounding::None), 1) => Some(a()?.div(b()?)?.div(b()?)?.neg()?),
        // b a^(b-1), and 0 where b is 0
        (Binary::Pow, 0) => {
            let d = b()?.mul(&a()?.pow(&b()?.sub(1.0)?)?)?;
            Some(b()?.eq(0)?.where_(0.0, &d)?)
        }
        // a^b ln a, and 0 where a is 0 and b >= 0
        (Binary::Pow, _) => {
            let d = ctx.output(0)?.mul(&a()?.log()?)?;
            Some(a()?.eq(0)?.logical_and(&b()?.real()?.ge(0)?)?.where_(0.0, &d)?)
        }
        (Binary::Maximum, 0) => Some(half_at_ties(&a()?.gt(b()?)?, &a()?.eq(b()?)?, ctx)?),
        (Binary::Maximum, _) => Some(half_at_ties(&b()?.gt(a()?)?, &a()?.eq(b()?)?, ctx)?),
        (Binary::Minimum, 0) => Some(half_at_ties(&a()?.lt(b()?)?, &a()?.eq(b()?)?, ctx)?),
        (Binary::Minimum, _) => Some(half_at_ties(&b()?.lt(a()?)?, &a()?.eq(b()?)?, ctx)?),
        (Binary::Atan2, 0) => Some(b()?.div(&a()?.square()?.add(&b()?.square()?)?)?),
        (Binary::Atan2, _) => Some(a()?.div(&a()?.square()?.add(&b()?.square()?)?)?.neg()?),
        (Binary::Remainder | Binary::Fmod, 0) => Some(Tensor::ones(ctx.output_meta(0).shape, (ctx.output_meta(0).dtype, a()?.device()))?),
        (Binary::Remainder, _) => Some(a()?.floor_divide(b()?)?.neg()?),
        (Binary::Fmod, _) => Some(a()?.div_trunc(b()?)?.neg()?),
        _ => None,
    })
}
