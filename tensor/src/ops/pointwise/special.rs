//! `torch.special` and the special functions among Tensor's methods.

use rushlight_backend::op::{Pointwise, Polynomial, Special};
use rushlight_backend::{DType, Error, Result};

use super::{cast, common_type};
use crate::{Input, Operand, Tensor, apply1, default_dtype};

/// `f(x)`; integers become the default float type.
pub(super) fn unary(f: Special, x: &Tensor) -> Result<Tensor> {
    let dtype = if x.dtype().is_differentiable() { x.dtype() } else { default_dtype() };
    apply1(Pointwise::Special(f), [cast(Input::Ref(x), dtype)?])
}

/// `f(x, y)` with promotion; integers become the default float type unless the function refuses them.
pub(super) fn binary(f: Special, x: Operand<'_>, y: Operand<'_>) -> Result<Tensor> {
    let common = common_type(&[x, y]);
    let refuses = matches!(f, Special::Hypot | Special::Nextafter | Special::LogAddExp | Special::LogAddExp2);
    let dtype = if common.is_differentiable() || refuses { common } else { default_dtype() };
    let device = match (x, y) {
        (Operand::Tensor(t), _) | (_, Operand::Tensor(t)) => t.device(),
        _ => return Err(Error::value(f.name(), "wants a tensor, got two numbers")),
    };
    let operand = |o| match o {
        Operand::Tensor(t) => cast(Input::Ref(t), dtype),
        Operand::Scalar(s) => Tensor::full([0usize; 0], s, (dtype, device)).map(Input::Own),
    };
    apply1(Pointwise::Special(f), [operand(x)?, operand(y)?])
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $f:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// If the tensor is complex.
            pub fn $name(&self) -> Result<Tensor> {
                unary($f, self)
            }
        )*}
    };
}

methods! {
    /// The logarithm of the gamma function's magnitude.
    lgamma => Special::Lgamma;
    /// The logarithmic derivative of the gamma function.
    digamma => Special::Digamma;
    /// The inverse of the error function.
    erfinv => Special::Erfinv;
    /// The modified Bessel function of the first kind of order 0.
    i0 => Special::I0;
}

macro_rules! methods2 {
    ($other:ty, $lifetime:lifetime: $($(#[$doc:meta])* $name:ident => $f:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// If the shapes cannot be broadcast together, or the dtype does not fit.
            pub fn $name<$lifetime>(&self, other: $other) -> Result<Tensor> {
                binary($f, Operand::Tensor(self), other.into())
            }
        )*}
    };
}

methods2! { impl Into<Operand<'b>>, 'b:
    /// `x log(y)`, and 0 where x is 0.
    xlogy => Special::Xlogy;
    /// x with the sign of y (also that of zeros).
    copysign => Special::Copysign;
}

methods2! { &'b Tensor, 'b:
    /// The regularised lower incomplete gamma function P(a, x), where this tensor is a. There is no derivative with respect to a.
    igamma => Special::Igamma;
    /// The regularised upper incomplete gamma function Q(a, x), where this tensor is a. There is no derivative with respect to a.
    igammac => Special::Igammac;
    /// `log2(2^x + 2^y)` without overflow.
    logaddexp2 => Special::LogAddExp2;
    /// `sqrt(x^2 + y^2)` without overflow.
    hypot => Special::Hypot;
    /// The next number of the dtype after x towards y; its derivative with respect to x is 1.
    nextafter => Special::Nextafter;
}

impl Tensor {
    /// `log(exp(x) + exp(y))` without overflow. Of complex numbers the imaginary part is not brought into one turn.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together, or the dtype does not fit.
    pub fn logaddexp(&self, other: &Tensor) -> Result<Tensor> {
        let dtype = common_type(&[Operand::Tensor(self), Operand::Tensor(other)]);
        if !dtype.is_complex() {
            return binary(Special::LogAddExp, Operand::Tensor(self), Operand::Tensor(other));
        }
        // Relative to the one with the larger real part; a NaN becomes the result, and so does one of two infinities.
        let (x, y) = (self.to_dtype(dtype)?, other.to_dtype(dtype)?);
        let (a, b) = (x.real()?, y.real()?);
        let less = a.lt(&b)?.logical_or(&y.isnan()?)?;
        let (low, high) = (less.where_(&x, &y)?, less.where_(&y, &x)?);
        let settled = a.eq(&b)?.logical_and(&b.isinf()?)?.logical_or(&high.isnan()?)?;
        let distance = settled.where_(f64::NEG_INFINITY, &low.sub(&high)?)?;
        high.add(&distance.exp()?.log1p()?)
    }

