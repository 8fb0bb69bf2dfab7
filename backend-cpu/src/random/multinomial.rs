//! Indices drawn with given weights.

use rushlight_backend::{Engine, Error, Result};

use super::{Float, exponential};

/// For each row of `weights` (rows of `categories` numbers, which need not sum to 1), `samples` indices into the row, drawn with
/// these weights. `out` has `samples` elements for each row.
///
/// Without replacement, or for one sample, they are the places of the largest `weight / e`, e exponential, in descending order;
/// with replacement each sample is looked up in the row's running sum.
///
/// # Errors
/// If a weight is negative, infinite or NaN, if a row sums to zero, if there are no categories, or if there are fewer than `samples`
/// and none may come twice. Nothing is drawn then.
pub fn multinomial<T: Float>(
    engine: &mut Engine,
    out: &mut [i64],
    weights: &[T],
    categories: usize,
    samples: usize,
    replacement: bool,
) -> Result<()> {
    if categories == 0 || (!replacement && samples > categories) {
        let message = format!("cannot draw {samples} samples from {categories} categories (replacement: {replacement})");
        return Err(Error::value("multinomial", message));
    }
    for row in weights.chunks(categories) {
        check_row(row)?;
    }
    if samples == 0 {
        return Ok(());
    }
    let rows = weights.chunks(categories).zip(out.chunks_mut(samples));
    if replacement && samples > 1 {
        let mut cumulative = Vec::with_capacity(categories);
        for (row, out) in rows {
            draw_row(engine, row, out, &mut cumulative);
        }
    } else {
        let mut e = vec![T::from_f64(0.0); weights.len()];
        exponential(engine, &mut e, 1.0);
        for ((row, out), e) in rows.zip(e.chunks(categories)) {
            largest(row, e, out);
        }
    }
    Ok(())
}

fn check_row<T: Float>(row: &[T]) -> Result<()> {
    let mut sum = 0.0;
    for w in row.iter().map(|w| w.to_f64()) {
        if !(0.0..f64::INFINITY).contains(&w) {
            return Err(Error::value("multinomial", format!("weights must be finite and not negative, got {w}")));
        }
        sum += w;
    }
    if sum <= 0.0 {
        return Err(Error::value("multinomial", "the weights of a row are all zero"));
    }
    Ok(())
}

/// The places of the `out.len()` largest `row / e`, in descending order, of equals the first first.
fn largest<T: Float>(row: &[T], e: &[T], out: &mut [i64]) {
    // The quotient is rounded to the weights' type. From there on f64 has the same order.
    let mut keyed: Vec<(f64, i64)> =
        row.iter().zip(e).zip(0..).map(|((w, e), i)| (T::from_f64(w.to_f64() / e.to_f64()).to_f64(), i)).collect();
    let order = |a: &(f64, i64), b: &(f64, i64)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if out.len() < keyed.len() {
        keyed.select_nth_unstable_by(out.len(), order);
    }
    keyed.truncate(out.len());
    keyed.sort_unstable_by(order);
    for (o, (_, i)) in out.iter_mut().zip(keyed) {
        *o = i;
    }
}

/// For each sample the first place where the running sum, as a part of the whole, is not below a uniform number.
fn draw_row<T: Float>(engine: &mut Engine, row: &[T], out: &mut [i64], cumulative: &mut Vec<f64>) {
    let mut sum = 0.0;
    cumulative.clear();
    // A sum or quotient of two f32, rounded to f64 and then to f32, is the f32 one: f64 has more than twice the digits.
    cumulative.extend(row.iter().map(|w| {
        sum = T::round_sum(sum + w.to_f64());
        sum
    }));
    for c in &mut *cumulative {
        *c = T::round_sum(*c / sum);
    }
    for o in out {
        let u = engine.uniform53();
        *o = cumulative.partition_point(|&c| c < u) as i64;
    }
}
