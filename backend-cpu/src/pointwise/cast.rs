//! Conversion between dtypes.
//!
//! Floats become integers as C on x86-64 and PyTorch on it do: truncated, through `i32` for the narrow types (through `i64` for
//! `int64`), whose smallest number stands for everything out of range.

use half::slice::HalfFloatSliceExt;
use num_complex::{Complex32, Complex64};
use rushlight_backend::{Arg, DType, Layout, Result, Storage, bf16, f16};

use crate::buffer::{Bool, Plain, alloc, input, typed_mut};
use crate::shape;
use crate::simd::dispatch;
use crate::walk::par_pieces;

/// Conversion of one number.
trait To<D> {
    fn to(self) -> D;
}

/// A real number through which a conversion goes.
trait Real: Copy {
    fn i32(self) -> i32;
    fn i64(self) -> i64;
    fn f32(self) -> f32;
    fn f64(self) -> f64;
    fn truth(self) -> bool;
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn i32(self) -> i32 { self as i32 }
            #[inline(always)]
            fn i64(self) -> i64 { self as i64 }
            #[inline(always)]
            fn f32(self) -> f32 { self as f32 }
            #[inline(always)]
            fn f64(self) -> f64 { self as f64 }
            #[inline(always)]
            fn truth(self) -> bool { self != 0 }
        }
    )*};
}
integers!(u8, i8, i16, i32, i64);

macro_rules! floats {
    ($($t:ty),*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn i32(self) -> i32 {
                let fits = (-2147483648.0..2147483648.0).contains(&self);
                // SAFETY: what does not fit is replaced by 0. (`as` is a chain of comparisons of its own.)
                let x = unsafe { (if fits { self } else { 0.0 }).to_int_unchecked() };
                if fits { x } else { i32::MIN }
            }
            #[inline(always)]
            fn i64(self) -> i64 {
                let fits = (-9223372036854775808.0..9223372036854775808.0).contains(&self);
                // SAFETY: as above.
                let x = unsafe { (if fits { self } else { 0.0 }).to_int_unchecked() };
                if fits { x } else { i64::MIN }
            }
            #[inline(always)]
            fn f32(self) -> f32 { self as f32 }
            #[inline(always)]
            fn f64(self) -> f64 { self as f64 }
            #[inline(always)]
            fn truth(self) -> bool { self != 0.0 }
        }
    )*};
}
floats!(f32, f64);

/// Types that stand for a real number: the number, and whether anything at all is not zero.
macro_rules! through {
    ($($t:ty, |$x:ident| $real:expr, $r:ty, $truth:expr;)*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn i32(self) -> i32 { let $x = self; Real::i32($real as $r) }
            #[inline(always)]
            fn i64(self) -> i64 { let $x = self; Real::i64($real as $r) }
            #[inline(always)]
            fn f32(self) -> f32 { let $x = self; Real::f32($real as $r) }
            #[inline(always)]
            fn f64(self) -> f64 { let $x = self; Real::f64($real as $r) }
            #[inline(always)]
            fn truth(self) -> bool { let $x = self; $truth }
        }
    )*};
}
through! {
    Bool, |x| x.get(), u8, x.get();
    f16, |x| x.to_f32(), f32, x.to_f32() != 0.0;
    bf16, |x| x.to_f32(), f32, x.to_f32() != 0.0;
    Complex32, |x| x.re, f32, x.re != 0.0 || x.im != 0.0;
    Complex64, |x| x.re, f64, x.re != 0.0 || x.im != 0.0;
}

macro_rules! to {
    ($($d:ty: |$x:ident| $e:expr;)*) => {$(
        impl<S: Real> To<$d> for S {
            #[inline(always)]
            fn to(self) -> $d { let $x = self; $e }
        }
    )*};
}
to! {
    Bool: |x| x.truth().into();
    u8: |x| x.i32() as u8;
    i8: |x| x.i32() as i8;
    i16: |x| x.i32() as i16;
    i32: |x| x.i32();
    i64: |x| x.i64();
    f32: |x| x.f32();
    f64: |x| x.f64();
    f16: |x| f16::from_f32(x.f32());
    bf16: |x| bf16::from_f32(x.f32());
}

fn convert<S: Plain, D: Plain>(x: &[S], f: impl Fn(S) -> D + Sync) -> Result<Storage> {
    pieces(x, |x, out| {
        for (o, &x) in out.iter_mut().zip(x) {
            *o = f(x);
        }
    })
}

