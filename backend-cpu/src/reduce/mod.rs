//! Reductions over dimensions.
//!
//! Every order of summation is fixed by shape and strides: up to 64 elements are added to one lane of 64, lanes are joined as a tree, and
//! the results of blocks are merged pairwise in wider numbers (`f64` for `f32`). Threads take results, or whole blocks, and so
//! do not change a bit.

mod arg;
mod block;
mod drive;
pub(crate) mod kernel;
mod plan;

use rushlight_backend::op::{Reduce, Reduction};
use rushlight_backend::{Arg, Complex32, Complex64, DType, Meta, Result, Storage, Storages, bf16, f16};
use smallvec::SmallVec;

use self::block::Of;
use self::kernel::{Extreme, Fraction, Kernel, Logical, Number, Ordered, Prod, Real, Squares, Sum, Truth};
use self::plan::Plan;
use crate::buffer::{Bool, Plain, alloc, typed_mut};
use crate::shape::words;

/// Evaluates an expression with `T` as the Rust type of a dtype, if it is of the class named; else declines.
macro_rules! by_dtype {
    ([$($d:ident: $t:ty),*] $dtype:expr, $body:expr) => {
        match $dtype {
            $(DType::$d => { type T = $t; $body.map(Some) })*
            #[allow(unreachable_patterns)] // where all are listed
            _ => Ok(None),
        }
    };
    (floats $($call:tt)*) => { by_dtype!([F16: f16, BF16: bf16, F32: f32, F64: f64] $($call)*) };
    (fractions $($call:tt)*) => {
        by_dtype!([F16: f16, BF16: bf16, F32: f32, F64: f64, C64: Complex32, C128: Complex64] $($call)*)
    };
    (numbers $($call:tt)*) => {
        by_dtype!([U8: u8, I8: i8, I16: i16, I32: i32, I64: i64, F16: f16, BF16: bf16, F32: f32, F64: f64, C64: Complex32,
            C128: Complex64] $($call)*)
    };
    // Truth values are ordered as bytes.
    (ordered $($call:tt)*) => {
        by_dtype!([Bool: u8, U8: u8, I8: i8, I16: i16, I32: i32, I64: i64, F16: f16, BF16: bf16, F32: f32, F64: f64] $($call)*)
    };
    // An integer's sign does not matter to whether it is zero.
    (all $($call:tt)*) => {
        by_dtype!([Bool: Bool, U8: Bool, I8: Bool, I16: i16, I32: i32, I64: i64, F16: f16, BF16: bf16, F32: f32, F64: f64,
            C64: Complex32, C128: Complex64] $($call)*)
    };
}

