//! Kernels of reductions against naive loops, over random shapes and layouts.

mod common;

use common::{Operand, coordinates, mix, operands, run, shapes};
use proptest::prelude::*;
use rushlight_backend::op::{Reduce, Reduction};
use rushlight_backend::{Complex64, DType, Element, Layout, bf16, f16};

/// The elements that fall together, for each output: coordinates without the reduced dimensions, in order.
fn groups<T: Element>(x: &Operand<T>, dims: &[usize]) -> Vec<Vec<T>> {
    let shape = x.layout.shape();
    let kept: Vec<usize> = (0..shape.len()).filter(|d| !dims.contains(d)).map(|d| shape[d]).collect();
    let reduced: Vec<usize> = dims.iter().map(|&d| shape[d]).collect();
    let merge = |k: &[usize], r: &[usize]| -> Vec<usize> {
        let (mut k, mut r) = (k.iter(), r.iter());
        (0..shape.len()).map(|d| if dims.contains(&d) { *r.next().unwrap() } else { *k.next().unwrap() }).collect()
    };
    let inner = coordinates(&reduced);
    coordinates(&kept).iter().map(|k| inner.iter().map(|r| x.at(&merge(k, r))).collect()).collect()
}

fn reduce<T: Element, R: Element>(x: &Operand<T>, kind: Reduction, dims: &[usize]) -> Vec<R> {
    let op = Reduce { kind, dims: dims.iter().copied().collect(), keepdim: false };
    run::<R>(op, vec![(x.storage(), &x.layout, T::DTYPE, false)]).unwrap().1
}

/// An operand and some of its dimensions.
fn cases<T: Element>(element: impl Fn(u64) -> T + Clone + 'static) -> impl Strategy<Value = (Operand<T>, Vec<usize>)> {
    (shapes(), any::<u8>()).prop_flat_map(move |(shape, mask)| {
        let dims: Vec<usize> = (0..shape.len()).filter(|d| mask >> d & 1 == 1).collect();
        (operands(shape, false, element.clone()), Just(dims))
    })
}

/// An operand and one of its dimensions, which is not empty.
fn one_dim<T: Element>(element: impl Fn(u64) -> T + Clone + 'static) -> impl Strategy<Value = (Operand<T>, usize)> {
    (shapes(), any::<prop::sample::Index>()).prop_flat_map(move |(mut shape, dim)| {
        if shape.is_empty() {
            shape.push(3);
        }
        let dim = dim.index(shape.len());
        shape[dim] = shape[dim].max(1);
        (operands(shape, false, element.clone()), Just(dim))
    })
}

fn small(r: u64) -> f64 {
    (r % 2001) as f64 / 500.0 - 2.0
}

/// Few different values, some of them NaN.
fn few(r: u64) -> f32 {
    if r.is_multiple_of(97) { f32::NAN } else { (r % 7) as f32 - 3.0 }
}

fn close(got: f64, expected: f64, scale: f64) -> bool {
    (got - expected).abs() <= scale || (got.is_nan() && expected.is_nan())
}

/// The product with its exponent apart: whatever the order, only the result can leave the range.
fn product(values: impl Iterator<Item = f64>) -> f64 {
    let step = 2f64.powi(512);
    let (mut mantissa, mut steps) = (1.0f64, 0);
    for v in values {
        mantissa *= v;
        if mantissa.abs() > step {
            (mantissa, steps) = (mantissa / step, steps + 1);
        } else if mantissa != 0.0 && mantissa.abs() < 1.0 / step {
            (mantissa, steps) = (mantissa * step, steps - 1);
        }
    }
    let factor = if steps > 0 { step } else { 1.0 / step };
    (0..i32::abs(steps)).fold(mantissa, |m, _| m * factor)
}

/// Whether `p` is the product of the group up to rounding. A kernel multiplies in an order of its own, whose partial products may leave the range
/// though the product does not: they lie between `least` and `largest`.
fn is_product(p: f64, group: &[f64]) -> bool {
    let expected = product(group.iter().copied());
    let largest = product(group.iter().map(|v| v.abs().max(1.0)));
    let least = product(group.iter().filter(|v| **v != 0.0).map(|v| v.abs().min(1.0)));
    // A partial product below the normal numbers is off by their spacing at each step, and the others multiply that by `largest` at most.
    let spacing = f64::from_bits(1) * group.len() as f64;
    let lost = if least < f64::MIN_POSITIVE { spacing * largest } else { 0.0 };
    let near = close(p, expected, 1e-12 * expected.abs() + 1e-300 + lost);
    (near && (expected.is_finite() || lost.is_infinite())) || (largest.is_infinite() && !p.is_finite())
}

