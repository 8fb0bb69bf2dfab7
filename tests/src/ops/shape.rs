//! Views, joining and cutting.

use rushlight_tensor::{DType, Indexing, PadMode, Repeats, Result, Scalar, Sections, Tensor};

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    views(r);
    slices(r);
    joins(r);
    arrangements(r);
    diagonals(r);
    margins(r);
}

/// `op(*tensors)` or `op(list)`: one result for each.
fn tensor_or_list(r: &mut Registry, name: &'static str, f: fn(&Tensor) -> Result<Tensor>) {
    r.op(name, move |a| tensors(a)?.iter().map(|t| Ok(f(t)?)).collect::<CaseResult<Vec<_>>>());
}

/// All tensors of a call, one by one or as one list.
fn tensors(a: &mut Args) -> CaseResult<Vec<Tensor>> {
    if matches!(a.peek("tensors"), Some(Value::List(_) | Value::Tuple(_))) {
        return a.tensors("tensors");
    }
    let tensor = |v| if let Value::Tensor(t) = v { Ok(t) } else { Err(CaseError::Missing("an argument that is no tensor".to_string())) };
    a.rest().into_iter().map(tensor).collect()
}

fn sections(a: &mut Args, names: [&str; 2]) -> CaseResult<Sections> {
    a.rename(names[1], names[0]);
    match a.peek(names[0]) {
        Some(Value::Int(_)) => Ok(Sections::Count(a.size(names[0])?)),
        Some(Value::Str(_)) => Err(CaseError::Untypable("sections are a number or a list".to_string())),
        // Integers in a tensor: a number, or places.
        Some(Value::Tensor(_)) => {
            let t = a.tensor(names[0])?;
            if t.dtype() != DType::I64 {
                return Err(CaseError::Untypable("sections are integers".to_string()));
            }
            let at: Vec<isize> = t.to_vec::<i64>()?.into_iter().map(|n| n as isize).collect();
            match (t.dim(), &at[..]) {
                (0, &[n]) => usize::try_from(n).map(Sections::Count).map_err(|_| CaseError::Untypable("sections are a size".to_string())),
                (1, _) => Ok(Sections::At(at)),
                _ => Err(CaseError::Untypable("sections are a number or a list".to_string())),
            }
        }
        _ => Ok(Sections::At(a.ints(names[0])?)),
    }
}

fn arrangements(r: &mut Registry) {
    r.op("roll", |a| Ok(a.tensor("input")?.roll(a.ints("shifts")?, a.opt_ints("dims")?.unwrap_or_default())?));
    r.op("rot90", |a| {
        let (x, k) = (a.tensor("input")?, a.int_or("k", 1)?);
        Ok(x.rot90(k, a.opt_ints("dims")?.unwrap_or_else(|| vec![0, 1]))?)
    });
    r.unary("flipud", Tensor::flipud);
    r.unary("fliplr", Tensor::fliplr);
    r.op("repeat", |a| Ok(a.tensor("self")?.repeat(a.sizes("repeats")?)?));
    r.op("tile", |a| Ok(a.tensor("input")?.tile(a.sizes("dims")?)?));
    r.op("repeat_interleave", |a| {
        let x = a.tensor("input")?;
        let repeats = match a.take("repeats") {
            None => return Ok(x.repeats()?),
            Some(Value::Tensor(t)) => Repeats::Tensor(t),
            Some(other) => Repeats::Each(Args::new(vec![other], vec![]).size("repeats")?),
        };
        let dim = a.opt_int("dim")?;
        // A promise about the result, so that it need not be counted.
        a.opt_size("output_size")?;
        Ok(x.repeat_interleave(repeats, dim)?)
    });
    r.op("meshgrid", |a| {
        let indexing = match a.take_named("indexing") {
            None | Some(Value::None) => Indexing::Ij,
            Some(value) => {
                let choices = [("ij", Some(Indexing::Ij)), ("xy", Some(Indexing::Xy))];
                Args::new(vec![value], vec![]).choice("indexing", "ij", &choices)?
            }
        };
        Ok(Tensor::meshgrid(&tensors(a)?, indexing)?)
    });
    r.op("broadcast_tensors", |a| Ok(Tensor::broadcast_tensors(&tensors(a)?)?));
    r.op("broadcast_shapes", |a| {
        let shapes = a.rest().into_iter().map(|v| Args::new(vec![v], vec![]).ints("shape"));
        let shapes = shapes.collect::<CaseResult<Vec<_>>>()?;
        let sized = |s: Vec<isize>| s.into_iter().map(usize::try_from).collect::<std::result::Result<Vec<_>, _>>();
        let shapes = shapes.into_iter().map(sized).collect::<std::result::Result<Vec<_>, _>>();
        let shapes = shapes.map_err(|_| CaseError::Untypable("a negative size".to_string()))?;
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let shape = rushlight_tensor::backend::broadcast_shapes("broadcast_shapes", &shapes)?;
        Ok(vec![Value::List(shape.iter().map(|&n| Value::Int(n as i64)).collect())])
    });
    r.op("cartesian_prod", |a| Ok(Tensor::cartesian_prod(&tensors(a)?)?));
    r.op("block_diag", |a| Ok(Tensor::block_diag(&tensors(a)?)?));
    r.op("combinations", |a| {
        let (x, n) = (a.tensor("input")?, a.opt_size("r")?.unwrap_or(2));
        Ok(x.combinations(n, a.bool_or("with_replacement", false)?)?)
    });
    r.op("nn.functional.pixel_shuffle", |a| Ok(a.tensor("input")?.pixel_shuffle(a.size("upscale_factor")?)?));
    r.op("nn.functional.pixel_unshuffle", |a| Ok(a.tensor("input")?.pixel_unshuffle(a.size("downscale_factor")?)?));
}

