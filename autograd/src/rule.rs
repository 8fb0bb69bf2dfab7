//! What a derivative rule is.
//!
//! A rule says which [`Kind`] its operation is, and both modes follow from it where the mathematics allows. Rules are written with
//! ordinary tensor operations: applied to traced tensors they are differentiated themselves, and so derivatives of every order and nesting
//! need no second set of formulas.

use rushlight_backend::{Meta, MetaRef, Op};
use rushlight_tensor::{Device, Error, Result, Tensor, Tensors, apply};
use smallvec::SmallVec;

use crate::rules;

/// Gradients of the inputs, or tangents of the outputs; `None` is zero.
pub type Grads = SmallVec<[Option<Tensor>; 3]>;

/// How an operation is differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Linear in its differentiable inputs together. The rule gives the transpose (`vjp`); the tangent is the operation on the tangents.
    Linear,
    /// Linear in each differentiable input alone (products). The rule gives the transposes (`vjp`); the tangent is the sum of the operation with one
    /// input replaced by its tangent.
    Multilinear,
    /// Element by element, broadcasting. The rule gives the partial derivatives (`partial`), which serve both modes.
    Pointwise,
    /// The rule gives `vjp` and `jvp`.
    General,
    /// The operation's decomposition is differentiated.
    Decomposed,
    /// There is no derivative: an error when one is asked for.
    NotDifferentiable,
}

/// Which inputs and outputs `vjp` reads: bit i for the i-th, the last bit for all from there on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saves {
    /// The inputs.
    pub inputs: u32,
    /// The outputs.
    pub outputs: u32,
}

impl Saves {
    /// Nothing: shapes and dtypes are always at hand.
    pub const NONE: Saves = Saves { inputs: 0, outputs: 0 };

    /// These inputs.
    pub const fn inputs(mask: u32) -> Saves {
        Saves { inputs: mask, outputs: 0 }
    }

    /// These outputs.
    pub const fn outputs(mask: u32) -> Saves {
        Saves { inputs: 0, outputs: mask }
    }
}

/// What a rule sees of one application of its operation.
pub struct Ctx<'a> {
    pub(crate) op: &'a Op,
    pub(crate) input_count: usize,
    /// Empty if nothing is saved, as are the outputs.
    pub(crate) inputs: &'a [Option<Tensor>],
    pub(crate) outputs: &'a [Option<Tensor>],
    /// Empty if every input has the first output's shape and dtype, which is the usual case.
    pub(crate) input_metas: &'a [Meta],
    pub(crate) output_metas: &'a [Meta],
    /// Bit i for the i-th input.
    pub(crate) needs: u64,
}

impl Ctx<'_> {
    /// The i-th input, which `saves` has named.
    ///
    /// # Errors
    /// If it has not: a mistake in the rule.
    pub fn input(&self, i: usize) -> Result<&Tensor> {
        self.inputs
            .get(i)
            .and_then(Option::as_ref)
            .ok_or_else(|| Error::autograd(self.op.name(), format!("the rule did not save input {i}")))
    }

    /// The i-th output, which `saves` has named.
    ///
    /// # Errors
    /// If it has not: a mistake in the rule.
    pub fn output(&self, i: usize) -> Result<&Tensor> {
        self.outputs
            .get(i)
            .and_then(Option::as_ref)
            .ok_or_else(|| Error::autograd(self.op.name(), format!("the rule did not save output {i}")))
    }

    /// Shape and dtype of the i-th input.
    pub fn input_meta(&self, i: usize) -> MetaRef<'_> {
        self.input_metas.get(i).unwrap_or(&self.output_metas[0]).as_ref()
    }

    /// The number of inputs.
    pub fn input_count(&self) -> usize {
        self.input_count
    }

    /// The number of outputs.
    pub fn output_count(&self) -> usize {
        self.output_metas.len()
    }

    /// Shape and dtype of the i-th output.
    pub fn output_meta(&self, i: usize) -> MetaRef<'_> {
        self.output_metas[i].as_ref()
    }

    /// Whether somebody wants the gradient of the i-th input.
    pub fn needs(&self, i: usize) -> bool {
        self.needs >> i.min(63) & 1 == 1
    }
}

/// The derivative rule of an operation.
pub trait Rule {
    /// How the operation is differentiated.
    fn kind(&self) -> Kind;

    /// What `vjp` reads, given whose gradients are wanted. Pointwise rules whose `vjp` is the default name what their partial derivatives read.
    fn saves(&self, needs: &[bool]) -> Saves {
        let _ = needs;
        Saves::NONE
    }

