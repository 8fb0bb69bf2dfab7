//! Elements as unsigned integers of the same order, and such keys with the place of their element.

use rushlight_backend::{bf16, f16};

use crate::buffer::{Bool, Plain};
use crate::simd::dispatch;

/// An element type with an order.
pub(super) trait Sortable: Plain {
    /// A key with a place.
    type Word: Word;
    /// An integer that is as much smaller or larger as the element is: NaN is the largest, zeros are equal.
    fn key(self) -> <Self::Word as Word>::Key;
    /// Whether it is NaN.
    fn is_nan(self) -> bool;
    /// Writes the places of the elements, at most [`CHUNK`], whose keys (their complements, if `flip`) are below a limit. Returns how many.
    fn before(x: &[Self], flip: bool, limit: <Self::Word as Word>::Key, places: &mut [u32; CHUNK]) -> usize {
        before_body::<Self, false>(x, flip, limit, places)
    }
    /// The first key (of the complements, if `flip`) of each of the lanes among which a row of at least [`LANES`] elements is dealt out.
    fn firsts(x: &[Self], flip: bool) -> [<Self::Word as Word>::Key; LANES] {
        firsts_body::<Self, false>(x, flip)
    }
}

/// The lanes of [`Sortable::firsts`].
pub(super) const LANES: usize = 64;

/// The most elements that [`Sortable::before`] takes.
pub(super) const CHUNK: usize = 256;

#[inline(always)]
fn before_body<T: Sortable, const FMA: bool>(x: &[T], flip: bool, limit: <T::Word as Word>::Key, places: &mut [u32; CHUNK]) -> usize {
    const PART: usize = 32;
    let before = |x: T| (if flip { !x.key() } else { x.key() }) < limit;
    let mut count = 0;
    for (p, part) in x.chunks(PART).enumerate() {
        // Most parts have none. Where the few are is not foreseen: no branch for each.
        if part.iter().fold(false, |any, &x| any | before(x)) {
            for (i, &x) in part.iter().enumerate() {
                places[count] = (p * PART + i) as u32;
                count += usize::from(before(x));
            }
        }
    }
    count
}

#[inline(always)]
fn firsts_body<T: Sortable, const FMA: bool>(x: &[T], flip: bool) -> [<T::Word as Word>::Key; LANES] {
    let key = |x: T| if flip { !x.key() } else { x.key() };
    let mut firsts = std::array::from_fn(|i| key(x[i]));
    for chunk in x[LANES..].chunks_exact(LANES) {
        for (first, &x) in firsts.iter_mut().zip(chunk) {
            let key = key(x);
            *first = if key < *first { key } else { *first };
        }
    }
    firsts
}

#[inline(always)]
fn firsts_f32_body<const FMA: bool>(x: &[f32], flip: bool) -> [u32; LANES] {
    firsts_body::<f32, FMA>(x, flip)
}

dispatch! {
    fn firsts_f32(x: &[f32], flip: bool) -> [u32; LANES] = firsts_f32_body;
}

#[inline(always)]
fn before_f32_body<const FMA: bool>(x: &[f32], flip: bool, limit: u32, places: &mut [u32; CHUNK]) -> usize {
    before_body::<f32, FMA>(x, flip, limit, places)
}

dispatch! {
    fn before_f32(x: &[f32], flip: bool, limit: u32, places: &mut [u32; CHUNK]) -> usize = before_f32_body;
}

/// A key and a place in one integer: in order of keys, and of places where keys are equal.
pub(super) trait Word: Copy + Ord + Default + Send + Sync + 'static {
    /// The keys.
    type Key: Copy + Ord + std::ops::Not<Output = Self::Key> + Send + Sync;
    /// The bits of a key.
    const KEY_BITS: u32;
    fn new(key: Self::Key, place: usize) -> Self;
    fn key(self) -> Self::Key;
    fn place(self) -> usize;
    /// The next key, if there is one.
    fn after(key: Self::Key) -> Option<Self::Key>;
    /// `RADIX_BITS` bits of the key from this one on.
    fn digit(self, from: u32) -> usize;
}

