//! Layers: one tensor to one.

use rushlight_nn as nn;
use rushlight_tensor::{InterpolateMode, InterpolateTo, Padding};

use super::Modules;
use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};

/// A size for all dimensions or one for each, with PyTorch's default.
pub(super) fn sizes(a: &mut Args, name: &str, default: isize) -> CaseResult<Vec<isize>> {
    Ok(a.opt_ints(name)?.unwrap_or(vec![default]))
}

/// The stride of a pool: by default, None, that of the kernel.
pub(super) fn stride(a: &mut Args) -> CaseResult<Vec<isize>> {
    Ok(a.opt_ints("stride")?.unwrap_or_default())
}

/// Sizes of which None, our -1, keeps the input's.
pub(super) fn output_size(a: &mut Args) -> CaseResult<Vec<isize>> {
    match a.take("output_size") {
        Some(Value::None) => Ok(vec![-1]),
        Some(Value::Int(i)) => Ok(vec![i as isize]),
        Some(Value::List(items) | Value::Tuple(items)) => items
            .into_iter()
            .map(|v| match v {
                Value::None => Ok(-1),
                Value::Int(i) => Ok(i as isize),
                other => Err(CaseError::Untypable(format!("a size that is {}", other.kind()))),
            })
            .collect(),
        _ => Err(CaseError::Missing("a call without `output_size`".to_string())),
    }
}

/// `size` or `scale_factor`.
fn resized(a: &mut Args) -> CaseResult<InterpolateTo> {
    let size = a.opt_ints("size")?;
    let factors = match a.take("scale_factor") {
        None | Some(Value::None) => None,
        Some(v) => {
            let mut parts = Vec::new();
            v.flatten_into(&mut parts);
            Some(parts.into_iter().map(|v| Args::new(vec![v], vec![]).float_or("factor", 1.0)).collect::<CaseResult<Vec<_>>>()?)
        }
    };
    match (size, factors) {
        (Some(size), _) => Ok(InterpolateTo::size(size)),
        (None, Some(factors)) => Ok(InterpolateTo::scale(&factors)),
        (None, None) => Err(CaseError::Missing("neither size nor factor".to_string())),
    }
}

fn padding(a: &mut Args) -> CaseResult<Padding> {
    match a.peek("padding") {
        Some(Value::Str(_)) => a.choice("padding", "valid", &[("valid", Some(Padding::Valid)), ("same", Some(Padding::Same))]),
        _ => Ok(sizes(a, "padding", 0)?.into()),
    }
}

fn padding_mode(a: &mut Args) -> CaseResult<nn::PaddingMode> {
    use nn::PaddingMode as M;
    let known =
        [("zeros", Some(M::Zeros)), ("reflect", Some(M::Reflect)), ("replicate", Some(M::Replicate)), ("circular", Some(M::Circular))];
    a.choice("padding_mode", "zeros", &known)
}

/// Batch norm's momentum, of which None has a meaning.
fn momentum(a: &mut Args) -> CaseResult<Option<f64>> {
    match a.peek("momentum") {
        Some(Value::None) => a.opt_float("momentum"),
        _ => a.float_or("momentum", 0.1).map(Some),
    }
}

macro_rules! convs {
    ($m:ident: $($conv:ident $transposed:ident),*) => {$(
        $m.layer(stringify!($conv), |a| {
            let (inputs, outputs, kernel) = (a.size("in_channels")?, a.size("out_channels")?, a.ints("kernel_size")?);
            let builder = nn::$conv::builder(inputs, outputs, kernel).stride(sizes(a, "stride", 1)?).padding(padding(a)?);
            let builder = builder.dilation(sizes(a, "dilation", 1)?).groups(a.opt_size("groups")?.unwrap_or(1));
            let builder = builder.bias(a.bool_or("bias", true)?);
            Ok(builder.padding_mode(padding_mode(a)?).build()?)
        });
    )*};
}

