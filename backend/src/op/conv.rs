//! Convolutions of one to three spatial dimensions.
//!
//! The three operations are the three ways to contract what a convolution connects: input x, weight w and output y. Each is linear in
//! each of its tensors, and its transposes are the other two, so derivatives of any order stay among them.
//!
//! `y[n, o, p] = sum over c, k of w[o, c, k] * x[n, c, p * stride + k * dilation - before]`, where x is zero outside; channels in groups.

use super::spatial::{at_least, sized};
use super::{MetaRef, Metas, Spatial, exactly, one, same_dtype};
use crate::{DType, Error, Result, Shape};

/// How the positions of input, weight and output belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Steps between the windows of neighbouring outputs; at least 1.
    pub stride: Spatial,
    /// Zeros in front of the input; at least 0.
    pub before: Spatial,
    /// Zeros behind the input. Negative numbers leave out the end of the input, which `output_padding` beyond the stride needs.
    pub after: Spatial,
    /// Steps between the elements of a window; at least 1.
    pub dilation: Spatial,
    /// The groups into which the channels are divided; at least 1.
    pub groups: usize,
}

/// A convolution or one of its transposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conv {
    /// Inputs: x[n, in, ..], w[out, in / groups, ..], perhaps `bias[out]`. Result: y[n, out, ..].
    Forward(Window),
    /// The gradient of the input, and the forward operation of a transposed convolution. Inputs: g[n, out, ..] (like y), w. Result: like x.
    InputGrad {
        /// How positions belong together.
        window: Window,
        /// The spatial sizes of x.
        size: Spatial,
    },
    /// The gradient of the weight. Inputs: g[n, out, ..] (like y), x. Result: like w.
    WeightGrad {
        /// How positions belong together.
        window: Window,
        /// The spatial sizes of w.
        kernel: Spatial,
    },
}

const NAMES: [&str; 3] = ["conv1d", "conv2d", "conv3d"];
/// As in `torch.nn.grad`.
const WEIGHT: [&str; 3] = ["conv1d_weight", "conv2d_weight", "conv3d_weight"];
const TRANSPOSED: [&str; 3] = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"];

impl Window {
    fn rank(&self) -> usize {
        self.stride.rank()
    }

    fn check(&self, op: &'static str) -> Result<()> {
        let rank = self.rank();
        at_least(op, "stride", &self.stride, rank, 1)?;
        at_least(op, "padding", &self.before, rank, 0)?;
        at_least(op, "padding", &self.after, rank, i32::MIN)?;
        at_least(op, "dilation", &self.dilation, rank, 1)?;
        if self.groups == 0 {
            return Err(Error::value(op, "groups must be at least 1"));
        }
        Ok(())
    }

    /// The spatial sizes of the output for those of input and kernel.
    ///
    /// # Errors
    /// If a kernel size is 0 or the kernel is larger than the padded input.
    pub fn output(&self, op: &'static str, size: &[usize], kernel: &[usize]) -> Result<Shape> {
        (0..self.rank())
            .map(|d| {
                let padded = size[d] as isize + self.before.get(d) + self.after.get(d);
                let reach = (kernel[d] as isize - 1).saturating_mul(self.dilation.get(d)).saturating_add(1);
                if kernel[d] == 0 {
                    return Err(Error::shape(op, format!("a kernel of sizes {kernel:?} has no elements")));
                }
                if padded < reach {
                    return Err(Error::shape(
                        op,
                        format!(
                            "a kernel that reaches over {reach} elements does not fit into the {padded} of the padded input in spatial dimension {d}"
                        ),
                    ));
                }
                Ok(((padded - reach) / self.stride.get(d) + 1) as usize)
            })
            .collect()
    }
}

