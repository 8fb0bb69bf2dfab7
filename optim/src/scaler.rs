//! Loss scaling for half precision.

use std::collections::HashMap;

use rushlight_nn::checkpoint::Value;
use rushlight_tensor::{DType, Error, Result, Tensor};

use crate::Optimizer;
use crate::state::MOST_STEPS;

/// How far an optimizer has come between two updates of the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its gradients are divided; whether one was not finite.
    Unscaled(bool),
    /// It has taken, or passed over, its step.
    Stepped(bool),
}

/// Multiplies losses, so that small gradients do not vanish in half precision, and divides the gradients before a step: `torch.amp.GradScaler`.
///
/// A step is passed over where a gradient is not finite, and the scale then shrinks by `backoff_factor`; after `growth_interval` steps in a row without that it grows by
/// `growth_factor`.
///
/// ```
/// use rushlight_autograd::Autograd;
/// use rushlight_nn::{Forward, Linear, Module};
/// use rushlight_optim::{GradScaler, Optimizer, SGD};
/// use rushlight_tensor::{DType, Tensor, autocast};
///
/// let model = Linear::new(4, 1)?;
/// let mut optimizer = SGD::new(model.parameters(), 0.1).build()?;
/// let mut scaler = GradScaler::new();
/// for _ in 0..3 {
///     optimizer.zero_grad();
///     let loss = autocast(DType::BF16, || model.forward(&Tensor::ones([2, 4], ())?)?.to_dtype(DType::F32)?.square()?.mean())?;
///     scaler.scale(&loss)?.backward()?;
///     scaler.step(&mut optimizer)?;
///     scaler.update()?;
/// }
/// assert_eq!(scaler.get_scale(), 65536.0);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GradScaler {
    scale: f64,
    growth_factor: f64,
    backoff_factor: f64,
    growth_interval: i64,
    tracker: i64,
    enabled: bool,
    /// By the parameters of an optimizer.
    stages: HashMap<Vec<usize>, Stage>,
}

impl Default for GradScaler {
    fn default() -> GradScaler {
        GradScaler {
            scale: 65536.0,
            growth_factor: 2.0,
            backoff_factor: 0.5,
            growth_interval: 2000,
            tracker: 0,
            enabled: true,
            stages: HashMap::new(),
        }
    }
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident => $field:ident: $t:ty;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, value: $t) -> GradScaler {
            self.$field = value;
            self
        }
    )*};
}

impl GradScaler {
    /// A scaler with PyTorch's defaults.
    pub fn new() -> GradScaler {
        GradScaler::default()
    }

    options! {
        /// The scale at first. Default: 2^16.
        init_scale => scale: f64;
        /// By what the scale grows; above 1. Default: 2.
        growth_factor => growth_factor: f64;
        /// By what it shrinks; below 1. Default: 0.5.
        backoff_factor => backoff_factor: f64;
        /// After how many good steps it grows. Default: 2000.
        growth_interval => growth_interval: i64;
        /// Whether anything is scaled at all; if not, `scale` gives the loss and `step` steps. Default: true.
        enabled => enabled: bool;
    }

    /// Whether anything is scaled.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The scale; 1 if nothing is scaled.
    pub fn get_scale(&self) -> f64 {
        if self.enabled { self.scale } else { 1.0 }
    }

    /// A loss times the scale: run backward from it.
    ///
    /// # Errors
    /// If the loss is not floating point, or a factor is out of range.
    pub fn scale(&self, loss: &Tensor) -> Result<Tensor> {
        if !self.enabled {
            return Ok(loss.clone());
        }
        self.check()?;
        loss.mul(self.scale)
    }

    /// An error if a factor is out of range.
    fn check(&self) -> Result<()> {
        if !(self.growth_factor > 1.0) {
            return Err(Error::value("GradScaler", format!("the growth factor must be above 1, got {}", self.growth_factor)));
        }
        if !(self.backoff_factor < 1.0) {
            return Err(Error::value("GradScaler", format!("the backoff factor must be below 1, got {}", self.backoff_factor)));
        }
        Ok(())
    }

