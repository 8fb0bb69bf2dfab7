//! Pointwise kernels against naive loops, over random shapes and layouts.

mod common;

use common::{Operand, coordinates, operands, run, shapes};
use proptest::prelude::*;
use rushlight_backend::op::{Binary, Pointwise, Rounding, Unary};
use rushlight_backend::{DType, Element, ErrorKind, Layout, Scalar};

fn float(r: u64) -> f32 {
    match r % 37 {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => f32::NEG_INFINITY,
        3 => -0.0,
        4 => 0.0,
        5..8 => (r % 5) as f32,
        _ => (r >> 40) as f32 / (1 << 22) as f32 - 2.0,
    }
}

type Function = fn(f32) -> f32;

fn small_int(r: u64) -> i64 {
    (r % 11) as i64 - 5
}

fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// Two operands that broadcast together to a shape.
fn pairs<T: Element>(element: fn(u64) -> T) -> impl Strategy<Value = (Vec<usize>, Operand<T>, Operand<T>, bool, bool)> {
    shapes().prop_flat_map(move |s| {
        let operand = || operands(s.clone(), true, element);
        (Just(s.clone()), operand(), operand(), any::<bool>(), any::<bool>())
    })
}

/// The shape that two operands have together.
fn joint<T: Element>(a: &Operand<T>, b: &Operand<T>) -> Vec<usize> {
    a.layout.shape().iter().zip(b.layout.shape()).map(|(&x, &y)| if x == 1 { y } else { x }).collect()
}

fn check_binary<T: Element, R: Element>(
    f: Binary,
    (a, b, give_a, give_b): (&Operand<T>, &Operand<T>, bool, bool),
    expected: impl Fn(T, T) -> R,
    same: impl Fn(R, R) -> bool,
) {
    let inputs = vec![(a.storage(), &a.layout, T::DTYPE, give_a), (b.storage(), &b.layout, T::DTYPE, give_b)];
    let (shape, got) = run::<R>(Pointwise::Binary(f), inputs).unwrap();
    assert_eq!(shape.as_slice(), joint(a, b));
    for (c, got) in coordinates(&shape).iter().zip(got) {
        let (x, y) = (a.at(c), b.at(c));
        assert!(same(got, expected(x, y)), "{f:?} of {x:?} and {y:?} at {c:?} of {shape:?}: {got:?}, wanted {:?}", expected(x, y));
    }
}

