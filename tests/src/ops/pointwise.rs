//! Arithmetic, comparisons, functions, casts.

use rushlight_tensor::{DType, Tensor};

use crate::golden::Value;
use crate::outcome::CaseError;
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    unary(r);
    activations(r);
    binary(r);
    reflected(r);
    casts(r);
    select(r);
}

fn unary(r: &mut Registry) {
    r.unary("neg", Tensor::neg);
    r.unary("abs", Tensor::abs);
    r.unary("sign", Tensor::sign);
    r.unary("reciprocal", Tensor::reciprocal);
    r.unary("square", Tensor::square);
    r.unary("sqrt", Tensor::sqrt);
    r.unary("rsqrt", Tensor::rsqrt);
    r.unary("exp", Tensor::exp);
    r.unary("exp2", Tensor::exp2);
    r.unary("expm1", Tensor::expm1);
    r.unary("log", Tensor::log);
    r.unary("log2", Tensor::log2);
    r.unary("log10", Tensor::log10);
    r.unary("log1p", Tensor::log1p);
    r.unary("sin", Tensor::sin);
    r.unary("cos", Tensor::cos);
    r.unary("tan", Tensor::tan);
    r.unary("asin", Tensor::asin);
    r.unary("acos", Tensor::acos);
    r.unary("atan", Tensor::atan);
    r.unary("sinh", Tensor::sinh);
    r.unary("cosh", Tensor::cosh);
    r.unary("tanh", Tensor::tanh);
    r.unary("asinh", Tensor::asinh);
    r.unary("acosh", Tensor::acosh);
    r.unary("atanh", Tensor::atanh);
    r.unary("erf", Tensor::erf);
    r.unary("erfc", Tensor::erfc);
    r.unary("floor", Tensor::floor);
    r.unary("ceil", Tensor::ceil);
    r.unary("trunc", Tensor::trunc);
    r.unary("sigmoid", Tensor::sigmoid);
    r.unary("relu", Tensor::relu);
    r.unary("bitwise_not", Tensor::bitwise_not);
    r.unary("logical_not", Tensor::logical_not);
    r.unary("isnan", Tensor::isnan);
    r.unary("isinf", Tensor::isinf);
    r.unary("isfinite", Tensor::isfinite);
    for (name, of) in [
        ("negative", "neg"),
        ("absolute", "abs"),
        ("arcsin", "asin"),
        ("arccos", "acos"),
        ("arctan", "atan"),
        ("arcsinh", "asinh"),
        ("arccosh", "acosh"),
        ("arctanh", "atanh"),
        ("fix", "trunc"),
        ("special.expit", "sigmoid"),
        ("special.erf", "erf"),
        ("special.erfc", "erfc"),
        ("special.exp2", "exp2"),
        ("special.expm1", "expm1"),
        ("special.log1p", "log1p"),
    ] {
        r.alias(name, of);
    }
}

fn activations(r: &mut Registry) {
    r.unary("nn.functional.relu6", Tensor::relu6);
    r.unary("nn.functional.logsigmoid", Tensor::logsigmoid);
    r.unary("nn.functional.silu", Tensor::silu);
    r.unary("nn.functional.mish", Tensor::mish);
    r.unary("nn.functional.selu", Tensor::selu);
    r.unary("nn.functional.hardsigmoid", Tensor::hardsigmoid);
    r.unary("nn.functional.hardswish", Tensor::hardswish);
    r.alias("selu", "nn.functional.selu");
    r.alias("nn.functional.relu", "relu");
    r.alias("nn.functional.sigmoid", "sigmoid");
    r.alias("nn.functional.tanh", "tanh");
    r.op("nn.functional.gelu", |a| {
        let x = a.tensor("input")?;
        let f = a.choice("approximate", "none", &[("none", Some(Tensor::gelu as fn(&Tensor) -> _)), ("tanh", Some(Tensor::gelu_tanh))])?;
        Ok(f(&x)?)
    });
    r.op("nn.functional.elu", |a| Ok(a.tensor("input")?.elu(a.float_or("alpha", 1.0)?)?));
    r.op("nn.functional.leaky_relu", |a| Ok(a.tensor("input")?.leaky_relu(a.float_or("negative_slope", 0.01)?)?));
    r.op("nn.functional.softplus", |a| Ok(a.tensor("input")?.softplus(a.float_or("beta", 1.0)?, a.float_or("threshold", 20.0)?)?));
    for name in [
        "nn.functional.relu",
        "nn.functional.relu6",
        "nn.functional.silu",
        "nn.functional.mish",
        "nn.functional.selu",
        "nn.functional.hardsigmoid",
        "nn.functional.hardswish",
        "nn.functional.elu",
        "nn.functional.leaky_relu",
    ] {
        r.ignoring(name, "inplace");
    }
}

