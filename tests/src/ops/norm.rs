//! Normalisations.

use rushlight_tensor::{Result, Tensor};

use crate::args::Args;
use crate::outcome::CaseResult;
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    along(r, "softmax", Tensor::softmax);
    along(r, "log_softmax", Tensor::log_softmax);
    along(r, "nn.functional.softmin", Tensor::softmin);
    r.op("nn.functional.batch_norm", batch_norm);
}

/// `f(input, dim, dtype=None)`: the input is converted first.
fn along(r: &mut Registry, name: &'static str, f: fn(&Tensor, isize) -> Result<Tensor>) {
    r.op(name, move |a| {
        let (x, dim) = (a.tensor("input")?, a.int("dim")?);
        let x = match a.opt_dtype("dtype")? {
            Some(d) => x.to_dtype(d)?,
            None => x,
        };
        Ok(f(&x, dim)?)
    });
}

fn batch_norm(a: &mut Args) -> CaseResult<Tensor> {
    let x = a.tensor("input")?;
    let (mut mean, mut var) = (a.opt_tensor("running_mean")?, a.opt_tensor("running_var")?);
    let (weight, bias) = (a.opt_tensor("weight")?, a.opt_tensor("bias")?);
    let (training, momentum, eps) = (a.bool_or("training", false)?, a.float_or("momentum", 0.1)?, a.float_or("eps", 1e-5)?);
    let y = x.batch_norm(mean.as_mut(), var.as_mut(), weight.as_ref(), bias.as_ref(), training, momentum, eps)?;
    for (name, now) in [("running_mean", mean), ("running_var", var)] {
        if let Some(now) = now.filter(|_| training) {
            a.changed(name, now);
        }
    }
    Ok(y)
}
