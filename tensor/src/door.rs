//! The one door through which everything is computed.

use std::cell::Cell;

use rushlight_backend::op::Random;
use rushlight_backend::{Arg, DType, Error, Layout, Meta, MetaRef, Metas, Op, Result, Storage};
use smallvec::SmallVec;

use crate::tracer::Reader;
use crate::{Device, Tensor, Trace, autocast, custom, decompose, profiler};

/// An input of an operation: lent, or given away so that its memory may be reused.
pub enum Input<'a> {
    /// Lent.
    Ref(&'a Tensor),
    /// Lent, as a tracer's level below sees it: with another trace than its handle carries.
    Below(&'a Tensor, Option<&'a Trace>),
    /// Given away.
    Own(Tensor),
}

impl<'a> Input<'a> {
    /// The tensor, for its values, shape, dtype and device. What it carries here is what [`trace`](Input::trace) says.
    #[inline]
    pub fn tensor(&self) -> &Tensor {
        match self {
            Input::Ref(t) | Input::Below(t, _) => t,
            Input::Own(t) => t,
        }
    }

    /// What the tensor carries for a tracer.
    #[inline]
    pub fn trace(&self) -> Option<&Trace> {
        match self {
            Input::Ref(t) => t.trace(),
            Input::Below(_, trace) => *trace,
            Input::Own(t) => t.trace(),
        }
    }

    /// The tensor itself: a new handle if it was lent.
    pub fn into_tensor(self) -> Tensor {
        match self {
            Input::Ref(t) => t.clone(),
            Input::Below(t, trace) => t.with_trace(trace.cloned()),
            Input::Own(t) => t,
        }
    }

    /// Takes the tensor out of a slice; an empty one stays behind.
    pub fn take(&mut self) -> Tensor {
        std::mem::replace(self, Input::Ref(Tensor::nothing())).into_tensor()
    }

    /// A handle of the tensor.
    pub fn to_tensor(&self) -> Tensor {
        self.tensor().with_trace(self.trace().cloned())
    }
}

impl<'a> From<&'a Tensor> for Input<'a> {
    #[inline]
    fn from(t: &'a Tensor) -> Input<'a> {
        Input::Ref(t)
    }
}

impl From<Tensor> for Input<'_> {
    #[inline]
    fn from(t: Tensor) -> Self {
        Input::Own(t)
    }
}

/// The inputs of an operation.
pub type Inputs<'a> = SmallVec<[Input<'a>; 3]>;

/// The results of an operation.
pub type Tensors = SmallVec<[Tensor; 1]>;

/// Runs an operation on the device of its inputs.
///
/// # Errors
/// What the shape rule, the kernel or a tracer says.
///
/// ```
/// use rushlight_tensor::{Tensor, apply, backend::op::{Binary, Pointwise}};
/// let x = Tensor::new(&[1.0f32, 2.0])?;
/// let y = apply(Pointwise::Binary(Binary::Add), [&x, &x])?;
/// assert_eq!(y[0].to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn apply<'a, I: Into<Input<'a>>>(op: impl Into<Op>, inputs: impl IntoIterator<Item = I>) -> Result<Tensors> {
    let mut list = Inputs::new();
    for input in inputs {
        list.push(input.into());
    }
    apply_slice(&op.into(), &mut list)
}

thread_local! {
    static DRAWS: Cell<Option<(u32, Reader)>> = const { Cell::new(None) };
}

/// Runs `f`; operations that draw random numbers go to this reader while it does, though none of their inputs carries its trace: drawing has a meaning for
/// a tracer that stands for many samples. `None`: to nobody.
pub fn with_draws_read<R>(reader: Option<(u32, Reader)>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<(u32, Reader)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            DRAWS.set(self.0);
        }
    }
    let _restore = Restore(DRAWS.replace(reader));
    f()
}

/// Who reads operations that draw.
pub fn draws_reader() -> Option<(u32, Reader)> {
    DRAWS.get()
}

