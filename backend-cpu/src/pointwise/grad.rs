//! `g * f'(x)`, the backward of the functions of one number.
//!
//! `v` is the function's input or output, as `Unary::grad_uses` says. At kinks the derivative is PyTorch's.

use rushlight_backend::op::Unary;

use super::float::Float;
use super::unary::{GELU_BETA, GELU_KAPPA, SELU_ALPHA, SELU_SCALE};
use crate::simd::dispatch;

/// A loop: parameters of the function, gradients, inputs or outputs of the function, results.
pub(super) type Loop<T> = fn([f64; 2], &[T], &[T], &mut [T]);

macro_rules! simd {
    ($FMA:ident, |$p:ident, $g:ident, $v:ident| $e:expr) => {{
        #[inline(always)]
        #[allow(unused_variables)]
        fn body<T: Float, const $FMA: bool>(p: [f64; 2], gs: &[T], vs: &[T], out: &mut [T]) {
            let $p = p.map(T::c);
            for ((o, &$g), &$v) in out.iter_mut().zip(gs).zip(vs) {
                *o = $e;
            }
        }
        dispatch! { fn run<T: Float>(p: [f64; 2], gs: &[T], vs: &[T], out: &mut [T]) = body; }
        run::<T>
    }};
}

/// Computes again what the vector code cannot: angles so large that they take more digits of pi.
fn large_angles<T: Float>(gs: &[T], vs: &[T], out: &mut [T], f: fn(T) -> T) {
    if vs.iter().fold(false, |any, &v| any | (v.abs() > T::LARGE_ANGLE)) {
        for ((o, &g), &v) in out.iter_mut().zip(gs).zip(vs) {
            if v.abs() > T::LARGE_ANGLE {
                *o = g * f(v);
            }
        }
    }
}

