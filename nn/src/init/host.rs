//! Initial values that are made from draws by a loop on the host.

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use super::normal_;
use crate::Parameter;

/// All values as f64.
fn values(t: &Tensor) -> Result<Vec<f64>> {
    t.with_trace(None).to_dtype(DType::F64)?.to_vec()
}

/// Sets a parameter to values in row-major order.
fn set(p: &Parameter, values: &[f64]) -> Result<()> {
    let t = Tensor::from_slice(values, p.shape(), Device::cpu())?;
    p.set(&t.to_dtype(p.dtype())?.to_device(p.device())?)
}

/// Numbers of the normal distribution within `a..=b`, by rejection.
///
/// # Errors
/// If std is not positive, or a is not below b.
pub fn trunc_normal_(p: &Parameter, mean: f64, std: f64, a: f64, b: f64) -> Result<()> {
    if !(std > 0.0 && a < b && mean.is_finite() && std.is_finite()) {
        return Err(Error::value("trunc_normal_", format!("wants std > 0 and a < b, got mean {mean}, std {std}, a {a}, b {b}")));
    }
    let options = (p.dtype(), Device::cpu());
    // Arithmetic in f32 where the parameter is not f64: an f64 operation, rounded, is the f32 operation.
    let round = |x: f64| if p.dtype() == DType::F64 { x } else { f64::from(x as f32) };
    let cdf = |x: f64| -> Result<f64> { Ok((1.0 + Tensor::new(x / 2f64.sqrt())?.erf()?.to_f64()?) / 2.0) };
    if cdf((b - mean) / std)? - cdf((a - mean) / std)? > 0.3 {
        let outside = |x: f64| x < round(a) || x > round(b);
        let mut all = values(&Tensor::normal(mean, std, p.shape(), options)?)?;
        while all.iter().any(|&x| outside(x)) {
            let fresh = values(&Tensor::normal(mean, std, p.shape(), options)?)?;
            all.iter_mut().zip(fresh).filter(|(x, _)| outside(**x)).for_each(|(x, new)| *x = new);
        }
        return set(p, &all);
    }
    // The tails: uniform proposals, accepted by the density relative to its peak within the bounds.
    let peak = round(-0.5 * ((mean.clamp(a, b) - mean) / std).powi(2));
    let mut all = vec![0.0; p.numel()];
    let mut pending = vec![true; all.len()];
    while pending.contains(&true) {
        let proposed = values(&Tensor::uniform(a, b, p.shape(), options)?)?;
        let chance = values(&Tensor::rand(p.shape(), options)?)?;
        for i in 0..all.len() {
            if !pending[i] {
                continue;
            }
            all[i] = proposed[i];
            let distance = round(round(proposed[i] - round(mean)) / round(std));
            let density = round(round(round(distance * distance) * -0.5) - peak);
            pending[i] = round(chance[i].ln()) > density;
        }
    }
    set(p, &all)
}

/// A matrix with orthonormal rows or columns, times the gain (Saxe et al., 2013); dimensions behind the first count as one.
///
/// # Errors
/// If there are less than two dimensions.
pub fn orthogonal_(p: &Parameter, gain: f64) -> Result<()> {
    let shape = p.shape();
    if shape.len() < 2 {
        return Err(Error::shape("orthogonal_", format!("wants a tensor of two dimensions or more, got {shape:?}")));
    }
    let (rows, cols) = (shape[0], shape[1..].iter().product::<usize>());
    let drawn = values(&Tensor::normal(0.0, 1.0, [rows, cols], (p.dtype(), Device::cpu()))?)?;
    // The longer side is made of vectors: columns, or rows of a wide matrix.
    let (count, len) = (rows.min(cols), rows.max(cols));
    let at = |vector: usize, i: usize| if rows < cols { vector * cols + i } else { i * cols + vector };
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for k in 0..count {
        let mut v: Vec<f64> = (0..len).map(|i| drawn[at(k, i)]).collect();
        // Gram-Schmidt, twice against rounding: Q of the decomposition in which R has a positive diagonal.
        for _ in 0..2 {
            for q in &basis {
                let dot: f64 = q.iter().zip(&v).map(|(a, b)| a * b).sum();
                v.iter_mut().zip(q).for_each(|(x, a)| *x -= dot * a);
            }
        }
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm > 0.0 {
            v.iter_mut().for_each(|x| *x /= norm);
        }
        basis.push(v);
    }
    let mut all = vec![0.0; rows * cols];
    for (k, q) in basis.iter().enumerate() {
        for (i, x) in q.iter().enumerate() {
            all[at(k, i)] = x * gain;
        }
    }
    set(p, &all)
}

/// A matrix of normal numbers in each of whose columns the share `sparsity` is zero. PyTorch's default for std is 0.01.
///
/// # Errors
/// If it is no matrix, or the sparsity does not lie in 0 to 1.
pub fn sparse_(p: &Parameter, sparsity: f64, std: f64) -> Result<()> {
    let [rows, cols] = p.shape()[..] else {
        return Err(Error::shape("sparse_", format!("wants a matrix, got {:?}", p.shape())));
    };
    if !(0.0..=1.0).contains(&sparsity) {
        return Err(Error::value("sparse_", format!("the sparsity must lie in 0 to 1, got {sparsity}")));
    }
    normal_(p, 0.0, std)?;
    let mut all = values(&p.try_tensor()?)?;
    let zeros = (sparsity * rows as f64).ceil() as usize;
    for col in 0..cols {
        for &row in &Tensor::randperm(rows, ())?.to_vec::<i64>()?[..zeros] {
            all[row as usize * cols + col] = 0.0;
        }
    }
    set(p, &all)
}

/// The kernels of a convolution that passes its input through: ones in the middle, one channel to one, in each group.
///
/// # Errors
/// If it is no weight of a convolution, or the first size cannot be divided by the groups.
pub fn dirac_(p: &Parameter, groups: usize) -> Result<()> {
    let shape = p.shape();
    if !(3..=5).contains(&shape.len()) || groups == 0 || !shape[0].is_multiple_of(groups) {
        return Err(Error::value(
            "dirac_",
            format!("wants a convolution's weight with groups that divide it, got {shape:?} and {groups} groups"),
        ));
    }
    let kernel: usize = shape[2..].iter().product();
    let middle = shape[2..].iter().fold(0, |at, &n| at * n + n / 2);
    let mut all = vec![0.0; p.numel()];
    let (inputs, per_group) = (shape[1], shape[0] / groups);
    if kernel > 0 {
        for group in 0..groups {
            for channel in 0..per_group.min(inputs) {
                all[((group * per_group + channel) * inputs + channel) * kernel + middle] = 1.0;
            }
        }
    }
    set(p, &all)
}
