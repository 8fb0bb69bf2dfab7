//! Normalisations.

use rushlight_tensor::{InstanceNorm, Result, Tensor, masked};

use crate::args::Args;
use crate::outcome::CaseResult;
use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    along(r, "softmax", Tensor::softmax);
    along(r, "log_softmax", Tensor::log_softmax);
    r.op("nn.functional.softmin", |a| {
        let (x, dim) = (a.tensor("input")?, a.int("dim")?);
        a.take("_stacklevel");
        Ok(match a.opt_dtype("dtype")? {
            Some(dtype) => x.softmin_as(dim, dtype)?,
            None => x.softmin(dim)?,
        })
    });
    masked_along(r, "masked.softmax", masked::softmax);
    masked_along(r, "masked.log_softmax", masked::log_softmax);
    masked_along(r, "masked.softmin", masked::softmin);
    r.op("masked.normalize", |a| {
        let (x, p, dim) = (a.tensor("input")?, a.float_or("ord", 2.0)?, a.int("dim")?);
        let eps = a.float_or("eps", 1e-12)?;
        let x = converted(a, x)?;
        Ok(masked::normalize(&x, p, dim, eps, a.opt_tensor("mask")?.as_ref())?)
    });
    r.op("nn.functional.batch_norm", batch_norm);
    r.op("native_batch_norm", native_batch_norm);
    r.op("nn.functional.instance_norm", instance_norm);
    r.op("nn.functional.layer_norm", |a| {
        let (x, shape) = (a.tensor("input")?, a.ints("normalized_shape")?);
        let (w, b, eps) = (a.opt_tensor("weight")?, a.opt_tensor("bias")?, a.float_or("eps", 1e-5)?);
        Ok(x.layer_norm(shape, w.as_ref(), b.as_ref(), eps)?)
    });
    r.op("native_layer_norm", |a| {
        let (x, shape) = (a.tensor("input")?, a.ints("normalized_shape")?);
        let (w, b, eps) = (a.opt_tensor("weight")?, a.opt_tensor("bias")?, a.float_or("eps", 1e-5)?);
        Ok(x.native_layer_norm(shape, w.as_ref(), b.as_ref(), eps)?)
    });
    r.op("nn.functional.group_norm", |a| {
        let (x, groups) = (a.tensor("input")?, a.size("num_groups")?);
        let (w, b, eps) = (a.opt_tensor("weight")?, a.opt_tensor("bias")?, a.float_or("eps", 1e-5)?);
        Ok(x.group_norm(groups, w.as_ref(), b.as_ref(), eps)?)
    });
    r.op("native_group_norm", |a| {
        let (x, w, b) = (a.tensor("input")?, a.opt_tensor("weight")?, a.opt_tensor("bias")?);
        // The sizes of batch, channels and the rest, which are the input's own.
        for name in ["N", "C", "HxW"] {
            a.size(name)?;
        }
        let groups = a.size("group")?;
        Ok(x.native_group_norm(groups, w.as_ref(), b.as_ref(), a.float_or("eps", 1e-5)?)?)
    });
    r.op("nn.functional.rms_norm", |a| {
        let (x, shape) = (a.tensor("input")?, a.ints("normalized_shape")?);
        let (w, eps) = (a.opt_tensor("weight")?, a.opt_float("eps")?);
        Ok(x.rms_norm(shape, w.as_ref(), eps)?)
    });
    r.op("nn.functional.local_response_norm", |a| {
        let (x, size) = (a.tensor("input")?, a.size("size")?);
        Ok(x.local_response_norm(size, a.float_or("alpha", 1e-4)?, a.float_or("beta", 0.75)?, a.float_or("k", 1.0)?)?)
    });
    r.op("nn.functional.normalize", |a| {
        let (x, p) = (a.tensor("input")?, a.float_or("p", 2.0)?);
        Ok(x.normalize(p, a.opt_ints("dim")?.unwrap_or_else(|| vec![1]), a.float_or("eps", 1e-12)?)?)
    });
    r.op("nn.functional.cosine_similarity", |a| {
        let (x, y) = (a.tensor("x1")?, a.tensor("x2")?);
        Ok(x.cosine_similarity(&y, a.int_or("dim", 1)?, a.float_or("eps", 1e-8)?)?)
    });
    r.alias("cosine_similarity", "nn.functional.cosine_similarity");
    r.op("nn.functional.pairwise_distance", |a| {
        let (x, y) = (a.tensor("x1")?, a.tensor("x2")?);
        Ok(x.pairwise_distance(&y, a.float_or("p", 2.0)?, a.float_or("eps", 1e-6)?, a.bool_or("keepdim", false)?)?)
    });
    r.op("nn.functional.pdist", |a| Ok(a.tensor("input")?.pdist(a.float_or("p", 2.0)?)?));
    r.alias("pdist", "nn.functional.pdist");
    r.op("cdist", |a| {
        let (x, y, p) = (a.tensor("x1")?, a.tensor("x2")?, a.float_or("p", 2.0)?);
        // How it is computed.
        let modes = ["use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"];
        a.choice("compute_mode", modes[0], &modes.map(|m| (m, Some(()))))?;
        Ok(x.cdist(&y, p)?)
    });
}

