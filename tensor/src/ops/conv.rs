//! Convolutions; windows as columns are in `fold.rs`.

mod fold;

use rushlight_backend::op::{Conv, Spatial, Window};
use rushlight_backend::{Error, Result};
use smallvec::SmallVec;

use crate::{IntoSizes, Sizes, Tensor, apply1};

/// The padding of a convolution: numbers, or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Padding {
    /// This many zeros on both sides; one number for all dimensions or one for each.
    Zeros(Sizes),
    /// `"same"`: the output is as large as the input; the odd zero goes behind. Stride must be 1.
    Same,
    /// `"valid"`: none.
    Valid,
}

impl<T: IntoSizes> From<T> for Padding {
    fn from(sizes: T) -> Padding {
        Padding::Zeros(sizes.into_sizes())
    }
}

/// One number for each of `rank` dimensions from one number for all or one for each.
pub(super) fn each(op: &'static str, what: &str, sizes: &[isize], rank: usize) -> Result<Spatial> {
    match sizes {
        [one] => Spatial::new(op, &SmallVec::<[isize; 3]>::from_elem(*one, rank)),
        sizes if sizes.len() == rank => Spatial::new(op, sizes),
        sizes => Err(Error::value(op, format!("{what} must be one number or {rank}, got {sizes:?}"))),
    }
}

const NAMES: [&str; 3] = ["conv1d", "conv2d", "conv3d"];
const TRANSPOSED: [&str; 3] = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"];

