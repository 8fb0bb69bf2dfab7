//! Reading and writing by index.

use rushlight_tensor::{EmbeddingOptions, Ix, Result, Scalar, ScatterMode, Tensor};

use crate::args::{Args, Either};
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    reads(r);
    writes(r);
    places(r);
    r.op("nn.functional.embedding", embedding);
}

/// One index between the brackets.
fn ix(value: Value) -> CaseResult<Ix> {
    let int = |i: Option<i64>| i.map(|i| i as isize);
    Ok(match value {
        Value::Int(i) => Ix::At(i as isize),
        Value::Slice([start, end, step]) => Ix::Range { start: int(start), end: int(end), step: step.unwrap_or(1) as isize },
        Value::Ellipsis => Ix::Ellipsis,
        Value::None => Ix::NewAxis,
        Value::Bool(b) => Ix::Bool(b),
        Value::Tensor(t) => Ix::Tensor(t),
        Value::List(items) => Ix::Tensor(list(&items)?),
        other => return Err(CaseError::Kind(format!("an index that is {}", other.kind()))),
    })
}

/// A list of numbers or truth values, nested anyhow, as a tensor.
fn list(items: &[Value]) -> CaseResult<Tensor> {
    let rows = items.iter().map(|v| match v {
        Value::Int(i) => Ok(Tensor::new(*i)?),
        Value::Bool(b) => Ok(Tensor::new(*b)?),
        Value::Tensor(t) => Ok(t.clone()),
        Value::List(items) => list(items),
        other => Err(CaseError::Missing(format!("a list index with {}", other.kind()))),
    });
    let rows = rows.collect::<CaseResult<Vec<_>>>()?;
    if rows.is_empty() { Ok(Tensor::zeros(0, rushlight_tensor::DType::I64)?) } else { Ok(Tensor::stack(&rows, 0)?) }
}

fn mode(a: &mut Args, name: &str, default: &str) -> CaseResult<ScatterMode> {
    use ScatterMode::{Amax, Amin, Mean, Prod, Sum};
    let modes = [("sum", Sum), ("prod", Prod), ("mean", Mean), ("amax", Amax), ("amin", Amin), ("add", Sum), ("multiply", Prod)];
    a.choice(name, default, &modes.map(|(s, m)| (s, Some(m))))
}

fn reads(r: &mut Registry) {
    r.op("__getitem__", |a| {
        let x = a.tensor("self")?;
        let index = match a.take("index") {
            Some(Value::Tuple(items)) => items.into_iter().map(ix).collect::<CaseResult<Vec<_>>>()?,
            Some(one) => vec![ix(one)?],
            None => return Err(CaseError::Missing("no index".to_string())),
        };
        Ok(x.i(index)?)
    });
    r.op("index_select", |a| Ok(a.tensor("input")?.index_select(a.int("dim")?, &a.tensor("index")?)?));
    r.op("gather", |a| {
        a.ignore("sparse_grad");
        Ok(a.tensor("input")?.gather(a.int("dim")?, &a.tensor("index")?)?)
    });
    r.op("take", |a| Ok(a.tensor("input")?.take(&a.tensor("index")?)?));
    r.op("take_along_dim", |a| {
        let (x, indices) = (a.tensor("input")?, a.tensor("indices")?);
        Ok(x.take_along_dim(&indices, a.opt_int("dim")?)?)
    });
    r.op("masked_select", |a| Ok(a.tensor("input")?.masked_select(&a.tensor("mask")?)?));
}

