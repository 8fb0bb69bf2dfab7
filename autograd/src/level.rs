//! How transforms nest, whether the tape records, and what operations are for.
//!
//! Every functional transform (`jvp`, `grad`...) opens a depth. Within depth d, captures have level 4d, tangents 4d + 1, tapes 4d + 2 and samples 4d + 3, so that what an
//! inner transform does is seen by the outer ones, and never the other way round: this is what keeps perturbations of different transforms apart. Captures
//! are the lowest of their depth, so that they see what the tape of a leaf does that is made inside.
//!
//! Depths are numbered in the order in which they are opened, on whichever thread, and not used again: a tensor that was carried out of a transform is none of a later
//! one's.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many depths were opened.
static OPENED: AtomicU32 = AtomicU32::new(0);
/// After so many, numbers are used again; deeper ones remain for what is nested then.
const DEPTHS: u32 = 1 << 29;

thread_local! {
    /// The innermost depth here; 0 outside of all transforms.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Tapes record from this level on: 0 is all of them, `u32::MAX` none.
    static RECORDED: Cell<u32> = const { Cell::new(0) };
    static INFERENCE: Cell<bool> = const { Cell::new(false) };
    static PHASE: Cell<Phase> = const { Cell::new(Phase::Forward) };
}

/// What an operation is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The function itself.
    #[default]
    Forward,
    /// Tangents: derivatives by forward mode.
    Tangent,
    /// Gradients: derivatives by reverse mode.
    Backward,
}

/// What operations on this thread are for.
pub(crate) fn phase() -> Phase {
    PHASE.get()
}

/// Runs `f`, whose operations are for this.
pub(crate) fn in_phase<R>(phase: Phase, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(&PHASE, PHASE.replace(phase));
    f()
}

/// The level of what a capture sees that begins here.
pub(crate) fn capture_level() -> u32 {
    4 * DEPTH.get()
}

/// The level of a leaf that is made here.
pub(crate) fn tape_level() -> u32 {
    4 * DEPTH.get() + 2
}

/// The level of samples that are made here.
pub(crate) fn batch_level() -> u32 {
    4 * DEPTH.get() + 3
}

/// The level of tangents that are made here.
pub(crate) fn tangent_level() -> u32 {
    4 * DEPTH.get() + 1
}

/// Restores a thread's state when a closure returns or panics.
struct Restore<T: Copy + 'static>(&'static std::thread::LocalKey<Cell<T>>, T);

impl<T: Copy> Drop for Restore<T> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// Runs a transform one depth further in.
pub(crate) fn nested<R>(f: impl FnOnce() -> R) -> R {
    let number = OPENED.fetch_add(1, Ordering::Relaxed) % DEPTHS + 1;
    at_depth(number.max(DEPTH.get() + 1), f)
}

/// The innermost depth here.
pub(crate) fn depth() -> u32 {
    DEPTH.get()
}

/// Runs `f` at a depth that was opened before.
pub(crate) fn at_depth<R>(depth: u32, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(&DEPTH, DEPTH.replace(depth));
    f()
}

/// Runs `f` without recording: results inside do not require gradients. Forward mode is not affected.
///
/// ```
/// use rushlight_autograd::{Autograd, no_grad};
/// use rushlight_tensor::Tensor;
/// let x = Tensor::new(1.0f32)?.requires_grad()?;
/// let y = no_grad(|| x.add(1.0))?;
/// assert!(!y.is_requires_grad());
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    let _restore = Restore(&RECORDED, RECORDED.replace(u32::MAX));
    f()
}

/// Runs `f` with recording, also inside of [`no_grad`], but not inside of [`inference_mode`].
pub fn enable_grad<R>(f: impl FnOnce() -> R) -> R {
    if INFERENCE.get() { f() } else { recording_from(0, f) }
}

/// Runs `f` with recording on the tapes of this depth, wherever it is: what functional transforms do for what they differentiate. Tapes further out record if they did.
pub(crate) fn recording<R>(f: impl FnOnce() -> R) -> R {
    recording_from(RECORDED.get().min(tape_level()), f)
}

/// Runs `f` with recording on the tape of a level, as `create_graph` wants it wherever it is asked for, but not inside of [`inference_mode`].
pub(crate) fn recording_on<R>(level: u32, f: impl FnOnce() -> R) -> R {
    if INFERENCE.get() { f() } else { recording_from(RECORDED.get().min(level), f) }
}

/// Runs `f` while tapes record from a level on.
pub(crate) fn recording_from<R>(level: u32, f: impl FnOnce() -> R) -> R {
    let _restore = (Restore(&RECORDED, RECORDED.replace(level)), Restore(&INFERENCE, INFERENCE.replace(false)));
    f()
}

/// The level from which on tapes record.
pub(crate) fn recorded_from() -> u32 {
    RECORDED.get()
}

/// Runs `f` without recording, whatever it calls: as [`no_grad`], but [`enable_grad`] inside does not turn recording on. Tensors are values, so there is no other
/// difference: results may be used anywhere afterwards.
///
/// ```
/// use rushlight_autograd::{Autograd, enable_grad, inference_mode};
/// use rushlight_tensor::Tensor;
/// let x = Tensor::new(1.0f32)?.requires_grad()?;
/// let y = inference_mode(|| enable_grad(|| x.add(1.0)))?;
/// assert!(!y.is_requires_grad());
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn inference_mode<R>(f: impl FnOnce() -> R) -> R {
    let _restore = (Restore(&RECORDED, RECORDED.replace(u32::MAX)), Restore(&INFERENCE, INFERENCE.replace(true)));
    f()
}

/// Whether [`inference_mode`] is on here.
pub fn is_inference_mode_enabled() -> bool {
    INFERENCE.get()
}

/// Whether operations are recorded for reverse mode here.
pub fn is_grad_enabled() -> bool {
    records(tape_level())
}

/// Whether the tape of a level records here.
#[inline]
pub(crate) fn records(level: u32) -> bool {
    level >= RECORDED.get()
}
