//! The samplers against streams that PyTorch 2.15 recorded (x86-64 CPU, one thread), bit for bit.
//!
//! `data/random.txt` has cases of `case NAME SEED`, then calls in order on one generator, then `tail A B`: what two
//! `randint(0, 65536)` give afterwards, which shows that the number of words drawn is right as well. A call is
//! `function dtype parameters = elements`; elements are bit patterns in hexadecimal, of the dtype's width, without spaces, in memory order.

use std::fmt::Write;

use rushlight_backend::{Element, Engine, bf16, f16};
use rushlight_backend_cpu::random::{self, Float, Sample};
use rushlight_backend_cpu::threads::set_num_threads;

const CASES: &str = include_str!("data/random.txt");

fn hex<T: Element>(values: &[T]) -> String {
    let mut out = String::new();
    for element in T::as_bytes(values).chunks(T::DTYPE.size()) {
        element.iter().rev().for_each(|b| write!(out, "{b:02x}").unwrap());
    }
    out
}

fn parse<T: Element>(digits: &str) -> Vec<T> {
    let size = T::DTYPE.size();
    let digits = digits.trim_matches('-');
    let mut bytes: Vec<u8> = (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect();
    bytes.chunks_mut(size).for_each(<[u8]>::reverse);
    T::from_bytes(&bytes).unwrap()
}

/// Runs one call and gives what it drew. `count` elements are wanted.
fn call<T: Sample>(engine: &mut Engine, function: &str, params: &[&str], count: usize) -> String {
    let mut out = vec![T::from_i64(1); count];
    let number = |i: usize| params[i].parse::<f64>().unwrap();
    match function {
        "normal_scalar" => random::normal_scalar(engine, &mut out, number(0), number(1)),
        "random_from_to" => random::random_from_to(engine, &mut out, params[0].parse().unwrap(), params[1].parse().unwrap()),
        "random" => random::random(engine, &mut out),
        "randperm" => random::randperm(engine, &mut out),
        "bernoulli" => random::bernoulli(engine, &mut out, number(0)),
        "bernoulli_each" if params[0] == "f64" => random::bernoulli_each(engine, &mut out, &parse::<f64>(params[1])).unwrap(),
        "bernoulli_each" => random::bernoulli_each(engine, &mut out, &parse::<f32>(params[1])).unwrap(),
        "exponential" => random::exponential(engine, &mut out, number(0)),
        "cauchy" => random::cauchy(engine, &mut out, number(0), number(1)),
        "log_normal" => random::log_normal(engine, &mut out, number(0), number(1)),
        "geometric" => random::geometric(engine, &mut out, number(0)),
        other => panic!("unknown function {other}"),
    }
    hex(&out)
}

/// As [`call`], for the functions of floats alone.
fn call_float<T: Float>(engine: &mut Engine, function: &str, params: &[&str], count: usize) -> String {
    let mut out = vec![T::from_i64(1); count];
    let number = |i: usize| params[i].parse::<f64>().unwrap();
    match function {
        "uniform" => random::uniform(engine, &mut out, number(0), number(1)),
        "normal" => random::normal(engine, &mut out, number(0), number(1)),
        _ => return call::<T>(engine, function, params, count),
    }
    hex(&out)
}

fn multinomial<T: Float>(engine: &mut Engine, params: &[&str], count: usize) -> String {
    let mut out = vec![0_i64; count];
    let (categories, samples) = (params[1].parse().unwrap(), params[2].parse().unwrap());
    random::multinomial(engine, &mut out, &parse::<T>(params[4]), categories, samples, params[3] == "1").unwrap();
    hex(&out)
}

fn run_call(engine: &mut Engine, line: &str) -> (String, String) {
    let (left, want) = line.split_once(" = ").unwrap();
    let want = want.trim_matches('-');
    let words: Vec<&str> = left.split(' ').collect();
    let (function, dtype, params) = (words[0], words[1], &words[2..]);
    let size = match dtype {
        "bool" | "u8" | "i8" => 1,
        "i16" | "f16" | "bf16" => 2,
        "i32" | "f32" => 4,
        _ => 8,
    };
    let count = want.len() / 2 / size;
    let got = match (function, dtype) {
        ("multinomial", _) if params[0] == "f64" => multinomial::<f64>(engine, params, count),
        ("multinomial", _) => multinomial::<f32>(engine, params, count),
        (_, "bool") => call::<bool>(engine, function, params, count),
        (_, "u8") => call::<u8>(engine, function, params, count),
        (_, "i8") => call::<i8>(engine, function, params, count),
        (_, "i16") => call::<i16>(engine, function, params, count),
        (_, "i32") => call::<i32>(engine, function, params, count),
        (_, "i64") => call::<i64>(engine, function, params, count),
        (_, "f16") => call_float::<f16>(engine, function, params, count),
        (_, "bf16") => call_float::<bf16>(engine, function, params, count),
        (_, "f32") => call_float::<f32>(engine, function, params, count),
        (_, "f64") => call_float::<f64>(engine, function, params, count),
        other => panic!("unknown call {other:?}"),
    };
    (got, want.to_owned())
}

#[test]
fn recorded_streams() {
    let mut engine = Engine::new(0);
    let (mut case, mut cases, mut bad) = ("", 0, Vec::new());
    for line in CASES.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "case" => {
                case = words[1];
                cases += 1;
                engine = Engine::new(words[2].parse().unwrap());
            }
            "manual_seed" => engine = Engine::new(words[1].parse().unwrap()),
            "tail" => {
                let mut tail = [0_i64; 2];
                random::random_from_to(&mut engine, &mut tail, 0, 65536);
                if tail.map(|t| t.to_string())[..] != words[1..] {
                    bad.push(format!("{case}: tail {tail:?}, want {:?}", &words[1..]));
                }
            }
            _ => {
                let (got, want) = run_call(&mut engine, line);
                if got != want {
                    bad.push(format!("{case}: {}\n  got  {got}\n  want {want}", words[0]));
                }
            }
        }
    }
    println!("{cases} cases");
    assert!(bad.is_empty(), "{} differ:\n{}", bad.len(), bad.join("\n"));
}

