//! The functions of one number, as loops over slices.

use std::f64::consts::{LN_2, LN_10};

use num_complex::{Complex, ComplexFloat};
use rushlight_backend::op::Unary;

use super::analytic;
use super::drive::Lane;
use super::float::Float;
use super::int::Int;
use crate::buffer::Bool;
use crate::simd::dispatch;

/// A loop: parameters of the function, its inputs, its outputs.
pub(super) type Loop<T, U> = fn([f64; 2], &[T], &mut [U]);

/// A loop over floats, compiled for each SIMD level.
macro_rules! simd {
    ($u:ty, $FMA:ident, |$p:ident, $x:ident| $e:expr) => {{
        #[inline(always)]
        #[allow(unused_variables)]
        fn body<T: Float, const $FMA: bool>(p: [f64; 2], xs: &[T], out: &mut [$u]) {
            let $p = p.map(T::c);
            for (o, &$x) in out.iter_mut().zip(xs) {
                *o = $e;
            }
        }
        dispatch! { fn run<T: Float>(p: [f64; 2], xs: &[T], out: &mut [$u]) = body; }
        run::<T>
    }};
}

/// A loop that is compiled once.
macro_rules! plain {
    ($t:ty, |$p:ident, $x:ident| $e:expr) => {
        |p, xs, out| {
            let $p = p;
            let _ = $p;
            for (o, &$x) in out.iter_mut().zip(xs) {
                *o = $e;
            }
        }
    };
}

/// The parameters of a function.
pub(super) fn parameters(f: Unary) -> [f64; 2] {
    match f {
        Unary::Elu { alpha } => [alpha, 0.0],
        // PyTorch's derivative has the reciprocal of alpha in single precision, whatever the dtype.
        Unary::Celu { alpha } => [alpha, 1.0 / f64::from(alpha as f32)],
        Unary::LeakyRelu { slope } => [slope, 0.0],
        Unary::Softplus { beta, threshold } => [beta, threshold],
        // As in PyTorch, bounds that are NaN make everything NaN.
        Unary::Clamp { min, max } if min.is_nan() || max.is_nan() => [f64::NAN; 2],
        Unary::Clamp { min, max } => [min, max],
        _ => [0.0; 2],
    }
}

pub(super) const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
pub(super) const SELU_ALPHA: f64 = 1.673_263_242_354_377_3;
/// `sqrt(2 / pi)`
pub(super) const GELU_BETA: f64 = 0.797_884_560_802_865_4;
pub(super) const GELU_KAPPA: f64 = 0.044_715;

/// `x` limited to `lo..=hi`; NaN in any of them gives NaN.
#[inline(always)]
fn clamp<T: Float>(x: T, lo: T, hi: T) -> T {
    let x = if x < lo || lo.is_nan() { lo } else { x };
    if x > hi { hi } else { x }
}

/// Computes again what the vector code cannot: angles so large that they take more digits of pi.
fn large_angles<T: Float>(xs: &[T], out: &mut [T], f: fn(T) -> T) {
    if xs.iter().fold(false, |any, &x| any | (x.abs() > T::LARGE_ANGLE)) {
        for (o, &x) in out.iter_mut().zip(xs) {
            if x.abs() > T::LARGE_ANGLE {
                *o = f(x);
            }
        }
    }
}

