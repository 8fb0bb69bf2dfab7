//! Modules of several arguments or results.

use rushlight_nn as nn;
use rushlight_tensor::BagMode;

use super::layers::{output_size, sizes, stride};
use super::{Called, Modules};
use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};

/// A module that gives its indices too, if they are asked for.
struct Indexed<M> {
    module: M,
    with_indices: bool,
}

impl<M: nn::Module> nn::Module for Indexed<M> {
    fn visit(&self, visitor: &mut dyn nn::Visitor) {
        self.module.visit(visitor);
    }
    fn type_name(&self) -> &'static str {
        self.module.type_name()
    }
}

macro_rules! pools {
    ($m:ident: $($max:ident $adaptive:ident $unpool:ident $transposed:ident),*) => {$(
        $m.other(stringify!($max), |a| {
            let builder = nn::$max::builder(a.ints("kernel_size")?).stride(stride(a)?).padding(sizes(a, "padding", 0)?);
            let builder = builder.dilation(sizes(a, "dilation", 1)?);
            let with_indices = a.bool_or("return_indices", false)?;
            let module = builder.ceil_mode(a.bool_or("ceil_mode", false)?).build()?;
            Ok(Called { module: Indexed { module, with_indices }, call: |m, a| {
                let x = a.tensor("input")?;
                if !m.with_indices {
                    return Ok(vec![nn::Forward::forward(&m.module, &x)?.into()]);
                }
                let (y, i) = m.module.forward_with_indices(&x)?;
                Ok(vec![y.into(), i.into()])
            } })
        });
        $m.layer(stringify!($max), |a| {
            let builder = nn::$max::builder(a.ints("kernel_size")?).stride(stride(a)?).padding(sizes(a, "padding", 0)?);
            Ok(builder.dilation(sizes(a, "dilation", 1)?).ceil_mode(a.bool_or("ceil_mode", false)?).build()?)
        });
        $m.other(stringify!($adaptive), |a| {
            let module = nn::$adaptive::new(output_size(a)?)?;
            let with_indices = a.bool_or("return_indices", false)?;
            Ok(Called { module: Indexed { module, with_indices }, call: |m, a| {
                let x = a.tensor("input")?;
                if !m.with_indices {
                    return Ok(vec![nn::Forward::forward(&m.module, &x)?.into()]);
                }
                let (y, i) = m.module.forward_with_indices(&x)?;
                Ok(vec![y.into(), i.into()])
            } })
        });
        $m.layer(stringify!($adaptive), |a| Ok(nn::$adaptive::new(output_size(a)?)?));
        $m.other(stringify!($unpool), |a| {
            let builder = nn::$unpool::builder(a.ints("kernel_size")?).stride(stride(a)?).padding(sizes(a, "padding", 0)?);
            Ok(Called { module: builder.build()?, call: |m, a| {
                let (x, i) = (a.tensor("input")?, a.tensor("indices")?);
                Ok(vec![m.forward(&x, &i, a.opt_ints("output_size")?.unwrap_or_default())?.into()])
            } })
        });
        $m.other(stringify!($transposed), |a| {
            let (inputs, outputs, kernel) = (a.size("in_channels")?, a.size("out_channels")?, a.ints("kernel_size")?);
            let builder = nn::$transposed::builder(inputs, outputs, kernel).stride(sizes(a, "stride", 1)?).padding(sizes(a, "padding", 0)?);
            let builder = builder.output_padding(sizes(a, "output_padding", 0)?).groups(a.opt_size("groups")?.unwrap_or(1));
            // PyTorch has the argument, and takes nothing else.
            a.choice("padding_mode", "zeros", &[("zeros", Some(()))])?;
            let module = builder.bias(a.bool_or("bias", true)?).dilation(sizes(a, "dilation", 1)?).build()?;
            Ok(Called { module, call: |m, a| {
                let x = a.tensor("input")?;
                Ok(vec![match a.opt_ints("output_size")? {
                    Some(size) => m.forward_sized(&x, size)?,
                    None => nn::Forward::forward(m, &x)?,
                }.into()])
            } })
        });
        $m.layer(stringify!($transposed), |a| {
            let (inputs, outputs, kernel) = (a.size("in_channels")?, a.size("out_channels")?, a.ints("kernel_size")?);
            let builder = nn::$transposed::builder(inputs, outputs, kernel).stride(sizes(a, "stride", 1)?).padding(sizes(a, "padding", 0)?);
            let builder = builder.output_padding(sizes(a, "output_padding", 0)?).groups(a.opt_size("groups")?.unwrap_or(1));
            // PyTorch has the argument, and takes nothing else.
            a.choice("padding_mode", "zeros", &[("zeros", Some(()))])?;
            Ok(builder.bias(a.bool_or("bias", true)?).dilation(sizes(a, "dilation", 1)?).build()?)
        });
    )*};
}

