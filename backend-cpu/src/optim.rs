//! Optimizer steps: all parameters in one parallel region, each element once.
//!
//! Bound by memory: Adam reads and writes three tensors and reads a fourth. Small parameters share tasks with nobody, large ones are cut in pieces.

mod rules;

use std::ops::{Add, Div, Mul, Neg, Sub};

use rushlight_backend::op::{AdamStep, Optim, SgdStep};
use rushlight_backend::{Arg, DType, Meta, Result, Storage, Storages, numel};

use crate::buffer::{Plain, cpu, cpu_mut, input, typed, typed_mut};
use crate::pointwise::reusable;
use crate::shape;
use crate::simd::dispatch;
use crate::threads::par_for;

/// Elements that one task takes.
const PIECE: usize = 1 << 14;

trait Float:
    Plain + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    fn of(x: f64) -> Self;
    fn root(self) -> Self;
    fn larger(self, other: Self) -> Self;
    /// `self * by + to`, rounded once where that is one instruction, as PyTorch's kernels are compiled.
    fn fused<const FMA: bool>(self, by: Self, to: Self) -> Self;
    /// `self + weight * (end - self)`, as PyTorch's `lerp` rounds it.
    #[inline(always)]
    fn lerp<const FMA: bool>(self, end: Self, weight: Self) -> Self {
        weight.fused::<FMA>(end - self, self)
    }
    /// `self + weight * x * x`, as PyTorch's `addcmul` rounds it.
    #[inline(always)]
    fn add_square<const FMA: bool>(self, x: Self, weight: Self) -> Self {
        (weight * x).fused::<FMA>(x, self)
    }
}

macro_rules! float {
    ($($t:ty),*) => {$(
        impl Float for $t {
            #[inline(always)]
            fn of(x: f64) -> $t { x as $t }
            #[inline(always)]
            fn root(self) -> $t { self.sqrt() }
            #[inline(always)]
            fn larger(self, other: $t) -> $t { if self > other || self.is_nan() { self } else { other } }
            #[inline(always)]
            fn fused<const FMA: bool>(self, by: $t, to: $t) -> $t { if FMA { self.mul_add(by, to) } else { self * by + to } }
        }
    )*};
}
float!(f32, f64);

