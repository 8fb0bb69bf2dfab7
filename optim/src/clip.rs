//! Clipping of gradients, and parameters as one vector.

use rushlight_nn::Parameter;
use rushlight_tensor::{Error, Result, Tensor};

/// Scales the gradients of all parameters together so that their norm is at most `max_norm`: `torch.nn.utils.clip_grad_norm_`. The factor is
/// `min(1, max_norm / (norm + 1e-6))`. `norm_type` is the p of the norm: 2 as a rule, perhaps infinite, 0 counts the tensors whose gradient is not zero. Gives the norm
/// before clipping, a 0-d tensor.
///
/// # Errors
/// If the gradients are on different devices.
pub fn clip_grad_norm_(params: &[Parameter], max_norm: f64, norm_type: f64) -> Result<Tensor> {
    let grads: Vec<Tensor> = params.iter().filter_map(Parameter::grad).collect();
    let total = get_total_norm(&grads, norm_type, false)?;
    clip_grads_with_norm_(params, max_norm, &total)?;
    Ok(total)
}

/// The norm of all tensors together, as one vector, a 0-d tensor: `torch.nn.utils.get_total_norm`. Zero if there are none.
///
/// # Errors
/// If they are on different devices, or with `error_if_nonfinite` the norm is infinite or NaN.
pub fn get_total_norm(tensors: &[Tensor], norm_type: f64, error_if_nonfinite: bool) -> Result<Tensor> {
    if tensors.is_empty() {
        return Tensor::zeros((), ());
    }
    let magnitudes = |t: &Tensor| if t.dtype().is_complex() { t.abs() } else { Ok(t.clone()) };
    let one = |t: &Tensor| norm(&magnitudes(&t.with_trace(None))?.reshape(-1)?, norm_type);
    let total = norm(&Tensor::stack(&tensors.iter().map(one).collect::<Result<Vec<_>>>()?, 0)?, norm_type)?;
    if error_if_nonfinite && !total.to_f64()?.is_finite() {
        return Err(Error::value(
            "get_total_norm",
            format!("the norm of order {norm_type} is {}, so gradients cannot be clipped", total.to_f64()?),
        ));
    }
    Ok(total)
}

/// Scales the gradients of all parameters by `min(1, max_norm / (norm + 1e-6))`, for a norm from [`get_total_norm`]: `torch.nn.utils.clip_grads_with_norm_`.
///
/// # Errors
/// If the norm is not one number.
pub fn clip_grads_with_norm_(params: &[Parameter], max_norm: f64, total_norm: &Tensor) -> Result<()> {
    let factor = max_norm / (total_norm.to_f64()? + 1e-6);
    // A norm that is NaN makes all gradients so, as in PyTorch.
    if !(factor >= 1.0) {
        for p in params {
            if let Some(g) = p.grad() {
                p.set_grad(Some(g.with_trace(None).mul(factor)?))?;
            }
        }
    }
    Ok(())
}

/// The p-norm of a vector.
fn norm(x: &Tensor, p: f64) -> Result<Tensor> {
    if x.numel() == 0 {
        return Tensor::zeros((), (x.dtype(), x.device()));
    }
    if p == 2.0 {
        x.square()?.sum()?.sqrt()
    } else if p == 1.0 {
        x.abs()?.sum()
    } else if p == 0.0 {
        x.ne(0.0)?.to_dtype(x.dtype())?.sum()
    } else if p == f64::INFINITY {
        x.abs()?.max()
    } else if p == f64::NEG_INFINITY {
        x.abs()?.min()
    } else {
        x.abs()?.pow(p)?.sum()?.pow(1.0 / p)
    }
}

/// Clamps every element of the gradients to `-clip_value..=clip_value`: `torch.nn.utils.clip_grad_value_`.
///
/// # Errors
/// If the value is negative or NaN.
pub fn clip_grad_value_(params: &[Parameter], clip_value: f64) -> Result<()> {
    if clip_value.is_nan() || clip_value < 0.0 {
        return Err(Error::value("clip_grad_value_", format!("the value must not be negative, got {clip_value}")));
    }
    for p in params {
        if let Some(g) = p.grad() {
            p.set_grad(Some(g.with_trace(None).clamp(-clip_value, clip_value)?))?;
        }
    }
    Ok(())
}

/// All elements of tensors as one vector.
///
/// # Errors
/// If there are none, or dtypes or devices differ.
pub fn parameters_to_vector(tensors: &[Tensor]) -> Result<Tensor> {
    if tensors.is_empty() {
        return Err(Error::value("parameters_to_vector", "got an empty list"));
    }
    Tensor::cat(&tensors.iter().map(|t| t.reshape(-1)).collect::<Result<Vec<_>>>()?, 0)
}

/// Sets parameters to the elements of a vector, in their order.
///
/// # Errors
/// If the vector does not have as many elements as the parameters; nothing is changed then.
pub fn vector_to_parameters(vector: &Tensor, params: &[Parameter]) -> Result<()> {
    let wanted: usize = params.iter().map(Parameter::numel).sum();
    if vector.shape() != [wanted] {
        return Err(Error::shape("vector_to_parameters", format!("wants a vector of {wanted} elements, got {:?}", vector.shape())));
    }
    let mut at = 0;
    for p in params {
        let part = vector.with_trace(None).narrow(0, at, p.numel())?.reshape(p.shape())?;
        p.set(&part.to_dtype(p.dtype())?)?;
        at += p.numel() as isize;
    }
    Ok(())
}
