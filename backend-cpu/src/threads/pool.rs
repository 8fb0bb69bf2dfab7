//! The workers of [`par_for`](super::par_for).
//!
//! Between two kernels of a model lie a few microseconds, so what counts is how fast workers that were just busy come back. Ours
//! spin for a while before they sleep. A call offers them seats; whoever has a seat takes tasks, and so does the
//! caller. Once all tasks have begun the remaining seats are taken back: nobody waits for a worker that sleeps, or
//! that the system does not let run. There is one job at a time, and no call allocates.
//!
//! Each thread has a part of the tasks that is its own, the same one in every call of that many tasks, and helps the others when it is through: what it wrote, and
//! the weights that it read, are in its cache when it comes back to them. (Taken from one counter, a task's data lay with the other core half of the time. Where
//! cores do not share a cache an LSTM's step and an encoder took 1.3 and 1.7 times as long.)
//!
//! Measured on 2 cores, median us of 4000 calls with two tasks of the given length, at the given pause between calls:
//!
//! | tasks, pause | serial | this pool | `rayon::in_place_scope` | `rayon::join` | `rayon::broadcast` |
//! | --- | --- | --- | --- | --- | --- |
//! | 2 x 5 us, 0 us | 10.0 | 5.2 | 19 to 39 | 14 to 27 | 17 to 20 |
//! | 2 x 5 us, 30 us | 10.0 | 5.4 | 23 to 30 | 31 | 33 to 38 |
//! | 2 x 20 us, 0 us | 40 | 20.2 | 34 | 26 | 32 |
//! | 2 x 20 us, 30 us | 40 | 20.6 | 36 to 42 | 59 | 59 |
//! | 2 x 5 us, 2000 us (asleep) | 10.0 | 21 to 23 | 80 | 90 to 96 | 92 |
//! | 2 x 20 us, 2000 us (asleep) | 40 | 49 to 53 | 81 to 91 | 121 to 153 | 101 to 144 |
//!
//! So an awake worker costs 0.2 us a call, and a sleeping one about 8 us (the system call that wakes it; on a virtual machine it then takes
//! some 40 us to arrive). With another busy thread on one of the cores the
//! median call takes the serial time.

use std::any::Any;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{INSIDE, cores};

/// How long an idle worker spins before it sleeps: longer than the gap between two kernels of a model.
const IDLE_SPIN: Duration = Duration::from_micros(100);
/// How long a caller that is done with its part spins for the others before it sleeps.
const DONE_SPIN: Duration = Duration::from_micros(100);
/// From here on a spinning thread offers its core to others between two looks.
const POLITE: Duration = Duration::from_micros(10);

/// Parts into which tasks are divided at most; threads beyond share them.
const PARTS: usize = 64;

/// The next task of a part. On a cache line of its own, and the one that the processor fetches with it.
#[repr(align(128))]
struct Next(AtomicUsize);

/// One call of `par_for`. It lies in the caller's stack; a worker may look at it only while it has a seat.
struct Job<'a> {
    f: &'a (dyn Fn(usize) + Sync),
    tasks: usize,
    parts: usize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// The next task of each part of the one job.
static NEXT: [Next; PARTS] = [const { Next(AtomicUsize::new(0)) }; PARTS];

