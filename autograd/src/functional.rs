//! Derivatives of functions: they nest in each other in any way.

use rushlight_tensor::{Error, Result, Tensor};

use crate::forward::{make_dual, split_dual};
use crate::level::{enable_grad, nested, tangent_level, tape_level};
use crate::reverse::{BackwardOptions, grad_of, leaf_at};

/// `f(primals)` and its derivative in the direction of `tangents`, by forward mode.
///
/// # Errors
/// Those of `f`, of the rules, and if the tangents do not fit the primals.
///
/// ```
/// use rushlight_autograd::jvp;
/// use rushlight_tensor::Tensor;
/// let (y, dy) = jvp(|x| x[0].mul(&x[1]), &[&Tensor::new(3.0f64)?, &Tensor::new(4.0f64)?], &[&Tensor::new(1.0f64)?, &Tensor::new(0.0f64)?])?;
/// assert_eq!((y.item::<f64>()?, dy.item::<f64>()?), (12.0, 4.0));
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn jvp(f: impl FnOnce(&[Tensor]) -> Result<Tensor>, primals: &[&Tensor], tangents: &[&Tensor]) -> Result<(Tensor, Tensor)> {
    if primals.len() != tangents.len() {
        return Err(Error::value("jvp", format!("got {} tangents for {} primals", tangents.len(), primals.len())));
    }
    nested(|| {
        let level = tangent_level();
        let duals = primals.iter().zip(tangents).map(|(p, t)| make_dual(level, p, t)).collect::<Result<Vec<_>>>()?;
        let (y, tangent) = split_dual(level, &f(&duals)?);
        let tangent = tangent.map_or_else(|| y.zeros_like(), Ok)?;
        Ok((y, tangent))
    })
}

/// `f(primals)` and the gradients of `<cotangent, f(primals)>` with respect to each primal, by reverse mode. Without a cotangent the result
/// must have one element.
///
/// # Errors
/// Those of `f`, of the rules, and if the cotangent does not fit.
pub fn vjp(f: impl FnOnce(&[Tensor]) -> Result<Tensor>, primals: &[&Tensor], cotangent: Option<&Tensor>) -> Result<(Tensor, Vec<Tensor>)> {
    nested_leaves(primals, |leaves| {
        let level = tape_level();
        let y = f(leaves)?;
        let on_tape = y.trace().filter(|t| t.level() == level);
        let Some(trace) = on_tape else {
            // The result does not depend on the primals.
            let zeros = primals.iter().map(|p| p.zeros_like()).collect::<Result<Vec<_>>>()?;
            return Ok((y, zeros));
        };
        let value = trace.lower(&y);
        let inputs: Vec<&Tensor> = leaves.iter().collect();
        let grads = grad_of(&[&y], &inputs, &[cotangent], BackwardOptions::default())?;
        let grads = grads.into_iter().zip(primals).map(|(g, p)| g.map_or_else(|| p.zeros_like(), Ok)).collect::<Result<Vec<_>>>()?;
        Ok((value, grads))
    })
}

/// Runs `f` one depth further in, on leaves of that depth's tape.
pub(crate) fn nested_leaves<R>(primals: &[&Tensor], f: impl FnOnce(&[Tensor]) -> Result<R>) -> Result<R> {
    nested(|| {
        let level = tape_level();
        let leaves = primals.iter().map(|p| leaf_at(level, p)).collect::<Result<Vec<_>>>()?;
        enable_grad(|| f(&leaves))
    })
}

/// The gradient of a function of one tensor with a one-element result.
///
/// # Errors
/// Those of `f` and of the rules.
pub fn grad(f: impl FnOnce(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<Tensor> {
    value_and_grad(f, x).map(|(_, g)| g)
}

/// The value and the gradient of a function of one tensor with a one-element result.
///
/// # Errors
/// Those of `f` and of the rules.
pub fn value_and_grad(f: impl FnOnce(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (value, mut grads) = vjp(|x| f(&x[0]), &[x], None)?;
    Ok((value, grads.swap_remove(0)))
}
