//! Each thread's own lists of small free blocks.
//!
//! For each class there are two stacks, linked through the blocks themselves. One is used until it is full or empty, then the two change
//! places; only when the other is full or empty too does a whole stack move to or from the shared lists.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::class::{LOCAL, size};
use super::global::{self, Chain, Global};

/// A stack holds at most so many bytes (and from 4 to 64 blocks).
const STACK_BYTES: usize = 64 << 10;

/// A thread reports its counts at least once in so many allocations.
const REPORT: u32 = 1024;

const CAPACITY: [u32; LOCAL] = {
    let mut capacity = [0; LOCAL];
    let mut class = 0;
    while class < LOCAL {
        let n = STACK_BYTES / size(class);
        capacity[class] = if n < 4 {
            4
        } else if n > 64 {
            64
        } else {
            n as u32
        };
        class += 1;
    }
    capacity
};

struct Stack {
    top: Cell<*mut u8>,
    count: Cell<u32>,
}

impl Stack {
    const fn new() -> Stack {
        Stack { top: Cell::new(ptr::null_mut()), count: Cell::new(0) }
    }

    #[inline]
    fn pop(&self) -> Option<NonNull<u8>> {
        let block = NonNull::new(self.top.get())?;
        // SAFETY: blocks in the stack are ours and have the next one's address in their first word.
        self.top.set(unsafe { block.cast::<*mut u8>().read() });
        self.count.set(self.count.get() - 1);
        Some(block)
    }

    /// # Safety
    /// The block is of this stack's class, and nobody uses it any more.
    #[inline]
    unsafe fn push(&self, block: NonNull<u8>) {
        // SAFETY: the caller vouches for it: we may write there, and blocks have at least 64 bytes and that alignment.
        unsafe { block.cast::<*mut u8>().write(self.top.get()) };
        self.top.set(block.as_ptr());
        self.count.set(self.count.get() + 1);
    }

    fn take_all(&self) -> Option<Chain> {
        let head = NonNull::new(self.top.replace(ptr::null_mut()))?;
        Some(Chain { head, count: self.count.replace(0) as usize })
    }

    /// Fills an empty stack.
    fn fill(&self, chain: Chain) {
        self.top.set(chain.head.as_ptr());
        self.count.set(chain.count as u32);
    }
}

struct Local {
    stacks: [Stack; LOCAL],
    others: [Stack; LOCAL],
    // Not yet reported.
    allocations: Cell<u32>,
    bytes: Cell<isize>,
}

thread_local! {
    static LISTS: Local = const {
        Local {
            stacks: [const { Stack::new() }; LOCAL],
            others: [const { Stack::new() }; LOCAL],
            allocations: Cell::new(0),
            bytes: Cell::new(0),
        }
    };
}

impl Local {
    fn report(&self, global: &mut Global) {
        global.count(self.allocations.replace(0).into(), self.bytes.replace(0));
    }

    /// A block of a class whose stack is empty.
    #[cold]
    fn take_from_others(&self, class: usize) -> Option<NonNull<u8>> {
        let (stack, other) = (&self.stacks[class], &self.others[class]);
        let chain = other.take_all().or_else(|| {
            let mut global = global::lock();
            self.report(&mut global);
            global.take(class)
        })?;
        stack.fill(chain);
        stack.pop()
    }

    /// Makes room in a stack that is full.
    #[cold]
    fn make_room(&self, class: usize) {
        let (stack, other) = (&self.stacks[class], &self.others[class]);
        let overflow = other.take_all();
        if let Some(chain) = stack.take_all() {
            other.fill(chain);
        }
        if let Some(chain) = overflow {
            let mut global = global::lock();
            self.report(&mut global);
            // SAFETY: the blocks were in the stack of their class, and now are nobody's.
            unsafe { global::put(global, class, chain) };
        }
    }

    fn hand_over(&self) {
        for stacks in [&self.stacks, &self.others] {
            for (class, stack) in stacks.iter().enumerate() {
                if let Some(chain) = stack.take_all() {
                    // SAFETY: as in `make_room`.
                    unsafe { global::put(global::lock(), class, chain) };
                }
            }
        }
        self.report(&mut global::lock());
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// A free block, if there is one.
#[inline]
pub(super) fn take(class: usize) -> Option<NonNull<u8>> {
    let take = |lists: &Local| {
        let block = lists.stacks[class].pop().or_else(|| lists.take_from_others(class))?;
        lists.bytes.set(lists.bytes.get() + size(class) as isize);
        lists.allocations.set(lists.allocations.get() + 1);
        if lists.allocations.get() == REPORT {
            lists.report(&mut global::lock());
        }
        Some(block)
    };
    // A thread that is ending has lost its lists.
    LISTS.try_with(take).ok().flatten()
}

/// Takes back a block.
///
/// # Safety
/// The block is of that class, and nobody uses it any more.
#[inline]
pub(super) unsafe fn give_back(class: usize, block: NonNull<u8>) {
    let give_back = |lists: &Local| {
        lists.bytes.set(lists.bytes.get() - size(class) as isize);
        if lists.stacks[class].count.get() >= CAPACITY[class] {
            lists.make_room(class);
        }
        // SAFETY: the caller vouches for the block.
        unsafe { lists.stacks[class].push(block) };
    };
    if LISTS.try_with(give_back).is_err() {
        // SAFETY: the caller vouches for the block.
        unsafe { global::give_to_system(class, block) };
    }
}

/// Brings the shared counts up to date with this thread's.
pub(super) fn report() {
    let _ = LISTS.try_with(|lists| lists.report(&mut global::lock()));
}

/// Gives this thread's blocks to the shared lists.
pub(super) fn hand_over() {
    let _ = LISTS.try_with(Local::hand_over);
}