macro_rules! pads {
    ($m:ident: $($zero:ident $constant:ident $reflection:ident $replication:ident $circular:ident),*) => {$(
        $m.layer(stringify!($zero), |a| Ok(nn::$zero::new(a.ints("padding")?)?));
        $m.layer(stringify!($constant), |a| {
            let padding = a.ints("padding")?;
            Ok(nn::$constant::new(padding, a.scalar("value")?.to_f64())?)
        });
        $m.layer(stringify!($reflection), |a| Ok(nn::$reflection::new(a.ints("padding")?)?));
        $m.layer(stringify!($replication), |a| Ok(nn::$replication::new(a.ints("padding")?)?));
        $m.layer(stringify!($circular), |a| Ok(nn::$circular::new(a.ints("padding")?)?));
    )*};
}

macro_rules! batch_norms {
    ($m:ident: $($batch:ident $instance:ident),*) => {$(
        $m.layer(stringify!($batch), |a| {
            let builder = nn::$batch::builder(a.size("num_features")?).eps(a.float_or("eps", 1e-5)?).momentum(momentum(a)?);
            Ok(builder.affine(a.bool_or("affine", true)?).track_running_stats(a.bool_or("track_running_stats", true)?).build()?)
        });
        $m.layer(stringify!($instance), |a| {
            let builder = nn::$instance::builder(a.size("num_features")?).eps(a.float_or("eps", 1e-5)?).momentum(a.float_or("momentum", 0.1)?);
            Ok(builder.affine(a.bool_or("affine", false)?).track_running_stats(a.bool_or("track_running_stats", false)?).build()?)
        });
    )*};
}

macro_rules! pools {
    ($m:ident: $($avg:ident $adaptive:ident $lp:ident),*) => {$(
        $m.layer(stringify!($avg), |a| {
            let builder = nn::$avg::builder(a.ints("kernel_size")?).stride(stride(a)?).padding(sizes(a, "padding", 0)?);
            let builder = builder.ceil_mode(a.bool_or("ceil_mode", false)?).count_include_pad(a.bool_or("count_include_pad", true)?);
            Ok(match a.opt_int("divisor_override")? {
                Some(d) => builder.divisor_override(d as i64).build()?,
                None => builder.build()?,
            })
        });
        $m.layer(stringify!($adaptive), |a| Ok(nn::$adaptive::new(output_size(a)?)?));
        $m.layer(stringify!($lp), |a| {
            let builder = nn::$lp::builder(a.float_or("norm_type", 2.0)?, a.ints("kernel_size")?);
            Ok(builder.stride(stride(a)?).ceil_mode(a.bool_or("ceil_mode", false)?).build()?)
        });
    )*};
}

macro_rules! plain {
    ($m:ident: $($name:ident),*) => {$(
        $m.layer(stringify!($name), |_| Ok(nn::$name::new()));
    )*};
}

macro_rules! dropouts {
    ($m:ident: $($name:ident),*) => {$(
        $m.layer(stringify!($name), |a| Ok(nn::$name::new(a.float_or("p", 0.5)?)?));
    )*};
}

pub(super) fn register(m: &mut Modules) {
    linear(m);
    activations(m);
    norms(m);
    convs!(m: Conv1d ConvTranspose1d, Conv2d ConvTranspose2d, Conv3d ConvTranspose3d);
    pads!(m:
        ZeroPad1d ConstantPad1d ReflectionPad1d ReplicationPad1d CircularPad1d,
        ZeroPad2d ConstantPad2d ReflectionPad2d ReplicationPad2d CircularPad2d,
        ZeroPad3d ConstantPad3d ReflectionPad3d ReplicationPad3d CircularPad3d
    );
    pools!(m: AvgPool1d AdaptiveAvgPool1d LPPool1d, AvgPool2d AdaptiveAvgPool2d LPPool2d, AvgPool3d AdaptiveAvgPool3d LPPool3d);
}

