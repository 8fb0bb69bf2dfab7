//! Sums, means, extrema.

use rushlight_tensor::{DType, Result, Tensor};

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

/// Reduces all dimensions.
type All = fn(&Tensor) -> Result<Tensor>;
/// Reduces some dimensions, or keeps them.
type Some_ = fn(&Tensor, &[isize], bool) -> Result<Tensor>;

/// Every dimension, for a call that names none.
fn every(x: &Tensor) -> Vec<isize> {
    (0..x.dim() as isize).collect()
}

/// Reduces some dimensions (none named: all) in a dtype.
type InDtype = fn(&Tensor, &[isize], bool, DType) -> Result<Tensor>;

/// `op(input, dim=None, keepdim=False, *, dtype=None)`, where no dimensions mean all.
fn over_dims_in(r: &mut Registry, name: &'static str, all: All, some: Some_, in_dtype: InDtype) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let dims = a.opt_ints("dim")?.unwrap_or_default();
        let (keepdim, dtype) = (a.bool_or("keepdim", false)?, a.opt_dtype("dtype")?);
        Ok(match (dtype, &dims[..], keepdim) {
            (Some(dtype), dims, _) => in_dtype(&x, dims, keepdim, dtype)?,
            (None, [], false) => all(&x)?,
            (None, [], true) => some(&x, &every(&x), true)?,
            (None, dims, _) => some(&x, dims, keepdim)?,
        })
    });
}

/// `op(input, dim=None, keepdim=False)`, where no dimensions mean all.
fn over_dims(r: &mut Registry, name: &'static str, all: All, some: Some_) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let dims = a.opt_ints("dim")?.filter(|d| !d.is_empty());
        let keepdim = a.bool_or("keepdim", false)?;
        Ok(match (dims, keepdim) {
            (None, false) => all(&x)?,
            (None, true) => some(&x, &every(&x), true)?,
            (Some(dims), _) => some(&x, &dims, keepdim)?,
        })
    });
}

pub(super) fn register(r: &mut Registry) {
    over_dims_in(r, "sum", Tensor::sum, |x, d, k| x.sum_dim(d, k), |x, d, k, t| x.sum_as(d, k, t));
    over_dims_in(r, "mean", Tensor::mean, |x, d, k| x.mean_dim(d, k), |x, d, k, t| x.mean_as(d, k, t));
    over_dims_in(r, "nansum", |x| x.nansum((), false), |x, d, k| x.nansum(d, k), |x, d, k, t| x.nansum_as(d, k, t));
    over_dims_in(r, "nanmean", |x| x.nanmean((), false), |x, d, k| x.nanmean(d, k), |x, d, k, t| x.to_dtype(t)?.nanmean(d, k));
    over_dims(r, "amax", |x| x.amax((), false), |x, d, k| x.amax(d, k));
    over_dims(r, "amin", |x| x.amin((), false), |x, d, k| x.amin(d, k));
    some_dims_or_none(r, "all", Tensor::all, |x, d, k| x.all_dim(d, k));
    some_dims_or_none(r, "any", Tensor::any, |x, d, k| x.any_dim(d, k));
    over_dims(r, "logsumexp", |x| x.logsumexp(every(x), false), |x, d, k| x.logsumexp(d, k));
    r.alias("special.logsumexp", "logsumexp");
    r.op("prod", |a| {
        let (x, dim) = (a.tensor("input")?, a.opt_int("dim")?);
        let (keepdim, dtype) = (a.bool_or("keepdim", false)?, a.opt_dtype("dtype")?);
        Ok(match (dtype, dim) {
            (Some(dtype), dim) => x.prod_as(dim, keepdim, dtype)?,
            (None, Some(dim)) => x.prod_dim(dim, keepdim)?,
            (None, None) => x.prod()?,
        })
    });
    r.op("aminmax", |a| {
        let x = a.tensor("input")?;
        Ok(x.aminmax(a.opt_int("dim")?, a.bool_or("keepdim", false)?)?)
    });
    r.op("count_nonzero", |a| {
        let x = a.tensor("input")?;
        Ok(x.count_nonzero(a.opt_ints("dim")?.unwrap_or_default())?)
    });
    r.op("dist", |a| {
        let (x, y) = (a.tensor("input")?, a.tensor("other")?);
        Ok(x.dist(&y, a.float_or("p", 2.0)?)?)
    });
    r.unary("trace", Tensor::matrix_trace);
    r.unary("corrcoef", Tensor::corrcoef);
    r.op("cov", |a| {
        let (x, correction) = (a.tensor("input")?, a.int_or("correction", 1)? as f64);
        let (fweights, aweights) = (a.opt_tensor("fweights")?, a.opt_tensor("aweights")?);
        Ok(x.cov(correction, fweights.as_ref(), aweights.as_ref())?)
    });
    spread_and_mean(r, "var_mean", |x, d, c, k| x.var_mean(d, c, k));
    spread_and_mean(r, "std_mean", |x, d, c, k| x.std_mean(d, c, k));
    one_dim(r, "argmax", Tensor::argmax, Tensor::argmax_dim);
    one_dim(r, "argmin", Tensor::argmin, Tensor::argmin_dim);
    spread(r, "var", Tensor::var, |x, d, c, k| x.var_dim(d, c, k));
    spread(r, "std", Tensor::std, |x, d, c, k| x.std_dim(d, c, k));
    extreme(r, "max", Tensor::max, Tensor::max_dim, |x, y| x.maximum(y));
    extreme(r, "min", Tensor::min, Tensor::min_dim, |x, y| x.minimum(y));
    r.op("sum_to_size", |a| {
        let x = a.tensor("self")?;
        let shape = a.sizes("size")?;
        let shape = shape.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
        Ok(x.sum_to_size(&shape.map_err(|_| CaseError::Untypable("a negative size".to_string()))?)?)
    });
}

