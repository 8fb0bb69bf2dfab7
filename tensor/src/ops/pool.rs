//! Pooling.

mod fractional;

pub use fractional::FractionalSize;

use rushlight_backend::op::{Divisor, Pool, PoolWindow, Spatial};
use rushlight_backend::{Error, Result};
use smallvec::SmallVec;

use super::conv::each;
use crate::{IntoSizes, Sizes, Tensor, apply, apply1};

const MAX: [&str; 3] = ["max_pool1d", "max_pool2d", "max_pool3d"];
const AVG: [&str; 3] = ["avg_pool1d", "avg_pool2d", "avg_pool3d"];
const ADAPTIVE: [&str; 3] = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"];
const ADAPTIVE_MAX: [&str; 3] = ["adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"];
const UNPOOL: [&str; 3] = ["max_unpool1d", "max_unpool2d", "max_unpool3d"];
const LP: [&str; 3] = ["lp_pool1d", "lp_pool2d", "lp_pool3d"];

/// The windows: sizes, and `()` as the stride means the kernel's.
fn window(
    op: &'static str,
    rank: usize,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> Result<PoolWindow> {
    let kernel = each(op, "the kernel", &kernel, rank)?;
    Ok(PoolWindow {
        kernel,
        stride: if stride.is_empty() { kernel } else { each(op, "stride", &stride, rank)? },
        padding: each(op, "padding", &padding, rank)?,
        dilation: each(op, "dilation", &dilation, rank)?,
        ceil_mode,
    })
}

/// The output size of adaptive pooling: one number or one for each dimension; `None` keeps the input's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSize(SmallVec<[Option<isize>; 3]>);

impl<T: IntoSizes> From<T> for OutputSize {
    fn from(sizes: T) -> OutputSize {
        OutputSize(sizes.into_sizes().into_iter().map(Some).collect())
    }
}

impl<const N: usize> From<[Option<isize>; N]> for OutputSize {
    fn from(sizes: [Option<isize>; N]) -> OutputSize {
        OutputSize(sizes.into_iter().collect())
    }
}

impl From<&[Option<isize>]> for OutputSize {
    fn from(sizes: &[Option<isize>]) -> OutputSize {
        OutputSize(sizes.into())
    }
}

impl Tensor {
    fn two(&self, op: Pool) -> Result<(Tensor, Tensor)> {
        let mut results = apply(op, [self])?;
        let indices = results.swap_remove(1);
        Ok((results.swap_remove(0), indices))
    }

    /// Average pooling of any rank; see [`avg_pool2d`](Tensor::avg_pool2d).
    #[allow(clippy::too_many_arguments)]
    fn avg_pool(
        &self,
        rank: usize,
        kernel: Sizes,
        stride: Sizes,
        padding: Sizes,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: Option<i64>,
    ) -> Result<Tensor> {
        let window = window(AVG[rank - 1], rank, kernel, stride, padding, smallvec::smallvec![1], ceil_mode)?;
        let divisor = match (divisor_override, count_include_pad) {
            (Some(n), _) => Divisor::Fixed(n),
            (None, true) => Divisor::Padded,
            (None, false) => Divisor::Inside,
        };
        apply1(Pool::Avg { window, divisor }, [self])
    }

    /// The output sizes of adaptive pooling, `None` filled in.
    fn adaptive(&self, op: &'static str, rank: usize, size: OutputSize) -> Result<Spatial> {
        self.floats(op)?;
        let plane = self.shape().get(self.dim().saturating_sub(rank)..).unwrap_or(&[]);
        let kept = |d: usize| plane.get(d).map_or(1, |&n| n as isize);
        let sizes: Sizes = match size.0.as_slice() {
            [None] => (0..rank).map(kept).collect(),
            sizes => sizes.iter().enumerate().map(|(d, n)| n.unwrap_or_else(|| kept(d))).collect(),
        };
        let size = each(op, "the output size", &sizes, rank)?;
        if size.iter().any(|n| n < 0) {
            return Err(Error::value(op, format!("the output size must not be negative, got {size:?}")));
        }
        Ok(size)
    }
}

/// The methods of one rank.
macro_rules! pools {
    ($($rank:literal, $shape:literal, $max:ident $max_indices:ident $avg:ident $adaptive:ident $adaptive_max:ident $adaptive_max_indices:ident $unpool:ident $lp:ident;)*) => {
        impl Tensor {$(
            #[doc = concat!("The largest element of each window of x", $shape, ".")]
            ///
            /// The number of windows is `floor((n + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1`, rounded up instead with `ceil_mode` if the
            /// last window begins inside of the input or the padding in front. Padding counts as minus infinity, NaN as largest. A stride of `()` is the
            /// kernel's size (PyTorch's default; the others are padding 0, dilation 1, no ceil mode).
            ///
            /// # Errors
            /// If shape or parameters do not fit; padding is at most half of what the kernel reaches over.
            pub fn $max(
                &self,
                kernel: impl IntoSizes,
                stride: impl IntoSizes,
                padding: impl IntoSizes,
                dilation: impl IntoSizes,
                ceil_mode: bool,
            ) -> Result<Tensor> {
                self.$max_indices(kernel, stride, padding, dilation, ceil_mode).map(|r| r.0)
            }

            #[doc = concat!("As [`", stringify!($max), "`](Tensor::", stringify!($max), "), with the places: flat indices (int64) into the input's plane.")]
            ///
            /// # Errors
            /// As there.
            pub fn $max_indices(
                &self,
                kernel: impl IntoSizes,
                stride: impl IntoSizes,
                padding: impl IntoSizes,
                dilation: impl IntoSizes,
                ceil_mode: bool,
            ) -> Result<(Tensor, Tensor)> {
                let (k, s, p, d) = (kernel.into_sizes(), stride.into_sizes(), padding.into_sizes(), dilation.into_sizes());
                self.two(Pool::Max(window(MAX[$rank - 1], $rank, k, s, p, d, ceil_mode)?))
            }

            #[doc = concat!("The mean of each window of x", $shape, ".")]
            ///
            /// Windows lie as in max pooling. The sum is divided by `divisor_override` if given, else by the number of elements of the window inside of the padded
            /// input (`count_include_pad`, PyTorch's default) or inside of the input.
            ///
            /// # Errors
            /// If shape or parameters do not fit.
            pub fn $avg(
                &self,
                kernel: impl IntoSizes,
                stride: impl IntoSizes,
                padding: impl IntoSizes,
                ceil_mode: bool,
                count_include_pad: bool,
                divisor_override: Option<i64>,
            ) -> Result<Tensor> {
                let (k, s, p) = (kernel.into_sizes(), stride.into_sizes(), padding.into_sizes());
                self.avg_pool($rank, k, s, p, ceil_mode, count_include_pad, divisor_override)
            }

            #[doc = concat!("The means of `output_size` nearly equal parts of x", $shape, ": part i of n over m elements is from `floor(i m / n)` to")]
            /// `ceil((i + 1) m / n)`.
            ///
            /// # Errors
            /// If shape or sizes do not fit.
            pub fn $adaptive(&self, output_size: impl Into<OutputSize>) -> Result<Tensor> {
                let size = self.adaptive(ADAPTIVE[$rank - 1], $rank, output_size.into())?;
                apply1(Pool::AdaptiveAvg { size }, [self])
            }

            #[doc = concat!("The largest elements of the parts of x", $shape, ", which are as in [`", stringify!($adaptive), "`](Tensor::", stringify!($adaptive), ").")]
            ///
            /// # Errors
            /// If shape or sizes do not fit.
            pub fn $adaptive_max(&self, output_size: impl Into<OutputSize>) -> Result<Tensor> {
                self.$adaptive_max_indices(output_size).map(|r| r.0)
            }

            #[doc = concat!("As [`", stringify!($adaptive_max), "`](Tensor::", stringify!($adaptive_max), "), with the places: flat indices (int64) into the input's plane.")]
            ///
            /// # Errors
            /// As there.
            pub fn $adaptive_max_indices(&self, output_size: impl Into<OutputSize>) -> Result<(Tensor, Tensor)> {
                let size = self.adaptive(ADAPTIVE_MAX[$rank - 1], $rank, output_size.into())?;
                self.two(Pool::AdaptiveMax { size })
            }

            #[doc = concat!("Elements written to the places of a plane of zeros that indices name: undoes [`", stringify!($max), "`](Tensor::", stringify!($max), ") up to")]
            /// what was not largest. The plane has `output_size`, or by default (`()`) `(n - 1) * stride - 2 * padding + kernel`; a stride of `()` is the
            /// kernel's size.
            ///
            /// # Errors
            /// If shapes or parameters do not fit, the output size is more than a stride away from the default, or an index is out of range.
            pub fn $unpool(
                &self,
                indices: &Tensor,
                kernel: impl IntoSizes,
                stride: impl IntoSizes,
                padding: impl IntoSizes,
                output_size: impl IntoSizes,
            ) -> Result<Tensor> {
                let w = window(UNPOOL[$rank - 1], $rank, kernel.into_sizes(), stride.into_sizes(), padding.into_sizes(), smallvec::smallvec![1], false)?;
                self.max_unpool($rank, indices, &w, output_size.into_sizes())
            }

            #[doc = concat!("The p-norm of each window of x", $shape, ", without the absolute value: `(sum of x^p)^(1/p)`. Windows lie as in average pooling without")]
            /// padding; a stride of `()` is the kernel's size.
            ///
            /// # Errors
            /// If shape or parameters do not fit.
            pub fn $lp(&self, norm_type: f64, kernel: impl IntoSizes, stride: impl IntoSizes, ceil_mode: bool) -> Result<Tensor> {
                self.lp_pool($rank, norm_type, kernel.into_sizes(), stride.into_sizes(), ceil_mode)
            }
        )*}
    };
}

pools! {
    1, "[n, c, l] or [c, l]", max_pool1d max_pool1d_with_indices avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d adaptive_max_pool1d_with_indices max_unpool1d lp_pool1d;
    2, "[n, c, h, w] or [c, h, w]", max_pool2d max_pool2d_with_indices avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d adaptive_max_pool2d_with_indices max_unpool2d lp_pool2d;
    3, "[n, c, d, h, w] or [c, d, h, w]", max_pool3d max_pool3d_with_indices avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d adaptive_max_pool3d_with_indices max_unpool3d lp_pool3d;
}

impl Tensor {
    fn max_unpool(&self, rank: usize, indices: &Tensor, window: &PoolWindow, output_size: Sizes) -> Result<Tensor> {
        let op = UNPOOL[rank - 1];
        self.floats(op)?;
        if !(self.dim() == rank + 1 || self.dim() == rank + 2) || indices.shape() != self.shape() {
            return Err(Error::shape(
                op,
                format!(
                    "wants a tensor of {} dimensions, or of {} without a batch, and indices of its shape, got {:?} and {:?}",
                    rank + 2,
                    rank + 1,
                    self.shape(),
                    indices.shape()
                ),
            ));
        }
        if window.stride.iter().any(|s| s < 1) {
            return Err(Error::value(op, format!("strides must be positive, got {:?}", window.stride)));
        }
        let (lead, plane) = self.shape().split_at(self.dim() - rank);
        let default: SmallVec<[isize; 3]> =
            (0..rank).map(|d| (plane[d] as isize - 1) * window.stride.get(d) - 2 * window.padding.get(d) + window.kernel.get(d)).collect();
        // The whole shape may be given, as in PyTorch.
        let given = if output_size.len() == self.dim() { &output_size[self.dim() - rank..] } else { &output_size[..] };
        let size: &[isize] = if given.is_empty() { &default } else { given };
        let near = |d: usize| (size[d] - default[d]).abs() < window.stride.get(d);
        if size.len() != rank || size.iter().any(|&n| n < 1) || !(given.is_empty() || (0..rank).all(near)) {
            return Err(Error::value(
                op,
                format!("the output size {size:?} must be less than a stride away from {default:?} and at least 1"),
            ));
        }
        let whole = |sizes: &[usize]| lead.iter().copied().chain([sizes.iter().product()]).collect::<Vec<usize>>();
        let sizes: SmallVec<[usize; 3]> = size.iter().map(|&n| n as usize).collect();
        let zeros = Tensor::zeros(whole(&sizes), (self.dtype(), self.device()))?;
        let flat = zeros.scatter(-1, &indices.reshape(whole(plane))?, &self.reshape(whole(plane))?)?;
        flat.reshape(lead.iter().copied().chain(sizes).collect::<Vec<usize>>())
    }

    fn lp_pool(&self, rank: usize, p: f64, kernel: Sizes, stride: Sizes, ceil_mode: bool) -> Result<Tensor> {
        let sizes = each(LP[rank - 1], "the kernel", &kernel, rank)?;
        let count: f64 = sizes.iter().map(f64::from).product();
        let mean = self.pow(p)?.avg_pool(rank, kernel, stride, smallvec::smallvec![0], ceil_mode, true, None)?;
        // As PyTorch computes it, so that the derivative at 0 is the same: the sign keeps negative sums of odd powers from becoming NaN.
        mean.sign()?.mul(&mean.abs()?.relu()?)?.mul(count)?.pow(1.0 / p)
    }
}
