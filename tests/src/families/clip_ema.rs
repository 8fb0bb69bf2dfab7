//! Clipping of gradients, averaged models.

use rushlight_nn::{BatchNorm1d, Linear, Module, Parameter, Sequential, sequential};
use rushlight_optim::{AveragedModel, Averaging, clip_grad_norm_, clip_grad_value_, parameters_to_vector, update_bn};
use rushlight_tensor::{DType, Tensor};

use super::modules::{compare_state, pairs};
use super::{Checked, Context, ops};
use crate::agree;
use crate::args::Args;
use crate::golden::{Case, Decoder, Value};
use crate::outcome::{CaseError, CaseResult, outcome_of};

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    vec![("clip_ema", crate::run::guarded(|| outcome_of(one(ctx, case))))]
}

fn one(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let decoder = Decoder::new(&ctx.family.store);
    match case.op.as_str() {
        "clip_grad_norm_" | "clip_grad_value_" => clip(case, &decoder),
        "parameters_to_vector" => {
            let mut args = Args::of(case, &decoder)?;
            let got = parameters_to_vector(&args.tensors("parameters")?)?;
            let wanted = decoder.value(&case.field("outputs")[0])?;
            Ok(agree::values(&Value::Tensor(got), &wanted, ops::tolerance(case))?)
        }
        "AveragedModel" => averaged(case, &decoder),
        "update_bn" => statistics(case, &decoder),
        other => Err(CaseError::Missing(format!("`{other}`"))),
    }
}

fn clip(case: &Case, decoder: &Decoder<'_>) -> CaseResult<()> {
    let mut params = Vec::new();
    for grad in case.list("grads_in") {
        let grad = decoder.tensor(grad)?;
        let p = Parameter::new(grad.zeros_like()?)?;
        p.set_grad(Some(grad))?;
        params.push(p);
    }
    let mut args = Args::decode(&serde_json::Value::Null, case.field("kwargs"), decoder)?;
    let outputs = if case.op == "clip_grad_norm_" {
        let (most, p) = (args.float_or("max_norm", 0.0)?, args.float_or("norm_type", 2.0)?);
        vec![Value::Tensor(clip_grad_norm_(&params, most, p)?)]
    } else {
        clip_grad_value_(&params, args.float_or("clip_value", 0.0)?)?;
        vec![]
    };
    if let Some(unused) = args.unused() {
        return Err(CaseError::Missing(unused));
    }
    let wanted = case.list("outputs").iter().map(|v| decoder.value(v)).collect::<Result<Vec<_>, _>>()?;
    ops::compare(&outputs, &wanted, &[], ops::tolerance(case))?;
    for (i, (p, wanted)) in params.iter().zip(case.list("grads_out")).enumerate() {
        let got = p.grad().ok_or_else(|| format!("gradient {i} has gone"))?;
        agree::tensors(&got, &decoder.tensor(wanted)?, ops::tolerance(case)).map_err(|e| format!("gradient {i}: {e}"))?;
    }
    Ok(())
}

fn model(with_head: bool) -> CaseResult<Sequential> {
    let linear = |i, o| Linear::builder(i, o).dtype(DType::F64).build();
    let model = sequential![linear(3, 4)?, BatchNorm1d::builder(4).dtype(DType::F64).build()?];
    Ok(if with_head { model.add(linear(4, 2)?) } else { model })
}

fn averaged(case: &Case, decoder: &Decoder<'_>) -> CaseResult<()> {
    let averaging = case.field("decay").as_f64().map_or(Averaging::Swa, |decay| Averaging::Ema { decay });
    let (model, average) = (model(true)?, AveragedModel::new(model(true)?, averaging)?);
    let average = average.use_buffers(case.field("use_buffers").as_bool().unwrap_or(false));
    for (i, update) in case.list("updates").iter().enumerate() {
        let list = |name: &str| update[name].as_array().map_or(&[][..], Vec::as_slice);
        model.load_state_dict(&pairs(decoder, list("model"))?, true)?;
        average.update_parameters(&model)?;
        let wanted = pairs(decoder, list("averaged"))?;
        compare_state(&average.state_dict(), &wanted, Some(ops::tolerance(case))).map_err(|e| format!("update {i}: {e}"))?;
    }
    Ok(())
}

fn statistics(case: &Case, decoder: &Decoder<'_>) -> CaseResult<()> {
    let model = model(false)?;
    model.load_state_dict(&pairs(decoder, case.list("state"))?, true)?;
    let batches: Vec<Tensor> = Args::decode(case.field("args"), &serde_json::Value::Null, decoder)?.tensors("loader")?;
    update_bn(batches, &model)?;
    let wanted = pairs(decoder, case.list("state_after"))?;
    Ok(compare_state(&model.state_dict(), &wanted, Some(ops::tolerance(case)))?)
}
