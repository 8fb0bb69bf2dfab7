//! One function over many samples at once: a tensor stands for one of its slices, and the operations work on all of them.

mod draw;
mod rules;

use std::any::Any;

use rushlight_backend::{MetaRef, Op};
use rushlight_tensor::{Error, Input, Reader, Result, Tensor, Tensors, Trace, Tracer, apply, decompose, with_draws_read};
use smallvec::SmallVec;

use crate::functional::settled;
use crate::level::{batch_level, nested};
use crate::structure::Outputs;

pub(crate) use draw::Draws;
pub use draw::Randomness;

/// The trace of a tensor that stands for one sample: all samples, along dimension 0.
struct Batch {
    level: u32,
    samples: Tensor,
}

impl Tracer for Batch {
    fn level(&self) -> u32 {
        self.level
    }

    fn below(&self) -> Option<&Trace> {
        self.samples.trace()
    }

    fn reader(&self) -> Reader {
        run
    }

    fn lower(&self, _: &Tensor) -> Tensor {
        self.samples.clone()
    }

    fn hides_values(&self) -> bool {
        true
    }

    fn detached(&self, tensor: &Tensor) -> Tensor {
        tensor.with_trace(Some(Trace::new(Batch { level: self.level, samples: self.samples.detach() })))
    }
}

/// A handle in the shape of one sample. Its own memory is the first sample's, or nothing: nobody reads it.
fn one_of(level: u32, samples: Tensor) -> Result<Tensor> {
    let plain = samples.with_trace(None);
    let handle = match plain.shape() {
        [0, sample @ ..] => Tensor::zeros((), (plain.dtype(), plain.device()))?.expand(sample)?,
        _ => plain.select(0, 0)?,
    };
    Ok(handle.into_traced(Some(Trace::new(Batch { level, samples }))))
}

/// A tensor as a level sees it: all samples if it stands for one, else the same for every sample.
enum Value {
    Samples(Tensor),
    Shared(Tensor),
}

impl Value {
    fn of(level: u32, t: &Tensor) -> Value {
        let found = t.trace().filter(|trace| trace.level() == level).and_then(|trace| {
            let any: &dyn Any = &**trace;
            any.downcast_ref::<Batch>()
        });
        match found {
            Some(batch) => Value::Samples(batch.samples.clone()),
            None => Value::Shared(t.clone()),
        }
    }

    /// The samples along dimension 0; a shared value is repeated without a copy.
    fn samples(&self, n: usize) -> Result<Tensor> {
        match self {
            Value::Samples(t) => Ok(t.clone()),
            Value::Shared(t) => {
                let shape: Vec<usize> = std::iter::once(n).chain(t.shape().iter().copied()).collect();
                t.expand(shape)
            }
        }
    }

    fn sample(&self, i: usize) -> Result<Tensor> {
        match self {
            Value::Samples(t) => t.select(0, i as isize),
            Value::Shared(t) => Ok(t.clone()),
        }
    }
}

