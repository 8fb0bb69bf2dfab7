//! Linear algebra on one matrix at a time, the matrices of a batch on all threads.
//!
//! Eliminations and QR are written here, as recursions or blocks whose work is matrix products ([`Field::add_product`]), so that they keep LAPACK's
//! conventions to the letter (pivots, the signs of complex reflections, what happens at a pivot of 0). Eigenvalues and singular values are faer's
//! ([`spectrum`]).

mod cholesky;
mod field;
mod lu;
mod qr;
mod spectrum;
mod triangular;

#[cfg(all(test, feature = "linalg"))]
mod tests;

use std::sync::{Mutex, PoisonError};

use rushlight_backend::op::Linalg;
use rushlight_backend::{Arg, Complex64, Error, Meta, Result, Storages};

use self::field::{Field, Mat, load, store, store_ints, transposed};
use self::spectrum::{Svd, eigh, svd};
use crate::threads::par_for;

/// Up to how many rows and columns a factorisation goes element by element.
const BASE: usize = 16;

/// The results of one matrix: elements of its dtype, real numbers, integers. Which of them an operation has is its own affair.
#[derive(Clone, Default)]
struct Parts<T> {
    first: Vec<T>,
    second: Vec<T>,
    real: Vec<f64>,
    ints: Vec<i32>,
    info: i32,
}

/// Sizes of the matrices: A of m x n, B of n x k.
#[derive(Clone, Copy)]
struct Sizes {
    m: usize,
    n: usize,
    k: usize,
}

pub(crate) fn run(op: &Linalg, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    if inputs[0].dtype().is_complex() { run_in::<Complex64>(op, inputs, outputs) } else { run_in::<f64>(op, inputs, outputs) }
}