/// Runs a reduction. Declines sums and products of booleans, which the methods convert first, and variances of complex numbers; and norms.
pub(crate) fn run(op: &Reduce, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Option<Storages>> {
    let x = &inputs[0];
    let one = |storage: Result<Option<Storage>>| storage.map(|s| s.map(|s| smallvec::smallvec![s]));
    match op.kind {
        Reduction::Sum => one(by_dtype!(numbers x.dtype(), sum::<T>(op, x, outputs))),
        Reduction::Mean => one(by_dtype!(fractions x.dtype(), mean::<T>(op, x, outputs))),
        Reduction::Prod => one(by_dtype!(numbers x.dtype(), prod::<T>(op, x, outputs))),
        Reduction::Amax => one(by_dtype!(ordered x.dtype(), extreme::<T, true>(op, x, outputs))),
        Reduction::Amin => one(by_dtype!(ordered x.dtype(), extreme::<T, false>(op, x, outputs))),
        Reduction::All => one(by_dtype!(all x.dtype(), logical::<T, true>(op, x, outputs))),
        Reduction::Any => one(by_dtype!(all x.dtype(), logical::<T, false>(op, x, outputs))),
        Reduction::Var { correction } => one(by_dtype!(floats x.dtype(), var::<T>(op, x, outputs, correction))),
        // It has no kernel of its own.
        Reduction::Norm { .. } => Ok(None),
        Reduction::Argmax => by_dtype!(ordered x.dtype(), arg_only::<T, true>(op, x, outputs)),
        Reduction::Argmin => by_dtype!(ordered x.dtype(), arg_only::<T, false>(op, x, outputs)),
        Reduction::Max => by_dtype!(ordered x.dtype(), arg_and_value::<T, true>(op, x, outputs)),
        Reduction::Min => by_dtype!(ordered x.dtype(), arg_and_value::<T, false>(op, x, outputs)),
    }
}

/// Memory of outputs that threads write in places of their own.
struct Shared<O>(*mut O, usize);
// SAFETY: `outputs_of` writes every place once.
unsafe impl<O: Send> Sync for Shared<O> {}

/// Reduces `x` to `out`, whose elements `narrow` makes of an output's number and result.
fn reduce<K: Kernel, O: Copy + Send>(
    plan: &Plan,
    x: &[K::T],
    params: &[K::Param],
    out: &mut [O],
    narrow: impl Fn(usize, K::Wide) -> O + Sync,
) {
    let shared = Shared(out.as_mut_ptr(), out.len());
    drive::reduce::<K::Wide>(plan, &Of::<K> { x, params }, &|first, step, wide| {
        let shared = &shared;
        for (i, &w) in wide.iter().enumerate() {
            let i = (first as isize + i as isize * step) as usize;
            assert!(i < shared.1);
            // SAFETY: inside of the memory, and each output is handed over once.
            unsafe { shared.0.add(i).write(narrow(i, w)) };
        }
    });
}

/// Reductions without parameters.
fn simple<K: Kernel<Param = ()>, O: Plain>(
    op: &Reduce,
    x: &Arg<'_>,
    outputs: &[Meta],
    narrow: impl Fn(K::Wide, usize) -> O + Sync,
) -> Result<Storage> {
    let plan = Plan::new(x.layout(), &op.dims);
    let mut buffer = alloc::<O>(&outputs[0].shape)?;
    reduce::<K, O>(&plan, words(x)?, &[], typed_mut(&mut buffer), |_, w| narrow(w, plan.count));
    Ok(Storage::new(buffer))
}

fn sum<T: Number>(op: &Reduce, x: &Arg<'_>, outputs: &[Meta]) -> Result<Storage> {
    simple::<Sum<T>, T>(op, x, outputs, |w, _| T::narrow(w))
}

fn mean<T: Fraction>(op: &Reduce, x: &Arg<'_>, outputs: &[Meta]) -> Result<Storage> {
    simple::<Sum<T>, T>(op, x, outputs, |w, n| T::narrow(T::over(w, n)))
}

fn prod<T: Number>(op: &Reduce, x: &Arg<'_>, outputs: &[Meta]) -> Result<Storage> {
    simple::<Prod<T>, T>(op, x, outputs, |w, _| T::narrow(w))
}

fn extreme<T: Ordered, const MAX: bool>(op: &Reduce, x: &Arg<'_>, outputs: &[Meta]) -> Result<Storage> {
    simple::<Extreme<T, MAX>, T>(op, x, outputs, |w, _| T::narrow(w))
}

fn logical<T: Truth, const ALL: bool>(op: &Reduce, x: &Arg<'_>, outputs: &[Meta]) -> Result<Storage> {
    simple::<Logical<T, ALL>, Bool>(op, x, outputs, |w, _| Bool(w as u8))
}

/// Two passes: means, then squared deviations from them. A mean is rounded before elements are compared with it; what that adds to the
/// squares is known and taken off.
fn var<T: Real>(op: &Reduce, x: &Arg<'_>, outputs: &[Meta], correction: f64) -> Result<Storage> {
    let plan = Plan::new(x.layout(), &op.dims);
    let data = words::<T>(x)?;
    let n = plan.count as f64;
    let mut means: SmallVec<[f64; 16]> = SmallVec::from_elem(0.0, plan.outputs);
    reduce::<Sum<T>, f64>(&plan, data, &[], &mut means, |_, w| w / n);
    let pivots: SmallVec<[T::Lane; 16]> = means.iter().map(|&m| T::pivot(m)).collect();
    let mut buffer = alloc::<T>(&outputs[0].shape)?;
    reduce::<Squares<T>, T>(&plan, data, &pivots, typed_mut(&mut buffer), |i, squares| {
        let off = means[i] - T::wide(pivots[i]);
        let rounding = n * off * off;
        // Comparing keeps NaN, which `max` would lose.
        let squares = if squares < rounding { 0.0 } else { squares - rounding };
        T::narrow(squares / (n - correction).max(0.0))
    });
    Ok(Storage::new(buffer))
}

fn arg_only<T: Ordered, const MAX: bool>(op: &Reduce, x: &Arg<'_>, outputs: &[Meta]) -> Result<Storages> {
    let mut places = alloc::<i64>(&outputs[0].shape)?;
    arg::run::<T, MAX>(words(x)?, x.layout(), op.dims[0], typed_mut(&mut places), None);
    Ok(smallvec::smallvec![Storage::new(places)])
}

fn arg_and_value<T: Ordered, const MAX: bool>(op: &Reduce, x: &Arg<'_>, outputs: &[Meta]) -> Result<Storages> {
    let (mut values, mut places) = (alloc::<T>(&outputs[0].shape)?, alloc::<i64>(&outputs[1].shape)?);
    arg::run::<T, MAX>(words(x)?, x.layout(), op.dims[0], typed_mut(&mut places), Some(typed_mut(&mut values)));
    Ok(smallvec::smallvec![Storage::new(values), Storage::new(places)])
}
