//! Derivatives of functions: they nest in each other in any way.

use std::borrow::Borrow;

use rushlight_tensor::{Error, Result, Tensor};

use crate::forward::{make_dual, split_dual};
use crate::level::{nested, recording, tangent_level, tape_level};
use crate::reverse::{BackwardOptions, gradients, leaf_at, lowered};
use crate::structure::{Arguments, Outputs};

/// `f(primals)` and its derivative in the direction of `tangents`, by forward mode: the results and their tangents.
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
pub fn jvp<A, B, R>(f: impl FnOnce(&A::View) -> Result<R>, primals: &A, tangents: &B) -> Result<(R, R)>
where
    A: Arguments + ?Sized,
    B: Arguments + ?Sized,
    R: Outputs,
{
    let (points, directions) = (primals.tensors(), tangents.tensors());
    if points.len() != directions.len() {
        return Err(Error::value("jvp", format!("got {} tangents for {} primals", directions.len(), points.len())));
    }
    nested(|| {
        let level = tangent_level();
        let duals = points.iter().zip(directions).map(|(p, t)| make_dual(level, p, t)).collect::<Result<Vec<_>>>()?;
        let results = settled(level, f(primals.rebuild(duals).borrow())?);
        let (mut values, mut tangents) = (Vec::new(), Vec::new());
        for y in results.outputs() {
            let (y, tangent) = split_dual(level, y);
            tangents.push(tangent.map_or_else(|| y.zeros_like(), Ok)?);
            values.push(y);
        }
        let plain = |t: &Tensor| split_dual(level, t).0;
        Ok((results.replaced(values, &plain), results.replaced(tangents, &plain)))
    })
}

/// `f(primals)` and the gradients of `<cotangent, f(primals)>` with respect to each primal, by reverse mode. Without a cotangent every result
/// must have one element. [`vjp_fn`] is for several cotangents.
///
/// # Errors
/// Those of `f`, of the rules, and if the cotangent does not fit.
pub fn vjp<A, R>(f: impl FnOnce(&A::View) -> Result<R>, primals: &A, cotangent: Option<&R>) -> Result<(R, A::Owned)>
where
    A: Arguments + ?Sized,
    R: Outputs,
{
    nested_leaves(primals, |leaves, view| {
        let results = settled(tape_level(), f(view)?);
        let grads = pulled(&results, leaves, cotangent, BackwardOptions::default())?;
        Ok((plain(tape_level(), &results), primals.rebuild(grads)))
    })
}

/// Results of a function of this level without what is left of transforms inside of it. Samples that were carried out of a `vmap` stay what they are.
pub(crate) fn settled<R: Outputs>(level: u32, results: R) -> R {
    let above =
        |t: &Tensor| t.trace().filter(|trace| trace.level() > level).map(|trace| trace.lower(t)).filter(|below| below.shape() == t.shape());
    if results.outputs().into_iter().all(|t| above(t).is_none()) {
        return results;
    }
    let settle = |t: &Tensor| std::iter::successors(Some(t.clone()), above).last().unwrap_or_else(|| t.clone());
    results.replaced(results.outputs().into_iter().map(settle).collect(), &settle)
}

/// Results as the levels below see them.
fn plain<R: Outputs>(level: u32, results: &R) -> R {
    let lower = |t: &Tensor| lowered(level, t);
    results.replaced(results.outputs().into_iter().map(lower).collect(), &lower)
}

/// The gradients of leaves for the cotangents of results; zeros where they do not depend on them.
fn pulled<R: Outputs>(results: &R, leaves: &[Tensor], cotangent: Option<&R>, options: BackwardOptions) -> Result<Vec<Tensor>> {
    let level = leaves.iter().find_map(Tensor::trace).map(|t| t.level());
    let (mut outputs, mut seeds) = (Vec::new(), Vec::new());
    let results = results.outputs();
    let cotangents: Vec<Option<&Tensor>> = match cotangent {
        Some(c) => c.outputs().into_iter().map(Some).collect(),
        None => vec![None; results.len()],
    };
    if cotangents.len() != results.len() {
        return Err(Error::value("vjp", format!("got {} cotangents for {} results", cotangents.len(), results.len())));
    }
    for (i, (y, cotangent)) in results.into_iter().zip(cotangents).enumerate() {
        match cotangent {
            Some(c) if c.shape() != y.shape() => {
                return Err(Error::shape("vjp", format!("cotangent {i} has shape {:?}, the result {:?}", c.shape(), y.shape())));
            }
            None if y.numel() != 1 => {
                return Err(Error::autograd(
                    "vjp",
                    format!("result {i} has shape {:?}: it needs a cotangent, only single elements start from 1", y.shape()),
                ));
            }
            _ => {}
        }
        // A result that does not depend on the primals adds nothing.
        if y.trace().is_some_and(|t| Some(t.level()) == level) {
            outputs.push(y);
            seeds.push(cotangent);
        }
    }
    let inputs: Vec<&Tensor> = leaves.iter().collect();
    let grads = if outputs.is_empty() { vec![None; leaves.len()] } else { gradients(&outputs, &inputs, &seeds, options)? };
    grads.into_iter().zip(leaves).map(|(g, x)| g.map_or_else(|| x.detach().zeros_like(), Ok)).collect()
}

