//! Whole matrices of derivatives: Jacobians by either mode, Hessians, and products with them.
//!
//! Forward mode gives columns, reverse mode rows: the way that has fewer is the cheaper one. All of them are found at once, by `vmap` over the
//! unit vectors. All of these are functions of tensors again, so they nest in each other and in `grad`, `vjp` and `jvp`.

use std::borrow::Borrow;

use rushlight_tensor::{Error, Result, Tensor};

use crate::functional::{grad, jvp, nested_leaves, settled};
use crate::level::tape_level;
use crate::reverse::{BackwardOptions, gradients};
use crate::structure::{Arguments, Outputs};
use crate::vmap::{Randomness, vmap_with};

/// The unit vectors in the shape of `like`, along a new first dimension.
fn basis(like: &Tensor) -> Result<Tensor> {
    let n = like.numel();
    let shape: Vec<usize> = std::iter::once(n).chain(like.shape().iter().copied()).collect();
    Tensor::eye(n, n, (like.dtype(), like.device()))?.reshape(shape)
}

/// A Jacobian has real numbers: complex functions have two, or one that only holomorphic functions have.
fn want_real(what: &str, t: &Tensor) -> Result<()> {
    if t.dtype().is_float() {
        return Ok(());
    }
    Err(Error::dtype("jacobian", format!("{what} must be real floating-point numbers, got {}", t.dtype())))
}

/// The shape of a Jacobian: that of the result, then that of the input.
fn both(y: &[usize], x: &Tensor) -> Vec<usize> {
    y.iter().chain(x.shape()).copied().collect()
}

/// For each unit vector what `f` makes of it, along `out_dim`. What is drawn inside is the same for all: they ask the same function.
fn over_basis(f: impl FnOnce(&Tensor) -> Result<Vec<Tensor>>, like: &Tensor, out_dim: isize) -> Result<Vec<Tensor>> {
    vmap_with(|u| f(&u[0]), &[&basis(like)?], &[Some(0)], &[Some(out_dim)], Randomness::Same)
}

/// The Jacobian of a function by forward mode, over the elements of `x`: `J[i.., j..] = d f(x)[i..] / d x[j..]`.
///
/// # Errors
/// Those of `f` and of the rules, and if argument or result are not real floating-point numbers.
///
/// ```
/// use rushlight_autograd::{jacfwd, jacrev};
/// use rushlight_tensor::Tensor;
/// let x = Tensor::new([1.0f64, 2.0, 3.0])?;
/// let j = jacfwd(|x| x.square(), &x)?;
/// assert_eq!(j.to_vec::<f64>()?, [2.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 6.0]);
/// assert_eq!(jacrev(|x| x.square(), &x)?.to_vec::<f64>()?, j.to_vec::<f64>()?);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn jacfwd(f: impl FnOnce(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<Tensor> {
    columns(f, x)?.into_iter().next().map_or_else(|| x.zeros_like(), Ok)
}

/// The Jacobians of all results by one tensor, by forward mode.
fn columns<R: Outputs>(f: impl FnOnce(&Tensor) -> Result<R>, x: &Tensor) -> Result<Vec<Tensor>> {
    want_real("arguments", x)?;
    let tangents = |u: &Tensor| {
        let (y, tangents) = jvp(f, x, u)?;
        y.outputs().into_iter().try_for_each(|y| want_real("results", y))?;
        Ok(tangents.outputs().into_iter().cloned().collect())
    };
    let columns = over_basis(tangents, x, -1)?;
    columns.iter().map(|c| c.reshape(both(&c.shape()[..c.dim() - 1], x))).collect()
}

