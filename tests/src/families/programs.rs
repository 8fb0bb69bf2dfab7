//! The small programs among the error cases.

use rushlight_autograd::{Autograd, BackwardOptions, grad_of};
use rushlight_data::random_split;
use rushlight_nn::{self as nn, Module, Parameter, StateDict};
use rushlight_optim::{Adam, SGD};
use rushlight_tensor::backend::op::LossReduction;
use rushlight_tensor::{Result, Tensor};

use super::errors::refused;
use crate::agree::{self, Tolerance};
use crate::outcome::{CaseError, Outcome};

/// Runs the program with this id.
pub(super) fn run(id: &str) -> Outcome {
    let program: fn() -> Result<Outcome> = match id.trim_start_matches("program.") {
        "backward_twice" => || {
            let x = leaf()?;
            let y = x.exp()?.sum()?;
            y.backward()?;
            Ok(must_refuse(y.backward()))
        },
        "backward_no_grad" => || Ok(must_refuse(Tensor::new(1.0f32)?.backward())),
        "backward_nonscalar" => || Ok(must_refuse(leaf()?.mul(2.0)?.backward())),
        "int_requires_grad" => || Ok(must_refuse(Tensor::new([1i64, 2])?.requires_grad())),
        "view_noncontiguous" => || Ok(must_refuse(Tensor::zeros([2, 3], ())?.t()?.view(6))),
        "item" => || Ok(must_refuse(Tensor::new([1.0f32, 2.0])?.item::<f32>())),
        "random_split" => || Ok(must_refuse(random_split(0..5, &[2, 2], None))),
        "loss_reduction" => || Ok(must_refuse(LossReduction::from_name("avg"))),
        "bad_lr" => || Ok(must_refuse(SGD::new([parameter()?], -1.0).build())),
        "bad_beta" => || Ok(must_refuse(Adam::new([parameter()?], 1e-3).betas((1.0, 0.9)).build())),
        "nesterov" => || Ok(must_refuse(SGD::new([parameter()?], 0.1).nesterov(true).build())),
        "empty_optimizer" => || Ok(must_refuse(SGD::new([], 0.1).build())),
        "load_shape" => || {
            load(|state| {
                state[0].1 = Tensor::zeros([3, 3], ())?;
                Ok(())
            })
        },
        "load_missing" => || {
            load(|state| {
                state.pop();
                Ok(())
            })
        },
        "load_unexpected" => || {
            load(|state| {
                state.push(("other".to_string(), Tensor::zeros(1, ())?));
                Ok(())
            })
        },
        "conv_groups" => || Ok(must_refuse(nn::Conv2d::builder(3, 4, 3).groups(2).build())),
        "mha_heads" => || Ok(must_refuse(nn::MultiheadAttention::new(10, 3))),
        "lstm_input" => || Ok(must_refuse(nn::LSTM::new(3, 4)?.forward_with(&Tensor::zeros([2, 2, 5], ())?, None))),
        "grad_unused" => grad_unused,
        "inplace_on_leaf" => inplace_on_leaf,
        "saved_modified" => saved_modified,
        "write_expanded" => write_expanded,
        other => return Outcome::Missing(format!("program `{other}`")),
    };
    program().unwrap_or_else(|e| Outcome::Failed(format!("error before the one that is wanted: {e}")))
}

fn leaf() -> Result<Tensor> {
    Tensor::new([1.0f32, 2.0])?.requires_grad()
}

fn parameter() -> Result<Parameter> {
    Parameter::new(Tensor::zeros(2, ())?)
}

/// Loads a state dict that was tampered with.
fn load(tamper: impl FnOnce(&mut StateDict) -> Result<()>) -> Result<Outcome> {
    let layer = nn::Linear::new(3, 2)?;
    let mut state = layer.state_dict();
    tamper(&mut state)?;
    Ok(must_refuse(layer.load_state_dict(&state, true)))
}

/// The gradient with respect to what was not used.
fn grad_unused() -> Result<Outcome> {
    let (x, other) = (leaf()?, leaf()?);
    Ok(must_refuse(grad_of(&[&x.exp()?.sum()?], &[&other], &[None], BackwardOptions::default())))
}

fn must_refuse<T>(result: Result<T>) -> Outcome {
    refused(result.map_err(CaseError::from))
}

/// Passes, for a reason, if what somebody else holds has these values.
fn unchanged(held: &Tensor, values: &[f32], why: &'static str) -> Result<Outcome> {
    let wanted = Tensor::new(values)?;
    Ok(match agree::tensors(&held.detach(), &wanted, Tolerance { rtol: 1e-6, atol: 0.0 }) {
        Ok(()) => Outcome::Passed(Some(why)),
        Err(e) => Outcome::Failed(format!("another handle's values changed: {e}")),
    })
}

/// A changed leaf is a new tensor: the leaf, and the gradient through it, are what they were.
fn inplace_on_leaf() -> Result<Outcome> {
    let mut x = leaf()?;
    let other = x.clone();
    let y = other.square()?.sum()?;
    x = x.add(1.0)?;
    y.backward()?;
    let Some(grad) = other.grad() else {
        return Ok(Outcome::Failed("the leaf has no gradient".to_string()));
    };
    drop(x);
    match unchanged(&other, &[1.0, 2.0], "value semantics: the leaf keeps its values")? {
        Outcome::Passed(why) => unchanged(&grad, &[2.0, 4.0], why.unwrap_or_default()),
        other => Ok(other),
    }
}

/// A saved tensor cannot be changed under the tape: the gradient is that of the values at the time.
fn saved_modified() -> Result<Outcome> {
    let x = leaf()?;
    let mut y = x.exp()?;
    let loss = y.sum()?;
    y = y.detach().add(1.0)?;
    drop(y);
    loss.backward()?;
    match x.grad() {
        Some(g) => unchanged(&g, &[1f32.exp(), 2f32.exp()], "value semantics: what the tape saved cannot change"),
        None => Ok(Outcome::Failed("the leaf has no gradient".to_string())),
    }
}

/// Writing to an expanded tensor writes to memory of its own.
fn write_expanded() -> Result<Outcome> {
    let x = Tensor::new([1.0f32])?;
    let mut wide = x.expand(3)?;
    let other = wide.clone();
    wide = wide.add(1.0)?;
    drop(wide);
    match unchanged(&x, &[1.0], "value semantics: other handles keep their values")? {
        Outcome::Passed(why) => unchanged(&other, &[1.0; 3], why.unwrap_or_default()),
        failed => Ok(failed),
    }
}