/// Runs `f` one depth further in, on leaves of that depth's tape: once as a list, once in the form of the arguments.
pub(crate) fn nested_leaves<A, T>(primals: &A, f: impl FnOnce(&[Tensor], &A::View) -> Result<T>) -> Result<T>
where
    A: Arguments + ?Sized,
{
    nested(|| {
        let level = tape_level();
        let leaves = primals.tensors().into_iter().map(|p| leaf_at(level, p)).collect::<Result<Vec<_>>>()?;
        recording(|| f(&leaves, primals.rebuild(leaves.clone()).borrow()))
    })
}

/// A function at a point, ready to be gone through backward: what [`vjp_fn`] gives.
pub struct Pullback<A: Arguments + ?Sized, R> {
    results: R,
    leaves: Vec<Tensor>,
    form: A::Owned,
}

impl<A: Arguments + ?Sized, R: Outputs> Pullback<A, R> {
    /// The gradients of `<cotangent, f(primals)>` with respect to each primal.
    ///
    /// # Errors
    /// Those of the rules, and if the cotangent does not fit.
    pub fn call(&self, cotangent: &R) -> Result<A::Owned> {
        let grads = pulled(&self.results, &self.leaves, Some(cotangent), BackwardOptions::retain_graph())?;
        Ok(self.form.borrow().rebuild(grads))
    }
}

/// `f(primals)`, and what gives the gradients for any number of cotangents; `f` is called once.
///
/// # Errors
/// Those of `f`.
///
/// ```
/// use rushlight_autograd::vjp_fn;
/// use rushlight_tensor::Tensor;
/// let (y, pullback) = vjp_fn(|x: &Tensor| x.square(), &Tensor::new([1.0f64, 2.0])?)?;
/// assert_eq!(pullback.call(&Tensor::new([1.0f64, 0.0])?)?.to_vec::<f64>()?, [2.0, 0.0]);
/// assert_eq!(pullback.call(&y)?.to_vec::<f64>()?, [2.0, 16.0]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn vjp_fn<A, R>(f: impl FnOnce(&A::View) -> Result<R>, primals: &A) -> Result<(R, Pullback<A, R>)>
where
    A: Arguments + ?Sized,
    R: Outputs,
{
    nested_leaves(primals, |leaves, view| {
        let results = settled(tape_level(), f(view)?);
        let form = primals.rebuild(leaves.to_vec());
        Ok((plain(tape_level(), &results), Pullback { results, leaves: leaves.to_vec(), form }))
    })
}

/// The linear part of a function at a point: what [`linearize`] gives.
pub struct LinearMap<R> {
    /// The gradients for `cotangents`, which are leaves: a linear function of them, whose transpose is the map.
    gradients: Vec<Tensor>,
    cotangents: Vec<Tensor>,
    form: R,
}