fn nonlinearity(a: &mut Args) -> CaseResult<nn::RnnNonlinearity> {
    a.choice("nonlinearity", "tanh", &[("tanh", Some(nn::RnnNonlinearity::Tanh)), ("relu", Some(nn::RnnNonlinearity::Relu))])
}

/// Two states, as a tuple.
fn states(a: &mut Args) -> CaseResult<Option<Vec<rushlight_tensor::Tensor>>> {
    match a.peek("hx") {
        None => Ok(None),
        Some(_) => {
            let both = a.tensors("hx")?;
            if both.len() == 2 { Ok(Some(both)) } else { Err(CaseError::Untypable("the states are two".to_string())) }
        }
    }
}

macro_rules! recurrent {
    ($a:ident, $module:ident) => {{
        let builder =
            nn::$module::builder($a.size("input_size")?, $a.size("hidden_size")?).num_layers($a.opt_size("num_layers")?.unwrap_or(1));
        let builder = builder.bias($a.bool_or("bias", true)?).batch_first($a.bool_or("batch_first", false)?);
        builder.dropout($a.float_or("dropout", 0.0)?).bidirectional($a.bool_or("bidirectional", false)?)
    }};
}

macro_rules! cell {
    ($a:ident, $module:ident) => {
        nn::$module::builder($a.size("input_size")?, $a.size("hidden_size")?).bias($a.bool_or("bias", true)?)
    };
}

pub(super) fn register(m: &mut Modules) {
    pools!(m:
        MaxPool1d AdaptiveMaxPool1d MaxUnpool1d ConvTranspose1d,
        MaxPool2d AdaptiveMaxPool2d MaxUnpool2d ConvTranspose2d,
        MaxPool3d AdaptiveMaxPool3d MaxUnpool3d ConvTranspose3d
    );
    m.other("Bilinear", |a| {
        let builder = nn::Bilinear::builder(a.size("in1_features")?, a.size("in2_features")?, a.size("out_features")?);
        let call = |m: &nn::Bilinear, a: &mut Args| -> CaseResult<Vec<Value>> {
            Ok(vec![m.forward(&a.tensor("input1")?, &a.tensor("input2")?)?.into()])
        };
        Ok(Called { module: builder.bias(a.bool_or("bias", true)?).build()?, call })
    });
    m.other("EmbeddingBag", |a| {
        let known = [("sum", Some(BagMode::Sum)), ("mean", Some(BagMode::Mean)), ("max", Some(BagMode::Max))];
        let mut builder = nn::EmbeddingBag::builder(a.size("num_embeddings")?, a.size("embedding_dim")?);
        if let Some(most) = a.opt_float("max_norm")? {
            builder = builder.max_norm(most);
        }
        let builder = builder.norm_type(a.float_or("norm_type", 2.0)?).scale_grad_by_freq(a.bool_or("scale_grad_by_freq", false)?);
        let mut builder = builder.mode(a.choice("mode", "mean", &known)?).include_last_offset(a.bool_or("include_last_offset", false)?);
        if let Some(i) = a.opt_int("padding_idx")? {
            builder = builder.padding_idx(i);
        }
        let call = |m: &nn::EmbeddingBag, a: &mut Args| -> CaseResult<Vec<Value>> {
            let (x, offsets, weights) = (a.tensor("input")?, a.opt_tensor("offsets")?, a.opt_tensor("per_sample_weights")?);
            Ok(vec![m.forward(&x, offsets.as_ref(), weights.as_ref())?.into()])
        };
        Ok(Called { module: builder.build()?, call })
    });
    m.other("CosineSimilarity", |a| {
        let module = nn::CosineSimilarity::builder().dim(a.int_or("dim", 1)?).eps(a.float_or("eps", 1e-8)?).build()?;
        let call = |m: &nn::CosineSimilarity, a: &mut Args| -> CaseResult<Vec<Value>> {
            Ok(vec![m.forward(&a.tensor("x1")?, &a.tensor("x2")?)?.into()])
        };
        Ok(Called { module, call })
    });
    m.other("PairwiseDistance", |a| {
        let builder = nn::PairwiseDistance::builder().p(a.float_or("p", 2.0)?).eps(a.float_or("eps", 1e-6)?);
        let call = |m: &nn::PairwiseDistance, a: &mut Args| -> CaseResult<Vec<Value>> {
            Ok(vec![m.forward(&a.tensor("x1")?, &a.tensor("x2")?)?.into()])
        };
        Ok(Called { module: builder.keepdim(a.bool_or("keepdim", false)?).build()?, call })
    });
    recurrent(m);
}

