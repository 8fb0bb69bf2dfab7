//! torch.nn.functional. Most of it is a method of [`Tensor`] under another dress: `relu(&x)` is `x.relu()`, which is what the modules call.

use rushlight_tensor::{EmbeddingOptions, InstanceNorm, Result, Tensor};

mod of_tensors;
mod rnn;

pub use of_tensors::*;
pub use rnn::*;

use crate::{Approximate, Buffer};

/// Batch normalisation of x`[n, channels, ..]`. In training the batch's statistics are used and the running ones, where given, are updated: `running = (1 -
/// momentum) * running + momentum * batch`, with the unbiased variance. Otherwise the running ones are used.
///
/// # Errors
/// If shapes or dtypes do not fit, a channel has a single value in training, or a running statistic is missing outside of it.
#[allow(clippy::too_many_arguments)] // PyTorch's
pub fn batch_norm(
    x: &Tensor,
    running_mean: Option<&Buffer>,
    running_var: Option<&Buffer>,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    training: bool,
    momentum: f64,
    eps: f64,
) -> Result<Tensor> {
    let (mut mean, mut var) = (running_mean.map(Buffer::tensor), running_var.map(Buffer::tensor));
    let y = x.batch_norm(mean.as_mut(), var.as_mut(), weight, bias, training, momentum, eps)?;
    if training {
        keep([(running_mean, mean), (running_var, var)])?;
    }
    Ok(y)
}

/// Rows of a table for indices (int64) of any shape; the options have a say in the table's gradient.
///
/// # Errors
/// If the table is not a matrix, or an index or the padding row is out of range.
pub fn embedding(indices: &Tensor, table: &Tensor, with: EmbeddingOptions) -> Result<Tensor> {
    table.embedding_with(indices, with)
}

/// `x * Phi(x)`, with the error function or by the tanh approximation.
///
/// # Errors
/// If x is not floating point.
pub fn gelu(x: &Tensor, approximate: Approximate) -> Result<Tensor> {
    if approximate == Approximate::Tanh { x.gelu_tanh() } else { x.gelu() }
}

/// Normalisation of each channel of each sample of x`[n, channels, ..]`. With `use_input_stats` the running ones, where given, follow the statistics; otherwise they are used.
///
/// # Errors
/// If shapes or dtypes do not fit, or a running statistic is missing that is used.
pub fn instance_norm(
    x: &Tensor,
    running_mean: Option<&Buffer>,
    running_var: Option<&Buffer>,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    options: InstanceNorm,
) -> Result<Tensor> {
    let (mut mean, mut var) = (running_mean.map(Buffer::tensor), running_var.map(Buffer::tensor));
    let follows = options.use_input_stats;
    let y = x.instance_norm(mean.as_mut(), var.as_mut(), weight, bias, options)?;
    if follows {
        keep([(running_mean, mean), (running_var, var)])?;
    }
    Ok(y)
}

/// Puts new running statistics into their buffers.
fn keep(statistics: [(Option<&Buffer>, Option<Tensor>); 2]) -> Result<()> {
    for (buffer, value) in statistics {
        if let (Some(buffer), Some(value)) = (buffer, value) {
            buffer.set(&value)?;
        }
    }
    Ok(())
}
