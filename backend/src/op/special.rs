//! Special functions and other rare functions of one or two numbers.
//!
//! They are computed in double precision, whatever the dtype, and rounded: accuracy before speed.

/// The families of classical orthogonal polynomials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the mathematics
pub enum Polynomial {
    ChebyshevT,
    ChebyshevU,
    ChebyshevV,
    ChebyshevW,
    ShiftedChebyshevT,
    ShiftedChebyshevU,
    ShiftedChebyshevV,
    ShiftedChebyshevW,
    /// The physicists'.
    HermiteH,
    /// The probabilists'.
    HermiteHe,
    LaguerreL,
    LegendreP,
}

/// A special function. Those of one number come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the mathematics
pub enum Special {
    /// The logarithm of the gamma function's magnitude.
    Lgamma,
    Digamma,
    /// The n-th derivative of the digamma function.
    Polygamma(u32),
    Erfinv,
    /// `exp(x^2) erfc(x)`
    Erfcx,
    /// The inverse of the normal distribution function.
    Ndtri,
    /// The logarithm of the normal distribution function.
    LogNdtr,
    /// `-x log(x)`
    Entr,
    /// `sin(pi x) / (pi x)`
    Sinc,
    I0,
    /// `exp(-|x|) I0(x)`
    I0e,
    I1,
    /// `exp(-|x|) I1(x)`
    I1e,
    BesselJ0,
    BesselJ1,
    BesselY0,
    BesselY1,
    BesselK0,
    BesselK1,
    /// `exp(x) K0(x)`
    ScaledK0,
    /// `exp(x) K1(x)`
    ScaledK1,
    /// `sin(x) / x`
    SphericalJ0,
    AiryAi,
    /// m of `x = m 2^e`, with |m| from 1/2 up to 1.
    FrexpMantissa,
    /// e of `x = m 2^e`.
    FrexpExponent,

    /// The regularised lower incomplete gamma function P(a, x).
    Igamma,
    /// The regularised upper incomplete gamma function Q(a, x).
    Igammac,
    /// The Hurwitz zeta function.
    Zeta,
    /// `x log(y)`, 0 where x is 0.
    Xlogy,
    /// `x log(1 + y)`, 0 where x is 0.
    Xlog1py,
    /// `log(exp(x) + exp(y))`
    LogAddExp,
    /// `log2(2^x + 2^y)`
    LogAddExp2,
    /// `sqrt(x^2 + y^2)`
    Hypot,
    /// The first one's magnitude with the second one's sign.
    Copysign,
    /// The next number of the dtype after the first one towards the second one.
    Nextafter,
    /// Of the first number, of the degree that is the second number, truncated.
    Polynomial(Polynomial),
}

impl Special {
    /// The number of inputs.
    pub fn arity(self) -> usize {
        use Special::*;
        match self {
            Igamma | Igammac | Zeta | Xlogy | Xlog1py | LogAddExp | LogAddExp2 | Hypot | Copysign | Nextafter | Polynomial(_) => 2,
            _ => 1,
        }
    }

    /// PyTorch's name.
    pub fn name(self) -> &'static str {
        use self::Polynomial::*;
        use Special::*;
        match self {
            Lgamma => "lgamma",
            Digamma => "digamma",
            Polygamma(_) => "polygamma",
            Erfinv => "erfinv",
            Erfcx => "erfcx",
            Ndtri => "ndtri",
            LogNdtr => "log_ndtr",
            Entr => "entr",
            Sinc => "sinc",
            I0 => "i0",
            I0e => "i0e",
            I1 => "i1",
            I1e => "i1e",
            BesselJ0 => "bessel_j0",
            BesselJ1 => "bessel_j1",
            BesselY0 => "bessel_y0",
            BesselY1 => "bessel_y1",
            BesselK0 => "modified_bessel_k0",
            BesselK1 => "modified_bessel_k1",
            ScaledK0 => "scaled_modified_bessel_k0",
            ScaledK1 => "scaled_modified_bessel_k1",
            SphericalJ0 => "spherical_bessel_j0",
            AiryAi => "airy_ai",
            FrexpMantissa | FrexpExponent => "frexp",
            Igamma => "igamma",
            Igammac => "igammac",
            Zeta => "zeta",
            Xlogy => "xlogy",
            Xlog1py => "xlog1py",
            LogAddExp => "logaddexp",
            LogAddExp2 => "logaddexp2",
            Hypot => "hypot",
            Copysign => "copysign",
            Nextafter => "nextafter",
            Polynomial(p) => match p {
                ChebyshevT => "chebyshev_polynomial_t",
                ChebyshevU => "chebyshev_polynomial_u",
                ChebyshevV => "chebyshev_polynomial_v",
                ChebyshevW => "chebyshev_polynomial_w",
                ShiftedChebyshevT => "shifted_chebyshev_polynomial_t",
                ShiftedChebyshevU => "shifted_chebyshev_polynomial_u",
                ShiftedChebyshevV => "shifted_chebyshev_polynomial_v",
                ShiftedChebyshevW => "shifted_chebyshev_polynomial_w",
                HermiteH => "hermite_polynomial_h",
                HermiteHe => "hermite_polynomial_he",
                LaguerreL => "laguerre_polynomial_l",
                LegendreP => "legendre_polynomial_p",
            },
        }
    }
}

/// Functions of two integers that are rare enough to be computed in 64 bits, whatever the dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerOp {
    /// The greatest common divisor.
    Gcd,
    /// The least common multiple.
    Lcm,
    /// Shifted to the left; 0 for a shift that is negative or beyond the width.
    ShiftLeft,
    /// Shifted to the right with the sign; the sign alone for a shift that is negative or beyond the width.
    ShiftRight,
}

impl IntegerOp {
    /// PyTorch's name.
    pub fn name(self) -> &'static str {
        match self {
            IntegerOp::Gcd => "gcd",
            IntegerOp::Lcm => "lcm",
            IntegerOp::ShiftLeft => "bitwise_left_shift",
            IntegerOp::ShiftRight => "bitwise_right_shift",
        }
    }
}

/// Which real number of a complex one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The real part.
    Real,
    /// The imaginary part.
    Imag,
    /// The magnitude.
    Abs,
}

impl Part {
    /// PyTorch's name.
    pub fn name(self) -> &'static str {
        match self {
            Part::Real => "real",
            Part::Imag => "imag",
            Part::Abs => "abs",
        }
    }
}
