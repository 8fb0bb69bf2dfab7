//! Element by element, with broadcasting.
//!
//! The loops are in [`unary`], [`binary`], [`grad`] and [`cast`], compiled for contiguous slices and single numbers; [`drive`] brings
//! operands into that form. The choice of the function is made once, before any loop.

pub(crate) mod analytic;
mod binary;
mod cast;
mod complex;
mod drive;
mod erf;
pub(crate) mod exp;
mod float;
mod grad;
mod int;
mod math;
mod special;
#[cfg(test)]
mod tests;
mod unary;
mod where_;
mod wide;

use rushlight_backend::op::{Binary, Pointwise, Rounding, Unary};
use rushlight_backend::{Arg, Complex32, Complex64, DType, Error, Layout, Meta, Result, Scalar, Storage, bf16, f16};

use smallvec::SmallVec;

use self::binary::Loops;
use self::drive::{BLOCK, Lane, Source, Val, drive};
use crate::buffer::{Bool, CpuBuffer, Plain, alloc, cpu_mut, input, typed_mut};
use crate::create::FromScalar;
use crate::shape;
use crate::transpose::is_transposed;

/// Elements computed by one task: cheap functions are limited by memory, costly ones share out better in small pieces.
const CHEAP: usize = 1 << 15;
const COSTLY: usize = 1 << 13;

