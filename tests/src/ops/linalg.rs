//! Linear algebra.

use rushlight_tensor::linalg::{self, LstSqDriver, Tolerance};
use rushlight_tensor::{NormOrder, Result, Tensor};

use crate::args::{Args, Either};
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

/// The order of a norm: a number, `'fro'` or `'nuc'`; None or absent.
fn order(a: &mut Args, name: &str) -> CaseResult<Option<NormOrder>> {
    Ok(match a.take(name) {
        None | Some(Value::None) => None,
        Some(Value::Int(p)) => Some((p as f64).into()),
        Some(Value::Float(p)) => Some(p.into()),
        Some(Value::Str(s)) if s == "fro" => Some(NormOrder::Fro),
        Some(Value::Str(s)) if s == "nuc" => Some(NormOrder::Nuc),
        Some(other) => return Err(CaseError::Untypable(format!("`{name}` as {}", other.kind()))),
    })
}

/// The input, converted to the named argument `dtype` if there is one.
fn in_dtype(a: &mut Args, name: &str) -> CaseResult<Tensor> {
    let x = a.tensor(name)?;
    match a.take_named("dtype") {
        None | Some(Value::None) => Ok(x),
        Some(Value::DType(d)) => Ok(x.to_dtype(d)?),
        Some(other) => Err(CaseError::Untypable(format!("`dtype` as {}", other.kind()))),
    }
}

pub(super) fn register(r: &mut Registry) {
    r.op("norm", |a| {
        let (x, p) = (in_dtype(a, "input")?, order(a, "p")?.unwrap_or(NormOrder::Fro));
        let (dims, keepdim) = (a.opt_ints("dim")?, a.bool_or("keepdim", false)?);
        Ok(x.norm(p, dims.unwrap_or_default(), keepdim)?)
    });
    r.op("linalg.vector_norm", |a| {
        let (x, p) = (in_dtype(a, "x")?, a.float_or("ord", 2.0)?);
        let (dims, keepdim) = (a.opt_ints("dim")?, a.bool_or("keepdim", false)?);
        Ok(x.vector_norm(p, dims.unwrap_or_default(), keepdim)?)
    });
    register_matrices(r);
}

/// atol and rtol: numbers, tensors, None or absent.
fn tolerances(a: &mut Args) -> CaseResult<(Option<Either>, Option<Either>)> {
    let mut one = |name: &str| match a.take_named(name) {
        None | Some(Value::None) => Ok(None),
        Some(given) => Args::new(vec![given], Vec::new()).either(name).map(Some),
    };
    Ok((one("atol")?, one("rtol")?))
}

fn tolerance(given: &(Option<Either>, Option<Either>)) -> Tolerance<'_> {
    Tolerance { atol: given.0.as_ref().map(Either::operand), rtol: given.1.as_ref().map(Either::operand) }
}

/// `UPLO`: whether the upper triangle is meant.
fn upper_triangle(a: &mut Args) -> CaseResult<bool> {
    a.choice("UPLO", "L", &[("L", Some(false)), ("U", Some(true))])
}

fn flag(r: &mut Registry, name: &'static str, of: &'static str, default: bool, f: fn(&Tensor, bool) -> Result<Vec<Tensor>>) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        Ok(f(&x, a.bool_or(of, default)?)?)
    });
}

fn three((a, b, c): (Tensor, Tensor, Tensor)) -> Vec<Tensor> {
    vec![a, b, c]
}

