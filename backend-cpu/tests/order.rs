//! Kernels of sorting and of scans against naive loops, over random shapes, layouts and dtypes.

mod common;

use std::cmp::Ordering;

use common::{Operand, coordinates, operands, run, run_two};
use proptest::prelude::*;
use rushlight_backend::op::{Rank, Scan, ScanKind, Sort};
use rushlight_backend::{DType, Element, Layout, bf16, f16};

/// Numbers among which equal ones, infinities and NaN occur.
fn few(r: u64) -> f64 {
    match r % 31 {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        _ => (r % 17) as f64 / 2.0 - 4.0,
    }
}

fn number<T: Element>(x: T) -> f64 {
    x.to_scalar().to_f64()
}

/// NaN is the largest.
fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn ranked() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        4 => proptest::collection::vec(1..6usize, 1..4),
        1 => proptest::collection::vec(0..3usize, 1..4),
        2 => (1..4usize, 30.min(common::up_to(700) - 1)..common::up_to(700)).prop_map(|(a, b)| vec![a, b]),
    ]
}

/// An operand and one of its dimensions.
fn scenes<T: Element>(element: impl Fn(u64) -> T + Clone + 'static) -> impl Strategy<Value = (Operand<T>, usize)> {
    (ranked().prop_flat_map(move |s| operands(s, false, element.clone())), any::<prop::sample::Index>()).prop_map(|(x, dim)| {
        let dim = dim.index(x.layout.rank());
        (x, dim)
    })
}

