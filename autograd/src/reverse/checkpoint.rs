//! Recomputing instead of remembering: what a function saves for backward is dropped, and computed again when backward gets there.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock};

use rushlight_tensor::{DType, Error, Result, Tensor, autocast, autocast_dtype, default_generator};

use super::backward::lock;
use super::hooks::{Watch, watching};
use super::node::{Node, Saved};
use crate::level::{at_depth, depth, is_grad_enabled, recorded_from, recording_from};
use crate::structure::Outputs;
use crate::vmap::Draws;

type Again = Box<dyn Fn() -> Result<()> + Send + Sync>;

/// What is around a call on a thread: runs a function inside of it, any number of times.
pub type Context = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// A call of a function under [`checkpoint`].
pub(crate) struct Segment {
    /// The depth at which it was called. Transforms inside of the function have tapes of their own, which are gone when it returns.
    depth: u32,
    /// From which level on tapes recorded.
    recorded: u32,
    /// What random numbers were there: a `vmap` around may have ended since.
    draws: Draws,
    /// What else was around it.
    contexts: Vec<Context>,
    /// The dtype of the `autocast` around it.
    autocast: Option<DType>,
    /// The default generator's state before the call.
    random: Vec<u8>,
    /// Calls the function again; there when the first call has returned.
    again: OnceLock<Again>,
    /// What the operations of a second call have saved, in their order, until their nodes take it.
    found: Mutex<Vec<Option<Saved>>>,
}

/// The segment that is running here: how many operations it has recorded, and whether this is its second call.
struct Running {
    segment: Arc<Segment>,
    count: usize,
    again: bool,
}

thread_local! {
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
    static CONTEXTS: RefCell<Vec<Context>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f`, which is inside of `context` already, so that each [`checkpoint`] in it goes into `context` again when it calls its function again: for what a thread
/// holds for a while and the function reads, such as the values of `nn::functional_call`.
pub fn in_context<R>(context: Context, f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            CONTEXTS.with_borrow_mut(Vec::pop);
        }
    }
    CONTEXTS.with_borrow_mut(|contexts| contexts.push(context));
    let _leave = Leave;
    f()
}

/// Runs `f` in all contexts, the first one outermost.
fn inside(contexts: &[Context], f: &mut dyn FnMut()) {
    match contexts {
        [] => f(),
        [outer, inner @ ..] => outer(&mut || inside(inner, f)),
    }
}

/// Runs `f` as a segment.
fn run<R>(segment: &Arc<Segment>, again: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Running>);
    impl Drop for Restore {
        fn drop(&mut self) {
            RUNNING.set(self.0.take());
        }
    }
    let _restore = Restore(RUNNING.replace(Some(Running { segment: segment.clone(), count: 0, again })));
    watching(Watch::SEGMENT, f)
}

/// What becomes of the values that an operation has saved: inside of a segment they are dropped (the place to find them again comes back), or, in its second
/// call, kept there.
pub(crate) fn saved(level: u32, saved: &mut Saved) -> Option<(Arc<Segment>, usize)> {
    RUNNING.with_borrow_mut(|running| {
        let running = running.as_mut()?;
        // Tapes of transforms inside of the function are walked before it returns.
        if level >= 4 * (running.segment.depth + 1) || !saved.is_some() {
            return None;
        }
        let place = running.count;
        running.count += 1;
        let taken = std::mem::replace(saved, saved.emptied());
        if running.again {
            lock(&running.segment.found).push(Some(taken));
        }
        Some((running.segment.clone(), place))
    })
}

impl Segment {
    /// What the operation at a place has saved: found by calling the function again.
    pub(crate) fn recall(self: &Arc<Segment>, place: usize, node: &Node) -> Result<Saved> {
        if lock(&self.found).get(place).is_none_or(Option::is_none) {
            let again = self.again.get().ok_or_else(|| Error::autograd("checkpoint", "backward inside of the function itself"))?;
            lock(&self.found).clear();
            let generator = default_generator();
            let now = generator.get_state();
            generator.set_state(&self.random)?;
            let again = || {
                let mut result = Ok(());
                inside(&self.contexts, &mut || result = run(self, true, again));
                result
            };
            let again = || self.draws.again(again);
            let again = || match self.autocast {
                Some(dtype) => autocast(dtype, again),
                None => again(),
            };
            let result = at_depth(self.depth, || recording_from(self.recorded, again));
            generator.set_state(&now)?;
            result?;
        }
        let found = lock(&self.found).get_mut(place).and_then(Option::take);
        found.filter(|found| node.could_have(found)).ok_or_else(|| {
            let message = format!("the function did something else when it was called again: it has to call `{}` there", node.name());
            Error::autograd("checkpoint", message)
        })
    }
}

/// Calls `f` without keeping what backward needs of its inside: backward calls it again for that. Memory is traded for time; results and gradients, also those
/// of parameters that `f` holds, are the same. The second call draws the same random numbers from the default generator. Inside of another checkpoint the outer one
/// alone counts.
///
/// # Errors
/// Those of `f`; in backward also if `f` does something else when it is called again.
///
/// ```
/// use rushlight_autograd::{Autograd, checkpoint};
/// use rushlight_tensor::Tensor;
/// let x = Tensor::new([1.0f64, 2.0])?.requires_grad()?;
/// let y = checkpoint(|x| x[0].exp()?.sin(), &[&x])?;
/// y.sum()?.backward()?;
/// let e = 1f64.exp();
/// assert_eq!(x.grad().unwrap().to_vec::<f64>()?[0], e * e.cos());
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn checkpoint<R: Outputs>(f: impl Fn(&[Tensor]) -> Result<R> + Send + Sync + 'static, inputs: &[&Tensor]) -> Result<R> {
    let inputs: Vec<Tensor> = inputs.iter().copied().cloned().collect();
    if !is_grad_enabled() || RUNNING.with_borrow(Option::is_some) {
        return f(&inputs);
    }
    let segment = Arc::new(Segment {
        depth: depth(),
        recorded: recorded_from(),
        draws: Draws::here(),
        contexts: CONTEXTS.with_borrow(Vec::clone),
        autocast: autocast_dtype(),
        random: default_generator().get_state(),
        again: OnceLock::new(),
        found: Mutex::default(),
    });
    let results = run(&segment, false, || f(&inputs))?;
    // Nobody else sets it.
    let _ = segment.again.set(Box::new(move || f(&inputs).map(drop)));
    Ok(results)
}
