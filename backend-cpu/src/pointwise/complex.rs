//! Complex numbers: their parts and how they are put together.

use num_complex::Complex;
use rushlight_backend::op::Part;
use rushlight_backend::{Arg, Complex32, Complex64, DType, Meta, Result, Storage};

use super::drive::{Lane, Source, Val, drive};
use super::float::Float;
use crate::buffer::{alloc, input, typed_mut};

pub(super) fn part(part: Part, x: &Arg<'_>, out: &Meta) -> Result<Storage> {
    match x.dtype() {
        DType::C64 => parts::<f32>(part, x, out),
        _ => parts::<f64>(part, x, out),
    }
}

fn parts<R: Float>(part: Part, x: &Arg<'_>, out: &Meta) -> Result<Storage>
where
    Complex<R>: Lane<C = Complex<R>>,
{
    let f: fn(Complex<R>) -> R = match part {
        Part::Real => |z| z.re,
        Part::Imag => |z| z.im,
        Part::Abs => |z| z.re.hypot(z.im),
    };
    let mut buffer = alloc::<R>(&out.shape)?;
    let source = Source { data: Some(input::<Complex<R>>(x)?), layout: x.layout() };
    drive::<Complex<R>, R, 1>(
        typed_mut(&mut buffer),
        &out.shape,
        [source],
        |_, _| {},
        super::CHEAP,
        |[x], out| match x {
            Val::Slice(x) => out.iter_mut().zip(x).for_each(|(o, &x)| *o = f(x)),
            Val::One(x) => out.fill(f(x)),
        },
    );
    Ok(Storage::new(buffer))
}

pub(super) fn pack(re: &Arg<'_>, im: &Arg<'_>, out: &Meta) -> Result<Storage> {
    match out.dtype {
        DType::C64 => packed::<f32, Complex32>(re, im, out, Complex32::new),
        _ => packed::<f64, Complex64>(re, im, out, Complex64::new),
    }
}

fn packed<R: Float, C: Lane<C = C>>(re: &Arg<'_>, im: &Arg<'_>, out: &Meta, new: fn(R, R) -> C) -> Result<Storage> {
    let mut buffer = alloc::<C>(&out.shape)?;
    let sources =
        [Source { data: Some(input::<R>(re)?), layout: re.layout() }, Source { data: Some(input::<R>(im)?), layout: im.layout() }];
    drive::<R, C, 2>(
        typed_mut(&mut buffer),
        &out.shape,
        sources,
        |_, _| {},
        super::CHEAP,
        |[re, im], out| {
            let at = |v: Val<'_, R>, i: usize| match v {
                Val::Slice(v) => v[i],
                Val::One(v) => v,
            };
            for (i, o) in out.iter_mut().enumerate() {
                *o = new(at(re, i), at(im, i));
            }
        },
    );
    Ok(Storage::new(buffer))
}
