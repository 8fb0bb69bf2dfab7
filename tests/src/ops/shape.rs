//! Views, joining and cutting.

use rushlight_tensor::Tensor;

use crate::golden::Value;
use crate::outcome::CaseError;
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    views(r);
    slices(r);
    joins(r);
}

fn views(r: &mut Registry) {
    r.op("reshape", |a| Ok(a.tensor("input")?.reshape(a.sizes("shape")?)?));
    r.op("view", |a| Ok(a.tensor("self")?.view(a.sizes("size")?)?));
    r.op("reshape_as", |a| Ok(a.tensor("self")?.reshape(a.tensor("other")?.shape())?));
    r.op("view_as", |a| Ok(a.tensor("self")?.view(a.tensor("other")?.shape())?));
    r.op("permute", |a| Ok(a.tensor("input")?.permute(a.sizes("dims")?)?));
    r.op("transpose", |a| Ok(a.tensor("input")?.transpose(a.int("dim0")?, a.int("dim1")?)?));
    r.alias("swapaxes", "transpose");
    r.alias("swapdims", "transpose");
    r.unary("t", Tensor::t);
    r.op("T", |a| {
        let x = a.tensor("self")?;
        Ok(x.permute((0..x.dim() as isize).rev().collect::<Vec<_>>())?)
    });
    r.op("mT", |a| Ok(a.tensor("self")?.transpose(-2, -1)?));
    r.op("expand", |a| Ok(a.tensor("self")?.expand(a.sizes("size")?)?));
    r.alias("broadcast_to", "expand");
    r.alias("expand_copy", "expand");
    r.op("expand_as", |a| Ok(a.tensor("self")?.expand(a.tensor("other")?.shape())?));
    r.op("squeeze", |a| {
        let x = a.tensor("input")?;
        Ok(match a.take("dim") {
            None => x.squeeze()?,
            Some(Value::Int(d)) => x.squeeze_dim(d as isize)?,
            Some(other) => return Err(CaseError::Missing(format!("`squeeze` with {}", other.kind()))),
        })
    });
    r.op("unsqueeze", |a| Ok(a.tensor("input")?.unsqueeze(a.int("dim")?)?));
    r.op("flatten", |a| Ok(a.tensor("input")?.flatten(a.int_or("start_dim", 0)?, a.int_or("end_dim", -1)?)?));
    r.op("ravel", |a| Ok(a.tensor("input")?.flatten(0, -1)?));
    r.unary("contiguous", Tensor::contiguous);
    r.op("flip", |a| Ok(a.tensor("input")?.flip(a.sizes("dims")?)?));
    r.op("positive", |a| Ok(a.tensor("input")?.clone()));
}

fn slices(r: &mut Registry) {
    r.op("slice", |a| {
        let x = a.tensor("input")?;
        let (dim, start, end) = (a.int_or("dim", 0)?, a.opt_int("start")?, a.opt_int("end")?);
        Ok(x.slice(dim, start, end, a.int_or("step", 1)?)?)
    });
    r.op("slice_scatter", |a| {
        let (x, source, dim) = (a.tensor("input")?, a.tensor("src")?, a.int_or("dim", 0)?);
        let (start, end) = (a.opt_int("start")?, a.opt_int("end")?);
        Ok(x.slice_scatter(&source, dim, start, end, a.int_or("step", 1)?)?)
    });
    r.op("narrow", |a| {
        let (x, dim) = (a.tensor("input")?, a.int("dim")?);
        let start = match a.take("start") {
            Some(Value::Int(i)) => i as isize,
            // The place may be a 0-d tensor.
            Some(Value::Tensor(t)) => t.to_f64()? as isize,
            _ => return Err(CaseError::Missing("`narrow` without a start".to_string())),
        };
        Ok(x.narrow(dim, start, a.size("length")?)?)
    });
    r.op("select", |a| Ok(a.tensor("input")?.select(a.int("dim")?, a.int("index")?)?));
}

fn joins(r: &mut Registry) {
    r.op("cat", |a| Ok(Tensor::cat(&a.tensors("tensors")?, a.int_or("dim", 0)?)?));
    r.alias("concat", "cat");
    r.alias("concatenate", "cat");
    r.op("stack", |a| Ok(Tensor::stack(&a.tensors("tensors")?, a.int_or("dim", 0)?)?));
    r.op("split", |a| {
        let x = a.tensor("tensor")?;
        a.rename("split_size", "split_size_or_sections");
        let size = a.size("split_size_or_sections")?;
        Ok(x.split(size, a.int_or("dim", 0)?)?)
    });
    r.op("chunk", |a| {
        let (x, chunks) = (a.tensor("input")?, a.size("chunks")?);
        Ok(x.chunk(chunks, a.int_or("dim", 0)?)?)
    });
    r.op("unbind", |a| Ok(a.tensor("input")?.unbind(a.int_or("dim", 0)?)?));
}
