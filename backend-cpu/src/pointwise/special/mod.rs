//! Special functions: scalar code in double precision, whatever the dtype.

mod bessel;
mod cephes;
mod gamma;
mod normal;
mod polynomial;

use rushlight_backend::op::{IntegerOp, Special};
use rushlight_backend::{Arg, DType, Layout, Meta, Result, Storage, bf16, f16};

use super::cast;
use super::drive::{Source, Val, drive};
use crate::buffer::{CpuBuffer, Plain, alloc, input, typed_mut};

/// Elements computed by one task: these functions are slow.
const GRAIN: usize = 1 << 10;

fn unary(f: Special) -> impl Fn(f64) -> f64 + Sync {
    let g: fn(f64) -> f64 = match f {
        Special::Lgamma => libm::lgamma,
        Special::Digamma => gamma::digamma,
        Special::Erfinv => normal::erfinv,
        Special::Erfcx => normal::erfcx,
        Special::Ndtri => normal::ndtri,
        Special::LogNdtr => normal::log_ndtr,
        Special::Entr => |x| match x {
            x if x > 0.0 => -x * x.ln(),
            0.0 => 0.0,
            x if x.is_nan() => x,
            _ => f64::NEG_INFINITY,
        },
        Special::Sinc => |x| {
            let y = x * std::f64::consts::PI;
            if x == 0.0 { 1.0 } else { y.sin() / y }
        },
        Special::I0 => bessel::i0,
        Special::I0e => bessel::i0e,
        Special::I1 => bessel::i1,
        Special::I1e => bessel::i1e,
        Special::BesselJ0 => cephes::j0,
        Special::BesselJ1 => cephes::j1,
        Special::BesselY0 => cephes::y0,
        Special::BesselY1 => cephes::y1,
        Special::BesselK0 => |x| bessel::scaled_k(0.0, x) * (-x).exp(),
        Special::BesselK1 => |x| bessel::scaled_k(1.0, x) * (-x).exp(),
        Special::ScaledK0 => |x| bessel::scaled_k(0.0, x),
        Special::ScaledK1 => |x| bessel::scaled_k(1.0, x),
        Special::SphericalJ0 => bessel::spherical_j0,
        Special::AiryAi => cephes::airy_ai,
        Special::FrexpMantissa => |x| frexp(x).0,
        Special::FrexpExponent => |x| f64::from(frexp(x).1),
        // The rest takes a parameter or two numbers.
        _ => |_| f64::NAN,
    };
    move |x| if let Special::Polygamma(n) = f { gamma::polygamma(n, x) } else { g(x) }
}

/// Infinities and NaN have the exponent 0, as PyTorch's have.
fn frexp(x: f64) -> (f64, i32) {
    if x.is_finite() { libm::frexp(x) } else { (x, 0) }
}

fn binary(f: Special, dtype: DType) -> impl Fn(f64, f64) -> f64 + Sync {
    let g: fn(f64, f64) -> f64 = match f {
        Special::Igamma => gamma::igamma,
        Special::Igammac => gamma::igammac,
        Special::Zeta => gamma::zeta,
        Special::Xlogy => |x, y| match (x, y) {
            (_, y) if y.is_nan() => y,
            (0.0, _) => 0.0,
            _ => x * y.ln(),
        },
        Special::Xlog1py => |x, y| match (x, y) {
            (_, y) if y.is_nan() => y,
            (0.0, _) => 0.0,
            _ => x * y.ln_1p(),
        },
        Special::LogAddExp => |x, y| {
            if x.is_infinite() && x == y { x } else { x.max_nan(y) + (-(x - y).abs()).exp().ln_1p() }
        },
        Special::LogAddExp2 => |x, y| {
            if x.is_infinite() && x == y { x } else { x.max_nan(y) + (-(x - y).abs()).exp2().ln_1p() * std::f64::consts::LOG2_E }
        },
        Special::Hypot => f64::hypot,
        Special::Copysign => f64::copysign,
        Special::Nextafter => match dtype {
            DType::F64 => libm::nextafter,
            DType::F32 => |x, y| f64::from(libm::nextafterf(x as f32, y as f32)),
            DType::BF16 => |x, y| {
                let next = |x: f64, up: bool| next16(bf16::from_f64(x).to_bits(), up);
                nextafter16(x, y, |x, up| bf16::from_bits(next(x, up)).to_f64())
            },
            _ => |x, y| {
                let next = |x: f64, up: bool| next16(f16::from_f64(x).to_bits(), up);
                nextafter16(x, y, |x, up| f16::from_bits(next(x, up)).to_f64())
            },
        },
        _ => |_, _| f64::NAN,
    };
    move |x, y| if let Special::Polynomial(p) = f { polynomial::value(p, x, y) } else { g(x, y) }
}

