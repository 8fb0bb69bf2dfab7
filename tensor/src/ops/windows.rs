//! Window functions, `torch.signal.windows`.
//!
//! All take the number of points and `sym`: whether the window is symmetric (for filters) or periodic (for spectra). They are computed in double
//! precision; results are `float32` (or the default dtype) or `float64`.

use rushlight_backend::{DType, Error, Result};

use crate::{Device, Options, Tensor, default_dtype};

fn checked(op: &'static str, options: Options) -> Result<(DType, Device)> {
    let (dtype, device) = (options.dtype.unwrap_or_else(default_dtype), options.device);
    if !matches!(dtype, DType::F32 | DType::F64) {
        return Err(Error::dtype(op, format!("windows are float32 or float64, got {dtype}")));
    }
    Ok((dtype, device))
}

/// A window from its values.
fn window(op: &'static str, m: usize, options: Options, f: impl Fn(f64) -> f64) -> Result<Tensor> {
    let (dtype, device) = checked(op, options)?;
    Tensor::from_vec((0..m).map(|i| f(i as f64)).collect::<Vec<f64>>(), m, device)?.to_dtype(dtype)
}

/// A window of one point is 1. Else the number of intervals.
fn intervals(m: usize, sym: bool) -> Option<f64> {
    match m {
        0 | 1 => None,
        _ => Some(if sym { m as f64 - 1.0 } else { m as f64 }),
    }
}

/// `sum over i of (-1)^i a[i] cos(i k)`, k from 0 to 2 pi.
///
/// # Errors
/// If there is no coefficient, or the dtype is not `float32` or `float64`.
pub fn general_cosine(m: usize, a: &[f64], sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    if a.is_empty() {
        return Err(Error::value("general_cosine", "needs at least one coefficient"));
    }
    let n = intervals(m, sym);
    window("general_cosine", m, options.into(), |x| {
        let Some(n) = n else { return 1.0 };
        let k = 2.0 * std::f64::consts::PI * x / n;
        let terms = a.iter().enumerate().map(|(i, a)| if i % 2 == 0 { *a } else { -a } * (i as f64 * k).cos());
        terms.sum()
    })
}

/// `alpha - (1 - alpha) cos(k)`. PyTorch's default alpha is 0.54.
///
/// # Errors
/// If the dtype is not `float32` or `float64`.
pub fn general_hamming(m: usize, alpha: f64, sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    general_cosine(m, &[alpha, 1.0 - alpha], sym, options)
}

/// Hamming's window, `0.54 - 0.46 cos(k)`.
///
/// # Errors
/// If the dtype is not `float32` or `float64`.
pub fn hamming(m: usize, sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    general_hamming(m, 0.54, sym, options)
}

/// Hann's window, `(1 - cos(k)) / 2`.
///
/// # Errors
/// If the dtype is not `float32` or `float64`.
pub fn hann(m: usize, sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    general_hamming(m, 0.5, sym, options)
}

/// Blackman's window.
///
/// # Errors
/// If the dtype is not `float32` or `float64`.
pub fn blackman(m: usize, sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    general_cosine(m, &[0.42, 0.5, 0.08], sym, options)
}

/// Nuttall's window of minimal side lobes with four terms.
///
/// # Errors
/// If the dtype is not `float32` or `float64`.
pub fn nuttall(m: usize, sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    general_cosine(m, &[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym, options)
}

/// Bartlett's window, a triangle with zeros at its ends.
///
/// # Errors
/// If the dtype is not `float32` or `float64`.
pub fn bartlett(m: usize, sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    let n = intervals(m, sym);
    window("bartlett", m, options.into(), |x| n.map_or(1.0, |n| 1.0 - (2.0 * x / n - 1.0).abs()))
}

/// Half a period of a sine.
///
/// # Errors
/// If the dtype is not `float32` or `float64`.
pub fn cosine(m: usize, sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    let n = if sym || m == 1 { m as f64 } else { m as f64 + 1.0 };
    window("cosine", m, options.into(), |x| (std::f64::consts::PI * (x + 0.5) / n).sin())
}

/// The middle of a window.
fn middle(m: usize, sym: bool) -> f64 {
    0.5 * if !sym && m > 1 { m as f64 } else { m as f64 - 1.0 }
}

/// `exp(-|x - center| / tau)`; PyTorch's defaults are the middle and 1.
///
/// # Errors
/// If tau is not positive, a symmetric window is given a center, or the dtype is not `float32` or `float64`.
pub fn exponential(m: usize, center: Option<f64>, tau: f64, sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    if tau.is_nan() || tau <= 0.0 {
        return Err(Error::value("exponential", format!("tau must be positive, got {tau}")));
    }
    if sym && center.is_some() {
        return Err(Error::value("exponential", "the center of a symmetric window is its middle: leave it out"));
    }
    let center = center.unwrap_or(middle(m, sym));
    window("exponential", m, options.into(), |x| (-(x - center).abs() / tau).exp())
}

/// `exp(-x^2 / (2 std^2))` around the middle. PyTorch's default std is 1.
///
/// # Errors
/// If std is not positive, or the dtype is not `float32` or `float64`.
pub fn gaussian(m: usize, std: f64, sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    if std.is_nan() || std <= 0.0 {
        return Err(Error::value("gaussian", format!("the standard deviation must be positive, got {std}")));
    }
    let center = middle(m, sym);
    window("gaussian", m, options.into(), |x| (-0.5 * ((x - center) / std).powi(2)).exp())
}

/// Kaiser's window, `I0(beta sqrt(1 - x^2)) / I0(beta)` for x from -1 to 1. PyTorch's default beta is 12.
///
/// # Errors
/// If beta is negative, or the dtype is not `float32` or `float64`.
pub fn kaiser(m: usize, beta: f64, sym: bool, options: impl Into<Options>) -> Result<Tensor> {
    if beta.is_nan() || beta < 0.0 {
        return Err(Error::value("kaiser", format!("beta must not be negative, got {beta}")));
    }
    let (dtype, device) = checked("kaiser", options.into())?;
    let n = intervals(m, sym);
    let argument = |i: usize| n.map_or(beta, |n| beta * (1.0 - (2.0 * i as f64 / n - 1.0).powi(2)).max(0.0).sqrt());
    let x = Tensor::from_vec((0..m).map(argument).collect::<Vec<f64>>(), m, device)?;
    // Scaled by exp(-beta), so that nothing overflows.
    let top = crate::special::i0e(&x)?.mul(&x.sub(beta)?.exp()?)?;
    let bottom = crate::special::i0e(&Tensor::full((), beta, (DType::F64, device))?)?;
    top.div(&bottom)?.to_dtype(dtype)
}
