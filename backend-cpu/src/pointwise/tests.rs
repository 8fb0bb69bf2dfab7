//! The accuracy of the elementary functions, against `f64` over the whole range of `f32`.

use super::float::Float;
use super::{erf, math, wide};

/// The distance of a result from the exact one, in units of the last place of the nearest `f32`.
fn ulps(got: f32, exact: f64) -> f64 {
    let near = exact as f32;
    if got.to_bits() == near.to_bits() || (got.is_nan() && near.is_nan()) {
        return 0.0;
    }
    if !near.is_finite() || !got.is_finite() {
        // Overflow a little early or late counts as the distance from the largest number.
        let largest = f64::from(f32::MAX);
        let (a, b) = (f64::from(got).clamp(-largest, largest), exact.clamp(-largest, largest));
        return if got.is_nan() != near.is_nan() { f64::INFINITY } else { (a - b).abs() / 2f64.powi(104) };
    }
    let exponent = (near.abs().max(f32::MIN_POSITIVE)).log2().floor();
    (f64::from(got) - exact).abs() / 2f64.powi(exponent as i32 - 23)
}

/// The largest error over every 1021st `f32` and the edges.
fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> (f64, f32) {
    let edges = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.0, -1.0, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1e-45, -1e-45];
    let all = (0..=u32::MAX / 1021).map(|i| f32::from_bits(i * 1021));
    let near_one = (0..20_000u32).map(|i| f32::from_bits(1f32.to_bits() - 10_000 + i));
    all.chain(edges).chain(near_one).map(|x| (ulps(f(x), exact(x.into())), x)).fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a })
}

fn check(name: &str, limit: f64, fma: impl Fn(f32) -> f32, plain: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64 + Copy) {
    for (level, (error, at)) in [("fma", worst(fma, exact)), ("portable", worst(plain, exact))] {
        println!("{name} {level}: {error:.3} ulp at {at:e}");
        assert!(error <= limit, "{name} ({level}): {error} ulp at {at:e}");
    }
}

macro_rules! accuracy {
    ($($test:ident: $name:ident < $limit:literal, $exact:expr;)*) => {$(
        #[test]
        fn $test() {
            check(stringify!($name), $limit, |x| Float::$name::<true>(x), |x| Float::$name::<false>(x), $exact);
        }
    )*};
}

accuracy! {
    exp: exp < 1.1, f64::exp;
    exp2: exp2 < 0.51, f64::exp2;
    expm1: expm1 < 1.6, f64::exp_m1;
    ln: ln < 1.1, f64::ln;
    log2: log2 < 0.51, f64::log2;
    log10: log10 < 0.51, f64::log10;
    ln_1p: ln_1p < 1.6, f64::ln_1p;
    asin: asin < 0.51, f64::asin;
    acos: acos < 0.51, f64::acos;
    atan: atan < 0.51, f64::atan;
    sinh: sinh < 0.51, f64::sinh;
    cosh: cosh < 0.51, f64::cosh;
    tanh: tanh < 1.6, f64::tanh;
    asinh: asinh < 0.51, |x: f64| if x.abs() < 1e-3 { x - x * x * x / 6.0 } else { x.asinh() };
    acosh: acosh < 0.51, f64::acosh;
    atanh: atanh < 0.51, |x: f64| if x.abs() < 1e-3 { x + x * x * x / 3.0 } else { x.atanh() };
    erf_f32: erf < 1.6, erf::erf;
    erfc_f32: erfc < 0.51, erf::erfc;
}

/// Down to where `exp(-x)` overflows, and the result, which would be subnormal, is 0.
#[test]
fn sigmoid() {
    let f = |x: f32| if x > -88.0 { Float::sigmoid::<true>(x) } else { 0.0 };
    let (error, at) = worst(f, |x| if x > -88.0 { 1.0 / (1.0 + (-x).exp()) } else { 0.0 });
    assert!(error <= 2.6, "{error} ulp at {at:e}");
}

/// Angles up to the limit of the vector code.
#[test]
fn angles() {
    let limited = |f: fn(f32) -> f32| move |x: f32| if x.abs() <= wide::LARGE_ANGLE { f(x) } else { 0.0 };
    let exact = |f: fn(f64) -> f64| move |x: f64| if x.abs() <= wide::LARGE_ANGLE.into() { f(x) } else { 0.0 };
    for (name, fma, plain, std) in [
        ("sin", Float::sin::<true> as fn(f32) -> f32, Float::sin::<false> as fn(f32) -> f32, f64::sin as fn(f64) -> f64),
        ("cos", Float::cos::<true>, Float::cos::<false>, f64::cos),
        ("tan", Float::tan::<true>, Float::tan::<false>, f64::tan),
    ] {
        for f in [fma, plain] {
            let (error, at) = worst(limited(f), exact(std));
            println!("{name}: {error:.3} ulp at {at:e}");
            assert!(error <= 0.51, "{name}: {error} ulp at {at:e}");
        }
    }
}

