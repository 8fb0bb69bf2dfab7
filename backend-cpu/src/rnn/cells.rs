//! What the cells compute from their gates, and back, for some units of one row.

// The slices of one cell, each with a meaning of its own.
#![allow(clippy::too_many_arguments)]

use super::Real;
use crate::simd::dispatch;

#[inline(always)]
fn one<T: Real>() -> T {
    T::narrow(1.0)
}

/// Elements that are computed side by side. A cell's slices are short: in arrays of their own they become vectors without a test whether they overlap, and
/// without a remainder one by one.
const LANES: usize = 16;

#[inline(always)]
fn activate<T: Real>(out: &mut [T], s: &[T], x: &[T], b: &[T], f: impl Fn(T) -> T) {
    let len = out.len();
    let (s, x, b) = (&s[..len], &x[..len], &b[..len]);
    let whole = len / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        let mut sums = [T::default(); LANES];
        for ((o, &s), (&x, &b)) in sums.iter_mut().zip(&s[i..i + LANES]).zip(x[i..i + LANES].iter().zip(&b[i..i + LANES])) {
            *o = s + b + x;
        }
        for o in &mut sums {
            *o = f(*o);
        }
        out[i..i + LANES].copy_from_slice(&sums);
    }
    for i in whole..len {
        out[i] = f(s[i] + b[i] + x[i]);
    }
}

dispatch! {
    /// `sigmoid(s + b + x)`
    pub(super) fn sigmoid<T: Real>(out: &mut [T], s: &[T], x: &[T], b: &[T]) = sigmoid_body;
}

#[inline(always)]
fn sigmoid_body<T: Real, const FMA: bool>(out: &mut [T], s: &[T], x: &[T], b: &[T]) {
    activate(out, s, x, b, |v| one::<T>() / (one::<T>() + (-v).exp::<FMA>()));
}

dispatch! {
    /// `tanh(s + b + x)`
    pub(super) fn tanh<T: Real>(out: &mut [T], s: &[T], x: &[T], b: &[T]) = tanh_body;
}

#[inline(always)]
fn tanh_body<T: Real, const FMA: bool>(out: &mut [T], s: &[T], x: &[T], b: &[T]) {
    activate(out, s, x, b, |v| v.tanh::<FMA>());
}

dispatch! {
    /// `relu(s + b + x)`
    pub(super) fn relu<T: Real>(out: &mut [T], s: &[T], x: &[T], b: &[T]) = relu_body;
}

#[inline(always)]
fn relu_body<T: Real, const FMA: bool>(out: &mut [T], s: &[T], x: &[T], b: &[T]) {
    activate(out, s, x, b, T::relu);
}

dispatch! {
    /// The new c and h.
    pub(super) fn lstm<T: Real>(h: &mut [T], c: &mut [T], input: &[T], forget: &[T], cell: &[T], output: &[T], old: &[T]) = lstm_body;
}

#[inline(always)]
fn lstm_body<T: Real, const FMA: bool>(h: &mut [T], c: &mut [T], input: &[T], forget: &[T], cell: &[T], output: &[T], old: &[T]) {
    let len = h.len();
    let (c, input, forget, cell, output, old) = (&mut c[..len], &input[..len], &forget[..len], &cell[..len], &output[..len], &old[..len]);
    for i in 0..len {
        let new = forget[i] * old[i] + input[i] * cell[i];
        c[i] = new;
        h[i] = output[i] * new.tanh::<FMA>();
    }
}

dispatch! {
    /// The candidate, the state's part of it, and the new h.
    pub(super) fn gru<T: Real>(
        h: &mut [T], new: &mut [T], from_state: &mut [T], reset: &[T], update: &[T], s: &[T], x: &[T], b: &[T], old: &[T],
    ) = gru_body;
}

#[inline(always)]
fn gru_body<T: Real, const FMA: bool>(
    h: &mut [T],
    new: &mut [T],
    from_state: &mut [T],
    reset: &[T],
    update: &[T],
    s: &[T],
    x: &[T],
    b: &[T],
    old: &[T],
) {
    let len = h.len();
    let (new, from_state, reset, update) = (&mut new[..len], &mut from_state[..len], &reset[..len], &update[..len]);
    let (s, x, b, old) = (&s[..len], &x[..len], &b[..len], &old[..len]);
    for i in 0..len {
        let part = s[i] + b[i];
        let candidate = (x[i] + reset[i] * part).tanh::<FMA>();
        from_state[i] = part;
        new[i] = candidate;
        h[i] = (old[i] - candidate) * update[i] + candidate;
    }
}

dispatch! {
    /// `sum += x`
    pub(super) fn accumulate<T: Real>(sum: &mut [T], x: &[T]) = accumulate_body;
}