proptest! {
    #![proptest_config(common::config(150))]

    #[test]
    fn float_arithmetic((_, a, b, ga, gb) in pairs(float)) {
        let ops = (&a, &b, ga, gb);
        check_binary(Binary::Add, ops, |x, y| x + y, same);
        check_binary(Binary::Sub, ops, |x, y| x - y, same);
        check_binary(Binary::Mul, ops, |x, y| x * y, same);
        check_binary(Binary::Div(Rounding::None), ops, |x, y| x / y, same);
        check_binary(Binary::Maximum, ops, |x: f32, y: f32| if x.is_nan() || y.is_nan() { f32::NAN } else { x.max(y) }, |a, b| same(a, b) || a == b);
        check_binary(Binary::Minimum, ops, |x: f32, y: f32| if x.is_nan() || y.is_nan() { f32::NAN } else { x.min(y) }, |a, b| same(a, b) || a == b);
        check_binary(Binary::Lt, ops, |x, y| x < y, |a, b| a == b);
        check_binary(Binary::Ne, ops, |x, y| x != y, |a, b| a == b);
        check_binary(Binary::LogicalXor, ops, |x, y| (x != 0.0) ^ (y != 0.0), |a, b| a == b);
    }

    #[test]
    fn integer_arithmetic((_, a, b, ga, gb) in pairs(small_int)) {
        let ops = (&a, &b, ga, gb);
        check_binary(Binary::Add, ops, |x: i64, y: i64| x + y, |a, b| a == b);
        check_binary(Binary::BitwiseXor, ops, |x: i64, y: i64| x ^ y, |a, b| a == b);
        check_binary(Binary::Ge, ops, |x, y| x >= y, |a, b| a == b);
        let b = Operand { memory: b.memory.iter().map(|&y| if y == 0 { 7 } else { y }).collect(), layout: b.layout.clone() };
        let ops = (&a, &b, ga, gb);
        let floor = |x: i64, y: i64| (x as f64 / y as f64).floor() as i64;
        check_binary(Binary::Div(Rounding::Floor), ops, floor, |a, b| a == b);
        check_binary(Binary::Div(Rounding::Trunc), ops, |x, y| x / y, |a, b| a == b);
        check_binary(Binary::Remainder, ops, |x, y| x - y * floor(x, y), |a, b| a == b);
        check_binary(Binary::Fmod, ops, |x, y| x % y, |a, b| a == b);
    }

    #[test]
    fn half_arithmetic((_, a, b, ga, gb) in pairs(|r| rushlight_backend::bf16::from_f32(float(r)))) {
        use rushlight_backend::bf16;
        let rounded = |a: bf16, b: bf16| same(a.to_f32(), b.to_f32());
        check_binary(Binary::Mul, (&a, &b, ga, gb), |x, y| bf16::from_f32(x.to_f32() * y.to_f32()), rounded);
        check_binary(Binary::Le, (&a, &b, ga, gb), |x, y| x.to_f32() <= y.to_f32(), |a, b| a == b);
    }

    #[test]
    fn unary_and_scalar((x, give) in shapes().prop_flat_map(|s| (operands(s, false, float), any::<bool>()))) {
        let run1 = |op: Pointwise| run::<f32>(op, vec![(x.storage(), &x.layout, DType::F32, give)]).unwrap();
        let with = |op, reflected| run1(Pointwise::WithScalar { op, scalar: Scalar::Float(1.5), reflected });
        let cases: [(_, Function); 5] = [
            (run1(Pointwise::Unary(Unary::Relu)), |x| if x < 0.0 { 0.0 } else { x }),
            (run1(Pointwise::Unary(Unary::Neg)), |x| -x),
            (run1(Pointwise::Unary(Unary::Clamp { min: -0.5, max: 1.5 })), |x| x.clamp(-0.5, 1.5)),
            (with(Binary::Sub, false), |x| x - 1.5),
            (with(Binary::Sub, true), |x| 1.5 - x),
        ];
        for ((shape, got), expected) in cases {
            for (c, got) in coordinates(&shape).iter().zip(got) {
                prop_assert!(same(got, expected(x.at(c))), "f({}) = {got}", x.at(c));
            }
        }
    }

    #[test]
    fn choice((c, x, y, gx, gy) in shapes().prop_flat_map(|s| (
        operands(s.clone(), true, |r| r % 2 == 0), operands(s.clone(), true, float), operands(s, true, float), any::<bool>(), any::<bool>(),
    ))) {
        let inputs = vec![
            (c.storage(), &c.layout, DType::Bool, false),
            (x.storage(), &x.layout, DType::F32, gx),
            (y.storage(), &y.layout, DType::F32, gy),
        ];
        let (shape, got) = run::<f32>(Pointwise::Where, inputs).unwrap();
        for (at, got) in coordinates(&shape).iter().zip(got) {
            let expected = if c.at(at) { x.at(at) } else { y.at(at) };
            prop_assert!(same(got, expected));
        }
    }

    #[test]
    fn gradient((g, v, gg, gv) in shapes().prop_flat_map(|s| (
        operands(s.clone(), false, float), operands(s, false, float), any::<bool>(), any::<bool>(),
    ))) {
        let inputs = vec![(g.storage(), &g.layout, DType::F32, gg), (v.storage(), &v.layout, DType::F32, gv)];
        let (shape, got) = run::<f32>(Pointwise::UnaryGrad(Unary::Tanh), inputs).unwrap();
        for (at, got) in coordinates(&shape).iter().zip(got) {
            let (g, v) = (g.at(at), v.at(at));
            prop_assert!(same(got, g * (1.0 - v * v)));
        }
    }

    #[test]
    fn casts(x in shapes().prop_flat_map(|s| operands(s, false, |r| float(r) * 100.0))) {
        let input = || vec![(x.storage(), &x.layout, DType::F32, false)];
        let (shape, ints) = run::<i64>(Pointwise::Cast(DType::I64), input()).unwrap();
        let (_, bools) = run::<bool>(Pointwise::Cast(DType::Bool), input()).unwrap();
        for ((at, i), b) in coordinates(&shape).iter().zip(ints).zip(bools) {
            let x = x.at(at);
            prop_assert_eq!(i, if x.is_finite() { x as i64 } else { i64::MIN });
            prop_assert_eq!(b, x != 0.0);
        }
    }
}

