//! Elements in the widest type of their kind, for kernels that are too rarely used to be compiled for every dtype.

use rushlight_backend::{Arg, Complex32, Complex64, DType, Error, Result, Storage, bf16, f16};

use crate::buffer::{alloc, typed_mut};
use crate::reduce::kernel::Number;
use crate::shape::words;
use crate::walk::{Walk, par_pieces};

const GRAIN: usize = 1 << 15;

/// Elements in row-major order.
pub(crate) enum Numbers {
    /// Of the real floats.
    Real(Vec<f64>),
    /// Of integers and truth values.
    Int(Vec<i64>),
    /// Of complex numbers.
    Complex(Vec<Complex64>),
}

/// Evaluates an expression with `T` as a number type of a dtype; truth values are bytes.
macro_rules! with_number {
    ($dtype:expr, $T:ident => [$real:expr, $int:expr, $complex:expr]) => {{
        macro_rules! case {
            ($t:ty, $e:expr) => {{
                type $T = $t;
                $e
            }};
        }
        match $dtype {
            DType::Bool | DType::U8 => case!(u8, $int),
            DType::I8 => case!(i8, $int),
            DType::I16 => case!(i16, $int),
            DType::I32 => case!(i32, $int),
            DType::I64 => case!(i64, $int),
            DType::F16 => case!(f16, $real),
            DType::BF16 => case!(bf16, $real),
            DType::F32 => case!(f32, $real),
            DType::F64 => case!(f64, $real),
            DType::C64 => case!(Complex32, $complex),
            DType::C128 => case!(Complex64, $complex),
        }
    }};
}

/// The elements of an input in row-major order.
pub(crate) fn load(x: &Arg<'_>) -> Result<Numbers> {
    fn of<T: Number>(x: &Arg<'_>) -> Result<Vec<T::Wide>> {
        let (data, walk) = (words::<T>(x)?, Walk::new(x.shape(), [x.layout()]));
        let stride = walk.inner()[0];
        let mut out = vec![T::Wide::default(); walk.total()];
        par_pieces(&mut out, GRAIN, |start, piece| {
            walk.rows(start..start + piece.len(), |at, len, [offset]| {
                for (i, o) in piece[at - start..][..len].iter_mut().enumerate() {
                    *o = T::wide(data[(offset + i as isize * stride) as usize].lane());
                }
            });
        });
        Ok(out)
    }
    Ok(with_number!(x.dtype(), T => [Numbers::Real(of::<T>(x)?), Numbers::Int(of::<T>(x)?), Numbers::Complex(of::<T>(x)?)]))
}

/// The widest types, by which numbers are taken out again.
trait Widest: Sized {
    fn of(numbers: &Numbers) -> Option<&[Self]>;
}

macro_rules! widest {
    ($($t:ty: $kind:ident),*) => {$(
        impl Widest for $t {
            fn of(numbers: &Numbers) -> Option<&[$t]> {
                if let Numbers::$kind(n) = numbers { Some(n) } else { None }
            }
        }
    )*};
}
widest!(f64: Real, i64: Int, Complex64: Complex);

/// Elements rounded to a dtype (of their kind) in new memory.
pub(crate) fn store(dtype: DType, numbers: Numbers) -> Result<Storage> {
    fn of<T: Number<Wide: Widest>>(numbers: &Numbers) -> Result<Storage> {
        let Some(numbers) = T::Wide::of(numbers) else {
            return Err(Error::dtype("backend-cpu", format!("numbers of another kind than {}", T::DTYPE)));
        };
        let mut buffer = alloc::<T>(&[numbers.len()])?;
        par_pieces(typed_mut::<T>(&mut buffer), GRAIN, |start, piece| {
            for (o, &w) in piece.iter_mut().zip(&numbers[start..]) {
                *o = T::narrow(w);
            }
        });
        Ok(Storage::new(buffer))
    }
    with_number!(dtype, T => [of::<T>(&numbers), of::<T>(&numbers), of::<T>(&numbers)])
}
