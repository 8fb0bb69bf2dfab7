//! Training curves: the same losses, step by step, from the seed alone.

use rushlight_autograd::{Autograd, no_grad};
use rushlight_data::{DataLoader, TensorDataset};
use rushlight_nn::{Forward, Module, Sequential};
use rushlight_tensor::{DType, LossReduction, Tensor, default_dtype, manual_seed, set_default_dtype};

use super::{Checked, Context, ops};
use crate::agree::{self, Tolerance};
use crate::args::Args;
use crate::golden::{Case, Decoder};
use crate::modules;
use crate::outcome::{CaseError, CaseResult, outcome_of};

/// The images and labels that every curve is trained on.
const DIGITS: &str = "digits.safetensors";

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    vec![("curves", crate::run::guarded(|| outcome_of(curve(ctx, case))))]
}

/// Another default dtype for as long as this lives.
struct DefaultDtype(DType);

impl DefaultDtype {
    fn set(dtype: DType) -> CaseResult<DefaultDtype> {
        let before = default_dtype();
        set_default_dtype(dtype)?;
        Ok(DefaultDtype(before))
    }
}

impl Drop for DefaultDtype {
    fn drop(&mut self) {
        // It was the default before, so it can be again.
        let _ = set_default_dtype(self.0);
    }
}

fn number(case: &Case, name: &str) -> CaseResult<u64> {
    Ok(case.field(name).as_u64().ok_or_else(|| format!("no {name}"))?)
}

fn curve(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    let missing = |what: &str| Err(CaseError::Missing(what.to_string()));
    if !case.field("scheduler").is_null() || !case.field("clip_norm").is_null() {
        return missing("schedulers and clipping");
    }
    if case.field("model")["type"] != "sequential" {
        return missing("a model that is no Sequential");
    }
    let name = case.field("dtype").as_str().unwrap_or("float32");
    let dtype = DType::from_name(name).ok_or_else(|| format!("dtype {name}"))?;
    let _default = DefaultDtype::set(dtype)?;

    manual_seed(number(case, "seed")?);
    let layers = case.field("model")["layers"].as_array().map_or(&[][..], Vec::as_slice);
    let model = layers
        .iter()
        .map(|l| modules::layer(l[0].as_str().unwrap_or_default(), &mut Args::decode(&serde_json::Value::Null, &l[1], &decoder)?, dtype))
        .collect::<CaseResult<Sequential>>()?;
    let mut arguments = Args::decode(&serde_json::Value::Null, &case.field("optimizer")["kwargs"], &decoder)?;
    let class = case.field("optimizer")["name"].as_str().unwrap_or_default();
    let mut optimizer = modules::optimizer(class, &mut arguments, model.parameters())?;
    initial_state(case, &decoder, &model)?;

    let digits = ctx.golden.store(DIGITS)?;
    let labels = digits.tensor("labels", false)?;
    let images = digits.tensor("images", false)?;
    let mut shape: Vec<i64> = vec![images.shape()[0] as i64];
    shape.extend(case.list("input_shape").iter().filter_map(serde_json::Value::as_i64));
    let x = images.to_dtype(dtype)?.div(16.0)?.reshape(shape)?;

    let (steps, size) = (number(case, "steps")? as usize, number(case, "batch_size")? as usize);
    let mut batches = Batches::new(case, &x, &labels, size)?;
    let recorded: Vec<f64> = case.list("losses").iter().filter_map(serde_json::Value::as_f64).collect();
    let tolerance = ops::tolerance(case);
    model.train();
    for (step, wanted) in recorded.iter().enumerate().take(steps) {
        let (x, y) = batches.next(step)?;
        optimizer.zero_grad();
        let output = model.forward(&x)?;
        let loss =
            if case.field("loss") == "mse_to_input" { output.mse_loss(&x, LossReduction::Mean)? } else { output.cross_entropy(&y)? };
        loss.backward()?;
        optimizer.step()?;
        let got = loss.to_f64()?;
        if !tolerance.admits(got, *wanted) {
            return Err(CaseError::Failed(format!(
                "the loss of step {step} is {got:e}, recorded {wanted:e} (off by {:e})",
                (got - wanted) / wanted
            )));
        }
    }

    model.eval();
    let rows = x.shape()[0] as isize;
    let logits = no_grad(|| model.forward(&x.narrow(0, rows - 64, 64)?))?;
    let wanted = decoder.tensor(case.field("eval_logits"))?;
    let largest = wanted.abs()?.max()?.to_f64()?;
    let share = case.field("eval_rtol_of_max").as_f64().unwrap_or(0.0);
    Ok(agree::tensors(&logits, &wanted, Tolerance { rtol: 0.0, atol: share * largest }).map_err(|e| format!("after training: {e}"))?)
}

/// The weights before training, bit for bit.
fn initial_state(case: &Case, decoder: &Decoder<'_>, model: &Sequential) -> CaseResult<()> {
    let state = model.state_dict();
    let recorded = case.list("init_state");
    for (entry, (key, value)) in recorded.iter().zip(&state) {
        if entry[0].as_str() != Some(key) {
            return Err(CaseError::Failed(format!("state {key}, recorded {}", entry[0])));
        }
        agree::tensors(value, &decoder.tensor(&entry[1])?, Tolerance::EXACT).map_err(|e| format!("initial {key}: {e}"))?;
    }
    if recorded.len() == state.len() {
        Ok(())
    } else {
        Err(CaseError::Failed(format!("{} states, recorded {}", state.len(), recorded.len())))
    }
}

/// The batches of a case.
enum Batches {
    Fixed { x: Tensor, y: Tensor, size: usize, count: usize },
    Shuffled { loader: DataLoader<TensorDataset>, pass: Option<rushlight_data::Batches<TensorDataset>> },
}

impl Batches {
    fn new(case: &Case, x: &Tensor, y: &Tensor, size: usize) -> CaseResult<Batches> {
        Ok(match case.field("order").as_str() {
            Some("fixed") => Batches::Fixed { x: x.clone(), y: y.clone(), size, count: x.shape()[0] / size },
            Some("dataloader_shuffle") => {
                let loader = DataLoader::new(TensorDataset::new([x.clone(), y.clone()])?).batch_size(size).shuffle(true).drop_last(true);
                Batches::Shuffled { loader, pass: None }
            }
            other => return Err(CaseError::Missing(format!("order {other:?}"))),
        })
    }

    fn next(&mut self, step: usize) -> CaseResult<(Tensor, Tensor)> {
        match self {
            Batches::Fixed { x, y, size, count } => {
                let first = (step % *count * *size) as isize;
                Ok((x.narrow(0, first, *size)?, y.narrow(0, first, *size)?))
            }
            Batches::Shuffled { loader, pass } => loop {
                match pass.as_mut().and_then(Iterator::next) {
                    Some(batch) => {
                        let batch = batch?;
                        return Ok((batch[0].clone(), batch[1].clone()));
                    }
                    None => *pass = Some(loader.iter()?),
                }
            },
        }
    }
}
