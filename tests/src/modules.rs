//! Layers and optimizers by PyTorch's names and arguments.

use rushlight_nn::{self as nn, Layer};
use rushlight_optim::{Adam, AdamW, Optimizer, SGD};
use rushlight_tensor::DType;

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};

/// A layer that maps one tensor to one tensor: its class in `torch.nn` and the arguments of its constructor.
///
/// # Errors
/// If we do not have it or one of its arguments, or it refuses them.
pub fn layer(class: &str, a: &mut Args, dtype: DType) -> CaseResult<Box<dyn Layer>> {
    let built: Box<dyn Layer> = match class {
        "Linear" => {
            let (inputs, outputs) = (a.size("in_features")?, a.size("out_features")?);
            Box::new(nn::Linear::builder(inputs, outputs).bias(a.bool_or("bias", true)?).dtype(dtype).build()?)
        }
        "Identity" => {
            a.rest();
            Box::new(nn::Identity::new())
        }
        "ReLU" => {
            a.ignore("inplace");
            Box::new(nn::ReLU::new())
        }
        "Tanh" => Box::new(nn::Tanh::new()),
        "Sigmoid" => Box::new(nn::Sigmoid::new()),
        "SiLU" => {
            a.ignore("inplace");
            Box::new(nn::SiLU::new())
        }
        "Flatten" => Box::new(nn::Flatten::new()),
        "Dropout" => {
            a.ignore("inplace");
            Box::new(nn::Dropout::new(a.float_or("p", 0.5)?)?)
        }
        "Conv2d" => {
            let (inputs, outputs, kernel) = (a.size("in_channels")?, a.size("out_channels")?, a.ints("kernel_size")?);
            let builder = nn::Conv2d::builder(inputs, outputs, kernel).stride(a.opt_ints("stride")?.unwrap_or(vec![1]));
            let builder = builder.padding(a.opt_ints("padding")?.unwrap_or(vec![0])).dilation(a.opt_ints("dilation")?.unwrap_or(vec![1]));
            Box::new(builder.groups(a.opt_size("groups")?.unwrap_or(1)).bias(a.bool_or("bias", true)?).dtype(dtype).build()?)
        }
        "BatchNorm2d" => {
            let builder = nn::BatchNorm2d::builder(a.size("num_features")?).eps(a.float_or("eps", 1e-5)?);
            let builder = match a.peek("momentum") {
                Some(Value::None) => {
                    a.take("momentum");
                    builder.momentum(None)
                }
                _ => builder.momentum(Some(a.float_or("momentum", 0.1)?)),
            };
            let builder = builder.affine(a.bool_or("affine", true)?).track_running_stats(a.bool_or("track_running_stats", true)?);
            Box::new(builder.dtype(dtype).build()?)
        }
        "MaxPool2d" => {
            let kernel = a.ints("kernel_size")?;
            Box::new(nn::MaxPool2d::new(kernel)?)
        }
        "AdaptiveAvgPool2d" => Box::new(nn::AdaptiveAvgPool2d::new(a.ints("output_size")?)?),
        "Embedding" => Box::new(nn::Embedding::builder(a.size("num_embeddings")?, a.size("embedding_dim")?).dtype(dtype).build()?),
        other => return Err(CaseError::Missing(format!("module `{other}`"))),
    };
    match a.unused() {
        None => Ok(built),
        Some(unused) => Err(CaseError::Missing(unused)),
    }
}

/// An optimizer over parameters: its class in `torch.optim` and its keyword arguments.
///
/// # Errors
/// If we do not have it or one of its arguments, or it refuses them.
pub fn optimizer(class: &str, a: &mut Args, params: Vec<nn::Parameter>) -> CaseResult<Box<dyn Optimizer>> {
    for name in ["foreach", "fused", "capturable", "differentiable"] {
        a.ignore(name);
    }
    let built: Box<dyn Optimizer> = match class {
        "SGD" => {
            let builder = SGD::new(params, a.float_or("lr", 1e-3)?).momentum(a.float_or("momentum", 0.0)?);
            let builder = builder.dampening(a.float_or("dampening", 0.0)?).weight_decay(a.float_or("weight_decay", 0.0)?);
            Box::new(builder.nesterov(a.bool_or("nesterov", false)?).maximize(a.bool_or("maximize", false)?).build()?)
        }
        "Adam" | "AdamW" => {
            let lr = a.float_or("lr", 1e-3)?;
            let decay = if class == "AdamW" { 0.01 } else { 0.0 };
            let decoupled = class == "AdamW" || a.bool_or("decoupled_weight_decay", false)?;
            let builder = if decoupled { AdamW::new(params, lr) } else { Adam::new(params, lr) };
            let builder = match a.take_named("betas") {
                None => builder,
                Some(v) => {
                    let mut parts = Vec::new();
                    v.flatten_into(&mut parts);
                    let mut betas = Args::new(parts, vec![]);
                    builder.betas((betas.float_or("beta1", 0.9)?, betas.float_or("beta2", 0.999)?))
                }
            };
            let builder = builder.eps(a.float_or("eps", 1e-8)?).weight_decay(a.float_or("weight_decay", decay)?);
            Box::new(builder.amsgrad(a.bool_or("amsgrad", false)?).maximize(a.bool_or("maximize", false)?).build()?)
        }
        other => return Err(CaseError::Missing(format!("optimizer `{other}`"))),
    };
    match a.unused() {
        None => Ok(built),
        Some(unused) => Err(CaseError::Missing(unused)),
    }
}
