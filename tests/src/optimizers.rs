//! Optimizers and schedules by PyTorch's names and arguments.

use rushlight_nn::Parameter;
use rushlight_optim as optim;
use rushlight_optim::Optimizer;
use rushlight_optim::sched::{self, Anneal, CyclicMode, Schedule, Scheduler};
use serde_json::Value as Json;

use crate::args::Args;
use crate::golden::{Decoder, Value};
use crate::outcome::{CaseError, CaseResult};

/// Parameters of a group with their keyword arguments.
pub type Given = Vec<(Vec<Parameter>, Args)>;

fn numbers(v: Value) -> CaseResult<Vec<f64>> {
    let mut parts = Vec::new();
    v.flatten_into(&mut parts);
    parts.into_iter().map(|v| Args::new(vec![v], vec![]).float_or("value", 0.0)).collect()
}

fn pair(a: &mut Args, name: &str, default: (f64, f64)) -> CaseResult<(f64, f64)> {
    let Some(v) = a.take_named(name) else { return Ok(default) };
    match numbers(v)?[..] {
        [x, y] => Ok((x, y)),
        _ => Err(CaseError::Untypable(format!("`{name}` is a pair"))),
    }
}

fn float(a: &mut Args, name: &str, default: f64) -> CaseResult<f64> {
    a.float_or(name, default)
}

fn flag(a: &mut Args, name: &str, default: bool) -> CaseResult<bool> {
    a.bool_or(name, default)
}

/// Adafactor's, of which the first may be None.
fn eps(a: &mut Args, name: &str, default: (Option<f64>, f64)) -> CaseResult<(Option<f64>, f64)> {
    match a.take_named(name) {
        Some(Value::List(items) | Value::Tuple(items)) if items.len() == 2 => {
            let mut parts = Args::new(items, vec![]);
            Ok((parts.opt_float("eps1")?, parts.float_or("eps2", 1e-3)?))
        }
        _ => Ok(default),
    }
}

fn triple(a: &mut Args, name: &str, default: (f64, f64, f64)) -> CaseResult<(f64, f64, f64)> {
    let Some(v) = a.take_named(name) else { return Ok(default) };
    match numbers(v)?[..] {
        [x, y, z] => Ok((x, y, z)),
        _ => Err(CaseError::Untypable(format!("`{name}` is three numbers"))),
    }
}

fn count(a: &mut Args, name: &str, default: usize) -> CaseResult<usize> {
    Ok(a.opt_size(name)?.unwrap_or(default))
}

fn adjust(a: &mut Args, name: &str, _: optim::AdjustLr) -> CaseResult<optim::AdjustLr> {
    let known = ["original", "match_rms_adamw", "spectral_unclamped"].map(|n| (n, optim::AdjustLr::from_name(n)));
    a.choice(name, "original", &known)
}

/// An optimizer: for each group its options from the arguments.
macro_rules! built {
    ($given:expr, $class:path, $default:expr, $options:ident { $($field:ident: $read:ident),* $(,)? }) => {{
        let mut builder: Option<_> = None;
        for (params, mut a) in $given {
            let d: optim::$options = $default;
            let options = optim::$options { lr: a.float_or("lr", d.lr)?, $($field: $read(&mut a, stringify!($field), d.$field)?),* };
            untaken(&mut a)?;
            let b = builder.take().unwrap_or_else(|| <$class>::new(Vec::new(), d.lr));
            builder = Some(b.group(params, options));
        }
        match builder {
            Some(b) => Box::new(b.build()?) as Box<dyn Optimizer>,
            None => return Err(CaseError::Missing("an optimizer without groups".to_string())),
        }
    }};
}

/// An error if an argument is left that could change the result.
fn untaken(a: &mut Args) -> CaseResult<()> {
    for name in ["foreach", "fused", "capturable", "differentiable"] {
        a.ignore(name);
    }
    a.unused().map_or(Ok(()), |what| Err(CaseError::Missing(what)))
}