fn unary<T: Element, R: Element>(f: impl Into<rushlight_backend::Op>, x: &[T]) -> Vec<R> {
    let x = Operand::contiguous(&[x.len()], x.to_vec());
    run::<R>(f, vec![(x.storage(), &x.layout, T::DTYPE, false)]).unwrap().1
}

fn binary<T: Element, R: Element>(f: Binary, x: &[T], y: &[T]) -> rushlight_backend::Result<Vec<R>> {
    let (x, y) = (Operand::contiguous(&[x.len()], x.to_vec()), Operand::contiguous(&[y.len()], y.to_vec()));
    let inputs = vec![(x.storage(), &x.layout, T::DTYPE, false), (y.storage(), &y.layout, T::DTYPE, false)];
    Ok(run::<R>(Pointwise::Binary(f), inputs)?.1)
}

/// Values recorded from PyTorch 2.15.
#[test]
fn casts_out_of_range() {
    let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e9, -3e9, 1e20, 300.0, -1.5, -300.7, 5e9];
    let big = i64::MIN;
    assert_eq!(unary::<_, i64>(Pointwise::Cast(DType::I64), &x), [big, big, big, 3000000000, -3000000000, big, 300, -1, -300, 5000000000]);
    let big = i32::MIN;
    assert_eq!(unary::<_, i32>(Pointwise::Cast(DType::I32), &x), [big, big, big, big, big, big, 300, -1, -300, big]);
    assert_eq!(unary::<_, i16>(Pointwise::Cast(DType::I16), &x), [0, 0, 0, 0, 0, 0, 300, -1, -300, 0]);
    assert_eq!(unary::<_, i8>(Pointwise::Cast(DType::I8), &x), [0, 0, 0, 0, 0, 0, 44, -1, -44, 0]);
    assert_eq!(unary::<_, u8>(Pointwise::Cast(DType::U8), &x), [0, 0, 0, 0, 0, 0, 44, 255, 212, 0]);
    assert!(unary::<_, bool>(Pointwise::Cast(DType::Bool), &x).iter().all(|&b| b));
    assert_eq!(unary::<_, i16>(Pointwise::Cast(DType::I16), &[70000i64, -1]), [4464, -1]);
}

/// Values recorded from PyTorch 2.15.
#[test]
fn float_division() {
    let inf = f32::INFINITY;
    let x = [5., -5., 5., -5., inf, 5., -5., 0., -0., 5., 0., 1., f32::NAN];
    let y = [3., 3., -3., -3., 2., inf, inf, -3., 3., 0., 0., -inf, 2.];
    let nan = f32::NAN;
    let check = |f, expected: [f32; 13]| {
        let got = binary::<f32, f32>(f, &x, &y).unwrap();
        assert!(got.iter().zip(expected).all(|(&a, b)| same(a, b)), "{f:?}: {got:?}, wanted {expected:?}");
    };
    check(Binary::Div(Rounding::Floor), [1., -2., -2., 1., nan, 0., -1., -0., -0., inf, nan, -1., nan]);
    check(Binary::Div(Rounding::Trunc), [1., -1., -1., 1., inf, 0., -0., -0., -0., inf, nan, -0., nan]);
    check(Binary::Remainder, [2., 1., -1., -2., nan, 5., inf, 0., -0., nan, nan, -inf, nan]);
    check(Binary::Fmod, [2., -2., 2., -2., nan, 5., -5., 0., -0., nan, nan, 1., nan]);
}

/// Values recorded from PyTorch 2.15.
#[test]
fn integer_rules() {
    assert_eq!(binary::<i64, i64>(Binary::Pow, &[2, 1, -1, 0, -1, 3], &[-1, -1, -1, -1, -2, -3]).unwrap(), [0, 1, -1, 0, 1, 0]);
    assert_eq!(binary::<i64, i64>(Binary::Div(Rounding::Floor), &[i64::MIN], &[-1]).unwrap(), [i64::MIN]);
    assert_eq!(binary::<i64, i64>(Binary::Remainder, &[i64::MIN], &[-1]).unwrap(), [0]);
    assert_eq!(binary::<u8, u8>(Binary::Add, &[200], &[100]).unwrap(), [44]);
    assert_eq!(binary::<i8, i8>(Binary::Mul, &[-128], &[-1]).unwrap(), [-128]);
    assert_eq!(binary::<u8, u8>(Binary::Pow, &[3], &[7]).unwrap(), [139]);
    for f in [Binary::Div(Rounding::Floor), Binary::Div(Rounding::Trunc), Binary::Remainder, Binary::Fmod] {
        let e = binary::<i32, i32>(f, &[1, 2], &[1, 0]).unwrap_err();
        assert!(e.to_string().contains("ZeroDivisionError"), "{e}");
    }
    assert_eq!(unary::<i64, i64>(Unary2(Unary::Clamp { min: -1.5, max: 2.5 }), &[-3, -1, 0, 2, 3]), [-1, -1, 0, 2, 2]);
    assert_eq!(unary::<i8, i8>(Unary2(Unary::Abs), &[-128, -3, 4]), [-128, 3, 4]);
    assert_eq!(unary::<i64, bool>(Unary2(Unary::IsFinite), &[1]), [true]);
}

