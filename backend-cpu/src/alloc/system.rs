//! Memory from the system: always zero.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use super::ALIGN;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, ALIGN).expect("sizes of classes are at most isize::MAX / 2")
}

/// A block of zeros of a class's size.
pub(super) fn get(size: usize) -> Option<NonNull<u8>> {
    #[cfg(target_os = "linux")]
    if size >= huge::PAGE {
        return huge::map(size);
    }
    // SAFETY: sizes of classes are not zero.
    NonNull::new(unsafe { alloc_zeroed(layout(size)) })
}

/// Gives a block back.
///
/// # Safety
/// The block is from `get` of the same size, and nobody uses it any more.
pub(super) unsafe fn release(ptr: NonNull<u8>, size: usize) {
    #[cfg(target_os = "linux")]
    if size >= huge::PAGE {
        // SAFETY: `get` got a block of this size from `map`; the caller vouches for the rest.
        return unsafe { huge::unmap(ptr) };
    }
    // SAFETY: `get` got a block of this size from `alloc_zeroed` with this layout; the caller vouches for the rest.
    unsafe { dealloc(ptr.as_ptr(), layout(size)) }
}

/// Mappings of their own, in huge pages. Touching all of 64 MiB of fresh memory took 9 ms with them and 50 ms without.
#[cfg(target_os = "linux")]
mod huge {
    use std::mem::align_of;
    use std::ptr::NonNull;

    use memmap2::{Advice, MmapOptions, MmapRaw};

    /// The size of a huge page on the usual machines. Where it is another, the advice below is worth less, but harmless.
    pub(super) const PAGE: usize = 2 << 20;

    /// The mapping lies so far before the block that it owns, in a page that has nothing else.
    const OWNER: usize = 64;
    const _: () = assert!(size_of::<MmapRaw>() <= OWNER && OWNER.is_multiple_of(align_of::<MmapRaw>()));

    /// A block of zeros that starts at a huge page.
    pub(super) fn map(size: usize) -> Option<NonNull<u8>> {
        // The last part is only address space, to align in.
        let map = MmapRaw::from(MmapOptions::new().len(OWNER + size.next_multiple_of(PAGE) + PAGE).map_anon().ok()?);
        let start = map.as_mut_ptr();
        let skip = (start.addr() + OWNER).next_multiple_of(PAGE) - start.addr();
        // A last page that is only partly used is huge if that wastes no more than the size classes do.
        let pages = if (size.next_multiple_of(PAGE) - size) * 8 <= size { size.div_ceil(PAGE) } else { size / PAGE };
        // A kernel without huge pages refuses. The memory is as good.
        let _ = map.advise_range(Advice::HugePage, skip, pages * PAGE);
        // SAFETY: `skip` is at least OWNER and less than OWNER + PAGE, so the block and OWNER bytes before it lie in the mapping.
        // They are ours alone, and aligned for a MmapRaw. Moving it leaves what it maps where it is.
        unsafe {
            let block = NonNull::new(start.add(skip))?;
            block.sub(OWNER).cast::<MmapRaw>().write(map);
            Some(block)
        }
    }

    /// Unmaps a block.
    ///
    /// # Safety
    /// The block is from `map`, and nobody uses it any more.
    pub(super) unsafe fn unmap(block: NonNull<u8>) {
        // SAFETY: `map` wrote it there. It is moved out before it is dropped, which unmaps the place where it lay.
        drop(unsafe { block.sub(OWNER).cast::<MmapRaw>().read() });
    }
}
