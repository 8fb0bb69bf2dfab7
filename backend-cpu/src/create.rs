//! New tensors from nothing.

use rushlight_backend::op::Create;
use rushlight_backend::{Complex32, Complex64, DType, Element, Result, Scalar, Storage, bf16, f16, numel};

use crate::buffer::{Bool, CpuBuffer, Plain, alloc, typed_mut};
use crate::walk::par_pieces;

const GRAIN: usize = 1 << 15;

/// A number of a dtype from a scalar.
pub(crate) trait FromScalar: Plain {
    fn from_scalar(s: Scalar) -> Self;
}

macro_rules! from_scalar {
    ($($t:ty),*) => {$(
        impl FromScalar for $t {
            fn from_scalar(s: Scalar) -> $t { <$t as Element>::from_scalar(s) }
        }
    )*};
}
from_scalar!(u8, i8, i16, i32, i64, f16, bf16, f32, f64, Complex32, Complex64);

impl FromScalar for Bool {
    fn from_scalar(s: Scalar) -> Bool {
        <bool as Element>::from_scalar(s).into()
    }
}

/// Evaluates an expression with `T` as the element type of a dtype.
macro_rules! with_element {
    ($dtype:expr, $T:ident => $e:expr) => {{
        macro_rules! case {
            ($t:ty) => {{
                type $T = $t;
                $e
            }};
        }
        match $dtype {
            DType::Bool => case!(Bool),
            DType::U8 => case!(u8),
            DType::I8 => case!(i8),
            DType::I16 => case!(i16),
            DType::I32 => case!(i32),
            DType::I64 => case!(i64),
            DType::F16 => case!(f16),
            DType::BF16 => case!(bf16),
            DType::F32 => case!(f32),
            DType::F64 => case!(f64),
            DType::C64 => case!(Complex32),
            DType::C128 => case!(Complex64),
        }
    }};
}

pub(crate) use with_element;

pub(crate) fn run(op: &Create) -> Result<Storage> {
    let buffer = match op {
        Create::Full { shape, dtype, value } => with_element!(dtype, T => full::<T>(numel(shape), *value)),
        Create::Arange { start, step, len, dtype } => with_element!(dtype, T => arange::<T>(*start, *step, *len)),
        Create::Eye { rows, cols, dtype } => with_element!(dtype, T => eye::<T>(*rows, *cols)),
    };
    Ok(Storage::new(buffer?))
}

fn full<T: FromScalar>(len: usize, value: Scalar) -> Result<CpuBuffer> {
    let mut buffer = alloc::<T>(&[len])?;
    let value = T::from_scalar(value);
    par_pieces(typed_mut::<T>(&mut buffer), 4 * GRAIN, |_, piece| piece.fill(value));
    Ok(buffer)
}

fn arange<T: FromScalar>(start: Scalar, step: Scalar, len: usize) -> Result<CpuBuffer> {
    let mut buffer = alloc::<T>(&[len])?;
    let integers = !T::DTYPE.is_differentiable();
    par_pieces(typed_mut::<T>(&mut buffer), GRAIN, |first, piece| {
        for (i, o) in piece.iter_mut().enumerate() {
            let i = first + i;
            *o = T::from_scalar(if integers {
                Scalar::Int(start.to_i64().wrapping_add(step.to_i64().wrapping_mul(i as i64)))
            } else {
                Scalar::Float(start.to_f64() + step.to_f64() * i as f64)
            });
        }
    });
    Ok(buffer)
}

fn eye<T: FromScalar>(rows: usize, cols: usize) -> Result<CpuBuffer> {
    let mut buffer = alloc::<T>(&[rows, cols])?;
    let out = typed_mut::<T>(&mut buffer);
    out.fill(T::default());
    let one = T::from_scalar(Scalar::Int(1));
    out.iter_mut().step_by(cols + 1).take(rows.min(cols)).for_each(|o| *o = one);
    Ok(buffer)
}
