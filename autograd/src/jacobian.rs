//! Whole matrices of derivatives: Jacobians by either mode, Hessians, and products with them.
//!
//! Forward mode gives a column at a time, reverse mode a row: the one that has fewer is the cheaper way. All of these are functions of tensors again,
//! so they nest in each other and in `grad`, `vjp` and `jvp`.

use rushlight_tensor::{Error, Result, Tensor};

use crate::functional::{grad, jvp, nested_leaves};
use crate::reverse::{BackwardOptions, grad_of};

/// The i-th unit vector in the shape of `like`.
fn unit(like: &Tensor, i: usize) -> Result<Tensor> {
    let n = like.numel();
    let zero = Tensor::zeros(n, (like.dtype(), like.device()))?;
    let one = Tensor::ones(1, (like.dtype(), like.device()))?;
    zero.slice_scatter(&one, 0, i as isize, i as isize + 1, 1)?.reshape(like.shape())
}

/// Vectors side by side along a new dimension, in the shape of a Jacobian: that of the result, then that of the input.
fn assemble(vectors: &[Tensor], dim: isize, y: &[usize], x: &Tensor) -> Result<Tensor> {
    let shape: Vec<usize> = y.iter().chain(x.shape()).copied().collect();
    if vectors.is_empty() {
        return Tensor::zeros(shape, (x.dtype(), x.device()));
    }
    let flat = vectors.iter().map(|v| v.reshape(v.numel())).collect::<Result<Vec<_>>>()?;
    let flat: Vec<&Tensor> = flat.iter().collect();
    Tensor::stack(&flat, dim)?.reshape(shape)
}

/// The Jacobian of a function by forward mode, one pass an element of `x`: `J[i.., j..] = d f(x)[i..] / d x[j..]`.
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
pub fn jacfwd(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<Tensor> {
    let mut shape = None;
    let mut columns = Vec::with_capacity(x.numel());
    for i in 0..x.numel() {
        let (y, column) = jvp(|x| f(&x[0]), &[x], &[&unit(x, i)?])?;
        shape.get_or_insert_with(|| y.shape().to_vec());
        columns.push(column);
    }
    let shape = match shape {
        Some(shape) => shape,
        None => f(x)?.shape().to_vec(),
    };
    assemble(&columns, 1, &shape, x)
}

/// The Jacobian of a function by reverse mode, one backward pass an element of the result. The shape is that of [`jacfwd`].
///
/// # Errors
/// Those of `f` and of the rules.
pub fn jacrev(f: impl FnOnce(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<Tensor> {
    nested_leaves(&[x], |leaves| {
        let y = f(&leaves[0])?;
        let rows = (0..y.numel())
            .map(|i| {
                let seed = unit(&y, i)?;
                let grads = match crate::reverse::Autograd::is_requires_grad(&y) {
                    true => grad_of(&[&y], &[&leaves[0]], &[Some(&seed)], BackwardOptions::retain_graph())?,
                    false => vec![None],
                };
                grads.into_iter().next().flatten().map_or_else(|| x.zeros_like(), Ok)
            })
            .collect::<Result<Vec<_>>>()?;
        assemble(&rows, 0, y.shape(), x)
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
