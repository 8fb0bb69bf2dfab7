//! Scaled dot product attention, block by block: the scores of some queries and some keys are computed, used and forgotten while they are in the cache
//! (Dao et al., 2022). Inputs are read where they lie, with any strides.
//!
//! Forward, a task takes a block of queries of one head through all keys, and rescales what it has summed when a larger score comes. Backward, a task takes
//! the queries of all heads that share a head of keys, so that every gradient is written by one task, in a fixed order.

use rushlight_backend::op::Attention;
use rushlight_backend::{Arg, DType, Meta, Result, Storage, Storages};
use smallvec::SmallVec;

use crate::buffer::{Plain, alloc, input, typed_mut};
use crate::gemm::{Bias, Number, Output, Strided, product};
use crate::pointwise::exp::Exp;
use crate::simd::dispatch;
use crate::threads::par_try;
use crate::walk::Shared;

/// Queries and keys of a block.
const QUERIES: usize = 128;
const KEYS: usize = 256;
const LANES: usize = 16;

/// Runs an attention in f32 or f64; half precision is left to the decomposition, which computes in f32.
pub(crate) fn run(op: &Attention, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Option<Storages>> {
    match outputs[0].dtype {
        DType::F32 => run_in::<f32>(op, inputs, outputs).map(Some),
        DType::F64 => run_in::<f64>(op, inputs, outputs).map(Some),
        _ => Ok(None),
    }
}

fn run_in<T: Exp + Number>(op: &Attention, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    match *op {
        Attention::Forward { scale, causal } => {
            let [q, k, v] = [0, 1, 2].map(|i| Heads::<T>::new(&inputs[i]));
            let mask = inputs.get(3).map(Heads::new).transpose()?;
            Problem { q: q?, k: k?, v: v?, mask, scale: T::narrow(scale), causal }.forward(outputs)
        }
        Attention::Grad { scale, causal } => {
            let [g, q, k, v, y] = [0, 1, 2, 3, 4].map(|i| Heads::<T>::new(&inputs[i]));
            let mask = inputs.get(6).map(Heads::new).transpose()?;
            Problem { q: q?, k: k?, v: v?, mask, scale: T::narrow(scale), causal }.backward(&g?, &y?, &inputs[5], outputs)
        }
    }
}

/// `[n, heads, rows, columns]`, or what is broadcast to it, in memory.
struct Heads<'a, T> {
    data: &'a [T],
    start: usize,
    shape: [usize; 4],
    strides: [isize; 4],
}

impl<'a, T: Plain> Heads<'a, T> {
    fn new(x: &'a Arg<'_>) -> Result<Heads<'a, T>> {
        let (shape, strides) = (x.shape(), x.layout().strides());
        let strides = std::array::from_fn(|d| if shape[d] == 1 { 0 } else { strides[d] });
        Ok(Heads { data: input(x)?, start: x.layout().offset(), shape: std::array::from_fn(|d| shape[d]), strides })
    }

    /// Where a row of a head begins.
    fn place(&self, item: usize, head: usize, row: usize) -> usize {
        let [n, h, r, _] = self.strides;
        (self.start as isize + item as isize * n + head as isize * h + row as isize * r) as usize
    }

    /// Rows from one on, as lines of a factor of a product whose sums run along the columns.
    fn lines(&self, item: usize, head: usize, row: usize) -> Strided<'a, T> {
        Strided { data: self.data, start: self.place(item, head, row), line_step: self.strides[2], k_step: self.strides[3] }
    }

    /// Columns as lines of a factor of a product whose sums run along rows from one on.
    fn across(&self, item: usize, head: usize, row: usize) -> Strided<'a, T> {
        Strided { data: self.data, start: self.place(item, head, row), line_step: self.strides[3], k_step: self.strides[2] }
    }
}

/// A block of scratch memory, `[rows, KEYS]`, as a factor: its rows, or its columns, as lines.
fn rows_of<T>(block: &[T]) -> Strided<'_, T> {
    Strided { data: block, start: 0, line_step: KEYS as isize, k_step: 1 }
}