/// Large fills are drawn in batches and computed on all threads. They equal small ones drawn one after the other, the
/// parts of which are recorded above.
#[test]
fn large_fills() {
    fn same<T: Float>(n: usize, step: usize, f: impl Fn(&mut Engine, &mut [T])) {
        for threads in [1, 3] {
            set_num_threads(threads);
            let (mut a, mut b) = (Engine::new(7), Engine::new(7));
            let (mut large, mut small) = (vec![T::from_i64(0); n], vec![T::from_i64(0); n]);
            f(&mut a, &mut large);
            small.chunks_mut(step).for_each(|part| f(&mut b, part));
            assert!(T::as_bytes(&large) == T::as_bytes(&small), "{} with {threads} threads", T::DTYPE);
            assert_eq!(a.next_u32(), b.next_u32(), "{}: words drawn", T::DTYPE);
        }
    }
    let n = 16 * 5001;
    same::<f32>(n, 16, |e, x| random::normal(e, x, 0.5, 2.0));
    same::<f64>(n, 16, |e, x| random::normal(e, x, 0.5, 2.0));
    same::<f16>(n, 16, |e, x| random::normal(e, x, 0.5, 2.0));
    same::<bf16>(n, 16, |e, x| random::normal(e, x, 0.5, 2.0));
    same::<f32>(n, 7, |e, x| random::uniform(e, x, 0.5, 2.0));
    same::<f64>(n, 7, |e, x| random::uniform(e, x, 0.5, 2.0));
    same::<f32>(n, 5, |e, x| random::exponential(e, x, 1.5));
    same::<f64>(n, 5, |e, x| random::cauchy(e, x, 0.5, 1.5));
    same::<f32>(n, 5, |e, x| random::geometric(e, x, 0.2));
    same::<f32>(n, 3, |e, x| random::bernoulli(e, x, 0.2));
}