/// An optimizer: its class in `torch.optim`, and its groups with their arguments.
///
/// # Errors
/// If we do not have it or one of its arguments, or it refuses them.
pub fn optimizer(class: &str, given: Given) -> CaseResult<Box<dyn Optimizer>> {
    Ok(match class {
        "SGD" => built!(
            given,
            optim::SGD,
            Default::default(),
            SgdOptions { momentum: float, dampening: float, weight_decay: float, nesterov: flag, maximize: flag }
        ),
        "Adam" => built!(
            given,
            optim::Adam,
            Default::default(),
            AdamOptions { betas: pair, eps: float, weight_decay: float, amsgrad: flag, maximize: flag, decoupled_weight_decay: flag }
        ),
        "AdamW" => built!(
            given,
            optim::AdamW,
            optim::AdamW::options(1e-3),
            AdamOptions { betas: pair, eps: float, weight_decay: float, amsgrad: flag, maximize: flag, decoupled_weight_decay: flag }
        ),
        "NAdam" => built!(
            given,
            optim::NAdam,
            Default::default(),
            NAdamOptions {
                betas: pair,
                eps: float,
                weight_decay: float,
                momentum_decay: float,
                decoupled_weight_decay: flag,
                maximize: flag,
            }
        ),
        "RAdam" => built!(
            given,
            optim::RAdam,
            Default::default(),
            RAdamOptions { betas: pair, eps: float, weight_decay: float, decoupled_weight_decay: flag, maximize: flag }
        ),
        "Adamax" => {
            built!(given, optim::Adamax, Default::default(), AdamaxOptions { betas: pair, eps: float, weight_decay: float, maximize: flag })
        }
        "Adagrad" => built!(
            given,
            optim::Adagrad,
            Default::default(),
            AdagradOptions { lr_decay: float, eps: float, weight_decay: float, initial_accumulator_value: float, maximize: flag }
        ),
        "Adadelta" => built!(
            given,
            optim::Adadelta,
            Default::default(),
            AdadeltaOptions { rho: float, eps: float, weight_decay: float, maximize: flag }
        ),
        "RMSprop" => built!(
            given,
            optim::RMSprop,
            Default::default(),
            RmsPropOptions { momentum: float, alpha: float, eps: float, centered: flag, weight_decay: float, maximize: flag }
        ),
        "Rprop" => built!(given, optim::Rprop, Default::default(), RpropOptions { etas: pair, step_sizes: pair, maximize: flag }),
        "ASGD" => built!(
            given,
            optim::ASGD,
            Default::default(),
            AsgdOptions { lambd: float, alpha: float, t0: float, weight_decay: float, maximize: flag }
        ),
        "Adafactor" => built!(
            given,
            optim::Adafactor,
            Default::default(),
            AdafactorOptions { beta2_decay: float, eps: eps, d: float, weight_decay: float, maximize: flag }
        ),
        "Muon" => built!(
            given,
            optim::Muon,
            Default::default(),
            MuonOptions {
                weight_decay: float,
                momentum: float,
                nesterov: flag,
                ns_coefficients: triple,
                eps: float,
                ns_steps: count,
                adjust_lr_fn: adjust,
            }
        ),
        "LBFGS" => lbfgs(given)?,
        other => return Err(CaseError::Missing(format!("optimizer `{other}`"))),
    })
}

fn lbfgs(given: Given) -> CaseResult<Box<dyn Optimizer>> {
    let mut given = given.into_iter();
    let (Some((params, mut a)), None) = (given.next(), given.next()) else {
        return Err(CaseError::Untypable("LBFGS has one group".to_string()));
    };
    let builder = optim::LBFGS::new(params, a.float_or("lr", 1.0)?).max_iter(count(&mut a, "max_iter", 20)?);
    let builder = builder.max_eval(a.opt_size("max_eval")?).history_size(count(&mut a, "history_size", 100)?);
    let builder = builder.tolerance_grad(a.float_or("tolerance_grad", 1e-7)?).tolerance_change(a.float_or("tolerance_change", 1e-9)?);
    let known = [("none", Some(None)), ("strong_wolfe", Some(Some(optim::LineSearch::StrongWolfe)))];
    let builder = builder.line_search(a.choice("line_search_fn", "none", &known)?);
    untaken(&mut a)?;
    Ok(Box::new(builder.build()?))
}

/// A schedule at work.
pub enum AnyScheduler {
    /// One that only counts steps.
    Plain(Box<dyn Scheduler>),
    /// One that can be told the time.
    Restarts(sched::WarmRestarts),
    /// One that wants a metric.
    Plateau(sched::ReduceLROnPlateau),
}

impl AnyScheduler {
    /// A step that needs no argument.
    ///
    /// # Errors
    /// If the schedule refuses, or wants an argument.
    pub fn step(&mut self, optimizer: &mut dyn Optimizer) -> CaseResult<()> {
        match self {
            AnyScheduler::Plain(s) => Ok(s.step(optimizer)?),
            AnyScheduler::Restarts(s) => Ok(s.step(optimizer)?),
            AnyScheduler::Plateau(_) => Err(CaseError::Missing("a metric for ReduceLROnPlateau".to_string())),
        }
    }

    fn boxed(self) -> CaseResult<Box<dyn Scheduler>> {
        match self {
            AnyScheduler::Plain(s) => Ok(s),
            AnyScheduler::Restarts(s) => Ok(Box::new(s)),
            AnyScheduler::Plateau(_) => Err(CaseError::Untypable("ReduceLROnPlateau inside of another schedule".to_string())),
        }
    }
}