    /// The n-th derivative of [`digamma`](Tensor::digamma).
    ///
    /// # Errors
    /// If n is negative or the tensor is complex.
    pub fn polygamma(&self, n: i64) -> Result<Tensor> {
        let n = u32::try_from(n).map_err(|_| Error::value("polygamma", format!("wants an order of at least 0, got {n}")))?;
        unary(Special::Polygamma(n), self)
    }

    /// The logarithm of the multivariate gamma function of dimension p.
    ///
    /// # Errors
    /// If p is less than 1 or the tensor is complex.
    pub fn mvlgamma(&self, p: i64) -> Result<Tensor> {
        if p < 1 {
            return Err(Error::value("mvlgamma", format!("wants a dimension p of at least 1, got {p}")));
        }
        if self.dtype() == DType::Bool {
            return Err(Error::dtype("mvlgamma", "does not take booleans"));
        }
        let x = if self.dtype().is_differentiable() { self.clone() } else { self.to_dtype(default_dtype())? };
        let p = p as f64;
        let mut sum = x.lgamma()?.add(0.25 * p * (p - 1.0) * std::f64::consts::PI.ln())?;
        let mut j = 1.0;
        while j < p {
            sum = sum.add(&x.sub(0.5 * j)?.lgamma()?)?;
            j += 1.0;
        }
        Ok(sum)
    }

    /// `log(x / (1 - x))`; with `eps`, x is first limited to `eps..=1 - eps`.
    ///
    /// # Errors
    /// If the tensor is complex.
    pub fn logit(&self, eps: impl Into<Option<f64>>) -> Result<Tensor> {
        if self.dtype().is_complex() {
            return Err(Error::dtype("logit", format!("wants a real tensor, got {}", self.dtype())));
        }
        let x = if self.dtype().is_differentiable() { self.clone() } else { self.to_dtype(default_dtype())? };
        let x = match eps.into() {
            Some(eps) => {
                let (low, high) = (x.lt(eps)?, x.gt(1.0 - eps)?);
                x.masked_fill(&high, 1.0 - eps)?.masked_fill(&low, eps)?
            }
            None => x,
        };
        let y = x.log()?.sub(&x.neg()?.log1p()?)?;
        if x.trace().is_none() {
            return Ok(y);
        }
        // Beyond 0 and 1 there is neither a value nor a derivative.
        let inside = x.ge(0)?.logical_and(&x.le(1)?)?;
        y.mul(&inside.where_(&x.ones_like()?, f64::NAN)?)
    }

    /// `sin(pi x) / (pi x)`, and 1 at 0.
    ///
    /// # Errors
    /// If the device fails.
    pub fn sinc(&self) -> Result<Tensor> {
        if !self.dtype().is_complex() {
            return unary(Special::Sinc, self);
        }
        let zero = self.eq(0)?;
        let y = self.masked_fill(&zero, 1)?.mul(std::f64::consts::PI)?;
        y.sin()?.div(&y)?.masked_fill(&zero, 1)
    }

    /// Mantissa m and exponent e (`int32`) of `x = m 2^e`, |m| from 1/2 up to 1.
    ///
    /// # Errors
    /// If the tensor is not of real floating-point numbers.
    pub fn frexp(&self) -> Result<(Tensor, Tensor)> {
        let mantissa = apply1(Pointwise::Special(Special::FrexpMantissa), [self])?;
        let exponent = apply1(Pointwise::Special(Special::FrexpExponent), [self.detach().to_dtype(rushlight_backend::DType::F64)?])?;
        Ok((mantissa, exponent.to_dtype(rushlight_backend::DType::I32)?))
    }

    /// `x 2^other`
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together.
    pub fn ldexp(&self, other: &Tensor) -> Result<Tensor> {
        if self.dtype().is_float() && other.dtype() == DType::Bool {
            return Err(Error::dtype("ldexp", "exponents must be numbers, got bool"));
        }
        let y = self.mul(&other.rpow(2.0)?)?;
        // Integer exponents leave the type of floats alone.
        if self.dtype().is_float() && other.dtype().is_int() { y.to_dtype(self.dtype()) } else { Ok(y) }
    }
}

/// Special functions under PyTorch's names in `torch.special`.
///
/// They are computed in double precision and rounded. Integers become the default float type.
pub mod functions {
    use super::*;