pub(super) fn float<T: Float>(f: Unary) -> Option<Loop<T, T>> {
    use Unary::*;
    Some(match f {
        Neg => simd!(T, FMA, |p, x| -x),
        Abs => simd!(T, FMA, |p, x| x.abs()),
        Sign => simd!(T, FMA, |p, x| {
            let up = if x > T::c(0.0) { T::c(1.0) } else { T::c(0.0) };
            if x < T::c(0.0) { T::c(-1.0) } else { up }
        }),
        Reciprocal => simd!(T, FMA, |p, x| T::c(1.0) / x),
        Square => simd!(T, FMA, |p, x| x * x),
        Sqrt => simd!(T, FMA, |p, x| x.sqrt()),
        Rsqrt => simd!(T, FMA, |p, x| T::c(1.0) / x.sqrt()),
        Exp => simd!(T, FMA, |p, x| x.exp::<FMA>()),
        Exp2 => simd!(T, FMA, |p, x| x.exp2::<FMA>()),
        Expm1 => simd!(T, FMA, |p, x| x.expm1::<FMA>()),
        Log => simd!(T, FMA, |p, x| x.ln::<FMA>()),
        Log2 => simd!(T, FMA, |p, x| x.log2::<FMA>()),
        Log10 => simd!(T, FMA, |p, x| x.log10::<FMA>()),
        Log1p => simd!(T, FMA, |p, x| x.ln_1p::<FMA>()),
        Sin => |p, xs, out| {
            simd!(T, FMA, |p, x| x.sin::<FMA>())(p, xs, out);
            large_angles(xs, out, T::exact_sin);
        },
        Cos => |p, xs, out| {
            simd!(T, FMA, |p, x| x.cos::<FMA>())(p, xs, out);
            large_angles(xs, out, T::exact_cos);
        },
        Tan => |p, xs, out| {
            simd!(T, FMA, |p, x| x.tan::<FMA>())(p, xs, out);
            large_angles(xs, out, T::exact_tan);
        },
        Asin => simd!(T, FMA, |p, x| x.asin::<FMA>()),
        Acos => simd!(T, FMA, |p, x| x.acos::<FMA>()),
        Atan => simd!(T, FMA, |p, x| x.atan::<FMA>()),
        Sinh => simd!(T, FMA, |p, x| x.sinh::<FMA>()),
        Cosh => simd!(T, FMA, |p, x| x.cosh::<FMA>()),
        Tanh => simd!(T, FMA, |p, x| x.tanh::<FMA>()),
        Asinh => simd!(T, FMA, |p, x| x.asinh::<FMA>()),
        Acosh => simd!(T, FMA, |p, x| x.acosh::<FMA>()),
        Atanh => simd!(T, FMA, |p, x| x.atanh::<FMA>()),
        Erf => simd!(T, FMA, |p, x| x.erf::<FMA>()),
        Erfc => simd!(T, FMA, |p, x| x.erfc::<FMA>()),
        Floor => simd!(T, FMA, |p, x| x.floor()),
        Ceil => simd!(T, FMA, |p, x| x.ceil()),
        Round => simd!(T, FMA, |p, x| x.round_even()),
        Trunc => simd!(T, FMA, |p, x| x.trunc()),
        Sigmoid => simd!(T, FMA, |p, x| x.sigmoid::<FMA>()),
        LogSigmoid => simd!(T, FMA, |p, x| {
            let below = if x < T::c(0.0) { x } else { T::c(0.0) };
            below - (-x.abs()).exp::<FMA>().ln_1p::<FMA>()
        }),
        Relu => simd!(T, FMA, |p, x| if x < T::c(0.0) { T::c(0.0) } else { x }),
        Gelu => simd!(T, FMA, |p, x| x * x.normal_cdf::<FMA>()),
        GeluTanh => simd!(T, FMA, |p, x| {
            let inner = T::c(GELU_BETA) * (x + T::c(GELU_KAPPA) * (x * x * x));
            T::c(0.5) * x * (T::c(1.0) + inner.tanh::<FMA>())
        }),
        Silu => simd!(T, FMA, |p, x| x / (T::c(1.0) + (-x).exp::<FMA>())),
        Mish => simd!(T, FMA, |p, x| {
            // tanh(log(1 + e)) = (e^2 + 2 e) / (e^2 + 2 e + 2)
            let e = x.exp::<FMA>();
            let n = e * (e + T::c(2.0));
            if x > T::c(20.0) { x } else { x * (n / (n + T::c(2.0))) }
        }),
        Selu => simd!(T, FMA, |p, x| {
            let below = T::c(SELU_ALPHA) * x.expm1::<FMA>();
            T::c(SELU_SCALE) * if x > T::c(0.0) { x } else { below }
        }),
        Relu6 => simd!(T, FMA, |p, x| clamp(x, T::c(0.0), T::c(6.0))),
        Hardsigmoid => simd!(T, FMA, |p, x| clamp(x + T::c(3.0), T::c(0.0), T::c(6.0)) / T::c(6.0)),
        Hardswish => simd!(T, FMA, |p, x| x * clamp(x + T::c(3.0), T::c(0.0), T::c(6.0)) / T::c(6.0)),
        Elu { .. } => simd!(T, FMA, |p, x| {
            let below = p[0] * x.expm1::<FMA>();
            if x > T::c(0.0) { x } else { below }
        }),
        Celu { .. } => simd!(T, FMA, |p, x| {
            let below = p[0] * (x / p[0]).expm1::<FMA>();
            if x > T::c(0.0) { x } else { below }
        }),
        LeakyRelu { .. } => simd!(T, FMA, |p, x| if x > T::c(0.0) { x } else { x * p[0] }),
        Softplus { .. } => simd!(T, FMA, |p, x| {
            let bx = x * p[0];
            let soft = bx.exp::<FMA>().ln_1p::<FMA>() / p[0];
            if bx > p[1] { x } else { soft }
        }),
        Clamp { .. } => simd!(T, FMA, |p, x| clamp(x, p[0], p[1])),
        Conj | BitwiseNot | LogicalNot | IsNan | IsInf | IsFinite => return None,
    })
}

