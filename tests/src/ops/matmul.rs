//! Matrix products.

use rushlight_tensor::{ContractDims, Result, Scalar, Tensor};

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

/// `op(input, a, b, *, beta=1, alpha=1)`.
fn added(
    r: &mut Registry,
    name: &'static str,
    names: [&'static str; 2],
    f: fn(&Tensor, &Tensor, &Tensor, Scalar, Scalar) -> Result<Tensor>,
) {
    r.op(name, move |a| {
        let (x, y, z) = (a.tensor("input")?, a.tensor(names[0])?, a.tensor(names[1])?);
        let beta = a.opt_scalar("beta")?.unwrap_or(Scalar::Int(1));
        let alpha = a.opt_scalar("alpha")?.unwrap_or(Scalar::Int(1));
        Ok(f(&x, &y, &z, beta, alpha)?)
    });
}

/// A number of dimensions, or a list of two lists.
fn contract_dims(a: &mut Args) -> CaseResult<ContractDims> {
    let ints = |v: Value| -> CaseResult<Vec<isize>> {
        let mut one = Args::new(vec![v], Vec::new());
        one.ints("dims")
    };
    match a.take("dims") {
        None => Ok(2.into()),
        Some(Value::Int(n)) => {
            Ok(usize::try_from(n).map_err(|_| CaseError::Untypable(format!("`dims` is unsigned, {n} cannot be passed")))?.into())
        }
        Some(Value::Float(f)) => Err(CaseError::Untypable(format!("`dims` is unsigned, {f} cannot be passed"))),
        Some(Value::List(both)) if both.iter().any(|v| matches!(v, Value::Int(_))) => {
            Err(CaseError::Untypable("`dims` is a number or two lists, a list of numbers cannot be passed".to_string()))
        }
        Some(Value::List(mut both) | Value::Tuple(mut both)) if both.len() == 2 => {
            let second = both.pop().unwrap_or(Value::None);
            let first = both.pop().unwrap_or(Value::None);
            Ok((ints(first)?, ints(second)?).into())
        }
        Some(other) => Err(CaseError::Missing(format!("`dims` as {}", other.kind()))),
    }
}

pub(super) fn register(r: &mut Registry) {
    r.tensors2("matmul", ["input", "other"], Tensor::matmul);
    r.tensors2("mm", ["input", "mat2"], Tensor::mm);
    r.tensors2("bmm", ["input", "mat2"], Tensor::bmm);
    r.tensors2("mv", ["input", "vec"], Tensor::mv);
    r.tensors2("dot", ["input", "tensor"], Tensor::dot);
    r.tensors2("vdot", ["input", "other"], Tensor::vdot);
    r.tensors2("inner", ["input", "other"], Tensor::inner);
    r.tensors2("outer", ["input", "vec2"], Tensor::outer);
    r.tensors2("kron", ["input", "other"], Tensor::kron);
    r.alias("linalg.matmul", "matmul");
    r.alias("ger", "outer");
    added(r, "addmm", ["mat1", "mat2"], |x, a, b, s, t| x.addmm(a, b, s, t));
    added(r, "addmv", ["mat", "vec"], |x, a, b, s, t| x.addmv(a, b, s, t));
    added(r, "addr", ["vec1", "vec2"], |x, a, b, s, t| x.addr(a, b, s, t));
    added(r, "baddbmm", ["batch1", "batch2"], |x, a, b, s, t| x.baddbmm(a, b, s, t));
    added(r, "addbmm", ["batch1", "batch2"], |x, a, b, s, t| x.addbmm(a, b, s, t));
    r.op("cross", |a| {
        let (x, y) = (a.tensor("input")?, a.tensor("other")?);
        Ok(x.cross(&y, a.opt_int("dim")?)?)
    });
    r.op("linalg.cross", |a| {
        let (x, y) = (a.tensor("input")?, a.tensor("other")?);
        Ok(x.cross(&y, a.int_or("dim", -1)?)?)
    });
    r.op("linalg.vecdot", |a| {
        let (x, y) = (a.tensor("x")?, a.tensor("y")?);
        Ok(x.vecdot(&y, a.int_or("dim", -1)?)?)
    });
    r.op("tensordot", |a| {
        let (x, y) = (a.tensor("a")?, a.tensor("b")?);
        Ok(x.tensordot(&y, contract_dims(a)?)?)
    });
    r.op("linalg.multi_dot", |a| Ok(Tensor::multi_dot(&a.tensors("tensors")?)?));
    r.op("chain_matmul", |a| {
        let all = match a.peek("matrices") {
            Some(Value::List(_) | Value::Tuple(_)) => a.tensors("matrices")?,
            _ => Args::new(vec![Value::List(a.rest())], Vec::new()).tensors("matrices")?,
        };
        Ok(Tensor::multi_dot(&all)?)
    });
    r.op("einsum", |a| {
        let equation = a.str_or("equation", "")?;
        let operands = match a.peek("operands") {
            Some(Value::List(_) | Value::Tuple(_)) => a.tensors("operands")?,
            _ => Args::new(vec![Value::List(a.rest())], Vec::new()).tensors("operands")?,
        };
        Ok(Tensor::einsum(&equation, &operands)?)
    });
    r.op("__rmatmul__", |a| {
        let (x, y) = (a.tensor("self")?, a.tensor("other")?);
        Ok(y.matmul(&x)?)
    });
    r.op("nn.functional.linear", |a| {
        let (x, weight, bias) = (a.tensor("input")?, a.tensor("weight")?, a.opt_tensor("bias")?);
        Ok(x.linear(&weight, bias.as_ref())?)
    });
}
