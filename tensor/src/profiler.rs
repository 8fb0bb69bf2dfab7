//! What was computed, how often and how long: the door's own reader.

use std::cell::Cell;
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rushlight_backend::{Meta, MetaRef, Op, Result};
use rushlight_backend_cpu::alloc;
use smallvec::SmallVec;

use crate::{Input, Tensors};

/// One operation that ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// PyTorch's name of the operation.
    pub name: &'static str,
    /// The shapes of its inputs.
    pub shapes: Vec<Vec<usize>>,
    /// When it began, from the start of the profile.
    pub start: Duration,
    /// How long it took, with the smaller operations into which it was decomposed.
    pub total: Duration,
    /// How long it took without them.
    pub own: Duration,
    /// Floating-point operations (see [`Op::flops`]).
    pub flops: u64,
    /// Bytes of its inputs and results.
    pub bytes: u64,
    /// Bytes of memory in use on the CPU when it ended.
    pub memory: usize,
    /// Which thread called it.
    pub thread: u64,
}

/// What [`profile`] has seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The operations in the order in which they ended.
    pub events: Vec<Event>,
    /// The time from the first to the last moment.
    pub wall: Duration,
}

/// One line of a table: all events of one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// The operation.
    pub name: &'static str,
    /// How often it ran.
    pub calls: usize,
    /// The sum of its own times.
    pub own: Duration,
    /// The sums of its floating-point operations and bytes.
    pub flops: u64,
    /// As above.
    pub bytes: u64,
    /// The most bytes of CPU memory that were in use when one of them ended.
    pub peak_memory: usize,
}

impl Profile {
    /// One line a name, the longest first.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for e in &self.events {
            let at = lines.iter().position(|l| l.name == e.name).unwrap_or_else(|| {
                lines.push(Line { name: e.name, ..Line::default() });
                lines.len() - 1
            });
            let line = &mut lines[at];
            line.calls += 1;
            line.own += e.own;
            line.flops += e.flops;
            line.bytes += e.bytes;
            line.peak_memory = line.peak_memory.max(e.memory);
        }
        lines.sort_by_key(|l| std::cmp::Reverse(l.own));
        lines
    }

    /// The most bytes of CPU memory that were in use when an operation ended.
    pub fn peak_memory(&self) -> usize {
        self.events.iter().map(|e| e.memory).max().unwrap_or(0)
    }

    /// The lines as a table: calls, time, arithmetic and memory traffic with their rates, and the most memory in use.
    pub fn table(&self) -> String {
        let mut out = format!(
            "{:<32} {:>8} {:>12} {:>6} {:>10} {:>8} {:>10} {:>8} {:>10}\n",
            "operation", "calls", "time, ms", "%", "MFLOP", "GFLOP/s", "MB", "GB/s", "peak, MiB"
        );
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        let wall = self.wall.as_secs_f64().max(1e-12);
        for l in self.lines() {
            let s = l.own.as_secs_f64();
            let rate = |n: u64| n as f64 / s.max(1e-12) / 1e9;
            let _ = writeln!(
                out,
                "{:<32} {:>8} {:>12.3} {:>6.1} {:>10.2} {:>8.2} {:>10.3} {:>8.2} {:>10.1}",
                l.name,
                l.calls,
                s * 1e3,
                100.0 * s / wall,
                l.flops as f64 / 1e6,
                rate(l.flops),
                l.bytes as f64 / 1e6,
                rate(l.bytes),
                mib(l.peak_memory)
            );
        }
        let own: f64 = self.events.iter().map(|e| e.own.as_secs_f64()).sum();
        let _ = writeln!(
            out,
            "{:<32} {:>8} {:>12.3} {:>6.1}",
            "outside of operations",
            "",
            (wall - own).max(0.0) * 1e3,
            100.0 * (1.0 - own / wall).max(0.0)
        );
        let _ = writeln!(out, "wall {:.3} ms, peak memory {:.1} MiB", wall * 1e3, mib(self.peak_memory()));
        out
    }

    /// The events as a trace that Chrome (`chrome://tracing`) and Perfetto read, with the memory in use as a curve.
    pub fn chrome_trace(&self) -> String {
        let mut out = String::from("{\"traceEvents\":[");
        for (i, e) in self.events.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            // Names are identifiers of the vocabulary, or of users: the latter may hold anything.
            let name = e.name.replace(char::is_control, " ").replace('\\', "\\\\").replace('"', "\\\"");
            let _ = write!(
                out,
                "{comma}\n{{\"name\":\"{name}\",\"ph\":\"X\",\"pid\":0,\"tid\":{},\"ts\":{:.3},\"dur\":{:.3},\"args\":{{\"shapes\":\"{:?}\",\"flops\":{},\"bytes\":{},\"memory\":{}}}}}",
                e.thread,
                e.start.as_secs_f64() * 1e6,
                e.total.as_secs_f64() * 1e6,
                e.shapes,
                e.flops,
                e.bytes,
                e.memory
            );
            let end = (e.start + e.total).as_secs_f64() * 1e6;
            let _ = write!(out, ",\n{{\"name\":\"memory\",\"ph\":\"C\",\"pid\":0,\"ts\":{end:.3},\"args\":{{\"bytes\":{}}}}}", e.memory);
        }
        out.push_str("\n],\"displayTimeUnit\":\"ms\"}\n");
        out
    }
}

