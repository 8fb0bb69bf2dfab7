//! What a module is: a tree of parts that can be visited. What it computes is another matter ([`Forward`]).

use std::collections::HashSet;
use std::path::Path;

use rushlight_tensor::{DType, Device, Result, Tensor, files, safetensors};

use crate::state::{self, LoadReport, StateDict};
use crate::walk::{Part, children, modules, walk};
use crate::{Buffer, Mode, Momentum, Parameter, repr};

/// Sees the direct parts of a module, each with the name of its field.
pub trait Visitor {
    /// A parameter.
    fn parameter(&mut self, name: &str, parameter: &Parameter) {
        let _ = (name, parameter);
    }

    /// A parameter that PyTorch would list behind the others of its module, since it took another one's place.
    fn late_parameter(&mut self, name: &str, parameter: &Parameter) {
        self.parameter(name, parameter);
    }

    /// A buffer.
    fn buffer(&mut self, name: &str, buffer: &Buffer) {
        let _ = (name, buffer);
    }

    /// The mode of the module.
    fn mode(&mut self, mode: &Mode) {
        let _ = mode;
    }

    /// The weight of new batches in the running statistics of the module.
    fn momentum(&mut self, momentum: &Momentum) {
        let _ = momentum;
    }

    /// A module inside of the module.
    fn module(&mut self, name: &str, module: &dyn Module) {
        let _ = (name, module);
    }

    /// A module that PyTorch would list behind the others inside of its module: that of parametrisations.
    fn late_module(&mut self, name: &str, module: &dyn Module) {
        self.module(name, module);
    }
}

/// A module: parameters, buffers and other modules in its fields. Derive it:
///
/// ```
/// use rushlight_nn::{Forward, Linear, Module};
/// use rushlight_tensor::{Result, Tensor};
///
/// #[derive(Module)]
/// struct Net {
///     fc1: Linear,
///     fc2: Option<Linear>,
///     scale: f64,
/// }
///
/// impl Forward for Net {
///     fn forward(&self, x: &Tensor) -> Result<Tensor> {
///         let h = self.fc1.forward(x)?.relu()?.mul(self.scale)?;
///         self.fc2.as_ref().map_or(Ok(h.clone()), |fc2| fc2.forward(&h))
///     }
/// }
///
/// let net = Net { fc1: Linear::new(4, 3)?, fc2: Some(Linear::builder(3, 2).bias(false).build()?), scale: 0.5 };
/// let names: Vec<String> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["fc1.weight", "fc1.bias", "fc2.weight"]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
///
/// All methods take `&self`: parameters, buffers and modes are cells.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a module", note = "add `#[derive(Module)]` to it")]
pub trait Module {
    /// Shows the visitor every direct part, in the order of definition.
    fn visit(&self, visitor: &mut dyn Visitor);

    /// The name of the type, as PyTorch prints it.
    fn type_name(&self) -> &'static str;

    /// What stands in the parentheses when the module is printed: its arguments.
    fn extra_repr(&self) -> String {
        String::new()
    }

