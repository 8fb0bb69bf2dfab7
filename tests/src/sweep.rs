//! A sweep over all operators with recorded gradients: do their derivatives fit the operator, and each other?
//!
//! The recorded cases only lend their arguments here; what is compared is ours alone, in f64 and along one direction u, for s(x) = `<c, op(x)>` with the
//! recorded cotangents c: the gradient's `<g, u>`, forward mode's tangent, and central differences of s; then u' H u by forward over reverse, by reverse over
//! forward, and by central differences of `<g, u>`. Then the linear map against forward mode, captured graphs
//! against what they were captured from, and two points at once, by `vmap`, against one after the other.

use rushlight_autograd::{Randomness, capture, grad, jvp, linearize, vmap_with};
use rushlight_tensor::{DType, Error, Result, Tensor};

use crate::families::{Context, derivatives, ops};
use crate::golden::{Case, Decoder, Golden, ReadResult, Value};
use crate::modules::Modules;
use crate::outcome::CaseError;

/// What came of one case.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// All that could be compared agrees. `false`: finite differences of one order or the other said nothing, since the function has a kink or an edge here.
    Holds {
        /// Whether finite differences were good for the first derivative.
        first: bool,
        /// Whether they were for the second.
        second: bool,
    },
    /// Two of the numbers differ.
    Off(String),
    /// A derivative was refused.
    Refused(String),
}

