//! Losses: one pass over the logits forward, one backward.
//!
//! Bound by reading the logits once (twice where a row does not stay in the first cache) and by the exponential, which is vector code.

mod ctc;

use std::sync::atomic::{AtomicI64, Ordering};

use rushlight_backend::op::{CrossEntropy, Loss, LossReduction};
use rushlight_backend::{Arg, DType, Error, Meta, Result, Storage, Storages, numel};

use crate::buffer::{Plain, alloc, cpu_mut, input, typed_mut};
use crate::pointwise::exp::Exp;
use crate::shape;
use crate::simd::dispatch;
use crate::walk::par_pieces;

/// Elements of logits that one task takes.
const GRAIN: usize = 1 << 13;

/// `None` declines: half precision runs as its decomposition.
pub(crate) fn run(op: &Loss, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Option<Storages>> {
    match (op, outputs[0].dtype) {
        (Loss::CrossEntropy(p), DType::F32) => forward::<f32>(p, inputs, outputs).map(Some),
        (Loss::CrossEntropy(p), DType::F64) => forward::<f64>(p, inputs, outputs).map(Some),
        (Loss::CrossEntropyGrad(p), DType::F32) => backward::<f32>(p, inputs, &outputs[0]).map(|s| Some(smallvec::smallvec![s])),
        (Loss::CrossEntropyGrad(p), DType::F64) => backward::<f64>(p, inputs, &outputs[0]).map(|s| Some(smallvec::smallvec![s])),
        (Loss::Ctc { blank, .. }, DType::F32) => ctc::forward::<f32>(*blank, inputs, outputs).map(Some),
        (Loss::Ctc { blank, .. }, DType::F64) => ctc::forward::<f64>(*blank, inputs, outputs).map(Some),
        (Loss::CtcGrad { blank, zero_infinity }, DType::F32) => ctc::backward::<f32>(*blank, *zero_infinity, inputs, &outputs[0]).map(Some),
        (Loss::CtcGrad { blank, zero_infinity }, DType::F64) => ctc::backward::<f64>(*blank, *zero_infinity, inputs, &outputs[0]).map(Some),
        _ => Ok(None),
    }
}

/// An input in row-major order.
struct Rows {
    copy: Option<Storage>,
}

impl Rows {
    fn of(x: &Arg<'_>) -> Result<Rows> {
        let copy = if x.layout().is_contiguous() { None } else { Some(shape::contiguous(x)?) };
        Ok(Rows { copy })
    }

    fn values<'a, T: Plain>(&'a self, x: &'a Arg<'_>) -> Result<&'a [T]> {
        let n = numel(x.shape());
        if n == 0 {
            return Ok(&[]);
        }
        match &self.copy {
            None => Ok(&input::<T>(x)?[x.layout().offset()..][..n]),
            Some(storage) => Ok(&crate::buffer::typed::<T>(crate::buffer::cpu(storage)?.as_bytes())[..n]),
        }
    }
}

/// Logits `[n, classes, inner]`.
struct Sizes {
    classes: usize,
    inner: usize,
}

impl Sizes {
    fn of(shape: &[usize]) -> Sizes {
        Sizes { classes: shape[1], inner: numel(&shape[2..]) }
    }

    /// Where item i's logits start.
    fn start(&self, item: usize) -> usize {
        item / self.inner * self.classes * self.inner + item % self.inner
    }
}

