//! Kernels of reading and writing by index against naive loops, over random shapes and layouts.

mod common;

use common::{Operand, coordinates, mix, operands, run};
use proptest::prelude::*;
use rushlight_backend::op::{Index, Op};
use rushlight_backend::{DType, Element, ErrorKind, f16};

/// A tensor, a dimension of it, and the shape of an index of the same rank that stays inside in the other dimensions.
fn scene<T: Element>(
    element: impl Fn(u64) -> T + Clone + 'static,
) -> impl Strategy<Value = (Operand<T>, usize, Operand<i64>, Operand<T>, Operand<i64>, Operand<T>)> {
    let shape = prop_oneof![
        proptest::collection::vec(1..6usize, 1..4),
        (2..common::up_to(300), 2..common::up_to(300)).prop_map(|(a, b)| vec![a, b])
    ];
    (shape, any::<prop::sample::Index>(), 1..40usize, any::<u64>()).prop_flat_map(move |(shape, dim, n, seed)| {
        let dim = dim.index(shape.len());
        let size = shape[dim] as u64;
        let index = move |r: u64| (r % size) as i64;
        let mut of: Vec<usize> = shape.iter().enumerate().map(|(d, &s)| 1 + mix(seed ^ d as u64) as usize % s).collect();
        of[dim] = n;
        let mut moved = shape.clone();
        moved[dim] = n;
        (
            operands(shape.clone(), false, element.clone()),
            Just(dim),
            operands(of.clone(), false, index),
            operands(of, false, element.clone()),
            operands(vec![n], false, index),
            operands(moved, false, element.clone()),
        )
    })
}

fn apply<T: Element>(op: Index, inputs: &[&Operand<T>], index: &Operand<i64>, give: bool) -> Vec<T> {
    let mut all = vec![(inputs[0].storage(), &inputs[0].layout, T::DTYPE, give), (index.storage(), &index.layout, DType::I64, false)];
    all.extend(inputs[1..].iter().map(|s| (s.storage(), &s.layout, T::DTYPE, false)));
    run::<T>(op, all).unwrap().1
}

/// The naive loop: `out[c with index[c] at dim] = f(out[..], source[c])`, in order.
fn put<T: Element>(x: &Operand<T>, dim: usize, source: &Operand<T>, place: impl Fn(&[usize]) -> i64, f: impl Fn(T, T) -> T) -> Vec<T> {
    let shape = x.layout.shape();
    let mut out: Vec<T> = coordinates(shape).iter().map(|c| x.at(c)).collect();
    for c in coordinates(source.layout.shape()) {
        let mut to = c.clone();
        to[dim] = place(&c) as usize;
        let flat = to.iter().zip(shape).fold(0, |a, (&i, &n)| a * n + i);
        out[flat] = f(out[flat], source.at(&c));
    }
    out
}

proptest! {
    #![proptest_config(common::config(150))]

    #[test]
    fn all_of_them((x, dim, index, source, vector, slices) in scene(|r| (r % 1000) as i32), give in any::<bool>()) {
        let place = |c: &[usize], i: i64| { let mut c = c.to_vec(); c[dim] = i as usize; c };
        let expected: Vec<i32> = coordinates(slices.layout.shape()).iter().map(|c| x.at(&place(c, vector.at(&[c[dim]])))).collect();
        prop_assert_eq!(apply(Index::Select { dim }, &[&x], &vector, give), expected);
        let expected: Vec<i32> = coordinates(index.layout.shape()).iter().map(|c| x.at(&place(c, index.at(c)))).collect();
        prop_assert_eq!(apply(Index::Gather { dim }, &[&x], &index, give), expected);
        let expected = put(&x, dim, &slices, |c| vector.at(&[c[dim]]), |a, b| a + b);
        prop_assert_eq!(apply(Index::Add { dim }, &[&x, &slices], &vector, give), expected);
        let expected = put(&x, dim, &source, |c| index.at(c), |_, b| b);
        prop_assert_eq!(apply(Index::Scatter { dim }, &[&x, &source], &index, give), expected);
        let expected = put(&x, dim, &source, |c| index.at(c), |a, b| a + b);
        prop_assert_eq!(apply(Index::ScatterAdd { dim }, &[&x, &source], &index, give), expected);
    }

    #[test]
    fn other_types((x, dim, index, source, vector, slices) in scene(|r| f16::from_f32((r % 64) as f32 / 4.0))) {
        let expected = put(&x, dim, &source, |c| index.at(c), |a, b| f16::from_f32(a.to_f32() + b.to_f32()));
        prop_assert_eq!(apply(Index::ScatterAdd { dim }, &[&x, &source], &index, false), expected);
        let expected = put(&x, dim, &slices, |c| vector.at(&[c[dim]]), |a, b| f16::from_f32(a.to_f32() + b.to_f32()));
        prop_assert_eq!(apply(Index::Add { dim }, &[&x, &slices], &vector, false), expected);
    }
}

