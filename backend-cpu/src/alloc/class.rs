//! Size classes: multiples of 64 bytes up to 512, then 8 for each doubling.

use super::ALIGN;

/// The number of classes whose blocks lie in threads' own lists: those up to 16 KiB.
pub(super) const LOCAL: usize = 48;
/// The size of the last of them.
pub(super) const LARGEST_LOCAL: usize = size(LOCAL - 1);
/// The number of classes.
pub(super) const CLASSES: usize = match of(MAX) {
    Some(last) => last + 1,
    None => unreachable!(),
};

/// No machine has more memory. So sizes cannot overflow either.
const MAX: usize = {
    let (half, most) = (isize::MAX as u64 / 2, 1 << 47);
    (if half < most { half } else { most }) as usize
};

/// The class of a size of at least one byte; none if it is absurd.
#[inline]
pub(super) const fn of(bytes: usize) -> Option<usize> {
    if bytes > MAX {
        return None;
    }
    // The leading bit of `n` is at 3 + shift; it and the 3 bits below name the class.
    let n = (bytes - 1) / ALIGN;
    let shift = (n | 8).ilog2() as usize - 3;
    Some(8 * shift + (n >> shift))
}

/// The size of a class's blocks in bytes.
#[inline]
pub(super) const fn size(class: usize) -> usize {
    let shift = (class / 8).saturating_sub(1);
    ((class - 8 * shift + 1) * ALIGN) << shift
}