impl<R: Outputs> LinearMap<R> {
    /// The tangents of the results for tangents of the primals.
    ///
    /// # Errors
    /// Those of the rules, and if the tangents do not fit.
    pub fn call<B: Arguments + ?Sized>(&self, tangents: &B) -> Result<R> {
        let tangents = tangents.tensors();
        if tangents.len() != self.gradients.len() {
            return Err(Error::value("linearize", format!("got {} tangents for {} primals", tangents.len(), self.gradients.len())));
        }
        let level = self.cotangents.iter().find_map(Tensor::trace).map(|t| t.level());
        let (mut outputs, mut seeds) = (Vec::new(), Vec::new());
        for (i, (g, t)) in self.gradients.iter().zip(tangents).enumerate() {
            if g.shape() != t.shape() || g.dtype() != t.dtype() {
                let (got, wanted) = (t.meta(), g.meta());
                return Err(Error::shape(
                    "linearize",
                    format!("tangent {i} is {}{:?}, the primal {}{:?}", got.dtype, got.shape, wanted.dtype, wanted.shape),
                ));
            }
            if g.trace().is_some_and(|trace| Some(trace.level()) == level) {
                outputs.push(g);
                seeds.push(Some(t));
            }
        }
        let inputs: Vec<&Tensor> = self.cotangents.iter().collect();
        let found = match outputs.is_empty() {
            true => vec![None; inputs.len()],
            false => gradients(&outputs, &inputs, &seeds, BackwardOptions::retain_graph())?,
        };
        let values =
            found.into_iter().zip(&self.cotangents).map(|(g, u)| g.map_or_else(|| u.detach().zeros_like(), Ok)).collect::<Result<_>>()?;
        Ok(self.form.replaced(values, &Tensor::clone))
    }
}

/// `f(primals)`, and its derivative there as a linear map that can be called with any number of tangents; `f` is called once.
///
/// The map is the transpose of what reverse mode does, which is linear itself: every operation in `f` needs a reverse rule.
///
/// # Errors
/// Those of `f` and of the rules.
///
/// ```
/// use rushlight_autograd::linearize;
/// use rushlight_tensor::Tensor;
/// let (_, df) = linearize(|x: &Tensor| x.square(), &Tensor::new([1.0f64, 2.0])?)?;
/// assert_eq!(df.call(&Tensor::new([1.0f64, 1.0])?)?.to_vec::<f64>()?, [2.0, 4.0]);
/// assert_eq!(df.call(&Tensor::new([0.0f64, 3.0])?)?.to_vec::<f64>()?, [0.0, 12.0]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn linearize<A, R>(f: impl FnOnce(&A::View) -> Result<R>, primals: &A) -> Result<(R, LinearMap<R>)>
where
    A: Arguments + ?Sized,
    R: Outputs,
{
    nested_leaves(primals, |leaves, view| {
        let results = settled(tape_level(), f(view)?);
        let values = plain(tape_level(), &results);
        nested(|| {
            let level = tape_level();
            let cotangents = values.outputs().into_iter().map(|y| leaf_at(level, &y.zeros_like()?)).collect::<Result<Vec<_>>>()?;
            let seeds = results.replaced(cotangents.clone(), &Tensor::clone);
            let gradients = pulled(&results, leaves, Some(&seeds), BackwardOptions::default())?;
            let form = values.replaced(values.outputs().into_iter().cloned().collect(), &Tensor::clone);
            Ok((values, LinearMap { gradients, cotangents, form }))
        })
    })
}

/// The gradient of a function with a one-element result, in the form of the arguments.
///
/// # Errors
/// Those of `f` and of the rules.
///
/// ```
/// use rushlight_autograd::grad;
/// use rushlight_tensor::Tensor;
/// let (x, y) = (Tensor::new(2.0f64)?, Tensor::new(5.0f64)?);
/// assert_eq!(grad(|x| x.square(), &x)?.item::<f64>()?, 4.0);
/// let both = grad(|v| v[0].mul(&v[1]), &[&x, &y])?;
/// assert_eq!((both[0].item::<f64>()?, both[1].item::<f64>()?), (5.0, 2.0));
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn grad<A, R>(f: impl FnOnce(&A::View) -> Result<R>, x: &A) -> Result<A::Owned>
where
    A: Arguments + ?Sized,
    R: Outputs,
{
    value_and_grad(f, x).map(|(_, g)| g)
}

/// The value and the gradient of a function with a one-element result. With [`Aux`](crate::Aux) more may come along.
///
/// # Errors
/// Those of `f` and of the rules, and if `f` has another number of results.
pub fn value_and_grad<A, R>(f: impl FnOnce(&A::View) -> Result<R>, x: &A) -> Result<(R, A::Owned)>
where
    A: Arguments + ?Sized,
    R: Outputs,
{
    let scalar = |x: &A::View| {
        let results = f(x)?;
        let wrong = match results.outputs()[..] {
            [y] if y.numel() == 1 => None,
            [y] => Some(Error::shape("grad", format!("the function must give one element, it gave {:?}", y.shape()))),
            ref several => Some(Error::value("grad", format!("the function must give one tensor, it gave {}", several.len()))),
        };
        wrong.map_or(Ok(results), Err)
    };
    vjp(scalar, x, None)
}
