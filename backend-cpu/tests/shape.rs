//! Kernels of the families shape and create against naive loops, over random shapes and layouts.

mod common;

use common::{Operand, coordinates, operands, run, shapes};
use proptest::prelude::*;
use rushlight_backend::op::{Create, ShapeOp};
use rushlight_backend::{DType, Scalar, Shape};

fn number(r: u64) -> i32 {
    r as i32
}

/// Shapes with at least one dimension.
fn ranked() -> impl Strategy<Value = Vec<usize>> {
    shapes().prop_map(|mut s| {
        if s.is_empty() {
            s.push(7);
        }
        s
    })
}

proptest! {
    #![proptest_config(common::config(200))]

    #[test]
    fn contiguous(x in shapes().prop_flat_map(|s| operands(s, false, number))) {
        let (shape, got) = run::<i32>(ShapeOp::Contiguous, vec![(x.storage(), &x.layout, DType::I32, false)]).unwrap();
        let expected: Vec<i32> = coordinates(&shape).iter().map(|c| x.at(c)).collect();
        prop_assert_eq!(&got, &expected);
        let flat: Shape = Shape::from_slice(&[expected.len()]);
        let (_, got) = run::<i32>(ShapeOp::Reshape(flat), vec![(x.storage(), &x.layout, DType::I32, false)]).unwrap();
        prop_assert_eq!(&got, &expected);
    }

    #[test]
    fn transposed((rows, cols, seed) in (1..common::up_to(200), 1..common::up_to(200), any::<u64>())) {
        let wide = |r: u64| (r >> 8) as u8;
        let memory: Vec<u8> = (0..(rows * cols) as u64).map(|i| wide(common::mix(seed ^ i))).collect();
        let x = Operand::contiguous(&[rows, cols], memory);
        let t = x.layout.permute(&[1, 0]);
        let (_, got) = run::<u8>(ShapeOp::Contiguous, vec![(x.storage(), &t, DType::U8, false)]).unwrap();
        for i in 0..cols {
            for j in 0..rows {
                prop_assert_eq!(got[i * rows + j], x.at(&[j, i]));
            }
        }
    }

    #[test]
    fn cat((dim, parts) in (ranked(), any::<prop::sample::Index>(), 1..4usize).prop_flat_map(|(shape, dim, n)| {
        let dim = dim.index(shape.len());
        let part = (0..4usize).prop_flat_map(move |size| {
            let mut shape = shape.clone();
            shape[dim] = size;
            operands(shape, false, number)
        });
        (Just(dim), proptest::collection::vec(part, n))
    })) {
        let inputs = parts.iter().map(|x| (x.storage(), &x.layout, DType::I32, false)).collect();
        let (shape, got) = run::<i32>(ShapeOp::Cat { dim }, inputs).unwrap();
        for (mut c, got) in coordinates(&shape).into_iter().zip(got) {
            let mut part = parts.iter();
            let x = loop {
                let x = part.next().unwrap();
                if c[dim] < x.layout.shape()[dim] {
                    break x;
                }
                c[dim] -= x.layout.shape()[dim];
            };
            prop_assert_eq!(got, x.at(&c));
        }
    }

    #[test]
    fn slice_scatter((dim, start, step, x, src, give) in (ranked(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), -3..3isize, any::<bool>())
        .prop_flat_map(|(shape, dim, start, step, give)| {
            let dim = dim.index(shape.len());
            let size = shape[dim];
            let (start, step) = (if size > 0 { start.index(size) } else { 0 }, if step == 0 { 3 } else { step });
            let room = if size == 0 { 0 } else if step > 0 { (size - start).div_ceil(step as usize) } else { start / step.unsigned_abs() + 1 };
            let mut part = shape.clone();
            part[dim] = room;
            (Just(dim), Just(start), Just(step), operands(shape, false, number), operands(part, false, number), Just(give))
        }))
    {
        let inputs = vec![(x.storage(), &x.layout, DType::I32, give), (src.storage(), &src.layout, DType::I32, false)];
        let (shape, got) = run::<i32>(ShapeOp::SliceScatter { dim, start, step }, inputs).unwrap();
        for (c, got) in coordinates(&shape).into_iter().zip(got) {
            let away = c[dim] as isize - start as isize;
            let k = away / step;
            let expected = if away % step == 0 && k >= 0 && (k as usize) < src.layout.shape()[dim] {
                let mut c = c.clone();
                c[dim] = k as usize;
                src.at(&c)
            } else {
                x.at(&c)
            };
            prop_assert_eq!(got, expected);
        }
    }
}

#[test]
fn full() {
    let op = |dtype, value| Create::Full { shape: Shape::from_slice(&[2, 3]), dtype, value };
    assert_eq!(run::<f32>(op(DType::F32, Scalar::Float(1.5)), vec![]).unwrap().1, [1.5; 6]);
    assert_eq!(run::<bool>(op(DType::Bool, Scalar::Int(2)), vec![]).unwrap().1, [true; 6]);
    assert_eq!(run::<u8>(op(DType::U8, Scalar::Int(-1)), vec![]).unwrap().1, [255; 6]);
}

#[test]
fn arange() {
    let op = |start, step, len, dtype| Create::Arange { start, step, len, dtype };
    assert_eq!(run::<i64>(op(Scalar::Int(3), Scalar::Int(-2), 4, DType::I64), vec![]).unwrap().1, [3, 1, -1, -3]);
    let many = if cfg!(miri) { 1000 } else { 100_000 };
    let (_, got) = run::<f32>(op(Scalar::Float(0.0), Scalar::Float(0.1), many, DType::F32), vec![]).unwrap();
    assert!(got.iter().enumerate().all(|(i, &x)| x == (0.1 * i as f64) as f32));
    assert!(run::<f32>(op(Scalar::Int(0), Scalar::Int(1), 0, DType::F32), vec![]).unwrap().1.is_empty());
}

#[test]
fn eye() {
    let op = |rows, cols| Create::Eye { rows, cols, dtype: DType::F64 };
    assert_eq!(run::<f64>(op(2, 3), vec![]).unwrap().1, [1., 0., 0., 0., 1., 0.]);
    assert_eq!(run::<f64>(op(3, 2), vec![]).unwrap().1, [1., 0., 0., 1., 0., 0.]);
    assert!(run::<f64>(op(0, 2), vec![]).unwrap().1.is_empty());
}