impl Conv {
    /// How positions belong together.
    pub fn window(&self) -> &Window {
        match self {
            Conv::Forward(window) | Conv::InputGrad { window, .. } | Conv::WeightGrad { window, .. } => window,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        let dim = self.window().rank().clamp(1, 3) - 1;
        match self {
            Conv::InputGrad { .. } => TRANSPOSED[dim],
            Conv::WeightGrad { .. } => WEIGHT[dim],
            Conv::Forward(_) => NAMES[dim],
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let (name, window) = (self.name(), self.window());
        window.check(name)?;
        let dtype = same_dtype(name, inputs)?;
        if dtype == DType::Bool {
            return Err(Error::dtype(name, "does not take booleans"));
        }
        let rank = window.rank();
        let want_rank = |what: &str, t: &MetaRef<'_>| {
            if t.shape.len() == rank + 2 {
                return Ok(());
            }
            Err(Error::shape(
                name,
                format!("wants {what} of {} dimensions (or of {} without a batch), got {:?}", rank + 2, rank + 1, t.shape),
            ))
        };
        match self {
            Conv::Forward(_) => {
                let (x, w, bias) = match inputs {
                    [x, w] => (x, w, None),
                    [x, w, b] => (x, w, Some(b)),
                    _ => return Err(Error::value(name, format!("takes 2 or 3 tensors, got {}", inputs.len()))),
                };
                if w.shape.len() != rank + 2 {
                    return Err(Error::shape(name, format!("wants a weight of {} dimensions, got {:?}", rank + 2, w.shape)));
                }
                want_rank("an input", x)?;
                if x.shape[1] != w.shape[1] * window.groups {
                    return Err(Error::shape(
                        name,
                        format!(
                            "a weight of shape {:?} with {} groups wants {} input channels, got an input of shape {:?}",
                            w.shape,
                            window.groups,
                            w.shape[1] * window.groups,
                            x.shape
                        ),
                    ));
                }
                want_groups(name, "output", w.shape[0], window.groups)?;
                if let Some(b) = bias
                    && b.shape != &w.shape[..1]
                {
                    return Err(Error::shape(name, format!("a bias of shape {:?} does not fit a weight of shape {:?}", b.shape, w.shape)));
                }
                let mut shape = Shape::from_slice(&[x.shape[0], w.shape[0]]);
                shape.extend(window.output(name, &x.shape[2..], &w.shape[2..])?);
                sized(name, shape, dtype)
            }
            Conv::InputGrad { size, .. } => {
                let [g, w] = exactly(name, inputs)?;
                want_rank("an input", g)?;
                want_rank("a weight", w)?;
                at_least(name, "the size", size, rank, 0)?;
                if g.shape[1] != w.shape[0] {
                    return Err(Error::shape(
                        name,
                        format!("a weight of shape {:?} wants {} input channels, got an input of shape {:?}", w.shape, w.shape[0], g.shape),
                    ));
                }
                want_groups(name, "input", w.shape[0], window.groups)?;
                let size = size.sizes();
                want_spatial(name, g, &window.output(name, &size, &w.shape[2..])?)?;
                let mut shape = Shape::from_slice(&[g.shape[0], w.shape[1] * window.groups]);
                shape.extend(size);
                sized(name, shape, dtype)
            }
            Conv::WeightGrad { kernel, .. } => {
                let [g, x] = exactly(name, inputs)?;
                want_rank("a gradient", g)?;
                want_rank("an input", x)?;
                at_least(name, "the kernel", kernel, rank, 1)?;
                if g.shape[0] != x.shape[0] {
                    return Err(Error::shape(name, format!("batches of {} and {} differ", g.shape[0], x.shape[0])));
                }
                want_groups(name, "output", g.shape[1], window.groups)?;
                want_groups(name, "input", x.shape[1], window.groups)?;
                let kernel = kernel.sizes();
                want_spatial(name, g, &window.output(name, &x.shape[2..], &kernel)?)?;
                let mut shape = Shape::from_slice(&[g.shape[1], x.shape[1] / window.groups]);
                shape.extend(kernel);
                one(shape, dtype)
            }
        }
    }
}

fn want_groups(name: &'static str, which: &str, channels: usize, groups: usize) -> Result<()> {
    if channels.is_multiple_of(groups) && channels >= groups {
        return Ok(());
    }
    Err(Error::shape(name, format!("{channels} {which} channels cannot be divided into {groups} groups")))
}

fn want_spatial(name: &'static str, g: &MetaRef<'_>, wanted: &[usize]) -> Result<()> {
    if &g.shape[2..] == wanted {
        return Ok(());
    }
    Err(Error::shape(name, format!("the spatial sizes {:?} do not fit: wanted {wanted:?}", &g.shape[2..])))
}
