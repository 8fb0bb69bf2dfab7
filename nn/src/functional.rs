//! torch.nn.functional, as far as it is not methods of [`Tensor`]: `x.relu()`, `x.linear(..)`, `x.conv2d(..)`, `x.max_pool2d(..)`,
//! `x.cross_entropy(..)` and so on are those.

use rushlight_tensor::{EmbeddingOptions, Result, Tensor};

mod rnn;

pub use rnn::*;

use crate::Buffer;

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
        for (buffer, value) in [(running_mean, mean), (running_var, var)] {
            if let (Some(buffer), Some(value)) = (buffer, value) {
                buffer.set(&value)?;
            }
        }
    }
    Ok(y)
}

/// In training each element is zeroed with probability p and the others scaled by `1 / (1 - p)`, with numbers of the default generator.
///
/// # Errors
/// If p is not in 0 to 1, or x is not floating point.
pub fn dropout(x: &Tensor, p: f64, training: bool) -> Result<Tensor> {
    x.dropout(p, training)
}

/// Rows of a table for indices (int64) of any shape; the options have a say in the table's gradient.
///
/// # Errors
/// If the table is not a matrix, or an index or the padding row is out of range.
pub fn embedding(indices: &Tensor, table: &Tensor, with: EmbeddingOptions) -> Result<Tensor> {
    table.embedding_with(indices, with)
}
