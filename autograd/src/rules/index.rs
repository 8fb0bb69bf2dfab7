//! Reading and writing by index: linear in the values.

use rushlight_backend::op::{Index, ScatterReduction};
use rushlight_tensor::{Error, Result, Tensor, apply1};

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

/// The derivatives of a scatter by products or extrema: of each element of the result by x there, and by each element of the source that goes there.
/// They are PyTorch's: equal extrema share, and a single zero among factors is left out of the product that multiplies its tangent.
fn reduced(dim: usize, kind: ScatterReduction, ctx: &Ctx<'_>) -> Result<(Tensor, Tensor)> {
    let (x, index, source, y) = (ctx.input(0)?, ctx.input(1)?, ctx.input(2)?, ctx.output(0)?);
    let d = dim as isize;
    let product = |x: &Tensor, source: &Tensor| apply1(Index::ScatterReduce { dim, kind }, [x, index, source]);
    if kind != ScatterReduction::Prod {
        let is = |a: &Tensor, b: &Tensor| a.eq(b)?.to_dtype(x.dtype());
        let (x_is, source_is) = (is(x, y)?, is(source, &y.gather(d, index)?)?);
        let shares = x_is.scatter_add(d, index, &source_is)?.reciprocal()?;
        let of_source = shares.gather(d, index)?.mul(&source_is)?;
        // Where nobody is the extremum (NaN) nothing is shared.
        return Ok((x_is.eq(0)?.where_(0.0, &shares)?, source_is.eq(0)?.where_(0.0, &of_source)?));
    }
    let filled = x.eq(0)?.where_(1.0, x)?;
    let by_x = product(&filled, source)?.div(&filled)?;
    let zero = source.eq(0)?;
    let zeros = x.zeros_like()?.detach().scatter_add(d, index, &zero.to_dtype(x.dtype())?)?.gather(d, index)?;
    let alone = zero.logical_and(&zeros.eq(1)?)?;
    let without = product(x, &alone.where_(1.0, source)?)?.gather(d, index)?;
    let by_source = alone.where_(&without, &y.gather(d, index)?.div(&zero.where_(1.0, source)?)?)?;
    Ok((by_x, by_source))
}

impl Rule for Index {
    fn kind(&self) -> Kind {
        match self {
            Index::ScatterReduce { .. } => Kind::General,
            Index::Ravel { .. } | Index::Nonzero { .. } => Kind::NotDifferentiable,
            _ => Kind::Linear,
        }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        match self {
            Index::ScatterReduce { .. } => Saves { inputs: 7, outputs: 1 },
            _ => Saves::inputs(2),
        }
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let Index::ScatterReduce { dim, kind } = *self else { return Ok(None) };
        let [of_x, _, of_source] = tangents else { return Ok(None) };
        let (by_x, by_source) = reduced(dim, kind, ctx)?;
        let start = match of_x {
            Some(t) => t.mul(&by_x)?,
            None => by_x.zeros_like()?,
        };
        let sum = match of_source {
            Some(t) => start.scatter_add(dim as isize, ctx.input(1)?, &t.mul(&by_source)?)?,
            None => start,
        };
        Ok(Some(smallvec::smallvec![Some(sum)]))
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = only(ctx, grads)?;
        let index = ctx.input(1)?;
        // One zero, repeated: what is added to it is the first to write the memory.
        let zeros = || {
            let x = ctx.input_meta(0);
            Tensor::zeros((), (x.dtype, g.device()))?.expand(x.shape)
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
            Index::ScatterReduce { dim, kind } => {
                let (by_x, by_source) = reduced(dim, kind, ctx)?;
                let of_source = || g.gather(dim as isize, index)?.mul(&by_source);
                smallvec::smallvec![ctx.needs(0).then(|| g.mul(&by_x)).transpose()?, None, ctx.needs(2).then(of_source).transpose()?]
            }
            Index::Embedding { padding_idx, scale_grad_by_freq } => {
                let mut g = g.clone();
                if let Some(i) = padding_idx {
                    g = index.eq(i)?.unsqueeze(-1)?.where_(0.0, &g)?;
                }
                let places = index.reshape(-1)?;
                let mut rows = g.reshape([places.numel(), ctx.input_meta(0).shape[1]])?;
                if scale_grad_by_freq {
                    let counts = places.bincount(None, 0)?.index_select(0, &places)?.unsqueeze(-1)?;
                    rows = rows.div(&counts.to_dtype(rows.dtype())?)?;
                }
                smallvec::smallvec![Some(zeros()?.index_add(0, &places, &rows)?), None]
            }
            Index::Ravel { .. } | Index::Nonzero { .. } => return Err(Error::autograd("index", "places have no derivative")),
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