static ON: AtomicU32 = AtomicU32::new(0);
static STATE: Mutex<Option<(Instant, Vec<Event>)>> = Mutex::new(None);
/// One profile at a time.
static TURN: Mutex<()> = Mutex::new(());

thread_local! {
    /// Time spent in operations that the one now running on this thread has called.
    static INNER: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// Whether a profile was begun on this thread.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
    /// Floating-point operations that were noted on this thread.
    static FLOPS: Cell<u64> = const { Cell::new(0) };
    static THREAD: u64 = {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `f` and says what it computed, on whichever thread. Operations of other threads that run meanwhile are seen too; a second profile waits for the first.
/// Inside of another one on the same thread it is that one's part.
///
/// ```
/// use rushlight_tensor::{Tensor, profile};
/// let x = Tensor::ones([64, 64], ())?;
/// let (y, seen) = profile(|| x.matmul(&x)?.sum());
/// assert_eq!(y?.item::<f32>()?, 64.0 * 64.0 * 64.0);
/// assert!(seen.events.iter().any(|e| e.name == "matmul" && e.flops == 2 * 64 * 64 * 64));
/// println!("{}", seen.table());
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn profile<R>(f: impl FnOnce() -> R) -> (R, Profile) {
    /// Ends the profile also if `f` panics.
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            ON.fetch_sub(1, Ordering::SeqCst);
            RUNNING.set(false);
        }
    }
    if RUNNING.get() {
        return part(f);
    }
    let _turn = lock(&TURN);
    RUNNING.set(true);
    let start = Instant::now();
    *lock(&STATE) = Some((start, Vec::new()));
    let off = Off;
    ON.fetch_add(1, Ordering::SeqCst);
    let result = f();
    drop(off);
    let wall = start.elapsed();
    let events = lock(&STATE).take().map(|(_, events)| events).unwrap_or_default();
    (result, Profile { events, wall })
}

/// A profile inside of this thread's own.
fn part<R>(f: impl FnOnce() -> R) -> (R, Profile) {
    let before = lock(&STATE).as_ref().map_or(0, |(_, events)| events.len());
    let begun = Instant::now();
    let result = f();
    let wall = begun.elapsed();
    let events = lock(&STATE).as_ref().map_or_else(Vec::new, |(start, events)| {
        let skipped = begun.saturating_duration_since(*start);
        let moved = |e: &Event| Event { start: e.start.saturating_sub(skipped), ..e.clone() };
        events[before..].iter().map(moved).collect()
    });
    (result, Profile { events, wall })
}

/// Runs a function and counts the floating-point operations of what it computes on this thread (see [`Op::flops`]; a composite operation counts by its own formula, if it
/// has one, else by its parts). Counts nest.
///
/// ```
/// use rushlight_tensor::{Tensor, count_flops};
/// let x = Tensor::ones([64, 32], ())?;
/// assert_eq!(count_flops(|| x.matmul(&x.t()?)).1, 2 * 64 * 64 * 32);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn count_flops<R>(f: impl FnOnce() -> R) -> (R, u64) {
    /// Ends the count also if `f` panics.
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            ON.fetch_sub(1, Ordering::SeqCst);
        }
    }
    ON.fetch_add(1, Ordering::SeqCst);
    let _off = Off;
    let before = FLOPS.get();
    let result = f();
    (result, FLOPS.get() - before)
}

/// Whether somebody wants to know what is computed.
#[inline]
pub(crate) fn is_on() -> bool {
    ON.load(Ordering::Relaxed) > 0
}

/// Runs an operation and notes what it was.
#[cold]
pub(crate) fn note(op: &Op, inputs: &mut [Input<'_>], run: impl FnOnce(&mut [Input<'_>]) -> Result<Tensors>) -> Result<Tensors> {
    let owned: SmallVec<[Meta; 4]> = inputs.iter().map(|x| x.tensor().meta().to_meta()).collect();
    let outer = INNER.replace(Duration::ZERO);
    let counted = FLOPS.get();
    let begun = Instant::now();
    let results = run(inputs);
    let total = begun.elapsed();
    let own = total.saturating_sub(INNER.replace(outer + total));
    let results = results?;
    let outputs: SmallVec<[Meta; 2]> = results.iter().map(|y| y.meta().to_meta()).collect();
    let metas: SmallVec<[MetaRef<'_>; 4]> = owned.iter().map(Meta::as_ref).collect();
    let bytes = owned.iter().chain(&outputs).map(|m| (m.numel() * m.dtype.size()) as u64).sum();
    let flops = op.flops(&metas, &outputs);
    if flops > 0 {
        FLOPS.set(counted + flops);
    }
    if let Some((start, events)) = lock(&STATE).as_mut() {
        events.push(Event {
            name: op.name(),
            shapes: owned.iter().map(|m| m.shape.to_vec()).collect(),
            start: begun.saturating_duration_since(*start),
            total,
            own,
            flops,
            bytes,
            memory: alloc::stats().in_use,
            thread: THREAD.with(|t| *t),
        });
    }
    Ok(results)
}