fn recurrent(m: &mut Modules) {
    m.other("RNN", |a| {
        let builder = recurrent!(a, RNN).nonlinearity(nonlinearity(a)?);
        let call = |m: &nn::RNN, a: &mut Args| -> CaseResult<Vec<Value>> {
            let (y, h) = m.forward_with(&a.tensor("input")?, a.opt_tensor("hx")?.as_ref())?;
            Ok(vec![y.into(), h.into()])
        };
        Ok(Called { module: builder.build()?, call })
    });
    m.other("GRU", |a| {
        let call = |m: &nn::GRU, a: &mut Args| -> CaseResult<Vec<Value>> {
            let (y, h) = m.forward_with(&a.tensor("input")?, a.opt_tensor("hx")?.as_ref())?;
            Ok(vec![y.into(), h.into()])
        };
        Ok(Called { module: recurrent!(a, GRU).build()?, call })
    });
    m.other("LSTM", |a| {
        let builder = recurrent!(a, LSTM).proj_size(a.opt_size("proj_size")?.unwrap_or(0));
        let call = |m: &nn::LSTM, a: &mut Args| -> CaseResult<Vec<Value>> {
            let x = a.tensor("input")?;
            let first = states(a)?;
            let (y, (h, c)) = m.forward_with(&x, first.as_ref().map(|s| (&s[0], &s[1])))?;
            Ok(vec![y.into(), h.into(), c.into()])
        };
        Ok(Called { module: builder.build()?, call })
    });
    m.other("RNNCell", |a| {
        let builder = cell!(a, RNNCell).nonlinearity(nonlinearity(a)?);
        let call = |m: &nn::RNNCell, a: &mut Args| -> CaseResult<Vec<Value>> {
            Ok(vec![m.forward(&a.tensor("input")?, a.opt_tensor("hx")?.as_ref())?.into()])
        };
        Ok(Called { module: builder.build()?, call })
    });
    m.other("GRUCell", |a| {
        let call = |m: &nn::GRUCell, a: &mut Args| -> CaseResult<Vec<Value>> {
            Ok(vec![m.forward(&a.tensor("input")?, a.opt_tensor("hx")?.as_ref())?.into()])
        };
        Ok(Called { module: cell!(a, GRUCell).build()?, call })
    });
    m.other("LSTMCell", |a| {
        let call = |m: &nn::LSTMCell, a: &mut Args| -> CaseResult<Vec<Value>> {
            let x = a.tensor("input")?;
            let first = states(a)?;
            let (h, c) = m.forward(&x, first.as_ref().map(|s| (&s[0], &s[1])))?;
            Ok(vec![h.into(), c.into()])
        };
        Ok(Called { module: cell!(a, LSTMCell).build()?, call })
    });
}