/// `None` declines: half precision runs as its decomposition.
pub(crate) fn run(op: &Optim, inputs: &mut [Arg<'_>], outputs: &[Meta]) -> Result<Option<Storages>> {
    match outputs.first().map(|m| m.dtype) {
        None => Ok(Some(Storages::new())),
        Some(first) if outputs.iter().any(|m| m.dtype != first) => Ok(None),
        Some(DType::F32) => step::<f32>(op, inputs).map(Some),
        Some(DType::F64) => step::<f64>(op, inputs).map(Some),
        Some(_) => Ok(None),
    }
}

/// Where one parameter's tensors lie: the value and at most three states to write, the gradient to read.
struct Places<T> {
    written: [*mut T; 4],
    gradient: *const T,
    len: usize,
}

// SAFETY: every task works on a range of its own, and the memory outlives the parallel region.
unsafe impl<T: Sync> Sync for Places<T> {}

/// The memory of an input that may be written: its own if it was given away, else a copy.
fn writable<T: Plain>(arg: &mut Arg<'_>) -> Result<Storage> {
    match reusable(arg, arg.shape(), T::DTYPE) {
        Some(storage) => Ok(storage),
        None => shape::contiguous(arg),
    }
}

fn step<T: Float>(op: &Optim, inputs: &mut [Arg<'_>]) -> Result<Storages> {
    let (given, made) = op.states();
    let mut results = Storages::new();
    let mut copies: Vec<Storage> = Vec::new();
    let mut all: Vec<Places<T>> = Vec::new();
    for part in inputs.chunks_exact_mut(2 + given) {
        let len = numel(part[0].shape());
        let gradient: *const T = if part[1].layout().is_contiguous() {
            input::<T>(&part[1])?[if len == 0 { 0 } else { part[1].layout().offset() }..].as_ptr()
        } else {
            copies.push(shape::contiguous(&part[1])?);
            typed::<T>(cpu(&copies[copies.len() - 1])?.as_bytes()).as_ptr()
        };
        let mut written = [std::ptr::null_mut(); 4];
        for (i, place) in written.iter_mut().enumerate().take(1 + made) {
            // A buffer that does not exist yet starts as a copy of the gradient.
            let source = if i == 0 { 0 } else { (i + 1).min(1 + given) };
            let mut storage = if source == 1 { shape::contiguous(&part[1])? } else { writable::<T>(&mut part[source])? };
            *place = typed_mut::<T>(cpu_mut(&mut storage)?).as_mut_ptr();
            results.push(storage);
        }
        all.push(Places { written, gradient, len });
    }
    let tasks: Vec<(usize, usize)> = all.iter().enumerate().flat_map(|(p, x)| (0..x.len).step_by(PIECE).map(move |i| (p, i))).collect();
    let total: usize = all.iter().map(|x| x.len).sum();
    let work = |t: usize| {
        let (p, first) = tasks[t];
        let places = &all[p];
        let len = PIECE.min(places.len - first);
        // SAFETY: each pointer is to `places.len` elements of memory that this step owns (or, the gradient, only reads), and
        // the range belongs to this task alone.
        let part = |i: usize| unsafe { std::slice::from_raw_parts_mut(places.written[i].add(first), len) };
        // SAFETY: as above.
        let gradient = unsafe { std::slice::from_raw_parts(places.gradient.add(first), len) };
        match op {
            Optim::Sgd(s) if made == 0 => sgd::<T>(s, part(0), gradient, &mut []),
            Optim::Sgd(s) => sgd::<T>(s, part(0), gradient, part(1)),
            Optim::Adam(a) if a.amsgrad => adam::<T>(a, part(0), gradient, part(1), part(2), part(3)),
            Optim::Adam(a) => adam::<T>(a, part(0), gradient, part(1), part(2), &mut []),
            other => {
                let state = |i: usize| if i < made { part(1 + i) } else { &mut [] };
                rules::rule::<T>(other, part(0), gradient, state(0), state(1), state(2));
            }
        }
    };
    if total <= PIECE {
        (0..tasks.len()).for_each(work)
    } else {
        par_for(tasks.len(), work)
    }
    Ok(results)
}

dispatch! {
    fn sgd<T: Float>(s: &SgdStep, value: &mut [T], gradient: &[T], buffer: &mut [T]) = sgd_body;
}

#[inline(always)]
fn sgd_body<T: Float, const FMA: bool>(s: &SgdStep, value: &mut [T], gradient: &[T], buffer: &mut [T]) {
    let (lr, momentum, keep, decay) = (T::of(s.lr), T::of(s.momentum), T::of(1.0 - s.dampening), T::of(s.weight_decay));
    let direction = |g: T, p: T| {
        let g = if s.maximize { -g } else { g };
        if s.weight_decay != 0.0 { decay.fused::<FMA>(p, g) } else { g }
    };
    if buffer.is_empty() {
        for (p, &g) in value.iter_mut().zip(gradient) {
            *p = (-lr).fused::<FMA>(direction(g, *p), *p);
        }
        return;
    }
    for ((p, &g), b) in value.iter_mut().zip(gradient).zip(buffer) {
        let d = direction(g, *p);
        *b = if s.first { d } else { keep.fused::<FMA>(d, *b * momentum) };
        let d = if s.nesterov { momentum.fused::<FMA>(*b, d) } else { *b };
        *p = (-lr).fused::<FMA>(d, *p);
    }
}

dispatch! {
    fn adam<T: Float>(a: &AdamStep, value: &mut [T], gradient: &[T], mean: &mut [T], square: &mut [T], largest: &mut [T]) = adam_body;
}

#[inline(always)]
fn adam_body<T: Float, const FMA: bool>(
    a: &AdamStep,
    value: &mut [T],
    gradient: &[T],
    mean: &mut [T],
    square: &mut [T],
    largest: &mut [T],
) {
    let f = AdamNumbers::new(a);
    // What every element would ask is asked once: the loops then are vector code.
    match (a.weight_decay != 0.0, a.decoupled) {
        (false, _) => adam_loop(value, gradient, mean, square, largest, |p, g, m, v| f.moments::<FMA>(p, g, m, v), f),
        (true, false) => {
            adam_loop(value, gradient, mean, square, largest, |p, g, m, v| f.moments::<FMA>(p, f.decay.fused::<FMA>(p, g), m, v), f)
        }
        (true, true) => adam_loop(value, gradient, mean, square, largest, |p, g, m, v| f.moments::<FMA>(p * f.shrink, g, m, v), f),
    }
}

#[derive(Clone, Copy)]
struct AdamNumbers<T> {
    sign: T,
    weight: T,
    beta2: T,
    rest2: T,
    size: T,
    correction2: T,
    eps: T,
    decay: T,
    shrink: T,
}

impl<T: Float> AdamNumbers<T> {
    #[inline(always)]
    fn new(a: &AdamStep) -> AdamNumbers<T> {
        let ((beta1, beta2), step) = (a.betas, a.step as f64);
        let (correction1, correction2) = (1.0 - beta1.powf(step), (1.0 - beta2.powf(step)).sqrt());
        let sign = if a.maximize { -1.0 } else { 1.0 };
        AdamNumbers {
            sign: T::of(sign),
            weight: T::of(1.0 - beta1),
            beta2: T::of(beta2),
            rest2: T::of(1.0 - beta2),
            size: T::of(-(a.lr / correction1)),
            correction2: T::of(correction2),
            eps: T::of(a.eps),
            decay: T::of(a.weight_decay),
            shrink: T::of(1.0 - a.lr * a.weight_decay),
        }
    }

    /// The value, and the new means of the gradient and of its square.
    #[inline(always)]
    fn moments<const FMA: bool>(&self, p: T, g: T, m: T, v: T) -> (T, T, T) {
        (p, m.lerp::<FMA>(g, self.weight), (v * self.beta2).add_square::<FMA>(g, self.rest2))
    }

    #[inline(always)]
    fn step(&self, p: T, m: T, second: T) -> T {
        p + self.size * m / (second.root() / self.correction2 + self.eps)
    }
}

#[inline(always)]
fn adam_loop<T: Float>(
    value: &mut [T],
    gradient: &[T],
    mean: &mut [T],
    square: &mut [T],
    largest: &mut [T],
    moments: impl Fn(T, T, T, T) -> (T, T, T),
    f: AdamNumbers<T>,
) {
    let len = value.len();
    let (gradient, mean, square) = (&gradient[..len], &mut mean[..len], &mut square[..len]);
    if largest.is_empty() {
        for i in 0..len {
            let (p, m, v) = moments(value[i], f.sign * gradient[i], mean[i], square[i]);
            (mean[i], square[i]) = (m, v);
            value[i] = f.step(p, m, v);
        }
        return;
    }
    let largest = &mut largest[..len];
    for i in 0..len {
        let (p, m, v) = moments(value[i], f.sign * gradient[i], mean[i], square[i]);
        let top = largest[i].larger(v);
        (mean[i], square[i], largest[i]) = (m, v, top);
        value[i] = f.step(p, m, top);
    }
}
