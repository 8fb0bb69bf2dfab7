//! Against the plain triple loop, in numbers for which every order of summation gives the same bits.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::threads::set_num_threads;

/// A matrix somewhere in a memory full of whole numbers from -8 to 7: place of `[0, 0]`, steps of rows and columns.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    strides: (isize, isize),
}

/// Memory and place for a rows x columns matrix: `order` 0 and 1 row-major and column-major, dense; 2 and 3 with a gap, the latter backwards;
/// 4 columns backwards; 5 one row that stands for all; 6 each element apart.
fn place(rows: usize, columns: usize, order: u8) -> (usize, Place) {
    let (r, c) = (rows.max(1), columns.max(1));
    let (size, start, strides) = match order {
        0 => (r * c, 0, (c as isize, 1)),
        1 => (r * c, 0, (1, r as isize)),
        2 => (r * (c + 3) + 5, 5, (c as isize + 3, 1)),
        3 => (r * (c + 3), (r - 1) * (c + 3), (-(c as isize + 3), 1)),
        4 => (r * c, c - 1, (c as isize, -1)),
        5 => (c, 0, (0, 1)),
        _ => (r * c * 6, 1, (2 * 3 * c as isize, 3)),
    };
    (size, Place { start, strides })
}

fn values<T: Copy>(n: usize, seed: u64, of: fn(i8) -> T) -> Vec<T> {
    let mut s = seed;
    let mut next = || {
        s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        of((s >> 60) as i8 - 8)
    };
    (0..n).map(|_| next()).collect()
}

#[derive(Clone, Copy, Debug)]
struct Case {
    m: usize,
    n: usize,
    k: usize,
    orders: (u8, u8, u8),
    accumulate: bool,
    bias: u8,
    relu: bool,
    /// Through `gemm` even where `product` has a shorter way.
    packed: bool,
}

/// Runs a product of slices, after a look whether they hold all that the steps reach.
fn multiply<T: Number>(case: &Case, a: (&[T], Place), b: (&[T], Place), c: (&mut [T], Place), bias: &[T]) {
    let Case { m, n, k, .. } = *case;
    let strided = |(data, p): (_, Place), flip: bool| {
        let (line_step, k_step) = if flip { (p.strides.1, p.strides.0) } else { p.strides };
        Strided { data, start: p.start, line_step, k_step }
    };
    let reach = |i: usize, j: usize| c.1.start as isize + i as isize * c.1.strides.0 + j as isize * c.1.strides.1;
    if m > 0 && n > 0 {
        assert!([(0, 0), (m - 1, 0), (0, n - 1), (m - 1, n - 1)].iter().all(|&(i, j)| (0..c.0.len() as isize).contains(&reach(i, j))));
    }
    let bias = match case.bias {
        0 => Bias::None,
        1 => Bias::Rows(bias),
        _ => Bias::Columns(bias),
    };
    let data = c.0.as_mut_ptr().wrapping_add(c.1.start);
    let out = Output { data, strides: c.1.strides, accumulate: case.accumulate, bias, relu: case.relu };
    let (a, b) = (strided(a, false), strided(b, true));
    // SAFETY: all corners lie in the slice, so all elements do; no order of an output puts two in one place.
    unsafe { if case.packed { gemm(m, n, k, &a, &b, out).unwrap() } else { product(m, n, k, a, b, out).unwrap() } }
}

fn check<T: Number>(case: Case, of: fn(i8) -> T) {
    let Case { m, n, k, .. } = case;
    let ((size_a, pa), (size_b, pb), (size_c, pc)) = (place(m, k, case.orders.0), place(k, n, case.orders.1), place(m, n, case.orders.2));
    let (a, b) = (values(size_a, 1, of), values(size_b, 2, of));
    let bias = values(m.max(n), 3, of);
    let mut c = values(size_c, 4, of);
    let mut wanted = c.clone();
    let at = |p: Place, i: usize, j: usize| (p.start as isize + i as isize * p.strides.0 + j as isize * p.strides.1) as usize;
    for i in 0..m {
        for j in 0..n {
            let c = &mut wanted[at(pc, i, j)];
            let mut sum = if case.accumulate { *c } else { T::default() };
            for p in 0..k {
                sum = sum.plus(a[at(pa, i, p)].times(b[at(pb, p, j)]));
            }
            match case.bias {
                0 => {}
                1 => sum = sum.plus(bias[i]),
                _ => sum = sum.plus(bias[j]),
            }
            *c = if case.relu { sum.relu() } else { sum };
        }
    }
    multiply(&case, (&a, pa), (&b, pb), (&mut c, pc), &bias);
    assert!(c == wanted, "{case:?} of {}", std::any::type_name::<T>());
}

/// Every type, in turn.
fn check_type(which: u8, case: Case) {
    match which {
        0 => check::<f32>(case, f32::from),
        1 => check::<f64>(case, f64::from),
        2 => check::<i64>(case, i64::from),
        3 => check::<i32>(case, i32::from),
        4 => check::<i16>(case, i16::from),
        5 => check::<i8>(case, |x| x),
        _ => check::<u8>(case, |x| x as u8),
    }
}

#[test]
fn equals_the_triple_loop() {
    let size = || prop_oneof![0usize..20, 1usize..140, Just(1), Just(8)];
    let sizes = (size(), size(), prop_oneof![0usize..70, 1usize..700]);
    let orders = (0u8..7, 0u8..7, prop_oneof![0u8..5, Just(6)]);
    let rest = (any::<bool>(), 0u8..3, any::<bool>(), any::<bool>(), prop_oneof![Just(0u8), 0u8..7]);
    let cases = (sizes, orders, rest);
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    runner
        .run(&cases, |((m, n, k), orders, (accumulate, bias, relu, packed, which))| {
            check_type(which, Case { m, n, k, orders, accumulate, bias, relu, packed });
            Ok(())
        })
        .unwrap();
}

