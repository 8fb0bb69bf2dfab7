//! L-BFGS.

use rushlight_nn::Parameter;
use rushlight_nn::checkpoint::Value;
use rushlight_tensor::{Error, Result, Tensor};

use crate::wolfe::{self, Point};
use crate::{Optimizer, Rate};

/// How [`LBFGS`] finds the length of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineSearch {
    /// By the strong Wolfe conditions.
    StrongWolfe,
}

/// The options of [`LBFGS`] while it is being made.
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct LbfgsBuilder {
    params: Vec<Parameter>,
    lr: f64,
    max_iter: usize,
    max_eval: Option<usize>,
    tolerance_grad: f64,
    tolerance_change: f64,
    history_size: usize,
    line_search: Option<LineSearch>,
}

/// L-BFGS (Liu and Nocedal, 1989): `torch.optim.LBFGS`. A step evaluates the loss several times, so it wants a function: [`Optimizer::step_with`]. It has one group.
#[derive(Debug)]
pub struct LBFGS {
    o: LbfgsBuilder,
    initial_lr: Option<f64>,
    evaluations: usize,
    iterations: usize,
    /// The direction, the step length, the last gradient and loss, once there was an iteration.
    last: Option<Last>,
    /// Changes of the gradient and of the parameters, oldest first, with the inverse of their product.
    history: Vec<(Tensor, Tensor, f64)>,
    /// The scale of the first guess of the inverse Hessian.
    scale: f64,
}

#[derive(Clone, Debug)]
struct Last {
    direction: Tensor,
    t: f64,
    gradient: Tensor,
    loss: f64,
}

impl LBFGS {
    /// Begins an optimizer of these parameters.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(params: impl Into<Vec<Parameter>>, lr: f64) -> LbfgsBuilder {
        LbfgsBuilder {
            params: params.into(),
            lr,
            max_iter: 20,
            max_eval: None,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history_size: 100,
            line_search: None,
        }
    }

    /// How often the loss has been evaluated.
    pub fn func_evals(&self) -> usize {
        self.evaluations
    }
}

impl LbfgsBuilder {
    /// The most iterations in a step. Default: 20.
    pub fn max_iter(mut self, n: usize) -> Self {
        self.max_iter = n;
        self
    }

    /// The most evaluations in a step. Default: `max_iter * 5 / 4`.
    pub fn max_eval(mut self, n: impl Into<Option<usize>>) -> Self {
        self.max_eval = n.into();
        self
    }

    /// The step ends when no element of the gradient is larger. Default: 1e-7.
    pub fn tolerance_grad(mut self, tolerance: f64) -> Self {
        self.tolerance_grad = tolerance;
        self
    }

    /// The step ends when loss or parameters change by less. Default: 1e-9.
    pub fn tolerance_change(mut self, tolerance: f64) -> Self {
        self.tolerance_change = tolerance;
        self
    }

    /// How many changes are remembered. Default: 100.
    pub fn history_size(mut self, n: usize) -> Self {
        self.history_size = n;
        self
    }

    /// A search for the length of each step. Default: none, the length is `lr`.
    pub fn line_search(mut self, search: impl Into<Option<LineSearch>>) -> Self {
        self.line_search = search.into();
        self
    }

    /// The optimizer.
    ///
    /// # Errors
    /// If there are no parameters, one is listed twice, or the step size is negative.
    pub fn build(self) -> Result<LBFGS> {
        crate::options::not_negative("LBFGS", "learning rate", self.lr)?;
        if self.params.is_empty() {
            return Err(Error::value("LBFGS", "got an empty parameter list"));
        }
        let mut ids: Vec<usize> = self.params.iter().map(Parameter::id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|w| w[0] == w[1]) {
            return Err(Error::value("LBFGS", "a parameter is listed twice"));
        }
        Ok(LBFGS { o: self, initial_lr: None, evaluations: 0, iterations: 0, last: None, history: Vec::new(), scale: 1.0 })
    }
}

fn dot(a: &Tensor, b: &Tensor) -> Result<f64> {
    a.mul(b)?.sum()?.to_f64()
}

fn largest(a: &Tensor) -> Result<f64> {
    if a.numel() == 0 { Ok(0.0) } else { a.abs()?.max()?.to_f64() }
}

impl LBFGS {
    /// All gradients as one vector; of parameters without one, zeros.
    fn gradient(&self) -> Result<Tensor> {
        let one = |p: &Parameter| p.grad().map_or_else(|| p.try_tensor()?.with_trace(None).zeros_like(), Ok)?.with_trace(None).reshape(-1);
        Tensor::cat(&self.o.params.iter().map(one).collect::<Result<Vec<_>>>()?, 0)
    }

    fn values(&self) -> Result<Vec<Tensor>> {
        self.o.params.iter().map(|p| Ok(p.try_tensor()?.with_trace(None))).collect()
    }