/// The bits of a digit of radix sort.
pub(super) const RADIX_BITS: u32 = 11;

impl Word for u64 {
    type Key = u32;
    const KEY_BITS: u32 = 32;
    #[inline(always)]
    fn new(key: u32, place: usize) -> u64 {
        u64::from(key) << 32 | place as u64
    }
    #[inline(always)]
    fn key(self) -> u32 {
        (self >> 32) as u32
    }
    #[inline(always)]
    fn place(self) -> usize {
        self as u32 as usize
    }
    #[inline(always)]
    fn after(key: u32) -> Option<u32> {
        key.checked_add(1)
    }
    #[inline(always)]
    fn digit(self, from: u32) -> usize {
        (self >> (32 + from)) as usize & ((1 << RADIX_BITS) - 1)
    }
}

impl Word for u128 {
    type Key = u64;
    const KEY_BITS: u32 = 64;
    #[inline(always)]
    fn new(key: u64, place: usize) -> u128 {
        u128::from(key) << 64 | place as u128
    }
    #[inline(always)]
    fn key(self) -> u64 {
        (self >> 64) as u64
    }
    #[inline(always)]
    fn place(self) -> usize {
        self as u64 as usize
    }
    #[inline(always)]
    fn after(key: u64) -> Option<u64> {
        key.checked_add(1)
    }
    #[inline(always)]
    fn digit(self, from: u32) -> usize {
        ((self >> 64) as u64 >> from) as usize & ((1 << RADIX_BITS) - 1)
    }
}

macro_rules! integers {
    ($($t:ty: $word:ty, |$x:ident| $key:expr;)*) => {$(
        impl Sortable for $t {
            type Word = $word;
            #[inline(always)]
            fn key(self) -> <$word as Word>::Key { let $x = self; $key }
            #[inline(always)]
            fn is_nan(self) -> bool { false }
        }
    )*};
}
integers! {
    Bool: u64, |x| u32::from(x.0);
    u8: u64, |x| u32::from(x);
    i8: u64, |x| i32::from(x) as u32 ^ 1 << 31;
    i16: u64, |x| i32::from(x) as u32 ^ 1 << 31;
    i32: u64, |x| x as u32 ^ 1 << 31;
    i64: u128, |x| x as u64 ^ 1 << 63;
}

/// The bits of a float in order: those of negative numbers reversed, and a positive zero for both.
macro_rules! float_key {
    ($x:expr, $bits:ty, $int:ty) => {{
        let x = $x;
        let bits = (x + 0.0).to_bits();
        let sign = (bits as $int >> (<$bits>::BITS - 1)) as $bits;
        if x.is_nan() { <$bits>::MAX } else { bits ^ (sign | 1 << (<$bits>::BITS - 1)) }
    }};
}

macro_rules! floats {
    ($($t:ty: $word:ty, |$x:ident| $key:expr;)*) => {$(
        impl Sortable for $t {
            type Word = $word;
            #[inline(always)]
            fn key(self) -> <$word as Word>::Key { let $x = self; $key }
            #[inline(always)]
            fn is_nan(self) -> bool { <$t>::is_nan(self) }
        }
    )*};
}
floats! {
    f16: u64, |x| float_key!(x.to_f32(), u32, i32);
    bf16: u64, |x| float_key!(x.to_f32(), u32, i32);
    f64: u128, |x| float_key!(x, u64, i64);
}

impl Sortable for f32 {
    type Word = u64;
    #[inline(always)]
    fn key(self) -> u32 {
        float_key!(self, u32, i32)
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        f32::is_nan(self)
    }
    fn before(x: &[f32], flip: bool, limit: u32, places: &mut [u32; CHUNK]) -> usize {
        before_f32(x, flip, limit, places)
    }
    fn firsts(x: &[f32], flip: bool) -> [u32; LANES] {
        firsts_f32(x, flip)
    }
}
