//! Sorting words: short rows by comparison, long ones by digits, very long ones on all threads.

use super::key::{RADIX_BITS, Word};
use crate::threads::par_for;
use crate::walk::Shared;

/// Rows up to this length are sorted by comparison.
const SHORT: usize = 1024;
/// Words that one task counts and moves.
const BLOCK: usize = 1 << 16;
const DIGITS: usize = 1 << RADIX_BITS;

/// Sorts words whose places ascend; `spare` is memory to work in.
pub(super) fn sort<W: Word>(words: &mut Vec<W>, spare: &mut Vec<W>) {
    if words.len() <= SHORT {
        words.sort_unstable();
        return;
    }
    spare.clear();
    spare.resize(words.len(), W::default());
    let mut from = 0;
    while from < W::KEY_BITS {
        if pass(words, spare, from) {
            std::mem::swap(words, spare);
        }
        from += RADIX_BITS;
    }
}

/// Moves words to `out` in the order of one digit, those with equal digits in the order in which they lie. False if all have the same digit,
/// and nothing was moved.
fn pass<W: Word>(words: &[W], out: &mut [W], from: u32) -> bool {
    let n = words.len();
    let blocks = n.div_ceil(BLOCK);
    let block = |b: usize| &words[b * BLOCK..n.min((b + 1) * BLOCK)];
    let mut counts = vec![[0u32; DIGITS]; blocks];
    crate::walk::par_pieces(&mut counts, 1, |b, counts| {
        for w in block(b) {
            counts[0][w.digit(from)] += 1;
        }
    });
    // Counts become the places where each block's words of a digit begin.
    let mut next = 0;
    for digit in 0..DIGITS {
        let first = next;
        for counts in &mut counts {
            next += std::mem::replace(&mut counts[digit], next);
        }
        if (next - first) as usize == n {
            return false;
        }
    }
    let shared = Shared(out.as_mut_ptr());
    let size = out.len();
    let counts = &counts;
    par_for(blocks, |b| {
        let (shared, mut next) = (&shared, counts[b]);
        for &w in block(b) {
            let at = &mut next[w.digit(from)];
            assert!((*at as usize) < size);
            // SAFETY: inside of `out`; the counts give every word a place of its own.
            unsafe { shared.0.add(*at as usize).write(w) };
            *at += 1;
        }
    });
    true
}
