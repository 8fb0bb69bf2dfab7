//! Reading and writing by index: linear in the values.

use rushlight_backend::op::Index;
use rushlight_tensor::{Result, Tensor};

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

impl Rule for Index {
    fn kind(&self) -> Kind {
        Kind::Linear
    }

    fn saves(&self, _: &[bool]) -> Saves {
        Saves::inputs(2)
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = only(ctx, grads)?;
        let index = ctx.input(1)?;
        let zeros = || {
            let x = ctx.input_meta(0);
            Tensor::zeros(x.shape, (x.dtype, g.device()))
        };
        // A scatter's source may be larger than its index: what lies beyond was not read.
        let source = |dim: isize| -> Result<Tensor> {
            let (picked, shape) = (g.gather(dim, index)?, ctx.input_meta(2).shape);
            let mut out = picked;
            for d in 0..shape.len() {
                if out.shape()[d] != shape[d] {
                    let mut full = out.shape().to_vec();
                    full[d] = shape[d];
                    let len = out.shape()[d] as isize;
                    out = Tensor::zeros(full, (out.dtype(), out.device()))?.slice_scatter(&out, d as isize, 0, len, 1)?;
                }
            }
            Ok(out)
        };
        Ok(match *self {
            Index::Select { dim } => smallvec::smallvec![Some(zeros()?.index_add(dim as isize, index, g)?), None],
            Index::Gather { dim } => smallvec::smallvec![Some(zeros()?.scatter_add(dim as isize, index, g)?), None],
            Index::Add { dim } => {
                smallvec::smallvec![Some(g.clone()), None, ctx.needs(2).then(|| g.index_select(dim as isize, index)).transpose()?]
            }
            Index::ScatterAdd { dim } => {
                smallvec::smallvec![Some(g.clone()), None, ctx.needs(2).then(|| source(dim as isize)).transpose()?]
            }
            Index::Scatter { dim } => {
                let kept = || {
                    let zero = Tensor::zeros((), (g.dtype(), g.device()))?.expand(index.shape())?;
                    g.scatter(dim as isize, index, &zero)
                };
                smallvec::smallvec![ctx.needs(0).then(kept).transpose()?, None, ctx.needs(2).then(|| source(dim as isize)).transpose()?]
            }
        })
    }
}
