//! Discrete Fourier transforms: `torch.fft`.
//!
//! Real inputs of complex transforms become complex, integers the default float type. A size longer than the input pads it with zeros, a
//! shorter one cuts it.

use rushlight_backend::op::Fft;
use rushlight_backend::{DType, Dims, Error, Result, normalize_dim, normalize_dims};

use crate::{IntoSizes, Options, Tensor, apply1, default_dtype};

/// Which direction divides by the number of points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FftNorm {
    /// The inverse transform, by n.
    #[default]
    Backward,
    /// Both, by the root of n.
    Ortho,
    /// The forward transform, by n.
    Forward,
}

impl FftNorm {
    fn scale(self, points: usize, inverse: bool) -> f64 {
        let n = points as f64;
        match (self, inverse) {
            (FftNorm::Ortho, _) => 1.0 / n.sqrt(),
            (FftNorm::Backward, true) | (FftNorm::Forward, false) => 1.0 / n,
            _ => 1.0,
        }
    }
}

fn float(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_differentiable() { Ok(x.clone()) } else { x.to_dtype(default_dtype()) }
}

fn complex(op: &'static str, x: &Tensor) -> Result<Tensor> {
    let x = float(x)?;
    match x.dtype() {
        DType::F32 => x.to_dtype(DType::C64),
        DType::F64 => x.to_dtype(DType::C128),
        d if d.is_complex() => Ok(x),
        d => Err(Error::dtype(op, format!("the CPU has no transform for {d}: convert it first"))),
    }
}

fn real(op: &'static str, x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_complex() {
        return Err(Error::dtype(op, format!("wants real numbers, got {}", x.dtype())));
    }
    float(x)
}

fn one_dim(op: &'static str, x: &Tensor, dim: isize) -> Result<usize> {
    if x.dim() == 0 {
        return Err(Error::index(op, format!("a 0-d tensor has no dimension {dim}")));
    }
    normalize_dim(op, dim, x.dim())
}

/// A dimension padded with zeros or cut to `n` elements.
fn resize(x: &Tensor, dim: usize, n: usize) -> Result<Tensor> {
    let now = x.shape()[dim];
    if n <= now {
        return if n == now { Ok(x.clone()) } else { x.narrow(dim as isize, 0, n) };
    }
    let mut shape = x.shape().to_vec();
    shape[dim] = n - now;
    Tensor::cat(&[x, &Tensor::zeros(shape, (x.dtype(), x.device()))?], dim as isize)
}

fn points(op: &'static str, n: usize) -> Result<usize> {
    if n == 0 { Err(Error::value(op, "a transform needs at least one point")) } else { Ok(n) }
}

/// The dimensions that a transform of several takes, and the size of each.
fn several(op: &'static str, x: &Tensor, s: Option<&[isize]>, dims: Option<&[isize]>) -> Result<(Dims, Vec<usize>)> {
    let dims: Dims = match (s, dims) {
        (_, Some(dims)) if x.dim() == 0 && !dims.is_empty() => {
            return Err(Error::index(op, format!("a 0-d tensor has no dimensions {dims:?}")));
        }
        (_, Some(dims)) => normalize_dims(op, &dims.into_sizes(), x.dim())?,
        (Some(s), None) if s.len() <= x.dim() => (x.dim() - s.len()..x.dim()).collect(),
        (Some(s), None) => return Err(Error::shape(op, format!("{} sizes for a tensor of {} dimensions", s.len(), x.dim()))),
        (None, None) => (0..x.dim()).collect(),
    };
    let own = dims.iter().map(|&d| x.shape()[d]);
    let sizes = match s {
        None => own.collect(),
        Some(s) if s.len() != dims.len() => {
            return Err(Error::value(op, format!("as many sizes as dimensions are wanted, got {} and {}", s.len(), dims.len())));
        }
        Some(s) => own
            .zip(s)
            .map(|(own, &n)| match n {
                -1 => Ok(own),
                n => usize::try_from(n).map_err(|_| Error::value(op, format!("{n} is no number of points"))),
            })
            .collect::<Result<_>>()?,
    };
    Ok((dims, sizes))
}

fn c2c(x: &Tensor, dims: Dims, inverse: bool, scale: f64) -> Result<Tensor> {
    if dims.is_empty() {
        return Ok(x.clone());
    }
    apply1(Fft::Complex { dims, inverse, scale }, [x])
}

fn complex_1d(op: &'static str, x: &Tensor, n: Option<usize>, dim: isize, norm: FftNorm, inverse: bool) -> Result<Tensor> {
    let d = one_dim(op, x, dim)?;
    let n = points(op, n.unwrap_or(x.shape()[d]))?;
    c2c(&resize(&complex(op, x)?, d, n)?, smallvec::smallvec![d], inverse, norm.scale(n, inverse))
}

