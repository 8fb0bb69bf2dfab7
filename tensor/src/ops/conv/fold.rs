//! Windows of an image as columns, and back.

use rushlight_backend::op::Spatial;
use rushlight_backend::{Error, Result};

use super::each;
use crate::{IntoSizes, Tensor};

/// The windows over a plane.
struct Windows {
    kernel: Spatial,
    dilation: Spatial,
    padding: Spatial,
    stride: Spatial,
    /// The sizes of the plane.
    size: [usize; 2],
    /// The number of windows along each dimension.
    count: [usize; 2],
}

impl Windows {
    fn new(
        op: &'static str,
        size: [usize; 2],
        kernel: &[isize],
        dilation: &[isize],
        padding: &[isize],
        stride: &[isize],
    ) -> Result<Windows> {
        let (kernel, dilation) = (each(op, "the kernel", kernel, 2)?, each(op, "dilation", dilation, 2)?);
        let (padding, stride) = (each(op, "padding", padding, 2)?, each(op, "stride", stride, 2)?);
        for (what, values, limit) in
            [("the kernel", &kernel, 1), ("dilation", &dilation, 1), ("padding", &padding, 0), ("stride", &stride, 1)]
        {
            if values.iter().any(|v| v < limit) {
                return Err(Error::value(op, format!("{what} must be at least {limit}, got {values:?}")));
            }
        }
        let mut count = [0; 2];
        for (d, count) in count.iter_mut().enumerate() {
            let room = size[d] as isize + 2 * padding.get(d) - dilation.get(d) * (kernel.get(d) - 1) - 1;
            if room < 0 {
                return Err(Error::shape(
                    op,
                    format!("a kernel {kernel:?} with dilation {dilation:?} does not fit into {size:?} with padding {padding:?}"),
                ));
            }
            *count = (room / stride.get(d) + 1) as usize;
        }
        Ok(Windows { kernel, dilation, padding, stride, size, count })
    }

    fn taps(&self) -> usize {
        self.kernel.sizes().iter().product()
    }

    fn windows(&self) -> usize {
        self.count[0] * self.count[1]
    }

    /// For each element of each window its place in the plane, one past the last for the padding: `[taps * windows]`.
    fn places(&self) -> Vec<i64> {
        let [h, w] = self.size;
        let along = |d: usize, k: isize, o: usize| o as isize * self.stride.get(d) + k * self.dilation.get(d) - self.padding.get(d);
        let mut places = Vec::with_capacity(self.taps() * self.windows());
        for kh in 0..self.kernel.get(0) {
            for kw in 0..self.kernel.get(1) {
                for oh in 0..self.count[0] {
                    let y = along(0, kh, oh);
                    for ow in 0..self.count[1] {
                        let x = along(1, kw, ow);
                        let inside = y >= 0 && y < h as isize && x >= 0 && x < w as isize;
                        places.push(if inside { y as i64 * w as i64 + x as i64 } else { (h * w) as i64 });
                    }
                }
            }
        }
        places
    }
}

impl Tensor {
    /// The channels of `[n, channels, ..]`, divided into groups, in the order of their places in the groups: the first of each group, then the second...
    ///
    /// # Errors
    /// If there are fewer than three dimensions, or the channels cannot be divided so.
    pub fn channel_shuffle(&self, groups: usize) -> Result<Tensor> {
        let op = "channel_shuffle";
        if self.dim() < 3 {
            return Err(Error::shape(op, format!("wants [n, channels, ..] of 3 dimensions or more, got {:?}", self.shape())));
        }
        let (n, channels) = (self.shape()[0], self.shape()[1]);
        if groups == 0 || channels % groups != 0 {
            return Err(Error::shape(op, format!("{channels} channels cannot be divided into {groups} groups")));
        }
        let inner: usize = self.shape()[2..].iter().product();
        self.reshape([n, groups, channels / groups, inner])?.transpose(1, 2)?.reshape(self.shape())
    }