/// Runs an operation of which some inputs stand for samples: by its rule, else its decomposition, else sample by sample.
fn run(level: u32, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    let handles: SmallVec<[Tensor; 3]> = inputs.iter_mut().map(Input::take).collect();
    let metas: SmallVec<[MetaRef<'_>; 4]> = handles.iter().map(Tensor::meta).collect();
    let outputs = if matches!(op, Op::Custom(_)) { None } else { Some(op.infer(&metas)?) };
    let values: SmallVec<[Value; 3]> = handles.iter().map(|t| Value::of(level, t)).collect();
    if let Op::Random(random) = op {
        return draw::run(level, random, &values).map(|t| smallvec::smallvec![t]);
    }
    let n = values.iter().find_map(|v| if let Value::Samples(t) = v { Some(t.shape()[0]) } else { None }).unwrap_or(0);
    if let Some(samples) = rules::batched(op, &values, &metas, n)? {
        return samples.into_iter().map(|t| one_of(level, t)).collect();
    }
    let refs: SmallVec<[&Tensor; 3]> = handles.iter().collect();
    if let Some(results) = decompose(op, &refs) {
        return results;
    }
    let mut columns: Vec<Vec<Tensor>> = Vec::new();
    for i in 0..n {
        let sample = values.iter().map(|v| v.sample(i)).collect::<Result<SmallVec<[Tensor; 3]>>>()?;
        for (j, y) in apply(op.clone(), &sample)?.into_iter().enumerate() {
            if columns.len() <= j {
                columns.push(Vec::with_capacity(n));
            }
            columns[j].push(y);
        }
    }
    if n == 0 {
        let outputs = outputs.ok_or_else(|| Error::unsupported(op.name(), "the shapes of its results over no samples are not known"))?;
        let device = handles.first().map(Tensor::device).unwrap_or_default();
        let empty = |shape: &[usize]| std::iter::once(0).chain(shape.iter().copied()).collect::<Vec<usize>>();
        return outputs.iter().map(|m| one_of(level, Tensor::zeros(empty(&m.shape), (m.dtype, device))?)).collect();
    }
    columns.iter().map(|column| one_of(level, Tensor::stack(column, 0)?)).collect()
}

/// A function over every sample at once: `f` is written for one, and each `Some(dim)` of `in_dims` names the dimension of that input along which the samples lie
/// (`None`: the input is the same for all). The results have the samples along `out_dim`.
///
/// It nests with every other transform: `vmap` of `grad` gives a gradient for each sample. Operations run on all samples together where a rule says how
/// (element by element, reductions, views, products, convolutions, normalisations, indexing...), by their decomposition, or sample by sample. Values cannot be
/// read inside (`to_vec`, `item`). Drawing random numbers inside is an error: [`vmap_with`] says what it is to mean.
///
/// # Errors
/// Those of `f`, and if there is no sample dimension or the numbers of samples differ.
///
/// ```
/// use rushlight_autograd::{grad, vmap};
/// use rushlight_tensor::Tensor;
/// // The gradient of each sample's loss.
/// let (w, x) = (Tensor::new([1.0f64, 2.0])?, Tensor::new([[1.0f64, 0.0], [0.0, 3.0]])?);
/// let per_sample = vmap(|x| grad(|w| w.mul(&x[0])?.sum()?.square(), &w), &[&x], &[Some(0)], 0)?;
/// assert_eq!(per_sample.to_vec::<f64>()?, [2.0, 0.0, 0.0, 36.0]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn vmap<R: Outputs>(
    f: impl FnOnce(&[Tensor]) -> Result<R>,
    inputs: &[&Tensor],
    in_dims: &[Option<isize>],
    out_dim: isize,
) -> Result<R> {
    vmap_with(f, inputs, in_dims, &[Some(out_dim)], Randomness::Error)
}

