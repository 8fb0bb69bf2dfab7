//! `torch.masked`: reductions that pass over elements.

use rushlight_tensor::{DType, Result, Tensor, masked};

use super::reduce::spread_arguments;
use crate::args::Args;
use crate::outcome::CaseResult;
use crate::registry::Registry;

type OverDims = fn(&Tensor, &[isize], bool, Option<&Tensor>) -> Result<Tensor>;

/// `dtype=None, mask=None`: the input in the dtype, and the mask.
fn dtype_and_mask(a: &mut Args, x: Tensor) -> CaseResult<(Tensor, Option<Tensor>)> {
    let dtype: Option<DType> = a.opt_dtype("dtype")?;
    let x = dtype.map_or_else(|| Ok(x.clone()), |d| x.to_dtype(d))?;
    Ok((x, a.opt_tensor("mask")?))
}

/// `op(input, dim=None, *, keepdim=False, dtype=None, mask=None)`.
fn over_dims(r: &mut Registry, name: &'static str, f: OverDims) {
    r.op(name, move |a| {
        let (x, dims, keepdim) = (a.tensor("input")?, a.opt_ints("dim")?, a.bool_or("keepdim", false)?);
        let (x, mask) = dtype_and_mask(a, x)?;
        Ok(f(&x, &dims.unwrap_or_default(), keepdim, mask.as_ref())?)
    });
}

/// `op(input, dim=None, *, keepdim=False, dtype=None, mask=None)` for one dimension.
fn one_dim(r: &mut Registry, name: &'static str, f: fn(&Tensor, Option<isize>, bool, Option<&Tensor>) -> Result<Tensor>) {
    r.op(name, move |a| {
        let (x, dim, keepdim) = (a.tensor("input")?, a.opt_int("dim")?, a.bool_or("keepdim", false)?);
        let (x, mask) = dtype_and_mask(a, x)?;
        Ok(f(&x, dim, keepdim, mask.as_ref())?)
    });
}

/// `op(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None)`.
fn spread(r: &mut Registry, name: &'static str, f: fn(&Tensor, &[isize], f64, bool, Option<&Tensor>) -> Result<Tensor>) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let (dims, correction, keepdim) = spread_arguments(a)?;
        let (x, mask) = dtype_and_mask(a, x)?;
        Ok(f(&x, &dims.unwrap_or_default(), correction, keepdim, mask.as_ref())?)
    });
}

/// `op(input, dim, *, dtype=None, mask=None)`.
fn cumulative(r: &mut Registry, name: &'static str, f: fn(&Tensor, isize, Option<&Tensor>) -> Result<Tensor>) {
    r.op(name, move |a| {
        let (x, dim) = (a.tensor("input")?, a.int("dim")?);
        let (x, mask) = dtype_and_mask(a, x)?;
        Ok(f(&x, dim, mask.as_ref())?)
    });
}

pub(super) fn register(r: &mut Registry) {
    over_dims(r, "masked.sum", |x, d, k, m| masked::sum(x, d, k, m));
    over_dims(r, "masked.prod", |x, d, k, m| masked::prod(x, d, k, m));
    over_dims(r, "masked.amax", |x, d, k, m| masked::amax(x, d, k, m));
    over_dims(r, "masked.amin", |x, d, k, m| masked::amin(x, d, k, m));
    over_dims(r, "masked.mean", |x, d, k, m| masked::mean(x, d, k, m));
    over_dims(r, "masked.logsumexp", |x, d, k, m| masked::logsumexp(x, d, k, m));
    cumulative(r, "masked.cumsum", masked::cumsum);
    cumulative(r, "masked.cumprod", masked::cumprod);
    r.op("masked.median", |a| {
        let (x, dim, keepdim) = (a.tensor("input")?, a.int_or("dim", -1)?, a.bool_or("keepdim", false)?);
        let (x, mask) = dtype_and_mask(a, x)?;
        Ok(masked::median(&x, dim, keepdim, mask.as_ref())?)
    });
    one_dim(r, "masked.argmax", masked::argmax);
    one_dim(r, "masked.argmin", masked::argmin);
    spread(r, "masked.var", |x, d, c, k, m| masked::var(x, d, c, k, m));
    spread(r, "masked.std", |x, d, c, k, m| masked::std(x, d, c, k, m));
    r.op("masked.norm", |a| {
        let (x, p) = (a.tensor("input")?, a.float_or("ord", 2.0)?);
        let (dims, keepdim) = (a.opt_ints("dim")?, a.bool_or("keepdim", false)?);
        let (x, mask) = dtype_and_mask(a, x)?;
        Ok(masked::norm(&x, p, dims.unwrap_or_default(), keepdim, mask.as_ref())?)
    });
    r.op("masked.logaddexp", |a| {
        let (x, y) = (a.tensor("input")?, a.tensor("other")?);
        let (x, x_mask) = match a.opt_dtype("dtype")? {
            Some(d) => (x.to_dtype(d)?, a.opt_tensor("input_mask")?),
            None => (x, a.opt_tensor("input_mask")?),
        };
        Ok(masked::logaddexp(&x, &y, x_mask.as_ref(), a.opt_tensor("other_mask")?.as_ref())?)
    });
}
