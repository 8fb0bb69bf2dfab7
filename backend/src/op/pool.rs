//! Pooling over one to three spatial dimensions.
//!
//! Inputs are `[n, c, ..]` or `[c, ..]`: every plane of spatial dimensions is pooled for itself.

use smallvec::smallvec;

use super::spatial::{at_least, sized};
use super::{MetaRef, Metas, Spatial, check_size, exactly, want_index};
use crate::{DType, Error, Meta, Result, Shape};

/// Where the windows of a pooling lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolWindow {
    /// The sizes of a window; at least 1.
    pub kernel: Spatial,
    /// Steps between windows; at least 1.
    pub stride: Spatial,
    /// Places in front of and behind the input; at most half of what the window reaches over.
    pub padding: Spatial,
    /// Steps between the elements of a window; at least 1.
    pub dilation: Spatial,
    /// Whether a last window that reaches beyond the padded input counts, if it begins inside of the input or the padding in front.
    pub ceil_mode: bool,
}

/// What an average divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divisor {
    /// The places of the window inside of the padded input.
    Padded,
    /// The places of the window inside of the input.
    Inside,
    /// This number, not 0.
    Fixed(i64),
}

/// A pooling, or the transpose of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest element of each window, and its place: the flat index into the plane (int64). NaN counts as largest; of equal elements the first
    /// is taken. Padding counts as minus infinity. Results: values, indices.
    Max(PoolWindow),
    /// The largest element, and its place, of each of `size` nearly equal parts (which overlap where the sizes do not divide).
    AdaptiveMax {
        /// The number of parts along each dimension.
        size: Spatial,
    },
    /// The transpose of taking elements by such indices: adds each element of g to the place of a plane that indices name. Inputs: g, indices.
    MaxGrad {
        /// The sizes of the plane.
        size: Spatial,
    },
    /// The sum of each window, divided.
    Avg {
        /// Where the windows lie; dilation is 1.
        window: PoolWindow,
        /// What is divided by.
        divisor: Divisor,
    },
    /// The transpose of `Avg`.
    AvgGrad {
        /// Where the windows lie; dilation is 1.
        window: PoolWindow,
        /// What is divided by.
        divisor: Divisor,
        /// The sizes of the plane that was pooled.
        size: Spatial,
    },
    /// The mean of each of `size` nearly equal parts: part i of n over m elements is from `floor(i m / n)` to `ceil((i + 1) m / n)`.
    AdaptiveAvg {
        /// The number of parts along each dimension.
        size: Spatial,
    },
    /// The transpose of `AdaptiveAvg`.
    AdaptiveAvgGrad {
        /// The sizes of the plane that was pooled.
        size: Spatial,
    },
}

impl PoolWindow {
    fn check(&self, op: &'static str) -> Result<()> {
        let rank = self.kernel.rank();
        at_least(op, "the kernel", &self.kernel, rank, 1)?;
        at_least(op, "stride", &self.stride, rank, 1)?;
        at_least(op, "padding", &self.padding, rank, 0)?;
        at_least(op, "dilation", &self.dilation, rank, 1)?;
        for d in 0..rank {
            let reach = (self.kernel.get(d) - 1) * self.dilation.get(d) + 1;
            if self.padding.get(d) > reach / 2 {
                return Err(Error::value(
                    op,
                    format!("padding {:?} is more than half of what the kernel {:?} reaches over, {reach}", self.padding, self.kernel),
                ));
            }
        }
        Ok(())
    }

    /// The number of windows along each dimension of a plane.
    ///
    /// # Errors
    /// If there is none.
    pub fn output(&self, op: &'static str, size: &[usize]) -> Result<Shape> {
        (0..self.kernel.rank())
            .map(|d| {
                let (n, pad, stride) = (size[d] as isize, self.padding.get(d), self.stride.get(d));
                let room = n + 2 * pad - self.dilation.get(d) * (self.kernel.get(d) - 1) - 1;
                let mut out = (room + if self.ceil_mode { stride - 1 } else { 0 }).div_euclid(stride) + 1;
                // The last window must begin inside of the input or the padding in front.
                if self.ceil_mode && (out - 1) * stride >= n + pad {
                    out -= 1;
                }
                if out < 1 {
                    return Err(Error::shape(op, format!("a kernel of {:?} does not fit into a plane of {size:?}", self.kernel)));
                }
                Ok(out as usize)
            })
            .collect()
    }
}

const MAX: [&str; 3] = ["max_pool1d", "max_pool2d", "max_pool3d"];
const AVG: [&str; 3] = ["avg_pool1d", "avg_pool2d", "avg_pool3d"];
const MAX_GRAD: [&str; 3] = ["max_pool1d_backward", "max_pool2d_backward", "max_pool3d_backward"];
const AVG_GRAD: [&str; 3] = ["avg_pool1d_backward", "avg_pool2d_backward", "avg_pool3d_backward"];
const ADAPTIVE_MAX: [&str; 3] = ["adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"];
const ADAPTIVE_AVG: [&str; 3] = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"];
const ADAPTIVE_AVG_GRAD: [&str; 3] = ["adaptive_avg_pool1d_backward", "adaptive_avg_pool2d_backward", "adaptive_avg_pool3d_backward"];