/// The end of a large fill whose length is no multiple of 16: all words are drawn (f16 and bf16: only those of whole blocks), then 16 more
/// for the last 16 elements.
#[test]
fn large_tails() {
    fn check<T: Float>(n: usize, discarded_words: usize) {
        let (mut a, mut b) = (Engine::new(3), Engine::new(3));
        let mut got = vec![T::from_i64(0); n];
        random::normal(&mut a, &mut got, 0.0, 1.0);
        let mut want = vec![T::from_i64(0); n];
        random::normal(&mut b, &mut want[..n / 16 * 16], 0.0, 1.0);
        b.fill_u32(&mut vec![0; discarded_words]);
        random::normal(&mut b, &mut want[n - 16..], 0.0, 1.0);
        assert!(T::as_bytes(&got) == T::as_bytes(&want), "{} of {n}", T::DTYPE);
        assert_eq!(a.next_u32(), b.next_u32(), "{} of {n}: words drawn", T::DTYPE);
    }
    for n in [32_768 + 5, 65_536 + 15, 70_001] {
        check::<f32>(n, n % 16);
        check::<f64>(n, 2 * (n % 16));
        check::<f16>(n, 0);
        check::<bf16>(n, 0);
    }
}

/// What the recording leaves out: narrow floats stay in the interval, and `random` in its range.
#[test]
fn ranges() {
    let mut e = Engine::new(1);
    let mut x = vec![bf16::ZERO; 5000];
    random::uniform(&mut e, &mut x, 1.0, 2.0);
    assert!(x.iter().all(|x| (1.0..2.0).contains(&x.to_f32())));
    random::random(&mut e, &mut x);
    assert!(x.iter().all(|x| (0.0..=256.0).contains(&x.to_f32())) && x.contains(&bf16::from_f32(256.0)));
    let mut x = vec![f16::ZERO; 50_000];
    random::uniform(&mut e, &mut x, -1.0, 1.0);
    assert!(x.iter().all(|x| (-1.0..1.0).contains(&x.to_f32())));
    random::random(&mut e, &mut x);
    assert!(x.iter().all(|x| (0.0..=2048.0).contains(&x.to_f32())) && x.contains(&f16::from_f32(2048.0)));
    let mut all = [0_i64; 64];
    let mut words = e.clone();
    random::random_from_to(&mut e, &mut all, i64::MIN, 0);
    assert!(all.iter().all(|&w| w == words.next_u64() as i64), "range 0 is all of the 64 bits");
}

#[test]
fn certain_outcomes() {
    let mut e = Engine::new(1);
    let mut x = [2.0_f32; 1000];
    for p in [0.0, 1.0] {
        random::bernoulli(&mut e, &mut x, p as f64);
        assert!(x.iter().all(|&x| x == p));
        random::bernoulli_each(&mut e, &mut x, &[bf16::from_f32(p); 1000]).unwrap();
        assert!(x.iter().all(|&x| x == p));
    }
    let mut out = [9_i64; 4];
    let weights = [0.0, 3.0, 0.0, 0.0, 0.0, 0.5].map(f16::from_f32);
    random::multinomial(&mut e, &mut out, &weights, 3, 2, true).unwrap();
    assert_eq!(out, [1, 1, 2, 2]);
    random::multinomial(&mut e, &mut out[..2], &weights, 3, 1, false).unwrap();
    assert_eq!(out[..2], [1, 2]);
}

#[test]
fn bad_values_are_errors() {
    let mut e = Engine::new(1);
    let mut x = [0.0_f32; 2];
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(random::bernoulli_each(&mut e, &mut x, &[0.5, bad]).is_err(), "probability {bad}");
    }
    let mut out = [0_i64; 2];
    for bad in [[1.0, -1.0], [1.0, f64::NAN], [f64::INFINITY, 1.0], [0.0, 0.0]] {
        for replacement in [false, true] {
            assert!(random::multinomial(&mut e, &mut out, &bad, 2, 2, replacement).is_err(), "weights {bad:?}");
        }
    }
    assert!(random::multinomial(&mut e, &mut out, &[1.0, 1.0], 1, 2, false).is_err(), "more samples than categories");
    assert!(random::multinomial::<f32>(&mut e, &mut out, &[], 0, 2, true).is_err(), "no categories");
    assert_eq!(e.next_u32(), Engine::new(1).next_u32(), "nothing was drawn");
}
