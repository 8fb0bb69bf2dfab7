//! What the cells compute from their gates, and back, for some units of one row.
//!
//! A cell's slices are short: their elements are taken in arrays of their own, which become vectors without a test whether slices overlap, and without a
//! remainder one by one. All of a cell is one function, so that the chains of its functions fill each other's gaps. Lists of slices are built where they are
//! read from, and lent: one that is moved is read in other pieces than it was written in, and waits until all that was written before is in the cache.

use super::Real;
use crate::simd::dispatch;

/// Elements that are computed side by side.
const LANES: usize = 16;

#[inline(always)]
fn one<T: Real>() -> T {
    T::narrow(1.0)
}

#[inline(always)]
fn sigmoid<T: Real, const FMA: bool>(v: T) -> T {
    one::<T>() / (one::<T>() + (-v).exp::<FMA>())
}

/// N elements from the i-th on.
#[inline(always)]
fn load<T: Real, const N: usize>(s: &[T], i: usize) -> [T; N] {
    let mut v = [T::default(); N];
    v.copy_from_slice(&s[i..i + N]);
    v
}

#[inline(always)]
fn store<T: Real, const N: usize>(s: &mut [T], i: usize, v: [T; N]) {
    s[i..i + N].copy_from_slice(&v);
}

/// Calls `f::<T, FMA, N>(i, ...)` for all elements: for LANES at a time, then for one.
macro_rules! each {
    ($len:expr, $f:ident($($arg:expr),*)) => {
        let len = $len;
        let whole = len / LANES * LANES;
        for i in (0..whole).step_by(LANES) {
            $f::<T, FMA, LANES>(i, $($arg),*);
        }
        for i in whole..len {
            $f::<T, FMA, 1>(i, $($arg),*);
        }
    };
}

/// The gates of a row: their sums, and the biases.
#[derive(Clone, Copy)]
pub(super) struct Gates<'a, T, const G: usize> {
    pub(super) sums: [&'a [T]; G],
    pub(super) bias: [&'a [T]; G],
}

impl<T: Real, const G: usize> Gates<'_, T, G> {
    /// A gate with its bias.
    #[inline(always)]
    fn load<const N: usize>(&self, g: usize, i: usize) -> [T; N] {
        let (mut v, bias): ([T; N], [T; N]) = (load(self.sums[g], i), load(self.bias[g], i));
        for e in 0..N {
            v[e] = v[e] + bias[e];
        }
        v
    }
}

