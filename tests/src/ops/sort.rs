//! Sorting, ranks, searching, counting.

use rushlight_tensor::{DType, HistogramBins, Quantile, Result, Scalar, Tensor, Unique};

use crate::args::{Args, Either};
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    orders(r);
    ranks(r);
    searches(r);
    counts(r);
}

fn orders(r: &mut Registry) {
    r.op("sort", |a| {
        // Ours is always stable.
        a.ignore("stable");
        let (x, dim) = (a.tensor("input")?, a.int_or("dim", -1)?);
        Ok(x.sort(dim, a.bool_or("descending", false)?)?)
    });
    r.op("argsort", |a| {
        a.ignore("stable");
        let (x, dim) = (a.tensor("input")?, a.int_or("dim", -1)?);
        Ok(x.argsort(dim, a.bool_or("descending", false)?)?)
    });
    r.op("msort", |a| Ok(a.tensor("input")?.sort(0, false)?.0));
    r.op("topk", |a| {
        let (x, k, dim) = (a.tensor("input")?, a.size("k")?, a.int_or("dim", -1)?);
        let largest = a.bool_or("largest", true)?;
        // Ours are always in order.
        a.bool_or("sorted", true)?;
        Ok(x.topk(k, dim, largest)?)
    });
    r.op("unique", |a| {
        let x = a.tensor("input")?;
        // Ours are always in order.
        a.bool_or("sorted", true)?;
        unique(a, &x, false)
    });
    r.op("unique_consecutive", |a| {
        let x = a.tensor("input")?;
        unique(a, &x, true)
    });
}

/// `return_inverse=False, return_counts=False, dim=None`.
fn unique(a: &mut Args, x: &Tensor, consecutive: bool) -> CaseResult<Vec<Tensor>> {
    let (inverse, counts, dim) = (a.bool_or("return_inverse", false)?, a.bool_or("return_counts", false)?, a.opt_int("dim")?);
    let found = x.unique(Unique { dim, consecutive })?;
    let mut all = vec![found.values];
    all.extend(inverse.then_some(found.inverse));
    all.extend(counts.then_some(found.counts));
    Ok(all)
}

type All = fn(&Tensor) -> Result<Tensor>;
type Along = fn(&Tensor, isize, bool) -> Result<(Tensor, Tensor)>;

/// `op(input)` and `op(input, dim, keepdim=False)`.
fn middle(r: &mut Registry, name: &'static str, all: All, along: Along) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let dim = a.opt_int("dim")?;
        let keepdim = a.bool_or("keepdim", false)?;
        Ok(match dim {
            None => vec![all(&x)?],
            Some(dim) => {
                let (values, indices) = along(&x, dim, keepdim)?;
                vec![values, indices]
            }
        })
    });
}

fn ranks(r: &mut Registry) {
    r.op("kthvalue", |a| {
        let (x, k, dim) = (a.tensor("input")?, a.size("k")?, a.int_or("dim", -1)?);
        Ok(x.kthvalue(k, dim, a.bool_or("keepdim", false)?)?)
    });
    middle(r, "median", Tensor::median, Tensor::median_dim);
    middle(r, "nanmedian", Tensor::nanmedian, Tensor::nanmedian_dim);
    r.op("mode", |a| {
        let (x, dim) = (a.tensor("input")?, a.int_or("dim", -1)?);
        Ok(x.mode(dim, a.bool_or("keepdim", false)?)?)
    });
    quantile(r, "quantile", |x, q, d, k, w| x.quantile(q, d, k, w));
    quantile(r, "nanquantile", |x, q, d, k, w| x.nanquantile(q, d, k, w));
}

/// `op(input, q, dim=None, keepdim=False, *, interpolation='linear')`.
fn quantile(r: &mut Registry, name: &'static str, f: fn(&Tensor, &Tensor, Option<isize>, bool, Quantile) -> Result<Tensor>) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let q = match a.either("q")? {
            Either::Tensor(q) => q,
            Either::Scalar(q) => Tensor::full((), q, x.dtype())?,
        };
        let (dim, keepdim) = (a.opt_int("dim")?, a.bool_or("keepdim", false)?);
        use Quantile::{Higher, Linear, Lower, Midpoint, Nearest};
        let ways = [("linear", Linear), ("lower", Lower), ("higher", Higher), ("nearest", Nearest), ("midpoint", Midpoint)];
        let way = a.choice("interpolation", "linear", &ways.map(|(s, w)| (s, Some(w))))?;
        Ok(f(&x, &q, dim, keepdim, way)?)
    });
}

/// Places as int32 where the call asks for them.
fn narrow(a: &mut Args) -> CaseResult<impl Fn(Tensor) -> Result<Tensor>> {
    let narrow = match a.take_named("out_int32") {
        None => false,
        Some(v) => Args::new(vec![v], vec![]).bool_or("out_int32", false)?,
    };
    Ok(move |places: Tensor| if narrow { places.to_dtype(DType::I32) } else { Ok(places) })
}