/// The rows along the last dimension.
fn rows<T: Element>(x: &Operand<T>) -> Vec<Vec<f64>> {
    let shape = x.layout.shape();
    let (n, lead) = (shape[shape.len() - 1], &shape[..shape.len() - 1]);
    coordinates(lead).iter().map(|c| (0..n).map(|i| number(x.at(&[c.as_slice(), &[i]].concat()))).collect()).collect()
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

/// The places of a row's elements in order, equal ones as they lie.
fn sorted(row: &[f64], descending: bool) -> Vec<usize> {
    let mut places: Vec<usize> = (0..row.len()).collect();
    places.sort_by(|&a, &b| if descending { order(row[b], row[a]) } else { order(row[a], row[b]) });
    places
}

fn check_sort<T: Element>(x: &Operand<T>, k: usize) {
    let n = *x.layout.shape().last().unwrap();
    let rows = rows(x);
    for descending in [false, true] {
        let (_, values, places) = run_two(Sort::Sort { descending }, x);
        for (r, row) in rows.iter().enumerate() {
            for (i, at) in sorted(row, descending).into_iter().enumerate() {
                assert!(same(number(values[r * n + i]), row[at]), "sort: row {row:?}, element {i}");
                assert_eq!(places[r * n + i], at as i64, "sort: row {row:?}, element {i}");
            }
        }
        let k = k.min(n);
        let (_, values, places) = run_two(Sort::TopK { k, largest: descending }, x);
        for (r, row) in rows.iter().enumerate() {
            let mut seen = vec![false; n];
            for (i, at) in sorted(row, descending).into_iter().take(k).enumerate() {
                let place = places[r * k + i] as usize;
                // Of equal elements any may come; the values and their number are certain.
                assert!(same(number(values[r * k + i]), row[at]) && same(row[place], row[at]), "top {k} of {row:?}, element {i}");
                assert!(!std::mem::replace(&mut seen[place], true), "top {k} of {row:?}: place {place} twice");
            }
        }
    }
    if n == 0 || T::DTYPE == DType::Bool {
        return;
    }
    let k = k.min(n - 1);
    let (_, nth, _) = run_two(Sort::Rank(Rank::Nth(k)), x);
    let (_, median, _) = run_two(Sort::Rank(Rank::Median), x);
    let (_, nanmedian, _) = run_two(Sort::Rank(Rank::NanMedian), x);
    for (r, row) in rows.iter().enumerate() {
        let order = sorted(row, false);
        assert!(same(number(nth[r]), row[order[k]]), "element {k} in order of {row:?}");
        let numbers = row.iter().filter(|v| !v.is_nan()).count();
        let middle = |n: usize| if n == 0 { f64::NAN } else { row[order[(n - 1) / 2]] };
        let wanted = if numbers < n { f64::NAN } else { middle(n) };
        assert!(same(number(median[r]), wanted), "median of {row:?}: {:?}", median[r]);
        assert!(same(number(nanmedian[r]), middle(numbers)), "nanmedian of {row:?}");
    }
}

/// Runs along `dim`: the coordinates of their elements, in the order of the scan.
fn runs(shape: &[usize], dim: usize, reverse: bool) -> Vec<Vec<Vec<usize>>> {
    let mut outer = shape.to_vec();
    outer[dim] = 1;
    let line = |c: Vec<usize>| {
        let mut all: Vec<Vec<usize>> = (0..shape[dim])
            .map(|i| {
                let mut c = c.clone();
                c[dim] = i;
                c
            })
            .collect();
        if reverse {
            all.reverse();
        }
        all
    };
    if shape.contains(&0) { vec![] } else { coordinates(&outer).into_iter().map(line).collect() }
}

fn flat(shape: &[usize], c: &[usize]) -> usize {
    shape.iter().zip(c).fold(0, |f, (n, i)| f * n + i)
}

/// Sums and products against a loop with `f` over elements of the same type.
fn check_scan<T: Element>(x: &Operand<T>, dim: usize, kind: ScanKind, f: impl Fn(f64, f64) -> f64, tolerance: f64) {
    let shape = x.layout.shape();
    for reverse in [false, true] {
        let (_, got) = run::<T>(Scan { kind, dim, reverse }, vec![(x.storage(), &x.layout, T::DTYPE, false)]).unwrap();
        for line in runs(shape, dim, reverse) {
            let mut sum: Option<f64> = None;
            for c in line {
                let v = number(x.at(&c));
                let wanted = sum.map_or(v, |s| f(s, v));
                sum = Some(wanted);
                let got = number(got[flat(shape, &c)]);
                assert!(
                    same(got, wanted) || (got - wanted).abs() <= tolerance * (1.0 + wanted.abs()),
                    "{kind:?} at {c:?}: {got}, wanted {wanted}"
                );
            }
        }
    }
}

fn check_extremes<T: Element>(x: &Operand<T>, dim: usize) {
    let shape = x.layout.shape();
    for (kind, better) in [(ScanKind::Max, Ordering::Greater), (ScanKind::Min, Ordering::Less)] {
        let (_, values, places) = run_two(Scan { kind, dim, reverse: false }, x);
        for line in runs(shape, dim, false) {
            let mut best: Option<usize> = None;
            let at = |i: usize| number(x.at(&line[i]));
            for (i, here) in line.iter().enumerate() {
                // NaN wins, and the last of equals.
                let takes = |b: usize| at(i).is_nan() || (!at(b).is_nan() && (at(i) == at(b) || at(i).partial_cmp(&at(b)) == Some(better)));
                if best.is_none_or(takes) {
                    best = Some(i);
                }
                let b = best.unwrap();
                let here = flat(shape, here);
                assert!(same(number(values[here]), at(b)), "{kind:?} of {:?}", (0..=i).map(at).collect::<Vec<_>>());
                assert_eq!(places[here], b as i64, "{kind:?} of {:?}", (0..=i).map(at).collect::<Vec<_>>());
            }
        }
    }
}

/// Rows of many chunks whose best elements come first, last, everywhere or nowhere.
#[test]
fn top_of_long_rows() {
    let n = if cfg!(miri) { 600 } else { 3000 };
    let rows = (0..n).flat_map(|i| [i as f32, -(i as f32), 1.0, few(common::mix(i as u64)) as f32]);
    let x = Operand { memory: rows.collect(), layout: Layout::contiguous(&[n, 4]).permute(&[1, 0]) };
    for k in [1, 10, 32, 33, 300] {
        check_sort(&x, k);
    }
}

proptest! {
    #![proptest_config(common::config(60))]

    #[test]
    fn sorted_floats((x, _) in scenes(|r| few(r) as f32), (y, _) in scenes(few), k in 0..40usize) {
        check_sort(&x, k);
        check_sort(&y, k);
    }

    #[test]
    fn sorted_halves((x, _) in scenes(|r| f16::from_f64(few(r))), (y, _) in scenes(|r| bf16::from_f64(few(r))), k in 0..40usize) {
        check_sort(&x, k);
        check_sort(&y, k);
    }

    #[test]
    fn sorted_integers(
        (a, _) in scenes(|r| (r % 41) as i64 - 20), (b, _) in scenes(|r| (r >> 7) as i32), (c, _) in scenes(|r| r as i16),
        (d, _) in scenes(|r| r as i8), (e, _) in scenes(|r| r as u8), (f, _) in scenes(|r| r % 2 == 0), k in 0..40usize,
    ) {
        check_sort(&a, k);
        check_sort(&b, k);
        check_sort(&c, k);
        check_sort(&d, k);
        check_sort(&e, k);
        check_sort(&f, k);
    }

    #[test]
    fn scanned_floats((x, dim) in scenes(|r| (r % 1000) as f32 / 500.0 - 1.0), (y, y_dim) in scenes(|r| (r % 1000) as f64 / 500.0 - 1.0)) {
        check_scan(&x, dim, ScanKind::Sum, |s, v| s + v, 1e-4);
        check_scan(&x, dim, ScanKind::Prod, |s, v| s * v, 1e-4);
        check_scan(&y, y_dim, ScanKind::Sum, |s, v| s + v, 1e-12);
        check_scan(&y, y_dim, ScanKind::Prod, |s, v| s * v, 1e-12);
        check_scan(&y, y_dim, ScanKind::LogSumExp, |s, v| s.max(v) + (-(s - v).abs()).exp().ln_1p(), 1e-12);
    }

    #[test]
    fn scanned_integers((x, dim) in scenes(|r| r as i64), (y, y_dim) in scenes(|r| r as u8)) {
        // Sums and products wrap, which f64 does not: a loop of their own.
        for (kind, wide) in [(ScanKind::Sum, false), (ScanKind::Prod, true)] {
            let (_, got) = run::<i64>(Scan { kind, dim, reverse: false }, vec![(x.storage(), &x.layout, DType::I64, false)]).unwrap();
            for line in runs(x.layout.shape(), dim, false) {
                let mut sum = i64::from(wide);
                for c in line {
                    sum = if wide { sum.wrapping_mul(x.at(&c)) } else { sum.wrapping_add(x.at(&c)) };
                    prop_assert_eq!(got[flat(x.layout.shape(), &c)], sum);
                }
            }
            let (_, got) = run::<u8>(Scan { kind, dim: y_dim, reverse: false }, vec![(y.storage(), &y.layout, DType::U8, false)]).unwrap();
            for line in runs(y.layout.shape(), y_dim, false) {
                let mut sum = u8::from(wide);
                for c in line {
                    sum = if wide { sum.wrapping_mul(y.at(&c)) } else { sum.wrapping_add(y.at(&c)) };
                    prop_assert_eq!(got[flat(y.layout.shape(), &c)], sum);
                }
            }
        }
    }

    #[test]
    fn running_extremes(
        (x, x_dim) in scenes(|r| few(r) as f32), (y, y_dim) in scenes(|r| bf16::from_f64(few(r))),
        (a, a_dim) in scenes(|r| (r % 41) as i64 - 20), (b, b_dim) in scenes(|r| r as u8),
    ) {
        check_extremes(&x, x_dim);
        check_extremes(&y, y_dim);
        check_extremes(&a, a_dim);
        check_extremes(&b, b_dim);
    }

    #[test]
    fn recurrences((a, dim) in scenes(|r| (r % 100) as f64 / 100.0), seed in any::<u64>()) {
        let b = Operand::contiguous(a.layout.shape(), (0..coordinates(a.layout.shape()).len() as u64).map(|i| (common::mix(seed ^ i) % 100) as f64).collect());
        let inputs = vec![(a.storage(), &a.layout, DType::F64, false), (b.storage(), &b.layout, DType::F64, false)];
        let (shape, got) = run::<f64>(Scan { kind: ScanKind::Recurrence, dim, reverse: false }, inputs).unwrap();
        for line in runs(&shape, dim, false) {
            let mut y = 0.0;
            for c in line {
                y = a.at(&c) * y + b.at(&c);
                prop_assert!((got[flat(&shape, &c)] - y).abs() <= 1e-12 * (1.0 + y.abs()));
            }
        }
    }
}