fn pieces<S: Plain, D: Plain>(x: &[S], convert: impl Fn(&[S], &mut [D]) + Sync) -> Result<Storage> {
    let mut buffer = alloc::<D>(&[x.len()])?;
    par_pieces(typed_mut(&mut buffer), 1 << 15, |start, piece| convert(&x[start..][..piece.len()], piece));
    Ok(Storage::new(buffer))
}

fn from_real<S: Plain + Real>(x: &[S], to: DType) -> Result<Storage> {
    match to {
        DType::Bool => convert::<S, Bool>(x, To::to),
        DType::U8 => convert::<S, u8>(x, To::to),
        DType::I8 => convert::<S, i8>(x, To::to),
        DType::I16 => convert::<S, i16>(x, To::to),
        DType::I32 => convert_to_i32(x),
        DType::I64 => convert_to_i64(x),
        DType::F16 => convert::<S, f16>(x, To::to),
        DType::BF16 => convert_to_bf16(x),
        DType::F32 => convert_to_f32(x),
        DType::F64 => convert_to_f64(x),
        DType::C64 => convert(x, |x| Complex32::new(x.f32(), 0.0)),
        DType::C128 => convert(x, |x| Complex64::new(x.f64(), 0.0)),
    }
}

/// The frequent conversions are compiled for each SIMD level.
macro_rules! simd {
    ($($name:ident: $d:ty;)*) => {$(
        fn $name<S: Plain + Real>(x: &[S]) -> Result<Storage> {
            #[inline(always)]
            fn body<S: Real, const FMA: bool>(x: &[S], out: &mut [$d]) {
                for (o, &x) in out.iter_mut().zip(x) {
                    *o = x.to();
                }
            }
            dispatch! { fn run<S: Real>(x: &[S], out: &mut [$d]) = body; }
            pieces(x, run::<S>)
        }
    )*};
}
simd! {
    convert_to_i32: i32;
    convert_to_i64: i64;
    convert_to_bf16: bf16;
    convert_to_f32: f32;
    convert_to_f64: f64;
}

/// The elements in another dtype. Strided inputs are made contiguous first.
pub(super) fn run(x: &Arg<'_>, to: DType) -> Result<Storage> {
    if x.layout().is_contiguous() {
        return from(x, to);
    }
    let (storage, layout) = (shape::contiguous(x)?, Layout::contiguous(x.shape()));
    from(&Arg::borrowed(&storage, &layout, x.dtype()), to)
}

fn elements<'a, T: Plain>(x: &'a Arg<'_>) -> Result<&'a [T]> {
    let (lo, hi) = x.layout().span();
    Ok(&input::<T>(x)?[lo..hi])
}

fn from(x: &Arg<'_>, to: DType) -> Result<Storage> {
    // Half precision has instructions of its own, which only whole slices make use of.
    match (x.dtype(), to) {
        (DType::F16, DType::F32) => return pieces(elements::<f16>(x)?, |x, out| x.convert_to_f32_slice(out)),
        (DType::F32, DType::F16) => return pieces(elements::<f32>(x)?, |x, out: &mut [f16]| out.convert_from_f32_slice(x)),
        _ => {}
    }
    match x.dtype() {
        DType::Bool => from_real(elements::<Bool>(x)?, to),
        DType::U8 => from_real(elements::<u8>(x)?, to),
        DType::I8 => from_real(elements::<i8>(x)?, to),
        DType::I16 => from_real(elements::<i16>(x)?, to),
        DType::I32 => from_real(elements::<i32>(x)?, to),
        DType::I64 => from_real(elements::<i64>(x)?, to),
        DType::F16 => from_real(elements::<f16>(x)?, to),
        DType::BF16 => from_real(elements::<bf16>(x)?, to),
        DType::F32 => from_real(elements::<f32>(x)?, to),
        DType::F64 => from_real(elements::<f64>(x)?, to),
        DType::C64 => match to {
            DType::C64 => convert(elements::<Complex32>(x)?, |x| x),
            DType::C128 => convert(elements::<Complex32>(x)?, |x| Complex64::new(x.re.into(), x.im.into())),
            _ => from_real(elements::<Complex32>(x)?, to),
        },
        DType::C128 => match to {
            DType::C64 => convert(elements::<Complex64>(x)?, |x| Complex32::new(x.re as f32, x.im as f32)),
            DType::C128 => convert(elements::<Complex64>(x)?, |x| x),
            _ => from_real(elements::<Complex64>(x)?, to),
        },
    }
}