impl Pool {
    /// The number of spatial dimensions.
    pub fn spatial_rank(&self) -> usize {
        match self {
            Pool::Max(window) | Pool::Avg { window, .. } | Pool::AvgGrad { window, .. } => window.kernel.rank(),
            Pool::AdaptiveMax { size } | Pool::MaxGrad { size } | Pool::AdaptiveAvg { size } | Pool::AdaptiveAvgGrad { size } => {
                size.rank()
            }
        }
    }

    pub(super) fn name(&self) -> &'static str {
        let dim = self.spatial_rank().clamp(1, 3) - 1;
        match self {
            Pool::Max(_) => MAX[dim],
            Pool::MaxGrad { .. } => MAX_GRAD[dim],
            Pool::AdaptiveMax { .. } => ADAPTIVE_MAX[dim],
            Pool::Avg { .. } => AVG[dim],
            Pool::AvgGrad { .. } => AVG_GRAD[dim],
            Pool::AdaptiveAvg { .. } => ADAPTIVE_AVG[dim],
            Pool::AdaptiveAvgGrad { .. } => ADAPTIVE_AVG_GRAD[dim],
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let (name, rank) = (self.name(), self.spatial_rank());
        let x = inputs.first().ok_or_else(|| Error::value(name, "needs a tensor"))?;
        if x.dtype == DType::Bool || x.dtype.is_complex() {
            return Err(Error::dtype(name, format!("does not take {}", x.dtype)));
        }
        let lead = match x.shape.len().checked_sub(rank) {
            Some(lead @ (1 | 2)) => lead,
            _ => {
                return Err(Error::shape(
                    name,
                    format!("wants a tensor of {} dimensions, or of {} without a batch, got {:?}", rank + 2, rank + 1, x.shape),
                ));
            }
        };
        let (front, plane) = x.shape.split_at(lead);
        // As in PyTorch, only a batch may be empty; adaptive pooling to size 0 has empty gradients.
        let gradient = matches!(self, Pool::MaxGrad { .. } | Pool::AvgGrad { .. } | Pool::AdaptiveAvgGrad { .. });
        // Adaptive pooling takes the first dimension for the batch, whatever it is.
        let adaptive = matches!(self, Pool::AdaptiveAvg { .. } | Pool::AdaptiveMax { .. });
        if !gradient && ((front[lead - 1] == 0 && (lead == 2 || !adaptive)) || plane.contains(&0)) {
            return Err(Error::shape(name, format!("only the batch may be empty, got {:?}", x.shape)));
        }
        let with = |sizes: &[usize]| -> Shape { front.iter().chain(sizes).copied().collect() };
        let two = |sizes: &[usize]| -> Result<Metas> {
            check_size(name, &with(sizes), DType::I64)?;
            Ok(smallvec![Meta { shape: with(sizes), dtype: x.dtype }, Meta { shape: with(sizes), dtype: DType::I64 }])
        };
        match self {
            Pool::Max(window) => {
                window.check(name)?;
                exactly::<1>(name, inputs)?;
                two(&window.output(name, plane)?)
            }
            Pool::AdaptiveMax { size } => {
                exactly::<1>(name, inputs)?;
                at_least(name, "the output size", size, rank, 0)?;
                two(&size.sizes())
            }
            Pool::MaxGrad { size } => {
                let [g, indices] = exactly(name, inputs)?;
                want_index(name, indices.dtype)?;
                at_least(name, "the size", size, rank, 0)?;
                if g.shape != indices.shape {
                    return Err(Error::shape(name, format!("indices of shape {:?} do not fit {:?}", indices.shape, g.shape)));
                }
                sized(name, with(&size.sizes()), g.dtype)
            }
            Pool::Avg { window, divisor } => {
                self.check_avg(window, divisor)?;
                exactly::<1>(name, inputs)?;
                sized(name, with(&window.output(name, plane)?), x.dtype)
            }
            Pool::AvgGrad { window, divisor, size } => {
                self.check_avg(window, divisor)?;
                exactly::<1>(name, inputs)?;
                at_least(name, "the size", size, rank, 0)?;
                let wanted = window.output(name, &size.sizes())?;
                if plane != wanted.as_slice() {
                    return Err(Error::shape(name, format!("a gradient of shape {:?} does not fit: wanted {wanted:?}", x.shape)));
                }
                sized(name, with(&size.sizes()), x.dtype)
            }
            Pool::AdaptiveAvg { size } | Pool::AdaptiveAvgGrad { size } => {
                exactly::<1>(name, inputs)?;
                at_least(name, "the output size", size, rank, 0)?;
                sized(name, with(&size.sizes()), x.dtype)
            }
        }
    }

    fn check_avg(&self, window: &PoolWindow, divisor: &Divisor) -> Result<()> {
        window.check(self.name())?;
        if window.dilation.iter().any(|d| d != 1) {
            return Err(Error::value(self.name(), "averages take no dilation"));
        }
        if *divisor == Divisor::Fixed(0) {
            return Err(Error::value(self.name(), "the divisor must not be 0"));
        }
        Ok(())
    }
}
