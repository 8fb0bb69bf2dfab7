//! Factorisations multiplied together again give the matrix, real and complex.

use rushlight_backend::Complex64;

use super::field::{Field, transposed};
use super::spectrum::{Svd, eigh, svd};
use super::{cholesky, lu, qr};

/// Numbers that look random, from a linear congruence.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

trait Random: Field {
    fn random(numbers: &mut Numbers) -> Self;
}

impl Random for f64 {
    fn random(numbers: &mut Numbers) -> f64 {
        numbers.next()
    }
}

impl Random for Complex64 {
    fn random(numbers: &mut Numbers) -> Complex64 {
        Complex64::new(numbers.next(), numbers.next())
    }
}

fn matrix<T: Random>(m: usize, n: usize, seed: u64) -> Vec<T> {
    let mut numbers = Numbers(seed);
    (0..m * n).map(|_| T::random(&mut numbers)).collect()
}

fn product<T: Field>(a: &[T], b: &[T], m: usize, k: usize, n: usize) -> Vec<T> {
    let at = |i: usize, j: usize| (0..k).fold(T::ZERO, |s, l| s + a[i * k + l] * b[l * n + j]);
    (0..m * n).map(|p| at(p / n, p % n)).collect()
}

fn adjoint<T: Field>(a: &[T], m: usize, n: usize) -> Vec<T> {
    transposed(a, m, n).into_iter().map(T::conj).collect()
}

fn done<R>(result: rushlight_backend::Result<R>) -> R {
    result.unwrap_or_else(|e| panic!("{e}"))
}

fn close<T: Field>(a: &[T], b: &[T]) {
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(b) {
        assert!((*x - *y).abs() < 1e-10, "{x:?} and {y:?}");
    }
}

fn unit<T: Field>(n: usize) -> Vec<T> {
    (0..n * n).map(|p| if p / n == p % n { T::ONE } else { T::ZERO }).collect()
}

fn all<T: Random>() {
    for (m, n) in [(1, 1), (5, 5), (7, 4), (4, 7), (9, 1), (1, 9), (33, 33), (17, 70), (70, 37), (150, 130)] {
        let a = matrix::<T>(m, n, (m * 100 + n) as u64);
        let mut columns = transposed(&a, m, n);
        let taus = done(qr::factor(&mut columns, m, n));
        let q = transposed(&done(qr::product(&columns, m, &taus, m)), m, m);
        let r: Vec<T> = (0..m * n).map(|p| if p / n <= p % n { columns[(p % n) * m + p / n] } else { T::ZERO }).collect();
        close(&product(&q, &r, m, m, n), &a);
        close(&product(&adjoint(&q, m, m), &q, m, m, m), &unit(m));

        let Some(Svd { u, s, v }) = done(svd(&a, m, n, true)) else { panic!("no singular values") };
        let sigma: Vec<T> = (0..m * n).map(|p| if p / n == p % n { T::of(s[p / n]) } else { T::ZERO }).collect();
        let (u, vh): (Vec<T>, Vec<T>) = (transposed(&u, m, m), v.into_iter().map(T::conj).collect());
        close(&product(&product(&u, &sigma, m, m, n), &vh, m, n, n), &a);
        close(&product(&adjoint(&u, m, m), &u, m, m, m), &unit(m));
        close(&product(&vh, &adjoint(&vh, n, n), n, n, n), &unit(n));
        assert!(s.windows(2).all(|p| p[0] >= p[1]));

        let square = product(&adjoint(&a, m, n), &a, n, m, n);
        let Some((w, v)) = done(eigh(&square, n)) else { panic!("no eigenvalues") };
        let (v, d) = (transposed(&v, n, n), (0..n * n).map(|p| if p / n == p % n { T::of(w[p / n]) } else { T::ZERO }).collect::<Vec<T>>());
        close(&product(&product(&v, &d, n, n, n), &adjoint(&v, n, n), n, n, n), &square);
        assert!(w.windows(2).all(|p| p[0] <= p[1]));

        let definite: Vec<T> = square.iter().zip(unit::<T>(n)).map(|(&x, e)| x + e).collect();
        let mut l = definite.clone();
        assert_eq!(done(cholesky::cholesky(&mut l, n)), None);
        close(&product(&l, &adjoint(&l, n, n), n, n, n), &definite);
        // So many right-hand sides that they are shared out.
        let b = matrix::<T>(n, 150, 7);
        let mut x = b.clone();
        assert_eq!(done(lu::solve(&mut definite.clone(), n, &mut x, 150)), None);
        close(&product(&definite, &x, n, n, 150), &b);

        let mut f = a.clone();
        let found = done(lu::lu(&mut f, m, n, true));
        let mut permuted = a.clone();
        for (i, &p) in found.pivots.iter().enumerate() {
            (0..n).for_each(|j| permuted.swap(i * n + j, p * n + j));
        }
        let k = m.min(n);
        let below = |i: usize, j: usize| if i > j { f[i * n + j] } else { T::of(f64::from(u8::from(i == j))) };
        let l: Vec<T> = (0..m * k).map(|p| below(p / k, p % k)).collect();
        assert!((0..m).all(|i| (0..k.min(i)).all(|j| f[i * n + j].re().abs() + f[i * n + j].im().abs() <= 2.0 + 1e-12)));
        let r: Vec<T> = (0..k * n).map(|p| if p / n <= p % n { f[p] } else { T::ZERO }).collect();
        close(&product(&l, &r, m, k, n), &permuted);
    }
}

#[test]
fn real() {
    all::<f64>();
}

#[test]
fn complex() {
    all::<Complex64>();
}

/// A matrix of rank 1: the other singular values are 0, and the vectors are orthonormal nevertheless.
#[test]
fn rank_one() {
    let a: Vec<f64> = (0..20).map(|p| ((p / 4 + 1) * (p % 4 + 1)) as f64).collect();
    let Some(Svd { u, s, v }) = done(svd(&a, 5, 4, true)) else { panic!("no singular values") };
    assert!(s[0] > 1.0 && s[1..].iter().all(|s| s.abs() < 1e-12));
    let (u, v) = (transposed(&u, 5, 5), transposed(&v, 4, 4));
    close(&product(&adjoint(&u, 5, 5), &u, 5, 5, 5), &unit(5));
    close(&product(&adjoint(&v, 4, 4), &v, 4, 4, 4), &unit(4));
}

/// A pivot of 0 in the middle of a large matrix: the elimination goes on, and says where it was.
#[test]
fn singular() {
    let n = 70;
    let mut a = matrix::<f64>(n, n, 5);
    (0..n).for_each(|i| a[i * n + 41] = 0.0);
    let found = done(lu::lu(&mut a, n, n, true));
    assert!(found.singular == Some(41) && a.iter().all(|x| x.is_finite()));
    let mut square = unit::<f64>(n);
    square[50 * n + 50] = -1.0;
    assert_eq!(done(cholesky::cholesky(&mut square, n)), Some(51));
}

/// Of equal numbers the first is the pivot.
#[test]
fn equal_pivots() {
    let n = 40;
    let mut a: Vec<f64> = (0..n * n).map(|p| f64::from(u8::from(p / n >= p % n))).collect();
    let found = done(lu::lu(&mut a, n, n, true));
    assert_eq!(found.pivots, (0..n).collect::<Vec<_>>());
}
