//! The family `random`: an operation's parameters to the sampler that they mean.

use rushlight_backend::op::{self, Random};
use rushlight_backend::{Arg, DType, Engine, Error, Layout, Meta, Result, Storage, bf16, f16, numel};

use super::{Float, Sample};
use crate::buffer::{Bool, Plain, alloc, input, typed_mut};
use crate::shape;

pub(crate) fn run(op: &Random, inputs: &[Arg<'_>], out: &Meta) -> Result<Storage> {
    macro_rules! any {
        ($($d:ident: $t:ty),*) => {
            match out.dtype {
                $(DType::$d => fill::<$t>(op, inputs, out),)*
                // A `bool` is drawn as such and stored as a byte.
                DType::Bool => {
                    let mut drawn = vec![false; out.numel()];
                    sample(op, inputs, &mut drawn)?;
                    let mut buffer = alloc::<Bool>(&out.shape)?;
                    typed_mut::<Bool>(&mut buffer).iter_mut().zip(drawn).for_each(|(o, b)| *o = b.into());
                    Ok(Storage::new(buffer))
                }
                other => Err(unsupported(op, other)),
            }
        };
    }
    macro_rules! floats {
        ($($d:ident: $t:ty),*) => {
            match out.dtype {
                $(DType::$d => fill_float::<$t>(op, out),)*
                other => Err(unsupported(op, other)),
            }
        };
    }
    match op.sample {
        op::Sample::Multinomial { samples, replacement } => multinomial(op, samples, replacement, &inputs[0], out),
        op::Sample::Uniform { .. } | op::Sample::Normal { one_by_one: false, .. } => floats!(F16: f16, BF16: bf16, F32: f32, F64: f64),
        _ => any!(U8: u8, I8: i8, I16: i16, I32: i32, I64: i64, F16: f16, BF16: bf16, F32: f32, F64: f64),
    }
}

#[cold]
fn unsupported(op: &Random, dtype: DType) -> Error {
    Error::unsupported(rushlight_backend::Op::from(op.clone()).name(), format!("{dtype} is not supported on the CPU"))
}

fn fill_float<T: Float + Plain>(op: &Random, out: &Meta) -> Result<Storage> {
    let mut buffer = alloc::<T>(&out.shape)?;
    let values = typed_mut::<T>(&mut buffer);
    let engine = &mut *op.generator.lock();
    match op.sample {
        op::Sample::Uniform { low, high } => super::uniform(engine, values, low, high),
        op::Sample::Normal { mean, std, .. } => super::normal(engine, values, mean, std),
        _ => return Err(unsupported(op, out.dtype)),
    }
    Ok(Storage::new(buffer))
}

fn fill<T: Sample + Plain>(op: &Random, inputs: &[Arg<'_>], out: &Meta) -> Result<Storage> {
    let mut buffer = alloc::<T>(&out.shape)?;
    sample(op, inputs, typed_mut::<T>(&mut buffer))?;
    Ok(Storage::new(buffer))
}

fn sample<T: Sample>(op: &Random, inputs: &[Arg<'_>], out: &mut [T]) -> Result<()> {
    if op.sample == op::Sample::BernoulliOf {
        return bernoulli_of(op, &inputs[0], out);
    }
    let engine: &mut Engine = &mut op.generator.lock();
    match op.sample {
        op::Sample::Normal { mean, std, .. } => super::normal_scalar(engine, out, mean, std),
        op::Sample::Integers { low, high } => super::random_from_to(engine, out, low, high.wrapping_sub(low) as u64),
        op::Sample::FullRange => super::random(engine, out),
        op::Sample::Permutation => super::randperm(engine, out),
        op::Sample::Bernoulli { p } => super::bernoulli(engine, out, p),
        op::Sample::Exponential { rate } => super::exponential(engine, out, rate),
        op::Sample::Geometric { p } => super::geometric(engine, out, p),
        op::Sample::Cauchy { median, sigma } => super::cauchy(engine, out, median, sigma),
        op::Sample::LogNormal { mean, std } => super::log_normal(engine, out, mean, std),
        op::Sample::Uniform { .. } | op::Sample::BernoulliOf | op::Sample::Multinomial { .. } => {
            return Err(unsupported(op, op.dtype));
        }
    }
    Ok(())
}

/// The elements of an input in row-major order.
fn with_values<T: Plain, R>(x: &Arg<'_>, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let n = numel(x.shape());
    if x.layout().is_contiguous() {
        let first = if n == 0 { 0 } else { x.layout().offset() };
        return f(&input::<T>(x)?[first..first + n]);
    }
    let copy = shape::contiguous(x)?;
    let layout = Layout::contiguous(x.shape());
    f(&input::<T>(&Arg::borrowed(&copy, &layout, x.dtype()))?[..n])
}

fn bernoulli_of<T: Sample>(op: &Random, p: &Arg<'_>, out: &mut [T]) -> Result<()> {
    let engine: &mut Engine = &mut op.generator.lock();
    match p.dtype() {
        DType::F16 => with_values::<f16, _>(p, |p| super::bernoulli_each(engine, out, p)),
        DType::BF16 => with_values::<bf16, _>(p, |p| super::bernoulli_each(engine, out, p)),
        DType::F32 => with_values::<f32, _>(p, |p| super::bernoulli_each(engine, out, p)),
        DType::F64 => with_values::<f64, _>(p, |p| super::bernoulli_each(engine, out, p)),
        other => Err(unsupported(op, other)),
    }
}

fn multinomial(op: &Random, samples: usize, replacement: bool, weights: &Arg<'_>, out: &Meta) -> Result<Storage> {
    let categories = weights.shape().last().copied().unwrap_or(0);
    let mut buffer = alloc::<i64>(&out.shape)?;
    let places = typed_mut::<i64>(&mut buffer);
    let engine: &mut Engine = &mut op.generator.lock();
    match weights.dtype() {
        DType::F16 => with_values::<f16, _>(weights, |w| super::multinomial(engine, places, w, categories, samples, replacement)),
        DType::BF16 => with_values::<bf16, _>(weights, |w| super::multinomial(engine, places, w, categories, samples, replacement)),
        DType::F32 => with_values::<f32, _>(weights, |w| super::multinomial(engine, places, w, categories, samples, replacement)),
        DType::F64 => with_values::<f64, _>(weights, |w| super::multinomial(engine, places, w, categories, samples, replacement)),
        other => Err(unsupported(op, other)),
    }?;
    Ok(Storage::new(buffer))
}