fn register_matrices(r: &mut Registry) {
    for (name, f) in [
        ("linalg.inv", linalg::inv as fn(&Tensor) -> Result<Tensor>),
        ("linalg.det", linalg::det),
        ("logdet", linalg::logdet),
        ("linalg.svdvals", linalg::svdvals),
        ("matrix_exp", linalg::matrix_exp),
    ] {
        r.unary(name, f);
    }
    r.alias("linalg.matrix_exp", "matrix_exp");
    r.alias("inverse", "linalg.inv");
    r.alias("det", "linalg.det");
    r.op("linalg.inv_ex", |a| Ok(linalg::inv_ex(&a.tensor("A")?)?));
    r.op("linalg.slogdet", |a| Ok(linalg::slogdet(&a.tensor("A")?)?));
    r.alias("slogdet", "linalg.slogdet");
    flag(r, "linalg.cholesky", "upper", false, |x, u| Ok(vec![linalg::cholesky(x, u)?]));
    r.alias("cholesky", "linalg.cholesky");
    flag(r, "linalg.cholesky_ex", "upper", false, |x, u| linalg::cholesky_ex(x, u).map(|(l, i)| vec![l, i]));
    flag(r, "linalg.lu_factor", "pivot", true, |x, p| linalg::lu_factor(x, p).map(|(l, p)| vec![l, p]));
    flag(r, "linalg.lu_factor_ex", "pivot", true, |x, p| linalg::lu_factor_ex(x, p).map(three));
    flag(r, "linalg.lu", "pivot", true, |x, p| linalg::lu(x, p).map(three));
    flag(r, "linalg.svd", "full_matrices", true, |x, f| linalg::svd(x, f).map(three));
    flag(r, "cholesky_inverse", "upper", false, |x, u| Ok(vec![linalg::cholesky_inverse(x, u)?]));
    r.op("lu", |a| {
        let (x, pivot) = (a.tensor("input")?, a.bool_or("pivot", true)?);
        let infos = a.bool_or("get_infos", false)?;
        let (lu, pivots, info) = linalg::lu_factor_ex(&x, pivot)?;
        Ok(if infos { vec![lu, pivots, info] } else { vec![lu, pivots] })
    });
    r.op("lu_unpack", |a| {
        let (lu, pivots) = (a.tensor("LU_data")?, a.tensor("LU_pivots")?);
        Ok(linalg::lu_unpack(&lu, &pivots)?)
    });
    r.op("lu_solve", |a| {
        let (b, lu, pivots) = (a.tensor("b")?, a.tensor("LU_data")?, a.tensor("LU_pivots")?);
        Ok(linalg::lu_solve(&lu, &pivots, &b, true, false)?)
    });
    r.op("linalg.lu_solve", |a| {
        let (lu, pivots, b) = (a.tensor("LU")?, a.tensor("pivots")?, a.tensor("B")?);
        Ok(linalg::lu_solve(&lu, &pivots, &b, a.bool_or("left", true)?, a.bool_or("adjoint", false)?)?)
    });
    r.op("cholesky_solve", |a| {
        let (b, l) = (a.tensor("B")?, a.tensor("L")?);
        Ok(linalg::cholesky_solve(&b, &l, a.bool_or("upper", false)?)?)
    });
    r.op("linalg.solve", |a| {
        let (x, b) = (a.tensor("A")?, a.tensor("B")?);
        if a.bool_or("left", true)? {
            return Ok(linalg::solve(&x, &b)?);
        }
        Ok(linalg::solve(&x.transpose(-2, -1)?, &b.transpose(-2, -1)?)?.transpose(-2, -1)?)
    });
    r.op("linalg.solve_ex", |a| {
        let (x, b) = (a.tensor("A")?, a.tensor("B")?);
        Ok(linalg::solve_ex(&x, &b)?)
    });
    r.op("linalg.solve_triangular", |a| {
        let (x, b) = (a.tensor("A")?, a.tensor("B")?);
        let (upper, left) = (a.bool_or("upper", false)?, a.bool_or("left", true)?);
        Ok(linalg::solve_triangular(&x, &b, upper, left, a.bool_or("unitriangular", false)?)?)
    });
    r.op("linalg.qr", |a| {
        let x = a.tensor("A")?;
        let complete = a.choice("mode", "reduced", &[("reduced", Some(false)), ("complete", Some(true)), ("r", None)])?;
        Ok(if complete { linalg::qr_complete(&x)? } else { linalg::qr(&x)? })
    });
    r.alias("qr", "linalg.qr");
    r.op("linalg.eigh", |a| {
        let x = a.tensor("A")?;
        Ok(linalg::eigh(&x, upper_triangle(a)?)?)
    });
    r.op("linalg.eigvalsh", |a| {
        let x = a.tensor("A")?;
        Ok(linalg::eigvalsh(&x, upper_triangle(a)?)?)
    });
    r.op("linalg.householder_product", |a| {
        let (x, tau) = (a.tensor("A")?, a.tensor("tau")?);
        Ok(linalg::householder_product(&x, &tau)?)
    });
    r.op("ormqr", |a| {
        let (x, tau, c) = (a.tensor("input")?, a.tensor("tau")?, a.tensor("other")?);
        Ok(linalg::ormqr(&x, &tau, &c, a.bool_or("left", true)?, a.bool_or("transpose", false)?)?)
    });
    r.op("geqrf", |a| Ok(linalg::geqrf(&a.tensor("input")?)?));
    r.op("linalg.polar", |a| Ok(linalg::polar(&a.tensor("A")?)?));
    r.unary("linalg.matrix_sqrth", linalg::matrix_sqrth);
    // Names that PyTorch keeps for older programs.
    flag(r, "svd", "some", true, |x, some| {
        let (u, s, vh) = linalg::svd(x, !some)?;
        Ok(vec![u, s, vh.mh()?])
    });
    r.op("pinverse", |a| {
        let (x, rcond) = (a.tensor("input")?, a.float_or("rcond", 1e-15)?);
        Ok(linalg::pinv(&x, Tolerance { atol: None, rtol: Some(rcond.into()) }, false)?)
    });
    r.op("triangular_solve", |a| {
        let (b, x) = (a.tensor("b")?, a.tensor("A")?);
        let (upper, transpose) = (a.bool_or("upper", true)?, a.bool_or("transpose", false)?);
        let unitriangular = a.bool_or("unitriangular", false)?;
        let (of, upper) = if transpose { (x.transpose(-2, -1)?, !upper) } else { (x.clone(), upper) };
        Ok((linalg::solve_triangular(&of, &b, upper, true, unitriangular)?, x))
    });
    r.op("linalg.matrix_rank", |a| {
        let x = a.tensor("A")?;
        let given = tolerances(a)?;
        Ok(linalg::matrix_rank(&x, tolerance(&given), a.bool_or("hermitian", false)?)?)
    });
    r.op("linalg.pinv", |a| {
        let x = a.tensor("A")?;
        let given = tolerances(a)?;
        Ok(linalg::pinv(&x, tolerance(&given), a.bool_or("hermitian", false)?)?)
    });
    r.op("linalg.lstsq", |a| {
        let (x, b, rcond) = (a.tensor("input")?, a.tensor("b")?, a.opt_float("rcond")?);
        let drivers = [
            ("gels", Some(LstSqDriver::Gels)),
            ("gelsy", Some(LstSqDriver::Gelsy)),
            ("gelsd", Some(LstSqDriver::Gelsd)),
            ("gelss", Some(LstSqDriver::Gelss)),
        ];
        let out = linalg::lstsq(&x, &b, rcond, a.choice("driver", "gelsy", &drivers)?)?;
        Ok(vec![out.solution, out.residuals, out.rank, out.singular_values])
    });
    r.op("linalg.matrix_power", |a| {
        let x = a.tensor("A")?;
        Ok(linalg::matrix_power(&x, a.int("n")? as i64)?)
    });
    r.alias("matrix_power", "linalg.matrix_power");
    r.op("linalg.matrix_norm", |a| {
        let (x, p) = (in_dtype(a, "A")?, order(a, "ord")?.unwrap_or(NormOrder::Fro));
        let dims = a.opt_ints("dim")?.unwrap_or_else(|| vec![-2, -1]);
        let [row, column] = dims[..] else { return Err(CaseError::Untypable("`dim` of matrix_norm is two numbers".to_string())) };
        Ok(linalg::matrix_norm(&x, p, (row, column), a.bool_or("keepdim", false)?)?)
    });
    r.op("linalg.norm", |a| {
        let (x, p) = (in_dtype(a, "A")?, order(a, "ord")?);
        let (dims, keepdim) = (a.opt_ints("dim")?, a.bool_or("keepdim", false)?);
        Ok(linalg::norm(&x, p, dims.as_deref(), keepdim)?)
    });
    r.op("linalg.cond", |a| {
        let x = a.tensor("A")?;
        Ok(linalg::cond(&x, order(a, "p")?)?)
    });
    r.op("linalg.vander", |a| {
        let x = a.tensor("x")?;
        Ok(linalg::vander(&x, a.opt_size("N")?)?)
    });
    r.op("linalg.tensorinv", |a| {
        let x = a.tensor("A")?;
        Ok(linalg::tensorinv(&x, a.opt_size("ind")?.unwrap_or(2))?)
    });
    r.op("linalg.tensorsolve", |a| {
        let (x, b) = (a.tensor("A")?, a.tensor("B")?);
        Ok(linalg::tensorsolve(&x, &b, a.opt_ints("dims")?.as_deref())?)
    });
}