dispatch! {
    /// `tanh(sum + bias)`
    pub(super) fn tanh<T: Real>(h: &mut [T], gates: &Gates<'_, T, 1>) = tanh_body;
}

#[inline(always)]
fn tanh_body<T: Real, const FMA: bool>(h: &mut [T], gates: &Gates<'_, T, 1>) {
    each!(h.len(), tanh_at(h, gates));
}

#[inline(always)]
fn tanh_at<T: Real, const FMA: bool, const N: usize>(i: usize, h: &mut [T], gates: &Gates<'_, T, 1>) {
    let mut v: [T; N] = gates.load(0, i);
    for v in &mut v {
        *v = v.tanh::<FMA>();
    }
    store(h, i, v);
}

dispatch! {
    /// `relu(sum + bias)`
    pub(super) fn relu<T: Real>(h: &mut [T], gates: &Gates<'_, T, 1>) = relu_body;
}

#[inline(always)]
fn relu_body<T: Real, const FMA: bool>(h: &mut [T], gates: &Gates<'_, T, 1>) {
    each!(h.len(), relu_at(h, gates));
}

#[inline(always)]
fn relu_at<T: Real, const FMA: bool, const N: usize>(i: usize, h: &mut [T], gates: &Gates<'_, T, 1>) {
    let mut v: [T; N] = gates.load(0, i);
    for v in &mut v {
        *v = v.relu();
    }
    store(h, i, v);
}

dispatch! {
    /// The new h and c, and the gates input, forget, cell, output.
    pub(super) fn lstm<T: Real>(h: &mut [T], c: &mut [T], kept: &mut [&mut [T]; 4], gates: &Gates<'_, T, 4>, old: &[T]) = lstm_body;
}

#[inline(always)]
fn lstm_body<T: Real, const FMA: bool>(h: &mut [T], c: &mut [T], kept: &mut [&mut [T]; 4], gates: &Gates<'_, T, 4>, old: &[T]) {
    each!(h.len(), lstm_at(h, c, kept, gates, old));
}

#[inline(always)]
fn lstm_at<T: Real, const FMA: bool, const N: usize>(
    i: usize,
    h: &mut [T],
    c: &mut [T],
    kept: &mut [&mut [T]; 4],
    gates: &Gates<'_, T, 4>,
    old: &[T],
) {
    let (mut input, mut forget, mut cell, mut output): ([T; N], [T; N], [T; N], [T; N]) =
        (gates.load(0, i), gates.load(1, i), gates.load(2, i), gates.load(3, i));
    let (mut new_c, mut new_h): ([T; N], [T; N]) = (load(old, i), [T::default(); N]);
    for e in 0..N {
        input[e] = sigmoid::<T, FMA>(input[e]);
        forget[e] = sigmoid::<T, FMA>(forget[e]);
        cell[e] = cell[e].tanh::<FMA>();
        output[e] = sigmoid::<T, FMA>(output[e]);
        new_c[e] = forget[e] * new_c[e] + input[e] * cell[e];
        new_h[e] = output[e] * new_c[e].tanh::<FMA>();
    }
    store(c, i, new_c);
    store(h, i, new_h);
    for (kept, v) in kept.iter_mut().zip([input, forget, cell, output]) {
        store(kept, i, v);
    }
}

dispatch! {
    /// The new h, the gates reset, update, new, and the state's part of the last, of which `gates` has the input's and the state's part.
    pub(super) fn gru<T: Real>(h: &mut [T], kept: &mut [&mut [T]; 4], gates: &Gates<'_, T, 4>, old: &[T]) = gru_body;
}

#[inline(always)]
fn gru_body<T: Real, const FMA: bool>(h: &mut [T], kept: &mut [&mut [T]; 4], gates: &Gates<'_, T, 4>, old: &[T]) {
    each!(h.len(), gru_at(h, kept, gates, old));
}

#[inline(always)]
fn gru_at<T: Real, const FMA: bool, const N: usize>(i: usize, h: &mut [T], kept: &mut [&mut [T]; 4], gates: &Gates<'_, T, 4>, old: &[T]) {
    let (mut reset, mut update, mut new, part): ([T; N], [T; N], [T; N], [T; N]) =
        (gates.load(0, i), gates.load(1, i), gates.load(2, i), gates.load(3, i));
    let (old, mut new_h): ([T; N], [T; N]) = (load(old, i), [T::default(); N]);
    for e in 0..N {
        reset[e] = sigmoid::<T, FMA>(reset[e]);
        update[e] = sigmoid::<T, FMA>(update[e]);
        new[e] = (new[e] + reset[e] * part[e]).tanh::<FMA>();
        new_h[e] = (old[e] - new[e]) * update[e] + new[e];
    }
    store(h, i, new_h);
    for (kept, v) in kept.iter_mut().zip([reset, update, new, part]) {
        store(kept, i, v);
    }
}

dispatch! {
    /// The gradient of the gate, `(s + g) * (1 - y^2)`.
    pub(super) fn tanh_back<T: Real>(d: &mut [T], s: &[T], g: &[T], y: &[T]) = tanh_back_body;
}

#[inline(always)]
fn tanh_back_body<T: Real, const FMA: bool>(d: &mut [T], s: &[T], g: &[T], y: &[T]) {
    each!(d.len(), tanh_back_at(d, s, g, y));
}

#[inline(always)]
fn tanh_back_at<T: Real, const FMA: bool, const N: usize>(i: usize, d: &mut [T], s: &[T], g: &[T], y: &[T]) {
    let (mut v, g, y): ([T; N], [T; N], [T; N]) = (load(s, i), load(g, i), load(y, i));
    for e in 0..N {
        v[e] = (v[e] + g[e]) * (one::<T>() - y[e] * y[e]);
    }
    store(d, i, v);
}

dispatch! {
    /// The gradient of the gate: `s + g` where y is positive, else 0.
    pub(super) fn relu_back<T: Real>(d: &mut [T], s: &[T], g: &[T], y: &[T]) = relu_back_body;
}

#[inline(always)]
fn relu_back_body<T: Real, const FMA: bool>(d: &mut [T], s: &[T], g: &[T], y: &[T]) {
    each!(d.len(), relu_back_at(d, s, g, y));
}

#[inline(always)]
fn relu_back_at<T: Real, const FMA: bool, const N: usize>(i: usize, d: &mut [T], s: &[T], g: &[T], y: &[T]) {
    let (mut v, g, y): ([T; N], [T; N], [T; N]) = (load(s, i), load(g, i), load(y, i));
    for e in 0..N {
        v[e] = if y[e] > T::default() { v[e] + g[e] } else { T::default() };
    }
    store(d, i, v);
}

/// Of an LSTM, what backward reads of a row: the gates input, forget, cell, output, the new c and the old one, the gradients of h by the way of the next step
/// and as given, and that of c as given.
pub(super) struct LstmBack<'a, T> {
    pub(super) kept: [&'a [T]; 4],
    pub(super) c: &'a [T],
    pub(super) old: &'a [T],
    pub(super) s: &'a [T],
    pub(super) dh: &'a [T],
    pub(super) dc: &'a [T],
}

dispatch! {
    /// The gradients of the gates, and in place that of c.
    pub(super) fn lstm_back<T: Real>(d: &mut [&mut [T]; 4], dc: &mut [T], row: &LstmBack<'_, T>) = lstm_back_body;
}

#[inline(always)]
fn lstm_back_body<T: Real, const FMA: bool>(d: &mut [&mut [T]; 4], dc: &mut [T], row: &LstmBack<'_, T>) {
    each!(dc.len(), lstm_back_at(d, dc, row));
}

#[inline(always)]
fn lstm_back_at<T: Real, const FMA: bool, const N: usize>(i: usize, d: &mut [&mut [T]; 4], dc: &mut [T], row: &LstmBack<'_, T>) {
    let (mut input, mut forget, mut cell, mut output): ([T; N], [T; N], [T; N], [T; N]) =
        (load(row.kept[0], i), load(row.kept[1], i), load(row.kept[2], i), load(row.kept[3], i));
    let (c, old, s, dh): ([T; N], [T; N], [T; N], [T; N]) = (load(row.c, i), load(row.old, i), load(row.s, i), load(row.dh, i));
    let (mut carry, given): ([T; N], [T; N]) = (load(dc, i), load(row.dc, i));
    for e in 0..N {
        let (i_, f, g, o, t) = (input[e], forget[e], cell[e], output[e], c[e].tanh::<FMA>());
        let dh = s[e] + dh[e];
        let d = carry[e] + given[e] + dh * o * (one::<T>() - t * t);
        input[e] = d * g * i_ * (one::<T>() - i_);
        forget[e] = d * old[e] * f * (one::<T>() - f);
        cell[e] = d * i_ * (one::<T>() - g * g);
        output[e] = dh * t * o * (one::<T>() - o);
        carry[e] = d * f;
    }
    store(dc, i, carry);
    for (d, v) in d.iter_mut().zip([input, forget, cell, output]) {
        store(d, i, v);
    }
}

/// Of a GRU, what backward reads of a row: the gates reset, update, new, the state's part of the last, the old h, and the gradients of h by the way of the
/// next step's gates and as given.
pub(super) struct GruBack<'a, T> {
    pub(super) kept: [&'a [T]; 4],
    pub(super) old: &'a [T],
    pub(super) s: &'a [T],
    pub(super) dh: &'a [T],
}

dispatch! {
    /// The gradients of the gates, of the state's part of them, and in place that of h by the way past the gates.
    pub(super) fn gru_back<T: Real>(d: &mut [&mut [T]; 3], of_state: &mut [&mut [T]; 3], carry: &mut [T], row: &GruBack<'_, T>) = gru_back_body;
}

#[inline(always)]
fn gru_back_body<T: Real, const FMA: bool>(d: &mut [&mut [T]; 3], of_state: &mut [&mut [T]; 3], carry: &mut [T], row: &GruBack<'_, T>) {
    each!(carry.len(), gru_back_at(d, of_state, carry, row));
}

#[inline(always)]
fn gru_back_at<T: Real, const FMA: bool, const N: usize>(
    i: usize,
    d: &mut [&mut [T]; 3],
    of_state: &mut [&mut [T]; 3],
    carry: &mut [T],
    row: &GruBack<'_, T>,
) {
    let (mut reset, mut update, mut new, mut part): ([T; N], [T; N], [T; N], [T; N]) =
        (load(row.kept[0], i), load(row.kept[1], i), load(row.kept[2], i), load(row.kept[3], i));
    let (old, s, dh, mut past): ([T; N], [T; N], [T; N], [T; N]) = (load(row.old, i), load(row.s, i), load(row.dh, i), load(carry, i));
    for e in 0..N {
        let (r, z, m) = (reset[e], update[e], new[e]);
        let g = s[e] + dh[e] + past[e];
        let d = g * (one::<T>() - z) * (one::<T>() - m * m);
        reset[e] = d * part[e] * r * (one::<T>() - r);
        update[e] = g * (old[e] - m) * z * (one::<T>() - z);
        new[e] = d;
        part[e] = d * r;
        past[e] = g * z;
    }
    store(carry, i, past);
    for (d, v) in d.iter_mut().zip([reset, update, new]) {
        store(d, i, v);
    }
    for (d, v) in of_state.iter_mut().zip([reset, update, part]) {
        store(d, i, v);
    }
}

dispatch! {
    /// `sum += x`
    pub(super) fn accumulate<T: Real>(sum: &mut [T], x: &[T]) = accumulate_body;
}

#[inline(always)]
fn accumulate_body<T: Real, const FMA: bool>(sum: &mut [T], x: &[T]) {
    let x = &x[..sum.len()];
    each!(sum.len(), accumulate_at(sum, x));
}

#[inline(always)]
fn accumulate_at<T: Real, const FMA: bool, const N: usize>(i: usize, sum: &mut [T], x: &[T]) {
    let (mut v, x): ([T; N], [T; N]) = (load(sum, i), load(x, i));
    for e in 0..N {
        v[e] = v[e] + x[e];
    }
    store(sum, i, v);
}