    /// Gradients of the inputs from those of the outputs; those that nobody [`needs`](Ctx::needs) may be left out.
    ///
    /// # Errors
    /// Those of its operations.
    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        pointwise_vjp(|i| self.partial(ctx, i), ctx, grads)
    }

    /// As [`vjp`](Rule::vjp), with gradients that are given away: their memory may become that of the result.
    ///
    /// # Errors
    /// Those of its operations.
    fn vjp_in_place(&self, ctx: &Ctx<'_>, grads: Grads) -> Result<Grads> {
        self.vjp(ctx, &grads)
    }

    /// For [`Kind::Pointwise`]: the derivative of the output with respect to the i-th input, element by element. `None` is zero.
    ///
    /// # Errors
    /// Those of its operations.
    fn partial(&self, ctx: &Ctx<'_>, i: usize) -> Result<Option<Tensor>> {
        let _ = i;
        Err(missing(ctx.op, "reverse"))
    }

    /// Tangents of the outputs from those of the inputs. `None` lets the kind decide.
    ///
    /// # Errors
    /// Those of its operations.
    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let _ = (ctx, tangents);
        Ok(None)
    }
}

#[cold]
fn missing(op: &Op, mode: &str) -> Error {
    Error::autograd(op.name(), format!("has no derivative in {mode} mode"))
}

/// The first output's gradient, which operations with one output have.
///
/// # Errors
/// If it is absent.
pub fn only<'a>(ctx: &Ctx<'_>, grads: &'a [Option<Tensor>]) -> Result<&'a Tensor> {
    grads.first().and_then(Option::as_ref).ok_or_else(|| Error::autograd(ctx.op.name(), "no gradient arrived at the output"))
}

/// The gradients of an operation that works element by element, from its partial derivatives.
///
/// # Errors
/// Those of the operations.
pub(crate) fn pointwise_vjp(partial: impl Fn(usize) -> Result<Option<Tensor>>, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
    let g = only(ctx, grads)?;
    (0..ctx.input_count())
        .map(|i| {
            if !ctx.needs(i) {
                return Ok(None);
            }
            match partial(i)? {
                Some(d) => g.mul(&d)?.sum_to_size(ctx.input_meta(i).shape).map(Some),
                None => Ok(None),
            }
        })
        .collect()
}

/// The rule of an operation.
pub fn rule_of(op: &Op) -> &dyn Rule {
    rules::rule_of(op)
}

/// Reverse mode for one operation.
pub(crate) fn vjp(ctx: &Ctx<'_>, grads: Grads) -> Result<Grads> {
    let rule = rule_of(ctx.op);
    match rule.kind() {
        Kind::NotDifferentiable | Kind::Decomposed => Err(missing(ctx.op, "reverse")),
        _ => rule.vjp_in_place(ctx, grads),
    }
}

/// Forward mode for one operation: all inputs and outputs are at hand.
pub(crate) fn jvp(ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Grads> {
    let rule = rule_of(ctx.op);
    if let Some(result) = rule.jvp(ctx, tangents)? {
        return Ok(result);
    }
    match rule.kind() {
        Kind::Linear => {
            let inputs = (0..ctx.input_count())
                .map(|i| match &tangents[i] {
                    Some(t) => Ok(t.clone()),
                    None if ctx.input_meta(i).dtype.is_differentiable() => {
                        let device = ctx.inputs.iter().chain(ctx.outputs).flatten().next().map(Tensor::device).unwrap_or_default();
                        zeros(ctx.input_meta(i), device)
                    }
                    None => ctx.input(i).cloned(),
                })
                .collect::<Result<Tensors>>()?;
            some(apply(ctx.op.clone(), &inputs)?)
        }
        Kind::Multilinear => {
            let mut sum: Option<Tensors> = None;
            for (i, t) in tangents.iter().enumerate() {
                let Some(t) = t else { continue };
                let inputs: SmallVec<[&Tensor; 3]> =
                    (0..ctx.input_count()).map(|j| if i == j { Ok(t) } else { ctx.input(j) }).collect::<Result<_>>()?;
                let part = apply(ctx.op.clone(), inputs)?;
                sum = Some(match sum {
                    None => part,
                    Some(sum) => sum.iter().zip(&part).map(|(a, b)| a.add(b)).collect::<Result<_>>()?,
                });
            }
            sum.map_or_else(|| Ok(Grads::from_elem(None, ctx.output_metas.len())), some)
        }
        Kind::Pointwise => {
            let mut sum: Option<Tensor> = None;
            for (i, t) in tangents.iter().enumerate() {
                let Some(t) = t else { continue };
                let Some(d) = rule.partial(ctx, i)? else { continue };
                let part = t.mul(&d)?;
                sum = Some(match sum {
                    None => part,
                    Some(sum) => sum.add(&part)?,
                });
            }
            let shape = ctx.output_meta(0).shape;
            Ok(smallvec::smallvec![sum.map(|s| s.expand(shape)).transpose()?])
        }
        Kind::General | Kind::Decomposed | Kind::NotDifferentiable => Err(missing(ctx.op, "forward")),
    }
}

fn some(tensors: Tensors) -> Result<Grads> {
    Ok(tensors.into_iter().map(Some).collect())
}

/// Zeros of a shape and dtype, one number in memory.
pub(crate) fn zeros(meta: MetaRef<'_>, device: Device) -> Result<Tensor> {
    Tensor::zeros((), (meta.dtype, device))?.expand(meta.shape)
}
