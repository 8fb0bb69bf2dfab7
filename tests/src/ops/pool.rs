//! Pooling.

use rushlight_tensor::{FractionalSize, IntoSizes, OutputSize, Result, Tensor};

use super::conv::ints_or;
use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

type Max = fn(&Tensor, &[isize], &[isize], &[isize], &[isize], bool) -> Result<(Tensor, Tensor)>;
type Avg = fn(&Tensor, &[isize], &[isize], &[isize], bool, bool, Option<i64>) -> Result<Tensor>;
type Unpool = fn(&Tensor, &Tensor, &[isize], &[isize], &[isize], &[isize]) -> Result<Tensor>;
type Fractional = fn(&Tensor, &[isize], &FractionalSize, Option<&Tensor>) -> Result<(Tensor, Tensor)>;
type Lp = fn(&Tensor, f64, &[isize], &[isize], bool) -> Result<Tensor>;

pub(super) fn register(r: &mut Registry) {
    max(r, "nn.functional.max_pool1d", |x, k, s, p, d, c| x.max_pool1d_with_indices(k, s, p, d, c));
    max(r, "nn.functional.max_pool2d", |x, k, s, p, d, c| x.max_pool2d_with_indices(k, s, p, d, c));
    max(r, "nn.functional.max_pool3d", |x, k, s, p, d, c| x.max_pool3d_with_indices(k, s, p, d, c));
    avg(r, "nn.functional.avg_pool1d", |x, k, s, p, c, i, o| x.avg_pool1d(k, s, p, c, i, o));
    avg(r, "nn.functional.avg_pool2d", |x, k, s, p, c, i, o| x.avg_pool2d(k, s, p, c, i, o));
    avg(r, "nn.functional.avg_pool3d", |x, k, s, p, c, i, o| x.avg_pool3d(k, s, p, c, i, o));
    adaptive(r, "nn.functional.adaptive_avg_pool1d", |x, n| x.adaptive_avg_pool1d(n));
    adaptive(r, "nn.functional.adaptive_avg_pool2d", |x, n| x.adaptive_avg_pool2d(n));
    adaptive(r, "nn.functional.adaptive_avg_pool3d", |x, n| x.adaptive_avg_pool3d(n));
    adaptive_max(r, "nn.functional.adaptive_max_pool1d", |x, n| x.adaptive_max_pool1d_with_indices(n));
    adaptive_max(r, "nn.functional.adaptive_max_pool2d", |x, n| x.adaptive_max_pool2d_with_indices(n));
    adaptive_max(r, "nn.functional.adaptive_max_pool3d", |x, n| x.adaptive_max_pool3d_with_indices(n));
    unpool(r, "nn.functional.max_unpool1d", |x, i, k, s, p, o| x.max_unpool1d(i, k, s, p, o));
    unpool(r, "nn.functional.max_unpool2d", |x, i, k, s, p, o| x.max_unpool2d(i, k, s, p, o));
    unpool(r, "nn.functional.max_unpool3d", |x, i, k, s, p, o| x.max_unpool3d(i, k, s, p, o));
    fractional(r, "nn.functional.fractional_max_pool2d", |x, k, s, d| x.fractional_max_pool2d(k, s, d));
    fractional(r, "nn.functional.fractional_max_pool3d", |x, k, s, d| x.fractional_max_pool3d(k, s, d));
    lp(r, "nn.functional.lp_pool1d", |x, n, k, s, c| x.lp_pool1d(n, k, s, c));
    lp(r, "nn.functional.lp_pool2d", |x, n, k, s, c| x.lp_pool2d(n, k, s, c));
    lp(r, "nn.functional.lp_pool3d", |x, n, k, s, c| x.lp_pool3d(n, k, s, c));
}

/// Kernel and stride; no stride is the kernel's.
fn kernel_and_stride(a: &mut Args) -> CaseResult<(Vec<isize>, Vec<isize>)> {
    Ok((a.ints("kernel_size")?, a.opt_ints("stride")?.unwrap_or_default()))
}

/// The values, and the indices where they are asked for.
fn results((values, indices): (Tensor, Tensor), with_indices: bool) -> Vec<Tensor> {
    if with_indices { vec![values, indices] } else { vec![values] }
}

