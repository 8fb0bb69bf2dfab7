//! The order in which items are taken.

use rushlight_tensor::{Device, Error, Generator, Result, Tensor, default_generator};

/// Gives the order of the items for one pass after the other.
pub trait Sampler: Send + Sync {
    /// The number of indices in a pass.
    fn len(&self) -> usize;

    /// Whether a pass is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins a pass. Random numbers are drawn when the indices that need them are asked for, as in PyTorch.
    ///
    /// # Errors
    /// If parameters do not fit.
    fn pass(&self) -> Result<Box<dyn Iterator<Item = Result<usize>> + Send>>;
}

/// 0, 1, 2...
#[derive(Clone, Copy, Debug)]
pub struct SequentialSampler(pub usize);

impl Sampler for SequentialSampler {
    fn len(&self) -> usize {
        self.0
    }
    fn pass(&self) -> Result<Box<dyn Iterator<Item = Result<usize>> + Send>> {
        Ok(Box::new((0..self.0).map(Ok)))
    }
}

/// A random order of `n` items, or draws with replacement.
#[derive(Clone, Debug)]
pub struct RandomSampler {
    n: usize,
    num_samples: usize,
    replacement: bool,
    generator: Option<Generator>,
}

impl RandomSampler {
    /// Each item once, in random order.
    pub fn new(n: usize) -> RandomSampler {
        RandomSampler { n, num_samples: n, replacement: false, generator: None }
    }

    /// So many indices in a pass instead of `n`.
    pub fn num_samples(mut self, num_samples: usize) -> RandomSampler {
        self.num_samples = num_samples;
        self
    }

    /// Each index drawn from all items.
    pub fn replacement(mut self, replacement: bool) -> RandomSampler {
        self.replacement = replacement;
        self
    }

    /// Draws from this generator. Without one, every pass makes its own from a seed that the default generator gives.
    pub fn generator(mut self, generator: Option<Generator>) -> RandomSampler {
        self.generator = generator;
        self
    }
}

/// What a seed for a new generator is drawn as: `random_()` of an int64.
fn draw_seed(from: &Generator) -> u64 {
    from.lock().next_u64() % (1 << 63)
}

impl Sampler for RandomSampler {
    fn len(&self) -> usize {
        self.num_samples
    }

    fn pass(&self) -> Result<Box<dyn Iterator<Item = Result<usize>> + Send>> {
        if self.n == 0 {
            return match self.num_samples {
                0 => Ok(Box::new(std::iter::empty())),
                k => Err(Error::value("RandomSampler", format!("{k} samples of an empty dataset"))),
            };
        }
        let generator = self.generator.clone().unwrap_or_else(|| Generator::new(draw_seed(default_generator())));
        let (n, total) = (self.n, self.num_samples);
        // PyTorch draws in chunks: 32 indices with replacement, else whole orders, of which the last is drawn even if nothing of it is used.
        let chunk = if self.replacement { 32 } else { n };
        let replacement = self.replacement;
        let chunks = if replacement { total.div_ceil(chunk) } else { total / chunk + 1 };
        let draw = move |c: usize| -> Result<Vec<usize>> {
            let len = chunk.min(total - c * chunk);
            let drawn = if replacement {
                Tensor::randint_with(0, n as i64, len, (), &generator)?
            } else {
                Tensor::randperm_with(n, (), &generator)?
            };
            let mut indices: Vec<usize> = drawn.to_vec::<i64>()?.into_iter().map(|i| i as usize).collect();
            indices.truncate(len);
            Ok(indices)
        };
        Ok(Box::new((0..chunks).flat_map(move |c| match draw(c) {
            Ok(indices) => indices.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(e) => vec![Err(e)],
        })))
    }
}

/// Given indices in random order.
#[derive(Clone, Debug)]
pub struct SubsetRandomSampler {
    indices: Vec<usize>,
    generator: Option<Generator>,
}

impl SubsetRandomSampler {
    /// These indices in random order, drawn from the generator or the default one.
    pub fn new(indices: Vec<usize>, generator: Option<Generator>) -> SubsetRandomSampler {
        SubsetRandomSampler { indices, generator }
    }
}

impl Sampler for SubsetRandomSampler {
    fn len(&self) -> usize {
        self.indices.len()
    }
    fn pass(&self) -> Result<Box<dyn Iterator<Item = Result<usize>> + Send>> {
        let generator = self.generator.as_ref().unwrap_or(default_generator());
        let order = Tensor::randperm_with(self.indices.len(), (), generator)?.to_vec::<i64>()?;
        let indices: Vec<usize> = order.into_iter().map(|i| self.indices[i as usize]).collect();
        Ok(Box::new(indices.into_iter().map(Ok)))
    }
}

/// Indices drawn with probabilities proportional to weights.
#[derive(Clone, Debug)]
pub struct WeightedRandomSampler {
    weights: Vec<f64>,
    num_samples: usize,
    replacement: bool,
    generator: Option<Generator>,
}

impl WeightedRandomSampler {
    /// `num_samples` indices a pass, drawn from the generator or the default one.
    pub fn new(weights: Vec<f64>, num_samples: usize, replacement: bool, generator: Option<Generator>) -> WeightedRandomSampler {
        WeightedRandomSampler { weights, num_samples, replacement, generator }
    }
}

impl Sampler for WeightedRandomSampler {
    fn len(&self) -> usize {
        self.num_samples
    }
    fn pass(&self) -> Result<Box<dyn Iterator<Item = Result<usize>> + Send>> {
        let generator = self.generator.as_ref().unwrap_or(default_generator());
        let weights = Tensor::from_slice(&self.weights, self.weights.len(), Device::cpu())?;
        let drawn = weights.multinomial_with(self.num_samples, self.replacement, generator)?.to_vec::<i64>()?;
        Ok(Box::new(drawn.into_iter().map(|i| Ok(i as usize))))
    }
}