pub(super) fn float_predicate<T: Float>(f: Unary) -> Option<Loop<T, Bool>> {
    Some(match f {
        Unary::LogicalNot => simd!(Bool, FMA, |p, x| (x == T::c(0.0)).into()),
        Unary::IsNan => simd!(Bool, FMA, |p, x| x.is_nan().into()),
        Unary::IsInf => simd!(Bool, FMA, |p, x| (x.abs() == T::c(f64::INFINITY)).into()),
        Unary::IsFinite => simd!(Bool, FMA, |p, x| (x.abs() < T::c(f64::INFINITY)).into()),
        _ => return None,
    })
}

pub(super) fn int<T: Int>(f: Unary) -> Option<Loop<T, T>> {
    use Unary::*;
    Some(match f {
        Neg => plain!(T, |p, x| T::default().wrapping_sub(x)),
        Abs => plain!(T, |p, x| if x < T::default() { T::default().wrapping_sub(x) } else { x }),
        Sign => plain!(T, |p, x| T::of((x > T::default()) as i64 - (x < T::default()) as i64)),
        Square => plain!(T, |p, x| x.wrapping_mul(x)),
        Floor | Ceil | Round | Trunc => plain!(T, |p, x| x),
        Relu => plain!(T, |p, x| if x < T::default() { T::default() } else { x }),
        Relu6 => plain!(T, |p, x| if x < T::default() {
            T::default()
        } else if x > T::of(6) {
            T::of(6)
        } else {
            x
        }),
        Clamp { .. } => |p, xs, out| {
            let (lo, hi) = (T::saturate(p[0].ceil()), T::saturate(p[1].floor()));
            for (o, &x) in out.iter_mut().zip(xs) {
                let x = if x < lo { lo } else { x };
                *o = if x > hi { hi } else { x };
            }
        },
        BitwiseNot => plain!(T, |p, x| !x),
        _ => return None,
    })
}

pub(super) fn int_predicate<T: Int>(f: Unary) -> Option<Loop<T, Bool>> {
    Some(match f {
        Unary::LogicalNot => plain!(T, |p, x| (x == T::default()).into()),
        Unary::IsNan | Unary::IsInf => |_, _, out| out.fill(Bool(0)),
        Unary::IsFinite => |_, _, out| out.fill(Bool(1)),
        _ => return None,
    })
}