fn linear(m: &mut Modules) {
    m.layer("Linear", |a| {
        let (inputs, outputs) = (a.size("in_features")?, a.size("out_features")?);
        Ok(nn::Linear::builder(inputs, outputs).bias(a.bool_or("bias", true)?).build()?)
    });
    m.layer("Identity", |a| {
        a.rest();
        Ok(nn::Identity::new())
    });
    m.layer("Flatten", |a| Ok(nn::Flatten::builder().start_dim(a.int_or("start_dim", 1)?).end_dim(a.int_or("end_dim", -1)?).build()?));
    dropouts!(m: Dropout, Dropout1d, Dropout2d, Dropout3d, AlphaDropout, FeatureAlphaDropout);
    m.layer("Unflatten", |a| {
        let dim = a.int("dim")?;
        Ok(nn::Unflatten::new(dim, a.ints("unflattened_size")?)?)
    });
    m.layer("Embedding", |a| {
        let mut builder = nn::Embedding::builder(a.size("num_embeddings")?, a.size("embedding_dim")?);
        if let Some(i) = a.opt_int("padding_idx")? {
            builder = builder.padding_idx(i);
        }
        if let Some(most) = a.opt_float("max_norm")? {
            builder = builder.max_norm(most);
        }
        Ok(builder.norm_type(a.float_or("norm_type", 2.0)?).scale_grad_by_freq(a.bool_or("scale_grad_by_freq", false)?).build()?)
    });
    m.layer("PixelShuffle", |a| Ok(nn::PixelShuffle::new(a.size("upscale_factor")?)?));
    m.layer("PixelUnshuffle", |a| Ok(nn::PixelUnshuffle::new(a.size("downscale_factor")?)?));
    m.layer("ChannelShuffle", |a| Ok(nn::ChannelShuffle::new(a.size("groups")?)?));
    m.layer("Unfold", |a| {
        let builder = nn::Unfold::builder(a.ints("kernel_size")?).dilation(sizes(a, "dilation", 1)?);
        Ok(builder.padding(sizes(a, "padding", 0)?).stride(sizes(a, "stride", 1)?).build()?)
    });
    m.layer("Fold", |a| {
        let (size, kernel) = (a.ints("output_size")?, a.ints("kernel_size")?);
        let builder = nn::Fold::builder(size, kernel).dilation(sizes(a, "dilation", 1)?);
        Ok(builder.padding(sizes(a, "padding", 0)?).stride(sizes(a, "stride", 1)?).build()?)
    });
    m.layer("Upsample", |a| {
        use InterpolateMode as M;
        let known = [
            ("nearest", Some(M::Nearest)),
            ("nearest-exact", Some(M::NearestExact)),
            ("linear", Some(M::Linear)),
            ("bilinear", Some(M::Bilinear)),
            ("bicubic", Some(M::Bicubic)),
            ("trilinear", Some(M::Trilinear)),
            ("area", Some(M::Area)),
        ];
        let to = resized(a)?;
        let builder = nn::Upsample::builder(to).mode(a.choice("mode", "nearest", &known)?);
        let builder = match a.peek("align_corners") {
            None | Some(Value::None) => {
                a.none("align_corners")?;
                builder
            }
            Some(_) => builder.align_corners(a.bool_or("align_corners", false)?),
        };
        Ok(match a.peek("recompute_scale_factor") {
            None | Some(Value::None) => {
                a.none("recompute_scale_factor")?;
                builder.build()?
            }
            Some(_) => builder.recompute_scale_factor(a.bool_or("recompute_scale_factor", false)?).build()?,
        })
    });
    m.layer("UpsamplingNearest2d", |a| Ok(nn::UpsamplingNearest2d::new(resized(a)?)));
    m.layer("UpsamplingBilinear2d", |a| Ok(nn::UpsamplingBilinear2d::new(resized(a)?)));
}

