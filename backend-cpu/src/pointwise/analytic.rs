//! Complex functions that num-complex lacks or overflows in. Zeros, infinities and NaN are as in C's Annex G; where it leaves a sign open, as in glibc.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2, PI};

use num_complex::Complex;
use rushlight_backend::Complex64;

use super::float::Float;

fn new<R>(re: R, im: R) -> Complex<R> {
    Complex { re, im }
}

fn zero<R: Float>() -> R {
    R::c(0.0)
}

fn nan<R: Float>() -> R {
    R::c(f64::NAN)
}

fn infinity<R: Float>() -> R {
    R::c(f64::INFINITY)
}

fn finite<R: Float>(x: R) -> bool {
    x.abs() < infinity()
}

fn infinite<R: Float>(x: R) -> bool {
    x.abs() == infinity()
}

fn all_finite<R: Float>(z: Complex<R>) -> bool {
    finite(z.re) && finite(z.im)
}

fn swapped<R>(z: Complex<R>) -> Complex<R> {
    new(z.im, z.re)
}

/// Beyond this size `z * z + 1` is `z * z`, in either precision, and products of a few such numbers are finite.
fn large<R: Float>(z: Complex<R>) -> bool {
    z.re.abs() > R::c(1e9) || z.im.abs() > R::c(1e9)
}

/// `ln(2 |z|)`, where `|z|` itself may overflow.
fn ln_twice_abs<R: Float>(z: Complex<R>) -> R {
    let half = R::c(0.5);
    (half * z.re).hypot(half * z.im).ln::<false>() + R::c(2.0 * LN_2)
}

/// `exp(x) (cos(y), sin(y))` times `scale`, in steps where the exponential alone would overflow.
fn polar<R: Float>(x: R, y: R, scale: R) -> Complex<R> {
    let (sin, cos) = (y.exact_sin(), y.exact_cos());
    let e = x.exp::<false>();
    if infinite(e) && finite(x) {
        let root = (R::c(0.5) * x).exp::<false>();
        return new(root * scale * cos * root, root * scale * sin * root);
    }
    new(e * scale * cos, e * scale * sin)
}

pub(super) fn exp<R: Float>(z: Complex<R>) -> Complex<R> {
    if z.im == zero() {
        return new(z.re.exp::<false>(), z.im);
    }
    if !finite(z.im) && infinite(z.re) {
        return if z.re < zero() { new(zero(), zero::<R>().copysign(z.im)) } else { new(z.re, nan()) };
    }
    polar(z.re, z.im, R::c(1.0))
}

/// `exp(z) - 1`, accurate near 0.
pub(super) fn expm1<R: Float>(z: Complex<R>) -> Complex<R> {
    let half = (R::c(0.5) * z.im).exact_sin();
    let (sin, cos) = (z.im.exact_sin(), z.im.exact_cos());
    new(z.re.expm1::<false>() * cos - R::c(2.0) * half * half, z.re.exp::<false>() * sin)
}

/// `log(1 + z)`, accurate near 0.
pub(super) fn ln_1p<R: Float>(z: Complex<R>) -> Complex<R> {
    let im = z.im.atan2::<false>(R::c(1.0) + z.re);
    if large(z) && all_finite(z) {
        return new(ln_twice_abs(z) - R::c(LN_2), im);
    }
    // |1 + z|^2 - 1
    let square = z.re * (R::c(2.0) + z.re) + z.im * z.im;
    if square < R::c(-0.5) {
        // It may underflow, and the logarithm is not near 0.
        return new((R::c(1.0) + z.re).hypot(z.im).ln::<false>(), im);
    }
    new(R::c(0.5) * square.ln_1p::<false>(), im)
}

/// `log(exp(a) + exp(b))`, relative to the one with the larger real part; the imaginary part is not brought into one turn.
pub(crate) fn log_add_exp(a: Complex64, b: Complex64) -> Complex64 {
    if a.is_nan() || b.is_nan() {
        return Complex64::new(f64::NAN, f64::NAN);
    }
    let (low, high) = if a.re < b.re { (a, b) } else { (b, a) };
    if low.re == high.re && high.re.is_infinite() { high } else { high + ln_1p((low - high).exp()) }
}

pub(super) fn sinh<R: Float>(z: Complex<R>) -> Complex<R> {
    if z.im == zero() {
        return new(z.re.sinh::<false>(), z.im);
    }
    if !finite(z.im) {
        let re = if z.re == zero() { z.re } else { nan() };
        return new(if infinite(z.re) { infinity() } else { re }, nan());
    }
    let (sinh, cosh) = (z.re.sinh::<false>(), z.re.cosh::<false>());
    if infinite(cosh) && finite(z.re) {
        let e = polar(z.re.abs(), z.im, R::c(0.5));
        return new(if z.re < zero() { -e.re } else { e.re }, e.im);
    }
    new(sinh * z.im.exact_cos(), cosh * z.im.exact_sin())
}

