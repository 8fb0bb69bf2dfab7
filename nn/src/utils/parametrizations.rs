//! Parametrisations of weights: `torch.nn.utils.parametrizations`.

use rushlight_autograd::no_grad;
use rushlight_tensor::{Error, Result, Tensor};

pub use super::orthogonal::{OrthogonalMap, orthogonal};
use super::parametrize::{Parametrization, register_parametrization};
use crate::{Buffer, Mode, Module, Parameter};

/// Learns length and direction of a weight apart (Salimans and Kingma, 2016): `weight = original0 * original1 / |original1|`, with a length for each slice of `dim`
/// (PyTorch's default is 0), or one for all without it.
///
/// # Errors
/// If the dimension does not exist, or the parameter is pruned.
///
/// ```
/// use rushlight_nn::utils::parametrizations::weight_norm;
/// use rushlight_nn::{Linear, Module};
///
/// let layer = Linear::new(20, 40)?;
/// weight_norm(&layer.weight, Some(0))?;
/// let state = layer.state_dict();
/// assert_eq!(state[1].0, "parametrizations.weight.original0");
/// assert_eq!(state[1].1.shape(), [40, 1]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn weight_norm(parameter: &Parameter, dim: Option<isize>) -> Result<()> {
    let rank = parameter.shape().len();
    let dim = dim.map(|d| at("weight_norm", d, rank)).transpose()?;
    register_parametrization(parameter, WeightNorm { dim })
}

fn at(op: &'static str, dim: isize, rank: usize) -> Result<usize> {
    let d = if dim < 0 { dim + rank as isize } else { dim };
    usize::try_from(d).ok().filter(|d| *d < rank).ok_or_else(|| Error::value(op, format!("dimension {dim} of a parameter of {rank}")))
}

#[derive(Module)]
#[module(name = "_WeightNorm")]
struct WeightNorm {
    dim: Option<usize>,
}

impl WeightNorm {
    /// The lengths of the slices.
    fn lengths(&self, v: &Tensor) -> Result<Tensor> {
        let dims: Vec<isize> = (0..v.dim()).filter(|d| Some(*d) != self.dim).map(|d| d as isize).collect();
        match self.dim {
            Some(_) if dims.is_empty() => v.abs(),
            Some(_) => v.vector_norm(2.0, dims, true),
            None => v.vector_norm(2.0, (), false),
        }
    }
}

impl Parametrization for WeightNorm {
    fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
        let [g, v] = originals else {
            return Err(Error::value("weight_norm", format!("wants two originals, got {}", originals.len())));
        };
        v.mul(&g.div(&self.lengths(v)?)?)
    }

    fn right_inverse(&self, value: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![self.lengths(value)?, value.clone()])
    }
}

/// Options of [`spectral_norm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectralNormOptions {
    /// Steps of the power method with each use in training. Default: 1.
    pub n_power_iterations: usize,
    /// The least norm that is divided by. Default: 1e-12.
    pub eps: f64,
    /// The dimension of the outputs. Default: 0; transposed convolutions want 1.
    pub dim: isize,
}

impl Default for SpectralNormOptions {
    fn default() -> SpectralNormOptions {
        SpectralNormOptions { n_power_iterations: 1, eps: 1e-12, dim: 0 }
    }
}

/// Divides a weight by its largest singular value (Miyato et al., 2018), which a power method follows while the module is in training. The vectors of the method start
/// from random numbers of the default generator.
///
/// # Errors
/// If the dimension does not exist, there are no iterations, or the parameter is pruned.
pub fn spectral_norm(parameter: &Parameter, options: SpectralNormOptions) -> Result<()> {
    let weight = parameter.try_tensor()?.with_trace(None);
    let dim = at("spectral_norm", options.dim, weight.dim())?;
    if options.n_power_iterations == 0 {
        return Err(Error::value("spectral_norm", "n_power_iterations must be positive"));
    }
    let mut norm = SpectralNorm { u: None, v: None, mode: Mode::new(), dim, options };
    if weight.dim() > 1 {
        let matrix = norm.matrix(&weight)?;
        let start = |n: usize| -> Result<Buffer> {
            let x = Tensor::randn(n, (matrix.dtype(), matrix.device()))?;
            Ok(Buffer::new(x.normalize(2.0, 0, options.eps)?))
        };
        (norm.u, norm.v) = (Some(start(matrix.shape()[0])?), Some(start(matrix.shape()[1])?));
        norm.iterate(&matrix, 15)?;
    }
    register_parametrization(parameter, norm)
}

#[derive(Module)]
#[module(name = "_SpectralNorm")]
struct SpectralNorm {
    #[module(rename = "_u")]
    u: Option<Buffer>,
    #[module(rename = "_v")]
    v: Option<Buffer>,
    mode: Mode,
    #[module(skip)]
    dim: usize,
    #[module(skip)]
    options: SpectralNormOptions,
}

impl SpectralNorm {
    /// The weight as a matrix of outputs and inputs.
    fn matrix(&self, weight: &Tensor) -> Result<Tensor> {
        weight.movedim(self.dim as isize, 0)?.flatten(1, -1)
    }

    fn iterate(&self, matrix: &Tensor, steps: usize) -> Result<()> {
        let (Some(u), Some(v)) = (&self.u, &self.v) else { return Ok(()) };
        no_grad(|| {
            let matrix = matrix.with_trace(None);
            for _ in 0..steps {
                u.set(&matrix.mv(&v.tensor())?.normalize(2.0, 0, self.options.eps)?)?;
                v.set(&matrix.t()?.mv(&u.tensor())?.normalize(2.0, 0, self.options.eps)?)?;
            }
            Ok(())
        })
    }
}

impl Parametrization for SpectralNorm {
    fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
        let [weight] = originals else {
            return Err(Error::value("spectral_norm", format!("wants one original, got {}", originals.len())));
        };
        let (Some(u), Some(v)) = (&self.u, &self.v) else { return weight.normalize(2.0, 0, self.options.eps) };
        let matrix = self.matrix(weight)?;
        if self.mode.is_training() {
            self.iterate(&matrix, self.options.n_power_iterations)?;
        }
        weight.div(&u.tensor().dot(&matrix.mv(&v.tensor())?)?)
    }
}