fn forward<T: Exp>(p: &CrossEntropy, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    let rows: Vec<Rows> = inputs.iter().map(Rows::of).collect::<Result<_>>()?;
    let (x, targets) = (rows[0].values::<T>(&inputs[0])?, rows[1].values::<i64>(&inputs[1])?);
    let weight = inputs.get(2).map(|w| rows[2].values::<T>(w)).transpose()?;
    let sizes = Sizes::of(inputs[0].shape());
    let bad = AtomicI64::new(i64::MIN);
    let mut lse = alloc::<T>(&outputs[1].shape)?;
    let mut losses = alloc::<T>(&outputs[1].shape)?;
    // Both vectors are written item by item: the losses go through a pointer of their own.
    let grain = (GRAIN / sizes.classes.max(1)).max(1);
    par_pieces(typed_mut::<T>(&mut lse), grain, |first, piece| {
        for (i, lse) in piece.iter_mut().enumerate() {
            let start = sizes.start(first + i);
            *lse = if sizes.inner == 1 {
                log_sum_exp(&x[start..start + sizes.classes])
            } else {
                strided_log_sum_exp(x, start, sizes.inner, sizes.classes)
            };
        }
    });
    let lse_values = typed_mut::<T>(&mut lse);
    let class_weight = |c: usize| weight.map_or(1.0, |w| w[c].wide());
    for (item, loss) in typed_mut::<T>(&mut losses).iter_mut().enumerate() {
        let t = targets[item];
        *loss = T::narrow(0.0);
        if t == p.ignore_index {
            continue;
        }
        if t < 0 || t >= sizes.classes as i64 {
            bad.store(t, Ordering::Relaxed);
            continue;
        }
        let (start, lse) = (sizes.start(item), lse_values[item].wide());
        let log_p = |c: usize| x[start + c * sizes.inner].wide() - lse;
        let mut sum = -class_weight(t as usize) * log_p(t as usize);
        if p.label_smoothing > 0.0 {
            let all: f64 = (0..sizes.classes).map(|c| class_weight(c) * log_p(c)).sum();
            sum = (1.0 - p.label_smoothing) * sum - p.label_smoothing / sizes.classes as f64 * all;
        }
        *loss = T::narrow(sum);
    }
    if bad.load(Ordering::Relaxed) != i64::MIN {
        let t = bad.load(Ordering::Relaxed);
        return Err(Error::index("cross_entropy", format!("target {t} is none of {} classes", sizes.classes)));
    }
    let total: f64 = targets.iter().filter(|&&t| t != p.ignore_index).map(|&t| class_weight(t as usize)).sum();
    let loss = if p.reduction == LossReduction::None {
        losses
    } else {
        let sum: f64 = typed_mut::<T>(&mut losses).iter().map(|l| l.wide()).sum();
        let mut one = alloc::<T>(&[])?;
        typed_mut::<T>(&mut one)[0] = T::narrow(if p.reduction == LossReduction::Mean { sum / total } else { sum });
        one
    };
    let mut total_weight = alloc::<T>(&[])?;
    typed_mut::<T>(&mut total_weight)[0] = T::narrow(total);
    Ok(smallvec::smallvec![Storage::new(loss), Storage::new(lse), Storage::new(total_weight)])
}