fn activations(m: &mut Modules) {
    plain!(m: ReLU, Tanh, Sigmoid, SiLU, Mish, SELU, ReLU6, Hardsigmoid, Hardswish, LogSigmoid, Softmax2d, Softsign, Tanhshrink);
    m.layer("GELU", |a| {
        let known = [("none", Some(nn::Approximate::None)), ("tanh", Some(nn::Approximate::Tanh))];
        Ok(nn::GELU::builder().approximate(a.choice("approximate", "none", &known)?).build()?)
    });
    m.layer("LeakyReLU", |a| Ok(nn::LeakyReLU::builder().negative_slope(a.float_or("negative_slope", 0.01)?).build()?));
    m.layer("ELU", |a| Ok(nn::ELU::builder().alpha(a.float_or("alpha", 1.0)?).build()?));
    m.layer("RReLU", |a| Ok(nn::RReLU::builder().lower(a.float_or("lower", 1.0 / 8.0)?).upper(a.float_or("upper", 1.0 / 3.0)?).build()?));
    m.layer("CELU", |a| Ok(nn::CELU::builder().alpha(a.float_or("alpha", 1.0)?).build()?));
    m.layer("Hardtanh", |a| {
        Ok(nn::Hardtanh::builder().min_val(a.float_or("min_val", -1.0)?).max_val(a.float_or("max_val", 1.0)?).build()?)
    });
    m.layer("Hardshrink", |a| Ok(nn::Hardshrink::builder().lambd(a.float_or("lambd", 0.5)?).build()?));
    m.layer("Softshrink", |a| Ok(nn::Softshrink::builder().lambd(a.float_or("lambd", 0.5)?).build()?));
    m.layer("GLU", |a| Ok(nn::GLU::builder().dim(a.int_or("dim", -1)?).build()?));
    m.layer("Threshold", |a| {
        let threshold = a.scalar("threshold")?.to_f64();
        Ok(nn::Threshold::new(threshold, a.scalar("value")?.to_f64())?)
    });
    m.layer("PReLU", |a| {
        let builder = nn::PReLU::builder().num_parameters(a.opt_size("num_parameters")?.unwrap_or(1));
        Ok(builder.init(a.float_or("init", 0.25)?).build()?)
    });
    m.layer("Softplus", |a| {
        Ok(nn::Softplus::builder().beta(a.float_or("beta", 1.0)?).threshold(a.float_or("threshold", 20.0)?).build()?)
    });
    m.layer("Softmax", |a| Ok(nn::Softmax::new(a.int("dim")?)?));
    m.layer("Softmin", |a| Ok(nn::Softmin::new(a.int("dim")?)?));
    m.layer("LogSoftmax", |a| Ok(nn::LogSoftmax::new(a.int("dim")?)?));
}

fn norms(m: &mut Modules) {
    batch_norms!(m: BatchNorm1d InstanceNorm1d, BatchNorm2d InstanceNorm2d, BatchNorm3d InstanceNorm3d);
    m.layer("LayerNorm", |a| {
        let builder = nn::LayerNorm::builder(a.ints("normalized_shape")?).eps(a.float_or("eps", 1e-5)?);
        Ok(builder.elementwise_affine(a.bool_or("elementwise_affine", true)?).bias(a.bool_or("bias", true)?).build()?)
    });
    m.layer("RMSNorm", |a| {
        let builder = nn::RMSNorm::builder(a.ints("normalized_shape")?);
        let builder = match a.opt_float("eps")? {
            Some(eps) => builder.eps(eps),
            None => builder,
        };
        Ok(builder.elementwise_affine(a.bool_or("elementwise_affine", true)?).build()?)
    });
    m.layer("GroupNorm", |a| {
        let builder = nn::GroupNorm::builder(a.size("num_groups")?, a.size("num_channels")?);
        Ok(builder.eps(a.float_or("eps", 1e-5)?).affine(a.bool_or("affine", true)?).build()?)
    });
    m.layer("LocalResponseNorm", |a| {
        let builder = nn::LocalResponseNorm::builder(a.size("size")?).alpha(a.float_or("alpha", 1e-4)?);
        Ok(builder.beta(a.float_or("beta", 0.75)?).k(a.float_or("k", 1.0)?).build()?)
    });
    m.layer("CrossMapLRN2d", |a| {
        let builder = nn::CrossMapLRN2d::builder(a.size("size")?).alpha(a.float_or("alpha", 1e-4)?);
        Ok(builder.beta(a.float_or("beta", 0.75)?).k(a.float_or("k", 1.0)?).build()?)
    });
}