struct Unary2(Unary);
impl From<Unary2> for rushlight_backend::Op {
    fn from(f: Unary2) -> Self {
        Pointwise::Unary(f.0).into()
    }
}

#[test]
fn booleans() {
    let (x, y) = ([true, true, false, false], [true, false, true, false]);
    let check = |f, expected| assert_eq!(binary::<bool, bool>(f, &x, &y).unwrap(), expected, "{f:?}");
    check(Binary::Add, [true, true, true, false]);
    check(Binary::Mul, [true, false, false, false]);
    check(Binary::Maximum, [true, true, true, false]);
    check(Binary::Lt, [false, false, true, false]);
    check(Binary::LogicalXor, [false, true, true, false]);
    assert_eq!(binary::<bool, bool>(Binary::Div(Rounding::Floor), &x, &y).unwrap_err().kind(), ErrorKind::DType);
}

#[test]
fn special_values() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let x = [nan, inf, -inf, 0.0, -0.0, 1e-40];
    let check = |f, expected: [f32; 6]| {
        let got = unary::<f32, f32>(Unary2(f), &x);
        assert!(got.iter().zip(expected).all(|(&a, b)| same(a, b) || a == b), "{f:?}: {got:?}, wanted {expected:?}");
    };
    check(Unary::Sign, [0., 1., -1., 0., 0., 1.]);
    check(Unary::Relu, [nan, inf, 0., 0., -0., 1e-40]);
    check(Unary::Sigmoid, [nan, 1., 0., 0.5, 0.5, 0.5]);
    check(Unary::Rsqrt, [nan, 0., nan, inf, -inf, 1.0 / 1e-40f32.sqrt()]);
    check(Unary::Relu6, [nan, 6., 0., 0., 0., 1e-40]);
    check(Unary::Silu, [nan, inf, nan, 0., -0., 5e-41]);
    check(Unary::Selu, [nan, inf, -1.758_099_3, 0., -0., 1.0507e-40]);
    check(Unary::Clamp { min: 2.0, max: 1.0 }, [nan, 1., 1., 1., 1., 1.]);
    check(Unary::Elu { alpha: 1.0 }, [nan, inf, -1., 0., 0., 1e-40]);
    let ln_2 = std::f32::consts::LN_2;
    check(Unary::Softplus { beta: 1.0, threshold: 20.0 }, [nan, inf, 0., ln_2, ln_2, ln_2]);
    assert_eq!(unary::<f32, f32>(Unary2(Unary::Round), &[0.5, 1.5, 2.5, -0.5, -1.5]), [0., 2., 2., -0., -2.]);
}

#[test]
fn memory_given_away_is_reused() {
    let x = Operand::contiguous(&[5], vec![1.0f32, 2.0, 3.0, 4.0, 5.0]);
    let storage = x.storage();
    let place = storage.address();
    let layout = Layout::contiguous(&[5]);
    let outputs = [rushlight_backend::Meta::new(&[5], DType::F32)];
    let op = Pointwise::Unary(Unary::Square).into();
    let mut given = Some(storage);
    let mut args = [rushlight_backend::Arg::owned(&mut given, &layout, DType::F32)];
    let out = rushlight_backend::Backend::run(&rushlight_backend_cpu::CPU, &op, &mut args, &outputs).unwrap().unwrap();
    assert_eq!(out[0].address(), place);
}

fn run_f64(op: Pointwise, inputs: &[&[f64]]) -> Vec<f64> {
    let inputs: Vec<_> = inputs.iter().map(|x| Operand::contiguous(&[x.len()], x.to_vec())).collect();
    run::<f64>(op, inputs.iter().map(|x| (x.storage(), &x.layout, DType::F64, false)).collect()).unwrap().1
}