#[test]
fn sizes_beyond_one_block() {
    let case = |m, n, k, orders| Case { m, n, k, orders, accumulate: true, bias: 2, relu: false, packed: true };
    for orders in [(0, 0, 0), (1, 1, 0), (0, 1, 1)] {
        check::<f32>(case(OUTER + 52, 20, 5, orders), f32::from);
        check::<f32>(case(20, OUTER + 55, 5, orders), f32::from);
        check::<f64>(case(OUTER + 9, OUTER + 9, 3, orders), f64::from);
        // Longer than what is packed at a time.
        check::<f64>(case(12, 300, 5000, orders), f64::from);
        check::<f32>(case(3, 40, 70000, orders), f32::from);
    }
}

#[test]
fn batches_equal_single_products() {
    for (batch, m, n, k) in [(2, 30, 40, 50), (7, 5, 33, 20), (40, 1, 6, 9), (6, 70, 64, 64), (3, 0, 4, 4)] {
        let (a, b) = (values(batch * m * k, 1, f32::from), values(k * n, 2, f32::from));
        let left = Strided { data: &a[..], start: 0, line_step: k as isize, k_step: 1 };
        let right = Strided { data: &b[..], start: 0, line_step: 1, k_step: n as isize };
        let run = |together: bool| {
            let mut c = vec![0.0f32; batch * m * n];
            let out = Output { data: c.as_mut_ptr(), strides: (n as isize, 1), accumulate: false, bias: Bias::None, relu: false };
            let starts = |i: usize| (i * m * k, 0, (i * m * n) as isize);
            if together {
                // SAFETY: each product has its own part of `c`.
                unsafe { batched(batch, m, n, k, left, right, out, starts).unwrap() };
            } else {
                for i in 0..batch {
                    let left = Strided { start: i * m * k, ..left };
                    // SAFETY: as above.
                    unsafe { product(m, n, k, left, right, Output { data: out.data.add(i * m * n), ..out }).unwrap() };
                }
            }
            c
        };
        assert_eq!(run(true), run(false));
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    for (m, n, k) in [(150, 170, 700), (5, 300, 900), (1, 3000, 90), (64, 10, 2000)] {
        let (a, b): (Vec<f32>, Vec<f32>) = ((0..m * k).map(|i| (i as f32).sin()).collect(), (0..k * n).map(|i| (i as f32).cos()).collect());
        for transposed in [false, true] {
            let (line_step, k_step) = if transposed { (k as isize, 1) } else { (1, n as isize) };
            let run = |threads| {
                set_num_threads(threads);
                let mut c = vec![0.0f32; m * n];
                let left = Strided { data: &a, start: 0, line_step: k as isize, k_step: 1 };
                let right = Strided { data: &b, start: 0, line_step, k_step };
                let out = Output { data: c.as_mut_ptr(), strides: (n as isize, 1), accumulate: false, bias: Bias::None, relu: false };
                // SAFETY: the vectors have the sizes that the strides reach.
                unsafe { product(m, n, k, left, right, out).unwrap() };
                c
            };
            let results = [1, 2, 3].map(run);
            assert!(results.iter().all(|r| *r == results[0]));
            // And close to the sum in double precision.
            for (i, j) in [(0, 0), (m - 1, n - 1), (m / 2, n / 3)] {
                let b = |p: usize| b[(j as isize * line_step + p as isize * k_step) as usize];
                let exact: f64 = (0..k).map(|p| f64::from(a[i * k + p]) * f64::from(b(p))).sum();
                assert!((f64::from(results[0][i * n + j]) - exact).abs() < 2e-4);
            }
        }
    }
}

/// An element's bits are the same in whatever tile it lies: alone in its panel, at an edge, in the middle.
#[test]
fn the_same_bits_in_any_tile() {
    let (m, n, k) = (40, 90, 1100);
    let (a, b): (Vec<f32>, Vec<f32>) = ((0..m * k).map(|i| (i as f32).sin()).collect(), (0..k * n).map(|i| (i as f32).cos()).collect());
    let run = |m: usize, columns: usize| {
        let mut c = vec![0.0f32; m * columns];
        let left = Strided { data: &a, start: 0, line_step: k as isize, k_step: 1 };
        let right = Strided { data: &b, start: 0, line_step: 1, k_step: n as isize };
        let out = Output { data: c.as_mut_ptr(), strides: (columns as isize, 1), accumulate: false, bias: Bias::None, relu: false };
        // SAFETY: the vectors have the sizes that the strides reach.
        unsafe { gemm(m, columns, k, &left, &right, out).unwrap() };
        c
    };
    let whole = run(m, n);
    for (rows, columns) in [(1, 1), (9, 17), (13, 33), (37, 89)] {
        let part = run(rows, columns);
        for i in 0..rows {
            assert_eq!(part[i * columns..][..columns], whole[i * n..][..columns]);
        }
    }
}

/// Runs the other tests once more at the lower levels, which a process chooses once.
#[test]
fn lower_levels() {
    if std::env::var_os("RUSHLIGHT_SIMD").is_some() {
        return;
    }
    let runs: Vec<_> = ["avx2", "portable"]
        .map(|level| {
            let exe = std::env::current_exe().unwrap();
            std::process::Command::new(exe).args(["gemm::tests", "--quiet"]).env("RUSHLIGHT_SIMD", level).output().unwrap()
        })
        .into();
    for run in runs {
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    }
}
