//! Special functions, complex numbers, rare arithmetic, windows.

use rushlight_tensor::{Device, Operand, Result, Tensor, special, windows};

use crate::args::{Args, Either};
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    functions(r);
    functions2(r);
    complex(r);
    arithmetic(r);
    comparisons(r);
    activations(r);
    signal(r);
}

fn functions(r: &mut Registry) {
    r.unary("lgamma", Tensor::lgamma);
    r.unary("digamma", Tensor::digamma);
    r.unary("erfinv", Tensor::erfinv);
    r.unary("i0", Tensor::i0);
    r.unary("sinc", Tensor::sinc);
    r.unary("special.erfcx", special::erfcx);
    r.unary("special.ndtr", special::ndtr);
    r.unary("special.ndtri", special::ndtri);
    r.unary("special.log_ndtr", special::log_ndtr);
    r.unary("special.entr", special::entr);
    r.unary("special.i0e", special::i0e);
    r.unary("special.i1", special::i1);
    r.unary("special.i1e", special::i1e);
    r.unary("special.airy_ai", special::airy_ai);
    r.unary("special.bessel_j0", special::bessel_j0);
    r.unary("special.bessel_j1", special::bessel_j1);
    r.unary("special.bessel_y0", special::bessel_y0);
    r.unary("special.bessel_y1", special::bessel_y1);
    r.unary("special.modified_bessel_i0", special::modified_bessel_i0);
    r.unary("special.modified_bessel_i1", special::modified_bessel_i1);
    r.unary("special.modified_bessel_k0", special::modified_bessel_k0);
    r.unary("special.modified_bessel_k1", special::modified_bessel_k1);
    r.unary("special.scaled_modified_bessel_k0", special::scaled_modified_bessel_k0);
    r.unary("special.scaled_modified_bessel_k1", special::scaled_modified_bessel_k1);
    r.unary("special.spherical_bessel_j0", special::spherical_bessel_j0);
    r.op("polygamma", |a| {
        let n = a.int("n")? as i64;
        Ok(a.tensor("input")?.polygamma(n)?)
    });
    r.op("mvlgamma", |a| Ok(a.tensor("input")?.mvlgamma(a.int("p")? as i64)?));
    r.op("logit", |a| Ok(a.tensor("input")?.logit(a.opt_float("eps")?)?));
    r.op("frexp", |a| Ok(a.tensor("input")?.frexp()?));
    for (name, of) in [
        ("special.gammaln", "lgamma"),
        ("special.digamma", "digamma"),
        ("special.psi", "digamma"),
        ("special.polygamma", "polygamma"),
        ("special.multigammaln", "mvlgamma"),
        ("special.erfinv", "erfinv"),
        ("special.i0", "i0"),
        ("special.sinc", "sinc"),
        ("special.logit", "logit"),
    ] {
        r.alias(name, of);
    }
}

type Two = for<'a> fn(Operand<'a>, Operand<'a>) -> Result<Tensor>;

