//! Linear algebra.

use rushlight_tensor::NormOrder;

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

/// The order of a norm: a number, `'fro'` or `'nuc'`; None or absent.
fn order(a: &mut Args, name: &str) -> CaseResult<Option<NormOrder>> {
    Ok(match a.take(name) {
        None | Some(Value::None) => None,
        Some(Value::Int(p)) => Some((p as f64).into()),
        Some(Value::Float(p)) => Some(p.into()),
        Some(Value::Str(s)) if s == "fro" => Some(NormOrder::Fro),
        Some(Value::Str(s)) if s == "nuc" => Some(NormOrder::Nuc),
        Some(other) => return Err(CaseError::Untypable(format!("`{name}` as {}", other.kind()))),
    })
}

/// The input, converted to the named argument `dtype` if there is one.
fn in_dtype(a: &mut Args, name: &str) -> CaseResult<rushlight_tensor::Tensor> {
    let x = a.tensor(name)?;
    match a.take_named("dtype") {
        None | Some(Value::None) => Ok(x),
        Some(Value::DType(d)) => Ok(x.to_dtype(d)?),
        Some(other) => Err(CaseError::Untypable(format!("`dtype` as {}", other.kind()))),
    }
}

pub(super) fn register(r: &mut Registry) {
    r.op("norm", |a| {
        let (x, p) = (in_dtype(a, "input")?, order(a, "p")?.unwrap_or(NormOrder::Fro));
        let (dims, keepdim) = (a.opt_ints("dim")?, a.bool_or("keepdim", false)?);
        Ok(x.norm(p, dims.unwrap_or_default(), keepdim)?)
    });
    r.op("linalg.vector_norm", |a| {
        let (x, p) = (in_dtype(a, "x")?, a.float_or("ord", 2.0)?);
        let (dims, keepdim) = (a.opt_ints("dim")?, a.bool_or("keepdim", false)?);
        Ok(x.vector_norm(p, dims.unwrap_or_default(), keepdim)?)
    });
}