#[test]
fn two_arguments() {
    let edges = [
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.0,
        -2.0,
        3.0,
        -3.0,
        1e30,
        -1e30,
        1e-30,
        1e-42,
        101.5,
    ];
    let some: Vec<f32> = (0..1500u32)
        .map(|i| f32::from_bits(i.wrapping_mul(0x9e37_79b1)))
        .chain((0..500).map(|i| i as f32 * 0.0621 - 7.3))
        .chain(edges)
        .collect();
    let mut worst = [0.0f64; 4];
    for &x in &some {
        for &y in &some {
            let (a, b) = (f64::from(x), f64::from(y));
            let results = [
                (Float::pow::<true>(x, y), a.powf(b)),
                (Float::pow::<false>(x, y), a.powf(b)),
                (Float::atan2::<true>(x, y), a.atan2(b)),
                (Float::atan2::<false>(x, y), a.atan2(b)),
            ];
            for (w, (got, exact)) in worst.iter_mut().zip(results) {
                let error = ulps(got, exact);
                assert!(error <= 0.51, "f({x:e}, {y:e}) = {got:e}, wanted {exact:e}");
                *w = w.max(error);
            }
        }
    }
    println!("pow {:.3} {:.3} atan2 {:.3} {:.3}", worst[0], worst[1], worst[2], worst[3]);
}

/// Values computed with 30 digits.
#[test]
fn normal_distribution() {
    for i in -9000..9000 {
        let x = i as f32 * 1e-3;
        let exact = f64::from(x) * 0.5 * erf::erfc(-f64::from(x) * std::f64::consts::FRAC_1_SQRT_2);
        for y in [x * math::normal_cdf::<true>(x), x * math::normal_cdf::<false>(x)] {
            assert!((f64::from(y) - exact).abs() <= 7e-7, "{x}: {y}, exactly {exact}");
        }
    }
    assert_eq!((math::normal_cdf::<true>(-100.0), math::normal_cdf::<true>(f32::INFINITY)), (0.0, 1.0));
    assert!(math::normal_cdf::<true>(f32::NAN).is_nan());
}

#[test]
fn flushed_exponential() {
    for i in -8729..100 {
        let x = i as f32 * 1e-2;
        for y in [math::exp_flushed::<true>(x), math::exp_flushed::<false>(x)] {
            assert!(ulps(y, f64::from(x).exp()) <= 1.5, "{x}: {y}");
        }
    }
    assert_eq!((math::exp_flushed::<true>(-90.0), math::exp_flushed::<true>(f32::NEG_INFINITY)), (0.0, 0.0));
    assert!(math::exp_flushed::<true>(f32::NAN).is_nan());
}

#[test]
fn erf_f64() {
    for (x, e, c, d) in TABLE {
        for (got, exact) in [(erf::erf(x), e), (erf::erf(-x), -e), (erf::erfc(x), c), (erf::erfc(-x), d)] {
            assert!((got - exact).abs() <= 4e-16 * exact.abs() + 1e-300, "at {x}: {got:e}, wanted {exact:e}");
        }
    }
    assert!(erf::erf(f64::NAN).is_nan() && erf::erfc(f64::NAN).is_nan());
    assert_eq!((erf::erf(f64::INFINITY), erf::erfc(f64::INFINITY), erf::erfc(f64::NEG_INFINITY)), (1.0, 0.0, 2.0));
}

#[rustfmt::skip]
const TABLE: [(f64, f64, f64, f64); 20] = [
    (1e-10, 1.1283791670955126e-10, 0.999999999887162, 1.000000000112838),
    (1e-05, 1.1283791670579e-05, 0.9999887162083294, 1.0000112837916706),
    (0.1, 0.1124629160182849, 0.887537083981715, 1.1124629160182848),
    (0.25, 0.27632639016823696, 0.7236736098317631, 1.276326390168237),
    (0.5, 0.5204998778130465, 0.4795001221869535, 1.5204998778130465),
    (0.84, 0.7651427114549945, 0.23485728854500548, 1.7651427114549945),
    (0.85, 0.7706680576083526, 0.22933194239164748, 1.7706680576083524),
    (1.0, 0.8427007929497149, 0.15729920705028513, 1.8427007929497148),
    (1.2, 0.9103139782296353, 0.08968602177036464, 1.9103139782296354),
    (1.3, 0.9340079449406524, 0.06599205505934755, 1.9340079449406524),
    (2.0, 0.9953222650189527, 0.004677734981047266, 1.9953222650189528),
    (2.8, 0.9999249868053346, 7.501319466545911e-05, 1.9999249868053346),
    (2.9, 0.9999589021219005, 4.109787809945886e-05, 1.9999589021219006),
    (3.5, 0.9999992569016276, 7.430983723414128e-07, 1.9999992569016276),
    (5.0, 0.9999999999984626, 1.537459794428035e-12, 1.9999999999984626),
    (5.9, 0.9999999999999999, 7.190409783550478e-17, 2.0),
    (7.0, 1.0, 4.183825607779414e-23, 2.0),
    (12.0, 1.0, 1.3562611692059042e-64, 2.0),
    (20.0, 1.0, 5.395865611607901e-176, 2.0),
    (26.0, 1.0, 5.663192408856143e-296, 2.0),
];
