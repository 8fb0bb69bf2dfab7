use super::*;
use crate::threads::set_num_threads;

/// Small whole numbers: every order of summation gives the same bits.
fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed;
    (0..n)
        .map(|_| {
            s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((s >> 60) as i64 - 8) as f32
        })
        .collect()
}

fn check(m: usize, n: usize, k: usize, transpose_a: bool, transpose_b: bool, column_major: bool, accumulate: bool) {
    let (a, b) = (values(m * k, 1), values(k * n, 2));
    let (sa, sb) =
        (if transpose_a { (1, m as isize) } else { (k as isize, 1) }, if transpose_b { (1, k as isize) } else { (n as isize, 1) });
    let bias = values(n, 3);
    let mut c = values(m * n, 4);
    let mut wanted = c.clone();
    let strides = if column_major { (1, m as isize) } else { (n as isize, 1) };
    for i in 0..m {
        for j in 0..n {
            let place = i * strides.0 as usize + j * strides.1 as usize;
            let mut sum = if accumulate { wanted[place] } else { bias[j] };
            for p in 0..k {
                sum += a[i * sa.0 as usize + p * sa.1 as usize] * b[p * sb.0 as usize + j * sb.1 as usize];
            }
            wanted[place] = sum;
        }
    }
    let left = Strided { data: &a, start: 0, line_step: sa.0, k_step: sa.1 };
    let right = Strided { data: &b, start: 0, line_step: sb.1, k_step: sb.0 };
    let out = Output { data: c.as_mut_ptr(), strides, accumulate, bias: (!accumulate).then_some(&bias[..]) };
    // SAFETY: the vectors have the sizes that the strides reach.
    unsafe { product(m, n, k, left, right, out).unwrap() };
    assert_eq!(c, wanted, "{m}x{n}x{k} {transpose_a} {transpose_b} {column_major} {accumulate}");
}

#[test]
fn equals_the_triple_loop() {
    let sizes = [
        (1, 1, 1),
        (1, 40, 9),
        (37, 1, 33),
        (3, 5, 7),
        (12, 32, 4),
        (13, 33, 257),
        (64, 70, 300),
        (100, 49, 0),
        (0, 4, 4),
        (130, 200, 513),
    ];
    for (m, n, k) in sizes {
        for flags in 0..16 {
            check(m, n, k, flags & 1 != 0, flags & 2 != 0, flags & 4 != 0, flags & 8 != 0);
        }
    }
    check(2100, 20, 5, false, false, false, false);
    check(20, 2100, 5, false, true, false, true);
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let (m, n, k) = (150, 170, 700);
    let (a, b): (Vec<f32>, Vec<f32>) = ((0..m * k).map(|i| (i as f32).sin()).collect(), (0..k * n).map(|i| (i as f32).cos()).collect());
    let run = || {
        let mut c = vec![0.0f32; m * n];
        let left = Strided { data: &a, start: 0, line_step: k as isize, k_step: 1 };
        let right = Strided { data: &b, start: 0, line_step: 1, k_step: n as isize };
        let out = Output { data: c.as_mut_ptr(), strides: (n as isize, 1), accumulate: false, bias: None };
        // SAFETY: the vectors have the sizes that the strides reach.
        unsafe { product(m, n, k, left, right, out).unwrap() };
        c
    };
    let results: Vec<Vec<f32>> = [1, 2, 3]
        .map(|t| {
            set_num_threads(t);
            run()
        })
        .into();
    assert!(results.iter().all(|r| *r == results[0]));
    // And close to the sum in double precision.
    for (i, j) in [(0, 0), (149, 169), (77, 31)] {
        let exact: f64 = (0..k).map(|p| f64::from(a[i * k + p]) * f64::from(b[p * n + j])).sum();
        assert!((f64::from(results[0][i * n + j]) - exact).abs() < 1e-4);
    }
}
