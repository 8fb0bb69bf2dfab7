//! What users attach to tensors on the tape: hooks on gradients, gradients that are kept, and where an operation was called.

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use rushlight_tensor::{Error, Result, Tensor};
use smallvec::SmallVec;

use super::backward::lock;
use super::checkpoint::{self, Segment};
use super::node::{Node, Saved};
use crate::rule::Grads;

type Hook = Arc<dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync>;

/// What few nodes have: it is made when the first thing is attached.
#[derive(Default)]
pub(crate) struct Attached {
    hooks: Mutex<Vec<(u64, usize, Hook)>>,
    kept: Mutex<Vec<(usize, Option<Tensor>)>>,
    /// Where the operation was called, if anomalies are looked for.
    called: Option<Backtrace>,
    /// Where to find what the operation has saved, if it was dropped.
    segment: Option<(Arc<Segment>, usize)>,
}

/// A hook that can be removed again.
pub struct HookHandle {
    attached: Weak<Attached>,
    id: u64,
}

impl HookHandle {
    /// Takes the hook away. (Dropping the handle leaves it.)
    pub fn remove(self) {
        if let Some(attached) = self.attached.upgrade() {
            lock(&attached.hooks).retain(|(id, _, _)| *id != self.id);
        }
    }
}

/// Attaches a hook to an output of a node.
pub(crate) fn attach(node: &Node, index: usize, hook: Hook) -> HookHandle {
    let attached = node.attached.get_or_init(Default::default);
    let mut hooks = lock(&attached.hooks);
    let id = hooks.last().map_or(0, |(last, _, _)| last + 1);
    hooks.push((id, index, hook));
    HookHandle { attached: Arc::downgrade(attached), id }
}

/// Has an output's gradient kept.
pub(crate) fn keep(node: &Node, index: usize) {
    let mut kept = lock(&node.attached.get_or_init(Default::default).kept);
    if !kept.iter().any(|(i, _)| *i == index) {
        kept.push((index, None));
    }
}

/// The kept gradient of an output: the outer option says whether it is kept, the inner one whether it has arrived.
pub(crate) fn kept(node: &Node, index: usize) -> Option<Option<Tensor>> {
    let kept = lock(&node.attached.get()?.kept);
    kept.iter().find(|(i, _)| *i == index).map(|(_, g)| g.clone())
}

/// Runs a node's hooks on the gradients that have arrived, in the order in which they were attached, then keeps what is to be kept.
pub(crate) fn arrived(node: &Node, grads: &mut Grads) -> Result<()> {
    let Some(attached) = node.attached.get() else { return Ok(()) };
    // Hooks may attach others: none is called under the lock.
    let hooks: SmallVec<[(usize, Hook); 2]> = lock(&attached.hooks).iter().map(|(_, i, hook)| (*i, hook.clone())).collect();
    for (index, hook) in hooks {
        let Some(Some(g)) = grads.get(index) else { continue };
        let Some(new) = hook(g)? else { continue };
        if new.shape() != g.shape() || new.dtype() != g.dtype() {
            let (got, wanted) = (new.meta(), g.meta());
            return Err(Error::autograd(
                "hook",
                format!("returned a gradient {}{:?} for one of {}{:?}", got.dtype, got.shape, wanted.dtype, wanted.shape),
            ));
        }
        grads[index] = Some(new);
    }
    for (index, slot) in lock(&attached.kept).iter_mut() {
        if let Some(Some(g)) = grads.get(*index) {
            *slot = Some(match slot.take() {
                None => g.clone(),
                Some(old) => old.add(g)?,
            });
        }
    }
    Ok(())
}

/// What recording and backward have to look out for here; nothing, in the usual case.
pub(crate) struct Watch;

impl Watch {
    /// NaN in gradients.
    pub(crate) const ANOMALY: u8 = 1;
    /// A checkpointed function runs.
    pub(crate) const SEGMENT: u8 = 2;
}

thread_local! {
    static WATCH: Cell<u8> = const { Cell::new(0) };
}