pub(super) fn float<T: Float>(f: Unary) -> Loop<T> {
    use Unary::*;
    use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LN_2, LN_10};
    match f {
        Neg => simd!(FMA, |p, g, v| -g),
        Abs => simd!(FMA, |p, g, v| {
            let up = if v > T::c(0.0) { g } else { g * T::c(0.0) };
            if v < T::c(0.0) { -g } else { up }
        }),
        Reciprocal => simd!(FMA, |p, g, v| -g * v * v),
        Square => simd!(FMA, |p, g, v| g * (T::c(2.0) * v)),
        Sqrt => simd!(FMA, |p, g, v| g / (T::c(2.0) * v)),
        Rsqrt => simd!(FMA, |p, g, v| T::c(-0.5) * g * (v * v * v)),
        Exp => simd!(FMA, |p, g, v| g * v),
        Exp2 => simd!(FMA, |p, g, v| g * v * T::c(LN_2)),
        Expm1 => simd!(FMA, |p, g, v| g * (v + T::c(1.0))),
        Log => simd!(FMA, |p, g, v| g / v),
        Log2 => simd!(FMA, |p, g, v| g / (v * T::c(LN_2))),
        Log10 => simd!(FMA, |p, g, v| g / (v * T::c(LN_10))),
        Log1p => simd!(FMA, |p, g, v| g / (v + T::c(1.0))),
        Sin => |p, gs, vs, out| {
            simd!(FMA, |p, g, v| g * v.cos::<FMA>())(p, gs, vs, out);
            large_angles(gs, vs, out, T::exact_cos);
        },
        Cos => |p, gs, vs, out| {
            simd!(FMA, |p, g, v| g * -v.sin::<FMA>())(p, gs, vs, out);
            large_angles(gs, vs, out, |v| -v.exact_sin());
        },
        Tan => simd!(FMA, |p, g, v| g * (T::c(1.0) + v * v)),
        Asin => simd!(FMA, |p, g, v| g / (T::c(1.0) - v * v).sqrt()),
        Acos => simd!(FMA, |p, g, v| -g / (T::c(1.0) - v * v).sqrt()),
        Atan => simd!(FMA, |p, g, v| g / (T::c(1.0) + v * v)),
        Sinh => simd!(FMA, |p, g, v| g * v.cosh::<FMA>()),
        Cosh => simd!(FMA, |p, g, v| g * v.sinh::<FMA>()),
        Tanh => simd!(FMA, |p, g, v| g * (T::c(1.0) - v * v)),
        Asinh => simd!(FMA, |p, g, v| g / (v * v + T::c(1.0)).sqrt()),
        Acosh => simd!(FMA, |p, g, v| g / (v * v - T::c(1.0)).sqrt()),
        Atanh => simd!(FMA, |p, g, v| g / (T::c(1.0) - v * v)),
        Erf => simd!(FMA, |p, g, v| g * (T::c(FRAC_2_SQRT_PI) * (-v * v).exp::<FMA>())),
        Erfc => simd!(FMA, |p, g, v| g * (T::c(-FRAC_2_SQRT_PI) * (-v * v).exp::<FMA>())),
        Sigmoid => simd!(FMA, |p, g, v| g * ((T::c(1.0) - v) * v)),
        LogSigmoid => simd!(FMA, |p, g, v| g / (T::c(1.0) + v.exp::<FMA>())),
        Relu => simd!(FMA, |p, g, v| if v <= T::c(0.0) { T::c(0.0) } else { g }),
        Gelu => simd!(FMA, |p, g, v| {
            let cdf = v.normal_cdf::<FMA>();
            let pdf = T::c(0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2) * (T::c(-0.5) * v * v).exp::<FMA>();
            g * (cdf + v * pdf)
        }),
        GeluTanh => simd!(FMA, |p, g, v| {
            let t = (T::c(GELU_BETA) * (v + T::c(GELU_KAPPA) * (v * v * v))).tanh::<FMA>();
            let inner = T::c(GELU_BETA) * (T::c(1.0) + T::c(3.0 * GELU_KAPPA) * (v * v));
            g * (T::c(0.5) * (T::c(1.0) + t) + T::c(0.5) * v * ((T::c(1.0) - t * t) * inner))
        }),
        Silu => simd!(FMA, |p, g, v| {
            let s = v.sigmoid::<FMA>();
            g * s * (T::c(1.0) + v * (T::c(1.0) - s))
        }),
        Mish => simd!(FMA, |p, g, v| {
            // With e = exp(x), tanh(softplus(x)) is t, and its derivative (1 - t^2) sigmoid(x).
            let v20 = if v > T::c(20.0) { T::c(20.0) } else { v };
            let e = v20.exp::<FMA>();
            let n = e * (e + T::c(2.0));
            let t = n / (n + T::c(2.0));
            let s = e / (T::c(1.0) + e);
            g * (t + v * s * (T::c(1.0) - t * t))
        }),
        Selu => simd!(FMA, |p, g, v| {
            let below = g * (T::c(SELU_SCALE * SELU_ALPHA) * v.exp::<FMA>());
            if v > T::c(0.0) { g * T::c(SELU_SCALE) } else { below }
        }),
        Relu6 => simd!(FMA, |p, g, v| if v <= T::c(0.0) || v >= T::c(6.0) { T::c(0.0) } else { g }),
        // PyTorch has the sixth in single precision, whatever the dtype.
        Hardsigmoid => {
            simd!(FMA, |p, g, v| if v > T::c(-3.0) && v < T::c(3.0) { g * T::c(f64::from(1f32 / 6.0)) } else { T::c(0.0) })
        }
        Hardswish => simd!(FMA, |p, g, v| {
            let between = g * (v / T::c(3.0) + T::c(0.5));
            let above = if v >= T::c(3.0) { g } else { between };
            if v <= T::c(-3.0) { T::c(0.0) } else { above }
        }),
        Elu { .. } => simd!(FMA, |p, g, v| {
            let below = g * (p[0] * v.exp::<FMA>());
            if v > T::c(0.0) { g } else { below }
        }),
        Celu { .. } => simd!(FMA, |p, g, v| {
            let below = g * (p[0] * p[1] * (v * p[1]).exp::<FMA>());
            if v > T::c(0.0) { g } else { below }
        }),
        LeakyRelu { .. } => simd!(FMA, |p, g, v| if v > T::c(0.0) { g } else { g * p[0] }),
        Softplus { .. } => simd!(FMA, |p, g, v| {
            let bv = v * p[0];
            let soft = g * bv.sigmoid::<FMA>();
            if bv > p[1] { g } else { soft }
        }),
        // 0 at the bounds too (as of PyTorch 2.15); an infinite bound is none.
        Clamp { .. } => simd!(FMA, |p, g, v| {
            let above = v > p[0] || p[0] == T::c(f64::NEG_INFINITY);
            let below = v < p[1] || p[1] == T::c(f64::INFINITY);
            if above && below { g } else { T::c(0.0) }
        }),
        Sign | Floor | Ceil | Round | Trunc | Conj | BitwiseNot | LogicalNot | IsNan | IsInf | IsFinite => {
            |_, _, _, out| out.fill(T::c(0.0))
        }
    }
}