/// Large enough for threads: rows of a table, read and added to.
#[test]
fn table() {
    let (rows, width, n) = if cfg!(miri) { (20, 6, 40) } else { (700, 130, 3000) };
    let value = |i: u64| (mix(i) % 512) as f32 / 8.0;
    let x = Operand::contiguous(&[rows, width], (0..(rows * width) as u64).map(value).collect());
    let index = Operand::contiguous(&[n], (0..n as u64).map(|i| (mix(i + 7) % rows as u64) as i64).collect());
    let source = Operand::contiguous(&[n, width], (0..(n * width) as u64).map(|i| value(i + 99)).collect());
    let picked = apply(Index::Select { dim: 0 }, &[&x], &index, false);
    for i in 0..n {
        let row = index.memory[i] as usize * width;
        assert_eq!(picked[i * width..][..width], x.memory[row..row + width]);
    }
    let expected = put(&x, 0, &source, |c| index.memory[c[0]], |a, b| a + b);
    assert_eq!(apply(Index::Add { dim: 0 }, &[&x, &source], &index, true), expected);
    // Along the columns, a different index in each row.
    let index = Operand::contiguous(&[rows, width], (0..(rows * width) as u64).map(|i| (mix(i) % width as u64) as i64).collect());
    let source = Operand::contiguous(&[rows, width], source.memory[..rows * width].to_vec());
    let expected = put(&x, 1, &source, |c| index.at(c), |a, b| a + b);
    assert_eq!(apply(Index::ScatterAdd { dim: 1 }, &[&x, &source], &index, false), expected);
}

#[test]
fn indices_are_checked() {
    let x = Operand::contiguous(&[3, 2], vec![0.0f32; 6]);
    for bad in [-1i64, 3] {
        let vector = Operand::contiguous(&[2], vec![0, bad]);
        let same = Operand::contiguous(&[2, 2], vec![0, 1, 2, bad]);
        let source = Operand::contiguous(&[2, 2], vec![0.0f32; 4]);
        let ops: [(Op, &Operand<i64>, bool); 5] = [
            (Index::Select { dim: 0 }.into(), &vector, false),
            (Index::Add { dim: 0 }.into(), &vector, true),
            (Index::Gather { dim: 0 }.into(), &same, false),
            (Index::Scatter { dim: 0 }.into(), &same, true),
            (Index::ScatterAdd { dim: 0 }.into(), &same, true),
        ];
        for (op, index, sourced) in ops {
            let name = op.name();
            let mut inputs = vec![(x.storage(), &x.layout, DType::F32, false), (index.storage(), &index.layout, DType::I64, false)];
            if sourced {
                inputs.push((source.storage(), &source.layout, DType::F32, false));
            }
            let error = run::<f32>(op, inputs).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Index);
            assert_eq!(error.to_string(), format!("{name}: index {bad} is out of range for dimension 0 of size 3"));
        }
    }
}
