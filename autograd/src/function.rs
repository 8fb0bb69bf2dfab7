//! Functions of a user's own, with derivatives that the user gives: PyTorch's `autograd.Function`.

use rushlight_backend::op::Custom;
use rushlight_tensor::{Error, Result, Tensor, Tensors, apply, custom_op};
use std::sync::Arc;

use crate::rule::{Ctx, Grads, Kind, Rule, Saves};

/// A function with its own derivatives. What [`forward`](Function::forward) computes is not recorded: `vjp` and `jvp` stand for it. They are
/// written in tensor operations, and so derivatives of higher order follow.
///
/// ```
/// use rushlight_autograd::{Autograd, Ctx, Function, Grads, call};
/// use rushlight_tensor::{Result, Tensor, Tensors};
///
/// /// The exponential, whose derivative is itself.
/// struct Exp;
///
/// impl Function for Exp {
///     fn forward(&self, x: &[&Tensor]) -> Result<Tensors> {
///         Ok(Tensors::from_iter([x[0].exp()?]))
///     }
///     fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
///         let g = grads[0].as_ref().map(|g| g.mul(ctx.output(0)?)).transpose()?;
///         Ok(Grads::from_iter([g]))
///     }
///     fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Grads> {
///         let t = tangents[0].as_ref().map(|t| t.mul(ctx.output(0)?)).transpose()?;
///         Ok(Grads::from_iter([t]))
///     }
/// }
///
/// let x = Tensor::new([0.0f64, 1.0])?.requires_grad()?;
/// let y = call(Exp, &[&x])?;
/// y[0].sum()?.backward()?;
/// assert_eq!(x.grad().unwrap().to_vec::<f64>()?, [1.0, 1f64.exp()]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub trait Function: Send + Sync + 'static {
    /// The name in error messages; default: the type's.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>().rsplit("::").next().unwrap_or("function")
    }

    /// The results.
    ///
    /// # Errors
    /// What the function says.
    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensors>;

    /// What `vjp` reads, given whose gradients are wanted; default: every input and result.
    fn saves(&self, needs: &[bool]) -> Saves {
        let _ = needs;
        Saves { inputs: u32::MAX, outputs: u32::MAX }
    }

    /// Gradients of the inputs from those of the results (`None`: zero), one for each input; those that nobody [`needs`](Ctx::needs) may be `None`.
    ///
    /// # Errors
    /// Those of its operations. The default says that there is no derivative in reverse mode.
    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let _ = (ctx, grads);
        Err(Error::autograd(self.name(), "the function has no derivative in reverse mode: implement `Function::vjp`"))
    }

    /// Tangents of the results from those of the inputs (`None`: zero), one for each result. All inputs and results are at hand.
    ///
    /// # Errors
    /// Those of its operations. The default says that there is no derivative in forward mode.
    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Grads> {
        let _ = (ctx, tangents);
        Err(Error::autograd(self.name(), "the function has no derivative in forward mode: implement `Function::jvp`"))
    }
}

/// Calls a function: recorded as one operation where gradients are wanted.
///
/// # Errors
/// Those of the function.
pub fn call<'a>(f: impl Function, inputs: impl IntoIterator<Item = &'a &'a Tensor>) -> Result<Tensors> {
    let f = Arc::new(f);
    let forward = f.clone();
    let op = custom_op(f.name(), move |x| forward.forward(x), UserRule(f));
    apply(op, inputs.into_iter().copied())
}

struct UserRule(Arc<dyn Function>);

impl Rule for UserRule {
    fn kind(&self) -> Kind {
        Kind::General
    }

    fn saves(&self, needs: &[bool]) -> Saves {
        self.0.saves(needs)
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let results = self.0.vjp(ctx, grads)?;
        let (got, wanted) = (results.len(), ctx.input_count());
        if got > wanted || (got..wanted).any(|i| ctx.needs(i)) {
            return Err(Error::autograd(self.0.name(), format!("`vjp` gave {got} gradients for {wanted} inputs")));
        }
        Ok(results)
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let results = self.0.jvp(ctx, tangents)?;
        let (got, wanted) = (results.len(), ctx.output_count());
        if got != wanted {
            return Err(Error::autograd(self.0.name(), format!("`jvp` gave {got} tangents for {wanted} results")));
        }
        for (i, t) in results.iter().enumerate() {
            if let Some(t) = t
                && let (got, wanted) = (t.meta(), ctx.output_meta(i))
                && (got.shape != wanted.shape || got.dtype != wanted.dtype)
            {
                return Err(Error::autograd(
                    self.0.name(),
                    format!("`jvp` gave a tangent {}{:?} of result {i}, which is {}{:?}", got.dtype, got.shape, wanted.dtype, wanted.shape),
                ));
            }
        }
        Ok(Some(results))
    }
}

/// The rule of a user's function; operations that were made without one have no derivative.
pub(crate) fn rule_of(op: &Custom) -> &dyn Rule {
    match rushlight_tensor::custom_rule::<UserRule>(op) {
        Some(rule) => rule,
        None => &NoRule,
    }
}

struct NoRule;

impl Rule for NoRule {
    fn kind(&self) -> Kind {
        Kind::NotDifferentiable
    }
}