/// Runs `f` looking out for something more.
pub(crate) fn watching<R>(what: u8, f: impl FnOnce() -> R) -> R {
    struct Restore(u8);
    impl Drop for Restore {
        fn drop(&mut self) {
            WATCH.set(self.0);
        }
    }
    let _restore = Restore(WATCH.replace(WATCH.get() | what));
    f()
}

/// Runs `f` looking for anomalies: the first gradient with a NaN that a backward pass makes is an error, which names the operation and says where it was
/// called (both the call and the backward pass must be inside; places are known in builds with debug information). Slow: for finding mistakes.
///
/// # Errors
/// Those of `f`.
///
/// ```
/// use rushlight_autograd::{Autograd, detect_anomaly};
/// use rushlight_tensor::Tensor;
/// let x = Tensor::new([0.0f64])?.requires_grad()?;
/// // 0 * (1/0): the square root's gradient is infinite at 0.
/// let e = detect_anomaly(|| x.sqrt()?.mul(0.0)?.sum()?.backward()).unwrap_err();
/// assert!(e.to_string().starts_with("sqrt"));
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn detect_anomaly<R>(f: impl FnOnce() -> Result<R>) -> Result<R> {
    watching(Watch::ANOMALY, f)
}

/// Whether there is something to look out for here.
#[inline]
pub(crate) fn watches() -> bool {
    WATCH.get() != 0
}

/// Whether anomalies are looked for here.
#[inline]
pub(crate) fn detects() -> bool {
    WATCH.get() & Watch::ANOMALY != 0
}

/// Notes what is looked out for about a new operation, before it is shared.
pub(crate) fn note(level: u32, saved: &mut Saved) -> Option<Arc<Attached>> {
    let called = detects().then(Backtrace::force_capture);
    let segment = if WATCH.get() & Watch::SEGMENT != 0 { checkpoint::saved(level, saved) } else { None };
    (called.is_some() || segment.is_some()).then(|| Arc::new(Attached { called, segment, ..Attached::default() }))
}

/// What a node has saved, if it was dropped and has to be found again.
pub(crate) fn recall(node: &Node) -> Result<Option<Saved>> {
    match node.attached.get().and_then(|a| a.segment.as_ref()) {
        Some((segment, place)) => segment.recall(*place, node).map(Some),
        None => Ok(None),
    }
}

/// Whether a place in a backtrace lies in the standard library or in the crates of this one and below.
fn is_inside(place: &str) -> bool {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Places under the working directory are given without it.
    let path = std::env::current_dir().unwrap_or_default().join(place.strip_prefix("./").unwrap_or(place));
    if path.starts_with("/rustc") {
        return true;
    }
    let Some(Ok(rest)) = here.parent().map(|crates| path.strip_prefix(crates)) else { return false };
    let mut parts = rest.iter().filter_map(|part| part.to_str());
    let name = parts.next().unwrap_or_default().trim_start_matches("rushlight-").split('-').next().unwrap_or_default();
    ["autograd", "tensor", "backend", "nn", "vision"].contains(&name) && parts.next() == Some("src")
}

/// The first place in a backtrace that is not inside: where the user called.
fn place(trace: &Backtrace) -> Option<String> {
    let text = trace.to_string();
    text.lines().filter_map(|line| line.trim().strip_prefix("at ")).find(|place| !is_inside(place)).map(str::to_owned)
}

/// An error if a gradient that a node has made has a NaN.
pub(crate) fn check(node: &Node, name: &'static str, results: &Grads) -> Result<()> {
    for (i, g) in results.iter().enumerate() {
        let Some(g) = g else { continue };
        if !g.all_values().isnan()?.any()?.item::<bool>()? {
            continue;
        }
        let place = match node.attached.get().and_then(|a| a.called.as_ref()) {
            Some(trace) => match place(trace) {
                Some(place) => format!("; it was called at {place}"),
                None => format!("; it was called at\n{trace}"),
            },
            None => "; it was called outside of `detect_anomaly`".to_string(),
        };
        return Err(Error::autograd(name, format!("its backward pass made a NaN in the gradient of input {i}{place}")));
    }
    Ok(())
}