fn columns_of<T>(block: &[T]) -> Strided<'_, T> {
    Strided { data: block, start: 0, line_step: 1, k_step: KEYS as isize }
}

fn output<'a, T>(data: *mut T, step: usize, accumulate: bool) -> Output<'a, T> {
    Output { data, strides: (step as isize, 1), accumulate, bias: Bias::None, relu: false }
}

#[inline(always)]
fn lanes<T: Exp>(x: &[T], start: T, f: impl Fn(T, T) -> T) -> T {
    let mut all = [start; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for c in &mut chunks {
        for i in 0..LANES {
            all[i] = f(all[i], c[i]);
        }
    }
    for (a, &x) in all.iter_mut().zip(chunks.remainder()) {
        *a = f(*a, x);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            all[i] = f(all[i], all[i + half]);
        }
        half /= 2;
    }
    all[0]
}

#[inline(always)]
fn top_body<T: Exp, const FMA: bool>(x: &[T]) -> T {
    lanes(x, T::narrow(f64::NEG_INFINITY), |a, b| if b > a { b } else { a })
}

dispatch! {
    /// The largest number; NaN is passed over.
    fn top<T: Exp>(x: &[T]) -> T = top_body;
}

#[inline(always)]
fn exponentials_body<T: Exp, const FMA: bool>(x: &mut [T], shift: T) -> T {
    for x in x.iter_mut() {
        *x = x.minus(shift).exp_flushed::<FMA>();
    }
    lanes(x, T::narrow(0.0), |a, b| a.plus(b))
}

dispatch! {
    /// `x = exp(x - shift)`, and their sum.
    fn exponentials<T: Exp>(x: &mut [T], shift: T) -> T = exponentials_body;
}

#[inline(always)]
fn scale_body<T: Exp, const FMA: bool>(x: &mut [T], by: T) {
    for x in x.iter_mut() {
        *x = x.times(by);
    }
}

dispatch! {
    /// `x *= by`.
    fn scale_row<T: Exp>(x: &mut [T], by: T) = scale_body;
}

#[inline(always)]
fn slopes_body<T: Exp, const FMA: bool>(p: &[T], dp: &mut [T], along: T, scale: T) {
    for (d, &p) in dp.iter_mut().zip(p) {
        *d = p.times(d.minus(along)).times(scale);
    }
}

dispatch! {
    /// `dp = p * (dp - along) * scale`.
    fn slopes<T: Exp>(p: &[T], dp: &mut [T], along: T, scale: T) = slopes_body;
}

fn multiply<T: Exp>(x: T, y: T) -> T {
    x.times(y)
}

fn difference<T: Exp>(x: T, y: T) -> T {
    x.minus(y)
}

fn sum<T: Exp>(x: T, y: T) -> T {
    x.plus(y)
}

fn exp<T: Exp>(x: T) -> T {
    T::narrow(x.wide().exp())
}

struct Problem<'a, T> {
    q: Heads<'a, T>,
    k: Heads<'a, T>,
    v: Heads<'a, T>,
    mask: Option<Heads<'a, T>>,
    scale: T,
    causal: bool,
}