fn functions2(r: &mut Registry) {
    let list: [(&'static str, Two); 15] = [
        ("xlogy", |x, y| special::xlogy(x, y)),
        ("special.xlog1py", |x, y| special::xlog1py(x, y)),
        ("special.zeta", |x, y| special::zeta(x, y)),
        ("special.chebyshev_polynomial_t", |x, y| special::chebyshev_polynomial_t(x, y)),
        ("special.chebyshev_polynomial_u", |x, y| special::chebyshev_polynomial_u(x, y)),
        ("special.chebyshev_polynomial_v", |x, y| special::chebyshev_polynomial_v(x, y)),
        ("special.chebyshev_polynomial_w", |x, y| special::chebyshev_polynomial_w(x, y)),
        ("special.shifted_chebyshev_polynomial_t", |x, y| special::shifted_chebyshev_polynomial_t(x, y)),
        ("special.shifted_chebyshev_polynomial_u", |x, y| special::shifted_chebyshev_polynomial_u(x, y)),
        ("special.shifted_chebyshev_polynomial_v", |x, y| special::shifted_chebyshev_polynomial_v(x, y)),
        ("special.shifted_chebyshev_polynomial_w", |x, y| special::shifted_chebyshev_polynomial_w(x, y)),
        ("special.hermite_polynomial_h", |x, y| special::hermite_polynomial_h(x, y)),
        ("special.hermite_polynomial_he", |x, y| special::hermite_polynomial_he(x, y)),
        ("special.laguerre_polynomial_l", |x, y| special::laguerre_polynomial_l(x, y)),
        ("special.legendre_polynomial_p", |x, y| special::legendre_polynomial_p(x, y)),
    ];
    for (name, f) in list {
        r.op(name, move |a| {
            let (x, y) = (a.either("input")?, a.either("other")?);
            Ok(f(x.operand(), y.operand())?)
        });
    }
    r.alias("special.xlogy", "xlogy");
    r.tensors2("igamma", ["input", "other"], Tensor::igamma);
    r.tensors2("igammac", ["input", "other"], Tensor::igammac);
    r.alias("special.gammainc", "igamma");
    r.alias("special.gammaincc", "igammac");
    r.tensors2("logaddexp", ["input", "other"], Tensor::logaddexp);
    r.tensors2("logaddexp2", ["input", "other"], Tensor::logaddexp2);
    r.tensors2("hypot", ["input", "other"], Tensor::hypot);
    r.binary("copysign", |x, y| x.copysign(y));
    r.tensors2("nextafter", ["input", "other"], Tensor::nextafter);
    r.tensors2("ldexp", ["input", "other"], Tensor::ldexp);
}

fn complex(r: &mut Registry) {
    r.unary("conj", Tensor::conj);
    r.unary("conj_physical", Tensor::conj);
    r.unary("real", Tensor::real);
    r.unary("imag", Tensor::imag);
    r.unary("angle", Tensor::angle);
    r.unary("sgn", Tensor::sgn);
    r.unary("isreal", Tensor::isreal);
    r.unary("view_as_real", Tensor::view_as_real);
    r.unary("view_as_complex", Tensor::view_as_complex);
    r.tensors2("complex", ["real", "imag"], Tensor::complex);
    r.tensors2("polar", ["abs", "angle"], Tensor::polar);
}

fn arithmetic(r: &mut Registry) {
    r.op("add", |a| {
        let (x, y) = (a.tensor("input")?, a.either("other")?);
        Ok(match a.opt_scalar("alpha")? {
            None => x.add(y.operand())?,
            Some(alpha) => x.add_scaled(y.operand(), alpha)?,
        })
    });
    r.op("sub", |a| {
        let (x, y) = (a.tensor("input")?, a.either("other")?);
        Ok(match a.opt_scalar("alpha")? {
            None => x.sub(y.operand())?,
            Some(alpha) => x.sub_scaled(y.operand(), alpha)?,
        })
    });
    r.op("rsub", |a| {
        let (x, y) = (a.tensor("input")?, a.either("other")?);
        Ok(match (y, a.opt_scalar("alpha")?) {
            (Either::Tensor(y), None) => y.sub(&x)?,
            (Either::Tensor(y), Some(alpha)) => y.sub_scaled(&x, alpha)?,
            (Either::Scalar(y), None) => x.rsub(y)?,
            (Either::Scalar(y), Some(alpha)) => x.mul(alpha)?.rsub(y)?,
        })
    });
    r.alias("subtract", "sub");
    r.alias("__radd__", "add");
    r.op("addcmul", |a| {
        let (x, y, z) = (a.tensor("input")?, a.tensor("tensor1")?, a.tensor("tensor2")?);
        Ok(x.addcmul(&y, &z, a.opt_scalar("value")?.unwrap_or(1.into()))?)
    });
    r.op("addcdiv", |a| {
        let (x, y, z) = (a.tensor("input")?, a.tensor("tensor1")?, a.tensor("tensor2")?);
        Ok(x.addcdiv(&y, &z, a.opt_scalar("value")?.unwrap_or(1.into()))?)
    });
    r.op("lerp", |a| {
        let (x, end, weight) = (a.tensor("input")?, a.tensor("end")?, a.either("weight")?);
        Ok(x.lerp(&end, weight.operand())?)
    });
    r.unary("frac", Tensor::frac);
    r.unary("deg2rad", Tensor::deg2rad);
    r.unary("rad2deg", Tensor::rad2deg);
    r.op("round", |a| {
        let x = a.tensor("input")?;
        Ok(match a.take_named("decimals") {
            None => x.round()?,
            Some(Value::Int(d)) => x.round_decimals(d as i32)?,
            Some(other) => return Err(CaseError::Untypable(format!("`decimals` as {}", other.kind()))),
        })
    });
    r.alias("special.round", "round");
    r.op("float_power", |a| {
        Ok(match (a.either("input")?, a.either("exponent")?) {
            (Either::Tensor(x), y) => x.float_power(y.operand())?,
            (Either::Scalar(x), Either::Tensor(y)) => {
                Tensor::full((), x, (x.dtype(rushlight_tensor::DType::F64), Device::cpu()))?.float_power(&y)?
            }
            _ => return Err(CaseError::Missing("a power of two numbers".to_string())),
        })
    });
    r.op("fill", |a| {
        let (x, value) = (a.tensor("input")?, a.either("value")?);
        Ok(x.filled(value.operand())?)
    });
    r.op("masked_fill", |a| {
        let (x, mask, value) = (a.tensor("input")?, a.tensor("mask")?, a.either("value")?);
        Ok(x.masked_fill(&mask, value.operand())?)
    });
    r.op("clamp", clamp);
    r.alias("clip", "clamp");
    r.op("clamp_min", |a| {
        let x = a.tensor("input")?;
        Ok(match a.either("min")? {
            Either::Tensor(min) => x.clamp_tensor(Some(&min), None)?,
            Either::Scalar(min) => x.clamp_scalar(Some(min), None)?,
        })
    });
    r.op("clamp_max", |a| {
        let x = a.tensor("input")?;
        Ok(match a.either("max")? {
            Either::Tensor(max) => x.clamp_tensor(None, Some(&max))?,
            Either::Scalar(max) => x.clamp_scalar(None, Some(max))?,
        })
    });
    r.tensors2("gcd", ["input", "other"], Tensor::gcd);
    r.tensors2("lcm", ["input", "other"], Tensor::lcm);
    r.binary("bitwise_left_shift", |x, y| x.bitwise_left_shift(y));
    r.binary("bitwise_right_shift", |x, y| x.bitwise_right_shift(y));
    r.alias("__lshift__", "bitwise_left_shift");
    r.alias("__rshift__", "bitwise_right_shift");
    r.tensors2("heaviside", ["input", "values"], Tensor::heaviside);
    r.tensors2("fmax", ["input", "other"], Tensor::fmax);
    r.tensors2("fmin", ["input", "other"], Tensor::fmin);
}

fn clamp(a: &mut Args) -> CaseResult<Tensor> {
    let x = a.tensor("input")?;
    let tensor = |v: Option<&Value>| matches!(v, Some(Value::Tensor(_)));
    if tensor(a.peek("min")) {
        let (min, max) = (a.tensor("min")?, a.opt_tensor("max")?);
        return Ok(x.clamp_tensor(Some(&min), max.as_ref())?);
    }
    if let Some(Value::None) | None = a.peek("min") {
        a.none("min")?;
        if tensor(a.peek("max")) {
            return Ok(x.clamp_tensor(None, Some(&a.tensor("max")?))?);
        }
        return Ok(x.clamp_scalar(None, a.opt_scalar("max")?)?);
    }
    Ok(x.clamp_scalar(a.opt_scalar("min")?, a.opt_scalar("max")?)?)
}

fn comparisons(r: &mut Registry) {
    fn tolerances(a: &mut Args) -> CaseResult<(Tensor, Tensor, f64, f64, bool)> {
        let (x, y) = (a.tensor("input")?, a.tensor("other")?);
        Ok((x, y, a.float_or("rtol", 1e-5)?, a.float_or("atol", 1e-8)?, a.bool_or("equal_nan", false)?))
    }
    r.op("isclose", |a| {
        let (x, y, rtol, atol, equal_nan) = tolerances(a)?;
        Ok(x.isclose(&y, rtol, atol, equal_nan)?)
    });
    r.op("allclose", |a| {
        let (x, y, rtol, atol, equal_nan) = tolerances(a)?;
        Ok(x.allclose(&y, rtol, atol, equal_nan)?)
    });
    r.op("equal", |a| Ok(a.tensor("input")?.equal(&a.tensor("other")?)?));
    r.unary("isposinf", Tensor::isposinf);
    r.unary("isneginf", Tensor::isneginf);
    r.unary("signbit", Tensor::signbit);
    r.op("nan_to_num", |a| {
        let x = a.tensor("input")?;
        Ok(x.nan_to_num(a.opt_float("nan")?, a.opt_float("posinf")?, a.opt_float("neginf")?)?)
    });
}

fn activations(r: &mut Registry) {
    r.op("nn.functional.hardshrink", |a| Ok(a.tensor("input")?.hardshrink(a.float_or("lambd", 0.5)?)?));
    r.op("nn.functional.softshrink", |a| Ok(a.tensor("input")?.softshrink(a.float_or("lambd", 0.5)?)?));
    r.op("nn.functional.hardtanh", |a| Ok(a.tensor("input")?.hardtanh(a.float_or("min_val", -1.0)?, a.float_or("max_val", 1.0)?)?));
    r.op("nn.functional.threshold", |a| {
        let x = a.tensor("input")?;
        let (threshold, value) = (a.scalar("threshold")?, a.scalar("value")?);
        Ok(x.threshold(threshold.to_f64(), value.to_f64())?)
    });
    r.op("nn.functional.celu", |a| Ok(a.tensor("input")?.celu(a.float_or("alpha", 1.0)?)?));
    r.op("nn.functional.glu", |a| Ok(a.tensor("input")?.glu(a.int_or("dim", -1)?)?));
    r.tensors2("nn.functional.prelu", ["input", "weight"], Tensor::prelu);
    r.unary("nn.functional.tanhshrink", Tensor::tanhshrink);
    r.unary("nn.functional.softsign", Tensor::softsign);
    for name in ["nn.functional.hardtanh", "nn.functional.threshold", "nn.functional.celu"] {
        r.ignoring(name, "inplace");
    }
}

fn signal(r: &mut Registry) {
    /// The number of points, then what all windows have: `sym` and the dtype.
    macro_rules! window {
        ($name:literal, |$a:ident, $m:ident, $sym:ident, $dtype:ident| $call:expr) => {
            r.op(concat!("signal.windows.", $name), |$a| {
                let $m = $a.size("M")?;
                let $dtype = ($a.take_named("dtype").and_then(|d| if let Value::DType(d) = d { Some(d) } else { None }), Device::cpu());
                for name in ["layout", "device", "requires_grad"] {
                    $a.ignore(name);
                }
                let $sym = !matches!($a.take_named("sym"), Some(Value::Bool(false)));
                Ok($call?)
            });
        };
    }
    window!("bartlett", |a, m, sym, dtype| windows::bartlett(m, sym, dtype));
    window!("blackman", |a, m, sym, dtype| windows::blackman(m, sym, dtype));
    window!("cosine", |a, m, sym, dtype| windows::cosine(m, sym, dtype));
    window!("exponential", |a, m, sym, dtype| windows::exponential(m, a.opt_float("center")?, a.float_or("tau", 1.0)?, sym, dtype));
    window!("gaussian", |a, m, sym, dtype| windows::gaussian(m, a.float_or("std", 1.0)?, sym, dtype));
    window!("general_cosine", |a, m, sym, dtype| {
        let a = match a.take_named("a") {
            Some(Value::List(list)) => list,
            _ => return Err(CaseError::Missing("a call without `a`".to_string())),
        };
        let number = |v: &Value| match v {
            Value::Float(f) => *f,
            Value::Int(i) => *i as f64,
            _ => f64::NAN,
        };
        windows::general_cosine(m, &a.iter().map(number).collect::<Vec<_>>(), sym, dtype)
    });
    window!("general_hamming", |a, m, sym, dtype| windows::general_hamming(m, a.float_or("alpha", 0.54)?, sym, dtype));
    window!("hamming", |a, m, sym, dtype| windows::hamming(m, sym, dtype));
    window!("hann", |a, m, sym, dtype| windows::hann(m, sym, dtype));
    window!("kaiser", |a, m, sym, dtype| windows::kaiser(m, a.float_or("beta", 12.0)?, sym, dtype));
    window!("nuttall", |a, m, sym, dtype| windows::nuttall(m, sym, dtype));
}