pub(super) fn bool(f: Unary) -> Option<Loop<Bool, Bool>> {
    Some(match f {
        Unary::Sign => plain!(Bool, |p, x| x.get().into()),
        Unary::LogicalNot | Unary::BitwiseNot => plain!(Bool, |p, x| (!x.get()).into()),
        Unary::IsNan | Unary::IsInf => |_, _, out| out.fill(Bool(0)),
        Unary::IsFinite => |_, _, out| out.fill(Bool(1)),
        _ => return None,
    })
}

pub(super) fn complex_loop<R: Float>(f: Unary) -> Option<Loop<Complex<R>, Complex<R>>>
where
    Complex<R>: Lane + ComplexFloat,
{
    use Unary::*;
    Some(match f {
        Neg => plain!(T, |p, x| -x),
        Reciprocal => plain!(T, |p, x| super::binary::divide(Complex::new(R::c(1.0), R::c(0.0)), x)),
        Square => plain!(T, |p, x| x * x),
        Sqrt => plain!(T, |p, x| analytic::sqrt(x)),
        Rsqrt => plain!(T, |p, x| super::binary::divide(Complex::new(R::c(1.0), R::c(0.0)), analytic::sqrt(x))),
        Exp => plain!(T, |p, x| analytic::exp(x)),
        Log => plain!(T, |p, x| ComplexFloat::ln(x)),
        Sin => plain!(T, |p, x| analytic::sin(x)),
        Cos => plain!(T, |p, x| analytic::cos(x)),
        Sinh => plain!(T, |p, x| analytic::sinh(x)),
        Cosh => plain!(T, |p, x| analytic::cosh(x)),
        Tanh => plain!(T, |p, x| analytic::tanh(x)),
        Tan => plain!(T, |p, x| analytic::tan(x)),
        Asin => plain!(T, |p, x| analytic::asin(x)),
        Acos => plain!(T, |p, x| analytic::acos(x)),
        Atan => plain!(T, |p, x| analytic::atan(x)),
        Asinh => plain!(T, |p, x| analytic::asinh(x)),
        Acosh => plain!(T, |p, x| analytic::acosh(x)),
        Atanh => plain!(T, |p, x| analytic::atanh(x)),
        Exp2 => plain!(T, |p, x| analytic::exp(scaled(x, LN_2))),
        Expm1 => plain!(T, |p, x| analytic::expm1(x)),
        Log2 => plain!(T, |p, x| scaled(ComplexFloat::ln(x), LN_2.recip())),
        Log10 => plain!(T, |p, x| scaled(ComplexFloat::ln(x), LN_10.recip())),
        Log1p => plain!(T, |p, x| analytic::ln_1p(x)),
        Sigmoid => plain!(T, |p, x| super::binary::divide(real(1.0), real::<R>(1.0) + analytic::exp(-x))),
        Silu => plain!(T, |p, x| super::binary::divide(x, real::<R>(1.0) + analytic::exp(-x))),
        Conj => plain!(T, |p, x| ComplexFloat::conj(x)),
        _ => return None,
    })
}

/// Times a real number, part by part: infinite parts do not spoil the others.
fn scaled<R: Float>(x: Complex<R>, by: f64) -> Complex<R> {
    Complex { re: x.re * R::c(by), im: x.im * R::c(by) }
}

fn real<R: Float>(x: f64) -> Complex<R> {
    Complex { re: R::c(x), im: R::c(0.0) }
}

pub(super) fn complex_predicate<R: Float>(f: Unary) -> Option<Loop<Complex<R>, Bool>> {
    Some(match f {
        Unary::LogicalNot => plain!(T, |p, x| (x.re == R::c(0.0) && x.im == R::c(0.0)).into()),
        Unary::IsNan => plain!(T, |p, x| (x.re.is_nan() || x.im.is_nan()).into()),
        Unary::IsInf => plain!(T, |p, x| (x.re.abs() == R::c(f64::INFINITY) || x.im.abs() == R::c(f64::INFINITY)).into()),
        Unary::IsFinite => plain!(T, |p, x| (x.re.abs() < R::c(f64::INFINITY) && x.im.abs() < R::c(f64::INFINITY)).into()),
        _ => return None,
    })
}
