//! Complex numbers: their parts, how they are put together, and the functions that num-complex lacks or overflows in.

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

fn new<R>(re: R, im: R) -> Complex<R> {
    Complex { re, im }
}

/// `exp(z) - 1`, accurate near 0.
pub(super) fn expm1<R: Float>(z: Complex<R>) -> Complex<R> {
    let half = (R::c(0.5) * z.im).exact_sin();
    let (sin, cos) = (z.im.exact_sin(), z.im.exact_cos());
    new(z.re.expm1::<false>() * cos - R::c(2.0) * half * half, z.re.exp::<false>() * sin)
}

/// `log(1 + z)`, accurate near 0.
pub(super) fn ln_1p<R: Float>(z: Complex<R>) -> Complex<R> {
    let square = z.re * (R::c(2.0) + z.re) + z.im * z.im;
    new(R::c(0.5) * square.ln_1p::<false>(), z.im.atan2::<false>(R::c(1.0) + z.re))
}

/// `log(exp(a) + exp(b))`, relative to the one with the larger real part; the imaginary part is not brought into one turn.
pub(crate) fn log_add_exp(a: Complex64, b: Complex64) -> Complex64 {
    if a.is_nan() || b.is_nan() {
        return Complex64::new(f64::NAN, f64::NAN);
    }
    let (low, high) = if a.re < b.re { (a, b) } else { (b, a) };
    if low.re == high.re && high.re.is_infinite() { high } else { high + ln_1p((low - high).exp()) }
}

/// The hyperbolic tangent, without overflow for large real parts.
pub(super) fn tanh<R: Float>(z: Complex<R>) -> Complex<R> {
    if z.re.abs() > R::c(20.0) {
        return new(R::c(1.0).copysign(z.re), R::c(0.0));
    }
    // (sinh a cosh a + i sin b cos b) / (sinh^2 a + cos^2 b)
    let (sinh, cosh) = (z.re.sinh::<false>(), z.re.cosh::<false>());
    let (sin, cos) = (z.im.exact_sin(), z.im.exact_cos());
    let scale = sinh * sinh + cos * cos;
    new(sinh * cosh / scale, sin * cos / scale)
}

/// The tangent: `-i tanh(i z)`.
pub(super) fn tan<R: Float>(z: Complex<R>) -> Complex<R> {
    let t = tanh(new(-z.im, z.re));
    new(t.im, -t.re)
}

/// The inverse hyperbolic tangent, with its branch cuts outside [-1, 1] on the real line.
pub(super) fn atanh<R: Float>(z: Complex<R>) -> Complex<R> {
    // It is odd; 1 + z is exact enough only to the right.
    if z.re < R::c(0.0) {
        let t = atanh(new(-z.re, -z.im));
        return new(-t.re, -t.im);
    }
    let one = R::c(1.0);
    let near = (one - z.re) * (one - z.re) + z.im * z.im;
    let re = R::c(0.25) * (R::c(4.0) * z.re / near).ln_1p::<false>();
    let im = R::c(0.5) * (R::c(2.0) * z.im).atan2::<false>((one - z.re) * (one + z.re) - z.im * z.im);
    new(re, im)
}

/// The inverse tangent: `-i atanh(i z)`.
pub(super) fn atan<R: Float>(z: Complex<R>) -> Complex<R> {
    let t = atanh(new(-z.im, z.re));
    new(t.im, -t.re)
}

fn sqrt<R: Float>(z: Complex<R>) -> Complex<R> {
    if z.re == R::c(0.0) && z.im == R::c(0.0) {
        return new(R::c(0.0), z.im);
    }
    let t = ((z.re.abs() + z.re.hypot(z.im)) * R::c(0.5)).sqrt();
    let other = z.im.abs() / (R::c(2.0) * t);
    if z.re >= R::c(0.0) { new(t, other.copysign(z.im)) } else { new(other, t.copysign(z.im)) }
}

/// The inverse sine, after Kahan ("Branch cuts for complex elementary functions").
pub(super) fn asin<R: Float>(z: Complex<R>) -> Complex<R> {
    let one = R::c(1.0);
    let (a, b) = (sqrt(new(one - z.re, -z.im)), sqrt(new(one + z.re, z.im)));
    let re = z.re.atan2::<false>(a.re * b.re - a.im * b.im);
    // Im(conj(a) b)
    new(re, (a.re * b.im - a.im * b.re).asinh::<false>())
}

/// The inverse cosine, after Kahan.
pub(super) fn acos<R: Float>(z: Complex<R>) -> Complex<R> {
    let one = R::c(1.0);
    let (a, b) = (sqrt(new(one - z.re, -z.im)), sqrt(new(one + z.re, z.im)));
    // Im(conj(b) a)
    new(R::c(2.0) * a.re.atan2::<false>(b.re), (b.re * a.im - b.im * a.re).asinh::<false>())
}

/// The inverse hyperbolic sine: `-i asin(i z)`.
pub(super) fn asinh<R: Float>(z: Complex<R>) -> Complex<R> {
    let t = asin(new(-z.im, z.re));
    new(t.im, -t.re)
}

/// The inverse hyperbolic cosine, after Kahan.
pub(super) fn acosh<R: Float>(z: Complex<R>) -> Complex<R> {
    let one = R::c(1.0);
    let (a, b) = (sqrt(new(z.re - one, z.im)), sqrt(new(z.re + one, z.im)));
    // Re(conj(a) b)
    new((a.re * b.re + a.im * b.im).asinh::<false>(), R::c(2.0) * a.im.atan2::<false>(b.re))
}
