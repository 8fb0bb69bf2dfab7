//! Convolutions.

use rushlight_tensor::{Padding, Result, Tensor};

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::CaseResult;
use crate::registry::Registry;

type Conv = fn(&Tensor, &Tensor, Option<&Tensor>, &[isize], Padding, &[isize], usize) -> Result<Tensor>;
type Transposed = fn(&Tensor, &Tensor, Option<&Tensor>, &[isize], &[isize], &[isize], usize, &[isize]) -> Result<Tensor>;

pub(super) fn register(r: &mut Registry) {
    conv(r, "nn.functional.conv1d", |x, w, b, s, p, d, g| x.conv1d(w, b, s, p, d, g));
    conv(r, "nn.functional.conv2d", |x, w, b, s, p, d, g| x.conv2d(w, b, s, p, d, g));
    conv(r, "nn.functional.conv3d", |x, w, b, s, p, d, g| x.conv3d(w, b, s, p, d, g));
    transposed(r, "nn.functional.conv_transpose1d", |x, w, b, s, p, o, g, d| x.conv_transpose1d(w, b, s, p, o, g, d));
    transposed(r, "nn.functional.conv_transpose2d", |x, w, b, s, p, o, g, d| x.conv_transpose2d(w, b, s, p, o, g, d));
    transposed(r, "nn.functional.conv_transpose3d", |x, w, b, s, p, o, g, d| x.conv_transpose3d(w, b, s, p, o, g, d));
    r.op("nn.functional.channel_shuffle", |a| Ok(a.tensor("input")?.channel_shuffle(a.size("groups")?)?));
    r.alias("channel_shuffle", "nn.functional.channel_shuffle");
    r.op("nn.functional.unfold", |a| {
        let (x, kernel) = (a.tensor("input")?, a.ints("kernel_size")?);
        let (dilation, padding, stride) = (ints_or(a, "dilation", 1)?, ints_or(a, "padding", 0)?, ints_or(a, "stride", 1)?);
        Ok(x.unfold_windows(kernel, dilation, padding, stride)?)
    });
    r.op("nn.functional.fold", |a| {
        let (x, size, kernel) = (a.tensor("input")?, a.ints("output_size")?, a.ints("kernel_size")?);
        let (dilation, padding, stride) = (ints_or(a, "dilation", 1)?, ints_or(a, "padding", 0)?, ints_or(a, "stride", 1)?);
        Ok(x.fold(size, kernel, dilation, padding, stride)?)
    });
}

/// One number or some, with a default.
pub(super) fn ints_or(a: &mut Args, name: &str, default: isize) -> CaseResult<Vec<isize>> {
    Ok(a.opt_ints(name)?.unwrap_or_else(|| vec![default]))
}

fn groups(a: &mut Args) -> CaseResult<usize> {
    Ok(a.opt_size("groups")?.unwrap_or(1))
}

fn conv(r: &mut Registry, name: &'static str, f: Conv) {
    r.op(name, move |a| {
        let (x, w, bias) = (a.tensor("input")?, a.tensor("weight")?, a.opt_tensor("bias")?);
        let stride = ints_or(a, "stride", 1)?;
        let padding = match a.peek("padding") {
            Some(Value::Str(_)) => a.choice("padding", "valid", &[("valid", Some(Padding::Valid)), ("same", Some(Padding::Same))])?,
            _ => ints_or(a, "padding", 0)?.into(),
        };
        let dilation = ints_or(a, "dilation", 1)?;
        Ok(f(&x, &w, bias.as_ref(), &stride, padding, &dilation, groups(a)?)?)
    });
}

fn transposed(r: &mut Registry, name: &'static str, f: Transposed) {
    r.op(name, move |a| {
        let (x, w, bias) = (a.tensor("input")?, a.tensor("weight")?, a.opt_tensor("bias")?);
        let (stride, padding, extra) = (ints_or(a, "stride", 1)?, ints_or(a, "padding", 0)?, ints_or(a, "output_padding", 0)?);
        let groups = groups(a)?;
        let dilation = ints_or(a, "dilation", 1)?;
        Ok(f(&x, &w, bias.as_ref(), &stride, &padding, &extra, groups, &dilation)?)
    });
}