/// Runs an operation that draws random numbers.
///
/// # Errors
/// As [`apply`].
pub fn apply_draw(device: Device, op: Random, mut inputs: Inputs<'_>) -> Result<Tensor> {
    let highest = inputs.iter().filter_map(Input::trace).map(|t| t.level()).max();
    match DRAWS.get() {
        Some((level, reader)) if highest.is_none_or(|h| h <= level) => first(reader(level, &op.into(), &mut inputs)),
        _ => first(enter(device, &op.into(), &mut inputs)),
    }
}

/// Runs an operation with one result.
///
/// # Errors
/// As [`apply`].
pub fn apply1<'a, I: Into<Input<'a>>>(op: impl Into<Op>, inputs: impl IntoIterator<Item = I>) -> Result<Tensor> {
    first(apply(op, inputs))
}

/// Runs an operation on a device. For operations without inputs.
///
/// # Errors
/// As [`apply`].
pub fn apply_on(device: Device, op: impl Into<Op>, mut inputs: Inputs<'_>) -> Result<Tensors> {
    enter(device, &op.into(), &mut inputs)
}

/// The one result.
#[inline(always)]
fn first(mut results: Result<Tensors>) -> Result<Tensor> {
    // Looked at where it lies, here and below: moving what was written a moment ago, in other pieces than it is read in, is the larger part of the cost of small operations.
    match &mut results {
        Ok(results) => results.pop().ok_or_else(|| Error::value("apply", "the operation has no result")),
        Err(e) => Err(e.clone()),
    }
}

/// Runs an operation on inputs that lie in a slice. Those that are given away are taken out of it.
///
/// # Errors
/// As [`apply`].
pub fn apply_slice(op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    let device = inputs.first().map_or_else(Device::cpu, |i| i.tensor().device());
    enter(device, op, inputs)
}

