//! Max pooling over windows that are drawn at random (Graham, 2014).

use rushlight_backend::{DType, Error, Result};

use super::super::conv::each;
use crate::{IntoSizes, Tensor};

const NAMES: [&str; 2] = ["fractional_max_pool2d", "fractional_max_pool3d"];

/// To which sizes fractional pooling goes.
#[derive(Clone, Debug, PartialEq)]
pub enum FractionalSize {
    /// To these sizes; one number for all spatial dimensions or one for each.
    Size(crate::Sizes),
    /// To `floor(size * ratio)`, ratios between 0 and 1; one for all spatial dimensions or one for each.
    Ratio(Vec<f64>),
}

/// Where the windows of one dimension begin, for a sample from 0 to 1. PyTorch computes in the dtype of the tensor.
fn starts(sample: f64, size: usize, out: usize, kernel: usize, single: bool) -> Vec<usize> {
    let round = |x: f64| if single { f64::from(x as f32) } else { x };
    let last = size - kernel;
    let mut starts: Vec<usize> = match out {
        0 | 1 => vec![0; out],
        _ => {
            let alpha = round(last as f64 / (out as f64 - 1.0));
            let offset = round(sample * alpha) as usize;
            (0..out).map(|i| (round(round(i as f64 + sample) * alpha) as usize).saturating_sub(offset).min(last)).collect()
        }
    };
    if let Some(end) = starts.last_mut() {
        *end = last;
    }
    starts
}

impl Tensor {
    /// The largest elements of windows of `[n, channels, h, w]` (or without n) that are drawn at random, and their places in the plane. Windows are drawn
    /// with `samples` `[n, channels, 2]`, numbers from 0 to 1, or with new ones.
    ///
    /// # Errors
    /// If shapes or parameters do not fit.
    pub fn fractional_max_pool2d(
        &self,
        kernel: impl IntoSizes,
        size: &FractionalSize,
        samples: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        self.fractional_max_pool(2, &kernel.into_sizes(), size, samples)
    }

    /// As [`fractional_max_pool2d`](Tensor::fractional_max_pool2d), of `[n, channels, d, h, w]`, with samples `[n, channels, 3]`.
    ///
    /// # Errors
    /// As there.
    pub fn fractional_max_pool3d(
        &self,
        kernel: impl IntoSizes,
        size: &FractionalSize,
        samples: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        self.fractional_max_pool(3, &kernel.into_sizes(), size, samples)
    }

    fn fractional_max_pool(
        &self,
        rank: usize,
        kernel: &[isize],
        size: &FractionalSize,
        samples: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let op = NAMES[rank - 2];
        if self.dim() == rank + 1 {
            let (y, places) = self.unsqueeze(0)?.fractional_max_pool(rank, kernel, size, samples)?;
            return Ok((y.squeeze_dim(0)?, places.squeeze_dim(0)?));
        }
        if self.dim() != rank + 2 || self.shape()[1..].contains(&0) {
            return Err(Error::shape(
                op,
                format!("wants a tensor of {} dimensions, or of {} without a batch, not empty, got {:?}", rank + 2, rank + 1, self.shape()),
            ));
        }
        let kernel = each(op, "the kernel", kernel, rank)?.sizes();
        let plane: Vec<usize> = self.shape()[2..].to_vec();
        let out: Vec<usize> = match size {
            FractionalSize::Size(sizes) => each(op, "the output size", sizes, rank)?.sizes().to_vec(),
            FractionalSize::Ratio(ratios) => {
                if !matches!(ratios.len(), 1) && ratios.len() != rank || ratios.iter().any(|r| !(*r > 0.0 && *r < 1.0)) {
                    return Err(Error::value(op, format!("ratios must lie between 0 and 1, one or {rank} of them, got {ratios:?}")));
                }
                (0..rank).map(|d| (plane[d] as f64 * ratios[d % ratios.len()]) as usize).collect()
            }
        };
        for d in 0..rank {
            if kernel[d] < 1 || out[d] < 1 || out[d] + kernel[d] > plane[d] + 1 {
                return Err(Error::shape(op, format!("{out:?} windows of {kernel:?} do not fit into a plane of {plane:?}")));
            }
        }
        let (n, channels) = (self.shape()[0], self.shape()[1]);
        let drawn = match samples {
            Some(samples) => samples.clone(),
            None => Tensor::rand([n, channels, rank], (self.dtype(), self.device()))?,
        };
        if drawn.shape() != [n, channels, rank] || !drawn.dtype().is_float() {
            return Err(Error::shape(op, format!("wants samples [{n}, {channels}, {rank}], got {:?}", drawn.shape())));
        }
        let drawn = drawn.to_dtype(DType::F64)?.to_vec::<f64>()?;
        let single = self.dtype() != DType::F64;
        let (count, taps): (usize, usize) = (out.iter().product(), kernel.iter().product());
        let mut places = Vec::with_capacity(n * channels * count * taps);
        for samples in drawn.chunks_exact(rank) {
            // In two dimensions the first sample is that of the width.
            let sample = |d: usize| if rank == 2 { samples[1 - d] } else { samples[d] };
            let starts: Vec<Vec<usize>> = (0..rank).map(|d| starts(sample(d), plane[d], out[d], kernel[d], single)).collect();
            for window in 0..count {
                for tap in 0..taps {
                    let (mut at, mut step, mut w, mut t) = (0, 1, window, tap);
                    for d in (0..rank).rev() {
                        at += (starts[d][w % out[d]] + t % kernel[d]) * step;
                        (step, w, t) = (step * plane[d], w / out[d], t / kernel[d]);
                    }
                    places.push(at as i64);
                }
            }
        }
        let places = Tensor::from_vec(places, [n, channels, count * taps], self.device())?;
        let elements = self.reshape([n, channels, plane.iter().product()])?.gather(2, &places)?.reshape([n, channels, count, taps])?;
        let (values, which) = elements.max_dim(-1, true)?;
        let shape: Vec<usize> = [n, channels].into_iter().chain(out).collect();
        let index = places.reshape([n, channels, count, taps])?.gather(3, &which)?;
        Ok((values.reshape(shape.as_slice())?, index.reshape(shape)?))
    }
}
