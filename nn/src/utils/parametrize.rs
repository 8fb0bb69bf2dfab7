//! Parameters that are functions of others: `torch.nn.utils.parametrize`.

use std::sync::Arc;

use rushlight_autograd::no_grad;
use rushlight_tensor::{Error, Result, Tensor};

use super::derived::{Chain, Derived};
use crate::{Module, Parameter};

/// A function that computes a parameter's value from what is learned instead. Its own buffers are part of the state dict.
///
/// ```
/// use rushlight_nn::utils::parametrize::{Parametrization, register_parametrization};
/// use rushlight_nn::{Linear, Module};
/// use rushlight_tensor::{Result, Tensor};
///
/// /// The weight is symmetric: its upper triangle is learned.
/// #[derive(Module)]
/// struct Symmetric;
///
/// impl Parametrization for Symmetric {
///     fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
///         originals[0].triu(0)?.add(&originals[0].triu(1)?.t()?)
///     }
/// }
///
/// let layer = Linear::new(3, 3)?;
/// register_parametrization(&layer.weight, Symmetric)?;
/// let w = layer.weight.tensor();
/// assert_eq!(w.to_vec::<f32>()?, w.t()?.to_vec::<f32>()?);
/// let keys: Vec<String> = layer.state_dict().into_iter().map(|(key, _)| key).collect();
/// assert_eq!(keys, ["bias", "parametrizations.weight.original"]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub trait Parametrization: Module + Send + Sync {
    /// The value, from one original or several.
    ///
    /// # Errors
    /// If it cannot be computed.
    fn forward(&self, originals: &[Tensor]) -> Result<Tensor>;

    /// Originals for a value: at the beginning, and when the parameter is set. By default the value itself.
    ///
    /// # Errors
    /// If there are none.
    fn right_inverse(&self, value: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![value.clone()])
    }
}

/// Has a parameter computed by a function of new parameters; of one that is parametrised already, by this function of the former value.
///
/// # Errors
/// If the function fails, its value is of another shape or dtype than the parameter, or the parameter is pruned.
pub fn register_parametrization(parameter: &Parameter, parametrization: impl Parametrization + 'static) -> Result<()> {
    const NAME: &str = "register_parametrization";
    let step: Arc<dyn Parametrization> = Arc::new(parametrization);
    let old = parameter.try_tensor()?.with_trace(None);
    let chain = match parameter.derived().as_deref() {
        Some(Derived::Pruned { .. }) => return Err(Error::value(NAME, "the parameter is pruned")),
        Some(Derived::Chain(chain)) => {
            let mut chain = chain.clone();
            chain.steps.push(step);
            chain
        }
        None => {
            let originals = no_grad(|| step.right_inverse(&old))?.into_iter().map(Parameter::new).collect::<Result<Vec<_>>>()?;
            if originals.is_empty() {
                return Err(Error::value(NAME, "the inverse gave no original"));
            }
            originals.iter().for_each(|p| _ = p.requires_grad_(parameter.is_requires_grad()));
            Chain { originals, steps: vec![step] }
        }
    };
    let new = no_grad(|| chain.tensor())?.with_trace(None);
    if new.shape() != old.shape() || new.dtype() != old.dtype() {
        return Err(Error::value(
            NAME,
            format!("the value became {}{:?}, the parameter is {}{:?}", new.dtype(), new.shape(), old.dtype(), old.shape()),
        ));
    }
    parameter.set_derived(&new, Some(Derived::Chain(chain)))
}

/// Whether a parameter is parametrised.
pub fn is_parametrized(parameter: &Parameter) -> bool {
    matches!(parameter.derived().as_deref(), Some(Derived::Chain(_)))
}

/// Makes a parameter an ordinary one again, with the value that the parametrisation gives or, without `leave_parametrized`, with the original.
///
/// # Errors
/// If it is not parametrised, or has several originals and is not to keep its value.
pub fn remove_parametrizations(parameter: &Parameter, leave_parametrized: bool) -> Result<()> {
    const NAME: &str = "remove_parametrizations";
    let derived = parameter.derived();
    let Some(Derived::Chain(chain)) = derived.as_deref() else {
        return Err(Error::value(NAME, "the parameter is not parametrised"));
    };
    let value = match &chain.originals[..] {
        _ if leave_parametrized => no_grad(|| chain.tensor())?,
        [one] => one.try_tensor()?,
        several => return Err(Error::value(NAME, format!("{} originals are no value: leave the parametrised one", several.len()))),
    };
    parameter.set_derived(&value.with_trace(None), None)
}
