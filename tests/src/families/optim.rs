//! Optimizers on a polynomial problem: losses, gradients and every parameter after every step, and the final state.

use rushlight_autograd::Autograd;
use rushlight_nn::Parameter;
use rushlight_nn::checkpoint::Value as Saved;
use rushlight_optim::Optimizer;
use rushlight_tensor::{DType, Result as TensorResult, Tensor};

use super::{Checked, Context, ops};
use crate::agree::{self, Tolerance};
use crate::args::Args;
use crate::golden::{Case, Decoder, Value};
use crate::optimizers::{self, Given};
use crate::outcome::{CaseError, CaseResult, outcome_of};

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    vec![("optim", crate::run::guarded(|| outcome_of(problem(ctx, case))))]
}

fn tensors(case: &Case, decoder: &Decoder<'_>, name: &str) -> CaseResult<Vec<Tensor>> {
    Ok(case.list(name).iter().map(|t| decoder.tensor(t)).collect::<Result<_, _>>()?)
}

/// The parameters in their groups, each with its arguments.
fn groups(case: &Case, decoder: &Decoder<'_>, params: &[Parameter]) -> CaseResult<Given> {
    let none = serde_json::Value::Null;
    if case.field("groups").is_null() {
        return Ok(vec![(params.to_vec(), Args::decode(&none, case.field("kwargs"), decoder)?)]);
    }
    let mut all = Given::new();
    for group in case.list("groups") {
        let members = group[0].as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64);
        let members = members.map(|i| params.get(i as usize).cloned().ok_or_else(|| format!("no parameter {i}")));
        let mut kwargs = case.field("kwargs").clone();
        if let (Some(map), Some(own)) = (kwargs.as_object_mut(), group[1].as_object()) {
            map.extend(own.clone());
        }
        all.push((members.collect::<Result<_, _>>()?, Args::decode(&none, &kwargs, decoder)?));
    }
    Ok(all)
}

struct Problem {
    params: Vec<Parameter>,
    target: Vec<Tensor>,
    coef: Vec<Tensor>,
    q: f64,
    sign: f64,
}

impl Problem {
    /// The loss, after a backward pass.
    fn loss(&self) -> TensorResult<Tensor> {
        let mut total: Option<Tensor> = None;
        for ((p, t), c) in self.params.iter().zip(&self.target).zip(&self.coef) {
            p.zero_grad();
            let d = p.tensor().sub(t)?;
            let part = d.square()?.mul(c)?.mul(0.5)?.add(&d.pow(4)?.mul(self.q)?)?.sum()?;
            total = Some(match total {
                Some(sum) => sum.add(&part)?,
                None => part,
            });
        }
        let loss = total.unwrap_or(Tensor::zeros((), ())?).mul(self.sign)?;
        loss.backward()?;
        Ok(loss.detach())
    }
}

fn problem(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    let params = tensors(case, &decoder, "x0")?.into_iter().map(Parameter::new).collect::<Result<Vec<_>, _>>()?;
    let (target, coef) = (tensors(case, &decoder, "target")?, tensors(case, &decoder, "coef")?);
    let number = |name: &str| case.field(name).as_f64().ok_or_else(|| format!("no {name}"));
    let problem = Problem { params: params.clone(), target, coef, q: number("q")?, sign: number("sign")? };
    let mut optimizer = optimizers::optimizer(&case.op, groups(case, &decoder, &params)?)?;
    let (recorded, grads) = (tensors(case, &decoder, "params")?, tensors(case, &decoder, "grads")?);
    let tolerance = ops::tolerance(case);
    for (step, loss) in case.list("losses").iter().enumerate() {
        let mut evaluations = 0u64;
        let got = optimizer.step_with(&mut || {
            evaluations += 1;
            problem.loss()
        })?;
        let loss = loss.as_f64().ok_or_else(|| "a loss that is no number".to_string())?;
        if !tolerance.admits(got.to_f64()?, loss) {
            return Err(CaseError::Failed(format!("the loss of step {step} is {:e}, recorded {loss:e}", got.to_f64()?)));
        }
        if let Some(wanted) = case.list("evals").get(step).and_then(serde_json::Value::as_u64).filter(|n| *n != evaluations) {
            return Err(CaseError::Failed(format!("step {step} evaluated the loss {evaluations} times, recorded {wanted}")));
        }
        let at = |t: &Tensor| t.select(0, step as isize);
        for (j, (p, wanted)) in params.iter().zip(&recorded).enumerate() {
            agree::tensors(&p.tensor().detach(), &at(wanted)?, tolerance).map_err(|e| format!("parameter {j} after step {step}: {e}"))?;
        }
        for (j, (p, wanted)) in params.iter().zip(&grads).enumerate() {
            let got = p.grad().ok_or_else(|| format!("parameter {j} has no gradient"))?;
            agree::tensors(&got, &at(wanted)?, tolerance).map_err(|e| format!("gradient {j} of step {step}: {e}"))?;
        }
    }
    final_state(case, &decoder, optimizer.as_ref(), tolerance)?;
    reload(case, &decoder, optimizer.as_ref())
}

/// The recorded entries that ours has.
fn final_state(case: &Case, decoder: &Decoder<'_>, optimizer: &dyn Optimizer, tolerance: Tolerance) -> CaseResult<()> {
    let saved = optimizer.state_dict()?;
    let Some(states) = saved.get("state").and_then(Saved::as_dict) else {
        return Err(CaseError::Failed("a state dict without state".to_string()));
    };
    for (index, entries) in case.entries("final_state") {
        let ours = states.iter().find(|(k, _)| k.as_int() == index.parse().ok()).map(|(_, v)| v);
        for (name, recorded) in entries.as_object().into_iter().flatten() {
            let Some(got) = ours.and_then(|o| o.get(name)) else { continue };
            match (decoder.value(recorded)?, got) {
                // PyTorch keeps numbers in the default dtype of the time.
                (Value::Tensor(wanted), Saved::Tensor(got)) if wanted.dim() == 0 => {
                    agree::tensors(&got.to_dtype(DType::F64)?, &wanted.to_dtype(DType::F64)?, tolerance)
                }
                (Value::Tensor(wanted), Saved::Tensor(got)) => agree::tensors(got, &wanted, tolerance),
                (wanted, got) => match (Args::new(vec![wanted], vec![]).float_or("state", f64::NAN)?, got.as_float()) {
                    (wanted, Some(got)) if tolerance.admits(got, wanted) => Ok(()),
                    (wanted, got) => Err(format!("{got:?}, recorded {wanted}")),
                },
            }
            .map_err(|e| format!("state {name} of parameter {index}: {e}"))?;
        }
    }
    Ok(())
}

/// The state dict loads into a new optimizer, which then has the same.
fn reload(case: &Case, decoder: &Decoder<'_>, optimizer: &dyn Optimizer) -> CaseResult<()> {
    let fresh = tensors(case, decoder, "x0")?.into_iter().map(Parameter::new).collect::<Result<Vec<_>, _>>()?;
    let mut other = optimizers::optimizer(&case.op, groups(case, decoder, &fresh)?)?;
    let saved = optimizer.state_dict()?;
    other.load_state_dict(&saved)?;
    let text = |v: &Saved| format!("{v:?}");
    if text(&other.state_dict()?) == text(&saved) {
        Ok(())
    } else {
        Err(CaseError::Failed("the state dict changes when it is loaded".to_string()))
    }
}