    macro_rules! one {
        ($($(#[$doc:meta])* $name:ident => $f:expr;)*) => {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// If the tensor is complex.
            pub fn $name(x: &Tensor) -> Result<Tensor> {
                unary($f, x)
            }
        )*};
    }
    one! {
        /// `exp(x^2) erfc(x)`.
        erfcx => Special::Erfcx;
        /// The inverse of the normal distribution function.
        ndtri => Special::Ndtri;
        /// The logarithm of the normal distribution function, accurate for large negative x.
        log_ndtr => Special::LogNdtr;
        /// `-x log(x)`; 0 at 0, minus infinity below.
        entr => Special::Entr;
        /// `exp(-|x|) i0(x)`.
        i0e => Special::I0e;
        /// The modified Bessel function of the first kind of order 1.
        i1 => Special::I1;
        /// `exp(-|x|) i1(x)`.
        i1e => Special::I1e;
        /// The Bessel function of the first kind of order 0.
        bessel_j0 => Special::BesselJ0;
        /// The Bessel function of the first kind of order 1.
        bessel_j1 => Special::BesselJ1;
        /// The Bessel function of the second kind of order 0.
        bessel_y0 => Special::BesselY0;
        /// The Bessel function of the second kind of order 1.
        bessel_y1 => Special::BesselY1;
        /// The modified Bessel function of the first kind of order 0.
        modified_bessel_i0 => Special::I0;
        /// The modified Bessel function of the first kind of order 1.
        modified_bessel_i1 => Special::I1;
        /// The modified Bessel function of the second kind of order 0.
        modified_bessel_k0 => Special::BesselK0;
        /// The modified Bessel function of the second kind of order 1.
        modified_bessel_k1 => Special::BesselK1;
        /// `exp(x) modified_bessel_k0(x)`.
        scaled_modified_bessel_k0 => Special::ScaledK0;
        /// `exp(x) modified_bessel_k1(x)`.
        scaled_modified_bessel_k1 => Special::ScaledK1;
        /// `sin(x) / x`, the spherical Bessel function of the first kind of order 0.
        spherical_bessel_j0 => Special::SphericalJ0;
        /// The Airy function Ai. It has no derivative here.
        airy_ai => Special::AiryAi;
    }

    /// The normal distribution function.
    ///
    /// # Errors
    /// If the tensor is complex.
    pub fn ndtr(x: &Tensor) -> Result<Tensor> {
        x.mul(-std::f64::consts::FRAC_1_SQRT_2)?.erfc()?.mul(0.5)
    }

    macro_rules! two {
        ($($(#[$doc:meta])* $name:ident => $f:expr;)*) => {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// If the shapes cannot be broadcast together, or the dtype does not fit.
            pub fn $name<'a>(x: impl Into<Operand<'a>>, y: impl Into<Operand<'a>>) -> Result<Tensor> {
                binary($f, x.into(), y.into())
            }
        )*};
    }
    two! {
        /// `x log(y)`, and 0 where x is 0.
        xlogy => Special::Xlogy;
        /// `x log(1 + y)`, and 0 where x is 0.
        xlog1py => Special::Xlog1py;
        /// The Hurwitz zeta function. There is no derivative with respect to the first argument.
        zeta => Special::Zeta;
        /// The Chebyshev polynomial of the first kind of degree y at x. Polynomials have no derivative here.
        chebyshev_polynomial_t => Special::Polynomial(Polynomial::ChebyshevT);
        /// The Chebyshev polynomial of the second kind of degree y at x.
        chebyshev_polynomial_u => Special::Polynomial(Polynomial::ChebyshevU);
        /// The Chebyshev polynomial of the third kind of degree y at x.
        chebyshev_polynomial_v => Special::Polynomial(Polynomial::ChebyshevV);
        /// The Chebyshev polynomial of the fourth kind of degree y at x.
        chebyshev_polynomial_w => Special::Polynomial(Polynomial::ChebyshevW);
        /// The first kind at `2x - 1`.
        shifted_chebyshev_polynomial_t => Special::Polynomial(Polynomial::ShiftedChebyshevT);
        /// The second kind at `2x - 1`.
        shifted_chebyshev_polynomial_u => Special::Polynomial(Polynomial::ShiftedChebyshevU);
        /// The third kind at `2x - 1`.
        shifted_chebyshev_polynomial_v => Special::Polynomial(Polynomial::ShiftedChebyshevV);
        /// The fourth kind at `2x - 1`.
        shifted_chebyshev_polynomial_w => Special::Polynomial(Polynomial::ShiftedChebyshevW);
        /// The physicists' Hermite polynomial of degree y at x.
        hermite_polynomial_h => Special::Polynomial(Polynomial::HermiteH);
        /// The probabilists' Hermite polynomial of degree y at x.
        hermite_polynomial_he => Special::Polynomial(Polynomial::HermiteHe);
        /// The Laguerre polynomial of degree y at x.
        laguerre_polynomial_l => Special::Polynomial(Polynomial::LaguerreL);
        /// The Legendre polynomial of degree y at x.
        legendre_polynomial_p => Special::Polynomial(Polynomial::LegendreP);
    }
}