impl Tensor {
    /// An input without a batch, `[channels, ..]`, as a batch of one.
    fn with_batch(&self, rank: usize) -> Result<(Tensor, bool)> {
        match self.dim() == rank + 1 {
            true => Ok((self.unsqueeze(0)?, true)),
            false => Ok((self.clone(), false)),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn conv(
        &self,
        rank: usize,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: Sizes,
        padding: Padding,
        dilation: Sizes,
        groups: usize,
    ) -> Result<Tensor> {
        let op = NAMES[rank - 1];
        let (stride, dilation) = (each(op, "stride", &stride, rank)?, each(op, "dilation", &dilation, rank)?);
        let (before, after) = match padding {
            Padding::Valid => (Spatial::all(0, rank), Spatial::all(0, rank)),
            Padding::Zeros(sizes) => {
                let sizes = each(op, "padding", &sizes, rank)?;
                if sizes.iter().any(|p| p < 0) {
                    return Err(Error::value(op, format!("padding must not be negative, got {sizes:?}")));
                }
                (sizes, sizes)
            }
            Padding::Same => {
                if stride.iter().any(|s| s != 1) {
                    return Err(Error::value(op, format!("padding \"same\" wants a stride of 1, got {stride:?}")));
                }
                if weight.dim() != rank + 2 {
                    return Err(Error::shape(op, format!("wants a weight of {} dimensions, got {:?}", rank + 2, weight.shape())));
                }
                let total: SmallVec<[isize; 3]> =
                    (0..rank).map(|d| dilation.get(d).saturating_mul((weight.shape()[d + 2] as isize - 1).max(0))).collect();
                let half = |up: isize| total.iter().map(|t| (t + up) / 2).collect::<SmallVec<[isize; 3]>>();
                (Spatial::new(op, &half(0))?, Spatial::new(op, &half(1))?)
            }
        };
        let (x, alone) = self.with_batch(rank)?;
        if x.dim() == rank + 2 && x.shape()[2..].contains(&0) {
            return Err(Error::shape(op, format!("only the batch and the channels may be empty, got {:?}", self.shape())));
        }
        let conv = Conv::Forward(Window { stride, before, after, dilation, groups });
        let y = match bias {
            Some(bias) => apply1(conv, [&x, weight, bias])?,
            None => apply1(conv, [&x, weight])?,
        };
        if alone { y.squeeze_dim(0) } else { Ok(y) }
    }

    #[allow(clippy::too_many_arguments)]
    fn conv_transpose(
        &self,
        rank: usize,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: Sizes,
        padding: Sizes,
        output_padding: Sizes,
        groups: usize,
        dilation: Sizes,
    ) -> Result<Tensor> {
        let op = TRANSPOSED[rank - 1];
        let (stride, dilation) = (each(op, "stride", &stride, rank)?, each(op, "dilation", &dilation, rank)?);
        let (padding, extra) = (each(op, "padding", &padding, rank)?, each(op, "output_padding", &output_padding, rank)?);
        let (x, alone) = self.with_batch(rank)?;
        if x.dim() != rank + 2 || weight.dim() != rank + 2 {
            return Err(Error::shape(
                op,
                format!(
                    "wants an input and a weight of {} dimensions (or an input of {} without a batch), got {:?} and {:?}",
                    rank + 2,
                    rank + 1,
                    self.shape(),
                    weight.shape()
                ),
            ));
        }
        if weight.shape()[1] == 0 {
            return Err(Error::shape(op, format!("a weight of shape {:?} gives no channels", weight.shape())));
        }
        let mut size: SmallVec<[isize; 3]> = SmallVec::new();
        let mut after: SmallVec<[isize; 3]> = SmallVec::new();
        for d in 0..rank {
            let (s, k, p, e) = (stride.get(d), dilation.get(d), padding.get(d), extra.get(d));
            if p < 0 || e < 0 || e >= s.max(k) {
                return Err(Error::value(
                    op,
                    format!(
                        "padding must not be negative, and output_padding must be from 0 to less than stride or dilation: got {padding:?}, {extra:?} \
                         with stride {stride:?}, dilation {dilation:?}"
                    ),
                ));
            }
            let (n, taps) = (x.shape()[d + 2] as isize, weight.shape()[d + 2] as isize);
            let out = (n - 1)
                .saturating_mul(s)
                .saturating_add(k.saturating_mul(taps - 1))
                .saturating_add(1 + e)
                .saturating_sub(p.saturating_mul(2));
            if n < 1 || out < 1 {
                return Err(Error::shape(
                    op,
                    format!("an input of shape {:?} gives an output of size {out} in spatial dimension {d}", self.shape()),
                ));
            }
            size.push(out);
            after.push(p - e);
        }
        let window = Window { stride, before: padding, after: Spatial::new(op, &after)?, dilation, groups };
        let y = apply1(Conv::InputGrad { window, size: Spatial::new(op, &size)? }, [&x, weight])?;
        let y = match bias {
            None => y,
            Some(bias) => {
                if bias.dtype() != y.dtype() {
                    return Err(Error::dtype(op, format!("a bias of {} for an input of {}", bias.dtype(), y.dtype())));
                }
                if bias.shape() != &y.shape()[1..2] {
                    return Err(Error::shape(
                        op,
                        format!("a bias of shape {:?} does not fit a weight of shape {:?}", bias.shape(), weight.shape()),
                    ));
                }
                let mut column: SmallVec<[usize; 5]> = SmallVec::from_elem(1, rank + 1);
                column[0] = bias.numel();
                y.add(&bias.reshape(column.as_slice())?)?
            }
        };
        if alone { y.squeeze_dim(0) } else { Ok(y) }
    }

    /// Convolution over one dimension: x[n, in, l] or [in, l], weight[out, in / groups, k], `bias[out]` -> [n, out, l'], with
    /// `l' = (l + 2 * padding - dilation * (k - 1) - 1) / stride + 1`. PyTorch's defaults are stride 1, padding 0, dilation 1, groups 1. The kernel is not
    /// flipped, so this is a cross-correlation.
    ///
    /// # Errors
    /// If shapes, dtypes or parameters do not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn conv1d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: impl IntoSizes,
        padding: impl Into<Padding>,
        dilation: impl IntoSizes,
        groups: usize,
    ) -> Result<Tensor> {
        self.conv(1, weight, bias, stride.into_sizes(), padding.into(), dilation.into_sizes(), groups)
    }

    /// Convolution over two dimensions: x[n, in, h, w] or [in, h, w], weight[out, in / groups, kh, kw], `bias[out]` -> [n, out, h', w'], sizes as in
    /// [`conv1d`](Tensor::conv1d). Numbers are for both dimensions or one for each.
    ///
    /// # Errors
    /// If shapes, dtypes or parameters do not fit.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])?;
    /// let w = Tensor::new(&[[[[1.0f32, 0.0], [0.0, -1.0]]]])?;
    /// let y = x.conv2d(&w, None, 1, 0, 1, 1)?;
    /// assert_eq!(y.shape(), [1, 1, 2, 2]);
    /// assert_eq!(y.to_vec::<f32>()?, [-4.0; 4]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    #[allow(clippy::too_many_arguments)]
    pub fn conv2d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: impl IntoSizes,
        padding: impl Into<Padding>,
        dilation: impl IntoSizes,
        groups: usize,
    ) -> Result<Tensor> {
        self.conv(2, weight, bias, stride.into_sizes(), padding.into(), dilation.into_sizes(), groups)
    }

