//! Schedules of one formula.

use std::f64::consts::PI;

use rushlight_tensor::{Error, Result};

use super::Schedule;
use crate::Rate;

/// Declares schedules: arguments and options with their defaults.
macro_rules! schedules {
    ($(
        $(#[$doc:meta])*
        $name:ident ($($(#[$argdoc:meta])* $arg:ident: $argty:ty),*) { $($(#[$optdoc:meta])* $opt:ident: $t:ty = $default:expr;)* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[must_use = "nothing happens before it is put `on` an optimizer"]
        pub struct $name {
            $($arg: $argty,)*
            $($opt: $t,)*
        }

        #[allow(clippy::new_without_default)] // `new` is how schedules begin.
        impl $name {
            /// The schedule with PyTorch's defaults.
            pub fn new($($arg: $argty),*) -> $name {
                $name { $($arg,)* $($opt: $default,)* }
            }

            $(
                $(#[$optdoc])*
                pub fn $opt(mut self, $opt: $t) -> $name {
                    self.$opt = $opt;
                    self
                }
            )*
        }
    )*};
}
pub(super) use schedules;

schedules! {
    /// Multiplies the rate by `gamma` every `step_size` steps.
    StepLR(step_size: i64) {
        /// The factor. Default: 0.1.
        gamma: f64 = 0.1;
    }

    /// Multiplies the rate by `gamma` at each of the milestones; one that is listed twice counts twice.
    MultiStepLR(milestones: Vec<i64>) {
        /// The factor. Default: 0.1.
        gamma: f64 = 0.1;
    }

    /// Multiplies the rate by `factor` until step `total_iters`.
    ConstantLR() {
        /// The factor. Default: 1/3.
        factor: f64 = 1.0 / 3.0;
        /// When it ends. Default: 5.
        total_iters: i64 = 5;
    }

    /// Multiplies the rate by a factor that goes from `start_factor` to `end_factor` along a line.
    LinearLR() {
        /// The factor at first. Default: 1/3.
        start_factor: f64 = 1.0 / 3.0;
        /// The factor at the end. Default: 1.
        end_factor: f64 = 1.0;
        /// When the end is reached. Default: 5.
        total_iters: i64 = 5;
    }

    /// Multiplies the rate by `gamma` in every step.
    ExponentialLR(gamma: f64) {}

    /// Multiplies the rate by `(1 - step / total_iters)^power`.
    PolynomialLR() {
        /// When the rate is zero. Default: 5.
        total_iters: i64 = 5;
        /// The power. Default: 1.
        power: f64 = 1.0;
    }

    /// From the initial rate to `eta_min` along half a period of a cosine, `t_max` steps long, and on along the cosine (Loshchilov and Hutter, 2017).
    CosineAnnealingLR(t_max: i64) {
        /// The least rate. Default: 0.
        eta_min: f64 = 0.0;
    }
}

fn not_negative(name: &'static str, what: &str, n: i64) -> Result<()> {
    if n >= 0 { Ok(()) } else { Err(Error::value(name, format!("{what} must not be negative, got {n}"))) }
}

fn positive(name: &'static str, what: &str, n: i64) -> Result<()> {
    if n > 0 { Ok(()) } else { Err(Error::value(name, format!("{what} must be positive, got {n}"))) }
}

impl Schedule for StepLR {
    const NAME: &'static str = "StepLR";

    fn prepare(&mut self, _: &mut [Rate]) -> Result<()> {
        positive(Self::NAME, "step_size", self.step_size)
    }

    fn lr(&self, epoch: i64, _: usize, current: f64, _: f64) -> Result<f64> {
        Ok(if epoch == 0 || epoch % self.step_size != 0 { current } else { current * self.gamma })
    }

    fn first_lr(&self, _: usize, _: f64, initial: f64) -> Result<f64> {
        Ok(initial)
    }
}

impl Schedule for MultiStepLR {
    const NAME: &'static str = "MultiStepLR";

    fn lr(&self, epoch: i64, _: usize, current: f64, _: f64) -> Result<f64> {
        let times = self.milestones.iter().filter(|m| **m == epoch).count();
        Ok(if times == 0 { current } else { current * self.gamma.powi(times as i32) })
    }

    fn first_lr(&self, _: usize, _: f64, initial: f64) -> Result<f64> {
        let passed = self.milestones.iter().filter(|m| **m <= 0).count();
        Ok(initial * self.gamma.powi(passed as i32))
    }
}

impl Schedule for ConstantLR {
    const NAME: &'static str = "ConstantLR";

    fn prepare(&mut self, _: &mut [Rate]) -> Result<()> {
        if !(0.0..=1.0).contains(&self.factor) {
            return Err(Error::value(Self::NAME, format!("factor must lie in 0 to 1, got {}", self.factor)));
        }
        Ok(())
    }

    fn lr(&self, epoch: i64, _: usize, current: f64, _: f64) -> Result<f64> {
        Ok(if epoch == 0 {
            current * self.factor
        } else if epoch == self.total_iters {
            current * (1.0 / self.factor)
        } else {
            current
        })
    }

    fn first_lr(&self, _: usize, _: f64, initial: f64) -> Result<f64> {
        Ok(if self.total_iters <= 0 { initial } else { initial * self.factor })
    }
}

impl Schedule for LinearLR {
    const NAME: &'static str = "LinearLR";

    fn prepare(&mut self, _: &mut [Rate]) -> Result<()> {
        if !(self.start_factor > 0.0 && self.start_factor <= 1.0) {
            return Err(Error::value(Self::NAME, format!("start_factor must be above 0 and at most 1, got {}", self.start_factor)));
        }
        if !(0.0..=1.0).contains(&self.end_factor) {
            return Err(Error::value(Self::NAME, format!("end_factor must lie in 0 to 1, got {}", self.end_factor)));
        }
        not_negative(Self::NAME, "total_iters", self.total_iters)
    }

    fn lr(&self, epoch: i64, _: usize, current: f64, _: f64) -> Result<f64> {
        if epoch == 0 {
            return Ok(current * self.start_factor);
        }
        if epoch > self.total_iters {
            return Ok(current);
        }
        let rise = self.end_factor - self.start_factor;
        Ok(current * (1.0 + rise / (self.total_iters as f64 * self.start_factor + (epoch - 1) as f64 * rise)))
    }

    fn first_lr(&self, _: usize, _: f64, initial: f64) -> Result<f64> {
        Ok(initial * self.start_factor)
    }
}

impl Schedule for ExponentialLR {
    const NAME: &'static str = "ExponentialLR";

    fn lr(&self, _: i64, _: usize, current: f64, _: f64) -> Result<f64> {
        Ok(current * self.gamma)
    }

    fn begin_lr(&self, _: usize, current: f64, _: f64) -> Result<f64> {
        Ok(current)
    }

    fn first_lr(&self, _: usize, _: f64, initial: f64) -> Result<f64> {
        Ok(initial)
    }
}

impl Schedule for PolynomialLR {
    const NAME: &'static str = "PolynomialLR";

    fn prepare(&mut self, _: &mut [Rate]) -> Result<()> {
        not_negative(Self::NAME, "total_iters", self.total_iters)
    }

    fn lr(&self, epoch: i64, _: usize, current: f64, _: f64) -> Result<f64> {
        if epoch > self.total_iters {
            return Ok(current);
        }
        let total = self.total_iters as f64;
        Ok(current * ((1.0 - epoch as f64 / total) / (1.0 - (epoch - 1) as f64 / total)).powf(self.power))
    }

    fn begin_lr(&self, _: usize, current: f64, _: f64) -> Result<f64> {
        Ok(current)
    }

    fn first_lr(&self, _: usize, _: f64, initial: f64) -> Result<f64> {
        Ok(initial)
    }
}

impl Schedule for CosineAnnealingLR {
    const NAME: &'static str = "CosineAnnealingLR";

    fn prepare(&mut self, _: &mut [Rate]) -> Result<()> {
        positive(Self::NAME, "T_max", self.t_max)
    }

    fn lr(&self, epoch: i64, _: usize, current: f64, initial: f64) -> Result<f64> {
        let (t, top) = (self.t_max as f64, self.t_max);
        if (epoch - 1 - top) % top.saturating_mul(2) == 0 {
            return Ok(current + (initial - self.eta_min) * (1.0 - (PI / t).cos()) / 2.0);
        }
        let height = |e: i64| 1.0 + (PI * e as f64 / t).cos();
        Ok(height(epoch) / height(epoch - 1) * (current - self.eta_min) + self.eta_min)
    }

    fn begin_lr(&self, _: usize, current: f64, _: f64) -> Result<f64> {
        Ok(current)
    }

    fn first_lr(&self, _: usize, _: f64, initial: f64) -> Result<f64> {
        Ok(self.eta_min + (initial - self.eta_min))
    }
}