pub(super) fn cosh<R: Float>(z: Complex<R>) -> Complex<R> {
    if z.im == zero() {
        return new(z.re.cosh::<false>(), z.im * R::c(1.0).copysign(z.re));
    }
    if !finite(z.im) {
        return if infinite(z.re) { new(infinity(), nan()) } else { new(nan(), if z.re == zero() { zero() } else { nan() }) };
    }
    let (sinh, cosh) = (z.re.sinh::<false>(), z.re.cosh::<false>());
    if infinite(cosh) && finite(z.re) {
        let e = polar(z.re.abs(), z.im, R::c(0.5));
        return new(e.re, if z.re < zero() { -e.im } else { e.im });
    }
    new(cosh * z.im.exact_cos(), sinh * z.im.exact_sin())
}

/// The sine: `sinh` with real and imaginary parts swapped, before and after.
pub(super) fn sin<R: Float>(z: Complex<R>) -> Complex<R> {
    swapped(sinh(swapped(z)))
}

/// The cosine: `cosh(i z)`.
pub(super) fn cos<R: Float>(z: Complex<R>) -> Complex<R> {
    cosh(new(-z.im, z.re))
}

/// The hyperbolic tangent, without overflow for large real parts.
pub(super) fn tanh<R: Float>(z: Complex<R>) -> Complex<R> {
    if infinite(z.re) {
        return new(R::c(1.0).copysign(z.re), zero::<R>().copysign(z.im));
    }
    if z.im == zero() {
        return new(z.re.tanh::<false>(), z.im);
    }
    if !finite(z.im) || z.re.is_nan() {
        return new(if z.re == zero() { z.re } else { nan() }, nan());
    }
    if z.re.abs() > R::c(20.0) {
        return new(R::c(1.0).copysign(z.re), zero());
    }
    // (sinh a cosh a + i sin b cos b) / (sinh^2 a + cos^2 b)
    let (sinh, cosh) = (z.re.sinh::<false>(), z.re.cosh::<false>());
    let (sin, cos) = (z.im.exact_sin(), z.im.exact_cos());
    let scale = sinh * sinh + cos * cos;
    new(sinh * cosh / scale, sin * cos / scale)
}

/// The tangent: `tanh` with real and imaginary parts swapped, before and after.
pub(super) fn tan<R: Float>(z: Complex<R>) -> Complex<R> {
    swapped(tanh(swapped(z)))
}

/// The inverse hyperbolic tangent, with its branch cuts outside [-1, 1] on the real line.
pub(super) fn atanh<R: Float>(z: Complex<R>) -> Complex<R> {
    if !all_finite(z) {
        let quarter = R::c(FRAC_PI_2).copysign(z.im);
        return if infinite(z.im) || (infinite(z.re) && !z.im.is_nan()) {
            new(zero::<R>().copysign(z.re), quarter)
        } else if infinite(z.re) || z.re == zero() {
            new(zero::<R>().copysign(z.re), nan())
        } else {
            new(nan(), nan())
        };
    }
    // It is odd; 1 + z is exact enough only to the right.
    if z.re < zero() {
        let t = atanh(new(-z.re, -z.im));
        return new(-t.re, -t.im);
    }
    let one = R::c(1.0);
    let near = (one - z.re) * (one - z.re) + z.im * z.im;
    let ratio = if near < R::c(1e-30) {
        // The square may underflow.
        (R::c(4.0) * z.re).ln::<false>() - R::c(2.0) * (one - z.re).hypot(z.im).ln::<false>()
    } else {
        (R::c(4.0) * z.re / near).ln_1p::<false>()
    };
    let re = R::c(0.25) * ratio;
    let im = R::c(0.5) * (R::c(2.0) * z.im).atan2::<false>((one - z.re) * (one + z.re) - z.im * z.im);
    new(re, im)
}

/// The inverse tangent: `-i atanh(i z)`.
pub(super) fn atan<R: Float>(z: Complex<R>) -> Complex<R> {
    let t = atanh(new(-z.im, z.re));
    new(t.im, -t.re)
}