fn binary(r: &mut Registry) {
    r.binary("mul", |x, y| x.mul(y));
    r.op("div", |a| {
        let (x, y) = (a.tensor("input")?, a.either("other")?);
        Ok(match a.take_named("rounding_mode") {
            None | Some(Value::None) => x.div(y.operand())?,
            Some(Value::Str(s)) if s == "trunc" => x.div_trunc(y.operand())?,
            Some(Value::Str(s)) if s == "floor" => x.floor_divide(y.operand())?,
            Some(other) => return Err(CaseError::Untypable(format!("`rounding_mode` as {}", other.kind()))),
        })
    });
    r.binary("floor_divide", |x, y| x.floor_divide(y));
    r.op("remainder", |a| {
        use crate::args::Either::*;
        Ok(match (a.either("input")?, a.either("other")?) {
            (Tensor(x), y) => x.remainder(y.operand())?,
            (Scalar(x), Tensor(y)) => y.rremainder(x)?,
            (Scalar(_), Scalar(_)) => return Err(CaseError::Untypable("one of them is a tensor".to_string())),
        })
    });
    r.binary("fmod", |x, y| x.fmod(y));
    r.op("pow", |a| {
        use crate::args::Either::*;
        Ok(match (a.either("input")?, a.either("exponent")?) {
            (Tensor(x), y) => x.pow(y.operand())?,
            (Scalar(x), Tensor(y)) => y.rpow(x)?,
            (Scalar(_), Scalar(_)) => return Err(CaseError::Untypable("one of them is a tensor".to_string())),
        })
    });
    r.tensors2("maximum", ["input", "other"], Tensor::maximum);
    r.tensors2("minimum", ["input", "other"], Tensor::minimum);
    r.tensors2("atan2", ["input", "other"], Tensor::atan2);
    r.binary("eq", |x, y| x.eq(y));
    r.binary("ne", |x, y| x.ne(y));
    r.binary("lt", |x, y| x.lt(y));
    r.binary("le", |x, y| x.le(y));
    r.binary("gt", |x, y| x.gt(y));
    r.binary("ge", |x, y| x.ge(y));
    r.tensors2("logical_and", ["input", "other"], Tensor::logical_and);
    r.tensors2("logical_or", ["input", "other"], Tensor::logical_or);
    r.tensors2("logical_xor", ["input", "other"], Tensor::logical_xor);
    r.binary("bitwise_and", |x, y| x.bitwise_and(y));
    r.binary("bitwise_or", |x, y| x.bitwise_or(y));
    r.binary("bitwise_xor", |x, y| x.bitwise_xor(y));
    for (name, of) in [
        ("multiply", "mul"),
        ("true_divide", "div"),
        ("divide", "div"),
        ("arctan2", "atan2"),
        ("not_equal", "ne"),
        ("less", "lt"),
        ("less_equal", "le"),
        ("greater", "gt"),
        ("greater_equal", "ge"),
    ] {
        r.alias(name, of);
    }
}

/// `y op x` for a call `x.__rop__(y)`: with a tensor, our operator the other way round.
fn reflected(r: &mut Registry) {
    for (name, of) in [("__rmul__", "mul"), ("__rand__", "bitwise_and"), ("__ror__", "bitwise_or"), ("__rxor__", "bitwise_xor")] {
        r.alias(name, of);
    }
    r.op("__rsub__", |a| reflect(a, |y, x| y.sub(x), |x, y| x.rsub(y)));
    r.op("__rpow__", |a| reflect(a, |y, x| y.pow(x), |x, y| x.rpow(y)));
    r.op("__rdiv__", |a| reflect(a, |y, x| y.div(x), |x, y| x.reciprocal()?.mul(y)));
    r.op("__rmod__", |a| reflect(a, |y, x| y.remainder(x), |x, y| x.rremainder(y)));
    r.alias("__rtruediv__", "__rdiv__");
}

fn reflect(
    a: &mut crate::args::Args,
    tensors: fn(&Tensor, &Tensor) -> rushlight_tensor::Result<Tensor>,
    number: fn(&Tensor, rushlight_tensor::Scalar) -> rushlight_tensor::Result<Tensor>,
) -> crate::outcome::CaseResult<Tensor> {
    use crate::args::Either;
    let x = a.tensor("self")?;
    Ok(match a.either("other")? {
        Either::Tensor(y) => tensors(&y, &x)?,
        Either::Scalar(y) => number(&x, y)?,
    })
}

fn casts(r: &mut Registry) {
    for (name, dtype) in [
        ("bool", DType::Bool),
        ("byte", DType::U8),
        ("char", DType::I8),
        ("short", DType::I16),
        ("int", DType::I32),
        ("long", DType::I64),
        ("half", DType::F16),
        ("bfloat16", DType::BF16),
        ("float", DType::F32),
        ("double", DType::F64),
        ("cfloat", DType::C64),
        ("cdouble", DType::C128),
    ] {
        r.op(name, move |a| Ok(a.tensor("self")?.to_dtype(dtype)?));
    }
    // to(dtype), to(device, dtype), to(other), each with (non_blocking, copy), which speak of time and memory.
    r.op("to", |a| {
        let x = a.tensor("self")?;
        let dtype = match a.take("dtype") {
            Some(Value::DType(d)) => d,
            Some(Value::Tensor(other)) => other.dtype(),
            Some(Value::Str(device)) if device == "cpu" => a.opt_dtype("dtype")?.unwrap_or(x.dtype()),
            Some(Value::Str(device)) => return Err(CaseError::Untypable(format!("there is no device '{device}'"))),
            Some(other) => return Err(CaseError::Missing(format!("`to` with {}", other.kind()))),
            None => x.dtype(),
        };
        a.bool_or("non_blocking", false)?;
        a.bool_or("copy", false)?;
        Ok(x.to_dtype(dtype)?)
    });
    r.op("clone", |a| Ok(a.tensor("input")?.clone()));
}

fn select(r: &mut Registry) {
    r.op("where", |a| {
        let (condition, x, y) = (a.tensor("condition")?, a.either("input")?, a.either("other")?);
        Ok(condition.where_(x.operand(), y.operand())?)
    });
}
