//! Mixed precision: regions in which the door converts inputs.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use rushlight_backend::op::ShapeOp;
use rushlight_backend::{DType, Op, Result};

use crate::{Input, Tensor, Tensors};

/// How many regions there are, on all threads.
static REGIONS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static TARGET: Cell<Option<DType>> = const { Cell::new(None) };
}

/// Runs a function in which matrix products, convolutions, attention and recurrent layers are computed in `dtype` (bfloat16 or float16; nothing changes for others), and what needs more, as losses
/// and linear algebra, in float32: PyTorch's `autocast` on the CPU. Parameters and other tensors keep their types: what an operation takes is converted, and gradients are
/// converted back. Tensors of float64 and of integers are left alone. Regions nest, and hold on the thread that enters them. Backward passes are never converted; they use the
/// types of the forward pass.
///
/// ```
/// use rushlight_tensor::{DType, Tensor, autocast, no_autocast};
///
/// let x = Tensor::ones([4, 4], ())?;
/// let (product, inner, loss) = autocast(DType::BF16, || {
///     let product = x.matmul(&x)?;
///     let loss = product.mse_loss(&product, Default::default())?;
///     Ok::<_, rushlight_tensor::Error>((product, no_autocast(|| x.matmul(&x))?, loss))
/// })?;
/// assert_eq!((product.dtype(), inner.dtype(), loss.dtype()), (DType::BF16, DType::F32, DType::F32));
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn autocast<R>(dtype: DType, f: impl FnOnce() -> R) -> R {
    region(is_half(dtype).then_some(dtype), f)
}

/// Runs a function as if it were outside of every [`autocast`] region.
pub fn no_autocast<R>(f: impl FnOnce() -> R) -> R {
    // Outside of all regions there is nothing to leave.
    if is_on() { region(None, f) } else { f() }
}

/// What products are computed in here, if this is in an [`autocast`] region.
pub fn autocast_dtype() -> Option<DType> {
    if is_on() { TARGET.get() } else { None }
}

fn region<R>(target: Option<DType>, f: impl FnOnce() -> R) -> R {
    /// Ends the region, also if `f` panics.
    struct Region(Option<DType>);
    impl Drop for Region {
        fn drop(&mut self) {
            TARGET.set(self.0);
            REGIONS.fetch_sub(1, Ordering::Relaxed);
        }
    }
    REGIONS.fetch_add(1, Ordering::Relaxed);
    let _region = Region(TARGET.replace(target));
    f()
}

/// Whether there is any region.
#[inline]
pub(crate) fn is_on() -> bool {
    REGIONS.load(Ordering::Relaxed) > 0
}

fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::BF16 | DType::F16)
}

/// What an operation wants of its inputs.
enum Policy {
    /// The region's type.
    Lower,
    /// At least float32.
    Full,
    /// The widest type among them.
    Widest,
    /// As `Widest`; the first result has the type of the first input again.
    Kept,
    /// Nothing.
    Any,
}

/// PyTorch's lists for the CPU.
fn policy(op: &Op) -> Policy {
    match op {
        Op::Matmul(_) | Op::Conv(_) | Op::Attention(_) | Op::Rnn(_) => Policy::Lower,
        Op::Loss(_) | Op::Linalg(_) => Policy::Full,
        Op::Norm(_) => Policy::Kept,
        Op::Shape(ShapeOp::Cat { .. }) | Op::Index(_) => Policy::Widest,
        _ => match (op.family(), op.name()) {
            ("fft", _) | (_, "prod" | "avg_pool3d" | "grid_sample") => Policy::Full,
            _ => Policy::Any,
        },
    }
}

fn convert(inputs: &mut [Input<'_>], which: impl Fn(DType) -> bool, to: DType) -> Result<()> {
    for input in inputs.iter_mut().filter(|i| which(i.tensor().dtype())) {
        *input = Input::Own(input.take().to_dtype(to)?);
    }
    Ok(())
}

/// Runs an operation on inputs that are converted as the region says.
#[cold]
pub(crate) fn run(op: &Op, inputs: &mut [Input<'_>], next: impl FnOnce(&mut [Input<'_>]) -> Result<Tensors>) -> Result<Tensors> {
    let Some(target) = TARGET.get() else { return next(inputs) };
    let mixed = |inputs: &[Input<'_>]| inputs.iter().any(|i| i.tensor().dtype() == DType::F32);
    match policy(op) {
        Policy::Lower => convert(inputs, |d| d.is_float() && d != DType::F64 && d != target, target)?,
        Policy::Full => convert(inputs, is_half, DType::F32)?,
        Policy::Widest if mixed(inputs) => convert(inputs, is_half, DType::F32)?,
        Policy::Kept if mixed(inputs) && is_half(inputs[0].tensor().dtype()) => {
            let first = inputs[0].tensor().dtype();
            convert(inputs, is_half, DType::F32)?;
            let mut results = region(None, || next(inputs))?;
            results[0] = results[0].to_dtype(first)?;
            return Ok(results);
        }
        Policy::Widest | Policy::Kept => {}
        Policy::Any => return next(inputs),
    }
    // What the operation is made of keeps its types: a decomposition that widens would be narrowed again, without end.
    region(None, || next(inputs))
}

/// Tensors in float32, if one of them is narrower and this is in a region: what losses that are made of smaller operations begin with.
pub(crate) fn widened<const N: usize>(tensors: [&Tensor; N]) -> Result<Option<[Tensor; N]>> {
    if autocast_dtype().is_none() || !tensors.iter().any(|t| is_half(t.dtype())) {
        return Ok(None);
    }
    let mut wide = tensors.map(Tensor::clone);
    for t in wide.iter_mut().filter(|t| is_half(t.dtype())) {
        *t = t.to_dtype(DType::F32)?;
    }
    Ok(Some(wide))
}
