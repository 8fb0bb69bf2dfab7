//! The one place where sharing and change meet: a cell that holds a tensor.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rushlight_autograd::Autograd;
use rushlight_tensor::{DType, Device, Error, Result, Tensor, Trace};

use crate::functional_call::stand_in;
use crate::utils::Derived;

/// A tensor that is learned. A cheap handle: clones share the value, so tied weights are clones of one parameter.
///
/// The tensor that [`tensor`](Parameter::tensor) gives is a leaf of the tape; replacing the value (an optimizer's step, a loaded state) keeps
/// the leaf, so its gradient stays where it is. Tensors taken out earlier keep the value that they had.
///
/// ```
/// use rushlight_autograd::Autograd;
/// use rushlight_nn::Parameter;
/// use rushlight_tensor::Tensor;
///
/// let w = Parameter::new(Tensor::new(&[1.0f32, 2.0])?)?;
/// let y = w.tensor().mul(3.0)?;
/// y.backward_with(Some(&y.ones_like()?), Default::default())?;
/// assert_eq!(w.grad().unwrap().to_vec::<f32>()?, [3.0, 3.0]);
/// w.set(&Tensor::new(&[0.0f32, 0.0])?)?;
/// assert_eq!(w.grad().unwrap().to_vec::<f32>()?, [3.0, 3.0]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Clone)]
pub struct Parameter(Arc<Mutex<State>>);

struct State {
    /// Without a trace, so that its memory has one owner while nobody computes with it.
    value: Tensor,
    /// The trace of the leaf, which holds the gradient.
    leaf: Trace,
    requires_grad: bool,
    /// Where the value comes from, if it is computed from other parameters; `value` is then what it was when that began.
    derived: Option<Arc<Derived>>,
}

impl State {
    fn new(value: &Tensor) -> Result<State> {
        let value = value.detach();
        let traced = value.requires_grad()?;
        let leaf = traced.trace().cloned().ok_or_else(|| Error::autograd("Parameter", "the leaf has no trace"))?;
        Ok(State { value, leaf, requires_grad: true, derived: None })
    }

    fn leaf(&self) -> Tensor {
        self.value.with_trace(Some(self.leaf.clone()))
    }
}

impl Parameter {
    /// A parameter with this value, which requires gradients.
    ///
    /// # Errors
    /// If the dtype is not floating point or complex.
    pub fn new(value: Tensor) -> Result<Parameter> {
        Ok(Parameter(Arc::new(Mutex::new(State::new(&value)?))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one assignment, so it is whole even where a holder panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current value: a leaf that asks for gradients, if the parameter does.
    ///
    /// Of a [parametrised or pruned](crate::utils) one it is computed, and gradients go to what it is computed from.
    ///
    /// # Panics
    /// If a parametrisation fails, which [`try_tensor`](Parameter::try_tensor) gives as an error.
    #[track_caller]
    pub fn tensor(&self) -> Tensor {
        match self.try_tensor() {
            Ok(value) => value,
            Err(e) => panic!("{e}"),
        }
    }

    /// As [`tensor`](Parameter::tensor), with the error of a parametrisation.
    ///
    /// # Errors
    /// That of the parametrisation; none for other parameters.
    pub fn try_tensor(&self) -> Result<Tensor> {
        if let Some(other) = stand_in(|| self.id()) {
            return Ok(other);
        }
        let derived = {
            let state = self.state();
            match &state.derived {
                None => return Ok(if state.requires_grad { state.leaf() } else { state.value.clone() }),
                Some(derived) => derived.clone(),
            }
        };
        // Not under the lock: it reads other parameters.
        derived.tensor()
    }

    /// What the value is computed from, if it is.
    pub(crate) fn derived(&self) -> Option<Arc<Derived>> {
        self.state().derived.clone()
    }

    /// Has the value computed from now on, or be the given one again.
    pub(crate) fn set_derived(&self, value: &Tensor, derived: Option<Derived>) -> Result<()> {
        let new = State { requires_grad: self.is_requires_grad(), derived: derived.map(Arc::new), ..State::new(value)? };
        *self.state() = new;
        Ok(())
    }

    /// The first of the parameters that the value is computed from, or this one.
    fn source(&self) -> Parameter {
        self.derived().map_or_else(|| self.clone(), |d| d.sources()[0].clone())
    }

    /// The shape.
    pub fn shape(&self) -> Vec<usize> {
        self.state().value.shape().to_vec()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.state().value.numel()
    }

    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.source().state().value.dtype()
    }

    /// The device.
    pub fn device(&self) -> Device {
        self.source().state().value.device()
    }

    /// Replaces the value; the leaf and its gradient stay.
    ///
    /// # Errors
    /// If shape, dtype or device differ: [`to_dtype`](Parameter::to_dtype) and [`to_device`](Parameter::to_device) change those. A parametrisation must have an inverse.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        match self.derived() {
            None => self.lock().set(value.detach()),
            Some(derived) => derived.assign(&value.detach()),
        }
    }

