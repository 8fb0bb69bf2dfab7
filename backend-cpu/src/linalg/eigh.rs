//! Eigenvalues of Hermitian matrices: reduced to a real tridiagonal matrix by reflections, that diagonalised by implicit QL steps with Wilkinson's shift
//! (Golub and Van Loan, Matrix Computations, 8.3).

use super::field::{Field, inner, subtract};
use super::qr::{reflect, reflection};

/// Eigenvalues, ascending, and eigenvectors as columns one after the other, of a row-major matrix of which the lower triangle counts. `None` if the
/// steps do not converge: the matrix is not finite.
pub(super) fn eigh<T: Field>(a: &[T], n: usize) -> Option<(Vec<f64>, Vec<T>)> {
    // By columns; a Hermitian matrix as a whole.
    let mut columns = vec![T::ZERO; n * n];
    for i in 0..n {
        for j in 0..=i {
            let x = if i == j { T::of(a[i * n + i].re()) } else { a[i * n + j] };
            columns[j * n + i] = x;
            columns[i * n + j] = x.conj();
        }
    }
    let (mut d, mut e, taus) = tridiagonal(&mut columns, n);
    let mut z = vec![T::ZERO; n * n];
    for j in 0..n {
        z[j * n + j] = T::ONE;
    }
    for (j, &tau) in taus.iter().enumerate().rev() {
        let v = &columns[j * n + j + 2..(j + 1) * n];
        for column in z.chunks_exact_mut(n).skip(j + 1) {
            reflect(&mut column[j + 1..], v, tau);
        }
    }
    diagonalise(&mut d, &mut e, &mut z, n)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| d[i].total_cmp(&d[j]));
    let vectors = order.iter().flat_map(|&j| z[j * n..][..n].iter().copied()).collect();
    Some((order.iter().map(|&j| d[j]).collect(), vectors))
}

/// Reduces to tridiagonal form: diagonal, the elements below it, and the reflections, whose v stand in the columns below these elements.
fn tridiagonal<T: Field>(columns: &mut [T], n: usize) -> (Vec<f64>, Vec<f64>, Vec<T>) {
    let (mut d, mut e, mut taus) = (Vec::with_capacity(n), vec![0.0; n], Vec::with_capacity(n));
    for j in 0..n {
        d.push(columns[j * n + j].re());
        if j + 1 == n {
            break;
        }
        let (left, right) = columns.split_at_mut((j + 1) * n);
        let column = &mut left[j * n + j + 1..];
        let (tau, beta) = reflection(column);
        e[j] = beta.re();
        column[0] = T::ONE;
        let (v, m) = (&*column, n - j - 1);
        if tau != T::ZERO {
            // A <- A - v w^H - w v^H with w = tau A v - 1/2 tau (tau A v)^H v v.
            let part = |c: usize| j + 1 + c * n..(c + 1) * n;
            let mut w = vec![T::ZERO; m];
            for (c, &x) in v.iter().enumerate() {
                subtract(&mut w, -(tau * x), &right[part(c)]);
            }
            let half = (tau * inner(&w, v)).scale(0.5);
            subtract(&mut w, half, v);
            for c in 0..m {
                let column = &mut right[part(c)];
                subtract(column, w[c].conj(), v);
                subtract(column, v[c].conj(), &w);
            }
        }
        taus.push(tau);
    }
    (d, e, taus)
}

/// Rotates two columns.
#[inline]
fn rotate<T: Field>(x: &mut [T], y: &mut [T], c: f64, s: f64) {
    for (x, y) in x.iter_mut().zip(y) {
        let (a, b) = (*x, *y);
        *x = a.scale(c) - b.scale(s);
        *y = a.scale(s) + b.scale(c);
    }
}

fn diagonalise<T: Field>(d: &mut [f64], e: &mut [f64], z: &mut [T], n: usize) -> Option<()> {
    let negligible =
        |d: &[f64], e: &[f64], m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs()) || e[m].abs() < f64::MIN_POSITIVE;
    for l in 0..n {
        let mut steps = 0;
        loop {
            let m = (l..n - 1).find(|&m| negligible(d, e, m)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            steps += 1;
            if steps > 100 {
                return None;
            }
            let ratio = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let root = ratio.hypot(1.0);
            let mut g = d[m] - d[l] + e[l] / (ratio + root.copysign(ratio));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    split = true;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                let t = (d[i] - g) * s + 2.0 * c * b;
                p = s * t;
                d[i + 1] = g + p;
                g = c * t - b;
                let (left, right) = z.split_at_mut((i + 1) * n);
                rotate(&mut left[i * n..], &mut right[..n], c, s);
            }
            if !split {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    d.iter().all(|x| x.is_finite()).then_some(())
}
