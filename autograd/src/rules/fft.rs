//! Fourier transforms: all linear.

use rushlight_backend::op::Fft;
use rushlight_tensor::{Result, Tensor, apply1};

use crate::rule::{Ctx, Grads, Kind, Rule, only};

/// Numbers along a dimension of `n / 2 + 1` that stand for n: `inside` for those that stand for two, 1 for the others.
fn weights(n: usize, inside: f64, like: &Tensor, dim: usize) -> Result<Tensor> {
    let w: Vec<f64> = (0..n / 2 + 1).map(|k| if k == 0 || 2 * k == n { 1.0 } else { inside }).collect();
    let mut shape = vec![1; like.dim()];
    shape[dim] = w.len();
    let dtype = if like.dtype().size() == 16 { rushlight_backend::DType::F64 } else { rushlight_backend::DType::F32 };
    Tensor::from_vec(w, shape, like.device())?.to_dtype(dtype)
}

impl Rule for Fft {
    fn kind(&self) -> Kind {
        Kind::Linear
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = only(ctx, grads)?;
        Ok(smallvec::smallvec![Some(match self {
            // The matrix is symmetric: its adjoint is its conjugate.
            Fft::Complex { dims, inverse, scale } => {
                apply1(Fft::Complex { dims: dims.clone(), inverse: !inverse, scale: *scale }, [g])?
            }
            // The real part of a sum over half of the points: those that `ToReal` counts twice count half.
            Fft::FromReal { dim, inverse, scale } => {
                let n = ctx.input_meta(0).shape[*dim];
                let halved = g.mul(&weights(n, 0.5, g, *dim)?)?;
                apply1(Fft::ToReal { dim: *dim, n, inverse: !inverse, scale: *scale }, [&halved])?
            }
            Fft::ToReal { dim, n, inverse, scale } => {
                let y = apply1(Fft::FromReal { dim: *dim, inverse: !inverse, scale: *scale }, [g])?;
                y.mul(&weights(*n, 2.0, &y, *dim)?)?
            }
        })])
    }
}
