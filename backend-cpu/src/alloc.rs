//! The caching allocator: [`Block`] is memory that goes back to a cache when it is dropped.
//!
//! Fresh pages cost several times what writing to them costs, so memory that is free again is kept for the next block of its size:
//!
//! - up to 16 KiB in lists of each thread, which cost a few nanoseconds and overflow into shared ones (a block is often
//!   dropped in another thread than the one that made it);
//! - above in shared lists;
//! - from 2 MiB on, blocks come from the system as huge pages where it has them.
//!
//! Sizes are rounded up to a class, by at most 12.5 % (or to the next multiple of 64 bytes up to 512). The shared lists together hold at
//! most what [`set_cache_limit`] allows; beyond, what has lain there longest goes back to the system.
//!
//! Measured: making and dropping a block takes 5 ns up to 16 KiB and 15 ns above, of any size. `Vec` takes 10 to 18 ns, but then
//! its pages are mostly fresh: 64 MiB take 50 ms to touch for the first time, 9 ms in huge pages, and 0.1 ms recycled.

mod class;
mod global;
mod local;
mod system;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::ptr::{self, NonNull};

pub use self::global::Stats;

/// Every block's address is a multiple of this: a cache line, and the widest vector register.
pub const ALIGN: usize = 64;

/// A block of memory, aligned to 64 bytes and always initialised: its content is arbitrary (what an earlier owner left), never undefined.
pub struct Block {
    ptr: NonNull<u8>,
    len: usize,
}

// SAFETY: a block owns its memory, and gives it out by the rules of references alone.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

/// Memory could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError {
    /// How many bytes were asked for.
    pub bytes: usize,
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot allocate {} bytes of memory", self.bytes)
    }
}

impl Error for AllocError {}

impl From<AllocError> for rushlight_backend::Error {
    fn from(e: AllocError) -> Self {
        rushlight_backend::Error::out_of_memory("alloc", e.to_string())
    }
}

impl Block {
    /// A block of `bytes` bytes with arbitrary content. None of memory is taken for 0 bytes.
    ///
    /// # Errors
    /// If the system has no such memory, even after the cache has been emptied.
    #[inline]
    pub fn new(bytes: usize) -> Result<Block, AllocError> {
        match Block::recycled(bytes) {
            Some(block) => Ok(block),
            None => Block::fresh(bytes),
        }
    }

    /// A block of `bytes` zeros.
    ///
    /// # Errors
    /// As [`Block::new`].
    pub fn zeroed(bytes: usize) -> Result<Block, AllocError> {
        match Block::recycled(bytes) {
            Some(mut block) => {
                block.as_mut_slice().fill(0);
                Ok(block)
            }
            None => Block::fresh(bytes),
        }
    }

    /// A block from the cache.
    #[inline]
    fn recycled(bytes: usize) -> Option<Block> {
        if (1..=class::LARGEST_LOCAL).contains(&bytes) {
            let ptr = local::take(class::of(bytes)?)?;
            return Some(Block { ptr, len: bytes });
        }
        Block::recycled_shared(bytes)
    }

    fn recycled_shared(bytes: usize) -> Option<Block> {
        if bytes == 0 {
            return Some(Block { ptr: NonNull::new(ptr::without_provenance_mut(ALIGN))?, len: 0 });
        }
        let ptr = global::take(class::of(bytes)?)?;
        Some(Block { ptr, len: bytes })
    }

    /// A block of zeros from the system.
    #[cold]
    fn fresh(bytes: usize) -> Result<Block, AllocError> {
        let ptr = class::of(bytes).and_then(global::take_from_system).ok_or(AllocError { bytes })?;
        Ok(Block { ptr, len: bytes })
    }

    /// The first byte's address, a multiple of 64.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.ptr.as_ptr()
    }

    /// The first byte's address, to write.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// The number of bytes that were asked for.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `ptr` leads to `len` initialised bytes (or is aligned and not null, for 0) that live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }

    /// The bytes, to write.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        if self.len == 0 {
            return;
        }
        let Some(class) = class::of(self.len) else { unreachable!("a block has a class") };
        // SAFETY: `new` got this memory for this class, and nobody uses it from here on.
        unsafe {
            if class < class::LOCAL {
                local::give_back(class, self.ptr);
            } else {
                global::give_back(class, self.ptr);
            }
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes at {:p})", self.len, self.ptr)
    }
}

/// Bounds what the shared lists keep, in bytes; what is beyond goes back to the system at once. `None` is the default: the most that was
/// ever in use at a time, and at least 256 MiB. (Each thread's own lists hold up to about 6 MiB more.)
pub fn set_cache_limit(bytes: Option<usize>) {
    global::set_limit(bytes);
}

/// Gives all free memory back to the system, but for what lies in other threads' own lists.
pub fn empty_cache() {
    local::hand_over();
    global::trim_to(0);
}

/// How much memory is in use. See [`Stats`].
pub fn stats() -> Stats {
    local::report();
    global::stats()
}