    fn no_integers(&self, op: &'static str) -> Result<()> {
        if self.dtype().is_int() { Err(Error::dtype(op, format!("does not take integers, got {}", self.dtype()))) } else { Ok(()) }
    }

    /// `torch.nn.functional.unfold`: the windows of `[n, channels, h, w]` (or `[channels, h, w]`) as columns, `[n, channels * kernel elements, windows]`.
    /// PyTorch's defaults are dilation 1, padding 0 (zeros), stride 1.
    ///
    /// # Errors
    /// If shapes or parameters do not fit.
    pub fn unfold_windows(
        &self,
        kernel: impl IntoSizes,
        dilation: impl IntoSizes,
        padding: impl IntoSizes,
        stride: impl IntoSizes,
    ) -> Result<Tensor> {
        let op = "unfold";
        self.no_integers(op)?;
        if self.dim() == 3 {
            return self.unsqueeze(0)?.unfold_windows(kernel, dilation, padding, stride)?.squeeze_dim(0);
        }
        let &[n, channels, h, w] = self.shape() else {
            return Err(Error::shape(op, format!("wants [n, channels, h, w] or [channels, h, w], got {:?}", self.shape())));
        };
        if self.shape()[1..].contains(&0) {
            return Err(Error::shape(op, format!("only the batch may be empty, got {:?}", self.shape())));
        }
        let (k, d, p, s) = (kernel.into_sizes(), dilation.into_sizes(), padding.into_sizes(), stride.into_sizes());
        let windows = Windows::new(op, [h, w], &k, &d, &p, &s)?;
        let mut planes = self.reshape([n, channels, h * w])?;
        if windows.padding.iter().any(|p| p > 0) {
            planes = Tensor::cat(&[planes, Tensor::zeros([n, channels, 1], (self.dtype(), self.device()))?], 2)?;
        }
        let places = Tensor::from_vec(windows.places(), windows.taps() * windows.windows(), self.device())?;
        planes.index_select(2, &places)?.reshape([n, channels * windows.taps(), windows.windows()])
    }

    /// `torch.nn.functional.fold`: columns `[n, channels * kernel elements, windows]` (or without n) added up where their windows lie in a plane of
    /// `output_size`, `[n, channels, h, w]`: the transpose of [`unfold_windows`](Tensor::unfold_windows).
    ///
    /// # Errors
    /// If shapes or parameters do not fit.
    pub fn fold(
        &self,
        output_size: impl IntoSizes,
        kernel: impl IntoSizes,
        dilation: impl IntoSizes,
        padding: impl IntoSizes,
        stride: impl IntoSizes,
    ) -> Result<Tensor> {
        let op = "fold";
        self.no_integers(op)?;
        if self.dim() == 2 {
            return self.unsqueeze(0)?.fold(output_size, kernel, dilation, padding, stride)?.squeeze_dim(0);
        }
        let size = each(op, "the output size", &output_size.into_sizes(), 2)?;
        if size.iter().any(|n| n < 1) {
            return Err(Error::value(op, format!("the output size must be at least 1, got {size:?}")));
        }
        let (h, w) = (size.get(0) as usize, size.get(1) as usize);
        let (k, d, p, s) = (kernel.into_sizes(), dilation.into_sizes(), padding.into_sizes(), stride.into_sizes());
        let windows = Windows::new(op, [h, w], &k, &d, &p, &s)?;
        let (taps, count) = (windows.taps(), windows.windows());
        let (n, channels) = match self.shape() {
            &[n, rows, columns] if rows > 0 && rows % taps == 0 && columns == count => (n, rows / taps),
            shape => return Err(Error::shape(op, format!("wants columns [n, channels * {taps}, {count}] (or without n), got {shape:?}"))),
        };
        let places = Tensor::from_vec(windows.places(), taps * count, self.device())?;
        let zeros = Tensor::zeros([n, channels, h * w + 1], (self.dtype(), self.device()))?;
        let sums = zeros.index_add(2, &places, &self.reshape([n, channels, taps * count])?)?;
        sums.narrow(2, 0, h * w)?.reshape([n, channels, h, w])
    }
}
