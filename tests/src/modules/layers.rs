//! Layers.

use rushlight_nn as nn;

use super::Modules;
use crate::args::Args;
use crate::golden::Value;
use crate::outcome::CaseResult;

/// Batch norm's momentum, of which None has a meaning.
fn momentum(a: &mut Args) -> CaseResult<Option<f64>> {
    match a.peek("momentum") {
        Some(Value::None) => a.opt_float("momentum"),
        _ => a.float_or("momentum", 0.1).map(Some),
    }
}

pub(super) fn register(m: &mut Modules) {
    m.layer("Linear", |a| {
        let (inputs, outputs) = (a.size("in_features")?, a.size("out_features")?);
        Ok(nn::Linear::builder(inputs, outputs).bias(a.bool_or("bias", true)?).build()?)
    });
    m.layer("Identity", |a| {
        a.rest();
        Ok(nn::Identity::new())
    });
    m.layer("ReLU", |_| Ok(nn::ReLU::new()));
    m.layer("Tanh", |_| Ok(nn::Tanh::new()));
    m.layer("Sigmoid", |_| Ok(nn::Sigmoid::new()));
    m.layer("SiLU", |_| Ok(nn::SiLU::new()));
    m.layer("Flatten", |_| Ok(nn::Flatten::new()));
    m.layer("Dropout", |a| Ok(nn::Dropout::new(a.float_or("p", 0.5)?)?));
    m.layer("Conv2d", |a| {
        let (inputs, outputs, kernel) = (a.size("in_channels")?, a.size("out_channels")?, a.ints("kernel_size")?);
        let builder = nn::Conv2d::builder(inputs, outputs, kernel).stride(a.opt_ints("stride")?.unwrap_or(vec![1]));
        let builder = builder.padding(a.opt_ints("padding")?.unwrap_or(vec![0])).dilation(a.opt_ints("dilation")?.unwrap_or(vec![1]));
        Ok(builder.groups(a.opt_size("groups")?.unwrap_or(1)).bias(a.bool_or("bias", true)?).build()?)
    });
    m.layer("BatchNorm2d", |a| {
        let builder = nn::BatchNorm2d::builder(a.size("num_features")?).eps(a.float_or("eps", 1e-5)?).momentum(momentum(a)?);
        Ok(builder.affine(a.bool_or("affine", true)?).track_running_stats(a.bool_or("track_running_stats", true)?).build()?)
    });
    m.layer("MaxPool2d", |a| Ok(nn::MaxPool2d::new(a.ints("kernel_size")?)?));
    m.layer("AdaptiveAvgPool2d", |a| Ok(nn::AdaptiveAvgPool2d::new(a.ints("output_size")?)?));
    m.layer("Embedding", |a| Ok(nn::Embedding::new(a.size("num_embeddings")?, a.size("embedding_dim")?)?));
}
