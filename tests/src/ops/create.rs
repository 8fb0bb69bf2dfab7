//! New tensors.

use rushlight_tensor::{DType, Device, Scalar, Tensor};

use crate::args::{Args, Either};
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

/// The options of a new tensor: `dtype`; everything is on the CPU, and `requires_grad` is False where it occurs.
pub(super) fn options(a: &mut Args, default: Option<DType>) -> CaseResult<(Option<DType>, Device)> {
    let dtype = match a.take_named("dtype") {
        Some(value) => Args::new(vec![value], vec![]).opt_dtype("dtype")?.or(default),
        None => default,
    };
    Ok((dtype, Device::cpu()))
}

/// A number, or a 0-d tensor as one.
fn end(a: &mut Args, name: &str) -> CaseResult<Scalar> {
    match a.either(name)? {
        Either::Scalar(s) => Ok(s),
        Either::Tensor(t) if t.dim() == 0 && t.dtype().is_complex() => Ok(Scalar::Complex(t.to_dtype(DType::C128)?.item()?)),
        Either::Tensor(t) if t.dim() == 0 && t.dtype().is_float() => Ok(Scalar::Float(t.to_f64()?)),
        Either::Tensor(t) if t.dim() == 0 => Ok(Scalar::Int(t.to_dtype(DType::I64)?.item()?)),
        Either::Tensor(_) => Err(CaseError::Untypable(format!("`{name}` is a number"))),
    }
}

pub(super) fn register(r: &mut Registry) {
    r.op("zeros", |a| {
        let options = options(a, None)?;
        Ok(Tensor::zeros(a.sizes("size")?, options)?)
    });
    r.op("ones", |a| {
        let options = options(a, None)?;
        Ok(Tensor::ones(a.sizes("size")?, options)?)
    });
    r.op("full", |a| {
        let options = options(a, None)?;
        Ok(Tensor::full(a.ints("size")?, a.scalar("fill_value")?, options)?)
    });
    r.op("scalar_tensor", |a| {
        let options = options(a, None)?;
        let value = a.scalar("s")?;
        // Without a dtype it is the default float type, whatever the number.
        let options = (options.0.or_else(|| Some(rushlight_tensor::default_dtype())), options.1);
        Ok(Tensor::full((), value, options)?)
    });
    like(r, "zeros_like", |x, _| x.zeros_like(), |shape, _, o| Tensor::zeros(shape, o), false);
    like(r, "ones_like", |x, _| x.ones_like(), |shape, _, o| Tensor::ones(shape, o), false);
    like(r, "full_like", |x, v| x.full_like(v), Tensor::full, true);
    new(r, "new_zeros", |sizes, _, o| Tensor::zeros(sizes, o), false);
    new(r, "new_ones", |sizes, _, o| Tensor::ones(sizes, o), false);
    new(r, "new_full", Tensor::full, true);
    like(r, "empty_like", |x, _| x.empty_like(), |shape, _, o| Tensor::empty(shape, o), false);
    new(r, "new_empty", |sizes, _, o| Tensor::empty(sizes, o), false);
    r.op("empty", |a| {
        let options = options(a, None)?;
        Ok(Tensor::empty(a.sizes("size")?, options)?)
    });
    // The dimensions as they lie in memory, then viewed in their own order.
    r.op("empty_permuted", |a| {
        let options = options(a, None)?;
        let (size, layout) = (a.ints("size")?, a.ints("physical_layout")?);
        let of = |d: &isize| usize::try_from(*d).ok().and_then(|d| size.get(d).copied());
        let inner: Option<Vec<isize>> = layout.iter().map(of).collect();
        let inner = inner.filter(|i| i.len() == size.len()).ok_or_else(|| "the layout is no order of the dimensions".to_string())?;
        let mut back = vec![0; size.len()];
        layout.iter().enumerate().for_each(|(at, &d)| back[d as usize] = at as isize);
        Ok(Tensor::empty(inner, options)?.permute(back)?)
    });
    r.op("item", |a| {
        let x = a.tensor("self")?;
        Ok(vec![match x.dtype() {
            DType::Bool => Value::Bool(x.item()?),
            d if d.is_complex() => Value::Complex(x.to_dtype(DType::C128)?.item()?),
            d if d.is_float() => Value::Float(x.to_dtype(DType::F64)?.item()?),
            _ => Value::Int(x.to_dtype(DType::I64)?.item()?),
        }])
    });
    // Strides speak of memory.
    r.op("empty_strided", |a| {
        let options = options(a, None)?;
        let (sizes, _) = (a.ints("size")?, a.ints("stride")?);
        Ok(Tensor::empty(sizes, options)?)
    });
    r.op("new_empty_strided", |a| {
        let x = a.tensor("self")?;
        let options = options(a, Some(x.dtype()))?;
        let (sizes, _) = (a.ints("size")?, a.ints("stride")?);
        Ok(Tensor::empty(sizes, options)?)
    });
    r.op("linspace", |a| {
        let options = options(a, None)?;
        let (start, end) = (end(a, "start")?, end(a, "end")?);
        Ok(Tensor::linspace(start, end, a.size("steps")?, options)?)
    });
    r.op("logspace", |a| {
        let options = options(a, None)?;
        let (start, end) = (end(a, "start")?, end(a, "end")?);
        let steps = a.size("steps")?;
        Ok(Tensor::logspace(start, end, steps, a.float_or("base", 10.0)?, options)?)
    });
    r.op("eye", |a| {
        let options = options(a, None)?;
        let (rows, cols) = (a.size("n")?, a.opt_size("m")?);
        Ok(Tensor::eye(rows, cols, options)?)
    });
    r.op("arange", |a| {
        let options = options(a, None)?;
        let one = Scalar::Int(1);
        // arange(end), arange(start, end), arange(start, end, step)
        let first = a.scalar("start")?;
        let (start, end) = match a.opt_scalar("end")? {
            Some(end) => (first, end),
            None => (Scalar::Int(0), first),
        };
        let step = a.opt_scalar("step")?.unwrap_or(one);
        Ok(Tensor::arange(start, end, step, options)?)
    });
}

type Filled = fn(Vec<isize>, Scalar, (Option<DType>, Device)) -> rushlight_tensor::Result<Tensor>;

/// `op_like(input, [value], dtype=None)`: the dtype is the input's unless named.
fn like(
    r: &mut Registry,
    name: &'static str,
    same: fn(&Tensor, Scalar) -> rushlight_tensor::Result<Tensor>,
    other: Filled,
    has_value: bool,
) {
    r.op(name, move |a| {
        let (dtype, device) = options(a, None)?;
        let x = a.tensor("input")?;
        let value = if has_value { a.scalar("fill_value")? } else { Scalar::Int(0) };
        let shape = x.shape().iter().map(|&n| n as isize).collect();
        Ok(match dtype {
            None => same(&x, value)?,
            dtype => other(shape, value, (dtype, device))?,
        })
    });
}

/// `self.new_op(size, [value], dtype=None)`: the dtype is self's unless named.
fn new(r: &mut Registry, name: &'static str, make: Filled, has_value: bool) {
    r.op(name, move |a| {
        let x = a.tensor("self")?;
        let options = options(a, Some(x.dtype()))?;
        let sizes = a.ints("size")?;
        let value = if has_value { a.scalar("fill_value")? } else { Scalar::Int(0) };
        Ok(make(sizes, value, options)?)
    });
}
