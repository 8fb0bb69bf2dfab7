//! The innermost loops of batch normalisation: over a piece of a row of one channel, whose parameters are numbers; or over some rows of columns, whose
//! parameters are vectors.

use crate::pointwise::exp::Exp;
use crate::simd::dispatch;

const LANES: usize = 32;

/// Two sums over the elements of rows side by side: of what `f` makes of an element of each. (In whole chunks: with an index into each row the compiler
/// checks bounds element by element, and nothing becomes vector code.)
#[inline(always)]
pub(super) fn two_sums<T: Exp, const K: usize>(rows: [&[T]; K], f: impl Fn([T; K]) -> [T; 2]) -> (f64, f64) {
    let (n, zero) = (rows[0].len(), T::narrow(0.0));
    let parts = rows.map(|x| x[..n].as_chunks::<LANES>());
    let (mut sa, mut sb) = ([zero; LANES], [zero; LANES]);
    for c in 0..n / LANES {
        let chunk = parts.map(|p| &p.0[c]);
        for i in 0..LANES {
            let [a, b] = f(std::array::from_fn(|k| chunk[k][i]));
            sa[i] = sa[i].plus(a);
            sb[i] = sb[i].plus(b);
        }
    }
    for i in 0..n % LANES {
        let [a, b] = f(std::array::from_fn(|k| parts[k].1[i]));
        sa[i] = sa[i].plus(a);
        sb[i] = sb[i].plus(b);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            sa[i] = sa[i].plus(sa[i + half]);
            sb[i] = sb[i].plus(sb[i + half]);
        }
        half /= 2;
    }
    (sa[0].wide(), sb[0].wide())
}

#[inline(always)]
fn moments_body<T: Exp, const FMA: bool>(x: &[T], pivot: T) -> (f64, f64) {
    two_sums([x], |[x]| {
        let d = x.minus(pivot);
        [d, d.times(d)]
    })
}

dispatch! {
    /// The sums of the deviations from a pivot and of their squares.
    pub(super) fn moments<T: Exp>(x: &[T], pivot: T) -> (f64, f64) = moments_body;
}

#[inline(always)]
fn products_body<T: Exp, const FMA: bool>(g: &[T], x: &[T], mean: T) -> (f64, f64) {
    two_sums([g, x], |[g, x]| [g, g.times(x.minus(mean))])
}

dispatch! {
    /// The sums of g and of `g * (x - mean)`.
    pub(super) fn products<T: Exp>(g: &[T], x: &[T], mean: T) -> (f64, f64) = products_body;
}

#[inline(always)]
fn affine_body<T: Exp, const FMA: bool>(x: &[T], mean: T, scale: T, shift: T, out: &mut [T]) {
    for (o, &x) in out.iter_mut().zip(x) {
        *o = x.minus(mean).times(scale).plus(shift);
    }
}

dispatch! {
    /// `(x - mean) * scale + shift`.
    pub(super) fn affine<T: Exp>(x: &[T], mean: T, scale: T, shift: T, out: &mut [T]) = affine_body;
}

#[inline(always)]
fn gradient_body<T: Exp, const FMA: bool>(g: &[T], x: &[T], mean: T, abc: [T; 3], out: &mut [T]) {
    let [a, b, c] = abc;
    for ((o, &g), &x) in out.iter_mut().zip(g).zip(x) {
        *o = g.times(a).minus(x.minus(mean).times(b)).minus(c);
    }
}

dispatch! {
    /// `g * a - (x - mean) * b - c`.
    pub(super) fn gradient<T: Exp>(g: &[T], x: &[T], mean: T, abc: [T; 3], out: &mut [T]) = gradient_body;
}

#[inline(always)]
fn moments_columns_body<T: Exp, const FMA: bool>(x: &[T], step: usize, n: usize, pivot: &[T], d: &mut [T], squares: &mut [T]) {
    let width = pivot.len();
    let (d, squares) = (&mut d[..width], &mut squares[..width]);
    for i in 0..n {
        let x = &x[i * step..][..width];
        for j in 0..width {
            let e = x[j].minus(pivot[j]);
            d[j] = d[j].plus(e);
            squares[j] = squares[j].plus(e.times(e));
        }
    }
}

dispatch! {
    /// As `moments`, for `n` rows `step` apart, added to what is there.
    pub(super) fn moments_columns<T: Exp>(x: &[T], step: usize, n: usize, pivot: &[T], d: &mut [T], squares: &mut [T]) = moments_columns_body;
}

#[inline(always)]
fn products_columns_body<T: Exp, const FMA: bool>(g: &[T], x: &[T], step: usize, n: usize, mean: &[T], sums: &mut [T], products: &mut [T]) {
    let width = mean.len();
    let (sums, products) = (&mut sums[..width], &mut products[..width]);
    for i in 0..n {
        let (g, x) = (&g[i * step..][..width], &x[i * step..][..width]);
        for j in 0..width {
            sums[j] = sums[j].plus(g[j]);
            products[j] = products[j].plus(g[j].times(x[j].minus(mean[j])));
        }
    }
}

dispatch! {
    /// As `products`, for `n` rows `step` apart, added to what is there.
    pub(super) fn products_columns<T: Exp>(g: &[T], x: &[T], step: usize, n: usize, mean: &[T], sums: &mut [T], products: &mut [T])
        = products_columns_body;
}

#[inline(always)]
fn affine_columns_body<T: Exp, const FMA: bool>(x: &[T], mean: &[T], scale: &[T], shift: &[T], out: &mut [T]) {
    let n = out.len();
    let (x, mean, scale, shift) = (&x[..n], &mean[..n], &scale[..n], &shift[..n]);
    for j in 0..n {
        out[j] = x[j].minus(mean[j]).times(scale[j]).plus(shift[j]);
    }
}

dispatch! {
    /// As `affine`, for one row of columns.
    pub(super) fn affine_columns<T: Exp>(x: &[T], mean: &[T], scale: &[T], shift: &[T], out: &mut [T]) = affine_columns_body;
}

#[inline(always)]
fn gradient_columns_body<T: Exp, const FMA: bool>(g: &[T], x: &[T], mean: &[T], a: &[T], b: &[T], c: &[T], out: &mut [T]) {
    let n = out.len();
    let (g, x, mean, a, b, c) = (&g[..n], &x[..n], &mean[..n], &a[..n], &b[..n], &c[..n]);
    for j in 0..n {
        out[j] = g[j].times(a[j]).minus(x[j].minus(mean[j]).times(b[j])).minus(c[j]);
    }
}

dispatch! {
    /// As `gradient`, for one row of columns.
    pub(super) fn gradient_columns<T: Exp>(g: &[T], x: &[T], mean: &[T], a: &[T], b: &[T], c: &[T], out: &mut [T]) = gradient_columns_body;
}
