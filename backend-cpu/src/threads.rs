//! One level of parallelism: [`par_for`] and [`par_chunks`].

mod pool;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// More threads than this are never used.
const MAX_THREADS: usize = 1024;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The number of threads that kernels use. Starts as the number of cores, or `RUSHLIGHT_NUM_THREADS`.
pub fn num_threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => {
            let n = std::env::var("RUSHLIGHT_NUM_THREADS").ok().and_then(|v| v.parse().ok());
            let n = n.filter(|&n| n > 0).unwrap_or_else(cores);
            set_num_threads(n);
            n.min(MAX_THREADS)
        }
        n => n,
    }
}

/// Sets the number of threads that kernels use from now on (from 1 to 1024, else the nearer of the two).
/// Results do not depend on it. Loops that other threads are running meanwhile keep theirs.
pub fn set_num_threads(n: usize) {
    THREADS.store(n.clamp(1, MAX_THREADS), Ordering::Relaxed);
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// Runs `f(0)`, ..., `f(tasks - 1)`, each once, on this thread and the workers, and returns when all are done.
///
/// A call from inside another runs serially: there is one level of parallelism. So does a call while another thread's
/// call has the workers. If a task panics, no further tasks are begun and the panic goes on in the caller.
///
/// A call costs a fraction of a microsecond while the workers are awake, and about 8 where they have slept since the last one
/// (more than 100 us ago): the work as a whole should take 10 us or more.
pub fn par_for(tasks: usize, f: impl Fn(usize) + Sync) {
    let threads = num_threads().min(tasks);
    if threads <= 1 || INSIDE.get() || !pool::run(threads - 1, tasks, &f) {
        (0..tasks).for_each(f);
    }
}

/// [`par_for`] for tasks that may fail: an error that was met, if any was.
pub(crate) fn par_try<E: Send>(tasks: usize, f: impl Fn(usize) -> Result<(), E> + Sync) -> Result<(), E> {
    let failed = Mutex::new(Ok(()));
    par_for(tasks, |task| {
        if let Err(e) = f(task) {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Err(e);
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `f` on the ranges `0..grain`, `grain..2 * grain`, ... of `0..len` (the last may be shorter), each once, in parallel.
///
/// The split depends on `len` and `grain` alone, never on the number of threads, so a reduction whose parts are these ranges
/// gives the same bits on any machine. Up to one grain there is one range, and it runs on this thread. A grain of 0 is taken as 1.
pub fn par_chunks(len: usize, grain: usize, f: impl Fn(Range<usize>) + Sync) {
    let grain = grain.max(1);
    par_for(len.div_ceil(grain), |i| {
        let start = i * grain;
        f(start..start.saturating_add(grain).min(len));
    });
}
