//! A whole training run in one file.

use std::path::Path;

use rushlight_nn::Module;
use rushlight_nn::checkpoint::{self, Value};
use rushlight_tensor::{Device, Error, Generator, Result, Tensor, default_generator};

use crate::{Optimizer, Scheduler};

/// The name under which the state of the default generator is kept.
const RANDOM: &str = "rng_state";

/// Everything that a training run is made of, each part under a name: modules, optimizers, schedules, random states, and values such as the number of the
/// epoch. Saved as one file that PyTorch opens too (`torch.load(weights_only=True)`), in one step: a crash while saving leaves the file that was there.
///
/// Restored into parts that were made in the same way, the run goes on to the same bits. Restore the random state last: making modules and loaders draws.
///
/// ```
/// use rushlight_nn::{Linear, Module};
/// use rushlight_optim::{SGD, TrainingState};
///
/// let file = std::env::temp_dir().join(format!("rushlight-doc-{}.pt", std::process::id()));
/// let model = Linear::new(4, 2)?;
/// let mut optimizer = SGD::new(model.parameters(), 0.1).momentum(0.9).build()?;
/// TrainingState::new()?.module("model", &model).optimizer("optimizer", &optimizer)?.value("epoch", 3i64).save(&file)?;
///
/// let saved = TrainingState::load(&file)?;
/// saved.restore_module("model", &model)?;
/// saved.restore_optimizer("optimizer", &mut optimizer)?;
/// saved.restore_random()?;
/// assert_eq!(saved.get("epoch").and_then(|v| v.as_int()), Some(3));
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrainingState {
    parts: Vec<(Value, Value)>,
}

fn wrong(message: String) -> Error {
    Error::value("TrainingState", message)
}

impl TrainingState {
    /// The state of the default generator, to which the parts are added.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn new() -> Result<TrainingState> {
        TrainingState { parts: Vec::new() }.generator(RANDOM, default_generator())
    }

    /// Adds any value. What had the name before is replaced.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Into<Value>) -> TrainingState {
        self.parts.retain(|(n, _)| n.as_str() != Some(name));
        self.parts.push((Value::from(name), value.into()));
        self
    }

    /// Adds the parameters and buffers of a module.
    #[must_use]
    pub fn module(self, name: &str, module: &dyn Module) -> TrainingState {
        self.value(name, checkpoint::of_state_dict(&module.state_dict()))
    }

    /// Adds the state and the options of an optimizer.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn optimizer(self, name: &str, optimizer: &dyn Optimizer) -> Result<TrainingState> {
        Ok(self.value(name, optimizer.state_dict()?))
    }

    /// Adds the state of a schedule.
    #[must_use]
    pub fn scheduler(self, name: &str, scheduler: &dyn Scheduler) -> TrainingState {
        self.value(name, scheduler.state_dict())
    }

    /// Adds the state of a generator, such as a loader's own.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn generator(self, name: &str, generator: &Generator) -> Result<TrainingState> {
        self.bytes(name, &generator.get_state())
    }

    /// Adds bytes, such as the state of a loader in the middle of a pass: a tensor of them, as PyTorch keeps random states.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn bytes(self, name: &str, bytes: &[u8]) -> Result<TrainingState> {
        let bytes = Tensor::from_slice(bytes, bytes.len(), Device::cpu())?;
        Ok(self.value(name, bytes))
    }

    /// Writes the file. It takes the place of an old one in one step, when it is complete and on the disk.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        checkpoint::save(&Value::Dict(self.parts.clone()), path)
    }

    /// Reads a file that [`save`](TrainingState::save) has written, or PyTorch: a dict of whatever parts.
    ///
    /// # Errors
    /// If the file cannot be read, is corrupt, or holds no dict.
    pub fn load(path: impl AsRef<Path>) -> Result<TrainingState> {
        let path = path.as_ref();
        match checkpoint::load(path)? {
            Value::Dict(parts) => Ok(TrainingState { parts }),
            other => Err(wrong(format!("{}: wants a dict of parts, got {}", path.display(), other.kind()))),
        }
    }

    /// A part, if there is one of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.parts.iter().find(|(n, _)| n.as_str() == Some(name)).map(|(_, v)| v)
    }

    fn part(&self, name: &str) -> Result<&Value> {
        self.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.parts.iter().filter_map(|(n, _)| n.as_str()).collect();
            wrong(format!("no part `{name}`, only {}", names.join(", ")))
        })
    }

    /// The bytes of a part that was added as such.
    ///
    /// # Errors
    /// If there is none of this name, or it is something else.
    pub fn get_bytes(&self, name: &str) -> Result<Vec<u8>> {
        let part = self.part(name)?;
        part.as_tensor().ok_or_else(|| wrong(format!("`{name}` is {}, wanted bytes", part.kind())))?.to_vec()
    }

    /// Sets the parameters and buffers of a module, strictly.
    ///
    /// # Errors
    /// If there is no such part, or it does not fit the module; nothing is changed then.
    pub fn restore_module(&self, name: &str, module: &dyn Module) -> Result<()> {
        module.load_state_dict(&checkpoint::to_state_dict(self.part(name)?)?, true).map(|_| ())
    }

    /// Sets the state and the options of an optimizer.
    ///
    /// # Errors
    /// If there is no such part, or it does not fit the optimizer; nothing is changed then.
    pub fn restore_optimizer(&self, name: &str, optimizer: &mut dyn Optimizer) -> Result<()> {
        optimizer.load_state_dict(self.part(name)?)
    }

    /// Sets the state of a schedule. The rates are the optimizer's: restore both.
    ///
    /// # Errors
    /// If there is no such part, or it does not fit the schedule; nothing is changed then.
    pub fn restore_scheduler(&self, name: &str, scheduler: &mut dyn Scheduler) -> Result<()> {
        scheduler.load_state_dict(self.part(name)?)
    }

    /// Sets the state of a generator.
    ///
    /// # Errors
    /// If there is no such part, or it is no state of a generator.
    pub fn restore_generator(&self, name: &str, generator: &Generator) -> Result<()> {
        generator.set_state(&self.get_bytes(name)?)
    }

    /// Sets the state of the default generator.
    ///
    /// # Errors
    /// If the file has none.
    pub fn restore_random(&self) -> Result<()> {
        self.restore_generator(RANDOM, default_generator())
    }
}