fn searches(r: &mut Registry) {
    r.op("searchsorted", |a| {
        let (sequence, values) = (a.tensor("sorted_sequence")?, a.either("input")?);
        let side = a.take_named("side");
        let right = match a.take_named("right") {
            None => None,
            Some(v) => Some(Args::new(vec![v], vec![]).bool_or("right", false)?),
        };
        let right = match (side, right) {
            (Some(Value::Str(s)), None) if s == "left" || s == "right" => s == "right",
            (None | Some(Value::None), right) => right.unwrap_or(false),
            (Some(Value::Str(s)), Some(false)) if s == "left" || s == "right" => s == "right",
            (Some(Value::Str(s)), Some(true)) if s == "right" => true,
            _ => return Err(CaseError::Untypable("`side` and `right` are one parameter".to_string())),
        };
        let sorter = a.take_named("sorter").map(|v| Args::new(vec![v], vec![]).opt_tensor("sorter")).transpose()?.flatten();
        let narrow = narrow(a)?;
        Ok(narrow(sequence.searchsorted(values.operand(), right, sorter.as_ref())?)?)
    });
    r.op("isin", |a| {
        let (x, among) = (a.either("elements")?, a.either("test_elements")?);
        // It speaks of speed.
        a.bool_or("assume_unique", false)?;
        let invert = a.bool_or("invert", false)?;
        let x = match x {
            Either::Tensor(x) => x,
            Either::Scalar(s) => Tensor::full((), s, ())?,
        };
        Ok(x.isin(among.operand(), invert)?)
    });
    r.op("bucketize", |a| {
        let (values, boundaries) = (a.either("input")?, a.tensor("boundaries")?);
        let right = match a.take_named("right") {
            None => false,
            Some(v) => Args::new(vec![v], vec![]).bool_or("right", false)?,
        };
        let narrow = narrow(a)?;
        let places = match values {
            Either::Tensor(x) => x.bucketize(&boundaries, right)?,
            Either::Scalar(s) => boundaries.searchsorted(s, right, None)?,
        };
        Ok(narrow(places)?)
    });
}

fn counts(r: &mut Registry) {
    r.op("bincount", |a| {
        let (x, weights) = (a.tensor("input")?, a.opt_tensor("weights")?);
        Ok(x.bincount(weights.as_ref(), a.opt_size("minlength")?.unwrap_or(0))?)
    });
    r.op("histc", |a| {
        let (x, bins) = (a.tensor("input")?, a.opt_size("bins")?.unwrap_or(100));
        Ok(x.histc(bins, a.float_or("min", 0.0)?, a.float_or("max", 0.0)?)?)
    });
    r.op("histogramdd", |a| {
        let x = a.tensor("input")?;
        let bins = match a.take("bins") {
            Some(Value::List(v) | Value::Tuple(v)) => {
                v.into_iter().map(|v| Args::new(vec![v], vec![]).either("bins")).collect::<CaseResult<Vec<_>>>()?
            }
            Some(Value::Int(n)) => (0..x.size(-1)?).map(|_| Either::Scalar(n.into())).collect(),
            _ => return Err(CaseError::Missing("other `bins`".to_string())),
        };
        let bins: Vec<HistogramBins<'_>> = bins
            .iter()
            .map(|b| match b {
                Either::Tensor(t) => HistogramBins::Edges(t),
                Either::Scalar(n) => HistogramBins::Even(n.to_i64().max(0) as usize),
            })
            .collect();
        let range = match a.take("range") {
            None | Some(Value::None) => None,
            Some(Value::List(v) | Value::Tuple(v)) => {
                let mut ends = Args::new(v, vec![]);
                let pairs = (0..x.size(-1)?).map(|_| Ok((ends.float_or("low", 0.0)?, ends.float_or("high", 0.0)?)));
                Some(pairs.collect::<CaseResult<Vec<_>>>()?)
            }
            Some(other) => return Err(CaseError::Missing(format!("`range` as {}", other.kind()))),
        };
        let weight = a.opt_tensor("weight")?;
        let (counts, edges) = x.histogramdd(&bins, range.as_deref(), weight.as_ref(), a.bool_or("density", false)?)?;
        Ok(std::iter::once(counts).chain(edges).collect::<Vec<_>>())
    });
    r.op("histogram", |a| {
        let (x, bins) = (a.tensor("input")?, a.either("bins")?);
        let range = match a.take_named("range") {
            Some(Value::List(v) | Value::Tuple(v)) if v.len() == 2 => {
                let mut ends = Args::new(v, vec![]);
                Some((ends.float_or("low", 0.0)?, ends.float_or("high", 0.0)?))
            }
            None | Some(Value::None) => None,
            Some(other) => return Err(CaseError::Missing(format!("`range` as {}", other.kind()))),
        };
        let weight = a.take_named("weight").map(|v| Args::new(vec![v], vec![]).opt_tensor("weight")).transpose()?.flatten();
        let density = match a.take_named("density") {
            None => false,
            Some(v) => Args::new(vec![v], vec![]).bool_or("density", false)?,
        };
        Ok(match bins {
            Either::Tensor(edges) => (x.histogram(&edges, weight.as_ref(), density)?, edges),
            Either::Scalar(n @ (Scalar::Float(_) | Scalar::Complex(_))) => {
                return Err(CaseError::Untypable(format!("`bins` is a count or edges, {n:?} cannot be passed")));
            }
            Either::Scalar(n) => x.histogram_bins(n.to_i64().max(0) as usize, range, weight.as_ref(), density)?,
        })
    });
}