fn writes(r: &mut Registry) {
    r.op("index_add", |a| {
        let (x, dim, index, source) = (a.tensor("input")?, a.int("dim")?, a.tensor("index")?, a.tensor("source")?);
        Ok(x.index_add_scaled(dim, &index, &source, a.opt_scalar("alpha")?.unwrap_or(Scalar::Int(1)))?)
    });
    r.op("index_copy", |a| Ok(a.tensor("input")?.index_copy(a.int("dim")?, &a.tensor("index")?, &a.tensor("source")?)?));
    r.op("index_fill", |a| {
        let (x, dim, index) = (a.tensor("input")?, a.int("dim")?, a.tensor("index")?);
        Ok(x.index_fill(dim, &index, a.either("value")?.operand())?)
    });
    r.op("index_reduce", |a| {
        let (x, dim, index, source) = (a.tensor("input")?, a.int("dim")?, a.tensor("index")?, a.tensor("source")?);
        let mode = mode(a, "reduce", "prod")?;
        Ok(x.index_reduce(dim, &index, &source, mode, a.bool_or("include_self", true)?)?)
    });
    r.op("index_put", |a| {
        let x = a.tensor("input")?;
        let indices = match a.take("indices") {
            Some(Value::List(items) | Value::Tuple(items)) => items,
            _ => return Err(CaseError::Missing("no list of indices".to_string())),
        };
        let tensor = |v| match v {
            Value::None => Ok(None),
            Value::Tensor(t) => Ok(Some(t)),
            other => Err(CaseError::Missing(format!("an index that is {}", other.kind()))),
        };
        let indices = indices.into_iter().map(tensor).collect::<CaseResult<Vec<_>>>()?;
        let values = a.tensor("values")?;
        Ok(x.index_put(&indices, &values, a.bool_or("accumulate", false)?)?)
    });
    r.op("scatter", |a| {
        let (x, dim, index) = (a.tensor("input")?, a.int("dim")?, a.tensor("index")?);
        a.rename("value", "src");
        let source = a.either("src")?;
        let reduce = a.peek("reduce").is_some().then(|| mode(a, "reduce", "add")).transpose()?;
        Ok(match (source, reduce) {
            (Either::Tensor(source), None) => x.scatter(dim, &index, &source)?,
            (Either::Scalar(value), None) => x.scatter_value(dim, &index, value)?,
            (Either::Tensor(source), Some(mode)) => x.scatter_reduce(dim, &index, &source, mode, true)?,
            (Either::Scalar(value), Some(mode)) => {
                let source = Tensor::full(index.shape(), value, x.dtype())?;
                x.scatter_reduce(dim, &index, &source, mode, true)?
            }
        })
    });
    r.op("scatter_add", |a| Ok(a.tensor("input")?.scatter_add(a.int("dim")?, &a.tensor("index")?, &a.tensor("src")?)?));
    r.op("scatter_reduce", |a| {
        let (x, dim, index, source) = (a.tensor("input")?, a.int("dim")?, a.tensor("index")?, a.tensor("src")?);
        let mode = mode(a, "reduce", "sum")?;
        Ok(x.scatter_reduce(dim, &index, &source, mode, a.bool_or("include_self", true)?)?)
    });
    r.op("put", |a| {
        let (x, index, source) = (a.tensor("input")?, a.tensor("index")?, a.tensor("source")?);
        Ok(x.put(&index, &source, a.bool_or("accumulate", false)?)?)
    });
    r.op("masked_scatter", |a| Ok(a.tensor("input")?.masked_scatter(&a.tensor("mask")?, &a.tensor("source")?)?));
    r.op("select_scatter", |a| Ok(a.tensor("input")?.select_scatter(&a.tensor("src")?, a.int("dim")?, a.int("index")?)?));
    r.op("diagonal_scatter", |a| {
        let (x, source) = (a.tensor("input")?, a.tensor("src")?);
        Ok(x.diagonal_scatter(&source, a.int_or("offset", 0)?, a.int_or("dim1", 0)?, a.int_or("dim2", 1)?)?)
    });
    r.op("renorm", |a| {
        let (x, p, dim) = (a.tensor("input")?, a.float_or("p", 2.0)?, a.int("dim")?);
        Ok(x.renorm(p, dim, a.float_or("maxnorm", 1.0)?)?)
    });
}

fn places(r: &mut Registry) {
    r.op("nonzero", |a| {
        let x = a.tensor("input")?;
        let places = if x.dim() == 0 && matches!(a.peek("as_tuple"), Some(Value::Bool(true))) { x.reshape(1)? } else { x }.nonzero()?;
        Ok(if a.bool_or("as_tuple", false)? { places.unbind(1)? } else { vec![places] })
    });
    r.op("nonzero_static", |a| {
        let x = a.tensor("input")?;
        Ok(x.nonzero_static(a.size("size")?, a.int_or("fill_value", -1)? as i64)?)
    });
    r.unary("argwhere", Tensor::nonzero);
    r.op("nn.functional.one_hot", |a| {
        let x = a.tensor("input")?;
        let classes = a.int_or("num_classes", -1)?;
        Ok(x.one_hot(usize::try_from(classes).ok())?)
    });
    r.op("unravel_index", |a| Ok(a.tensor("indices")?.unravel_index(a.ints("shape")?)?));
}

fn embedding(a: &mut Args) -> CaseResult<Tensor> {
    let (indices, mut weight) = (a.tensor("input")?, a.tensor("weight")?);
    let padding_idx = a.opt_int("padding_idx")?;
    let (max_norm, norm_type) = (a.opt_float("max_norm")?, a.float_or("norm_type", 2.0)?);
    let scale_grad_by_freq = a.bool_or("scale_grad_by_freq", false)?;
    // How the gradient is stored.
    a.bool_or("sparse", false)?;
    if let Some(max_norm) = max_norm {
        weight = weight.embedding_renorm(&indices, max_norm, norm_type)?;
        a.changed("weight", weight.with_trace(None));
    }
    let rows: Result<Tensor> = weight.embedding_with(&indices, EmbeddingOptions { padding_idx, scale_grad_by_freq });
    Ok(rows?)
}
