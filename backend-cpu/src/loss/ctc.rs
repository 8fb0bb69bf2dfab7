//! The CTC loss: the forward and backward recursions over the labels with blanks between them (Graves et al., 2006), in logarithms and in f64.

use rushlight_backend::{Arg, Error, Meta, Result, Storage, Storages};

use super::Rows;
use crate::buffer::{alloc, typed_mut};
use crate::pointwise::exp::Exp;
use crate::threads::par_for;
use crate::walk::Shared;

const NEVER: f64 = f64::NEG_INFINITY;

/// The inputs of the loss, checked.
struct Problem<'a, T> {
    x: &'a [T],
    labels: &'a [i64],
    times: &'a [i64],
    lengths: &'a [i64],
    /// Time steps, items, classes, labels of a row.
    sizes: [usize; 4],
    blank: usize,
}

/// The logarithm of a sum of exponentials.
fn log_add(a: f64, b: f64) -> f64 {
    let top = a.max(b);
    if top == NEVER { NEVER } else { top + ((a - top).exp() + (b - top).exp()).ln() }
}

impl<'a, T: Exp> Problem<'a, T> {
    fn new(rows: &'a [Rows], args: &'a [Arg<'_>], blank: usize) -> Result<Problem<'a, T>> {
        let [time, n, classes] = [0, 1, 2].map(|d| args[0].shape()[d]);
        let longest = args[1].shape()[1];
        let (labels, times) = (rows[1].values::<i64>(&args[1])?, rows[2].values::<i64>(&args[2])?);
        let lengths = rows[3].values::<i64>(&args[3])?;
        let bad = |what: &str, got: i64, limit: usize| Err(Error::value("ctc_loss", format!("{what} {got} is not in 0 to {limit}")));
        for i in 0..n {
            if times[i] < 0 || times[i] > time as i64 {
                return bad("the input length", times[i], time);
            }
            if lengths[i] < 0 || lengths[i] > longest as i64 {
                return bad("the label length", lengths[i], longest);
            }
            let own = &labels[i * longest..][..lengths[i] as usize];
            if let Some(&l) = own.iter().find(|&&l| l < 0 || l >= classes as i64) {
                return bad("the label", l, classes.saturating_sub(1));
            }
        }
        Ok(Problem { x: rows[0].values::<T>(&args[0])?, labels, times, lengths, sizes: [time, n, classes, longest], blank })
    }

    /// The log-probability of a class.
    fn log_p(&self, t: usize, item: usize, class: usize) -> f64 {
        let [_, n, classes, _] = self.sizes;
        self.x[(t * n + item) * classes + class].wide()
    }

    /// The number of time steps and of states (labels and blanks) of an item.
    fn extent(&self, item: usize) -> (usize, usize) {
        (self.times[item] as usize, 2 * self.lengths[item] as usize + 1)
    }

    /// The class of a state: even ones are blanks.
    fn class(&self, item: usize, state: usize) -> usize {
        if state.is_multiple_of(2) { self.blank } else { self.labels[item * self.sizes[3] + state / 2] as usize }
    }

    /// Whether a path may go from a state to the next but one: between different labels.
    fn skips(&self, item: usize, state: usize) -> bool {
        state % 2 == 1 && self.class(item, state) != self.class(item, state + 2)
    }

    /// Fills the log-probabilities of all prefixes, `[time, states]`, and gives the loss.
    fn forward(&self, item: usize, alpha: &mut [T]) -> f64 {
        let ((time, states), width) = (self.extent(item), 2 * self.sizes[3] + 1);
        alpha.fill(T::narrow(NEVER));
        if time == 0 {
            return if states == 1 { 0.0 } else { f64::INFINITY };
        }
        for (s, first) in alpha.iter_mut().enumerate().take(states.min(2)) {
            *first = T::narrow(self.log_p(0, item, self.class(item, s)));
        }
        for t in 1..time {
            let (before, now) = alpha.split_at_mut(t * width);
            let before = &before[(t - 1) * width..];
            for s in 0..states {
                let mut sum = before[s].wide();
                if s >= 1 {
                    sum = log_add(sum, before[s - 1].wide());
                }
                if s >= 2 && self.skips(item, s - 2) {
                    sum = log_add(sum, before[s - 2].wide());
                }
                now[s] = T::narrow(sum + self.log_p(t, item, self.class(item, s)));
            }
        }
        let last = &alpha[(time - 1) * width..];
        let end = last[states - 1].wide();
        -if states > 1 { log_add(end, last[states - 2].wide()) } else { end }
    }

    /// Calls `f(t, log of the sum over the paths through each class)` for every time step.
    fn through_classes(&self, item: usize, alpha: &[T], mut f: impl FnMut(usize, &[f64])) {
        let ((time, states), width) = (self.extent(item), 2 * self.sizes[3] + 1);
        let mut beta = vec![NEVER; states];
        let mut by_class = vec![NEVER; self.sizes[2]];
        for t in (0..time).rev() {
            let after = std::mem::replace(&mut beta, vec![NEVER; states]);
            by_class.fill(NEVER);
            for s in 0..states {
                let mut sum = if t + 1 == time { if s + 2 >= states { 0.0 } else { NEVER } } else { after[s] };
                if t + 1 < time && s + 1 < states {
                    sum = log_add(sum, after[s + 1]);
                }
                if t + 1 < time && s + 2 < states && self.skips(item, s) {
                    sum = log_add(sum, after[s + 2]);
                }
                let class = self.class(item, s);
                beta[s] = sum + self.log_p(t, item, class);
                by_class[class] = log_add(by_class[class], alpha[t * width + s].wide() + beta[s]);
            }
            f(t, &by_class);
        }
    }
}

pub(super) fn forward<T: Exp>(blank: usize, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    let rows: Vec<Rows> = inputs.iter().map(Rows::of).collect::<Result<_>>()?;
    let problem = Problem::<T>::new(&rows, inputs, blank)?;
    let (mut loss, mut alpha) = (alloc::<T>(&outputs[0].shape)?, alloc::<T>(&outputs[1].shape)?);
    let each = outputs[1].shape[1] * outputs[1].shape[2];
    let (losses, alphas) = (Shared(typed_mut::<T>(&mut loss).as_mut_ptr()), Shared(typed_mut::<T>(&mut alpha).as_mut_ptr()));
    par_for(problem.sizes[1], |item| {
        let (losses, alphas) = (&losses, &alphas);
        // SAFETY: every item has its own part of both results, and their shapes say that it lies inside.
        unsafe {
            let alpha = std::slice::from_raw_parts_mut(alphas.0.add(item * each), each);
            *losses.0.add(item) = T::narrow(problem.forward(item, alpha));
        }
    });
    Ok(smallvec::smallvec![Storage::new(loss), Storage::new(alpha)])
}

pub(super) fn backward<T: Exp>(blank: usize, zero_infinity: bool, inputs: &[Arg<'_>], out: &Meta) -> Result<Storages> {
    let rows: Vec<Rows> = inputs.iter().map(Rows::of).collect::<Result<_>>()?;
    let (g, loss) = (rows[0].values::<T>(&inputs[0])?, rows[1].values::<T>(&inputs[1])?);
    let alpha = rows[2].values::<T>(&inputs[2])?;
    let problem = Problem::<T>::new(&rows[3..], &inputs[3..], blank)?;
    let [time, n, classes, longest] = problem.sizes;
    let each = time * (2 * longest + 1);
    let mut dx = alloc::<T>(&out.shape)?;
    typed_mut::<T>(&mut dx).fill(T::narrow(0.0));
    let shared = Shared(typed_mut::<T>(&mut dx).as_mut_ptr());
    par_for(n, |item| {
        let (shared, loss, g) = (&shared, loss[item].wide(), g[item].wide());
        if zero_infinity && loss == f64::INFINITY {
            return;
        }
        problem.through_classes(item, &alpha[item * each..][..each], |t, by_class| {
            // SAFETY: the item's own row of each time step, inside of the result.
            let dx = unsafe { std::slice::from_raw_parts_mut(shared.0.add((t * n + item) * classes), classes) };
            for (class, (dx, through)) in dx.iter_mut().zip(by_class).enumerate() {
                let log_p = problem.log_p(t, item, class);
                *dx = T::narrow((log_p.exp() - (through + loss - log_p).exp()) * g);
            }
        });
    });
    Ok(smallvec::smallvec![Storage::new(dx)])
}
