//! Averages of a model's parameters over its training, and the batch statistics that belong to them.

use rushlight_autograd::no_grad;
use rushlight_nn::{Buffer, Forward, Module, Momentum, Visitor};
use rushlight_tensor::{DType, Error, Result, Tensor};

/// How an [`AveragedModel`] takes a new model into account.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Averaging {
    /// All models count the same (stochastic weight averaging, Izmailov et al., 2018).
    #[default]
    Swa,
    /// The share `1 - decay` is the new model's (an exponential moving average).
    Ema {
        /// The share of the old average.
        decay: f64,
    },
}

impl Averaging {
    /// The average after model number `n`, counted from 0.
    fn next(self, old: &Tensor, new: &Tensor, n: i64) -> Result<Tensor> {
        let weight = match self {
            Averaging::Swa => 1.0 / (n as f64 + 1.0),
            Averaging::Ema { decay } => 1.0 - decay,
        };
        if old.dtype().is_differentiable() {
            return old.add(&new.sub(old)?.mul(weight)?);
        }
        let (a, b) = (old.to_dtype(DType::F64)?, new.to_dtype(DType::F64)?);
        // As PyTorch rounds it: toward zero.
        a.mul(1.0 - weight)?.add(&b.mul(weight)?)?.to_dtype(old.dtype())
    }
}

/// A model whose parameters are averages of another one's: `torch.optim.swa_utils.AveragedModel`. Its state dict holds `n_averaged`, then the model's keys under `module.`.
///
/// ```
/// use rushlight_nn::{Linear, Module};
/// use rushlight_optim::{AveragedModel, Averaging};
///
/// let model = Linear::new(3, 2)?;
/// let averaged = AveragedModel::new(Linear::new(3, 2)?, Averaging::Ema { decay: 0.99 })?;
/// averaged.update_parameters(&model)?; // after every step
/// assert_eq!(averaged.state_dict()[1].0, "module.weight");
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct AveragedModel<M> {
    n_averaged: Buffer,
    /// The model with the averaged parameters.
    pub module: M,
    #[module(skip)]
    averaging: Averaging,
    #[module(skip)]
    use_buffers: bool,
}

impl<M: Module> AveragedModel<M> {
    /// An average of nothing yet. `module` is a second model of the same kind, whose values do not matter: the first update replaces them.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn new(module: M, averaging: Averaging) -> Result<AveragedModel<M>> {
        let n_averaged = Buffer::new(Tensor::zeros((), DType::I64)?);
        Ok(AveragedModel { n_averaged, module, averaging, use_buffers: false })
    }

    /// Average the buffers as well, instead of copying the model's. Default: false.
    #[must_use]
    pub fn use_buffers(mut self, use_buffers: bool) -> AveragedModel<M> {
        self.use_buffers = use_buffers;
        self
    }

    /// The number of models averaged.
    ///
    /// # Errors
    /// If the device fails.
    pub fn n_averaged(&self) -> Result<i64> {
        self.n_averaged.tensor().item()
    }

    /// Takes the model as it is now into the average.
    ///
    /// # Errors
    /// If it has other parameters or buffers.
    pub fn update_parameters(&self, model: &M) -> Result<()> {
        let n = self.n_averaged()?;
        let next = |old: &Tensor, new: &Tensor, average: bool| {
            if n == 0 || !average { Ok(new.clone()) } else { self.averaging.next(old, new, n) }
        };
        let (ours, theirs) = (self.module.parameters(), model.parameters());
        let (our_buffers, their_buffers) = (self.module.named_buffers(), model.named_buffers());
        if ours.len() != theirs.len() || our_buffers.len() != their_buffers.len() {
            return Err(Error::value("AveragedModel", "the model has other parameters or buffers than the averaged one"));
        }
        for (old, new) in ours.iter().zip(&theirs) {
            let value = next(&old.try_tensor()?.with_trace(None), &new.try_tensor()?.with_trace(None), true)?;
            old.set(&value)?;
        }
        for ((_, old), (_, new)) in our_buffers.iter().zip(&their_buffers) {
            old.set(&next(&old.tensor(), &new.tensor(), self.use_buffers)?)?;
        }
        self.n_averaged.set(&self.n_averaged.tensor().add(1)?)
    }
}

impl<M: Module + Forward> Forward for AveragedModel<M> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.module.forward(x)
    }
}

/// The running statistics among a model's parts.
#[derive(Default)]
struct Statistics {
    momenta: Vec<Momentum>,
    buffers: Vec<(String, Buffer)>,
}

/// The parts of one module, as long as it is not known whether it keeps running statistics.
#[derive(Default)]
struct Parts {
    momentum: Option<Momentum>,
    buffers: Vec<(String, Buffer)>,
    below: Statistics,
}

impl Statistics {
    fn of(module: &dyn Module) -> Statistics {
        let mut parts = Parts::default();
        module.visit(&mut parts);
        let mut all = parts.below;
        if let Some(m) = parts.momentum {
            all.momenta.push(m);
            all.buffers.extend(parts.buffers);
        }
        all
    }
}

impl Visitor for Parts {
    fn buffer(&mut self, name: &str, buffer: &Buffer) {
        self.buffers.push((name.to_string(), buffer.clone()));
    }

    fn momentum(&mut self, momentum: &Momentum) {
        self.momentum = Some(momentum.clone());
    }

    fn module(&mut self, _: &str, module: &dyn Module) {
        let inner = Statistics::of(module);
        self.below.momenta.extend(inner.momenta);
        self.below.buffers.extend(inner.buffers);
    }
}

/// Computes the running statistics of batch norms anew, from the given batches with equal weights: `torch.optim.swa_utils.update_bn`. After averaging a model's parameters
/// its statistics are those of no model.
///
/// # Errors
/// If a batch does not fit the model.
pub fn update_bn<M: Module + Forward>(batches: impl IntoIterator<Item = Tensor>, model: &M) -> Result<()> {
    let statistics = Statistics::of(model);
    if statistics.momenta.is_empty() {
        return Ok(());
    }
    for (name, buffer) in &statistics.buffers {
        let old = buffer.tensor();
        buffer.set(&if name == "running_var" { old.ones_like()? } else { old.zeros_like()? })?;
    }
    let before: Vec<Option<f64>> = statistics.momenta.iter().map(Momentum::get).collect();
    let was_training = model.is_training();
    statistics.momenta.iter().for_each(|m| m.set(None));
    model.train();
    let done = no_grad(|| batches.into_iter().try_for_each(|x| model.forward(&x).map(|_| ())));
    model.set_training(was_training);
    statistics.momenta.iter().zip(before).for_each(|(m, old)| m.set(old));
    done
}
