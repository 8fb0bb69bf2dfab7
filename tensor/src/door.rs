//! The one door through which everything is computed.

use rushlight_backend::{Arg, Error, Layout, Meta, MetaRef, Op, Result, Storage, Storages};
use smallvec::SmallVec;

use crate::{Device, Tensor, decompose};

/// An input of an operation: lent, or given away so that its memory may be reused.
pub enum Input<'a> {
    /// Lent.
    Ref(&'a Tensor),
    /// Given away.
    Own(Tensor),
}

impl Input<'_> {
    /// The tensor.
    #[inline]
    pub fn tensor(&self) -> &Tensor {
        match self {
            Input::Ref(t) => t,
            Input::Own(t) => t,
        }
    }

    /// The tensor itself: a new handle if it was lent.
    pub fn into_tensor(self) -> Tensor {
        match self {
            Input::Ref(t) => t.clone(),
            Input::Own(t) => t,
        }
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
    let (op, inputs) = (op.into(), inputs.into_iter().map(Into::into).collect::<Inputs<'a>>());
    let device = inputs.first().map_or_else(Device::cpu, |i| i.tensor().device());
    enter(device, op, inputs)
}

/// Runs an operation with one result.
///
/// # Errors
/// As [`apply`].
pub fn apply1<'a, I: Into<Input<'a>>>(op: impl Into<Op>, inputs: impl IntoIterator<Item = I>) -> Result<Tensor> {
    apply(op, inputs).map(first)
}

/// Runs an operation on a device. For operations without inputs.
///
/// # Errors
/// As [`apply`].
pub fn apply_on(device: Device, op: impl Into<Op>, inputs: Inputs<'_>) -> Result<Tensors> {
    enter(device, op.into(), inputs)
}

fn first(mut results: Tensors) -> Tensor {
    results.swap_remove(0)
}

fn enter(device: Device, op: Op, inputs: Inputs<'_>) -> Result<Tensors> {
    let top = inputs.iter().filter_map(|i| i.tensor().trace()).max_by_key(|t| t.level());
    match top.cloned() {
        Some(trace) => trace.apply(op, inputs),
        None => execute(device, &op, inputs),
    }
}

/// Runs an operation on plain values.
fn execute(device: Device, op: &Op, inputs: Inputs<'_>) -> Result<Tensors> {
    let outputs = {
        let mut metas: SmallVec<[MetaRef<'_>; 3]> = SmallVec::new();
        for input in &inputs {
            metas.push(input.tensor().meta());
        }
        op.infer(&metas)?
    };
    if let Some(other) = inputs.iter().map(|i| i.tensor().device()).find(|d| *d != device) {
        return Err(Error::device(
            op.name(),
            format!("tensors are on different devices, {device} and {other}: move them with `to_device`"),
        ));
    }
    if let Op::Shape(shape_op) = op
        && let Some(layout) = shape_op.view(inputs[0].tensor().layout())
    {
        let x = inputs[0].tensor();
        return Ok(smallvec::smallvec![Tensor::from_parts(x.storage().clone(), layout, x.dtype(), device)]);
    }

    let results = if inputs.iter().any(|i| matches!(i, Input::Own(_))) {
        run_owned(device, op, inputs, &outputs)?
    } else {
        let mut args: SmallVec<[Arg<'_>; 3]> = SmallVec::new();
        for input in &inputs {
            args.push(borrowed(input.tensor()));
        }
        run(device, op, &mut args, &outputs)?
    };
    match results {
        Ran::Done(storages) => {
            let mut tensors = Tensors::new();
            for (storage, meta) in storages.into_iter().zip(outputs) {
                tensors.push(Tensor::from_parts(storage, Layout::of_shape(meta.shape), meta.dtype, device));
            }
            Ok(tensors)
        }
        Ran::Decomposed(tensors) => Ok(tensors),
    }
}

enum Ran {
    Done(Storages),
    Decomposed(Tensors),
}

fn borrowed(t: &Tensor) -> Arg<'_> {
    Arg::borrowed(t.storage(), t.layout(), t.dtype())
}

/// Runs the kernel, or the decomposition if the backend declines.
#[inline]
fn run(device: Device, op: &Op, args: &mut [Arg<'_>], outputs: &[Meta]) -> Result<Ran> {
    match device.backend().run(op, args, outputs)? {
        Some(storages) => Ok(Ran::Done(storages)),
        None => run_decomposed(device, op, args).map(Ran::Decomposed),
    }
}

/// Inputs that were given away are taken apart, so that the kernel sees whether it may reuse their memory.
fn run_owned(device: Device, op: &Op, inputs: Inputs<'_>, outputs: &[Meta]) -> Result<Ran> {
    let mut held: SmallVec<[Held<'_>; 3]> = inputs.into_iter().map(Held::new).collect();
    let owned: SmallVec<[Option<Storage>; 3]> = held.iter_mut().map(Held::take_storage).collect();
    let mut args: SmallVec<[Arg<'_>; 3]> = SmallVec::new();
    for (h, storage) in held.iter().zip(owned) {
        args.push(match (h, storage) {
            (Held::Owned { layout, dtype, .. }, Some(storage)) => Arg::owned(storage, layout, *dtype),
            (Held::Owned { .. }, None) => return Err(Error::value(op.name(), "an input has no memory")),
            (Held::Ref(t), _) => borrowed(t),
            (Held::Shared(t), _) => borrowed(t),
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
        let got = metas_text(&tensors);
        Err(Error::unsupported(op.name(), format!("the backend `{device}` does not take {}", got.join(", "))))
    })
}

fn metas_text(tensors: &[&Tensor]) -> Vec<String> {
    tensors.iter().map(|t| format!("{}{:?}", t.dtype(), t.shape())).collect()
}

/// An input while its operation runs.
enum Held<'a> {
    Ref(&'a Tensor),
    Shared(Tensor),
    Owned { storage: Option<Storage>, layout: Layout, dtype: rushlight_backend::DType },
}

impl<'a> Held<'a> {
    fn new(input: Input<'a>) -> Held<'a> {
        match input {
            Input::Ref(t) => Held::Ref(t),
            Input::Own(t) => match t.into_data() {
                Ok(d) => Held::Owned { storage: Some(d.storage), layout: d.layout, dtype: d.dtype },
                Err(t) => Held::Shared(t),
            },
        }
    }

    fn take_storage(&mut self) -> Option<Storage> {
        match self {
            Held::Owned { storage, .. } => storage.take(),
            _ => None,
        }
    }
}