trait MaxNan {
    /// The larger one; NaN if either is.
    fn max_nan(self, other: Self) -> Self;
}

impl MaxNan for f64 {
    fn max_nan(self, other: f64) -> f64 {
        if self.is_nan() || self > other { self } else { other }
    }
}

fn nextafter16(x: f64, y: f64, next: impl Fn(f64, bool) -> f64) -> f64 {
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    if x == y { y } else { next(x, y > x) }
}

/// The neighbour of a number of 16 bits: sign, then magnitude.
fn next16(bits: u16, up: bool) -> u16 {
    match (bits & 0x7fff, (bits >> 15 == 1) == up) {
        (0, _) => {
            if up {
                1
            } else {
                0x8001
            }
        }
        (_, true) => bits - 1,
        (_, false) => bits + 1,
    }
}

/// An operand as contiguous numbers of another dtype.
struct Wide {
    storage: Storage,
    layout: Layout,
    dtype: DType,
}

impl Wide {
    fn of(x: &Arg<'_>, dtype: DType) -> Result<Wide> {
        Ok(Wide { storage: cast::run(x, dtype)?, layout: Layout::contiguous(x.shape()), dtype })
    }

    fn arg(&self) -> Arg<'_> {
        Arg::borrowed(&self.storage, &self.layout, self.dtype)
    }
}

/// Numbers of the computing type as a result.
fn narrow(buffer: CpuBuffer, wide: DType, out: &Meta) -> Result<Storage> {
    let storage: Storage = Storage::new(buffer);
    if out.dtype == wide {
        return Ok(storage);
    }
    cast::run(&Arg::borrowed(&storage, &Layout::contiguous(&out.shape), wide), out.dtype)
}

/// `f` on all pairs of elements, computed in `T`.
fn pairs<T: super::drive::Lane<C = T> + Plain>(x: &Arg<'_>, y: &Arg<'_>, out: &Meta, f: &(dyn Fn(T, T) -> T + Sync)) -> Result<Storage> {
    let (x, y) = (Wide::of(x, T::DTYPE)?, Wide::of(y, T::DTYPE)?);
    let (xa, ya) = (x.arg(), y.arg());
    let sources = [Source { data: Some(input::<T>(&xa)?), layout: &x.layout }, Source { data: Some(input::<T>(&ya)?), layout: &y.layout }];
    let mut buffer = alloc::<T>(&out.shape)?;
    drive::<T, T, 2>(typed_mut(&mut buffer), &out.shape, sources, T::widen, GRAIN, |[x, y], out| {
        let at = |v: Val<'_, T>, i: usize| match v {
            Val::Slice(v) => v[i],
            Val::One(v) => v,
        };
        for (i, o) in out.iter_mut().enumerate() {
            *o = f(at(x, i), at(y, i));
        }
    });
    narrow(buffer, T::DTYPE, out)
}

pub(super) fn run(f: Special, inputs: &[Arg<'_>], out: &Meta) -> Result<Storage> {
    match inputs {
        [x, y] => pairs::<f64>(x, y, out, &binary(f, out.dtype)),
        [x, ..] => {
            let (x, f) = (Wide::of(x, DType::F64)?, unary(f));
            let xa = x.arg();
            let xs = input::<f64>(&xa)?;
            let mut buffer = alloc::<f64>(&out.shape)?;
            crate::walk::par_pieces(typed_mut::<f64>(&mut buffer), GRAIN, |start, piece| {
                for (o, &x) in piece.iter_mut().zip(&xs[start..]) {
                    *o = f(x);
                }
            });
            narrow(buffer, DType::F64, out)
        }
        [] => Err(rushlight_backend::Error::value(f.name(), "needs a tensor")),
    }
}

/// Functions of two integers, computed in 64 bits.
pub(super) fn integer(f: IntegerOp, x: &Arg<'_>, y: &Arg<'_>, out: &Meta) -> Result<Storage> {
    let bits = out.dtype.size() as i64 * 8;
    let fits = move |y: i64| (0..bits).contains(&y);
    match f {
        IntegerOp::Gcd => pairs::<i64>(x, y, out, &|x, y| gcd(x, y) as i64),
        IntegerOp::Lcm => pairs::<i64>(x, y, out, &|x, y| match gcd(x, y) {
            0 => 0,
            g => (x / g as i64).wrapping_mul(y).wrapping_abs(),
        }),
        IntegerOp::ShiftLeft => pairs::<i64>(x, y, out, &|x, y| if fits(y) { x << y } else { 0 }),
        IntegerOp::ShiftRight => pairs::<i64>(x, y, out, &|x, y| x >> if fits(y) { y } else { 63 }),
    }
}

fn gcd(x: i64, y: i64) -> u64 {
    let (mut x, mut y) = (x.unsigned_abs(), y.unsigned_abs());
    while y != 0 {
        (x, y) = (y, x % y);
    }
    x
}