fn complex_nd(op: &'static str, x: &Tensor, s: Option<&[isize]>, dims: Option<&[isize]>, norm: FftNorm, inverse: bool) -> Result<Tensor> {
    let (dims, sizes) = several(op, x, s, dims)?;
    let mut y = complex(op, x)?;
    for (&d, &n) in dims.iter().zip(&sizes) {
        y = resize(&y, d, points(op, n)?)?;
    }
    c2c(&y, dims, inverse, norm.scale(sizes.iter().product(), inverse))
}

fn from_real_1d(op: &'static str, x: &Tensor, n: Option<usize>, dim: isize, norm: FftNorm, inverse: bool) -> Result<Tensor> {
    let d = one_dim(op, x, dim)?;
    let n = points(op, n.unwrap_or(x.shape()[d]))?;
    apply1(Fft::FromReal { dim: d, inverse, scale: norm.scale(n, inverse) }, [resize(&real(op, x)?, d, n)?])
}

fn to_real_1d(op: &'static str, x: &Tensor, n: Option<usize>, dim: isize, norm: FftNorm, inverse: bool) -> Result<Tensor> {
    let d = one_dim(op, x, dim)?;
    let n = points(op, n.unwrap_or((2 * x.shape()[d]).saturating_sub(2)))?;
    apply1(Fft::ToReal { dim: d, n, inverse, scale: norm.scale(n, inverse) }, [resize(&complex(op, x)?, d, n / 2 + 1)?])
}

/// Real input: the last dimension to half of its points, then the others.
fn from_real_nd(op: &'static str, x: &Tensor, s: Option<&[isize]>, dims: Option<&[isize]>, norm: FftNorm, inverse: bool) -> Result<Tensor> {
    let (mut dims, sizes) = several(op, x, s, dims)?;
    let mut y = real(op, x)?;
    for (&d, &n) in dims.iter().zip(&sizes) {
        y = resize(&y, d, points(op, n)?)?;
    }
    let last = dims.pop().ok_or_else(|| Error::value(op, "needs at least one dimension"))?;
    let scale = norm.scale(sizes.iter().product(), inverse);
    c2c(&apply1(Fft::FromReal { dim: last, inverse, scale }, [y])?, dims, inverse, 1.0)
}

/// Real output: all dimensions but the last, and then the last from half of its points.
fn to_real_nd(op: &'static str, x: &Tensor, s: Option<&[isize]>, dims: Option<&[isize]>, norm: FftNorm, inverse: bool) -> Result<Tensor> {
    let (mut dims, mut sizes) = several(op, x, s, dims)?;
    let last = dims.pop().ok_or_else(|| Error::value(op, "needs at least one dimension"))?;
    let n = match s.and_then(<[isize]>::last) {
        Some(&n) if n != -1 => n as usize,
        _ => (2 * x.shape()[last]).saturating_sub(2),
    };
    sizes.pop();
    let scale = norm.scale(sizes.iter().product::<usize>() * points(op, n)?, inverse);
    let mut y = resize(&complex(op, x)?, last, n / 2 + 1)?;
    for (&d, &n) in dims.iter().zip(&sizes) {
        y = resize(&y, d, points(op, n)?)?;
    }
    apply1(Fft::ToReal { dim: last, n, inverse, scale }, [c2c(&y, dims, inverse, 1.0)?])
}

/// The last two dimensions, where none are named.
const LAST_TWO: &[isize] = &[-2, -1];