type Factor = Box<dyn Fn(i64) -> f64 + Send + Sync>;

/// A function of the small language of `lr_lambda`.
fn factor(spec: &Json) -> CaseResult<Factor> {
    let number = |name: &str| spec[name].as_f64().ok_or_else(|| format!("lr_lambda without {name}"));
    Ok(match spec["fn"].as_str() {
        Some("pow") => {
            let base = number("base")?;
            Box::new(move |e| base.powf(e as f64))
        }
        Some("inv") => {
            let k = number("k")?;
            Box::new(move |e| 1.0 / (1.0 + k * e as f64))
        }
        Some("const") => {
            let value = number("value")?;
            Box::new(move |_| value)
        }
        Some("warmup") => {
            let n = number("n")?;
            Box::new(move |e| ((e as f64 + 1.0) / n).min(1.0))
        }
        other => return Err(CaseError::Missing(format!("lr_lambda {other:?}"))),
    })
}

fn factors(spec: &Json) -> CaseResult<Vec<Factor>> {
    match spec.as_array() {
        Some(list) => list.iter().map(factor).collect(),
        None => Ok(vec![factor(spec)?]),
    }
}

fn list(a: &mut Args, name: &str) -> CaseResult<Vec<f64>> {
    a.take_named(name).map_or_else(|| Err(CaseError::Missing(format!("a call without `{name}`"))), numbers)
}

fn list_or(a: &mut Args, name: &str, default: f64) -> CaseResult<Vec<f64>> {
    a.take_named(name).map_or(Ok(vec![default]), numbers)
}

fn anneal(a: &mut Args) -> CaseResult<Anneal> {
    a.choice("anneal_strategy", "cos", &[("cos", Some(Anneal::Cos)), ("linear", Some(Anneal::Linear))])
}

fn plain<S: Schedule + 'static>(schedule: S, optimizer: &mut dyn Optimizer) -> CaseResult<AnyScheduler> {
    Ok(AnyScheduler::Plain(Box::new(schedule.on(optimizer)?)))
}

/// A schedule: its class in `torch.optim.lr_scheduler`, put on an optimizer.
///
/// # Errors
/// If we do not have it or one of its arguments, or it refuses them.
pub fn scheduler(spec: &Json, optimizer: &mut dyn Optimizer, decoder: &Decoder<'_>) -> CaseResult<AnyScheduler> {
    let name = spec["name"].as_str().unwrap_or_default();
    let given = &spec["kwargs"];
    let mut kwargs = given.clone();
    if let Some(map) = kwargs.as_object_mut() {
        map.remove("lr_lambda");
        map.remove("schedulers");
    }
    let mut args = Args::decode(&Json::Null, &kwargs, decoder)?;
    let a = &mut args;
    let built = match name {
        "LambdaLR" => plain(sched::LambdaLR::each(factors(&given["lr_lambda"])?), optimizer)?,
        "MultiplicativeLR" => plain(sched::MultiplicativeLR::each(factors(&given["lr_lambda"])?), optimizer)?,
        "StepLR" => plain(sched::StepLR::new(a.int("step_size")? as i64).gamma(a.float_or("gamma", 0.1)?), optimizer)?,
        "MultiStepLR" => {
            let milestones = a.ints("milestones")?.into_iter().map(|m| m as i64).collect();
            plain(sched::MultiStepLR::new(milestones).gamma(a.float_or("gamma", 0.1)?), optimizer)?
        }
        "ConstantLR" => {
            let s = sched::ConstantLR::new().factor(a.float_or("factor", 1.0 / 3.0)?);
            plain(s.total_iters(a.int_or("total_iters", 5)? as i64), optimizer)?
        }
        "LinearLR" => {
            let s = sched::LinearLR::new().start_factor(a.float_or("start_factor", 1.0 / 3.0)?);
            let s = s.end_factor(a.float_or("end_factor", 1.0)?);
            plain(s.total_iters(a.int_or("total_iters", 5)? as i64), optimizer)?
        }
        "ExponentialLR" => plain(sched::ExponentialLR::new(a.float_or("gamma", 0.1)?), optimizer)?,
        "PolynomialLR" => {
            let s = sched::PolynomialLR::new().total_iters(a.int_or("total_iters", 5)? as i64);
            plain(s.power(a.float_or("power", 1.0)?), optimizer)?
        }
        "CosineAnnealingLR" => {
            let s = sched::CosineAnnealingLR::new(a.int("T_max")? as i64);
            plain(s.eta_min(a.float_or("eta_min", 0.0)?), optimizer)?
        }
        "CosineAnnealingWarmRestarts" => {
            let s = sched::CosineAnnealingWarmRestarts::new(a.int("T_0")? as i64).t_mult(a.int_or("T_mult", 1)? as i64);
            AnyScheduler::Restarts(s.eta_min(a.float_or("eta_min", 0.0)?).on(optimizer)?)
        }
        "CyclicLR" => cyclic(a, optimizer)?,
        "OneCycleLR" => one_cycle(a, optimizer)?,
        "SWALR" => {
            let s = sched::SWALR::new(list(a, "swa_lr")?).anneal_epochs(a.int_or("anneal_epochs", 10)? as i64);
            plain(s.anneal_strategy(anneal(a)?), optimizer)?
        }
        "ReduceLROnPlateau" => AnyScheduler::Plateau(plateau(a)?),
        "SequentialLR" | "ChainedScheduler" => {
            let inner = given["schedulers"].as_array().map_or(&[][..], Vec::as_slice);
            let inner = inner.iter().map(|s| scheduler(s, optimizer, decoder)?.boxed()).collect::<CaseResult<Vec<_>>>()?;
            if name == "ChainedScheduler" {
                AnyScheduler::Plain(Box::new(sched::ChainedScheduler::new(inner)?))
            } else {
                let milestones = a.ints("milestones")?.into_iter().map(|m| m as i64).collect();
                AnyScheduler::Plain(Box::new(sched::SequentialLR::new(inner, milestones, optimizer)?))
            }
        }
        other => return Err(CaseError::Missing(format!("schedule `{other}`"))),
    };
    args.unused().map_or(Ok(built), |what| Err(CaseError::Missing(what)))
}

