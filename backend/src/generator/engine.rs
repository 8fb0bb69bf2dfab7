//! The engine: mt19937, seeded and read as PyTorch does it.

use std::f64::consts::PI;

/// Words of state.
const N: usize = 624;
/// The distance of the recurrence.
const M: usize = 397;

/// A stream of 32-bit words (mt19937, Matsumoto and Nishimura 1998) and the one normal number that PyTorch's scalar normal
/// sampler keeps for its next call.
///
/// A generator makes 624 words at once; what is drawn one by one and what is drawn in bulk is the same stream.
#[derive(Clone, Debug)]
pub struct Engine {
    seed: u64,
    /// The state of the recurrence.
    state: [u32; N],
    /// The output words that belong to `state`; those from `next` on are still to be drawn.
    words: [u32; N],
    next: usize,
    /// Nothing has been drawn since seeding. It matters only for the bytes of a saved state.
    fresh: bool,
    cached_normal: Option<f64>,
}

impl Engine {
    /// An engine with this seed. Only its lower 32 bits choose the stream, as in PyTorch; all 64 are remembered.
    pub fn new(seed: u64) -> Engine {
        let mut state = [0; N];
        state[0] = seed as u32;
        for j in 1..N {
            let x: u32 = state[j - 1];
            state[j] = 1_812_433_253_u32.wrapping_mul(x ^ (x >> 30)).wrapping_add(j as u32);
        }
        Engine { seed, state, words: [0; N], next: N, fresh: true, cached_normal: None }
    }

    /// The seed that [`Engine::new`] was given.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next word.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.refill();
        }
        let word = self.words[self.next];
        self.next += 1;
        word
    }

    /// The next two words; the first is the high half.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let high = self.next_u32();
        join(high, self.next_u32())
    }

    /// A uniform number in [0, 1) with 24 bits, from one word.
    #[inline]
    pub fn uniform24(&mut self) -> f32 {
        (self.next_u32() & ((1 << 24) - 1)) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// A uniform number in [0, 1) with 53 bits, from two words.
    #[inline]
    pub fn uniform53(&mut self) -> f64 {
        (self.next_u64() & ((1 << 53) - 1)) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Fills `out` with the next words.
    pub fn fill_u32(&mut self, mut out: &mut [u32]) {
        while !out.is_empty() {
            if self.next == N {
                self.refill();
            }
            let k = out.len().min(N - self.next);
            let (head, tail) = out.split_at_mut(k);
            head.copy_from_slice(&self.words[self.next..self.next + k]);
            self.next += k;
            out = tail;
        }
    }

    /// Fills `out` with the next pairs of words, as [`Engine::next_u64`] would give them.
    pub fn fill_u64(&mut self, mut out: &mut [u64]) {
        while !out.is_empty() {
            if self.next >= N - 1 {
                // Nothing or half of the next number is left.
                out[0] = self.next_u64();
                out = &mut out[1..];
                continue;
            }
            let k = out.len().min((N - self.next) / 2);
            let (head, tail) = out.split_at_mut(k);
            let words = &self.words[self.next..self.next + 2 * k];
            for (o, w) in head.iter_mut().zip(words.as_chunks::<2>().0) {
                *o = join(w[0], w[1]);
            }
            self.next += 2 * k;
            out = tail;
        }
    }

    /// One standard normal number by Box and Muller's method, from two [`Engine::uniform53`]. The method gives two: the
    /// second is kept for the next call, whatever else is drawn in between.
    #[inline]
    pub fn standard_normal(&mut self) -> f64 {
        if let Some(z) = self.cached_normal.take() {
            return z;
        }
        let u1 = self.uniform53();
        let u2 = self.uniform53();
        let r = (-2.0 * (-u2).ln_1p()).sqrt();
        let t = 2.0 * PI * u1;
        self.cached_normal = Some(r * t.sin());
        r * t.cos()
    }

    /// `mean + std * z` with one rounding, z from [`Engine::standard_normal`].
    #[inline]
    pub fn normal_scalar(&mut self, mean: f64, std: f64) -> f64 {
        self.standard_normal().mul_add(std, mean)
    }

    /// Moves the recurrence on by 624 words.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) {
        twist(&mut self.state);
        temper(&self.state, &mut self.words);
        self.next = 0;
        self.fresh = false;
    }

    pub(super) fn to_parts(&self) -> Parts {
        let next = if self.fresh { 0 } else { self.next };
        Parts { seed: self.seed, state: self.state, next, cached_normal: self.cached_normal }
    }

    pub(super) fn from_parts(p: Parts) -> Engine {
        let fresh = p.next == 0;
        let next = if fresh { N } else { p.next };
        let mut words = [0; N];
        temper(&p.state, &mut words);
        Engine { seed: p.seed, state: p.state, words, next, fresh, cached_normal: p.cached_normal }
    }
}

/// What a saved state says.
pub(super) struct Parts {
    pub(super) seed: u64,
    pub(super) state: [u32; N],
    /// How many words of `state` have been drawn; 0 if it is the seeded state, which gives no words itself.
    pub(super) next: usize,
    pub(super) cached_normal: Option<f64>,
}

#[inline]
fn join(high: u32, low: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}

/// The recurrence's next 624 states, in place. The loops are cut where the index wraps, so that each is free of branches.
fn twist(s: &mut [u32; N]) {
    #[inline(always)]
    fn mix(a: u32, b: u32, c: u32) -> u32 {
        let y = (a & 0x8000_0000) | (b & 0x7fff_ffff);
        c ^ (y >> 1) ^ ((y & 1).wrapping_neg() & 0x9908_b0df)
    }
    for i in 0..N - M {
        s[i] = mix(s[i], s[i + 1], s[i + M]);
    }
    for i in N - M..N - 1 {
        s[i] = mix(s[i], s[i + 1], s[i + M - N]);
    }
    s[N - 1] = mix(s[N - 1], s[0], s[M - 1]);
}

fn temper(state: &[u32; N], words: &mut [u32; N]) {
    for (w, &s) in words.iter_mut().zip(state) {
        let mut y = s;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        *w = y ^ (y >> 18);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The C++ standard (26.6.6, `mt19937`) gives the 10,000th word of the stream with seed 5489.
    #[test]
    fn ten_thousandth_word() {
        let mut e = Engine::new(5489);
        for _ in 0..9999 {
            e.next_u32();
        }
        assert_eq!(e.next_u32(), 4_123_659_995);
    }

    #[test]
    fn bulk_is_the_same_stream() {
        for k in [0, 1, 2, 311, 312, 623, 624, 625, 1300] {
            for offset in [0, 1, 622, 623] {
                let mut one = Engine::new(3);
                for _ in 0..offset {
                    one.next_u32();
                }
                let mut bulk = one.clone();
                let (mut a, mut b) = (vec![0; k], vec![0; k]);
                bulk.fill_u32(&mut a);
                bulk.fill_u64(&mut b);
                assert!(a.iter().all(|&w| w == one.next_u32()), "fill_u32 of {k} after {offset}");
                assert!(b.iter().all(|&w| w == one.next_u64()), "fill_u64 of {k} after {offset}");
                assert_eq!(bulk.next_u32(), one.next_u32());
            }
        }
    }
}