pub(crate) fn run(op: &Pointwise, inputs: &mut [Arg<'_>], outputs: &[Meta]) -> Result<Storage> {
    if inputs.iter().any(|x| is_transposed(x.layout())) { run_ordered(op, inputs, outputs) } else { choose(op, inputs, outputs) }
}

/// Copies inputs that lie transposed first: by tiles, which the copy knows how to do.
#[cold]
fn run_ordered(op: &Pointwise, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storage> {
    let layouts: SmallVec<[Layout; 3]> = inputs.iter().map(|x| Layout::contiguous(x.shape())).collect();
    let mut copies: SmallVec<[Option<Storage>; 3]> = SmallVec::new();
    for x in inputs {
        copies.push(if is_transposed(x.layout()) { Some(shape::contiguous(x)?) } else { None });
    }
    let mut args: SmallVec<[Arg<'_>; 3]> = SmallVec::new();
    for ((x, layout), copy) in inputs.iter().zip(&layouts).zip(&mut copies) {
        args.push(match copy.is_some() {
            true => Arg::owned(copy, layout, x.dtype()),
            false => Arg::borrowed(x.storage()?, x.layout(), x.dtype()),
        });
    }
    choose(op, &mut args, outputs)
}

fn choose(op: &Pointwise, inputs: &mut [Arg<'_>], outputs: &[Meta]) -> Result<Storage> {
    let out = &outputs[0];
    match (op, inputs) {
        (Pointwise::Unary(f), [x]) => unary(*f, x, out),
        (Pointwise::Binary(f), [x, y]) => binary(*f, x, y, out),
        (Pointwise::WithScalar { op, scalar, reflected }, [x]) => with_scalar(*op, *scalar, *reflected, x, out),
        (Pointwise::UnaryGrad(f), [g, v]) => unary_grad(*f, g, v, out),
        (Pointwise::Where, [c, x, y]) => where_::run(c, x, y, out),
        (Pointwise::Cast(to), [x]) => cast::run(x, *to),
        (Pointwise::Special(f), inputs) => special::run(*f, inputs, out),
        (Pointwise::Integer(f), [x, y]) => special::integer(*f, x, y, out),
        (Pointwise::Part(part), [x]) => complex::part(*part, x, out),
        (Pointwise::Complex, [re, im]) => complex::pack(re, im, out),
        (op, inputs) => {
            let name = rushlight_backend::Op::from(*op).name();
            Err(Error::value(name, format!("does not take {} tensors", inputs.len())))
        }
    }
}

#[cold]
fn unsupported(name: &'static str, dtype: DType) -> Error {
    Error::unsupported(name, format!("the CPU has no kernel for {dtype}"))
}

/// The memory of an input, if the result may be written there: it was given away and its elements lie just as the result's will.
pub(crate) fn reusable(arg: &mut Arg<'_>, shape: &[usize], dtype: DType) -> Option<Storage> {
    if !arg.is_given() {
        return None;
    }
    let layout = arg.layout();
    let fits = arg.dtype() == dtype
        && layout.shape() == shape
        && layout.offset() == 0
        && layout.is_contiguous()
        && arg.storage().is_ok_and(|s| s.bytes() == layout.numel() * dtype.size());
    if fits { arg.take_unique() } else { None }
}

/// Memory for a result.
enum Memory {
    New(CpuBuffer),
    /// An input's.
    Reused(Storage),
}

impl Memory {
    /// That of the first input that can be reused, else new.
    #[inline]
    fn of<T: Plain>(inputs: &mut [&mut Arg<'_>], out: &Meta) -> Result<Memory> {
        for x in inputs {
            if let Some(storage) = reusable(x, &out.shape, out.dtype) {
                return Ok(Memory::Reused(storage));
            }
        }
        Ok(Memory::New(alloc::<T>(&out.shape)?))
    }

    #[inline]
    fn buffer(&mut self) -> Result<&mut CpuBuffer> {
        match self {
            Memory::New(buffer) => Ok(buffer),
            Memory::Reused(storage) => cpu_mut(storage),
        }
    }

    #[inline]
    fn into_storage(self) -> Storage {
        match self {
            Memory::New(buffer) => Storage::new(buffer),
            Memory::Reused(storage) => storage,
        }
    }
}

/// An operand; if its memory was taken, it is the result's.
fn source<'a, T: Plain>(arg: &'a Arg<'_>) -> Result<Source<'a, T>> {
    let data = if arg.storage().is_ok() { Some(input::<T>(arg)?) } else { None };
    Ok(Source { data, layout: arg.layout() })
}

/// Computes a result of the operands' dtype.
fn same<T: Lane, const N: usize>(
    mut inputs: [&mut Arg<'_>; N],
    out: &Meta,
    grain: usize,
    kernel: impl Fn([Val<'_, T::C>; N], &mut [T::C]) + Sync,
) -> Result<Storage> {
    let mut memory = Memory::of::<T>(&mut inputs, out)?;
    let mut sources = [const { None }; N];
    for (s, arg) in sources.iter_mut().zip(&inputs) {
        *s = Some(source::<T>(arg)?);
    }
    let sources = sources.map(|s| s.unwrap_or(Source { data: None, layout: inputs[0].layout() }));
    drive::<T, T, N>(typed_mut(memory.buffer()?), &out.shape, sources, T::widen, grain, kernel);
    Ok(memory.into_storage())
}

/// Computes a `bool` result.
fn predicate<T: Lane, const N: usize>(
    inputs: [&Arg<'_>; N],
    out: &Meta,
    kernel: impl Fn([Val<'_, T::C>; N], &mut [Bool]) + Sync,
) -> Result<Storage> {
    let mut buffer = alloc::<Bool>(&out.shape)?;
    let mut sources = [const { None }; N];
    for (s, arg) in sources.iter_mut().zip(inputs) {
        *s = Some(source::<T>(arg)?);
    }
    let sources = sources.map(|s| s.unwrap_or(Source { data: None, layout: inputs[0].layout() }));
    drive::<T, Bool, N>(typed_mut(&mut buffer), &out.shape, sources, |_, _| {}, CHEAP, kernel);
    Ok(Storage::new(buffer))
}

fn run_unary<T: Lane>(f: Unary, table: Option<unary::Loop<T::C, T::C>>, x: &mut Arg<'_>, out: &Meta) -> Result<Storage> {
    let table = table.ok_or_else(|| unsupported(f.name(), x.dtype()))?;
    let p = unary::parameters(f);
    same::<T, 1>([x], out, unary_grain(f), |[x], out| match x {
        Val::Slice(x) => table(p, x, out),
        Val::One(x) => {
            if let Some((first, rest)) = out.split_first_mut() {
                table(p, &[x], std::slice::from_mut(first));
                rest.fill(*first);
            }
        }
    })
}

fn run_unary_predicate<T: Lane>(f: Unary, table: Option<unary::Loop<T::C, Bool>>, x: &Arg<'_>, out: &Meta) -> Result<Storage> {
    let table = table.ok_or_else(|| unsupported(f.name(), x.dtype()))?;
    predicate::<T, 1>([x], out, |[x], out| match x {
        Val::Slice(x) => table([0.0; 2], x, out),
        Val::One(x) => {
            if let Some((first, rest)) = out.split_first_mut() {
                table([0.0; 2], &[x], std::slice::from_mut(first));
                rest.fill(*first);
            }
        }
    })
}

fn unary_grain(f: Unary) -> usize {
    use Unary::*;
    match f {
        Neg
        | Abs
        | Sign
        | Reciprocal
        | Square
        | Floor
        | Ceil
        | Round
        | Trunc
        | Relu
        | Relu6
        | Hardsigmoid
        | Hardswish
        | LeakyRelu { .. }
        | Clamp { .. }
        | BitwiseNot => CHEAP,
        _ => COSTLY,
    }
}

fn unary(f: Unary, x: &mut Arg<'_>, out: &Meta) -> Result<Storage> {
    macro_rules! by_kind {
        ($t:ty, $values:path, $predicates:path) => {
            if f.is_predicate() { run_unary_predicate::<$t>(f, $predicates(f), x, out) } else { run_unary::<$t>(f, $values(f), x, out) }
        };
    }
    match x.dtype() {
        DType::F32 => by_kind!(f32, unary::float, unary::float_predicate),
        DType::F64 => by_kind!(f64, unary::float, unary::float_predicate),
        DType::F16 => by_kind!(f16, unary::float, unary::float_predicate),
        DType::BF16 => by_kind!(bf16, unary::float, unary::float_predicate),
        DType::I64 => by_kind!(i64, unary::int, unary::int_predicate),
        DType::I32 => by_kind!(i32, unary::int, unary::int_predicate),
        DType::I16 => by_kind!(i16, unary::int, unary::int_predicate),
        DType::I8 => by_kind!(i8, unary::int, unary::int_predicate),
        DType::U8 => by_kind!(u8, unary::int, unary::int_predicate),
        DType::Bool => run_unary::<Bool>(f, unary::bool(f), x, out),
        DType::C64 => by_kind!(Complex32, unary::complex_loop, unary::complex_predicate),
        DType::C128 => by_kind!(Complex64, unary::complex_loop, unary::complex_predicate),
    }
}

/// Calls `$values::<T>(loops, ...)` for the element type of a dtype, or `$predicates` for functions whose result is `bool`.
macro_rules! binary_by_dtype {
    ($f:expr, $dtype:expr, $values:ident, $predicates:ident, ($($arg:expr),*)) => {{
        macro_rules! by_kind {
            ($t:ty, $v:path, $p:path) => {
                if $f.is_predicate() { $predicates::<$t>($p($f), $($arg),*) } else { $values::<$t>($v($f), $($arg),*) }
            };
        }
        match $dtype {
            DType::F32 => by_kind!(f32, binary::float, binary::float_predicate),
            DType::F64 => by_kind!(f64, binary::float, binary::float_predicate),
            DType::F16 => by_kind!(f16, binary::float, binary::float_predicate),
            DType::BF16 => by_kind!(bf16, binary::float, binary::float_predicate),
            DType::I64 => by_kind!(i64, binary::int, binary::int_predicate),
            DType::I32 => by_kind!(i32, binary::int, binary::int_predicate),
            DType::I16 => by_kind!(i16, binary::int, binary::int_predicate),
            DType::I8 => by_kind!(i8, binary::int, binary::int_predicate),
            DType::U8 => by_kind!(u8, binary::int, binary::int_predicate),
            DType::Bool => by_kind!(Bool, binary::bool, binary::bool),
            DType::C64 => by_kind!(Complex32, binary::complex, binary::complex_predicate),
            DType::C128 => by_kind!(Complex64, binary::complex, binary::complex_predicate),
        }
    }};
}

fn binary_grain(f: Binary) -> usize {
    match f {
        Binary::Pow | Binary::Atan2 | Binary::Remainder | Binary::Fmod | Binary::Div(Rounding::Floor) => COSTLY,
        _ => CHEAP,
    }
}

fn binary<'a>(f: Binary, x: &mut Arg<'a>, y: &mut Arg<'a>, out: &Meta) -> Result<Storage> {
    if divides(f) && x.dtype().is_int() && out.numel() > 0 {
        check_divisor(f, y)?;
    }
    binary_by_dtype!(f, x.dtype(), binary_values, binary_predicate, (f, x, y, out))
}

fn binary_values<'a, T: Lane>(
    loops: Option<Loops<T::C, T::C>>,
    f: Binary,
    x: &mut Arg<'a>,
    y: &mut Arg<'a>,
    out: &Meta,
) -> Result<Storage> {
    let loops = loops.ok_or_else(|| unsupported(f.name(), x.dtype()))?;
    same::<T, 2>([x, y], out, binary_grain(f), |[x, y], out| loops.run(x, y, out))
}

fn binary_predicate<T: Lane>(loops: Option<Loops<T::C, Bool>>, f: Binary, x: &Arg<'_>, y: &Arg<'_>, out: &Meta) -> Result<Storage> {
    let loops = loops.ok_or_else(|| unsupported(f.name(), x.dtype()))?;
    predicate::<T, 2>([x, y], out, |[x, y], out| loops.run(x, y, out))
}

fn with_scalar(f: Binary, scalar: Scalar, reflected: bool, x: &mut Arg<'_>, out: &Meta) -> Result<Storage> {
    if divides(f) && x.dtype().is_int() && out.numel() > 0 {
        if reflected {
            check_divisor(f, x)?;
        } else if scalar.to_i64() == 0 {
            return Err(zero_division(f));
        }
    }
    binary_by_dtype!(f, x.dtype(), scalar_values, scalar_predicate, (f, scalar, reflected, x, out))
}

/// The powers that are a simpler function, which PyTorch too takes for them.
fn power(scalar: Scalar) -> Option<Unary> {
    match scalar.to_f64() {
        2.0 => Some(Unary::Square),
        0.5 => Some(Unary::Sqrt),
        -0.5 => Some(Unary::Rsqrt),
        -1.0 => Some(Unary::Reciprocal),
        _ => None,
    }
}

fn scalar_values<T: Lane<C: FromScalar>>(
    loops: Option<Loops<T::C, T::C>>,
    f: Binary,
    scalar: Scalar,
    reflected: bool,
    x: &mut Arg<'_>,
    out: &Meta,
) -> Result<Storage> {
    let loops = loops.ok_or_else(|| unsupported(f.name(), x.dtype()))?;
    if f == Binary::Pow
        && !reflected
        && T::C::DTYPE.is_float()
        && let Some(g) = power(scalar)
    {
        return unary(g, x, out);
    }
    // As in PyTorch, arithmetic in half precision does not round the scalar.
    let s = T::C::from_scalar(scalar);
    same::<T, 1>(
        [x],
        out,
        binary_grain(f),
        |[x], out| {
            if reflected { loops.run(Val::One(s), x, out) } else { loops.run(x, Val::One(s), out) }
        },
    )
}

fn scalar_predicate<T: Lane + FromScalar>(
    loops: Option<Loops<T::C, Bool>>,
    f: Binary,
    scalar: Scalar,
    reflected: bool,
    x: &Arg<'_>,
    out: &Meta,
) -> Result<Storage> {
    let loops = loops.ok_or_else(|| unsupported(f.name(), x.dtype()))?;
    let mut s = [T::C::default()];
    T::widen(&[T::from_scalar(scalar)], &mut s);
    let s = s[0];
    predicate::<T, 1>([x], out, |[x], out| if reflected { loops.run(Val::One(s), x, out) } else { loops.run(x, Val::One(s), out) })
}

fn unary_grad<'a>(f: Unary, g: &mut Arg<'a>, v: &mut Arg<'a>, out: &Meta) -> Result<Storage> {
    match g.dtype() {
        DType::F32 => run_grad::<f32>(f, grad::float(f), g, v, out),
        DType::F64 => run_grad::<f64>(f, grad::float(f), g, v, out),
        DType::F16 => run_grad::<f16>(f, grad::float(f), g, v, out),
        DType::BF16 => run_grad::<bf16>(f, grad::float(f), g, v, out),
        // Complex ones run as their decomposition.
        dtype => Err(unsupported(f.name(), dtype)),
    }
}

fn run_grad<'a, T: Lane>(f: Unary, table: grad::Loop<T::C>, g: &mut Arg<'a>, v: &mut Arg<'a>, out: &Meta) -> Result<Storage> {
    let p = unary::parameters(f);
    same::<T, 2>([g, v], out, unary_grain(f), |[g, v], out| match (g, v) {
        (Val::Slice(g), Val::Slice(v)) => table(p, g, v, out),
        // A gradient of a sum, or a repeated input: rare enough for a repeated block.
        (g, v) => {
            let repeat = |x: Val<'_, T::C>| [if let Val::One(x) = x { x } else { T::C::default() }; BLOCK];
            let (gs, vs) = (repeat(g), repeat(v));
            for (i, out) in out.chunks_mut(BLOCK).enumerate() {
                let part = |x, block| match x {
                    Val::Slice(x) => &x[i * BLOCK..][..out.len()],
                    Val::One(_) => block,
                };
                table(p, part(g, &gs), part(v, &vs), out);
            }
        }
    })
}

/// Whether an integer divisor of 0 is an error.
fn divides(f: Binary) -> bool {
    matches!(f, Binary::Div(_) | Binary::Remainder | Binary::Fmod)
}

#[cold]
fn zero_division(f: Binary) -> Error {
    Error::value(f.name(), "ZeroDivisionError: division of an integer by zero")
}

fn check_divisor(f: Binary, y: &Arg<'_>) -> Result<()> {
    fn any_zero<T: Plain>(y: &Arg<'_>) -> Result<bool> {
        let (data, walk) = (input::<T>(y)?, crate::walk::Walk::new(y.shape(), [y.layout()]));
        let (mut found, [stride]) = (false, walk.inner());
        walk.rows(0..walk.total(), |_, len, [from]| match stride {
            1 => found |= data[from as usize..][..len].contains(&T::default()),
            _ => found |= (0..len as isize).any(|i| data[(from + i * stride) as usize] == T::default()),
        });
        Ok(found)
    }
    let found = match y.dtype() {
        DType::I64 => any_zero::<i64>(y)?,
        DType::I32 => any_zero::<i32>(y)?,
        DType::I16 => any_zero::<i16>(y)?,
        DType::I8 => any_zero::<i8>(y)?,
        _ => any_zero::<u8>(y)?,
    };
    if found { Err(zero_division(f)) } else { Ok(()) }
}
