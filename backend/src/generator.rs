//! Random number generators with PyTorch's CPU streams.
//!
//! [`Generator`] is the handle that users hold, [`Engine`] the stream behind it. The same seed gives the words, and so the
//! samples, that PyTorch's CPU generator gives.

mod engine;

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

pub use engine::Engine;

use crate::{Error, Result};
use engine::Parts;

/// A handle to a random number generator. A clone is a second handle to the same stream.
#[derive(Clone)]
pub struct Generator(Arc<Mutex<Engine>>);

static DEFAULT: LazyLock<Generator> = LazyLock::new(Generator::default);

/// The generator of everything random that is not given another one. It starts from [`Generator::DEFAULT_SEED`].
pub fn default_generator() -> &'static Generator {
    &DEFAULT
}

/// Seeds the [`default_generator`].
pub fn manual_seed(seed: u64) {
    DEFAULT.manual_seed(seed);
}

impl Generator {
    /// The seed of a generator that was given none: PyTorch's.
    pub const DEFAULT_SEED: u64 = 67_280_421_310_721;

    /// The length of a saved state in bytes.
    pub const STATE_LEN: usize = 5056;

    /// A new generator with this seed. The stream depends on its lower 32 bits, as in PyTorch.
    pub fn new(seed: u64) -> Generator {
        Generator(Arc::new(Mutex::new(Engine::new(seed))))
    }

    /// Starts anew from `seed`; a normal number kept for the next call is forgotten.
    pub fn manual_seed(&self, seed: u64) {
        *self.lock() = Engine::new(seed);
    }

    /// The seed that it was last given (or that its restored state began with).
    pub fn initial_seed(&self) -> u64 {
        self.lock().seed()
    }

    /// The engine, for as long as the guard lives: hold it for one whole operation, so that the operation's numbers are
    /// consecutive. Locking again on the same thread while a guard lives waits forever, also within one expression.
    pub fn lock(&self) -> MutexGuard<'_, Engine> {
        // A panic elsewhere cannot leave an engine half written in a way that matters: any content is a valid stream.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state as bytes, in the layout of PyTorch's `Generator.get_state()` ([`Generator::STATE_LEN`] bytes, little endian):
    ///
    /// | bytes | |
    /// | --- | --- |
    /// | 0..8 | the seed |
    /// | 8..12 | `left`: words left before the state must move on, plus one |
    /// | 12..16 | 1 (seeded) |
    /// | 16..24 | `next`: words drawn from this state; 0 just after seeding |
    /// | 24..5016 | 624 words of state, 8 bytes each |
    /// | 5016..5024, 5032..5040 | 0 |
    /// | 5024..5032 | the normal number kept for the next call, f64 |
    /// | 5040..5048 | 1 if there is such a number |
    /// | 5048..5056 | 0 (a kept f32 normal number, which the CPU streams do not use) |
    pub fn get_state(&self) -> Vec<u8> {
        let p = self.lock().to_parts();
        let left = if p.next == 0 { 1 } else { LEFT_AND_NEXT - p.next as u64 };
        let mut out = Vec::with_capacity(Generator::STATE_LEN);
        out.extend(p.seed.to_le_bytes());
        out.extend((left as u32).to_le_bytes());
        out.extend(1_u32.to_le_bytes());
        out.extend((p.next as u64).to_le_bytes());
        out.extend(p.state.iter().flat_map(|&s| u64::from(s).to_le_bytes()));
        out.extend(0_u64.to_le_bytes());
        out.extend(p.cached_normal.unwrap_or(0.0).to_le_bytes());
        out.extend(0_u64.to_le_bytes());
        out.extend(u64::from(p.cached_normal.is_some()).to_le_bytes());
        out.extend(0_u64.to_le_bytes());
        out
    }

    /// Goes on from a state that [`Generator::get_state`] or PyTorch saved.
    ///
    /// # Errors
    /// If `state` does not have [`Generator::STATE_LEN`] bytes or is not the state of a seeded mt19937. The generator is unchanged then.
    pub fn set_state(&self, state: &[u8]) -> Result<()> {
        let parts = parse(state).map_err(|message| Error::value("Generator.set_state", message))?;
        *self.lock() = Engine::from_parts(parts);
        Ok(())
    }
}

/// `left + next` of a saved state from which words have been drawn.
const LEFT_AND_NEXT: u64 = 625;