pub(super) fn sqrt<R: Float>(z: Complex<R>) -> Complex<R> {
    let half = R::c(0.5);
    if infinite(z.im) {
        return new(infinity(), z.im);
    }
    if infinite(z.re) {
        let small: R = if z.im.is_nan() { nan() } else { zero() };
        return if z.re > zero() { new(z.re, small.copysign(z.im)) } else { new(small, infinity::<R>().copysign(z.im)) };
    }
    if z.re.is_nan() || z.im.is_nan() {
        return new(nan(), nan());
    }
    if z.im == zero() {
        let root = z.re.abs().sqrt();
        return if z.re < zero() { new(zero(), root.copysign(z.im)) } else { new(root, z.im) };
    }
    if z.re == zero() {
        let root = (half * z.im.abs()).sqrt();
        return new(root, root.copysign(z.im));
    }
    let t = (half * z.re.abs() + half * z.re.hypot(z.im)).sqrt();
    let other = half * (z.im.abs() / t);
    if z.re < zero() { new(other, t.copysign(z.im)) } else { new(t, other.copysign(z.im)) }
}

/// The inverse sine, after Kahan ("Branch cuts for complex elementary functions").
pub(super) fn asin<R: Float>(z: Complex<R>) -> Complex<R> {
    if z.re.is_nan() || z.im.is_nan() {
        let im = if infinite(z.re) || infinite(z.im) { infinity::<R>().copysign(z.im) } else { nan() };
        return if z.re == zero() { z } else { new(nan(), im) };
    }
    if !all_finite(z) || large(z) {
        let t = asinh(new(-z.im, z.re));
        return new(t.im, -t.re);
    }
    let one = R::c(1.0);
    let (a, b) = (sqrt(new(one - z.re, -z.im)), sqrt(new(one + z.re, z.im)));
    let re = z.re.atan2::<false>(a.re * b.re - a.im * b.im);
    // Im(conj(a) b)
    new(re, (a.re * b.im - a.im * b.re).asinh::<false>())
}

/// The inverse cosine, after Kahan.
pub(super) fn acos<R: Float>(z: Complex<R>) -> Complex<R> {
    if !all_finite(z) {
        let t = asin(z);
        return new(R::c(FRAC_PI_2) - t.re, -t.im);
    }
    if large(z) {
        return new(z.im.abs().atan2::<false>(z.re), -ln_twice_abs(z).copysign(z.im));
    }
    let one = R::c(1.0);
    let (a, b) = (sqrt(new(one - z.re, -z.im)), sqrt(new(one + z.re, z.im)));
    // Im(conj(b) a)
    new(R::c(2.0) * a.re.atan2::<false>(b.re), (b.re * a.im - b.im * a.re).asinh::<false>())
}

/// The inverse hyperbolic sine: `-i asin(i z)`.
pub(super) fn asinh<R: Float>(z: Complex<R>) -> Complex<R> {
    if infinite(z.im) {
        let angle = R::c(if finite(z.re) { FRAC_PI_2 } else { FRAC_PI_4 }).copysign(z.im);
        return new(infinity::<R>().copysign(z.re), if z.re.is_nan() { nan() } else { angle });
    }
    if !finite(z.re) {
        let known = if z.re.is_nan() { z.im == zero() } else { !z.im.is_nan() };
        return new(z.re, if known { zero::<R>().copysign(z.im) } else { nan() });
    }
    if z.im.is_nan() {
        return new(nan(), nan());
    }
    if large(z) {
        return new(ln_twice_abs(z).copysign(z.re), z.im.atan2::<false>(z.re.abs()));
    }
    let t = asin(new(-z.im, z.re));
    new(t.im, -t.re)
}

/// The inverse hyperbolic cosine, after Kahan.
pub(super) fn acosh<R: Float>(z: Complex<R>) -> Complex<R> {
    if infinite(z.im) {
        let angle = if finite(z.re) {
            FRAC_PI_2
        } else if z.re < zero() {
            PI - FRAC_PI_4
        } else {
            FRAC_PI_4
        };
        return new(infinity(), if z.re.is_nan() { nan() } else { R::c(angle).copysign(z.im) });
    }
    if infinite(z.re) {
        let angle = R::c(if z.re < zero() { PI } else { 0.0 }).copysign(z.im);
        return new(infinity(), if z.im.is_nan() { nan() } else { angle });
    }
    if z.re.is_nan() || z.im.is_nan() {
        return new(nan(), if z.re == zero() { R::c(FRAC_PI_2) } else { nan() });
    }
    if large(z) {
        return new(ln_twice_abs(z), z.im.atan2::<false>(z.re));
    }
    let one = R::c(1.0);
    let (a, b) = (sqrt(new(z.re - one, z.im)), sqrt(new(z.re + one, z.im)));
    // Re(conj(a) b)
    new((a.re * b.re + a.im * b.im).asinh::<false>(), R::c(2.0) * a.im.atan2::<false>(b.re))
}
