//! `torch.nn.init`, and normal numbers with means and deviations of their own.

use rushlight_nn::{Parameter, init};
use rushlight_tensor::{Result, Tensor, default_dtype};

use super::random::dtype;
use crate::args::Args;
use crate::outcome::CaseResult;
use crate::registry::Registry;

/// `init.name(shape, parameters)`: a parameter of the shape, set.
fn set(r: &mut Registry, name: &'static str, f: fn(&Parameter, &mut Args) -> CaseResult<Result<()>>) {
    r.op(name, move |a| {
        let options = dtype(a, default_dtype())?;
        let p = Parameter::new(Tensor::zeros(a.ints("tensor")?, options)?)?;
        f(&p, a)??;
        Ok(p.tensor().with_trace(None))
    });
}

fn fan(a: &mut Args) -> CaseResult<(init::Fan, init::Nonlinearity)> {
    use init::Nonlinearity as N;
    let slope = a.float_or("a", 0.0)?;
    let fan = a.choice("mode", "fan_in", &[("fan_in", Some(init::Fan::In)), ("fan_out", Some(init::Fan::Out))])?;
    let mut known = vec![
        ("sigmoid", Some(N::Sigmoid)),
        ("tanh", Some(N::Tanh)),
        ("relu", Some(N::Relu)),
        ("leaky_relu", Some(N::LeakyRelu(slope))),
        ("selu", Some(N::Selu)),
    ];
    let linear = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"];
    known.extend(linear.map(|name| (name, Some(N::Linear))));
    Ok((fan, a.choice("nonlinearity", "leaky_relu", &known)?))
}

pub(super) fn register(r: &mut Registry) {
    set(r, "init.uniform_", |p, a| Ok(init::uniform_(p, a.float_or("a", 0.0)?, a.float_or("b", 1.0)?)));
    set(r, "init.normal_", |p, a| Ok(init::normal_(p, a.float_or("mean", 0.0)?, a.float_or("std", 1.0)?)));
    set(r, "init.trunc_normal_", |p, a| {
        let (mean, std) = (a.float_or("mean", 0.0)?, a.float_or("std", 1.0)?);
        Ok(init::trunc_normal_(p, mean, std, a.float_or("a", -2.0)?, a.float_or("b", 2.0)?))
    });
    set(r, "init.constant_", |p, a| Ok(init::constant_(p, a.scalar("val")?.to_f64())));
    set(r, "init.ones_", |p, _| Ok(init::ones_(p)));
    set(r, "init.zeros_", |p, _| Ok(init::zeros_(p)));
    set(r, "init.eye_", |p, _| Ok(init::eye_(p)));
    set(r, "init.dirac_", |p, a| Ok(init::dirac_(p, a.opt_size("groups")?.unwrap_or(1))));
    set(r, "init.xavier_uniform_", |p, a| Ok(init::xavier_uniform_(p, a.float_or("gain", 1.0)?)));
    set(r, "init.xavier_normal_", |p, a| Ok(init::xavier_normal_(p, a.float_or("gain", 1.0)?)));
    set(r, "init.kaiming_uniform_", |p, a| {
        let (fan, nonlinearity) = fan(a)?;
        Ok(init::kaiming_uniform_(p, fan, nonlinearity))
    });
    set(r, "init.kaiming_normal_", |p, a| {
        let (fan, nonlinearity) = fan(a)?;
        Ok(init::kaiming_normal_(p, fan, nonlinearity))
    });
    set(r, "init.orthogonal_", |p, a| Ok(init::orthogonal_(p, a.float_or("gain", 1.0)?)));
    set(r, "init.sparse_", |p, a| Ok(init::sparse_(p, a.float_or("sparsity", 0.0)?, a.float_or("std", 0.01)?)));

    r.op("normal", |a| {
        let (mean, std) = (a.either("mean")?, a.either("std")?);
        Ok(Tensor::normal_of(mean.operand(), std.operand())?)
    });
}
