//! Whole matrices of derivatives: Jacobians by either mode, Hessians, and products with them.
//!
//! Forward mode gives columns, reverse mode rows: the way that has fewer is the cheaper one. All of them are found at once, by `vmap` over the unit vectors. All of these are functions of tensors again,
//! so they nest in each other and in `grad`, `vjp` and `jvp`.

use rushlight_tensor::{Error, Result, Tensor};

use crate::functional::{grad, jvp, nested_leaves};
use crate::reverse::{Autograd, BackwardOptions, grad_of};
use crate::vmap::vmap;

/// The unit vectors in the shape of `like`, along a new first dimension.
fn basis(like: &Tensor) -> Result<Tensor> {
    let n = like.numel();
    let shape: Vec<usize> = std::iter::once(n).chain(like.shape().iter().copied()).collect();
    Tensor::eye(n, n, (like.dtype(), like.device()))?.reshape(shape)
}

/// The shape of a Jacobian: that of the result, then that of the input.
fn both(y: &[usize], x: &Tensor) -> Vec<usize> {
    y.iter().chain(x.shape()).copied().collect()
}

/// The Jacobian of a function by forward mode, over the elements of `x`: `J[i.., j..] = d f(x)[i..] / d x[j..]`.
///
/// # Errors
/// Those of `f` and of the rules.
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
    let columns = vmap(|u| Ok(jvp(|x| f(&x[0]), &[x], &[&u[0]])?.1), &[&basis(x)?], &[Some(0)], -1)?;
    columns.reshape(both(&columns.shape()[..columns.dim() - 1], x))
}

/// The Jacobian of a function by reverse mode, over the elements of the result. The shape is that of [`jacfwd`].
///
/// # Errors
/// Those of `f` and of the rules.
pub fn jacrev(f: impl FnOnce(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<Tensor> {
    nested_leaves(&[x], |leaves| {
        let y = f(&leaves[0])?;
        if !y.is_requires_grad() {
            return Tensor::zeros(both(y.shape(), x), (x.dtype(), x.device()));
        }
        let row = |u: &[Tensor]| {
            let grads = grad_of(&[&y], &[&leaves[0]], &[Some(&u[0])], BackwardOptions::default())?;
            grads.into_iter().next().flatten().map_or_else(|| x.zeros_like(), Ok)
        };
        vmap(row, &[&basis(&y)?], &[Some(0)], 0)?.reshape(both(y.shape(), x))
    })
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

/// The gradient of a function with a one-element result, and its Hessian times `v`, without the Hessian: one pass forward over reverse.
///
/// # Errors
/// Those of `f` and of the rules, and if `v` does not fit `x`.
pub fn hvp(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
    if x.shape() != v.shape() {
        return Err(Error::shape("hvp", format!("a vector {:?} does not fit a tensor {:?}", v.shape(), x.shape())));
    }
    jvp(|x| grad(&f, &x[0]), &[x], &[v])
}
