//! Running along a dimension.

use rushlight_tensor::{Result, Scalar, Spacing, Tensor};

use crate::args::{Args, Either};
use crate::golden::Value;
use crate::outcome::CaseResult;
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    r.op("cumsum", |a| {
        let (x, dim) = (a.tensor("input")?, a.int("dim")?);
        Ok(match a.opt_dtype("dtype")? {
            Some(dtype) => x.cumsum_as(dim, dtype)?,
            None => x.cumsum(dim)?,
        })
    });
    r.op("cumprod", |a| {
        let (x, dim) = (a.tensor("input")?, a.int("dim")?);
        Ok(match a.opt_dtype("dtype")? {
            Some(dtype) => x.cumprod_as(dim, dtype)?,
            None => x.cumprod(dim)?,
        })
    });
    r.op("logcumsumexp", |a| Ok(a.tensor("input")?.logcumsumexp(a.int("dim")?)?));
    r.op("cummax", |a| Ok(a.tensor("input")?.cummax(a.int("dim")?)?));
    r.op("cummin", |a| Ok(a.tensor("input")?.cummin(a.int("dim")?)?));
    r.op("diff", |a| {
        let (x, n, dim) = (a.tensor("input")?, a.opt_size("n")?.unwrap_or(1), a.int_or("dim", -1)?);
        let (prepend, append) = (a.opt_tensor("prepend")?, a.opt_tensor("append")?);
        Ok(x.diff(n, dim, prepend.as_ref(), append.as_ref())?)
    });
    trapezoid(r, "trapezoid", |y, s, d| y.trapezoid(s, d));
    r.alias("trapz", "trapezoid");
    trapezoid(r, "cumulative_trapezoid", |y, s, d| y.cumulative_trapezoid(s, d));
    r.op("gradient", gradient);
}

/// `op(y, x=None, *, dx=None, dim=-1)`.
fn trapezoid(r: &mut Registry, name: &'static str, f: fn(&Tensor, Spacing<'_>, isize) -> Result<Tensor>) {
    r.op(name, move |a| {
        let y = a.tensor("y")?;
        let x = match a.peek("x") {
            Some(Value::Tensor(_)) => a.opt_tensor("x")?,
            _ => None,
        };
        let dx = a.take_named("dx").map(|v| Args::new(vec![v], vec![]).scalar("dx")).transpose()?.unwrap_or(Scalar::Int(1));
        let dim = a.int_or("dim", -1)?;
        let spacing = x.as_ref().map_or(Spacing::Even(dx), Spacing::At);
        Ok(f(&y, spacing, dim)?)
    });
}

/// `gradient(input, *, spacing=1, dim=None, edge_order=1)`.
fn gradient(a: &mut Args) -> CaseResult<Vec<Tensor>> {
    let x = a.tensor("input")?;
    let one = |v: Value| Args::new(vec![v], vec![]).either("spacing");
    let given = a.take_named("spacing");
    let listed = matches!(given, Some(Value::List(_) | Value::Tuple(_)));
    let spacing = match given {
        None | Some(Value::None) => Vec::new(),
        Some(Value::List(items) | Value::Tuple(items)) => items.into_iter().map(one).collect::<CaseResult<Vec<_>>>()?,
        Some(value) => vec![one(value)?],
    };
    let for_all = spacing.len() == 1 && !listed;
    let dims = a.take_named("dim").map(|v| Args::new(vec![v], vec![]).opt_ints("dim")).transpose()?.flatten().unwrap_or_default();
    let edge_order = match a.take_named("edge_order") {
        None => 1,
        Some(v) => Args::new(vec![v], vec![]).size("edge_order")?,
    };
    let times = if !for_all {
        1
    } else if dims.is_empty() {
        x.dim()
    } else {
        dims.len()
    };
    let spacing: Vec<Spacing<'_>> = std::iter::repeat_n(&spacing, times)
        .flatten()
        .map(|s| match s {
            Either::Tensor(t) => Spacing::At(t),
            Either::Scalar(s) => Spacing::Even(*s),
        })
        .collect();
    Ok(x.gradient(&spacing, dims, edge_order)?)
}