fn parse(bytes: &[u8]) -> Result<Parts, String> {
    if bytes.len() != Generator::STATE_LEN {
        return Err(format!("a state has {} bytes, got {}", Generator::STATE_LEN, bytes.len()));
    }
    let field = bytes.as_chunks::<8>().0;
    let long = |i: usize| u64::from_le_bytes(field[i]);
    let (left, seeded, next) = (long(1) & 0xffff_ffff, long(1) >> 32, long(2));
    if seeded == 0 || next > 624 || !(left == 1 || left + next == LEFT_AND_NEXT) {
        return Err(format!("no state of a seeded mt19937: left {left}, seeded {seeded}, next {next}"));
    }
    let mut state = [0; 624];
    for (i, s) in state.iter_mut().enumerate() {
        *s = u32::try_from(long(3 + i)).map_err(|_| format!("state word {i} is {}, which exceeds 32 bits", long(3 + i)))?;
    }
    if state[0] >> 31 == 0 && state[1..].iter().all(|&s| s == 0) {
        return Err("the state words are zero: such a generator gives nothing but zeros".into());
    }
    // With one left, the state has given all its words; `next` then tells only whether it is a seed's state.
    let next = if left == 1 && next != 624 { 0 } else { next as usize };
    let kept = long(630) & 0xffff_ffff != 0;
    Ok(Parts { seed: long(0), state, next, cached_normal: kept.then(|| f64::from_bits(long(628))) })
}

impl Default for Generator {
    /// A generator with [`Generator::DEFAULT_SEED`].
    fn default() -> Generator {
        Generator::new(Generator::DEFAULT_SEED)
    }
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generator(seed {})", self.initial_seed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_round_trip() {
        for drawn in [0, 1, 4, 623, 624, 625, 2000] {
            for normals in [0, 1, 2] {
                let g = Generator::new((7 << 40) + 5);
                for _ in 0..drawn {
                    g.lock().next_u32();
                }
                for _ in 0..normals {
                    g.lock().standard_normal();
                }
                let state = g.get_state();
                assert_eq!(state.len(), Generator::STATE_LEN);
                let h = Generator::new(1);
                h.set_state(&state).unwrap();
                assert_eq!(h.get_state(), state);
                assert_eq!(h.initial_seed(), (7 << 40) + 5);
                for _ in 0..3 {
                    assert_eq!(h.lock().standard_normal().to_bits(), g.lock().standard_normal().to_bits());
                }
                assert!((0..1500).all(|_| h.lock().next_u32() == g.lock().next_u32()));
            }
        }
    }

    /// The head and a checksum of the state that PyTorch 2.15 saved for a generator of seed 1000 after some draws.
    #[test]
    fn layout_is_pytorchs() {
        let g = Generator::new(1000);
        for _ in 0..81 {
            g.lock().next_u32();
        }
        let state = g.get_state();
        let long = |i: usize| u64::from_le_bytes(state[8 * i..8 * i + 8].try_into().unwrap());
        assert_eq!((long(0), long(1), long(2)), (1000, 544 | (1 << 32), 81));
        let head: Vec<u64> = (3..7).map(long).collect();
        assert_eq!((head, (3..627).map(long).sum::<u64>()), (vec![2087735533, 924839053, 2664071883, 161963323], 1_409_926_810_261));
        assert!(state[5016..].iter().all(|&b| b == 0));
    }

    #[test]
    fn bad_states_are_refused() {
        let g = Generator::new(9);
        g.lock().next_u32();
        let good = g.get_state();
        let set = |at: usize, to: u8| {
            let mut s = good.clone();
            s[at] = to;
            g.set_state(&s)
        };
        assert!(set(8, 0).is_err(), "left 0");
        assert!(set(9, 200).is_err(), "left too large");
        assert!(set(12, 0).is_err(), "not seeded");
        assert!(set(23, 1).is_err(), "next too large");
        assert!(set(28, 1).is_err(), "a word of 33 bits");
        assert!(g.set_state(&good[1..]).is_err(), "too short");
        let mut zero = good.clone();
        zero[24..5016].fill(0);
        assert!(g.set_state(&zero).is_err(), "all zero");
        assert_eq!(g.get_state(), good, "errors change nothing");
    }

    #[test]
    fn clones_share_the_stream() {
        let a = Generator::new(2);
        let b = a.clone();
        let x = a.lock().next_u32();
        let y = b.lock().next_u32();
        let mut e = Engine::new(2);
        assert_eq!((x, y), (e.next_u32(), e.next_u32()));
        b.manual_seed(3);
        assert_eq!(a.initial_seed(), 3);
        assert_eq!(Generator::default().initial_seed(), 67_280_421_310_721);
    }
}