/// One case and its verdict.
pub struct Swept {
    /// The operator.
    pub op: String,
    /// The case.
    pub id: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// Sweeps over the smallest `most` cases of every operator that have gradients in f64.
///
/// # Errors
/// If the folder cannot be read.
pub fn sweep(golden: &Golden, most: usize) -> ReadResult<Vec<Swept>> {
    let family = golden.family("ops")?;
    let (registry, draws, modules) = (crate::ops::registry(), crate::ops::random::draws(), Modules::all());
    let ctx = Context { family: &family, registry: &registry, draws: &draws, modules: &modules, golden };
    let mut cases: Vec<(usize, &Case, Function<'_>)> = Vec::new();
    for case in family.cases.iter().filter(|c| c.has("grads")) {
        let Ok(f) = Function::new(&ctx, case) else { continue };
        let size: usize = f.points.iter().map(Tensor::numel).sum();
        let double = f.points.iter().chain(f.cotangents.iter().map(|(_, c)| c)).all(|t| matches!(t.dtype(), DType::F64 | DType::C128));
        if size > 0 && double && !f.cotangents.is_empty() {
            cases.push((size, case, f));
        }
    }
    cases.sort_by(|a, b| (&a.1.op, a.0).cmp(&(&b.1.op, b.0)));
    let mut swept: Vec<Swept> = Vec::new();
    for (_, case, f) in cases {
        if swept.iter().rev().take_while(|s| s.op == case.op).count() < most {
            let verdict = f.verdict().unwrap_or_else(|e| Verdict::Refused(e.to_string()));
            swept.push(Swept { op: case.op.clone(), id: case.id.clone(), verdict });
        }
    }
    Ok(swept)
}

/// s(x) of a case.
struct Function<'a> {
    ctx: &'a Context<'a>,
    case: &'a Case,
    paths: Vec<String>,
    points: Vec<Tensor>,
    cotangents: Vec<(usize, Tensor)>,
}

impl<'a> Function<'a> {
    fn new(ctx: &'a Context<'a>, case: &'a Case) -> std::result::Result<Function<'a>, CaseError> {
        let (paths, points) = derivatives::arguments(ctx, case, "grads")?.into_iter().unzip();
        Ok(Function { ctx, case, paths, points, cotangents: derivatives::cotangents(ctx, case)? })
    }

    /// s at a point, differentiable.
    fn at(&self, x: &[Tensor]) -> Result<Tensor> {
        let decoder = Decoder::replacing(&self.ctx.family.store, self.paths.iter().cloned().zip(x.iter().cloned()).collect());
        let results = ops::call(self.ctx, self.case, &decoder).map_err(|e| match e {
            CaseError::Refused(e) => e,
            other => Error::value("sweep", format!("{other:?}")),
        })?;
        let mut total = Tensor::new(0.0f64)?;
        for (i, c) in &self.cotangents {
            let Some(Value::Tensor(y)) = results.get(*i) else { return Err(Error::value("sweep", format!("result {i} is not a tensor"))) };
            let (y, c) = if y.dtype().is_complex() { (y.view_as_real()?, c.view_as_real()?) } else { (y.clone(), c.clone()) };
            total = total.add(&y.mul(&c)?.sum()?)?;
        }
        Ok(total)
    }

    /// `<grad s(x), u>`, differentiable.
    fn slope(&self, x: &[Tensor], u: &[Tensor]) -> Result<Tensor> {
        let gradients = grad(|x: &[Tensor]| self.at(x), x)?;
        let mut total = Tensor::new(0.0f64)?;
        for (g, u) in gradients.iter().zip(u) {
            total = total.add(&g.mul(u)?.sum()?)?;
        }
        Ok(total)
    }

    /// The derivative of `f` along u by central differences, or `None` where two steps disagree: the function is not smooth enough here.
    fn differences(&self, u: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<Option<f64>> {
        let at = |by: f64| -> Result<f64> {
            let x = self.points.iter().zip(u).map(|(x, u)| x.add(&u.mul(by)?)).collect::<Result<Vec<_>>>()?;
            f(&x)?.item::<f64>()
        };
        let central = |h: f64| -> Result<f64> { Ok((at(h)? - at(-h)?) / (2.0 * h)) };
        // A point beside the edge of the domain may be refused.
        let (Ok(wide), Ok(narrow)) = (central(2e-5), central(1e-5)) else { return Ok(None) };
        let smooth = (wide - narrow).abs() <= 1e-5 * (1.0 + narrow.abs());
        Ok(smooth.then_some(narrow + (narrow - wide) / 3.0))
    }

    fn verdict(&self) -> Result<Verdict> {
        if self.at(&self.points)?.item::<f64>()?.is_nan() {
            return Ok(Verdict::Holds { first: false, second: false });
        }
        let symmetric = SYMMETRIC.contains(&self.case.op.as_str());
        let u = self.points.iter().enumerate().map(|(i, x)| direction(i, x, symmetric)).collect::<Result<Vec<_>>>()?;
        let forward = |x: &[Tensor]| Ok(jvp(|x: &[Tensor]| self.at(x), x, &u[..])?.1);
        let (reverse, tangent) = (self.slope(&self.points, &u)?.item::<f64>()?, forward(&self.points)?.item::<f64>()?);
        let first = self.differences(&u, |x| self.at(x))?;
        if let Some(why) = differ("forward and reverse mode", tangent, reverse, 1e-8) {
            return Ok(Verdict::Off(why));
        }
        if let Some(why) = first.and_then(|d| differ("reverse mode and differences", reverse, d, 1e-5)) {
            return Ok(Verdict::Off(why));
        }
        let over_reverse = jvp(|x: &[Tensor]| self.slope(x, &u), &self.points[..], &u[..])?.1.item::<f64>()?;
        let mut over_forward = 0.0;
        for (g, u) in grad(|x: &[Tensor]| forward(x), &self.points[..])?.iter().zip(&u) {
            over_forward += g.mul(u)?.sum()?.item::<f64>()?;
        }
        if let Some(why) = differ("forward over reverse and reverse over forward", over_reverse, over_forward, 1e-7) {
            return Ok(Verdict::Off(why));
        }
        let second = self.differences(&u, |x| self.slope(x, &u))?;
        if let Some(why) =
            second.filter(|_| first.is_some()).and_then(|d| differ("the second derivative and differences", over_reverse, d, 1e-5))
        {
            return Ok(Verdict::Off(why));
        }
        let (_, linear) = linearize(|x: &[Tensor]| self.at(x), &self.points[..])?;
        if let Some(why) = differ("the linear map and forward mode", linear.call(&u[..])?.item::<f64>()?, tangent, 1e-8) {
            return Ok(Verdict::Off(why));
        }
        if let Some(why) = self.as_graph(&u)? {
            return Ok(Verdict::Off(why));
        }
        match self.over_samples(&u) {
            Ok(None) => {}
            Ok(Some(why)) => return Ok(Verdict::Off(why)),
            // Samples have none in common, and are refused.
            Err(e) if e.to_string().contains("running statistics") => {}
            Err(e) => return Err(e),
        }
        Ok(Verdict::Holds { first: first.is_some(), second: second.is_some() })
    }

    /// What was captured, with its derivatives in both modes, against what it was captured from.
    fn as_graph(&self, u: &[Tensor]) -> Result<Option<String>> {
        let f = |x: &[Tensor]| Ok((self.slope(x, u)?, jvp(|x: &[Tensor]| self.at(x), x, u)?));
        let names: Vec<String> = (0..self.points.len()).map(|i| format!("x{i}")).collect();
        let graph = capture(f, &names.iter().map(String::as_str).zip(&self.points).collect::<Vec<_>>())?;
        let got = graph.run(&self.points.iter().collect::<Vec<_>>())?;
        let (slope, (value, tangent)) = f(&self.points)?;
        for (got, wanted) in got.iter().zip([slope, value, tangent]) {
            if let Some(why) = differ("a captured graph and its function", got.item::<f64>()?, wanted.item::<f64>()?, 1e-8) {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    /// Two points at once, by `vmap`, against one after the other: values and slopes.
    fn over_samples(&self, u: &[Tensor]) -> Result<Option<String>> {
        let other = self.points.iter().zip(u).map(|(x, u)| x.add(&u.mul(1e-3)?)).collect::<Result<Vec<_>>>()?;
        // A point beside the edge of the domain may be refused.
        let points = if self.at(&other).is_ok() { [&self.points, &other] } else { [&self.points, &self.points] };
        let both = points[0].iter().zip(points[1]).map(|(a, b)| Tensor::stack(&[a, b], 0)).collect::<Result<Vec<_>>>()?;
        let (both, dims) = (both.iter().collect::<Vec<_>>(), vec![Some(0); both.len()]);
        let f = |x: &[Tensor]| Ok((self.at(x)?, self.slope(x, u)?));
        let (values, slopes) = vmap_with(f, &both, &dims, &[Some(0)], Randomness::Same)?;
        for (i, x) in points.into_iter().enumerate() {
            for (what, got, wanted) in [("values", &values, self.at(x)?), ("slopes", &slopes, self.slope(x, u)?)] {
                let (got, wanted) = (got.select(0, i as isize)?.item::<f64>()?, wanted.item::<f64>()?);
                if let Some(why) = differ("of vmap and of a call for each", got, wanted, 1e-8) {
                    return Ok(Some(format!("{what} {why}")));
                }
            }
        }
        Ok(None)
    }
}

/// Says so if two numbers differ.
fn differ(what: &str, got: f64, wanted: f64, tolerance: f64) -> Option<String> {
    let fits = (got - wanted).abs() <= tolerance * (1.0 + wanted.abs()) || got.is_nan() && wanted.is_nan() || got == wanted;
    (!fits).then(|| format!("{what}: {got:e} and {wanted:e}"))
}

/// Operators that read half of a matrix and take it for symmetric.
const SYMMETRIC: &[&str] =
    &["cholesky", "linalg.cholesky", "linalg.cholesky_ex", "linalg.eigh", "linalg.eigvalsh", "linalg.pinv", "linalg.matrix_rank"];

/// Numbers that look random, for argument `i`; symmetric matrices where they are wanted.
fn direction(i: usize, x: &Tensor, symmetric: bool) -> Result<Tensor> {
    let numbers = (0..x.numel()).map(|j| ((j * 7919 + i * 104_729 + 17) % 1009) as f64 / 504.5 - 1.0).collect();
    let u = Tensor::from_vec::<f64>(numbers, x.shape(), x.device())?;
    if symmetric && matches!(x.shape(), [.., m, n] if m == n) { u.add(&u.mt()?)?.mul(0.5) } else { Ok(u) }
}
