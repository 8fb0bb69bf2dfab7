//! Functions that are called when a module is, forward or backward.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rushlight_autograd::Autograd;
use rushlight_tensor::{Result, Tensor};

use crate::{Forward, Module, Visitor};

type Before<M> = Arc<dyn Fn(&M, &Tensor) -> Result<Option<Tensor>> + Send + Sync>;
type After<M> = Arc<dyn Fn(&M, &Tensor, &Tensor) -> Result<Option<Tensor>> + Send + Sync>;
type Backward<M> = Arc<dyn Fn(&M, Option<&Tensor>, &Tensor) -> Result<Option<Tensor>> + Send + Sync>;

/// Hooks of one kind, in the order in which they were registered.
struct List<H>(Mutex<Vec<(u64, H)>>);

impl<H: Clone> List<H> {
    fn lock(&self) -> MutexGuard<'_, Vec<(u64, H)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hooks as they are now: they may register others while they run.
    fn all(&self) -> Vec<H> {
        self.lock().iter().map(|(_, hook)| hook.clone()).collect()
    }
}

/// Takes a hook away again. (Dropping it leaves the hook.)
pub struct RemovableHandle(Box<dyn FnOnce() + Send>);

impl RemovableHandle {
    /// Takes the hook away.
    pub fn remove(self) {
        (self.0)();
    }
}

fn register<H: Clone + Send + 'static>(list: &Arc<List<H>>, hook: H) -> RemovableHandle {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    list.lock().push((id, hook));
    let list = Arc::downgrade(list);
    RemovableHandle(Box::new(move || {
        if let Some(list) = list.upgrade() {
            list.lock().retain(|(other, _)| *other != id);
        }
    }))
}

/// A module with hooks. It is that module in every other respect: names, state, printing, and its own methods by `Deref`.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use rushlight_nn::{Forward, Hooked, Linear, Module, ReLU, sequential};
/// use rushlight_tensor::Tensor;
///
/// let first = Hooked::new(Linear::new(4, 8)?);
/// let calls = Arc::new(AtomicUsize::new(0));
/// let counter = calls.clone();
/// let handle = first.register_forward_hook(move |_, _, y| {
///     counter.fetch_add(y.numel(), Ordering::Relaxed);
///     Ok(None)
/// });
/// let net = sequential![first, ReLU::new()];
/// net.forward(&Tensor::zeros([2, 4], ())?)?;
/// handle.remove();
/// net.forward(&Tensor::zeros([2, 4], ())?)?;
/// assert_eq!(calls.load(Ordering::Relaxed), 16);
/// assert_eq!(net.state_dict()[0].0, "0.weight");
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub struct Hooked<M> {
    module: Arc<M>,
    before: Arc<List<Before<M>>>,
    after: Arc<List<After<M>>>,
    backward_before: Arc<List<Before<M>>>,
    backward: Arc<List<Backward<M>>>,
}

impl<M> Hooked<M> {
    /// A module without hooks yet.
    pub fn new(module: M) -> Hooked<M> {
        fn none<H>() -> Arc<List<H>> {
            Arc::new(List(Mutex::new(Vec::new())))
        }
        Hooked { module: Arc::new(module), before: none(), after: none(), backward_before: none(), backward: none() }
    }
}

impl<M: Send + Sync + 'static> Hooked<M> {
    /// Has `hook` called with the module and its input before each call; it may give another input back.
    pub fn register_forward_pre_hook(
        &self,
        hook: impl Fn(&M, &Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static,
    ) -> RemovableHandle {
        register(&self.before, Arc::new(hook) as Before<M>)
    }

    /// Has `hook` called with the module, its input and its result after each call; it may give another result back.
    pub fn register_forward_hook(
        &self,
        hook: impl Fn(&M, &Tensor, &Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static,
    ) -> RemovableHandle {
        register(&self.after, Arc::new(hook) as After<M>)
    }

    /// Has `hook` called with the module and the gradient of its result, before it goes through the module; it may give another one back.
    pub fn register_full_backward_pre_hook(
        &self,
        hook: impl Fn(&M, &Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static,
    ) -> RemovableHandle {
        register(&self.backward_before, Arc::new(hook) as Before<M>)
    }

    /// Has `hook` called with the module, the gradient of its input (`None` where the input needs none) and that of its result; it may give another gradient of the
    /// input back.
    pub fn register_full_backward_hook(
        &self,
        hook: impl Fn(&M, Option<&Tensor>, &Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static,
    ) -> RemovableHandle {
        register(&self.backward, Arc::new(hook) as Backward<M>)
    }
}

/// The same tensor as a node of its own, so that only the gradient of this use is seen there.
fn apart(x: &Tensor) -> Result<Tensor> {
    x.unsqueeze(0)?.squeeze_dim(0)
}

impl<M: Forward + Send + Sync + 'static> Forward for Hooked<M> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for hook in self.before.all() {
            if let Some(other) = hook(&self.module, &x)? {
                x = other;
            }
        }
        let watched = !(self.backward.lock().is_empty() && self.backward_before.lock().is_empty());
        // The gradient of the result, kept for when that of the input has come.
        let arrived: Arc<Mutex<Option<Tensor>>> = Arc::default();
        if watched && x.is_requires_grad() {
            x = apart(&x)?;
            let (module, hooks, arrived) = (self.module.clone(), self.backward.clone(), arrived.clone());
            x.register_hook(move |grad| {
                let of_result = arrived.lock().unwrap_or_else(PoisonError::into_inner).take();
                let Some(of_result) = of_result else { return Ok(None) };
                let mut new = None;
                for hook in hooks.all() {
                    new = hook(&module, Some(new.as_ref().unwrap_or(grad)), &of_result)?.or(new);
                }
                Ok(new)
            })?;
        }
        let mut y = self.module.forward(&x)?;
        for hook in self.after.all() {
            if let Some(other) = hook(&self.module, &x, &y)? {
                y = other;
            }
        }
        if watched && y.is_requires_grad() {
            y = apart(&y)?;
            let (module, before, hooks) = (self.module.clone(), self.backward_before.clone(), self.backward.clone());
            let alone = !x.is_requires_grad();
            y.register_hook(move |grad| {
                let mut new = None;
                for hook in before.all() {
                    new = hook(&module, new.as_ref().unwrap_or(grad))?.or(new);
                }
                let of_result = new.as_ref().unwrap_or(grad);
                if alone {
                    for hook in hooks.all() {
                        hook(&module, None, of_result)?;
                    }
                } else {
                    *arrived.lock().unwrap_or_else(PoisonError::into_inner) = Some(of_result.clone());
                }
                Ok(new)
            })?;
        }
        Ok(y)
    }
}

impl<M: Module> Module for Hooked<M> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        self.module.visit(visitor);
    }

    fn type_name(&self) -> &'static str {
        self.module.type_name()
    }

    fn extra_repr(&self) -> String {
        self.module.extra_repr()
    }

    fn address(&self) -> usize {
        self.module.address()
    }
}

impl<M> Deref for Hooked<M> {
    type Target = M;
    fn deref(&self) -> &M {
        &self.module
    }
}
