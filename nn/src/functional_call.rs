//! A module with other values than its own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use rushlight_autograd::{Context, in_context};
use rushlight_tensor::{Error, Result, Tensor};

use crate::parameter::check_same;
use crate::walk::{Part, walk};
use crate::{Buffer, Module, Parameter};

thread_local! {
    /// Whether this thread has stand-ins: what everyone who reads a parameter asks first.
    static ANY: Cell<bool> = const { Cell::new(false) };
    /// What stands for which parameter or buffer, by its number.
    static STAND_INS: RefCell<HashMap<usize, Tensor>> = RefCell::new(HashMap::new());
}

/// What stands for a parameter or buffer on this thread.
#[inline]
pub(crate) fn stand_in(id: impl FnOnce() -> usize) -> Option<Tensor> {
    if !ANY.get() { None } else { STAND_INS.with_borrow(|s| s.get(&id()).cloned()) }
}

/// Replaces what stands for a buffer on this thread; false if nothing does.
pub(crate) fn replace_stand_in(id: usize, value: &Tensor) -> bool {
    ANY.get()
        && STAND_INS.with_borrow_mut(|s| match s.get_mut(&id) {
            Some(t) => {
                *t = value.clone();
                true
            }
            None => false,
        })
}

/// Runs `f` while given values stand for parameters and buffers of a module, by PyTorch's names: `torch.func.functional_call`. Those that are not named keep their
/// own values; a shared parameter is replaced wherever it is used. The module itself is not changed, and what `f` would write to a buffer that is stood for (running
/// statistics) is dropped with the stand-in. It concerns this thread alone.
///
/// The values may be traced: gradients, Hessians and gradients of every sample are those of functions of a module's parameters.
///
/// # Errors
/// That of `f`, and if the module has no such name or a value has another shape, dtype or device.
///
/// ```
/// use rushlight_autograd::{grad, vmap};
/// use rushlight_nn::{Forward, Linear, Module, functional_call};
/// use rushlight_tensor::{DType, Tensor};
/// let model = Linear::new(3, 1)?;
/// let parameters: Vec<(String, Tensor)> = model.named_parameters().into_iter().map(|(name, p)| (name, p.tensor())).collect();
/// let x = Tensor::ones([4, 3], DType::F32)?;
/// // The gradient of each sample's output by all parameters.
/// let each = vmap(
///     |x| grad(|p| functional_call(&model, p, || model.forward(&x[0])?.sum()), &parameters),
///     &[&x],
///     &[Some(0)],
///     0,
/// )?;
/// assert_eq!((each[0].0.as_str(), each[0].1.shape()), ("weight", &[4, 1, 3][..]));
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn functional_call<R>(module: &(impl Module + ?Sized), values: &[(String, Tensor)], f: impl FnOnce() -> Result<R>) -> Result<R> {
    let mut places: HashMap<String, (usize, Tensor)> = HashMap::new();
    let mut failed = Ok(());
    walk(module, |path, part| {
        let place = match part {
            Part::Parameter(p) => match p.try_tensor() {
                Ok(value) => (Parameter::id(p), value),
                Err(e) => return failed = Err(e),
            },
            Part::Buffer(b) => (Buffer::id(b), b.tensor()),
            Part::Mode(_) => return,
        };
        places.insert(path.to_owned(), place);
    });
    failed?;
    let mut all = STAND_INS.with_borrow(Clone::clone);
    for (name, value) in values {
        let (id, own) =
            places.get(name).ok_or_else(|| Error::value("functional_call", format!("the module has no parameter or buffer `{name}`")))?;
        check_same("functional_call", own, value).map_err(|e| Error::value("functional_call", format!("`{name}`: {}", e.message())))?;
        all.insert(*id, value.clone());
    }
    // A checkpoint inside may call its part of `f` again when this has returned.
    let again = all.clone();
    let context: Context = Arc::new(move |f| standing_in(again.clone(), f));
    standing_in(all, || in_context(context, f))
}

/// Runs `f` while these values, and no others, stand for parameters and buffers.
fn standing_in<R>(all: HashMap<usize, Tensor>, f: impl FnOnce() -> R) -> R {
    struct Restore(bool, HashMap<usize, Tensor>);
    impl Drop for Restore {
        fn drop(&mut self) {
            ANY.set(self.0);
            STAND_INS.set(std::mem::take(&mut self.1));
        }
    }
    let _restore = Restore(ANY.replace(true), STAND_INS.replace(all));
    f()
}