/// `op(input, offset=0, dim1, dim2)`.
fn diagonal(a: &mut Args, f: fn(&Tensor, isize, isize, isize) -> Result<Tensor>, dims: [isize; 2]) -> CaseResult<Tensor> {
    let (x, offset) = (a.tensor("input")?, a.int_or("offset", 0)?);
    Ok(f(&x, offset, a.int_or("dim1", dims[0])?, a.int_or("dim2", dims[1])?)?)
}

fn diagonals(r: &mut Registry) {
    r.op("diagonal", |a| diagonal(a, Tensor::diagonal, [0, 1]));
    r.op("linalg.diagonal", |a| {
        a.rename("A", "input");
        diagonal(a, Tensor::diagonal, [-2, -1])
    });
    r.op("diag_embed", |a| diagonal(a, Tensor::diag_embed, [-2, -1]));
    r.op("diag", |a| Ok(a.tensor("input")?.diag(a.int_or("diagonal", 0)?)?));
    r.op("diagflat", |a| Ok(a.tensor("input")?.diagflat(a.int_or("offset", 0)?)?));
    r.op("tril", |a| Ok(a.tensor("input")?.tril(a.int_or("diagonal", 0)?)?));
    r.op("triu", |a| Ok(a.tensor("input")?.triu(a.int_or("diagonal", 0)?)?));
    r.op("tril_indices", |a| {
        let options = super::create::options(a, None)?;
        Ok(Tensor::tril_indices(a.size("row")?, a.size("col")?, a.int_or("offset", 0)?, options)?)
    });
    r.op("triu_indices", |a| {
        let options = super::create::options(a, None)?;
        Ok(Tensor::triu_indices(a.size("row")?, a.size("col")?, a.int_or("offset", 0)?, options)?)
    });
}