proptest! {
    #![proptest_config(common::config(150))]

    #[test]
    fn sums((x, dims) in cases(|r| small(r) as f32)) {
        for kind in [Reduction::Sum, Reduction::Mean] {
            let got: Vec<f32> = reduce(&x, kind, &dims);
            for (g, group) in got.iter().zip(groups(&x, &dims)) {
                let sum: f64 = group.iter().map(|&v| f64::from(v)).sum();
                let expected = if kind == Reduction::Sum { sum } else { sum / group.len() as f64 };
                let size: f64 = group.iter().map(|&v| f64::from(v).abs()).sum();
                // About 32 roundings in a row.
                prop_assert!(close(f64::from(*g), expected, 2e-6 * size + 1e-30), "{g} {expected}");
            }
        }
    }

    #[test]
    fn variances((x, dims) in cases(|r| (small(r) + 100.0) as f32), correction in 0..3u8) {
        let got: Vec<f32> = reduce(&x, Reduction::Var { correction: correction.into() }, &dims);
        for (g, group) in got.iter().zip(groups(&x, &dims)) {
            let n = group.len() as f64;
            let mean = group.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let squares: f64 = group.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum();
            let expected = squares / (n - f64::from(correction)).max(0.0);
            prop_assert!(close(f64::from(*g), expected, 1e-5 * expected.abs() + 1e-9) || g.is_infinite() == expected.is_infinite(), "{g} {expected}");
        }
    }

    #[test]
    fn doubles((x, dims) in cases(small)) {
        let got: Vec<f64> = reduce(&x, Reduction::Sum, &dims);
        let products: Vec<f64> = reduce(&x, Reduction::Prod, &dims);
        for ((g, p), group) in got.iter().zip(products).zip(groups(&x, &dims)) {
            prop_assert!(close(*g, group.iter().sum(), 1e-12 * (1.0 + group.len() as f64)));
            prop_assert!(is_product(p, &group), "{p} {}", product(group.iter().copied()));
        }
    }

    #[test]
    fn integers((x, dims) in cases(|r| (r >> 20) as i64), (y, y_dims) in cases(|r| (r >> 9) as u8)) {
        let sums: Vec<i64> = reduce(&x, Reduction::Sum, &dims);
        let products: Vec<i64> = reduce(&x, Reduction::Prod, &dims);
        for ((s, p), group) in sums.iter().zip(products).zip(groups(&x, &dims)) {
            prop_assert_eq!(*s, group.iter().fold(0i64, |a, &b| a.wrapping_add(b)));
            prop_assert_eq!(p, group.iter().fold(1i64, |a, &b| a.wrapping_mul(b)));
        }
        let sums: Vec<u8> = reduce(&y, Reduction::Sum, &y_dims);
        let products: Vec<u8> = reduce(&y, Reduction::Prod, &y_dims);
        for ((s, p), group) in sums.iter().zip(products).zip(groups(&y, &y_dims)) {
            prop_assert_eq!(*s, group.iter().fold(0u8, |a, &b| a.wrapping_add(b)));
            prop_assert_eq!(p, group.iter().fold(1u8, |a, &b| a.wrapping_mul(b)));
        }
    }

    #[test]
    fn halves((x, dims) in cases(|r| f16::from_f64(small(r))), (y, y_dims) in cases(|r| bf16::from_f64(small(r)))) {
        let got: Vec<f16> = reduce(&x, Reduction::Sum, &dims);
        for (g, group) in got.iter().zip(groups(&x, &dims)) {
            let sum: f64 = group.iter().map(|v| v.to_f64()).sum();
            prop_assert!(close(g.to_f64(), sum, 1e-3 * sum.abs() + 1e-4));
        }
        let got: Vec<bf16> = reduce(&y, Reduction::Mean, &y_dims);
        for (g, group) in got.iter().zip(groups(&y, &y_dims)) {
            let mean = group.iter().map(|v| v.to_f64()).sum::<f64>() / group.len() as f64;
            prop_assert!(close(g.to_f64(), mean, 5e-3 * mean.abs() + 1e-5));
        }
    }

    #[test]
    fn complex((x, dims) in cases(|r| Complex64::new(small(r), small(r >> 20)))) {
        let sums: Vec<Complex64> = reduce(&x, Reduction::Sum, &dims);
        let products: Vec<Complex64> = reduce(&x, Reduction::Prod, &dims);
        for ((s, p), group) in sums.iter().zip(products).zip(groups(&x, &dims)) {
            prop_assert!((s - group.iter().sum::<Complex64>()).norm() < 1e-12 * (1.0 + group.len() as f64));
            let product = group.iter().product::<Complex64>();
            prop_assert!((p - product).norm() <= 1e-11 * product.norm() || !product.is_finite());
        }
    }

    #[test]
    fn truth((x, dims) in cases(|r| r % 3 == 0), (y, y_dims) in cases(|r| if r % 50 == 0 { 0.0 } else { -1.5f32 })) {
        let (all, any): (Vec<bool>, Vec<bool>) = (reduce(&x, Reduction::All, &dims), reduce(&x, Reduction::Any, &dims));
        for ((a, o), group) in all.iter().zip(any).zip(groups(&x, &dims)) {
            prop_assert_eq!(*a, group.iter().all(|&v| v));
            prop_assert_eq!(o, group.iter().any(|&v| v));
        }
        let (all, any): (Vec<bool>, Vec<bool>) = (reduce(&y, Reduction::All, &y_dims), reduce(&y, Reduction::Any, &y_dims));
        for ((a, o), group) in all.iter().zip(any).zip(groups(&y, &y_dims)) {
            prop_assert_eq!(*a, group.iter().all(|&v| v != 0.0));
            prop_assert_eq!(o, group.iter().any(|&v| v != 0.0));
        }
    }

    #[test]
    fn extremes((x, dim) in one_dim(few)) {
        let groups = groups(&x, &[dim]);
        for max in [true, false] {
            let beats = |a: f32, b: f32| !b.is_nan() && (a.is_nan() || if max { a > b } else { a < b });
            let kinds = if max { (Reduction::Argmax, Reduction::Max, Reduction::Amax) } else { (Reduction::Argmin, Reduction::Min, Reduction::Amin) };
            let places: Vec<i64> = reduce(&x, kinds.0, &[dim]);
            let values: Vec<f32> = reduce(&x, kinds.1, &[dim]);
            let same: Vec<f32> = reduce(&x, kinds.2, &[dim]);
            for (i, group) in groups.iter().enumerate() {
                let mut best = 0;
                for (j, &v) in group.iter().enumerate() {
                    if beats(v, group[best]) {
                        best = j;
                    }
                }
                prop_assert_eq!(places[i], best as i64);
                prop_assert!(values[i] == group[best] || (values[i].is_nan() && group[best].is_nan()));
                prop_assert!(same[i] == group[best] || (same[i].is_nan() && group[best].is_nan()));
            }
        }
    }

    #[test]
    fn integer_extremes((x, dims) in cases(|r| (r >> 8) as i32), (y, dim) in one_dim(|r| r % 2 == 0)) {
        if !dims.iter().any(|&d| x.layout.shape()[d] == 0) {
            let (top, low): (Vec<i32>, Vec<i32>) = (reduce(&x, Reduction::Amax, &dims), reduce(&x, Reduction::Amin, &dims));
            for ((t, l), group) in top.iter().zip(low).zip(groups(&x, &dims)) {
                prop_assert_eq!(Some(t), group.iter().max());
                prop_assert_eq!(Some(&l), group.iter().min());
            }
        }
        let top: Vec<bool> = reduce(&y, Reduction::Amax, &[dim]);
        for (t, group) in top.into_iter().zip(groups(&y, &[dim])) {
            prop_assert_eq!(t, group.iter().any(|&v| v));
        }
    }
}