#[inline(always)]
fn accumulate_body<T: Real, const FMA: bool>(sum: &mut [T], x: &[T]) {
    for (s, &x) in sum.iter_mut().zip(x) {
        *s = *s + x;
    }
}

dispatch! {
    /// `d = g * (1 - y^2)`
    pub(super) fn tanh_back<T: Real>(d: &mut [T], g: &[T], y: &[T]) = tanh_back_body;
}

#[inline(always)]
fn tanh_back_body<T: Real, const FMA: bool>(d: &mut [T], g: &[T], y: &[T]) {
    for ((d, &g), &y) in d.iter_mut().zip(g).zip(y) {
        *d = g * (one::<T>() - y * y);
    }
}

dispatch! {
    /// `d = g` where y is positive, else 0.
    pub(super) fn relu_back<T: Real>(d: &mut [T], g: &[T], y: &[T]) = relu_back_body;
}

#[inline(always)]
fn relu_back_body<T: Real, const FMA: bool>(d: &mut [T], g: &[T], y: &[T]) {
    for ((d, &g), &y) in d.iter_mut().zip(g).zip(y) {
        *d = if y > T::default() { g } else { T::default() };
    }
}

dispatch! {
    /// The gradients of the gates, and in place that of c, from that of h.
    pub(super) fn lstm_back<T: Real>(
        d_input: &mut [T], d_forget: &mut [T], d_cell: &mut [T], d_output: &mut [T], dc: &mut [T], dh: &[T], dc_given: &[T],
        input: &[T], forget: &[T], cell: &[T], output: &[T], c: &[T], old: &[T],
    ) = lstm_back_body;
}

#[inline(always)]
fn lstm_back_body<T: Real, const FMA: bool>(
    d_input: &mut [T],
    d_forget: &mut [T],
    d_cell: &mut [T],
    d_output: &mut [T],
    dc: &mut [T],
    dh: &[T],
    dc_given: &[T],
    input: &[T],
    forget: &[T],
    cell: &[T],
    output: &[T],
    c: &[T],
    old: &[T],
) {
    let len = dh.len();
    let (d_input, d_forget, d_cell, d_output) = (&mut d_input[..len], &mut d_forget[..len], &mut d_cell[..len], &mut d_output[..len]);
    let (dc, dc_given, input, forget) = (&mut dc[..len], &dc_given[..len], &input[..len], &forget[..len]);
    let (cell, output, c, old) = (&cell[..len], &output[..len], &c[..len], &old[..len]);
    for i in 0..len {
        let (i_, f, g, o, t) = (input[i], forget[i], cell[i], output[i], c[i].tanh::<FMA>());
        let d = dc[i] + dc_given[i] + dh[i] * o * (one::<T>() - t * t);
        d_input[i] = d * g * i_ * (one::<T>() - i_);
        d_forget[i] = d * old[i] * f * (one::<T>() - f);
        d_cell[i] = d * i_ * (one::<T>() - g * g);
        d_output[i] = dh[i] * t * o * (one::<T>() - o);
        dc[i] = d * f;
    }
}

dispatch! {
    /// The gradients of the gates, of the state's part of the candidate, and of h by the way past the gates, from that of h.
    pub(super) fn gru_back<T: Real>(
        d_reset: &mut [T], d_update: &mut [T], d_new: &mut [T], d_part: &mut [T], carry: &mut [T], dh: &[T],
        reset: &[T], update: &[T], new: &[T], part: &[T], old: &[T],
    ) = gru_back_body;
}

#[inline(always)]
fn gru_back_body<T: Real, const FMA: bool>(
    d_reset: &mut [T],
    d_update: &mut [T],
    d_new: &mut [T],
    d_part: &mut [T],
    carry: &mut [T],
    dh: &[T],
    reset: &[T],
    update: &[T],
    new: &[T],
    part: &[T],
    old: &[T],
) {
    let len = dh.len();
    let (d_reset, d_update, d_new, d_part) = (&mut d_reset[..len], &mut d_update[..len], &mut d_new[..len], &mut d_part[..len]);
    let (carry, reset, update, new) = (&mut carry[..len], &reset[..len], &update[..len], &new[..len]);
    let (part, old) = (&part[..len], &old[..len]);
    for i in 0..len {
        let (r, z, m, g) = (reset[i], update[i], new[i], dh[i]);
        let d = g * (one::<T>() - z) * (one::<T>() - m * m);
        d_reset[i] = d * part[i] * r * (one::<T>() - r);
        d_update[i] = g * (old[i] - m) * z * (one::<T>() - z);
        d_new[i] = d;
        d_part[i] = d * r;
        carry[i] = g * z;
    }
}
