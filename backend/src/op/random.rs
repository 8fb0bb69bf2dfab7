//! Random numbers: PyTorch's CPU streams.
//!
//! The operation carries a handle of its [`Generator`]; running it draws from there, so the order of operations decides who gets which numbers.

use super::{MetaRef, Metas, check_size, exactly, one, want_float};
use crate::{DType, Error, Generator, Result, Shape};

/// Random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    /// Of which distribution.
    pub sample: Sample,
    /// The shape of the result (of [`Sample::BernoulliOf`] and [`Sample::Multinomial`] it follows from the input).
    pub shape: Shape,
    /// The dtype of the result.
    pub dtype: DType,
    /// Where the numbers come from.
    pub generator: Generator,
}

/// A distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// Real numbers in `low..high`.
    Uniform {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// The normal distribution.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
        /// Draw one number at a time, as PyTorch does for targets that are not contiguous. Without it, 16 numbers or more are drawn in blocks.
        one_by_one: bool,
    },
    /// Integers in `low..high`.
    Integers {
        /// The lower bound.
        low: i64,
        /// The upper bound, not included.
        high: i64,
    },
    /// All integers that the dtype can hold exactly, from 0 on: `Tensor.random_()`.
    FullRange,
    /// The numbers `0..n` in random order, n the size of the result.
    Permutation,
    /// 1 with probability p, else 0.
    Bernoulli {
        /// The probability.
        p: f64,
    },
    /// 1 with the probability that the input holds, else 0. Input: probabilities.
    BernoulliOf,
    /// The exponential distribution.
    Exponential {
        /// The rate, lambda.
        rate: f64,
    },
    /// The number of trials until the first success.
    Geometric {
        /// The probability of success.
        p: f64,
    },
    /// The Cauchy distribution.
    Cauchy {
        /// The median.
        median: f64,
        /// Half the width at half of the height.
        sigma: f64,
    },
    /// The exponential of a normal variable.
    LogNormal {
        /// The mean of the normal variable.
        mean: f64,
        /// Its standard deviation.
        std: f64,
    },
    /// Places drawn with probabilities proportional to the input's last dimension. Input: weights, one or two dimensions.
    Multinomial {
        /// The number of draws from each row.
        samples: usize,
        /// Whether a place can be drawn again.
        replacement: bool,
    },
}

impl Random {
    pub(super) fn name(&self) -> &'static str {
        match self.sample {
            Sample::Uniform { .. } => "uniform",
            Sample::Normal { .. } => "normal",
            Sample::Integers { .. } => "randint",
            Sample::FullRange => "random",
            Sample::Permutation => "randperm",
            Sample::Bernoulli { .. } | Sample::BernoulliOf => "bernoulli",
            Sample::Exponential { .. } => "exponential",
            Sample::Geometric { .. } => "geometric",
            Sample::Cauchy { .. } => "cauchy",
            Sample::LogNormal { .. } => "log_normal",
            Sample::Multinomial { .. } => "multinomial",
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let wrong = |message: String| Err(Error::value(name, message));
        match self.sample {
            Sample::BernoulliOf => {
                let [p] = exactly(name, inputs)?;
                want_float(name, p.dtype)?;
                return one(p.shape.into(), self.dtype);
            }
            Sample::Multinomial { samples, replacement } => {
                let [w] = exactly(name, inputs)?;
                want_float(name, w.dtype)?;
                let (Some(&n), 1 | 2) = (w.shape.last(), w.shape.len()) else {
                    return Err(Error::shape(name, format!("weights must have one or two dimensions, got {:?}", w.shape)));
                };
                if samples == 0 {
                    return wrong("cannot draw 0 samples".to_string());
                }
                if !replacement && samples > n {
                    return wrong(format!("cannot draw {samples} of {n} places without replacement"));
                }
                let mut shape: Shape = w.shape.into();
                shape[w.shape.len() - 1] = samples;
                return one(shape, DType::I64);
            }
            _ => {}
        }
        let [] = exactly(name, inputs)?;
        check_size(name, &self.shape, self.dtype)?;
        match self.sample {
            Sample::Uniform { low, high } => {
                want_float(name, self.dtype)?;
                if !(low <= high && (high - low).is_finite()) {
                    return wrong(format!("wants low <= high, got {low} and {high}"));
                }
            }
            Sample::Normal { std, .. } | Sample::LogNormal { std, .. } => {
                want_float(name, self.dtype)?;
                if !(std >= 0.0) {
                    return wrong(format!("the standard deviation must not be negative, got {std}"));
                }
            }
            Sample::Integers { low, high } if low >= high => return wrong(format!("wants low < high, got {low} and {high}")),
            Sample::Bernoulli { p } if !(0.0..=1.0).contains(&p) => return wrong(format!("the probability must lie in 0 to 1, got {p}")),
            Sample::Geometric { p } if !(p > 0.0 && p < 1.0) => return wrong(format!("the probability must lie between 0 and 1, got {p}")),
            Sample::Exponential { rate } => {
                want_float(name, self.dtype)?;
                if !(rate >= 0.0) {
                    return wrong(format!("the rate must not be negative, got {rate}"));
                }
            }
            Sample::Cauchy { sigma, .. } => {
                want_float(name, self.dtype)?;
                if !(sigma > 0.0) {
                    return wrong(format!("the width must be positive, got {sigma}"));
                }
            }
            Sample::Permutation if self.shape.len() != 1 => return Err(Error::shape(name, "a permutation is a vector")),
            _ => {}
        }
        one(self.shape.clone(), self.dtype)
    }
}