fn cyclic(a: &mut Args, optimizer: &mut dyn Optimizer) -> CaseResult<AnyScheduler> {
    let s = sched::CyclicLR::new(list(a, "base_lr")?, list(a, "max_lr")?).step_size_up(a.int_or("step_size_up", 2000)? as i64);
    let s = s.step_size_down(a.opt_int("step_size_down")?.map(|n| n as i64)).cycle_momentum(a.bool_or("cycle_momentum", true)?);
    let s = s.base_momentum(list_or(a, "base_momentum", 0.8)?).max_momentum(list_or(a, "max_momentum", 0.9)?);
    let gamma = a.float_or("gamma", 1.0)?;
    let modes = [
        ("triangular", Some(CyclicMode::Triangular)),
        ("triangular2", Some(CyclicMode::Triangular2)),
        ("exp_range", Some(CyclicMode::ExpRange { gamma })),
    ];
    plain(s.mode(a.choice("mode", "triangular", &modes)?), optimizer)
}

fn one_cycle(a: &mut Args, optimizer: &mut dyn Optimizer) -> CaseResult<AnyScheduler> {
    let (epochs, each) = (a.opt_int("epochs")?, a.opt_int("steps_per_epoch")?);
    let total = a.opt_int("total_steps")?.or(epochs.zip(each).map(|(e, n)| e * n));
    let total = total.ok_or_else(|| CaseError::Missing("OneCycleLR without a number of steps".to_string()))?;
    let s = sched::OneCycleLR::new(list(a, "max_lr")?, total as i64).pct_start(a.float_or("pct_start", 0.3)?);
    let s = s.anneal_strategy(anneal(a)?).cycle_momentum(a.bool_or("cycle_momentum", true)?);
    let s = s.base_momentum(list_or(a, "base_momentum", 0.85)?).max_momentum(list_or(a, "max_momentum", 0.95)?);
    let s = s.div_factor(a.float_or("div_factor", 25.0)?).final_div_factor(a.float_or("final_div_factor", 1e4)?);
    plain(s.three_phase(a.bool_or("three_phase", false)?), optimizer)
}

fn plateau(a: &mut Args) -> CaseResult<sched::ReduceLROnPlateau> {
    use sched::{PlateauMode, ThresholdMode};
    let s = sched::ReduceLROnPlateau::new();
    let s = s.mode(a.choice("mode", "min", &[("min", Some(PlateauMode::Min)), ("max", Some(PlateauMode::Max))])?);
    let s = s.factor(a.float_or("factor", 0.1)?).patience(a.int_or("patience", 10)? as i64).threshold(a.float_or("threshold", 1e-4)?);
    let s = s.threshold_mode(a.choice("threshold_mode", "rel", &[("rel", Some(ThresholdMode::Rel)), ("abs", Some(ThresholdMode::Abs))])?);
    let least = a.take_named("min_lr").map_or(Ok(vec![0.0]), numbers)?;
    Ok(s.cooldown(a.int_or("cooldown", 0)? as i64).min_lr(least).eps(a.float_or("eps", 1e-8)?))
}
