//! Kernels of matrix products against the plain triple loop, over random shapes and layouts, in whole numbers that every order of summation adds
//! up to the same bits.

mod common;

use common::{Operand, coordinates, operands, run};
use proptest::prelude::*;
use rushlight_backend::op::Matmul;
use rushlight_backend::{Complex32, Element, bf16, f16};

/// What the naive loop needs of an element.
#[derive(Clone, Copy)]
struct Ring<T> {
    of: fn(i8) -> T,
    add: fn(T, T) -> T,
    mul: fn(T, T) -> T,
}

/// `a[.., m, k] @ b[.., k, n]`.
fn check_product<T: Element + PartialEq>(a: &Operand<T>, b: &Operand<T>, batch: &[usize], ring: Ring<T>) {
    let last = |x: &Operand<T>, d: usize| x.layout.shape()[x.layout.rank() - d];
    let (m, k, n) = (last(a, 2), last(a, 1), last(b, 1));
    let inputs = vec![(a.storage(), &a.layout, T::DTYPE, false), (b.storage(), &b.layout, T::DTYPE, false)];
    let (shape, found) = run::<T>(Matmul::Product, inputs).unwrap();
    assert_eq!(&shape[..], [batch, &[m, n]].concat());
    let wanted: Vec<T> = coordinates(&shape)
        .iter()
        .map(|c| {
            let (lead, i, j) = (&c[..batch.len()], c[batch.len()], c[batch.len() + 1]);
            // Dimensions in front that only the other factor has are left out.
            let at = |x: &Operand<T>, tail: [usize; 2]| x.at(&[&lead[batch.len() + 2 - x.layout.rank()..], &tail].concat());
            (0..k).fold((ring.of)(0), |s, p| (ring.add)(s, (ring.mul)(at(a, [i, p]), at(b, [p, j]))))
        })
        .collect();
    assert!(found == wanted, "{} {:?} @ {:?}", T::DTYPE, a.layout, b.layout);
}

/// `x[.., in] @ weight[out, in]^T + bias[out]`.
fn check_linear<T: Element + PartialEq>(x: &Operand<T>, w: &Operand<T>, bias: Option<&Operand<T>>, ring: Ring<T>) {
    let k = w.layout.shape()[1];
    let mut inputs = vec![(x.storage(), &x.layout, T::DTYPE, false), (w.storage(), &w.layout, T::DTYPE, false)];
    inputs.extend(bias.map(|b| (b.storage(), &b.layout, T::DTYPE, false)));
    let (shape, found) = run::<T>(Matmul::Linear, inputs).unwrap();
    let wanted: Vec<T> = coordinates(&shape)
        .iter()
        .map(|c| {
            let (j, lead) = c.split_last().unwrap();
            let sum = (0..k).fold((ring.of)(0), |s, p| (ring.add)(s, (ring.mul)(x.at(&[lead, &[p]].concat()), w.at(&[*j, p]))));
            bias.map_or(sum, |b| (ring.add)(sum, b.at(&[*j])))
        })
        .collect();
    assert!(found == wanted, "{} {:?} {:?}", T::DTYPE, x.layout, w.layout);
}

fn check<T: Element + PartialEq>(ring: Ring<T>) {
    let of = ring.of;
    let element = move |x: u64| of((x % 9) as i8 - 4);
    let size = || prop_oneof![3 => 1usize..9, 1 => 9usize..70, 1 => Just(0)];
    let products =
        (proptest::collection::vec(1usize..5, 0..3), any::<u8>(), size(), size(), size()).prop_flat_map(move |(batch, cut, m, n, k)| {
            // One of the factors may lack some dimensions in front.
            let lacking = (cut as usize % 4).min(batch.len());
            let (lead_a, lead_b) = if cut & 64 == 0 { (&batch[lacking..], &batch[..]) } else { (&batch[..], &batch[lacking..]) };
            let shapes = ([lead_a, &[m, k]].concat(), [lead_b, &[k, n]].concat());
            (operands(shapes.0, false, element), operands(shapes.1, false, element), Just(batch))
        });
    proptest!(common::config(60), |((a, b, batch) in products)| {
        check_product(&a, &b, &batch, ring);
    });
    let linears = (proptest::collection::vec(1usize..5, 0..3), size(), size(), any::<bool>()).prop_flat_map(move |(lead, k, n, bias)| {
        let bias = if bias { operands(vec![n], false, element).prop_map(Some).boxed() } else { Just(None).boxed() };
        (operands([&lead[..], &[k]].concat(), false, element), operands(vec![n, k], false, element), bias)
    });
    proptest!(common::config(60), |((x, w, bias) in linears)| {
        check_linear(&x, &w, bias.as_ref(), ring);
    });
}

#[test]
fn real_numbers() {
    check::<f32>(Ring { of: f32::from, add: |a, b| a + b, mul: |a, b| a * b });
    check::<f64>(Ring { of: f64::from, add: |a, b| a + b, mul: |a, b| a * b });
}

/// Sums of up to 70 products of numbers up to 4 are rounded to the type once, at the end; f16 holds them exactly.
#[test]
fn half_precision() {
    check::<f16>(Ring { of: |x| f16::from_f32(x.into()), add: |a, b| a + b, mul: |a, b| a * b });
    let (a, b) = (vec![bf16::from_f32(1.0); 300], vec![bf16::from_f32(1.0); 300]);
    let (a, b) = (Operand::contiguous(&[1, 300], a), Operand::contiguous(&[300, 1], b));
    let inputs = vec![(a.storage(), &a.layout, bf16::DTYPE, false), (b.storage(), &b.layout, bf16::DTYPE, false)];
    // Added up in bf16 it would stop at 256.
    assert_eq!(run::<bf16>(Matmul::Product, inputs).unwrap().1, [bf16::from_f32(300.0)]);
}

#[test]
fn integers_wrap() {
    check::<i64>(Ring { of: |x| i64::from(x) << 60, add: i64::wrapping_add, mul: i64::wrapping_mul });
    check::<i32>(Ring { of: |x| i32::from(x) << 15, add: i32::wrapping_add, mul: i32::wrapping_mul });
    check::<i16>(Ring { of: i16::from, add: i16::wrapping_add, mul: i16::wrapping_mul });
    check::<i8>(Ring { of: |x| x * 9, add: i8::wrapping_add, mul: i8::wrapping_mul });
    check::<u8>(Ring { of: |x| x as u8, add: u8::wrapping_add, mul: u8::wrapping_mul });
}

#[test]
fn complex_numbers() {
    let of = |x: i8| Complex32::new(x.into(), f32::from(x % 3));
    check::<Complex32>(Ring { of, add: |a, b| a + b, mul: |a, b| a * b });
}