/// Runs an operation with one result on inputs that lie in a slice.
///
/// # Errors
/// As [`apply`].
pub fn apply_slice1(op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensor> {
    first(apply_slice(op, inputs))
}

#[inline]
fn enter(device: Device, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    if autocast::is_on() {
        return autocast::run(op, inputs, |inputs| dispatch(device, op, inputs));
    }
    dispatch(device, op, inputs)
}

#[inline]
fn dispatch(device: Device, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    let mut top: Option<(u32, Reader)> = None;
    for trace in inputs.iter().filter_map(Input::trace) {
        let level = trace.level();
        if top.is_none_or(|(highest, _)| level > highest) {
            top = Some((level, trace.reader()));
        }
    }
    match top {
        Some((level, reader)) => reader(level, op, inputs),
        None if profiler::is_on() => profiler::note(op, inputs, |inputs| execute(device, op, inputs)),
        None => execute(device, op, inputs),
    }
}

/// Below this number of elements new memory costs less than finding out whether old memory is free.
const WORTH_REUSING: usize = 1024;

/// Runs an operation on plain values.
fn execute(device: Device, op: &Op, inputs: &mut [Input<'_>]) -> Result<Tensors> {
    if let Op::Custom(op) = op {
        return custom::run(op, inputs);
    }
    let given = inputs.iter().any(|i| matches!(i, Input::Own(t) if t.numel() >= WORTH_REUSING));
    // Arrays for the usual numbers of inputs: filling a growing list costs several times as much.
    let outputs = match &*inputs {
        [x] if !given => return lent(device, op, [x.tensor()]),
        [x, y] if !given => return lent(device, op, [x.tensor(), y.tensor()]),
        many => {
            let tensors: SmallVec<[&Tensor; 4]> = many.iter().map(Input::tensor).collect();
            let metas: SmallVec<[MetaRef<'_>; 4]> = tensors.iter().map(|t| t.meta()).collect();
            let outputs = op.infer(&metas)?;
            if let Some(done) = without_kernel(device, op, &tensors) {
                return done;
            }
            if !given {
                return run(device, op, &mut tensors.iter().map(|t| borrowed(t)).collect::<SmallVec<[Arg<'_>; 4]>>(), &outputs);
            }
            outputs
        }
    };
    run_owned(device, op, inputs, &outputs)
}

/// Runs an operation on tensors of which none is given away.
#[inline]
fn lent<const N: usize>(device: Device, op: &Op, tensors: [&Tensor; N]) -> Result<Tensors> {
    let outputs = op.infer(&tensors.map(Tensor::meta));
    let outputs = match &outputs {
        Ok(outputs) => outputs,
        Err(e) => return Err(e.clone()),
    };
    match without_kernel(device, op, &tensors) {
        Some(done) => done,
        None => run(device, op, &mut tensors.map(borrowed), outputs),
    }
}

/// What needs no kernel: a view, or the error that a tensor is on another device.
#[inline]
fn without_kernel(device: Device, op: &Op, tensors: &[&Tensor]) -> Option<Result<Tensors>> {
    if let Some(other) = tensors.iter().map(|t| t.device()).find(|d| *d != device) {
        return Some(Err(Error::device(
            op.name(),
            format!("tensors are on different devices, {device} and {other}: move them with `to_device`"),
        )));
    }
    let Op::Shape(shape) = op else { return None };
    let x = tensors.first()?;
    let layout = shape.view(x.layout())?;
    Some(Ok(smallvec::smallvec![Tensor::from_parts(x.storage().clone(), layout, x.dtype(), device)]))
}

#[inline]
fn borrowed(t: &Tensor) -> Arg<'_> {
    Arg::borrowed(t.storage(), t.layout(), t.dtype())
}

/// Runs the kernel, or the decomposition if the backend declines.
fn run(device: Device, op: &Op, args: &mut [Arg<'_>], outputs: &Metas) -> Result<Tensors> {
    let mut storages = device.backend().run(op, args, outputs);
    let storages = match &mut storages {
        Ok(Some(storages)) => storages,
        Ok(None) => return run_decomposed(device, op, args),
        Err(e) => return Err(e.clone()),
    };
    let tensor = |storage, meta: &Meta| Tensor::from_parts(storage, Layout::contiguous(&meta.shape), meta.dtype, device);
    if let [meta] = &**outputs
        && let Some(storage) = storages.pop()
    {
        return Ok(Tensors::from_buf([tensor(storage, meta)]));
    }
    Ok(storages.drain(..).zip(outputs).map(|(storage, meta)| tensor(storage, meta)).collect())
}

/// An input while its operation runs.
enum Held<'a> {
    Lent(&'a Tensor),
    Shared(Tensor),
    /// Nobody else has a handle. Perhaps nobody else has the memory either: the kernel finds that out.
    Owned {
        storage: Option<Storage>,
        layout: Layout,
        dtype: DType,
    },
}

/// Inputs that were given away are taken apart, so that the kernel sees whether it may reuse their memory.
fn run_owned(device: Device, op: &Op, inputs: &mut [Input<'_>], outputs: &Metas) -> Result<Tensors> {
    let mut held: SmallVec<[Held<'_>; 4]> = SmallVec::new();
    for input in inputs {
        held.push(match input {
            Input::Ref(t) | Input::Below(t, _) => Held::Lent(t),
            Input::Own(_) => match input.take().into_data() {
                Ok(d) => Held::Owned { storage: Some(d.storage), layout: d.layout, dtype: d.dtype },
                Err(t) => Held::Shared(t),
            },
        });
    }
    let mut args: SmallVec<[Arg<'_>; 4]> = SmallVec::new();
    for h in &mut held {
        args.push(match h {
            Held::Owned { storage, layout, dtype } => Arg::owned(storage, layout, *dtype),
            Held::Lent(t) => borrowed(t),
            Held::Shared(t) => borrowed(t),
        });
    }
    run(device, op, &mut args, outputs)
}

#[cold]
fn run_decomposed(device: Device, op: &Op, args: &[Arg<'_>]) -> Result<Tensors> {
    let tensors = args
        .iter()
        .map(|a| Ok(Tensor::from_parts(a.storage()?.clone(), a.layout().clone(), a.dtype(), device)))
        .collect::<Result<SmallVec<[Tensor; 3]>>>()?;
    let tensors: SmallVec<[&Tensor; 3]> = tensors.iter().collect();
    decompose(op, &tensors).unwrap_or_else(|| {
        let got: Vec<String> = tensors.iter().map(|t| format!("{}{:?}", t.dtype(), t.shape())).collect();
        Err(Error::unsupported(op.name(), format!("the backend `{device}` does not take {}", got.join(", "))))
    })
}
