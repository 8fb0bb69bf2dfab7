//! Resampling is linear.

use rushlight_backend::op::{Resample, Spatial};
use rushlight_tensor::{Result, Tensor, apply1};

use crate::rule::{Ctx, Grads, Kind, Rule, only};

impl Rule for Resample {
    fn kind(&self) -> Kind {
        Kind::Linear
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = only(ctx, grads)?;
        Ok(smallvec::smallvec![Some(match *self {
            Resample::Forward(of) => {
                let size = Spatial::of_shape("interpolate", &ctx.input_meta(0).shape[2..])?;
                apply1(Resample::Grad { of, size }, [g])?
            }
            Resample::Grad { of, .. } => apply1(Resample::Forward(of), [g])?,
        })])
    }
}