/// As [`over_dims`], but an empty list of dimensions means none: each element for itself.
fn some_dims_or_none(r: &mut Registry, name: &'static str, all: All, some: Some_) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let (dims, keepdim) = (a.opt_ints("dim")?, a.bool_or("keepdim", false)?);
        Ok(match (dims, keepdim) {
            (None, false) => all(&x)?,
            (None, true) => some(&x, &every(&x), true)?,
            (Some(dims), _) => some(&x, &dims, keepdim)?,
        })
    });
}

/// `op(input, dim, keepdim=False)` and `op(input)`.
fn one_dim(r: &mut Registry, name: &'static str, all: All, one: fn(&Tensor, isize, bool) -> Result<Tensor>) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        match (a.opt_int("dim")?, a.bool_or("keepdim", false)?) {
            (Some(dim), keepdim) => Ok(one(&x, dim, keepdim)?),
            (None, false) => Ok(all(&x)?),
            (None, true) => Err(CaseError::Missing("`keepdim` without `dim`".to_string())),
        }
    });
}

/// `var(input, dim=None, *, correction=1, keepdim=False)`, and the older `unbiased` in place of the correction.
fn spread(
    r: &mut Registry,
    name: &'static str,
    all: fn(&Tensor, f64) -> Result<Tensor>,
    some: fn(&Tensor, &[isize], f64, bool) -> Result<Tensor>,
) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let (dims, correction, keepdim) = spread_arguments(a)?;
        Ok(match (dims, keepdim) {
            (None, false) => all(&x, correction)?,
            (None, true) => some(&x, &every(&x), correction, true)?,
            (Some(dims), _) => some(&x, &dims, correction, keepdim)?,
        })
    });
}

/// As [`spread`], with the mean.
fn spread_and_mean(r: &mut Registry, name: &'static str, f: fn(&Tensor, &[isize], f64, bool) -> Result<(Tensor, Tensor)>) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let (dims, correction, keepdim) = spread_arguments(a)?;
        Ok(f(&x, &dims.unwrap_or_default(), correction, keepdim)?)
    });
}

/// Dimensions, correction and keepdim of the calls of `var` and its like.
pub(super) fn spread_arguments(a: &mut Args) -> CaseResult<(Option<Vec<isize>>, f64, bool)> {
    // var(input, unbiased) has no dimensions.
    let dims = if matches!(a.peek("dim"), Some(Value::Bool(_))) { None } else { a.opt_ints("dim")?.filter(|d| !d.is_empty()) };
    let correction = match a.take_named("correction") {
        Some(Value::Int(c)) => c as f64,
        Some(Value::Float(c)) => c,
        None if a.peek("unbiased").is_some() => f64::from(u8::from(a.bool_or("unbiased", true)?)),
        None | Some(Value::None) => 1.0,
        Some(other) => return Err(CaseError::Missing(format!("`correction` as {}", other.kind()))),
    };
    Ok((dims, correction, a.bool_or("keepdim", false)?))
}

/// `max(input)`, `max(input, dim, keepdim=False)` and `max(input, other)`.
fn extreme(
    r: &mut Registry,
    name: &'static str,
    all: All,
    one: fn(&Tensor, isize, bool) -> Result<(Tensor, Tensor)>,
    other: fn(&Tensor, &Tensor) -> Result<Tensor>,
) {
    r.op(name, move |a| -> CaseResult<Vec<Tensor>> {
        let x = a.tensor("input")?;
        Ok(match a.peek("dim") {
            None if a.peek("other").is_none() => vec![all(&x)?],
            None | Some(Value::Tensor(_)) => vec![other(&x, &a.tensor("other")?)?],
            Some(_) => {
                let (values, indices) = one(&x, a.int("dim")?, a.bool_or("keepdim", false)?)?;
                vec![values, indices]
            }
        })
    });
}
