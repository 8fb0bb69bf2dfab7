//! Normalisation across channels, as the Torch of Lua had it.

use rushlight_autograd::{Ctx, Function, Grads, call};
use rushlight_tensor::{Error, Result, Tensor, Tensors};

use crate::builder::builder;
use crate::{Forward, Module};

builder! {
    /// The arguments of [`CrossMapLRN2d`]: over how many channels it goes.
    CrossMapLRN2dBuilder for CrossMapLRN2d(size: usize) {
        /// The factor of the sum of squares. Default: 1e-4.
        alpha: f64 = 1e-4;
        /// The power. Default: 0.75.
        beta: f64 = 0.75;
        /// What is added. Default: 1.
        k: f64 = 1.0;
    }
}

/// `x / (k + alpha / size * sum of squares of neighbouring channels)^beta` for images `[n, c, h, w]`, with PyTorch's numbers to the last quirk: a square enters the running
/// sum over channels and some never leave it, and the gradient's window is shifted. [`LocalResponseNorm`](crate::LocalResponseNorm) is what the formula says.
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct CrossMapLRN2d {
    #[module(skip)]
    settings: CrossMapLRN2dBuilder,
}

impl CrossMapLRN2dBuilder {
    /// The module.
    ///
    /// # Errors
    /// If the size is 0.
    pub fn build(self) -> Result<CrossMapLRN2d> {
        if self.size == 0 {
            return Err(Error::value("CrossMapLRN2d", "the size must not be 0"));
        }
        Ok(CrossMapLRN2d { settings: self })
    }
}

impl CrossMapLRN2d {
    fn arguments(&self) -> String {
        let s = &self.settings;
        format!("{}, alpha={}, beta={}, k={}", s.size, s.alpha, s.beta, s.k)
    }
}

impl Forward for CrossMapLRN2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            if x.dim() != 4 || x.shape()[1] == 0 {
                return Err(Error::shape("CrossMapLRN2d", format!("wants [n, c, h, w], got {:?}", x.shape())));
            }
            Ok(call(CrossMap(self.settings.clone()), &[x])?.swap_remove(0))
        })
    }
}

struct CrossMap(CrossMapLRN2dBuilder);

impl CrossMap {
    /// What is raised to the power.
    fn scale(&self, x: &Tensor) -> Result<Tensor> {
        let squares = x.square()?.unbind(1)?;
        let (channels, reach) = (squares.len(), (self.0.size - 1) / 2 + 1);
        let mut sum = squares[1..reach.min(channels)].iter().try_fold(squares[0].clone(), |sum, s| sum.add(s))?;
        let mut sums = vec![sum.clone()];
        for c in 1..channels {
            if c + reach < channels + 1 {
                sum = sum.add(&squares[c + reach - 1])?;
            }
            if c > reach {
                sum = sum.sub(&squares[c - reach])?;
            }
            sums.push(sum.clone());
        }
        Tensor::stack(&sums, 1)?.mul(self.0.alpha / self.0.size as f64)?.add(self.0.k)
    }
}

impl Function for CrossMap {
    fn name(&self) -> &'static str {
        "CrossMapLRN2d"
    }

    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        Ok(Tensors::from_iter([x.mul(&self.scale(x)?.pow(-self.0.beta)?)?]))
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(Grads::from_iter([None])) };
        let CrossMapLRN2dBuilder { size, alpha, beta, .. } = self.0;
        let x = ctx.input(0)?;
        let scale = self.scale(x)?;
        let ratio = g.mul(ctx.output(0)?)?.div(&scale)?.unbind(1)?;
        // PyTorch pads by `before` channels in front and sums over windows of `size` from there.
        let (channels, before) = (ratio.len(), size - size / 2);
        let mut sums = Vec::with_capacity(channels);
        for c in 0..channels {
            let window = (c..c + size).filter_map(|j| j.checked_sub(before)).filter(|&j| j < channels);
            sums.push(window.map(|j| &ratio[j]).try_fold(ratio[0].zeros_like()?, |sum, r| sum.add(r))?);
        }
        let factor = 2.0 * alpha * beta / size as f64;
        let own = g.mul(&scale.pow(-beta)?)?;
        Ok(Grads::from_iter([Some(own.sub(&x.mul(&Tensor::stack(&sums, 1)?)?.mul(factor)?)?)]))
    }
}