fn backward<T: Exp>(p: &CrossEntropy, inputs: &[Arg<'_>], out: &Meta) -> Result<Storage> {
    let rows: Vec<Rows> = inputs.iter().map(Rows::of).collect::<Result<_>>()?;
    let (g, lse) = (rows[0].values::<T>(&inputs[0])?, rows[1].values::<T>(&inputs[1])?);
    let total = rows[2].values::<T>(&inputs[2])?[0].wide();
    let (x, targets) = (rows[3].values::<T>(&inputs[3])?, rows[4].values::<i64>(&inputs[4])?);
    let weight = inputs.get(5).map(|w| rows[5].values::<T>(w)).transpose()?;
    let sizes = Sizes::of(inputs[3].shape());
    let class_weight = |c: usize| weight.map_or(1.0, |w| w[c].wide());
    let all_weights: f64 = (0..sizes.classes).map(class_weight).sum();
    let smoothing = p.label_smoothing / sizes.classes as f64;

    let mut storage: Storage = Storage::new(alloc::<T>(&out.shape)?);
    let dx = typed_mut::<T>(cpu_mut(&mut storage)?);
    // Whole slabs [classes, inner] are shared out, so that a task writes a contiguous part.
    let slab = sizes.classes * sizes.inner;
    if slab == 0 {
        return Ok(storage);
    }
    let per_task = (GRAIN / slab).max(1);
    par_pieces(dx, per_task * slab, |first, piece| {
        for (s, dx) in piece.chunks_exact_mut(slab).enumerate() {
            for inner in 0..sizes.inner {
                let item = (first / slab + s) * sizes.inner + inner;
                let (t, start) = (targets[item], sizes.start(item));
                if t == p.ignore_index || t < 0 || t >= sizes.classes as i64 {
                    (0..sizes.classes).for_each(|c| dx[c * sizes.inner + inner] = T::narrow(0.0));
                    continue;
                }
                let scale = match p.reduction {
                    LossReduction::None => g[item].wide(),
                    LossReduction::Sum => g[0].wide(),
                    LossReduction::Mean => g[0].wide() / total,
                };
                // The target distribution q has (1 - s) w_t at the target and s w_c / C everywhere.
                let at_target = (1.0 - p.label_smoothing) * class_weight(t as usize);
                let mass = at_target + smoothing * all_weights;
                if sizes.inner == 1 {
                    scaled_softmax(&x[start..start + sizes.classes], lse[item], T::narrow(mass * scale), dx);
                } else {
                    for c in 0..sizes.classes {
                        let q = T::narrow((x[start + c * sizes.inner].wide() - lse[item].wide()).exp());
                        dx[c * sizes.inner + inner] = T::narrow(q.wide() * mass * scale);
                    }
                }
                if p.label_smoothing > 0.0 {
                    for c in 0..sizes.classes {
                        let d = &mut dx[c * sizes.inner + inner];
                        *d = T::narrow(d.wide() - smoothing * class_weight(c) * scale);
                    }
                }
                let d = &mut dx[t as usize * sizes.inner + inner];
                *d = T::narrow(d.wide() - at_target * scale);
            }
        }
    });
    Ok(storage)
}

fn strided_log_sum_exp<T: Exp>(x: &[T], start: usize, step: usize, n: usize) -> T {
    let at = |c: usize| x[start + c * step].wide();
    let top = (0..n).map(at).fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        return T::narrow((0..n).map(at).fold(top, |a, b| if b.is_nan() { b } else { a }));
    }
    T::narrow((0..n).map(|c| (at(c) - top).exp()).sum::<f64>().ln() + top)
}

const LANES: usize = 16;

dispatch! {
    /// `log(sum(exp(row)))` without overflow.
    fn log_sum_exp<T: Exp>(row: &[T]) -> T = log_sum_exp_body;
}

#[inline(always)]
fn log_sum_exp_body<T: Exp, const FMA: bool>(row: &[T]) -> T {
    let mut tops = [T::narrow(f64::NEG_INFINITY); LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder();
    for c in chunks.clone() {
        for i in 0..LANES {
            tops[i] = if c[i] > tops[i] { c[i] } else { tops[i] };
        }
    }
    let mut top = tops[0].wide();
    tops[1..].iter().chain(rest).for_each(|t| top = top.max(t.wide()));
    if top.is_infinite() {
        return T::narrow(top);
    }
    let shift = T::narrow(top);
    let mut sums = [T::narrow(0.0); LANES];
    for c in chunks {
        for i in 0..LANES {
            sums[i] = sums[i].plus((c[i].minus(shift)).exp_flushed::<FMA>());
        }
    }
    let mut sum: f64 = sums.iter().map(|s| s.wide()).sum();
    rest.iter().for_each(|x| sum += x.minus(shift).exp::<FMA>().wide());
    T::narrow(sum.ln() + top)
}

dispatch! {
    /// `out = exp(row - lse) * scale`.
    fn scaled_softmax<T: Exp>(row: &[T], lse: T, scale: T, out: &mut [T]) = scaled_softmax_body;
}

#[inline(always)]
fn scaled_softmax_body<T: Exp, const FMA: bool>(row: &[T], lse: T, scale: T, out: &mut [T]) {
    for (o, &x) in out.iter_mut().zip(row) {
        *o = x.minus(lse).exp_flushed::<FMA>().times(scale);
    }
}
