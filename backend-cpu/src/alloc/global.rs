//! What all threads share: lists of free blocks, the limit on them, and the counts.

use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::class::{CLASSES, size};
use super::system;

/// What the cache may hold by default, even if less was ever in use.
const LEAST_LIMIT: usize = 256 << 20;

/// Figures of the allocator, for the whole process. Bytes are those of the size classes: up to 12.5 % more than was asked for.
///
/// What other threads did with blocks up to 16 KiB since they last used a shared list is not yet in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes in live blocks.
    pub in_use: usize,
    /// Bytes in free blocks that are kept for reuse.
    pub cached: usize,
    /// The most bytes that were in use at a time.
    pub peak: usize,
    /// The number of blocks made so far.
    pub allocations: u64,
    /// How many of them were new memory from the system.
    pub system_allocations: u64,
}

/// Free blocks of one class. If there are several, each has the address of the next in its first word, and the last has null.
pub(super) struct Chain {
    pub(super) head: NonNull<u8>,
    pub(super) count: usize,
}

// SAFETY: a chain owns its blocks; nobody else has their addresses.
unsafe impl Send for Chain {}

pub(super) struct Global {
    /// For each class, chains with the time they came, the oldest first.
    bins: [VecDeque<(u64, Chain)>; CLASSES],
    time: u64,
    /// Bytes in the bins.
    binned: usize,
    /// Bytes that are the system's to have back: in use, in the bins, or in threads' own lists.
    reserved: usize,
    // Signed: a thread's report of blocks freed may come before another's report that they were allocated.
    in_use: isize,
    peak: isize,
    allocations: u64,
    system_allocations: u64,
    limit: Option<usize>,
}

static GLOBAL: Mutex<Global> = Mutex::new(Global {
    bins: [const { VecDeque::new() }; CLASSES],
    time: 0,
    binned: 0,
    reserved: 0,
    in_use: 0,
    peak: 0,
    allocations: 0,
    system_allocations: 0,
    limit: None,
});

pub(super) fn lock() -> MutexGuard<'static, Global> {
    GLOBAL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Global {
    /// Counts blocks made and the change of the bytes in use.
    pub(super) fn count(&mut self, allocations: u64, bytes: isize) {
        self.allocations += allocations;
        self.in_use += bytes;
        self.peak = self.peak.max(self.in_use);
    }

    /// The free blocks of a class that came last.
    pub(super) fn take(&mut self, class: usize) -> Option<Chain> {
        let (_, chain) = self.bins[class].pop_back()?;
        self.binned -= chain.count * size(class);
        Some(chain)
    }

    /// Keeps free blocks of a class, or returns them if it has no memory for a note of them.
    fn put(&mut self, class: usize, chain: Chain) -> Option<Chain> {
        if self.bins[class].try_reserve(1).is_err() {
            self.reserved -= chain.count * size(class);
            return Some(chain);
        }
        self.time += 1;
        self.binned += chain.count * size(class);
        self.bins[class].push_back((self.time, chain));
        None
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(LEAST_LIMIT.max(self.peak as usize))
    }

    /// Parts with the chain that has lain longest.
    fn take_oldest(&mut self) -> Option<(usize, Chain)> {
        let ages = self.bins.iter().enumerate().filter_map(|(class, bin)| Some((bin.front()?.0, class)));
        let class = ages.min()?.1;
        let (_, chain) = self.bins[class].pop_front()?;
        self.binned -= chain.count * size(class);
        self.reserved -= chain.count * size(class);
        Some((class, chain))
    }
}

/// A free block of a class that threads do not keep themselves.
pub(super) fn take(class: usize) -> Option<NonNull<u8>> {
    let mut global = lock();
    let chain = global.take(class)?;
    debug_assert_eq!(chain.count, 1);
    global.count(1, size(class) as isize);
    Some(chain.head)
}

/// Takes back a block of a class that threads do not keep themselves.
///
/// # Safety
/// The block is of that class and nobody uses it any more.
pub(super) unsafe fn give_back(class: usize, head: NonNull<u8>) {
    let mut global = lock();
    global.count(0, -(size(class) as isize));
    // SAFETY: the caller vouches for the block.
    unsafe { put(global, class, Chain { head, count: 1 }) };
}

/// Keeps free blocks, and lets go of the oldest where they are too many.
///
/// # Safety
/// The chain is of that class, and nobody else has its blocks.
pub(super) unsafe fn put(mut global: MutexGuard<'_, Global>, class: usize, chain: Chain) {
    let rejected = global.put(class, chain);
    let full = global.binned > global.limit();
    drop(global);
    if let Some(chain) = rejected {
        // SAFETY: the caller vouches for the chain.
        unsafe { release(class, chain) };
    }
    if full {
        trim();
    }
}

/// A block of zeros from the system. Where it has none, the cache is emptied first.
#[cold]
pub(super) fn take_from_system(class: usize) -> Option<NonNull<u8>> {
    let block = system::get(size(class)).or_else(|| {
        super::empty_cache();
        system::get(size(class))
    })?;
    let mut global = lock();
    global.reserved += size(class);
    global.system_allocations += 1;
    global.count(1, size(class) as isize);
    Some(block)
}

/// Gives a block straight back to the system, from a thread that has no lists any more.
///
/// # Safety
/// The block is of that class and nobody uses it any more.
#[cold]
pub(super) unsafe fn give_to_system(class: usize, head: NonNull<u8>) {
    let mut global = lock();
    global.count(0, -(size(class) as isize));
    global.reserved -= size(class);
    drop(global);
    // SAFETY: the caller vouches for the block.
    unsafe { system::release(head, size(class)) };
}

pub(super) fn set_limit(bytes: Option<usize>) {
    lock().limit = bytes;
    trim();
}

/// Lets go of what is beyond the limit.
#[cold]
fn trim() {
    let limit = lock().limit();
    trim_to(limit);
}

/// Lets go of the oldest blocks until the bins hold at most so many bytes.
pub(super) fn trim_to(limit: usize) {
    loop {
        let mut global = lock();
        if global.binned <= limit {
            return;
        }
        let oldest = global.take_oldest();
        // The system takes its time; others need not wait for it.
        drop(global);
        let Some((class, chain)) = oldest else { return };
        // SAFETY: it was in the bin of its class, and now is nobody's but ours.
        unsafe { release(class, chain) };
    }
}

/// Gives a chain back to the system.
///
/// # Safety
/// The chain is of that class, and nobody else has its blocks.
unsafe fn release(class: usize, chain: Chain) {
    if chain.count == 1 {
        // SAFETY: the caller vouches for the block.
        return unsafe { system::release(chain.head, size(class)) };
    }
    let mut next = Some(chain.head);
    while let Some(block) = next {
        // SAFETY: the caller vouches for the chain: each block's first word leads to the next. It is read before the block goes.
        unsafe {
            next = NonNull::new(block.cast::<*mut u8>().read());
            system::release(block, size(class));
        }
    }
}

pub(super) fn stats() -> Stats {
    let global = lock();
    let in_use = global.in_use.max(0) as usize;
    Stats {
        in_use,
        cached: global.reserved.saturating_sub(in_use),
        peak: global.peak as usize,
        allocations: global.allocations,
        system_allocations: global.system_allocations,
    }
}
