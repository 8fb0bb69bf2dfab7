//! Over dimensions.

use rushlight_backend::op::{Reduce, Reduction};
use rushlight_backend::{Shape, numel};
use rushlight_tensor::{Result, Tensor};

mod norm;

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

/// The number of elements that fall together.
fn count(reduce: &Reduce, shape: &[usize]) -> usize {
    let sizes: Shape = reduce.dims.iter().filter_map(|&d| shape.get(d).copied()).collect();
    numel(&sizes)
}

/// A tensor of the result's shape with the reduced dimensions as size 1, so that it broadcasts over the input.
fn kept(reduce: &Reduce, x_shape: &[usize], t: &Tensor) -> Result<Tensor> {
    let shape: Shape = x_shape.iter().enumerate().map(|(i, &n)| if reduce.dims.contains(&i) { 1 } else { n }).collect();
    t.reshape(shape.as_slice())
}

/// The derivative of the variance with respect to x, of x's shape: `2 (x - mean) / (n - correction)`.
fn var_derivative(reduce: &Reduce, x: &Tensor, correction: f64) -> Result<Tensor> {
    let dims: Vec<usize> = reduce.dims.to_vec();
    let centred = if dims.is_empty() { x.sub(x)? } else { x.sub(&x.mean_dim(dims, true)?)? };
    centred.mul(2.0 / (count(reduce, x.shape()) as f64 - correction))
}

/// The sum over the dimensions that are reduced; without any the tensor itself.
fn total(reduce: &Reduce, t: &Tensor, keepdim: bool) -> Result<Tensor> {
    if reduce.dims.is_empty() { Ok(t.clone()) } else { t.sum_dim(reduce.dims.to_vec(), keepdim) }
}

/// The share of the gradient that each element gets of the extremum: 1 over the number of equal ones. NaN, which equals nothing, has none to
/// give: all get NaN, as in PyTorch.
fn shares(reduce: &Reduce, ctx: &Ctx<'_>) -> Result<Tensor> {
    let x = ctx.input(0)?;
    let y = kept(reduce, x.shape(), ctx.output(0)?)?;
    let mask = x.eq(&y)?.to_dtype(x.dtype())?;
    if reduce.dims.is_empty() { Ok(mask) } else { mask.div(&mask.sum_dim(reduce.dims.to_vec(), true)?) }
}

/// The derivative of the product: the product of the others. Without a zero that is the result over x; with zeros it is found by exclusive
/// products from both sides.
fn product_of_others(reduce: &Reduce, ctx: &Ctx<'_>) -> Result<Tensor> {
    let x = ctx.input(0)?;
    if x.all_values().all()?.item::<bool>()? {
        return kept(reduce, x.shape(), ctx.output(0)?)?.div(x);
    }
    let mut total = Tensor::ones((), (x.dtype(), x.device()))?;
    // The dimensions made one, at the end; then exclusive products from both sides.
    let rest: Vec<usize> = (0..x.dim()).filter(|d| !reduce.dims.contains(d)).collect();
    let order: Vec<usize> = rest.iter().chain(&reduce.dims).copied().collect();
    let mut shape: Vec<usize> = rest.iter().map(|&d| x.shape()[d]).collect();
    let n = count(reduce, x.shape());
    shape.push(n);
    let flat = x.permute(order.clone())?.reshape(shape)?;
    let columns = (0..n).map(|i| flat.narrow(-1, i as isize, 1)).collect::<Result<Vec<_>>>()?;
    let mut before = Vec::with_capacity(n);
    for c in &columns {
        before.push(total.clone());
        total = total.mul(c)?;
    }
    let mut after = Tensor::ones((), (x.dtype(), x.device()))?;
    let mut others = vec![None; n];
    for i in (0..n).rev() {
        others[i] = Some(before[i].mul(&after)?.expand(columns[i].shape())?);
        after = after.mul(&columns[i])?;
    }
    let others: Vec<Tensor> = others.into_iter().flatten().collect();
    if others.is_empty() {
        return x.zeros_like();
    }
    let sizes: Vec<usize> = order.iter().map(|&d| x.shape()[d]).collect();
    let mut back = vec![0usize; order.len()];
    for (to, &from) in order.iter().enumerate() {
        back[from] = to;
    }
    Tensor::cat(&others, -1)?.reshape(sizes)?.permute(back)
}

/// d output / d x, of x's shape, for the reductions that are differentiated so.
fn local(reduce: &Reduce, ctx: &Ctx<'_>) -> Result<Tensor> {
    match reduce.kind {
        Reduction::Prod => product_of_others(reduce, ctx),
        Reduction::Var { correction } => var_derivative(reduce, ctx.input(0)?, correction),
        _ => shares(reduce, ctx),
    }
}

impl Rule for Reduce {
    fn kind(&self) -> Kind {
        match self.kind {
            Reduction::Sum | Reduction::Mean => Kind::Linear,
            Reduction::Argmax | Reduction::Argmin | Reduction::All | Reduction::Any => Kind::NotDifferentiable,
            _ => Kind::General,
        }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        match self.kind {
            Reduction::Var { .. } => Saves::inputs(1),
            Reduction::Norm { p } => norm::saves(p),
            Reduction::Prod | Reduction::Amax | Reduction::Amin => Saves { inputs: 1, outputs: 1 },
            Reduction::Max | Reduction::Min => Saves::outputs(2),
            _ => Saves::NONE,
        }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let x = ctx.input_meta(0);
        let g = kept(self, x.shape, only(ctx, grads)?)?;
        Ok(smallvec::smallvec![Some(match self.kind {
            Reduction::Sum => g.expand(x.shape)?,
            Reduction::Mean => g.div(count(self, x.shape) as f64)?.expand(x.shape)?,
            Reduction::Max | Reduction::Min => {
                let zeros = Tensor::zeros(x.shape, (x.dtype, g.device()))?;
                match x.shape.is_empty() {
                    true => g,
                    false => zeros.scatter(self.dims[0] as isize, &kept(self, x.shape, ctx.output(1)?)?, &g)?,
                }
            }
            Reduction::Norm { p } => norm::vjp(self, p, ctx, &g)?,
            _ => g.mul(&local(self, ctx)?)?,
        })])
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let (Kind::General, Some(Some(t))) = (self.kind(), tangents.first()) else { return Ok(None) };
        if matches!(self.kind, Reduction::Max | Reduction::Min) {
            let x = ctx.input_meta(0);
            let tangent = match x.shape.is_empty() {
                true => t.clone(),
                false => t.gather(self.dims[0] as isize, &kept(self, x.shape, ctx.output(1)?)?)?.reshape(ctx.output_meta(0).shape)?,
            };
            return Ok(Some(smallvec::smallvec![Some(tangent), None]));
        }
        if let Reduction::Norm { p } = self.kind {
            return Ok(Some(smallvec::smallvec![Some(norm::jvp(self, p, ctx, t)?)]));
        }
        let weighted = t.mul(&local(self, ctx)?)?;
        let tangent = total(self, &weighted, self.keepdim)?;
        Ok(Some(smallvec::smallvec![Some(tangent)]))
    }
}
