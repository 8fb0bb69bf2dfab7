//! Resampling. Interpolation is linear; samples at a grid are linear in what is sampled, but not in the grid.

use rushlight_backend::op::{Resample, Spatial};
use rushlight_tensor::{Error, Result, Tensor, apply, apply1, grid_sample_tangent};

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

impl Rule for Resample {
    fn kind(&self) -> Kind {
        match self {
            Resample::Forward(_) | Resample::Grad { .. } => Kind::Linear,
            Resample::Grid(_) => Kind::General,
            Resample::GridGrad(_) => Kind::Decomposed,
        }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        if matches!(self, Resample::Grid(_)) { Saves::inputs(3) } else { Saves::NONE }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = only(ctx, grads)?;
        let dx = match *self {
            Resample::Forward(of) => {
                let size = Spatial::of_shape("interpolate", &ctx.input_meta(0).shape[2..])?;
                apply1(Resample::Grad { of, size }, [g])?
            }
            Resample::Grad { of, .. } => apply1(Resample::Forward(of), [g])?,
            Resample::Grid(with) => {
                return Ok(apply(Resample::GridGrad(with), [g, ctx.input(0)?, ctx.input(1)?])?.into_iter().map(Some).collect());
            }
            Resample::GridGrad(_) => return Err(Error::autograd("grid_sample", "has no rule of its own")),
        };
        Ok(smallvec::smallvec![Some(dx)])
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let Resample::Grid(with) = *self else { return Ok(None) };
        let of = |i: usize| tangents.get(i).and_then(Option::as_ref);
        Ok(Some(smallvec::smallvec![grid_sample_tangent(ctx.input(0)?, ctx.input(1)?, of(0), of(1), with)?]))
    }
}