/// Large enough for every way in which work is shared out.
#[test]
#[cfg_attr(miri, ignore)] // millions of elements
fn large() {
    let memory: Vec<f32> = (0..3_000_000u64).map(|i| (mix(i) % 1000) as f32 / 1000.0).collect();
    let shapes: [(&[usize], &[usize]); 12] = [
        (&[3_000_000], &[0]),
        (&[3, 1_000_000], &[1]),
        (&[1_000_000, 3], &[0]),
        (&[3000, 1000], &[0]),
        (&[3000, 1000], &[1]),
        (&[3, 1000, 1000], &[1]),
        (&[30, 100, 1000], &[0, 2]),
        (&[300, 100, 100], &[1]),
        (&[2, 500_000, 3], &[0, 1]),
        (&[2, 3, 500_000], &[0, 2]),
        (&[100_000, 3, 10], &[0, 2]),
        (&[5, 600_000], &[0]),
    ];
    for (shape, dims) in shapes {
        let x = Operand::contiguous(shape, memory.clone());
        let got: Vec<f32> = reduce(&x, Reduction::Sum, dims);
        let var: Vec<f32> = reduce(&x, Reduction::Var { correction: 1.0 }, dims);
        let n = (memory.len() / got.len()) as f64;
        let mut sums = vec![(0.0f64, 0.0f64); got.len()];
        let strides = Layout::contiguous(shape);
        for (i, &v) in memory.iter().enumerate() {
            let mut at = 0;
            for d in (0..shape.len()).filter(|d| !dims.contains(d)) {
                at = at * shape[d] + i / strides.strides()[d] as usize % shape[d];
            }
            sums[at].0 += f64::from(v);
            sums[at].1 += f64::from(v) * f64::from(v);
        }
        for (i, (s, q)) in sums.into_iter().enumerate() {
            assert!((f64::from(got[i]) - s).abs() < 3e-7 * s, "{shape:?} {dims:?}: {} {s}", got[i]);
            let expected = (q - s * s / n) / (n - 1.0);
            assert!((f64::from(var[i]) - expected).abs() < 2e-6 * expected, "{shape:?} {dims:?}: {} {expected}", var[i]);
        }
    }
    let mut marked = memory.clone();
    for (place, value) in [(2_222_222, 5.0), (2_999_999, 5.0), (2_999_998, f32::NAN)] {
        marked[place] = value;
        let x = Operand::contiguous(&[marked.len()], marked.clone());
        assert_eq!(reduce::<f32, i64>(&x, Reduction::Argmax, &[0]), [if value.is_nan() { place } else { 2_222_222 } as i64]);
    }
}