/// The result, and the means and factors of the batch for its gradient: nothing outside of training.
fn native_batch_norm(a: &mut Args) -> CaseResult<Vec<Tensor>> {
    let x = a.tensor("input")?;
    let (weight, bias) = (a.opt_tensor("weight")?, a.opt_tensor("bias")?);
    let (mut mean, mut var) = (a.opt_tensor("running_mean")?, a.opt_tensor("running_var")?);
    let (training, momentum, eps) = (a.bool_or("training", false)?, a.float_or("momentum", 0.1)?, a.float_or("eps", 1e-5)?);
    let y = x.batch_norm(mean.as_mut(), var.as_mut(), weight.as_ref(), bias.as_ref(), training, momentum, eps)?;
    let results = if training {
        let (_, mean, var) = x.batch_norm_train(weight.as_ref(), bias.as_ref(), eps)?;
        vec![y, mean, var.add(eps)?.rsqrt()?]
    } else {
        let none = Tensor::zeros(0, (x.dtype(), x.device()))?;
        vec![y, none.clone(), none]
    };
    for (name, now) in [("running_mean", mean), ("running_var", var)] {
        if let Some(now) = now.filter(|_| training) {
            a.changed(name, now);
        }
    }
    Ok(results)
}

fn instance_norm(a: &mut Args) -> CaseResult<Tensor> {
    let x = a.tensor("input")?;
    let (mut mean, mut var) = (a.opt_tensor("running_mean")?, a.opt_tensor("running_var")?);
    let (weight, bias) = (a.opt_tensor("weight")?, a.opt_tensor("bias")?);
    let use_input_stats = a.bool_or("use_input_stats", true)?;
    let options = InstanceNorm { use_input_stats, momentum: a.float_or("momentum", 0.1)?, eps: a.float_or("eps", 1e-5)? };
    let y = x.instance_norm(mean.as_mut(), var.as_mut(), weight.as_ref(), bias.as_ref(), options)?;
    for (name, now) in [("running_mean", mean), ("running_var", var)] {
        if let Some(now) = now.filter(|_| use_input_stats) {
            a.changed(name, now);
        }
    }
    Ok(y)
}

/// The input in the dtype that is asked for.
fn converted(a: &mut Args, x: Tensor) -> CaseResult<Tensor> {
    Ok(match a.opt_dtype("dtype")? {
        Some(d) => x.to_dtype(d)?,
        None => x,
    })
}

/// `f(input, dim, dtype=None, mask=None)`.
fn masked_along(r: &mut Registry, name: &'static str, f: fn(&Tensor, isize, Option<&Tensor>) -> Result<Tensor>) {
    r.op(name, move |a| {
        let (x, dim) = (a.tensor("input")?, a.int("dim")?);
        let x = converted(a, x)?;
        Ok(f(&x, dim, a.opt_tensor("mask")?.as_ref())?)
    });
}

/// `f(input, dim, dtype=None)`: the input is converted first.
fn along(r: &mut Registry, name: &'static str, f: fn(&Tensor, isize) -> Result<Tensor>) {
    r.op(name, move |a| {
        let (x, dim) = (a.tensor("input")?, a.int("dim")?);
        Ok(f(&converted(a, x)?, dim)?)
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