/// The Jacobian of a function by reverse mode, over the elements of the result. The shape is that of [`jacfwd`].
///
/// # Errors
/// As [`jacfwd`].
pub fn jacrev(f: impl FnOnce(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<Tensor> {
    Ok(rows(f, x)?.swap_remove(0).swap_remove(0))
}

/// The Jacobians of all results by all arguments, by reverse mode.
fn rows<A, R>(f: impl FnOnce(&A::View) -> Result<R>, primals: &A) -> Result<Vec<Vec<Tensor>>>
where
    A: Arguments + ?Sized,
    R: Outputs,
{
    primals.tensors().into_iter().try_for_each(|x| want_real("arguments", x))?;
    nested_leaves(primals, |leaves, view| {
        let level = tape_level();
        let results = settled(level, f(view)?);
        results.outputs().into_iter().try_for_each(|y| want_real("results", y))?;
        let inputs: Vec<&Tensor> = leaves.iter().collect();
        let of = |y: &Tensor| -> Result<Vec<Tensor>> {
            if y.trace().is_none_or(|t| t.level() != level) {
                return inputs.iter().map(|x| Tensor::zeros(both(y.shape(), x), (x.dtype(), x.device()))).collect();
            }
            let row = |u: &Tensor| {
                let grads = gradients(&[y], &inputs, &[Some(u)], BackwardOptions::retain_graph())?;
                grads.into_iter().zip(&inputs).map(|(g, x)| g.map_or_else(|| x.detach().zeros_like(), Ok)).collect()
            };
            over_basis(row, y, 0)?.iter().zip(&inputs).map(|(j, x)| j.reshape(both(y.shape(), x))).collect()
        };
        results.outputs().into_iter().map(of).collect()
    })
}

/// Which mode finds a Jacobian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// A pass for each element of the results.
    #[default]
    Reverse,
    /// A pass for each element of the arguments.
    Forward,
}

/// The Jacobians of every result by every argument: `jacobian(..)[i][j]` is that of result i by argument j, of the shape that [`jacfwd`] has.
///
/// # Errors
/// As [`jacfwd`].
///
/// ```
/// use rushlight_autograd::{Strategy, jacobian};
/// use rushlight_tensor::Tensor;
/// let (x, y) = (Tensor::new([1.0f64, 2.0])?, Tensor::new(3.0f64)?);
/// let j = jacobian(|v| Ok((v[0].mul(&v[1])?, v[0].sum()?)), &[&x, &y], Strategy::Reverse)?;
/// assert_eq!(j[0][1].to_vec::<f64>()?, [1.0, 2.0]);
/// assert_eq!(j[1][0].to_vec::<f64>()?, [1.0, 1.0]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn jacobian<A, R>(f: impl Fn(&A::View) -> Result<R>, primals: &A, strategy: Strategy) -> Result<Vec<Vec<Tensor>>>
where
    A: Arguments + ?Sized,
    R: Outputs,
{
    if strategy == Strategy::Reverse {
        return rows(f, primals);
    }
    let points: Vec<Tensor> = primals.tensors().into_iter().cloned().collect();
    let mut by_result: Vec<Vec<Tensor>> = Vec::new();
    for i in 0..points.len() {
        let of_one = |x: &Tensor| {
            let mut all = points.clone();
            all[i] = x.clone();
            f(primals.rebuild(all).borrow())
        };
        for (k, j) in columns(of_one, &points[i])?.into_iter().enumerate() {
            if by_result.len() <= k {
                by_result.push(Vec::with_capacity(points.len()));
            }
            by_result[k].push(j);
        }
    }
    Ok(by_result)
}

/// The Hessian of a function with a one-element result, forward over reverse: `H[i.., j..] = d^2 f / d x[i..] d x[j..]`.
///
/// # Errors
/// Those of `f` and of the rules.
///
/// ```
/// use rushlight_autograd::hessian;
/// use rushlight_tensor::Tensor;
/// // x^2 y
/// let h = hessian(|v| v.select(0, 0)?.square()?.mul(&v.select(0, 1)?), &Tensor::new([3.0f64, 5.0])?)?;
/// assert_eq!(h.to_vec::<f64>()?, [10.0, 6.0, 6.0, 0.0]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn hessian(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<Tensor> {
    jacfwd(|x| grad(&f, x), x)
}

/// The blocks of the Hessian of a function of several tensors: `hessians(..)[i][j]` holds the second derivatives by argument i, then by argument j.
///
/// # Errors
/// Those of `f` and of the rules.
///
/// ```
/// use rushlight_autograd::hessians;
/// use rushlight_tensor::Tensor;
/// let (x, y) = (Tensor::new(3.0f64)?, Tensor::new(5.0f64)?);
/// let h = hessians(|v| v[0].square()?.mul(&v[1]), &[&x, &y])?;
/// assert_eq!((h[0][0].item::<f64>()?, h[0][1].item::<f64>()?, h[1][1].item::<f64>()?), (10.0, 6.0, 0.0));
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn hessians<A>(f: impl Fn(&A::View) -> Result<Tensor>, x: &A) -> Result<Vec<Vec<Tensor>>>
where
    A: Arguments + ?Sized,
{
    jacobian(|x: &A::View| grad(&f, x), x, Strategy::Forward)
}

/// The gradient of a function with a one-element result, and its Hessian times `v`, without the Hessian: one pass forward over reverse.
///
/// # Errors
/// Those of `f` and of the rules, and if `v` does not fit `x`.
pub fn hvp<A, B>(f: impl Fn(&A::View) -> Result<Tensor>, x: &A, v: &B) -> Result<(A::Owned, A::Owned)>
where
    A: Arguments + ?Sized,
    B: Arguments + ?Sized,
{
    jvp(|x: &A::View| grad(&f, x), x, v)
}