/// The same bits with any number of threads.
#[test]
#[cfg_attr(miri, ignore)] // millions of elements
fn threads_do_not_matter() {
    use rushlight_backend_cpu::threads::{num_threads, set_num_threads};
    let memory: Vec<f32> = (0..1_200_000u64).map(|i| (mix(i) % 1000) as f32 / 77.0 - 3.0).collect();
    let before = num_threads();
    for (shape, dims) in [(vec![1_200_000], vec![0]), (vec![4, 300_000], vec![1]), (vec![300_000, 4], vec![0]), (vec![1200, 1000], vec![0])]
    {
        let x = Operand::contiguous(&shape, memory.clone());
        let all: Vec<Vec<f32>> = [1, 2, 5]
            .into_iter()
            .map(|n| {
                set_num_threads(n);
                reduce(&x, Reduction::Sum, &dims)
            })
            .collect();
        assert_eq!(all[0], all[1]);
        assert_eq!(all[0], all[2]);
    }
    set_num_threads(before);
}

#[test]
fn nothing() {
    let x = Operand::<f32>::contiguous(&[2, 0], vec![]);
    assert_eq!(reduce::<f32, f32>(&x, Reduction::Sum, &[1]), [0.0, 0.0]);
    assert_eq!(reduce::<f32, f32>(&x, Reduction::Prod, &[1]), [1.0, 1.0]);
    assert!(reduce::<f32, f32>(&x, Reduction::Mean, &[1]).iter().all(|v| v.is_nan()));
    assert!(reduce::<f32, f32>(&x, Reduction::Var { correction: 1.0 }, &[1]).iter().all(|v| v.is_nan()));
    assert_eq!(reduce::<f32, bool>(&x, Reduction::All, &[1]), [true, true]);
    assert_eq!(reduce::<f32, bool>(&x, Reduction::Any, &[1]), [false, false]);
    assert_eq!(reduce::<f32, f32>(&x, Reduction::Sum, &[0]), []);
    let scalar = Operand::contiguous(&[], vec![2.5f32]);
    assert_eq!(reduce::<f32, i64>(&scalar, Reduction::Argmax, &[0]), [0]);
    assert_eq!(DType::F32, f32::DTYPE);
}