    /// Convolution over three dimensions: x[n, in, d, h, w] or [in, d, h, w], weight[out, in / groups, kd, kh, kw], `bias[out]` -> [n, out, d', h', w'],
    /// sizes as in [`conv1d`](Tensor::conv1d).
    ///
    /// # Errors
    /// If shapes, dtypes or parameters do not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn conv3d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: impl IntoSizes,
        padding: impl Into<Padding>,
        dilation: impl IntoSizes,
        groups: usize,
    ) -> Result<Tensor> {
        self.conv(3, weight, bias, stride.into_sizes(), padding.into(), dilation.into_sizes(), groups)
    }

    /// Transposed convolution over one dimension, the transpose of [`conv1d`](Tensor::conv1d): x[n, in, l] or [in, l], weight[in, out / groups, k],
    /// `bias[out]` -> [n, out, l'], with `l' = (l - 1) * stride - 2 * padding + dilation * (k - 1) + output_padding + 1`. PyTorch's defaults are stride 1,
    /// padding 0, output_padding 0, groups 1, dilation 1.
    ///
    /// # Errors
    /// If shapes, dtypes or parameters do not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn conv_transpose1d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: impl IntoSizes,
        padding: impl IntoSizes,
        output_padding: impl IntoSizes,
        groups: usize,
        dilation: impl IntoSizes,
    ) -> Result<Tensor> {
        let (s, p, o, d) = (stride.into_sizes(), padding.into_sizes(), output_padding.into_sizes(), dilation.into_sizes());
        self.conv_transpose(1, weight, bias, s, p, o, groups, d)
    }

    /// Transposed convolution over two dimensions: weight[in, out / groups, kh, kw]; otherwise as [`conv_transpose1d`](Tensor::conv_transpose1d).
    ///
    /// # Errors
    /// If shapes, dtypes or parameters do not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn conv_transpose2d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: impl IntoSizes,
        padding: impl IntoSizes,
        output_padding: impl IntoSizes,
        groups: usize,
        dilation: impl IntoSizes,
    ) -> Result<Tensor> {
        let (s, p, o, d) = (stride.into_sizes(), padding.into_sizes(), output_padding.into_sizes(), dilation.into_sizes());
        self.conv_transpose(2, weight, bias, s, p, o, groups, d)
    }

    /// Transposed convolution over three dimensions: weight[in, out / groups, kd, kh, kw]; otherwise as
    /// [`conv_transpose1d`](Tensor::conv_transpose1d).
    ///
    /// # Errors
    /// If shapes, dtypes or parameters do not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn conv_transpose3d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: impl IntoSizes,
        padding: impl IntoSizes,
        output_padding: impl IntoSizes,
        groups: usize,
        dilation: impl IntoSizes,
    ) -> Result<Tensor> {
        let (s, p, o, d) = (stride.into_sizes(), padding.into_sizes(), output_padding.into_sizes(), dilation.into_sizes());
        self.conv_transpose(3, weight, bias, s, p, o, groups, d)
    }
}