    /// Parameters with their names, in PyTorch's order: those of a module before those of its children. A shared one is named once.
    fn named_parameters(&self) -> Vec<(String, Parameter)> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        walk(self, |path, part| {
            if let Part::Parameter(p) = part
                && seen.insert(p.id())
            {
                found.push((path.to_owned(), p.clone()));
            }
        });
        found
    }

    /// Parameters in PyTorch's order; a shared one occurs once.
    fn parameters(&self) -> Vec<Parameter> {
        self.named_parameters().into_iter().map(|(_, p)| p).collect()
    }

    /// Buffers with their names, in PyTorch's order; a shared one is named once.
    fn named_buffers(&self) -> Vec<(String, Buffer)> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        walk(self, |path, part| {
            if let Part::Buffer(b) = part
                && seen.insert(b.id())
            {
                found.push((path.to_owned(), b.clone()));
            }
        });
        found
    }

    /// The parameter of this name: `get_parameter("fc1.weight")`. A clone of it is the same parameter.
    fn get_parameter(&self, name: &str) -> Option<Parameter> {
        let mut found = None;
        walk(self, |path, part| {
            if let Part::Parameter(p) = part
                && path == name
            {
                found = Some(p.clone());
            }
        });
        found
    }

    /// The buffer of this name.
    fn get_buffer(&self, name: &str) -> Option<Buffer> {
        let mut found = None;
        walk(self, |path, part| {
            if let Part::Buffer(b) = part
                && path == name
            {
                found = Some(b.clone());
            }
        });
        found
    }

    /// Names and [types](Module::type_name) of the module itself, whose name is empty, and of all modules inside of it. One that is held twice is listed twice.
    fn named_modules(&self) -> Vec<(String, &'static str)> {
        let mut found = Vec::new();
        modules(&self, false, &mut |path, module| found.push((path.to_owned(), module.type_name())));
        found
    }

    /// Names and [types](Module::type_name) of the modules directly inside of this one.
    fn named_children(&self) -> Vec<(String, &'static str)> {
        let mut found = Vec::new();
        children(&self, &mut |name, module| found.push((name.to_owned(), module.type_name())));
        found
    }

    /// Calls `f` for every module inside of this one, then for this one, each with its full name.
    ///
    /// ```
    /// use rushlight_nn::{Linear, Module, ReLU, init, sequential};
    ///
    /// let net = sequential![Linear::new(4, 8)?, ReLU::new(), Linear::new(8, 2)?];
    /// net.apply(&mut |_, module| {
    ///     if module.type_name() == "Linear"
    ///         && let Some(bias) = module.get_parameter("bias")
    ///     {
    ///         init::zeros_(&bias).unwrap();
    ///     }
    /// });
    /// assert_eq!(net.state_dict()[1].1.to_vec::<f32>()?, [0.0; 8]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    fn apply(&self, f: &mut dyn FnMut(&str, &dyn Module)) {
        modules(&self, true, f);
    }

    /// The number of elements of all parameters; shared ones count once.
    fn num_parameters(&self) -> usize {
        self.parameters().iter().map(Parameter::numel).sum()
    }

    /// The values of parameters and persistent buffers under PyTorch's names in PyTorch's order: in each module parameters, buffers, then
    /// children. It is a snapshot: later changes of the module do not show in it.
    fn state_dict(&self) -> StateDict {
        let mut found = StateDict::new();
        walk(self, |path, part| match part {
            Part::Parameter(p) => found.push((path.to_owned(), p.lock().value().clone())),
            Part::Buffer(b) if b.is_persistent() => found.push((path.to_owned(), b.tensor())),
            _ => {}
        });
        found
    }

    /// Sets parameters and buffers to the values under their names, converted to their dtypes and devices. With `strict` every name must be
    /// there and no other; without it the report says which were missing or not used.
    ///
    /// # Errors
    /// Names all keys that are missing, not expected, or of another shape; nothing is changed then.
    fn load_state_dict(&self, state: &[(String, Tensor)], strict: bool) -> Result<LoadReport> {
        state::load(self, state, strict)
    }

    /// Which keys of a state dict do not fit the module: what [`load_state_dict`](Module::load_state_dict) would object to. Nothing is changed.
    fn compare_state_dict(&self, state: &[(String, Tensor)]) -> LoadReport {
        state::compare(self, state)
    }

    /// Writes the state dict to a safetensors file. An existing file is replaced in one step, when the new one is complete.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn save_safetensors(&self, path: impl AsRef<Path>) -> Result<()>
    where
        Self: Sized,
    {
        safetensors::save_safetensors(&self.state_dict(), path)
    }

    /// Loads the state dict from a safetensors file, strictly.
    ///
    /// # Errors
    /// If the file cannot be read, or as [`load_state_dict`](Module::load_state_dict).
    fn load_safetensors(&self, path: impl AsRef<Path>) -> Result<()>
    where
        Self: Sized,
    {
        let path = path.as_ref();
        state::load(self, &safetensors::load_safetensors(path)?, true).map_err(|e| files::in_file(path, &e))?;
        Ok(())
    }

    /// Sets training or evaluation mode, here and in all children.
    fn set_training(&self, training: bool) {
        walk(self, |_, part| {
            if let Part::Mode(mode) = part {
                mode.set(training);
            }
        });
    }

    /// Sets training mode: dropout drops, batch norm uses and tracks the batch's statistics.
    fn train(&self) {
        self.set_training(true);
    }

    /// Sets evaluation mode.
    fn eval(&self) {
        self.set_training(false);
    }

    /// Whether the module is in training mode: as its own [`Mode`] says, or the first of its children's. Modules in which nothing has a mode are in
    /// training mode.
    fn is_training(&self) -> bool {
        let mut found = None;
        walk(self, |_, part| {
            if let Part::Mode(mode) = part {
                found.get_or_insert(mode.is_training());
            }
        });
        found.unwrap_or(true)
    }

    /// Drops the gradients of all parameters.
    fn zero_grad(&self) {
        walk(self, |_, part| {
            if let Part::Parameter(p) = part {
                p.zero_grad();
            }
        });
    }

    /// Whether all parameters ask for gradients from now on.
    fn requires_grad_(&self, requires_grad: bool) {
        walk(self, |_, part| {
            if let Part::Parameter(p) = part {
                p.requires_grad_(requires_grad);
            }
        });
    }

    /// Converts parameters and floating-point buffers; counters stay integers.
    ///
    /// # Errors
    /// If the dtype is not floating point.
    fn to_dtype(&self, dtype: DType) -> Result<()> {
        let mut result = Ok(());
        walk(self, |_, part| {
            let one = match part {
                Part::Parameter(p) => p.to_dtype(dtype),
                Part::Buffer(b) if b.tensor().dtype().is_differentiable() => b.to_dtype(dtype),
                _ => Ok(()),
            };
            if result.is_ok() {
                result = one;
            }
        });
        result
    }

    /// Moves parameters and buffers.
    ///
    /// # Errors
    /// If the device fails.
    fn to_device(&self, device: Device) -> Result<()> {
        let mut result = Ok(());
        walk(self, |_, part| {
            let one = match part {
                Part::Parameter(p) => p.to_device(device),
                Part::Buffer(b) => b.to_device(device),
                Part::Mode(_) => Ok(()),
            };
            if result.is_ok() {
                result = one;
            }
        });
        result
    }

    /// Moves parameters and buffers, and converts the floating-point ones.
    ///
    /// # Errors
    /// If the dtype is not floating point, or the device fails.
    fn to(&self, device: Device, dtype: DType) -> Result<()> {
        self.to_dtype(dtype)?;
        self.to_device(device)
    }

    /// Where the module lies in memory, behind pointers: [`summary`](crate::summary()) tells modules apart by it.
    #[doc(hidden)]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>().addr()
    }

    /// The module and its children as PyTorch prints them. `Display` of derived modules shows it.
    fn repr(&self) -> String {
        repr::repr(self)
    }
}

/// What maps a tensor to a tensor.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not map a tensor to a tensor",
    note = "implement `Forward` for it: `fn forward(&self, x: &Tensor) -> Result<Tensor>`"
)]
pub trait Forward {
    /// The result for an input.
    ///
    /// # Errors
    /// If shape or dtype do not fit.
    fn forward(&self, x: &Tensor) -> Result<Tensor>;

    /// As [`forward`](Forward::forward) for an input that nobody needs any more, whose memory may be reused.
    ///
    /// # Errors
    /// As `forward`.
    fn forward_owned(&self, x: Tensor) -> Result<Tensor> {
        self.forward(&x)
    }
}

/// A module that maps a tensor to a tensor: what [`Sequential`](crate::Sequential) holds. It is implemented for all of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    note = "a layer is a module (`#[derive(Module)]`) that implements `Forward` and is `Send` and `Sync`"
)]
pub trait Layer: Module + Forward + Send + Sync {}

impl<T: Module + Forward + Send + Sync + ?Sized> Layer for T {}
