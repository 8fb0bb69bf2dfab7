//! Integers and permutations.

use rushlight_backend::Engine;

use super::{CHUNK, Sample};

/// From this range up, integers take two words each.
const WIDE: u64 = 1 << 28;

/// Integers `from`, `from + 1`, ... `from + range - 1`: `randint`, `random_(to)` and `random_(from, to)`, drawn as a remainder
/// and then cast to the type. Range 0 stands for 2^64, all 64-bit integers, and then `from` does not count.
pub fn random_from_to<T: Sample>(engine: &mut Engine, out: &mut [T], from: i64, range: u64) {
    if range == 0 {
        draw64(engine, out, |w| T::from_i64(w as i64));
    } else if range >= WIDE {
        draw64(engine, out, |w| T::from_i64((w % range).wrapping_add(from as u64) as i64));
    } else {
        let remainder = Remainder::new(range as u32);
        draw32(engine, out, |w| T::from_i64(i64::from(remainder.of(w)).wrapping_add(from)));
    }
}

/// `random_()`: for integers all that are not negative, for floats 0 to 2^(bits of the mantissa), for bools both.
pub fn random<T: Sample>(engine: &mut Engine, out: &mut [T]) {
    if T::RANDOM_WIDE {
        draw64(engine, out, |w| T::from_i64((w % T::RANDOM_RANGE) as i64));
    } else {
        draw32(engine, out, |w| T::from_i64((u64::from(w) % T::RANDOM_RANGE) as i64));
    }
}

/// A permutation of 0, 1, ... `out.len() - 1`: `randperm`. One word for each element but the last.
///
/// From u32::MAX / 20 elements up the remainder of one word would be too uneven; PyTorch then builds the permutation the other way
/// round, from two words for each element.
pub fn randperm<T: Sample>(engine: &mut Engine, out: &mut [T]) {
    if out.len() >= (u32::MAX / 20) as usize { inside_out(engine, out) } else { shuffle(engine, out) }
}

fn shuffle<T: Sample>(engine: &mut Engine, out: &mut [T]) {
    for (i, o) in out.iter_mut().enumerate() {
        *o = T::from_i64(i as i64);
    }
    let n = out.len();
    let mut words = [0; CHUNK];
    for start in (0..n.saturating_sub(1)).step_by(CHUNK) {
        let words = &mut words[..CHUNK.min(n - 1 - start)];
        engine.fill_u32(words);
        for (i, &w) in (start..).zip(&*words) {
            out.swap(i, i + (w % (n - i) as u32) as usize);
        }
    }
}

fn inside_out<T: Sample>(engine: &mut Engine, out: &mut [T]) {
    for i in 0..out.len() {
        let z = (engine.next_u64() % (i as u64 + 1)) as usize;
        out[i] = out[z];
        out[z] = T::from_i64(i as i64);
    }
}

#[inline(always)]
fn draw32<T>(engine: &mut Engine, out: &mut [T], f: impl Fn(u32) -> T) {
    let mut words = [0; CHUNK];
    for part in out.chunks_mut(CHUNK) {
        let words = &mut words[..part.len()];
        engine.fill_u32(words);
        for (o, &w) in part.iter_mut().zip(&*words) {
            *o = f(w);
        }
    }
}

#[inline(always)]
fn draw64<T>(engine: &mut Engine, out: &mut [T], f: impl Fn(u64) -> T) {
    let mut words = [0; CHUNK / 2];
    for part in out.chunks_mut(CHUNK / 2) {
        let words = &mut words[..part.len()];
        engine.fill_u64(words);
        for (o, &w) in part.iter_mut().zip(&*words) {
            *o = f(w);
        }
    }
}

/// Remainders by one divisor without division (D. Lemire, O. Kaser, N. Kurz, "Faster remainder by direct computation", 2019).
struct Remainder {
    divisor: u32,
    /// 2^64 / divisor, rounded up, modulo 2^64.
    inverse: u64,
}

impl Remainder {
    /// `divisor` is not 0.
    fn new(divisor: u32) -> Remainder {
        Remainder { divisor, inverse: (u64::MAX / u64::from(divisor)).wrapping_add(1) }
    }

    #[inline(always)]
    fn of(&self, x: u32) -> u32 {
        let fraction = self.inverse.wrapping_mul(x.into());
        ((u128::from(fraction) * u128::from(self.divisor)) >> 64) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders() {
        let mut e = Engine::new(0);
        let divisors = [1, 2, 3, 7, 10, 641, 1 << 16, (1 << 28) - 1];
        for d in divisors.into_iter().chain((0..200).map(|i| (i * i * i * 31 + 5) % (1 << 28))) {
            let r = Remainder::new(d);
            for x in [0, 1, d - 1, d, d + 1, u32::MAX, u32::MAX - d].into_iter().chain((0..50).map(|_| e.next_u32())) {
                assert_eq!(r.of(x), x % d, "{x} % {d}");
            }
        }
    }

    #[test]
    fn inside_out_permutes() {
        let mut e = Engine::new(0);
        let mut p = vec![0_i64; 1000];
        inside_out(&mut e, &mut p);
        assert!(p.iter().enumerate().filter(|&(i, &x)| i as i64 == x).count() < 10);
        p.sort_unstable();
        assert!(p.iter().enumerate().all(|(i, &x)| i as i64 == x));
        let mut words = Engine::new(0);
        (0..1000).for_each(|_| _ = words.next_u64());
        assert_eq!(e.next_u32(), words.next_u32(), "two words for each element");
    }
}