macro_rules! one_dimension {
    ($($(#[$doc:meta])* $name:ident = $f:ident, $inverse:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// `n`: the number of points, by default those of the dimension (of results, where they are real: `2 (m - 1)` of m). PyTorch's default
        /// dimension is -1.
        ///
        /// # Errors
        /// If there is no such dimension, there are no points, or the dtype is not taken.
        pub fn $name(x: &Tensor, n: impl Into<Option<usize>>, dim: isize, norm: FftNorm) -> Result<Tensor> {
            $f(stringify!($name), x, n.into(), dim, norm, $inverse)
        }
    )*};
}

macro_rules! two_dimensions {
    ($($(#[$doc:meta])* $name:ident = $f:ident, $inverse:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// `s`: the number of points in each dimension, -1 for those that there are. `dims`: by default the last two.
        ///
        /// # Errors
        /// If a dimension does not exist or is named twice, there are no points, or the dtype is not taken.
        pub fn $name(x: &Tensor, s: Option<&[isize]>, dims: Option<&[isize]>, norm: FftNorm) -> Result<Tensor> {
            $f(stringify!($name), x, s, Some(dims.unwrap_or(LAST_TWO)), norm, $inverse)
        }
    )*};
}

macro_rules! n_dimensions {
    ($($(#[$doc:meta])* $name:ident = $f:ident, $inverse:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// `s`: the number of points in each dimension, -1 for those that there are. `dims`: by default the last as many as `s` has, or all.
        ///
        /// # Errors
        /// If a dimension does not exist or is named twice, there are no points, or the dtype is not taken.
        pub fn $name(x: &Tensor, s: Option<&[isize]>, dims: Option<&[isize]>, norm: FftNorm) -> Result<Tensor> {
            $f(stringify!($name), x, s, dims, norm, $inverse)
        }
    )*};
}

one_dimension! {
    /// The Fourier transform along a dimension.
    ///
    /// ```
    /// # use rushlight_tensor::{Complex32, Tensor, fft::{self, FftNorm}};
    /// let y = fft::fft(&Tensor::new(&[1.0f32, 0.0, 0.0, 0.0])?, None, -1, FftNorm::Backward)?;
    /// assert_eq!(y.to_vec::<Complex32>()?, [Complex32::new(1.0, 0.0); 4]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    fft = complex_1d, false;
    /// The inverse Fourier transform along a dimension.
    ifft = complex_1d, true;
    /// The Fourier transform of real numbers along a dimension: of n results the first `n / 2 + 1`.
    rfft = from_real_1d, false;
    /// The inverse of [`rfft`]: from the first half of a transform to n real numbers.
    irfft = to_real_1d, true;
    /// The Fourier transform of numbers of which only the first half is given because the others are their conjugates: real.
    hfft = to_real_1d, false;
    /// The inverse of [`hfft`]: from real numbers to the first half.
    ihfft = from_real_1d, true;
}

two_dimensions! {
    /// The Fourier transform in two dimensions.
    fft2 = complex_nd, false;
    /// The inverse Fourier transform in two dimensions.
    ifft2 = complex_nd, true;
    /// The Fourier transform of real numbers in two dimensions, of the last of which only half is given.
    rfft2 = from_real_nd, false;
    /// The inverse of [`rfft2`].
    irfft2 = to_real_nd, true;
    /// As [`hfft`], in two dimensions, of the last of which only half is given.
    hfft2 = to_real_nd, false;
    /// The inverse of [`hfft2`].
    ihfft2 = from_real_nd, true;
}

n_dimensions! {
    /// The Fourier transform in several dimensions.
    fftn = complex_nd, false;
    /// The inverse Fourier transform in several dimensions.
    ifftn = complex_nd, true;
    /// The Fourier transform of real numbers in several dimensions, of the last of which only half is given.
    rfftn = from_real_nd, false;
    /// The inverse of [`rfftn`].
    irfftn = to_real_nd, true;
    /// As [`hfft`], in several dimensions, of the last of which only half is given.
    hfftn = to_real_nd, false;
    /// The inverse of [`hfftn`].
    ihfftn = from_real_nd, true;
}

/// Dimensions turned round by as many places as `places` says of their sizes.
fn turned(op: &'static str, x: &Tensor, dims: Option<&[isize]>, places: fn(usize) -> usize) -> Result<Tensor> {
    let dims: Dims = match dims {
        Some([_, ..]) if x.dim() == 0 => return Err(Error::index(op, "a 0-d tensor has no dimension to shift")),
        Some(dims) => normalize_dims(op, &dims.into_sizes(), x.dim())?,
        None => (0..x.dim()).collect(),
    };
    let mut y = x.clone();
    for d in dims {
        let n = x.shape().get(d).copied().unwrap_or(0);
        let k = places(n);
        if k > 0 && k < n {
            let d = d as isize;
            y = Tensor::cat(&[y.narrow(d, (n - k) as isize, k)?, y.narrow(d, 0, n - k)?], d)?;
        }
    }
    Ok(y)
}

/// Moves frequency 0 to the middle of dimensions (by default of all).
///
/// # Errors
/// If a dimension does not exist or is named twice.
pub fn fftshift(x: &Tensor, dims: Option<&[isize]>) -> Result<Tensor> {
    turned("fftshift", x, dims, |n| n / 2)
}

/// Moves frequency 0 from the middle of dimensions (by default of all) to the front: the inverse of [`fftshift`].
///
/// # Errors
/// If a dimension does not exist or is named twice.
pub fn ifftshift(x: &Tensor, dims: Option<&[isize]>) -> Result<Tensor> {
    turned("ifftshift", x, dims, |n| n.div_ceil(2))
}

fn frequencies(values: Vec<f64>, n: usize, d: f64, options: Options) -> Result<Tensor> {
    let dtype = options.dtype.unwrap_or_else(default_dtype);
    let values: Vec<f64> = values.into_iter().map(|k| k * (1.0 / (n as f64 * d))).collect();
    Tensor::from_slice(&values, values.len(), options.device)?.to_dtype(dtype)
}

/// The frequencies of the results of [`fft`], in cycles per unit of the distance `d` between points (1 by default in PyTorch).
///
/// # Errors
/// If memory cannot be had.
pub fn fftfreq(n: usize, d: f64, options: impl Into<Options>) -> Result<Tensor> {
    let half = n.div_ceil(2);
    frequencies((0..n).map(|k| if k < half { k as f64 } else { k as f64 - n as f64 }).collect(), n, d, options.into())
}

/// The frequencies of the results of [`rfft`] of n points.
///
/// # Errors
/// If memory cannot be had.
pub fn rfftfreq(n: usize, d: f64, options: impl Into<Options>) -> Result<Tensor> {
    frequencies((0..n / 2 + 1).map(|k| k as f64).collect(), n, d, options.into())
}