    /// Sets the parameters to `from + t * direction`.
    fn go(&self, from: &[Tensor], t: f64, direction: &Tensor) -> Result<()> {
        let mut at = 0;
        for (p, x) in self.o.params.iter().zip(from) {
            let part = direction.narrow(0, at, x.numel())?.reshape(x.shape())?;
            p.set(&x.add(&part.mul(t)?)?)?;
            at += x.numel() as isize;
        }
        Ok(())
    }

    fn put_back(&self, values: &[Tensor]) -> Result<()> {
        self.o.params.iter().zip(values).try_for_each(|(p, x)| p.set(x))
    }

    /// The direction of the next step, by the two-loop recursion.
    fn direction(&mut self, gradient: &Tensor) -> Result<Tensor> {
        let Some(last) = &self.last else {
            self.history.clear();
            self.scale = 1.0;
            return gradient.neg();
        };
        let (y, s) = (gradient.sub(&last.gradient)?, last.direction.mul(last.t)?);
        let ys = dot(&y, &s)?;
        if ys > 1e-10 {
            if self.history.len() >= self.o.history_size.max(1) {
                self.history.remove(0);
            }
            self.scale = ys / dot(&y, &y)?;
            self.history.push((y, s, 1.0 / ys));
        }
        let mut q = gradient.neg()?;
        let mut weights = Vec::with_capacity(self.history.len());
        for (y, s, rho) in self.history.iter().rev() {
            let weight = dot(s, &q)? * rho;
            q = q.sub(&y.mul(weight)?)?;
            weights.push(weight);
        }
        let mut r = q.mul(self.scale)?;
        for ((y, s, rho), weight) in self.history.iter().zip(weights.iter().rev()) {
            r = r.add(&s.mul(weight - dot(y, &r)? * rho)?)?;
        }
        Ok(r)
    }
}

impl Optimizer for LBFGS {
    fn step(&mut self) -> Result<()> {
        Err(Error::value("LBFGS", "a step evaluates the loss several times: call `step_with` with a function that computes it"))
    }

    fn step_with(&mut self, closure: &mut dyn FnMut() -> Result<Tensor>) -> Result<Tensor> {
        let first = closure()?;
        let mut loss = first.to_f64()?;
        let mut here = 1;
        self.evaluations += 1;
        let mut gradient = self.gradient()?;
        if largest(&gradient)? <= self.o.tolerance_grad {
            return Ok(first);
        }
        let most = self.o.max_eval.unwrap_or(self.o.max_iter.saturating_mul(5) / 4);
        for round in 1..=self.o.max_iter {
            self.iterations += 1;
            let direction = self.direction(&gradient)?;
            let before = (gradient.clone(), loss);
            let first_ever = self.last.is_none();
            let mut t = if first_ever { (1.0 / gradient.abs()?.sum()?.to_f64()?).min(1.0) * self.o.lr } else { self.o.lr };
            let slope = dot(&gradient, &direction)?;
            let keep = |t: f64| Last { direction: direction.clone(), t, gradient: before.0.clone(), loss: before.1 };
            if slope > -self.o.tolerance_change {
                self.last = Some(keep(t));
                break;
            }
            let mut evaluated = 0;
            let start = self.values()?;
            let mut flat = false;
            if self.o.line_search.is_some() {
                let at = |t: f64| {
                    self.go(&start, t, &direction)?;
                    let f = closure()?.to_f64()?;
                    let g = self.gradient()?;
                    self.put_back(&start)?;
                    let slope = dot(&g, &direction)?;
                    Ok(Point { t, f, g, slope })
                };
                let origin = Point { t: 0.0, f: loss, g: gradient.clone(), slope };
                let (found, n) = wolfe::search(at, t, largest(&direction)?, origin)?;
                (loss, gradient, t, evaluated) = (found.f, found.g, found.t, n);
                self.go(&start, t, &direction)?;
                flat = largest(&gradient)? <= self.o.tolerance_grad;
            } else {
                self.go(&start, t, &direction)?;
                if round != self.o.max_iter {
                    loss = closure()?.to_f64()?;
                    gradient = self.gradient()?;
                    flat = largest(&gradient)? <= self.o.tolerance_grad;
                    evaluated = 1;
                }
            }
            self.last = Some(keep(t));
            here += evaluated;
            self.evaluations += evaluated;
            if here >= most
                || flat
                || largest(&direction)? * t <= self.o.tolerance_change
                || (loss - before.1).abs() < self.o.tolerance_change
            {
                break;
            }
        }
        Ok(first)
    }

    fn params(&self) -> Vec<Parameter> {
        self.o.params.clone()
    }

    fn rates(&self) -> Vec<Rate> {
        vec![Rate { lr: self.o.lr, initial_lr: self.initial_lr, momentum: None }]
    }

    fn set_rates(&mut self, rates: &[Rate]) {
        if let Some(r) = rates.first() {
            self.o.lr = r.lr;
            self.initial_lr = r.initial_lr;
        }
    }

