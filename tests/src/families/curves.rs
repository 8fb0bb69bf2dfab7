//! Training curves: the same losses, step by step, from the seed alone.

use rushlight_autograd::{Autograd, no_grad};
use rushlight_data::{DataLoader, TensorDataset};
use rushlight_nn::{Layer, Module, Sequential};
use rushlight_optim::clip_grad_norm_;
use rushlight_tensor::{DType, LossReduction, Tensor, manual_seed};

use super::modules::in_dtype;
use super::rows::{RowRnn, RowTransformer};
use super::{Checked, Context, ops};
use crate::agree::{self, Tolerance};
use crate::args::Args;
use crate::golden::{Case, Decoder};
use crate::optimizers;
use crate::outcome::{CaseError, CaseResult, outcome_of};

/// The images and labels that every curve is trained on.
const DIGITS: &str = "digits.safetensors";

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    vec![("curves", crate::run::guarded(|| outcome_of(in_default(ctx, case))))]
}

/// The curve in the case's dtype as the default one.
fn in_default(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let name = case.field("dtype").as_str().unwrap_or("float32");
    let dtype = DType::from_name(name).ok_or_else(|| format!("dtype {name}"))?;
    in_dtype(name, || curve(ctx, case, dtype))
}

fn number(case: &Case, name: &str) -> CaseResult<u64> {
    Ok(case.field(name).as_u64().ok_or_else(|| format!("no {name}"))?)
}

/// The model that a case describes.
fn model(ctx: &Context<'_>, case: &Case, decoder: &Decoder<'_>) -> CaseResult<Box<dyn Layer>> {
    let spec = case.field("model");
    match spec["type"].as_str() {
        Some("sequential") => {}
        Some("row_transformer") => return Ok(Box::new(RowTransformer::new(spec)?)),
        Some("row_rnn") => return Ok(Box::new(RowRnn::new(spec)?)),
        other => return Err(CaseError::Missing(format!("a model of type {other:?}"))),
    }
    let layers = spec["layers"].as_array().map_or(&[][..], Vec::as_slice);
    let layer = |l: &serde_json::Value| {
        ctx.modules.build_layer(l[0].as_str().unwrap_or_default(), &mut Args::decode(&serde_json::Value::Null, &l[1], decoder)?)
    };
    Ok(Box::new(layers.iter().map(layer).collect::<CaseResult<Sequential>>()?))
}

fn curve(ctx: &Context<'_>, case: &Case, dtype: DType) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    manual_seed(number(case, "seed")?);
    let model = model(ctx, case, &decoder)?;
    let arguments = Args::decode(&serde_json::Value::Null, &case.field("optimizer")["kwargs"], &decoder)?;
    let class = case.field("optimizer")["name"].as_str().unwrap_or_default();
    let mut optimizer = optimizers::optimizer(class, vec![(model.parameters(), arguments)])?;
    let mut scheduler = match case.field("scheduler") {
        serde_json::Value::Null => None,
        spec => Some(optimizers::scheduler(spec, optimizer.as_mut(), &decoder)?),
    };
    let clip = case.field("clip_norm").as_f64();
    initial_state(case, &decoder, &*model)?;

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
        if let Some(most) = clip {
            let norm = clip_grad_norm_(&model.parameters(), most, 2.0)?.to_f64()?;
            if let Some(wanted) = case.list("grad_norms").get(step).and_then(serde_json::Value::as_f64)
                && !tolerance.admits(norm, wanted)
            {
                return Err(CaseError::Failed(format!("the gradients' norm of step {step} is {norm:e}, recorded {wanted:e}")));
            }
        }
        optimizer.step()?;
        if let Some(s) = &mut scheduler {
            s.step(optimizer.as_mut())?;
        }
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
fn initial_state(case: &Case, decoder: &Decoder<'_>, model: &dyn Layer) -> CaseResult<()> {
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