fn max(r: &mut Registry, name: &'static str, f: Max) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let (kernel, stride) = kernel_and_stride(a)?;
        let (padding, dilation) = (ints_or(a, "padding", 0)?, ints_or(a, "dilation", 1)?);
        let (ceil, indices) = (a.bool_or("ceil_mode", false)?, a.bool_or("return_indices", false)?);
        Ok(results(f(&x, &kernel, &stride, &padding, &dilation, ceil)?, indices))
    });
}

fn avg(r: &mut Registry, name: &'static str, f: Avg) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let (kernel, stride) = kernel_and_stride(a)?;
        let padding = ints_or(a, "padding", 0)?;
        let (ceil, include) = (a.bool_or("ceil_mode", false)?, a.bool_or("count_include_pad", true)?);
        let divisor = a.opt_int("divisor_override")?.map(|n| n as i64);
        Ok(f(&x, &kernel, &stride, &padding, ceil, include, divisor)?)
    });
}

/// One size or some, of which any may be None.
fn output_size(a: &mut Args) -> CaseResult<OutputSize> {
    let Some(Value::List(items) | Value::Tuple(items)) = a.peek("output_size") else { return Ok(a.ints("output_size")?.into()) };
    if !items.iter().any(|v| matches!(v, Value::None)) {
        return Ok(a.ints("output_size")?.into());
    }
    let sizes: Option<Vec<Option<isize>>> = items
        .iter()
        .map(|v| match v {
            Value::None => Some(None),
            Value::Int(n) => isize::try_from(*n).ok().map(Some),
            _ => None,
        })
        .collect();
    a.take("output_size");
    match sizes {
        Some(sizes) => Ok(sizes.as_slice().into()),
        None => Err(CaseError::Untypable("`output_size` is integers".to_string())),
    }
}

fn adaptive(r: &mut Registry, name: &'static str, f: fn(&Tensor, OutputSize) -> Result<Tensor>) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        Ok(f(&x, output_size(a)?)?)
    });
}

fn adaptive_max(r: &mut Registry, name: &'static str, f: fn(&Tensor, OutputSize) -> Result<(Tensor, Tensor)>) {
    r.op(name, move |a| {
        let (x, size) = (a.tensor("input")?, output_size(a)?);
        let indices = a.bool_or("return_indices", false)?;
        Ok(results(f(&x, size)?, indices))
    });
}

fn unpool(r: &mut Registry, name: &'static str, f: Unpool) {
    r.op(name, move |a| {
        let (x, indices) = (a.tensor("input")?, a.tensor("indices")?);
        let (kernel, stride) = kernel_and_stride(a)?;
        let padding = ints_or(a, "padding", 0)?;
        let size = a.opt_ints("output_size")?.unwrap_or_default();
        Ok(f(&x, &indices, &kernel, &stride, &padding, &size)?)
    });
}

fn lp(r: &mut Registry, name: &'static str, f: Lp) {
    r.op(name, move |a| {
        let (x, norm) = (a.tensor("input")?, a.float_or("norm_type", 2.0)?);
        let (kernel, stride) = kernel_and_stride(a)?;
        let ceil = a.bool_or("ceil_mode", false)?;
        Ok(f(&x, norm, &kernel, &stride, ceil)?)
    });
}

fn fractional(r: &mut Registry, name: &'static str, f: Fractional) {
    r.op(name, move |a| {
        let (x, kernel) = (a.tensor("input")?, a.ints("kernel_size")?);
        let size = a.opt_ints("output_size")?;
        let ratio = match a.take("output_ratio") {
            None | Some(Value::None) => None,
            Some(Value::Float(f)) => Some(vec![f]),
            Some(Value::List(items) | Value::Tuple(items)) => {
                Some(items.into_iter().map(|v| Args::new(vec![v], vec![]).float_or("output_ratio", 0.5)).collect::<CaseResult<Vec<_>>>()?)
            }
            Some(other) => return Err(CaseError::Missing(format!("`output_ratio` as {}", other.kind()))),
        };
        let indices = a.bool_or("return_indices", false)?;
        let samples = a.opt_tensor("_random_samples")?;
        let size = match (size, ratio) {
            (Some(size), None) => FractionalSize::Size(size.into_sizes()),
            (None, Some(ratio)) => FractionalSize::Ratio(ratio),
            _ => return Err(CaseError::Untypable("output_size and output_ratio are one argument".to_string())),
        };
        Ok(results(f(&x, &kernel, &size, samples.as_ref())?, indices))
    });
}