fn run_in<T: Field>(op: &Linalg, inputs: &[Arg<'_>], outputs: &[Meta]) -> Result<Storages> {
    let shape = inputs[0].shape();
    let (batch, sizes) = shape.split_at(shape.len() - 2);
    let batch: usize = batch.iter().product();
    let (m, n) = (sizes[0], sizes[1]);
    let a = load::<T>(&inputs[0])?;
    let (mut b, mut tolerances) = (Vec::new(), [Vec::new(), Vec::new()]);
    match op {
        Linalg::Pinv { .. } => tolerances = [load::<f64>(&inputs[1])?, load::<f64>(&inputs[2])?],
        _ if inputs.len() > 1 => b = load::<T>(&inputs[1])?,
        _ => {}
    }
    let k = inputs.get(1).and_then(|b| b.shape().last().copied()).unwrap_or(0);
    let sizes = Sizes { m, n, k };
    let results: Vec<Mutex<Result<Option<Parts<T>>>>> = (0..batch).map(|_| Mutex::new(Ok(None))).collect();
    par_for(batch, |i| {
        let a = &a[i * m * n..][..m * n];
        let parts = match op {
            Linalg::Pinv { hermitian } => pinv(a, sizes, *hermitian, tolerances[0][i], tolerances[1][i]),
            _ => one(op, a, b.get(i * n * k..(i + 1) * n * k).unwrap_or_default(), sizes),
        };
        *results[i].lock().unwrap_or_else(PoisonError::into_inner) = parts;
    });
    let mut all = Parts::<T>::default();
    let mut infos = Vec::with_capacity(batch);
    for result in results {
        let Some(parts) = result.into_inner().unwrap_or_else(PoisonError::into_inner)? else {
            let name = rushlight_backend::Op::from(*op).name();
            return Err(Error::value(name, "did not converge: the matrix has elements that are not finite"));
        };
        all.first.extend(parts.first);
        all.second.extend(parts.second);
        all.real.extend(parts.real);
        all.ints.extend(parts.ints);
        infos.push(parts.info);
    }
    check(op, &infos)?;
    let (first, second) = (|d: usize| store(&all.first, outputs[d].dtype), |d: usize| store(&all.second, outputs[d].dtype));
    let real = |d: usize| store(&all.real, outputs[d].dtype);
    Ok(match op {
        Linalg::Cholesky { .. } | Linalg::Solve { .. } => smallvec::smallvec![first(0)?, store_ints(&infos)?],
        Linalg::Lu { .. } => smallvec::smallvec![first(0)?, store_ints(&all.ints)?, store_ints(&infos)?],
        Linalg::Triangular { .. } | Linalg::Det | Linalg::Pinv { .. } => smallvec::smallvec![first(0)?],
        Linalg::SlogDet => smallvec::smallvec![first(0)?, real(1)?],
        Linalg::Qr { .. } => smallvec::smallvec![first(0)?, second(1)?],
        Linalg::Eigh => smallvec::smallvec![real(0)?, first(1)?],
        Linalg::Svd { .. } => smallvec::smallvec![first(0)?, real(1)?, second(2)?],
    })
}

/// The error that the first matrix with an info is, if one was asked for.
fn check(op: &Linalg, infos: &[i32]) -> Result<()> {
    let Some((i, info)) = infos.iter().enumerate().find(|(_, info)| **info != 0) else { return Ok(()) };
    match op {
        Linalg::Cholesky { check: true, .. } => Err(Error::value(
            "linalg.cholesky",
            format!("matrix {i} of the batch is not positive definite: its leading minor of order {info} is not"),
        )),
        Linalg::Solve { check: true } => {
            Err(Error::value("linalg.solve", format!("matrix {i} of the batch is singular: its pivot {info} is 0")))
        }
        _ => Ok(()),
    }
}

/// A place counted from 1; 0 if there is none.
fn counted(place: Option<usize>) -> i32 {
    place.map_or(0, |p| p as i32 + 1)
}

/// One matrix; `None` if an iteration did not converge.
fn one<T: Field>(op: &Linalg, a: &[T], b: &[T], Sizes { m, n, k }: Sizes) -> Result<Option<Parts<T>>> {
    let mut parts = Parts::default();
    match op {
        Linalg::Cholesky { upper, .. } => {
            let mut l = if *upper { transposed(a, n, n).into_iter().map(T::conj).collect() } else { a.to_vec() };
            parts.info = cholesky::cholesky(&mut l, n)?.map_or(0, |order| order as i32);
            parts.first = l;
        }
        Linalg::Triangular { upper, unit } => {
            let mut x = b.to_vec();
            triangular::triangular(Mat { data: a, step: n }, n, &mut x, k, *upper, *unit)?;
            parts.first = x;
        }
        Linalg::Lu { pivot } => {
            let mut f = a.to_vec();
            let lu::Lu { pivots, singular } = lu::lu(&mut f, m, n, *pivot)?;
            parts.ints = pivots.into_iter().map(|p| p as i32 + 1).collect();
            parts.info = counted(singular);
            parts.first = f;
        }
        Linalg::Solve { .. } => {
            let mut x = b.to_vec();
            parts.info = counted(lu::solve(&mut a.to_vec(), n, &mut x, k)?);
            parts.first = x;
        }
        Linalg::Det => parts.first.push(lu::determinant(&mut a.to_vec(), n)?.2),
        Linalg::SlogDet => {
            let (sign, log, _) = lu::determinant(&mut a.to_vec(), n)?;
            parts.first.push(sign);
            parts.real.push(log);
        }
        Linalg::Qr { complete } => {
            let q = if *complete { m } else { m.min(n) };
            let mut columns = transposed(a, m, n);
            let taus = qr::factor(&mut columns, m, n)?;
            parts.first = transposed(&qr::product(&columns, m, &taus, q)?, q, m);
            let mut r = transposed(&columns, n, m);
            r.truncate(q * n);
            for (i, row) in r.chunks_exact_mut(n.max(1)).enumerate() {
                row[..i.min(n)].fill(T::ZERO);
            }
            parts.second = r;
        }
        Linalg::Eigh => {
            let Some((w, v)) = eigh(a, n)? else { return Ok(None) };
            parts.real = w;
            parts.first = transposed(&v, n, n);
        }
        Linalg::Svd { full } => {
            let Some(Svd { u, s, v }) = svd(a, m, n, *full)? else { return Ok(None) };
            let columns = if *full { m } else { m.min(n) };
            parts.first = transposed(&u, columns, m);
            parts.real = s;
            parts.second = v.into_iter().map(T::conj).collect();
        }
        Linalg::Pinv { .. } => return Ok(None),
    }
    Ok(Some(parts))
}

/// `V diag(1 / S) U^H` over the singular values that count.
fn pinv<T: Field>(a: &[T], Sizes { m, n, .. }: Sizes, hermitian: bool, atol: f64, rtol: f64) -> Result<Option<Parts<T>>> {
    let found = if hermitian { eigh(a, n)?.map(|(s, v)| Svd { u: v.clone(), s, v }) } else { svd(a, m, n, false)? };
    let Some(Svd { u, s, v }) = found else { return Ok(None) };
    let largest = s.iter().fold(0.0f64, |l, s| l.max(s.abs()));
    let cut = atol.max(rtol * largest);
    let uh: Vec<T> = u.into_iter().map(T::conj).collect();
    let mut scaled = transposed(&v, s.len(), n);
    for row in scaled.chunks_exact_mut(s.len().max(1)) {
        for (x, s) in row.iter_mut().zip(&s) {
            *x = if s.abs() > cut { x.scale(1.0 / s) } else { T::ZERO };
        }
    }
    let mut out = vec![T::ZERO; n * m];
    T::add_product(&mut out, m, Mat { data: &scaled, step: s.len() }, Mat { data: &uh, step: m }, n, m, s.len())?;
    Ok(Some(Parts { first: out, ..Parts::default() }))
}
