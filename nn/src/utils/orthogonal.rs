//! Orthogonal weights: `torch.nn.utils.parametrizations.orthogonal`.

use std::sync::atomic::{AtomicBool, Ordering};

use rushlight_autograd::no_grad;
use rushlight_tensor::{DType, Error, Result, Tensor, linalg};

use super::parametrize::{Parametrization, register_parametrization};
use crate::{Buffer, Module, Parameter};

const NAME: &str = "orthogonal";

/// How an orthogonal matrix is made of one that is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrthogonalMap {
    /// The exponential of a skew-symmetric matrix.
    MatrixExp,
    /// `(I + A/2) (I - A/2)^-1` of a skew-symmetric matrix A.
    Cayley,
    /// A product of reflections.
    Householder,
}

/// Has a weight be orthogonal (unitary if it is complex) while it is learned: `Q^T Q = I`, or `Q Q^T = I` where it has fewer rows than columns. Of more than two dimensions
/// each matrix of the last two is. Without a map it is the exponential for square or complex matrices, else reflections. With `use_trivialization` (PyTorch's
/// default) the learned matrix says how the weight differs from a `base` (Lezcano-Casado, 2019), a buffer, and the weight can be set.
///
/// # Errors
/// If the parameter has fewer than two dimensions or is pruned, or reflections are wanted of a complex one.
///
/// ```
/// use rushlight_nn::utils::parametrizations::orthogonal;
/// use rushlight_nn::{Linear, Module};
/// use rushlight_tensor::Tensor;
///
/// let layer = Linear::new(20, 40)?;
/// orthogonal(&layer.weight, None, true)?;
/// let q = layer.weight.tensor();
/// assert!(q.t()?.matmul(&q)?.sub(&Tensor::eye(20, None, ())?)?.abs()?.max()?.to_f64()? < 1e-5);
/// assert_eq!(layer.state_dict()[2].0, "parametrizations.weight.0.base");
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn orthogonal(parameter: &Parameter, map: Option<OrthogonalMap>, use_trivialization: bool) -> Result<()> {
    let shape = parameter.shape();
    let &[.., rows, cols] = &shape[..] else {
        return Err(Error::shape(NAME, format!("wants a matrix or a batch of them, got {shape:?}")));
    };
    let complex = parameter.dtype().is_complex();
    let map = map.unwrap_or(if rows == cols || complex { OrthogonalMap::MatrixExp } else { OrthogonalMap::Householder });
    if complex && map == OrthogonalMap::Householder {
        return Err(Error::dtype(NAME, "reflections make no complex matrices"));
    }
    let mut square = shape.clone();
    let size = rows.max(cols);
    square.splice(shape.len() - 2.., [size, size]);
    let base = use_trivialization.then(|| Tensor::zeros(square, (parameter.dtype(), parameter.device()))).transpose()?;
    let base = base.map(Buffer::new);
    register_parametrization(parameter, Orthogonal { base, map, registered: AtomicBool::new(false) })
}

#[derive(Module)]
#[module(name = "_Orthogonal")]
struct Orthogonal {
    base: Option<Buffer>,
    #[module(skip)]
    map: OrthogonalMap,
    /// Whether the first value has been seen: where the map has no inverse, it is learned from there.
    #[module(skip)]
    registered: AtomicBool,
}

/// A matrix that is not wider than high, and whether it was turned for that.
fn tall(x: &Tensor) -> Result<(Tensor, bool)> {
    let wide = x.shape()[x.dim() - 2] < x.shape()[x.dim() - 1];
    Ok((if wide { x.mt()? } else { x.clone() }, wide))
}

/// The orthogonal matrix of a QR decomposition whose other matrix has a positive diagonal.
fn made_orthogonal(x: &Tensor) -> Result<Tensor> {
    let (reflectors, tau) = linalg::geqrf(x)?;
    linalg::householder_product(&reflectors, &tau)?.mul(&reflectors.diagonal(0, -2, -1)?.sgn()?.unsqueeze(-2)?)
}