/// As [`vmap`], with a sample dimension for each result (or one for all; `None`: the result is the same for all samples and comes without) and a meaning of random
/// numbers.
///
/// # Errors
/// As `vmap`, and if a result without a sample dimension depends on the samples.
pub fn vmap_with<R: Outputs>(
    f: impl FnOnce(&[Tensor]) -> Result<R>,
    inputs: &[&Tensor],
    in_dims: &[Option<isize>],
    out_dims: &[Option<isize>],
    randomness: Randomness,
) -> Result<R> {
    if inputs.len() != in_dims.len() {
        return Err(Error::value("vmap", format!("got {} inputs and {} sample dimensions", inputs.len(), in_dims.len())));
    }
    nested(|| {
        let level = batch_level();
        let mut n = None;
        let mut handles = Vec::with_capacity(inputs.len());
        for (i, (x, dim)) in inputs.iter().zip(in_dims).enumerate() {
            let Some(dim) = *dim else {
                handles.push((*x).clone());
                continue;
            };
            let size = x.size(dim)?;
            match n {
                Some(n) if n != size => {
                    return Err(Error::shape("vmap", format!("input {i} has {size} samples, the ones before it {n}")));
                }
                _ => n = Some(size),
            }
            let samples = to_front(x, rushlight_backend::normalize_dim("vmap", dim, x.dim())?)?;
            handles.push(one_of(level, samples)?);
        }
        let n = n.ok_or_else(|| Error::value("vmap", "no input has a sample dimension"))?;
        let results = settled(level, draw::within(level, n, randomness, || with_draws_read(Some((level, run)), || f(&handles)))?);
        let found = results.outputs();
        if out_dims.len() != 1 && out_dims.len() != found.len() {
            return Err(Error::value("vmap", format!("got {} results and {} sample dimensions for them", found.len(), out_dims.len())));
        }
        let dim_of = |i: usize| out_dims.get(i).or(out_dims.first()).copied().flatten();
        let given = found
            .iter()
            .enumerate()
            .map(|(i, y)| match (dim_of(i), Value::of(level, y)) {
                (Some(dim), value) => back_to(&value.samples(n)?, dim),
                (None, Value::Shared(y)) => Ok(y),
                (None, Value::Samples(_)) => {
                    Err(Error::value("vmap", format!("result {i} depends on the samples: it needs a dimension for them")))
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let beside = |t: &Tensor| match Value::of(level, t) {
            Value::Samples(t) | Value::Shared(t) => t,
        };
        Ok(results.replaced(given, &beside))
    })
}

/// As [`vmap_with`], over at most `chunk_size` samples at a time: what it needs of memory does not grow with their number. The results are those of all samples
/// together, but where random numbers differ between samples.
///
/// # Errors
/// As `vmap_with`, and if `chunk_size` is 0, a result has no sample dimension, or there are no samples.
///
/// ```
/// use rushlight_autograd::{Randomness, vmap_chunked};
/// use rushlight_tensor::Tensor;
/// let x = Tensor::arange(0, 5, 1, ())?;
/// let y = vmap_chunked(|x| x[0].square(), &[&x], &[Some(0)], &[0], Randomness::Error, 2)?;
/// assert_eq!(y.to_vec::<i64>()?, [0, 1, 4, 9, 16]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn vmap_chunked<R: Outputs>(
    f: impl Fn(&[Tensor]) -> Result<R>,
    inputs: &[&Tensor],
    in_dims: &[Option<isize>],
    out_dims: &[isize],
    randomness: Randomness,
    chunk_size: usize,
) -> Result<R> {
    if chunk_size == 0 {
        return Err(Error::value("vmap", "the size of a chunk must be at least 1"));
    }
    let sizes = inputs.iter().zip(in_dims).filter_map(|(x, dim)| dim.map(|d| x.size(d))).collect::<Result<Vec<_>>>()?;
    let n = sizes.first().copied().unwrap_or(0);
    let each: Vec<_> = out_dims.iter().copied().map(Some).collect();
    if sizes.iter().any(|&size| size != n) || n <= chunk_size {
        return vmap_with(f, inputs, in_dims, &each, randomness);
    }
    let mut chunks = Vec::new();
    for start in (0..n).step_by(chunk_size) {
        let len = chunk_size.min(n - start);
        let part = |(x, dim): (&&Tensor, &Option<isize>)| dim.map_or_else(|| Ok((*x).clone()), |d| x.narrow(d, start as isize, len));
        let parts = inputs.iter().zip(in_dims).map(part).collect::<Result<Vec<_>>>()?;
        chunks.push(vmap_with(&f, &parts.iter().collect::<Vec<_>>(), in_dims, &each, randomness)?);
    }
    let results: Vec<Vec<&Tensor>> = chunks.iter().map(Outputs::outputs).collect();
    let joined = (0..results[0].len()).map(|i| {
        let dim = out_dims.get(i).or(out_dims.first()).copied().unwrap_or(0);
        Tensor::cat(&results.iter().map(|r| r[i]).collect::<Vec<_>>(), dim)
    });
    let joined = joined.collect::<Result<Vec<_>>>()?;
    Ok(chunks[0].replaced(joined, &Tensor::clone))
}

fn to_front(x: &Tensor, dim: usize) -> Result<Tensor> {
    let order: Vec<isize> = std::iter::once(dim).chain((0..x.dim()).filter(|&d| d != dim)).map(|d| d as isize).collect();
    x.permute(order)
}

/// Moves the first dimension to where the samples are wanted.
fn back_to(y: &Tensor, dim: isize) -> Result<Tensor> {
    let rank = y.dim();
    let out = rushlight_backend::normalize_dim("vmap", dim, rank)?;
    let order: Vec<isize> = (1..=out).chain([0]).chain(out + 1..rank).map(|d| d as isize).collect();
    y.permute(order)
}
