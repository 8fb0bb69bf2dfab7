//! One level of parallelism: [`par_for`].

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The number of threads that kernels use. Starts as the number of cores, or `RUSHLIGHT_NUM_THREADS`.
pub fn num_threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => {
            let n = std::env::var("RUSHLIGHT_NUM_THREADS").ok().and_then(|v| v.parse().ok());
            let n = n.filter(|&n| n > 0).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
            THREADS.store(n, Ordering::Relaxed);
            n
        }
        n => n,
    }
}

/// Sets the number of threads that kernels use from now on (at least 1). Results do not depend on it.
pub fn set_num_threads(n: usize) {
    THREADS.store(n.max(1), Ordering::Relaxed);
}

/// Runs `f(0)`, ..., `f(tasks - 1)`, each once, on this thread and the workers, and returns when all are done.
/// A call from inside another runs serially: there is one level of parallelism.
pub fn par_for(tasks: usize, f: impl Fn(usize) + Sync) {
    if tasks <= 1 || num_threads() == 1 || INSIDE.get() {
        (0..tasks).for_each(f);
        return;
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let outer = INSIDE.replace(true);
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= tasks {
                break;
            }
            f(i);
        }
        INSIDE.set(outer);
    };
    rayon::in_place_scope(|s| {
        for _ in 1..num_threads().min(tasks) {
            s.spawn(|_| work());
        }
        work();
    });
}