/// The backward of every function against central differences, away from kinks.
#[test]
fn gradients_by_finite_differences() {
    use Unary::*;
    use rushlight_backend::op::GradUses;
    let everywhere = [-3.7, -2.1, -0.8, -0.3, 0.2, 0.6, 1.9, 3.4, 7.6];
    let (inside, positive, above) = ([-0.9, -0.4, -0.1, 0.3, 0.7, 0.95], [0.1, 0.5, 1.0, 2.5, 9.0, 40.0], [1.1, 1.5, 3.0, 20.0]);
    let others = [
        Elu { alpha: 0.7 },
        Celu { alpha: 0.75 },
        LeakyRelu { slope: 0.1 },
        Softplus { beta: 1.5, threshold: 8.0 },
        Clamp { min: -1.0, max: 2.0 },
    ];
    for f in Unary::ALL.iter().copied().filter(|f| !f.is_predicate() && !matches!(f, Conj | BitwiseNot)).chain(others) {
        let x = match f {
            Sqrt | Rsqrt | Log | Log2 | Log10 | Log1p => &positive[..],
            Asin | Acos | Atanh => &inside,
            Acosh => &above,
            _ => &everywhere,
        };
        let h = 1e-5;
        let shifted = |h: f64| run_f64(Pointwise::Unary(f), &[&x.iter().map(|x| x + h).collect::<Vec<_>>()]);
        let (up, down) = (shifted(h), shifted(-h));
        let saved = if f.grad_uses() == GradUses::Output { shifted(0.0) } else { x.to_vec() };
        let got = run_f64(Pointwise::UnaryGrad(f), &[&vec![1.7; x.len()], &saved]);
        for i in 0..x.len() {
            let expected = 1.7 * (up[i] - down[i]) / (2.0 * h);
            assert!((got[i] - expected).abs() <= 1e-7 * (1.0 + expected.abs()), "{f:?} at {}: {}, wanted {expected}", x[i], got[i]);
        }
    }
}

/// Values recorded from PyTorch 2.15.
#[test]
fn gradients_at_kinks() {
    let check = |f, x: &[f64], expected: &[f64]| assert_eq!(run_f64(Pointwise::UnaryGrad(f), &[&vec![1.0; x.len()], x]), expected, "{f:?}");
    check(Unary::Relu, &[-0.0, 0.0, 1.0], &[0.0, 0.0, 1.0]);
    check(Unary::Abs, &[-0.0, 0.0, -1.0], &[0.0, 0.0, -1.0]);
    check(Unary::Hardswish, &[-3.0, 3.0, 0.0], &[0.0, 1.0, 0.5]);
    check(Unary::Hardsigmoid, &[-3.0, 3.0], &[0.0, 0.0]);
    check(Unary::Relu6, &[0.0, 6.0, 3.0], &[0.0, 0.0, 1.0]);
    check(Unary::LeakyRelu { slope: 0.1 }, &[0.0], &[0.1]);
    check(Unary::Elu { alpha: 2.0 }, &[0.0], &[2.0]);
    check(Unary::Clamp { min: -1.0, max: 1.0 }, &[-1.0, 1.0, 0.5], &[0.0, 0.0, 1.0]);
}

/// A gradient that is one number repeated, and scalars beside half precision.
#[test]
fn repeated_gradient_and_halves() {
    use rushlight_backend::{Shape, Strides, f16};
    let g = Operand { memory: vec![2.0f32], layout: Layout::new(Shape::from_slice(&[1300]), Strides::from_slice(&[0]), 0) };
    let y = Operand::contiguous(&[1300], (0..1300).map(|i| i as f32 / 1300.0).collect());
    let inputs = vec![(g.storage(), &g.layout, DType::F32, false), (y.storage(), &y.layout, DType::F32, true)];
    let (_, got) = run::<f32>(Pointwise::UnaryGrad(Unary::Exp), inputs).unwrap();
    assert!(got.iter().zip(&y.memory).all(|(&g, y)| g == 2.0 * y));
    // The scalar is not rounded to half precision first: 0.1 is 0.0999755859375 there.
    let x = Operand::contiguous(&[1], vec![f16::from_f32(1000.0)]);
    let op = Pointwise::WithScalar { op: Binary::Mul, scalar: Scalar::Float(0.1), reflected: false };
    assert_eq!(run::<f16>(op, vec![(x.storage(), &x.layout, DType::F16, false)]).unwrap().1, [f16::from_f32(100.0)]);
}