impl<T: Exp + Number> Problem<'_, T> {
    /// The number of keys that a query sees of a block that begins at a key.
    fn seen(&self, query: usize, key: usize, keys: usize) -> usize {
        if self.causal { (query + 1).saturating_sub(key).min(keys) } else { keys }
    }

    /// The scores of a block, `[queries, KEYS]`; those that a query does not see are not touched by what follows, and are zero.
    fn scores(
        &self,
        item: usize,
        head: usize,
        shared: usize,
        [query, queries]: [usize; 2],
        [key, keys]: [usize; 2],
        out: &mut [T],
    ) -> Result<()> {
        let (q, k) = (self.q.lines(item, head, query), self.k.lines(item, shared, key));
        // SAFETY: the block has `queries` rows of KEYS elements, and nobody else has it.
        unsafe { product(queries, keys, self.q.shape[3], q, k, output(out.as_mut_ptr(), KEYS, false))? };
        for (i, row) in out.chunks_exact_mut(KEYS).take(queries).enumerate() {
            let seen = self.seen(query + i, key, keys);
            scale_row(&mut row[..seen], self.scale);
            row[seen..keys].fill(T::narrow(0.0));
            if let Some(mask) = &self.mask {
                let (start, step) = (mask.place(item, head, query + i) as isize + key as isize * mask.strides[3], mask.strides[3]);
                for (j, x) in row[..seen].iter_mut().enumerate() {
                    *x = sum(*x, mask.data[(start + j as isize * step) as usize]);
                }
            }
        }
        Ok(())
    }

    fn forward(&self, outputs: &[Meta]) -> Result<Storages> {
        let [n, heads, l, _] = self.q.shape;
        let (s, d, group) = (self.k.shape[2], self.v.shape[3], heads / self.k.shape[1].max(1));
        let (mut y, mut lse) = (alloc::<T>(&outputs[0].shape)?, alloc::<T>(&outputs[1].shape)?);
        let (ys, sums) = (Shared(typed_mut::<T>(&mut y).as_mut_ptr()), Shared(typed_mut::<T>(&mut lse).as_mut_ptr()));
        let blocks = l.div_ceil(QUERIES);
        let task = |task: usize| -> Result<()> {
            let (ys, sums) = (&ys, &sums);
            let (block, head, item) = (task % blocks, task / blocks % heads, task / blocks / heads);
            let query = block * QUERIES;
            let queries = QUERIES.min(l - query);
            let first = (item * heads + head) * l + query;
            // SAFETY: the rows of this task's queries, in results whose shapes hold them.
            let (y, lse) = unsafe {
                (
                    std::slice::from_raw_parts_mut(ys.0.add(first * d), queries * d),
                    std::slice::from_raw_parts_mut(sums.0.add(first), queries),
                )
            };
            y.fill(T::narrow(0.0));
            let (low, zero) = (T::narrow(f64::NEG_INFINITY), T::narrow(0.0));
            let (mut tops, mut totals) = ([low; QUERIES], [zero; QUERIES]);
            let mut memory = alloc::<T>(&[queries * KEYS])?;
            let p = typed_mut::<T>(&mut memory);
            let end = if self.causal { s.min(query + queries) } else { s };
            for key in (0..end).step_by(KEYS) {
                let keys = KEYS.min(end - key);
                self.scores(item, head, head / group, [query, queries], [key, keys], p)?;
                for (i, row) in p.chunks_exact_mut(KEYS).enumerate() {
                    let row = &mut row[..self.seen(query + i, key, keys)];
                    let new = top(row);
                    let new = if new > tops[i] { new } else { tops[i] };
                    if new == low {
                        // Nothing to see yet; a NaN goes on.
                        totals[i] = sum(totals[i], exponentials(row, zero));
                        continue;
                    }
                    let kept = exp(difference(tops[i], new));
                    totals[i] = sum(multiply(totals[i], kept), exponentials(row, new));
                    tops[i] = new;
                    if kept < T::narrow(1.0) {
                        scale_row(&mut y[i * d..(i + 1) * d], kept);
                    }
                }
                // SAFETY: this task's rows of y.
                unsafe { product(queries, d, keys, rows_of(p), self.v.across(item, head / group, key), output(y.as_mut_ptr(), d, true))? };
            }
            for i in 0..queries {
                let total = totals[i].wide();
                lse[i] = T::narrow(tops[i].wide() + total.ln());
                if total == 0.0 {
                    lse[i] = low;
                } else {
                    scale_row(&mut y[i * d..(i + 1) * d], T::narrow(1.0 / total));
                }
            }
            Ok(())
        };
        par_try(n * heads * blocks, task)?;
        Ok(smallvec::smallvec![Storage::new(y), Storage::new(lse)])
    }

    fn backward(&self, g: &Heads<'_, T>, y: &Heads<'_, T>, lse: &Arg<'_>, outputs: &[Meta]) -> Result<Storages> {
        let [n, heads, l, e] = self.q.shape;
        let ([_, shared, s, _], d) = (self.k.shape, self.v.shape[3]);
        let group = heads / shared.max(1);
        let mut memory = outputs.iter().map(|m| alloc::<T>(&m.shape)).collect::<Result<SmallVec<[_; 3]>>>()?;
        let [dq, dk, dv] = [0, 1, 2].map(|i| {
            let all = typed_mut::<T>(&mut memory[i]);
            all.fill(T::narrow(0.0));
            Shared(all.as_mut_ptr())
        });
        let (lse_data, lse_at) = (input::<T>(lse)?, lse.layout());
        let lse_of = |item: usize, head: usize, query: usize| {
            let steps = lse_at.strides();
            let place = item as isize * steps[0] + head as isize * steps[1] + query as isize * steps[2];
            lse_data[(lse_at.offset() as isize + place) as usize]
        };
        let dot = |item: usize, head: usize, row: usize| {
            let (a, b) = (g.place(item, head, row) as isize, y.place(item, head, row) as isize);
            let at = |j: usize| {
                let (a, b) = (a + j as isize * g.strides[3], b + j as isize * y.strides[3]);
                g.data[a as usize].wide() * y.data[b as usize].wide()
            };
            T::narrow((0..d).map(at).sum())
        };
        let task = |task: usize| -> Result<()> {
            let (dq, dk, dv) = (&dq, &dk, &dv);
            let (own, item) = (task % shared, task / shared);
            let mut scratch = alloc::<T>(&[2 * QUERIES * KEYS])?;
            let (p, dp) = typed_mut::<T>(&mut scratch).split_at_mut(QUERIES * KEYS);
            for head in own * group..(own + 1) * group {
                let along: Vec<T> = (0..l).map(|query| dot(item, head, query)).collect();
                for key in (0..s).step_by(KEYS) {
                    let keys = KEYS.min(s - key);
                    for query in (0..l).step_by(QUERIES) {
                        let queries = QUERIES.min(l - query);
                        if self.seen(query + queries - 1, key, keys) == 0 {
                            continue;
                        }
                        self.scores(item, head, own, [query, queries], [key, keys], p)?;
                        // SAFETY: the block has QUERIES rows of KEYS elements.
                        unsafe {
                            let (g, v) = (g.lines(item, head, query), self.v.lines(item, own, key));
                            product(queries, keys, d, g, v, output(dp.as_mut_ptr(), KEYS, false))?;
                        }
                        for (i, (p, dp)) in p.chunks_exact_mut(KEYS).zip(dp.chunks_exact_mut(KEYS)).take(queries).enumerate() {
                            let (seen, lse) = (self.seen(query + i, key, keys), lse_of(item, head, query + i));
                            if lse == T::narrow(f64::NEG_INFINITY) {
                                p[..keys].fill(T::narrow(0.0));
                            } else {
                                exponentials(&mut p[..seen], lse);
                            }
                            slopes(&p[..seen], &mut dp[..seen], along[query + i], self.scale);
                            dp[seen..keys].fill(T::narrow(0.0));
                        }
                        let (of_query, of_key) = ((item * heads + head) * l + query, (item * shared + own) * s + key);
                        // SAFETY: rows of queries and keys that belong to this task, in results whose shapes hold them.
                        unsafe {
                            let to = output(dv.0.add(of_key * d), d, true);
                            product(keys, d, queries, columns_of(p), g.across(item, head, query), to)?;
                            let to = output(dk.0.add(of_key * e), e, true);
                            product(keys, e, queries, columns_of(dp), self.q.across(item, head, query), to)?;
                            let to = output(dq.0.add(of_query * e), e, true);
                            product(queries, e, keys, rows_of(dp), self.k.across(item, own, key), to)?;
                        }
                    }
                }
            }
            Ok(())
        };
        par_try(n * shared, task)?;
        Ok(memory.into_iter().map(Storage::new).collect())
    }
}