    /// Divides the gradients of an optimizer's parameters by the scale: before they are looked at or clipped. [`step`](GradScaler::step) does it where this did not.
    ///
    /// # Errors
    /// If it was called since the last update already, or a gradient is float16.
    pub fn unscale_(&mut self, optimizer: &dyn Optimizer) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        let key = key(optimizer);
        match self.stages.get(&key) {
            Some(Stage::Unscaled(_)) => return Err(Error::value("unscale_", "was called on this optimizer since the last update already")),
            Some(Stage::Stepped(_)) => return Err(Error::value("unscale_", "is called after `step`")),
            None => {}
        }
        let inverse = 1.0 / self.scale;
        let mut bad = false;
        for p in optimizer.params() {
            let Some(grad) = p.grad() else { continue };
            if grad.dtype() == DType::F16 {
                return Err(Error::dtype("unscale_", "a gradient is float16: the parameters should be kept in float32"));
            }
            let grad = grad.with_trace(None);
            bad |= !grad.isfinite()?.all()?.item::<bool>()?;
            p.set_grad(Some(grad.mul(inverse)?))?;
        }
        self.stages.insert(key, Stage::Unscaled(bad));
        Ok(())
    }

    /// Divides the gradients, if that was not done, and has the optimizer take its step, unless a gradient is not finite. Says whether it did.
    ///
    /// # Errors
    /// If it was called since the last update already, there are no gradients, or the optimizer fails.
    pub fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<bool> {
        if !self.enabled {
            optimizer.step()?;
            return Ok(true);
        }
        let key = key(optimizer);
        if let Some(Stage::Stepped(_)) = self.stages.get(&key) {
            return Err(Error::value("GradScaler::step", "was called on this optimizer since the last update already"));
        }
        if !self.stages.contains_key(&key) {
            self.unscale_(optimizer)?;
        }
        if optimizer.params().iter().all(|p| p.grad().is_none()) {
            return Err(Error::value("GradScaler::step", "the optimizer's parameters have no gradients"));
        }
        let bad = self.stages.get(&key) == Some(&Stage::Unscaled(true));
        if !bad {
            optimizer.step()?;
        }
        self.stages.insert(key, Stage::Stepped(bad));
        Ok(!bad)
    }

    /// Changes the scale by what the steps since the last update have met.
    ///
    /// # Errors
    /// If there were none.
    pub fn update(&mut self) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        self.check()?;
        if self.stages.is_empty() {
            return Err(Error::value("GradScaler::update", "no gradients were looked at since the last update"));
        }
        if self.stages.values().any(|s| matches!(s, Stage::Unscaled(true) | Stage::Stepped(true))) {
            self.scale *= self.backoff_factor;
            self.tracker = 0;
        } else if self.tracker + 1 == self.growth_interval {
            // PyTorch keeps the scale in f32, and does not let it become infinite.
            let grown = self.scale * self.growth_factor;
            if (grown as f32).is_finite() {
                self.scale = grown;
            }
            self.tracker = 0;
        } else {
            self.tracker += 1;
        }
        self.stages.clear();
        Ok(())
    }

    /// Sets the scale.
    pub fn set_scale(&mut self, scale: f64) {
        self.scale = scale;
        self.stages.clear();
    }

    /// The state, in the form of PyTorch's `state_dict`; empty if nothing is scaled.
    pub fn state_dict(&self) -> Value {
        if !self.enabled {
            return Value::Dict(Vec::new());
        }
        Value::dict([
            ("scale", Value::Float(self.scale)),
            ("growth_factor", Value::Float(self.growth_factor)),
            ("backoff_factor", Value::Float(self.backoff_factor)),
            ("growth_interval", Value::Int(self.growth_interval)),
            ("_growth_tracker", Value::Int(self.tracker)),
        ])
    }

    /// Loads what [`state_dict`](GradScaler::state_dict), or PyTorch's, has saved.
    ///
    /// # Errors
    /// If an entry is missing or of the wrong type; nothing is changed then.
    pub fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        let wrong = |key: &str| Error::value("GradScaler", format!("load_state_dict: `{key}` is missing or no number"));
        let float = |key: &str| state.get(key).and_then(Value::as_float).ok_or_else(|| wrong(key));
        let int = |key: &str| state.get(key).and_then(Value::as_int).filter(|n| n.unsigned_abs() <= MOST_STEPS).ok_or_else(|| wrong(key));
        let (scale, growth, backoff) = (float("scale")?, float("growth_factor")?, float("backoff_factor")?);
        (self.growth_interval, self.tracker) = (int("growth_interval")?, int("_growth_tracker")?);
        (self.scale, self.growth_factor, self.backoff_factor) = (scale, growth, backoff);
        Ok(())
    }
}

/// What tells optimizers apart.
fn key(optimizer: &dyn Optimizer) -> Vec<usize> {
    optimizer.params().iter().map(rushlight_nn::Parameter::id).collect()
}
