//! Random tensors: PyTorch's streams for the same seed, bit for bit.
//!
//! Each function draws from the default generator; its form with `_with` draws from one that is given.

mod dropout;

use rushlight_backend::op::{Random, Sample};
use rushlight_backend::{DType, Dims, Error, Generator, Result, Scalar, Shape, broadcast_shapes, default_generator};

use crate::door::apply_draw;
use crate::{Inputs, IntoSizes, Operand, Options, Tensor, default_dtype, sizes};

fn draw(sample: Sample, shape: Shape, dtype: DType, options: Options, generator: &Generator) -> Result<Tensor> {
    let op = Random { sample, shape, dtype, generator: generator.clone() };
    apply_draw(options.device, op, Inputs::new())
}

macro_rules! random_functions {
    ($($(#[$doc:meta])* $name:ident, $with:ident ($($arg:ident: $t:ty),*) default $dtype:expr => $sample:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// If a parameter is out of range, or the dtype cannot hold such numbers.
            pub fn $name($($arg: $t,)* sizes: impl IntoSizes, options: impl Into<Options>) -> Result<Tensor> {
                Tensor::$with($($arg,)* sizes, options, default_generator())
            }

            $(#[$doc])*
            ///
            /// Draws from the generator given.
            ///
            /// # Errors
            /// If a parameter is out of range, or the dtype cannot hold such numbers.
            pub fn $with($($arg: $t,)* sizes: impl IntoSizes, options: impl Into<Options>, generator: &Generator) -> Result<Tensor> {
                let options = options.into();
                let shape = sizes::shape(stringify!($name), sizes)?;
                draw($sample, shape, options.dtype.unwrap_or_else(|| $dtype), options, generator)
            }
        )*}
    };
}

random_functions! {
    /// Numbers of the uniform distribution over 0..1.
    ///
    /// ```
    /// use rushlight_tensor::{Tensor, manual_seed};
    /// manual_seed(0);
    /// assert_eq!(Tensor::rand(2, ())?.to_vec::<f32>()?, [0.49625659, 0.7682218]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    rand, rand_with () default default_dtype() => Sample::Uniform { low: 0.0, high: 1.0 };
    /// Numbers of the standard normal distribution.
    randn, randn_with () default default_dtype() => Sample::Normal { mean: 0.0, std: 1.0, one_by_one: false };
    /// Numbers of the uniform distribution over `low..high`.
    uniform, uniform_with (low: f64, high: f64) default default_dtype() => Sample::Uniform { low, high };
    /// Numbers of the normal distribution with this mean and standard deviation.
    normal, normal_with (mean: f64, std: f64) default default_dtype() => Sample::Normal { mean, std, one_by_one: false };
    /// Integers in `low..high`, int64 if the options name no dtype.
    randint, randint_with (low: i64, high: i64) default DType::I64 => Sample::Integers { low, high };
    /// 1 with probability p, else 0.
    bernoulli_p, bernoulli_p_with (p: f64) default default_dtype() => Sample::Bernoulli { p };
    /// Numbers of the exponential distribution with this rate.
    exponential, exponential_with (rate: f64) default default_dtype() => Sample::Exponential { rate };
}

impl Tensor {
    /// The numbers `0..n` in random order, int64 if the options name no dtype.
    ///
    /// # Errors
    /// If the dtype cannot hold them.
    pub fn randperm(n: usize, options: impl Into<Options>) -> Result<Tensor> {
        Tensor::randperm_with(n, options, default_generator())
    }

    /// As [`randperm`](Tensor::randperm), drawn from the generator given.
    ///
    /// # Errors
    /// If the dtype cannot hold them.
    pub fn randperm_with(n: usize, options: impl Into<Options>, generator: &Generator) -> Result<Tensor> {
        let options = options.into();
        draw(Sample::Permutation, smallvec::smallvec![n], options.dtype.unwrap_or(DType::I64), options, generator)
    }

    /// 1 with the probability that each element of this tensor holds, else 0.
    ///
    /// # Errors
    /// If the tensor is not floating point or holds something outside of 0 to 1.
    pub fn bernoulli(&self) -> Result<Tensor> {
        self.bernoulli_with(default_generator())
    }

    /// As [`bernoulli`](Tensor::bernoulli), drawn from the generator given.
    ///
    /// # Errors
    /// If the tensor is not floating point or holds something outside of 0 to 1.
    pub fn bernoulli_with(&self, generator: &Generator) -> Result<Tensor> {
        let op = Random { sample: Sample::BernoulliOf, shape: self.shape().into(), dtype: self.dtype(), generator: generator.clone() };
        apply_draw(self.device(), op, smallvec::smallvec![self.into()])
    }

    /// Places (int64) drawn from each row of weights with probabilities proportional to them.
    ///
    /// # Errors
    /// If the tensor is not a vector or matrix of floats, holds negative or infinite weights, or has too few places.
    pub fn multinomial(&self, samples: usize, replacement: bool) -> Result<Tensor> {
        self.multinomial_with(samples, replacement, default_generator())
    }

    /// As [`multinomial`](Tensor::multinomial), drawn from the generator given.
    ///
    /// # Errors
    /// As `multinomial`.
    pub fn multinomial_with(&self, samples: usize, replacement: bool, generator: &Generator) -> Result<Tensor> {
        let op = Random {
            sample: Sample::Multinomial { samples, replacement },
            shape: Shape::new(),
            dtype: DType::I64,
            generator: generator.clone(),
        };
        apply_draw(self.device(), op, smallvec::smallvec![self.into()])
    }

    /// Numbers of normal distributions, each with its own mean and standard deviation: of the shape that both give together. At least one of them is a tensor.
    ///
    /// # Errors
    /// If neither is a tensor, a standard deviation is negative, the shapes cannot be broadcast, or a tensor is not floating point.
    pub fn normal_of<'a>(mean: impl Into<Operand<'a>>, std: impl Into<Operand<'a>>) -> Result<Tensor> {
        Tensor::normal_of_with(mean, std, default_generator())
    }

    /// As [`normal_of`](Tensor::normal_of), drawn from the generator given.
    ///
    /// # Errors
    /// As `normal_of`.
    pub fn normal_of_with<'a>(mean: impl Into<Operand<'a>>, std: impl Into<Operand<'a>>, generator: &Generator) -> Result<Tensor> {
        let (mean, std) = (mean.into(), std.into());
        let (like, shape): (&Tensor, Shape) = match (mean, std) {
            (Operand::Tensor(m), Operand::Tensor(s)) => (m, broadcast_shapes("normal", &[m.shape(), s.shape()])?),
            (Operand::Tensor(t), _) | (_, Operand::Tensor(t)) => (t, t.shape().into()),
            _ => return Err(Error::value("normal", "neither mean nor std is a tensor: give a shape to `Tensor::normal`")),
        };
        let negative = match std {
            Operand::Tensor(s) => s.numel() > 0 && s.all_values().lt(0.0)?.any()?.item::<bool>()?,
            Operand::Scalar(s) => s.to_f64() < 0.0,
        };
        if negative {
            return Err(Error::value("normal", "a standard deviation is negative"));
        }
        let drawn = Tensor::randn_with(shape.to_vec(), (like.dtype(), like.device()), generator)?;
        drawn.mul(std)?.add(mean)
    }

    /// Replaces the values by numbers of a distribution, in the order in which the elements lie in memory, as PyTorch's in-place functions do
    /// (`uniform_`, `normal_`...).
    ///
    /// # Errors
    /// If a parameter is out of range, or the dtype cannot hold such numbers.
    pub fn fill_random(&mut self, sample: Sample, generator: &Generator) -> Result<()> {
        let in_order = self.is_contiguous();
        let mut order: Dims = (0..self.dim()).collect();
        if !in_order {
            order.sort_by_key(|&d| std::cmp::Reverse(self.layout().strides()[d]));
        }
        let sample = match sample {
            Sample::Normal { mean, std, one_by_one } => Sample::Normal { mean, std, one_by_one: one_by_one || !in_order },
            other => other,
        };
        let shape: Shape = order.iter().map(|&d| self.shape()[d]).collect();
        let drawn = draw(sample, shape, self.dtype(), self.device().into(), generator)?;
        let mut back: Dims = order.clone();
        for (to, &from) in order.iter().enumerate() {
            back[from] = to;
        }
        *self = if in_order { drawn } else { drawn.permute(back.to_vec())? };
        Ok(())
    }

    /// Replaces every value.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn fill(&mut self, value: impl Into<Scalar>) -> Result<()> {
        *self = self.full_like(value)?;
        Ok(())
    }
}