    fn state_dict(&self) -> Result<Value> {
        let mut entries = vec![("func_evals", self.evaluations.into()), ("n_iter", self.iterations.into())];
        if let Some(last) = &self.last {
            let of = |f: fn(&(Tensor, Tensor, f64)) -> Value| Value::List(self.history.iter().map(f).collect());
            entries.extend([
                ("d", last.direction.clone().into()),
                ("t", last.t.into()),
                ("old_dirs", of(|h| h.0.clone().into())),
                ("old_stps", of(|h| h.1.clone().into())),
                ("ro", of(|h| h.2.into())),
                ("H_diag", self.scale.into()),
                ("prev_flat_grad", last.gradient.clone().into()),
                ("prev_loss", last.loss.into()),
            ]);
        }
        let o = &self.o;
        let search = o.line_search.map(|_| Value::from("strong_wolfe"));
        let mut group = vec![
            ("lr", o.lr.into()),
            ("max_iter", o.max_iter.into()),
            ("max_eval", o.max_eval.unwrap_or(o.max_iter.saturating_mul(5) / 4).into()),
            ("tolerance_grad", o.tolerance_grad.into()),
            ("tolerance_change", o.tolerance_change.into()),
            ("history_size", o.history_size.into()),
            ("line_search_fn", search.unwrap_or(Value::None)),
        ];
        group.extend(self.initial_lr.map(|lr| ("initial_lr", lr.into())));
        group.push(("params", (0..o.params.len()).collect::<Vec<_>>().into()));
        let state = Value::Dict(vec![(Value::Int(0), Value::dict(entries))]);
        Ok(Value::dict([("state", state), ("param_groups", Value::List(vec![Value::dict(group)]))]))
    }

    fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        let wrong = |what: &str| Error::value("LBFGS", format!("load_state_dict: {what}"));
        let group = state.get("param_groups").and_then(Value::as_list).and_then(|g| g.first()).ok_or_else(|| wrong("no group"))?;
        let count = group.get("params").and_then(Value::as_list).map(<[Value]>::len);
        if count != Some(self.o.params.len()) {
            return Err(wrong(&format!("the group has {count:?} parameters, the optimizer {}", self.o.params.len())));
        }
        let mut o = self.o.clone();
        let float = |name: &str, old: f64| group.get(name).map_or(Ok(old), |v| v.as_float().ok_or_else(|| wrong(name)));
        let int = |v: &Value, name: &str| v.as_int().and_then(|i| usize::try_from(i).ok()).ok_or_else(|| wrong(name));
        (o.lr, o.tolerance_grad) = (float("lr", o.lr)?, float("tolerance_grad", o.tolerance_grad)?);
        o.tolerance_change = float("tolerance_change", o.tolerance_change)?;
        o.max_iter = group.get("max_iter").map_or(Ok(o.max_iter), |v| int(v, "max_iter"))?;
        o.history_size = group.get("history_size").map_or(Ok(o.history_size), |v| int(v, "history_size"))?;
        o.max_eval = group.get("max_eval").map(|v| int(v, "max_eval")).transpose()?;
        o.line_search = match group.get("line_search_fn") {
            None => o.line_search,
            Some(Value::None) => None,
            Some(Value::Str(s)) if s == "strong_wolfe" => Some(LineSearch::StrongWolfe),
            Some(_) => return Err(wrong("line_search_fn")),
        };
        let n: usize = o.params.iter().map(Parameter::numel).sum();
        let saved = state.get("state").and_then(Value::as_dict).and_then(|d| d.first()).map(|(_, v)| v);
        let vector = |v: &Value, name: &str| v.as_tensor().filter(|t| t.shape() == [n]).cloned().ok_or_else(|| wrong(name));
        let (mut last, mut history, mut scale) = (None, Vec::new(), 1.0);
        let (mut evaluations, mut iterations) = (0, 0);
        if let Some(s) = saved {
            let need = |name: &str| s.get(name).ok_or_else(|| wrong(name));
            (evaluations, iterations) = (int(need("func_evals")?, "func_evals")?, int(need("n_iter")?, "n_iter")?);
            if s.get("d").is_some() {
                let number = |name: &str| need(name)?.as_float().ok_or_else(|| wrong(name));
                last = Some(Last {
                    direction: vector(need("d")?, "d")?,
                    t: number("t")?,
                    gradient: vector(need("prev_flat_grad")?, "prev_flat_grad")?,
                    loss: number("prev_loss")?,
                });
                scale = number("H_diag")?;
                let list = |name: &str| need(name)?.as_list().ok_or_else(|| wrong(name));
                for ((y, s), rho) in list("old_dirs")?.iter().zip(list("old_stps")?).zip(list("ro")?) {
                    history.push((vector(y, "old_dirs")?, vector(s, "old_stps")?, rho.as_float().ok_or_else(|| wrong("ro"))?));
                }
            }
        }
        self.initial_lr = group.get("initial_lr").and_then(Value::as_float);
        (self.o, self.last, self.history, self.scale) = (o, last, history, scale);
        (self.evaluations, self.iterations) = (evaluations, iterations);
        Ok(())
    }
}