impl<'a> Job<'a> {
    /// The caller holds `BUSY`, and publishes the job after this.
    fn new(threads: usize, tasks: usize, f: &'a (dyn Fn(usize) + Sync)) -> Job<'a> {
        let job = Job { f, tasks, parts: threads.min(PARTS), panic: Mutex::new(None) };
        for (part, next) in NEXT[..job.parts].iter().enumerate() {
            next.0.store(job.first(part), Ordering::Relaxed);
        }
        job
    }

    /// The first task of a part.
    fn first(&self, part: usize) -> usize {
        let (size, larger) = (self.tasks / self.parts, self.tasks % self.parts);
        part * size + part.min(larger)
    }

    /// Runs tasks until none is left to begin, those of its own part first. Keeps the payload of the first panic.
    fn work(&self, thread: usize) {
        let run = || {
            for part in (0..self.parts).map(|i| (thread + i) % self.parts) {
                let (next, end) = (&NEXT[part].0, self.first(part + 1));
                // A look before the change: nobody takes the line of a part that is done.
                while next.load(Ordering::Relaxed) < end {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i < end {
                        (self.f)(i);
                    }
                }
            }
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            NEXT[..self.parts].iter().for_each(|next| next.0.store(self.tasks, Ordering::Relaxed));
            let mut first = lock(&self.panic);
            match *first {
                None => *first = Some(payload),
                // Dropping it could panic again, here where nobody catches it.
                Some(_) => std::mem::forget(payload),
            }
        }
    }
}

// `Gate::state` is the number of workers that have a seat, a flag that the caller sleeps until they have left,
// and the number of seats still free.
const SEATED: u32 = 0x7fff;
const CALLER_SLEEPS: u32 = 0x8000;
const FREE_SEAT: u32 = 0x1_0000;
const FREE_SEATS: u32 = !(SEATED | CALLER_SLEEPS);

/// On a cache line of its own.
#[repr(align(128))]
struct Gate {
    state: AtomicU32,
    job: AtomicPtr<Job<'static>>,
}

static GATE: Gate = Gate { state: AtomicU32::new(0), job: AtomicPtr::new(ptr::null_mut()) };
/// Held by the caller whose job the gate leads to.
static BUSY: AtomicBool = AtomicBool::new(false);
/// Workers that exist; written by the holder of `BUSY`.
static WORKERS: AtomicUsize = AtomicUsize::new(0);
/// As many workers as the system lets us have.
static ROOM: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Workers that sleep and have not been called; written under the lock of `CALLED`.
static ASLEEP: AtomicUsize = AtomicUsize::new(0);
/// How many of the sleeping workers have been called and have not yet got up.
static CALLED: Mutex<usize> = Mutex::new(0);
static WAKE: Condvar = Condvar::new();
static CALLER: Mutex<()> = Mutex::new(());
static ALL_LEFT: Condvar = Condvar::new();

/// Runs all tasks on this thread and up to `helpers` workers. Does nothing and returns false where the workers are busy.
pub(super) fn run(helpers: usize, tasks: usize, f: &(dyn Fn(usize) + Sync)) -> bool {
    if BUSY.load(Ordering::Relaxed) || BUSY.swap(true, Ordering::Acquire) {
        return false;
    }
    hire(helpers);
    let job = Job::new(helpers + 1, tasks, f);
    // The pointee's lifetime is dropped here. It is kept by `wait_until_all_left` below, which nothing in between can skip:
    // neither `work` nor the pool's own functions unwind.
    GATE.job.store((&raw const job).cast::<Job<'static>>().cast_mut(), Ordering::Relaxed);
    // SeqCst, as in `sleep`: either a worker that goes to sleep sees the seats, or we see that it sleeps.
    GATE.state.swap(helpers as u32 * FREE_SEAT, Ordering::SeqCst);
    wake(helpers);

    INSIDE.set(true);
    job.work(0);
    INSIDE.set(false);

    wait_until_all_left();
    BUSY.store(false, Ordering::Release);
    if let Some(payload) = job.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        resume_unwind(payload);
    }
    true
}

fn hire(helpers: usize) {
    let mut workers = WORKERS.load(Ordering::Relaxed);
    while workers < helpers.min(ROOM.load(Ordering::Relaxed)) {
        // Where more threads run than there are cores, spinning would only keep the others from working.
        let (number, spins) = (workers + 1, workers + 1 < cores());
        match thread::Builder::new().name(format!("rushlight-{number}")).spawn(move || work_forever(number, spins)) {
            Ok(_) => workers += 1,
            Err(_) => ROOM.store(workers, Ordering::Relaxed),
        }
        WORKERS.store(workers, Ordering::Relaxed);
    }
}

/// Calls as many sleeping workers as there are seats that those awake cannot fill.
fn wake(helpers: usize) {
    let asleep = ASLEEP.load(Ordering::SeqCst);
    if asleep == 0 || WORKERS.load(Ordering::Relaxed) - asleep >= helpers {
        return;
    }
    let mut called = lock(&CALLED);
    let asleep = ASLEEP.load(Ordering::Relaxed);
    let awake = WORKERS.load(Ordering::Relaxed) - asleep;
    let n = helpers.saturating_sub(awake).min(asleep);
    ASLEEP.store(asleep - n, Ordering::Relaxed);
    *called += n;
    drop(called);
    for _ in 0..n {
        WAKE.notify_one();
    }
}

/// Takes back the free seats and waits for the workers that have one. A worker that has not yet come is not waited for.
fn wait_until_all_left() {
    if GATE.state.fetch_and(!FREE_SEATS, Ordering::Acquire) & SEATED == 0 {
        return;
    }
    if spin_until(DONE_SPIN, || GATE.state.load(Ordering::Acquire) & SEATED == 0) {
        return;
    }
    let mut guard = lock(&CALLER);
    let mut state = GATE.state.fetch_or(CALLER_SLEEPS, Ordering::Acquire);
    while state & SEATED != 0 {
        guard = ALL_LEFT.wait(guard).unwrap_or_else(PoisonError::into_inner);
        state = GATE.state.load(Ordering::Acquire);
    }
}

fn work_forever(number: usize, spins: bool) {
    INSIDE.set(true);
    loop {
        let open = || GATE.state.load(Ordering::Relaxed) & FREE_SEATS != 0;
        if !(spins && spin_until(IDLE_SPIN, open)) {
            sleep();
        }
        let seat = |s: u32| (s & FREE_SEATS != 0).then(|| s - FREE_SEAT + 1);
        // Acquire: after this we see the job that was stored before the seats.
        if GATE.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, seat).is_err() {
            continue;
        }
        // SAFETY: we have a seat. Seats are only given out while the gate leads to a job, and the job's owner leaves it in
        // place until every seat is given back, which we do after the last use of this reference.
        let job = unsafe { &*GATE.job.load(Ordering::Relaxed) };
        job.work(number);
        // All tasks have begun, so nobody else need come (else we would ourselves, again and again).
        GATE.state.fetch_and(!FREE_SEATS, Ordering::Relaxed);
        // Release: the caller sees what the tasks wrote.
        let before = GATE.state.fetch_sub(1, Ordering::Release);
        if before & SEATED == 1 && before & CALLER_SLEEPS != 0 {
            // With the lock held the caller cannot be between its look at the state and its sleep.
            let _guard = lock(&CALLER);
            ALL_LEFT.notify_all();
        }
    }
}

/// Sleeps until called, unless there are free seats.
fn sleep() {
    let mut called = lock(&CALLED);
    ASLEEP.fetch_add(1, Ordering::SeqCst);
    if GATE.state.load(Ordering::SeqCst) & FREE_SEATS != 0 {
        ASLEEP.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    while *called == 0 {
        called = WAKE.wait(called).unwrap_or_else(PoisonError::into_inner);
    }
    *called -= 1;
}

/// Whether `done` came true within `limit`.
fn spin_until(limit: Duration, done: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..32 {
            if done() {
                return true;
            }
            spin_loop();
        }
        let spun = start.elapsed();
        if spun > limit {
            return false;
        }
        if spun > POLITE {
            thread::yield_now();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