    /// Replaces the value by what `f` makes of it. While `f` runs nobody else can read the parameter.
    ///
    /// # Errors
    /// That of `f`, and as [`set`](Parameter::set); the value is then unchanged.
    pub fn update(&self, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<()> {
        if self.derived().is_some() {
            return self.set(&f(&self.try_tensor()?.detach())?);
        }
        let mut locked = self.lock();
        let new = f(locked.value())?;
        locked.set(new.detach())
    }

    /// Holds the parameter for an update in place; others who want its value wait meanwhile. Lock several in the order of their
    /// [`id`](Parameter::id).
    pub fn lock(&self) -> Locked<'_> {
        Locked(self.state())
    }

    /// The gradient that backward passes have accumulated.
    pub fn grad(&self) -> Option<Tensor> {
        self.state().leaf().grad()
    }

    /// Replaces the gradient.
    ///
    /// # Errors
    /// If shape or dtype are not the parameter's.
    pub fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        self.state().leaf().set_grad(grad)
    }

    /// Drops the gradient.
    pub fn zero_grad(&self) {
        if let Some(derived) = self.derived() {
            derived.sources().iter().for_each(Parameter::zero_grad);
        }
        // Only a gradient can be of the wrong shape, not its absence.
        let _ = self.set_grad(None);
    }

    /// Whether operations on the value are recorded.
    pub fn is_requires_grad(&self) -> bool {
        match self.derived() {
            None => self.state().requires_grad,
            Some(derived) => derived.sources().iter().any(Parameter::is_requires_grad),
        }
    }

    /// Whether operations on the value are to be recorded from now on. Frozen parameters keep the gradient that they have.
    pub fn requires_grad_(&self, requires_grad: bool) -> &Parameter {
        if let Some(derived) = self.derived() {
            derived.sources().iter().for_each(|p| _ = p.requires_grad_(requires_grad));
        }
        self.state().requires_grad = requires_grad;
        self
    }

    /// Converts value and gradient. The leaf is a new one.
    ///
    /// # Errors
    /// If the dtype is not floating point or complex.
    pub fn to_dtype(&self, dtype: DType) -> Result<()> {
        self.convert(&|t| t.to_dtype(dtype))
    }

    /// Moves value and gradient. The leaf is a new one.
    ///
    /// # Errors
    /// If the device fails.
    pub fn to_device(&self, device: Device) -> Result<()> {
        self.convert(&|t| t.to_device(device))
    }

    fn convert(&self, f: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<()> {
        if let Some(derived) = self.derived() {
            return derived.sources().iter().try_for_each(|p| p.convert(f));
        }
        let mut state = self.state();
        let value = f(&state.value)?;
        if value.is_same(&state.value) {
            return Ok(());
        }
        let grad = state.leaf().grad().map(|g| f(&g)).transpose()?;
        let new = State { requires_grad: state.requires_grad, ..State::new(&value)? };
        new.leaf().set_grad(grad)?;
        *state = new;
        Ok(())
    }

    /// A number that tells parameters apart while they live: clones have the same.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(f, "Parameter({}{:?}", state.value.dtype(), state.value.shape())?;
        f.write_str(if state.requires_grad { ")" } else { ", frozen)" })
    }
}

/// A parameter that is being updated.
pub struct Locked<'a>(MutexGuard<'a, State>);

impl Locked<'_> {
    /// The value, outside of every graph.
    pub fn value(&self) -> &Tensor {
        &self.0.value
    }

    /// The gradient.
    pub fn grad(&self) -> Option<Tensor> {
        self.0.leaf().grad()
    }

    /// Takes the value out, so that its memory has one owner and an operation can reuse it ([`Input::Own`](rushlight_tensor::Input::Own)).
    /// `filler`, any small tensor, stands in until [`put`](Locked::put).
    pub fn take(&mut self, filler: &Tensor) -> Tensor {
        std::mem::replace(&mut self.0.value, filler.detach())
    }

    /// Puts a value in the place of one that was taken: of the same shape, dtype and device, which is the caller's care.
    pub fn put(&mut self, value: Tensor) {
        self.0.value = value.detach();
    }

    /// Replaces the value.
    ///
    /// # Errors
    /// If shape, dtype or device differ.
    pub fn set(&mut self, value: Tensor) -> Result<()> {
        check_same("Parameter::set", &self.0.value, &value)?;
        self.put(value);
        Ok(())
    }
}

/// An error if shape, dtype or device differ.
pub(crate) fn check_same(op: &'static str, old: &Tensor, new: &Tensor) -> Result<()> {
    if old.shape() != new.shape() || old.dtype() != new.dtype() || old.device() != new.device() {
        return Err(Error::value(
            op,
            format!("holds {}{:?} on {}, got {}{:?} on {}", old.dtype(), old.shape(), old.device(), new.dtype(), new.shape(), new.device()),
        ));
    }
    Ok(())
}