fn is_orthogonal(q: &Tensor) -> Result<bool> {
    let n = q.shape()[q.dim() - 1];
    let precision = if matches!(q.dtype(), DType::F64 | DType::C128) { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let product = q.mh()?.matmul(q)?;
    let identity = Tensor::eye(n, None, (q.dtype(), q.device()))?.expand(product.shape())?;
    product.allclose(&identity, 1e-5, 10.0 * q.shape()[q.dim() - 2] as f64 * precision, false)
}

impl Orthogonal {
    /// The square matrix of a skew-symmetric one, which the lower triangle of `x` says.
    fn of_skew(&self, x: &Tensor) -> Result<Tensor> {
        let (n, k) = (x.shape()[x.dim() - 2], x.shape()[x.dim() - 1]);
        let mut x = x.tril(0)?;
        if n != k {
            let mut rest = x.shape().to_vec();
            rest[x.dim() - 1] = n - k;
            let rest = Tensor::zeros(rest, (x.dtype(), x.device()))?;
            x = Tensor::cat(&[x, rest], -1)?;
        }
        let a = x.sub(&x.mh()?)?;
        if self.map == OrthogonalMap::MatrixExp {
            return linalg::matrix_exp(&a);
        }
        let (half, identity) = (a.mul(0.5)?, Tensor::eye(n, None, (a.dtype(), a.device()))?);
        linalg::solve(&identity.sub(&half)?, &identity.add(&half)?)
    }
}

impl Parametrization for Orthogonal {
    fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
        let [x] = originals else {
            return Err(Error::value(NAME, format!("wants one original, got {}", originals.len())));
        };
        let (x, turned) = tall(x)?;
        let mut q = if self.map == OrthogonalMap::Householder {
            let a = x.tril(-1)?;
            let tau = a.square()?.sum_dim(-2, false)?.add(1.0)?.reciprocal()?.mul(2.0)?;
            // The diagonal holds signs, which are not learned.
            let signs = x.detach().diagonal(0, -2, -1)?.trunc()?.unsqueeze(-2)?;
            linalg::householder_product(&a, &tau)?.mul(&signs)?
        } else {
            self.of_skew(&x)?.narrow(-1, 0, x.shape()[x.dim() - 1])?
        };
        if let Some(base) = &self.base {
            q = base.tensor().matmul(&q)?;
        }
        if turned { q.mt() } else { Ok(q) }
    }

    fn right_inverse(&self, value: &Tensor) -> Result<Vec<Tensor>> {
        no_grad(|| {
            let first = !self.registered.swap(true, Ordering::Relaxed);
            let options = (value.dtype(), value.device());
            let (q, turned) = tall(value)?;
            let (n, k) = (q.shape()[q.dim() - 2], q.shape()[q.dim() - 1]);
            let Some(base) = &self.base else {
                if self.map != OrthogonalMap::Householder {
                    return if first {
                        Ok(vec![value.clone()])
                    } else {
                        Err(Error::unsupported(NAME, "without trivialisation only a weight of reflections can be set"))
                    };
                }
                let (a, tau) = linalg::geqrf(&q)?;
                let signs = a.diagonal(0, -2, -1)?.sgn()?;
                let signs = tau.eq(0.0)?.where_(&signs.neg()?, &signs)?;
                let diagonal = Tensor::eye(n, k, options)?;
                let a = a.mul(&diagonal.neg()?.add(1.0)?)?.add(&diagonal.mul(&signs.unsqueeze(-2)?)?)?;
                return Ok(vec![if turned { a.mt()?.contiguous()? } else { a }]);
            };
            let whole = if n == k {
                if is_orthogonal(&q)? { q } else { made_orthogonal(&q)? }
            } else {
                let mut rest = q.shape().to_vec();
                rest[q.dim() - 1] = n - k;
                made_orthogonal(&Tensor::cat(&[q.clone(), Tensor::randn(rest, options)?], -1)?)?
            };
            base.set(&whole)?;
            let identity = Tensor::eye(value.shape()[value.dim() - 2], value.shape()[value.dim() - 1], options)?;
            Ok(vec![identity.neg()?.expand(value.shape())?.contiguous()?])
        })
    }
}