fn margins(r: &mut Registry) {
    r.op("constant_pad_nd", |a| {
        let (x, pad) = (a.tensor("input")?, a.ints("pad")?);
        let value = a.opt_scalar("value")?.unwrap_or(Scalar::Int(0));
        Ok(x.pad(pad, PadMode::Constant(value))?)
    });
    r.op("nn.functional.pad", |a| {
        let (x, pad) = (a.tensor("input")?, a.ints("pad")?);
        let zero = PadMode::default();
        let modes = [("constant", zero), ("reflect", PadMode::Reflect), ("replicate", PadMode::Replicate), ("circular", PadMode::Circular)];
        let mode = a.choice("mode", "constant", &modes.map(|(s, m)| (s, Some(m))))?;
        let value = a.opt_scalar("value")?;
        Ok(x.pad(pad, if mode == zero { PadMode::Constant(value.unwrap_or(Scalar::Int(0))) } else { mode })?)
    });
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
    r.op("mT", |a| Ok(a.tensor("self")?.mt()?));
    r.op("mH", |a| Ok(a.tensor("self")?.mh()?));
    r.op("H", |a| Ok(a.tensor("self")?.h()?));
    r.op("movedim", |a| Ok(a.tensor("input")?.movedim(a.ints("source")?, a.ints("destination")?)?));
    r.alias("moveaxis", "movedim");
    r.op("unflatten", |a| Ok(a.tensor("input")?.unflatten(a.int("dim")?, a.ints("sizes")?)?));
    r.op("unfold", |a| Ok(a.tensor("self")?.unfold(a.int("dimension")?, a.size("size")?, a.size("step")?)?));
    r.op("as_strided", |a| {
        let (x, size, stride) = (a.tensor("input")?, a.ints("size")?, a.ints("stride")?);
        Ok(x.as_strided(size, stride, a.opt_size("storage_offset")?.unwrap_or(0))?)
    });
    r.op("as_strided_scatter", |a| {
        let (x, source, size, stride) = (a.tensor("input")?, a.tensor("src")?, a.ints("size")?, a.ints("stride")?);
        Ok(x.as_strided_scatter(&source, size, stride, a.opt_size("storage_offset")?.unwrap_or(0))?)
    });
    tensor_or_list(r, "atleast_1d", Tensor::atleast_1d);
    tensor_or_list(r, "atleast_2d", Tensor::atleast_2d);
    tensor_or_list(r, "atleast_3d", Tensor::atleast_3d);
    r.op("expand", |a| Ok(a.tensor("self")?.expand(a.sizes("size")?)?));
    r.alias("broadcast_to", "expand");
    r.alias("expand_copy", "expand");
    r.op("expand_as", |a| Ok(a.tensor("self")?.expand(a.tensor("other")?.shape())?));
    r.op("squeeze", |a| {
        let x = a.tensor("input")?;
        Ok(match a.take("dim") {
            None => x.squeeze()?,
            Some(Value::Int(d)) => x.squeeze_dim(d as isize)?,
            Some(dims) => x.squeeze_dims(Args::new(vec![dims], vec![]).ints("dim")?)?,
        })
    });
    r.op("unsqueeze", |a| Ok(a.tensor("input")?.unsqueeze(a.int("dim")?)?));
    r.op("flatten", |a| Ok(a.tensor("input")?.flatten(a.int_or("start_dim", 0)?, a.int_or("end_dim", -1)?)?));
    r.op("ravel", |a| Ok(a.tensor("input")?.flatten(0, -1)?));
    r.unary("contiguous", Tensor::contiguous);
    r.op("flip", |a| Ok(a.tensor("input")?.flip(a.sizes("dims")?)?));
    r.unary("positive", Tensor::positive);
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
            // The place may be an integer in a 0-d tensor.
            Some(Value::Tensor(t)) if t.dtype().is_int() && t.dim() == 0 => t.to_dtype(DType::I64)?.item::<i64>()? as isize,
            Some(Value::Tensor(_)) => return Err(CaseError::Untypable("`start` is an integer".to_string())),
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
        if let Some(Value::Int(_)) = a.peek("split_size_or_sections") {
            let size = a.size("split_size_or_sections")?;
            return Ok(x.split(size, a.int_or("dim", 0)?)?);
        }
        let sizes = a.ints("split_size_or_sections")?;
        Ok(x.split_with_sizes(sizes, a.int_or("dim", 0)?)?)
    });
    r.op("split_with_sizes", |a| {
        let (x, sizes) = (a.tensor("input")?, a.ints("split_sizes")?);
        Ok(x.split_with_sizes(sizes, a.int_or("dim", 0)?)?)
    });
    r.op("tensor_split", |a| {
        let x = a.tensor("input")?;
        let sections = sections(a, ["indices_or_sections", "indices"])?;
        Ok(x.tensor_split(sections, a.int_or("dim", 0)?)?)
    });
    r.op("hsplit", |a| Ok(a.tensor("input")?.hsplit(sections(a, ["indices_or_sections", "sections"])?)?));
    r.op("vsplit", |a| Ok(a.tensor("input")?.vsplit(sections(a, ["indices_or_sections", "sections"])?)?));
    r.op("dsplit", |a| Ok(a.tensor("input")?.dsplit(sections(a, ["indices_or_sections", "sections"])?)?));
    r.op("hstack", |a| Ok(Tensor::hstack(&a.tensors("tensors")?)?));
    r.op("vstack", |a| Ok(Tensor::vstack(&a.tensors("tensors")?)?));
    r.op("dstack", |a| Ok(Tensor::dstack(&a.tensors("tensors")?)?));
    r.op("column_stack", |a| Ok(Tensor::column_stack(&a.tensors("tensors")?)?));
    r.alias("row_stack", "vstack");
    r.op("chunk", |a| {
        let (x, chunks) = (a.tensor("input")?, a.size("chunks")?);
        Ok(x.chunk(chunks, a.int_or("dim", 0)?)?)
    });
    r.op("unbind", |a| Ok(a.tensor("input")?.unbind(a.int_or("dim", 0)?)?));
}
