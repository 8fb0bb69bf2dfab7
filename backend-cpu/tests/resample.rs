//! Interpolation and sampling at grids against plain loops over PyTorch's definitions, and the gradients as their transposes.

mod common;

use common::{Operand, coordinates, mix, operands, run};
use proptest::prelude::*;
use rushlight_backend::op::{GridMode, GridPadding, GridSample, Interpolation, Method, Resample, Spatial};
use rushlight_backend::{DType, Element, ErrorKind, bf16, f16};

fn unit(r: u64) -> f64 {
    (r >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
}

/// The cubic convolution: the filter of bicubic interpolation.
fn cubic(x: f64, a: f64) -> f64 {
    match x.abs() {
        x if x < 1.0 => (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0,
        x if x < 2.0 => a * x.powi(3) - 5.0 * a * x.powi(2) + 8.0 * a * x - 4.0 * a,
        _ => 0.0,
    }
}

/// Weights of all elements of a dimension of `from` elements for element `i` of the result.
fn weights(of: &Interpolation, dim: usize, from: usize, i: usize) -> Vec<f64> {
    let step = of.step[dim];
    let mut all = vec![0.0; from];
    let mut add = |at: f64, w: f64| all[at.clamp(0.0, from as f64 - 1.0) as usize] += w;
    let centre = step * (i as f64 + 0.5);
    match of.method {
        Method::Nearest => add((i as f32 * step as f32).floor().into(), 1.0),
        Method::NearestExact => add(((i as f32 + 0.5) * step as f32).floor().into(), 1.0),
        _ if of.antialias => {
            let wide = step.max(1.0);
            let filter = |x: f64| if of.method == Method::Linear { (1.0 - x.abs()).max(0.0) } else { cubic(x, -0.5) };
            let each: Vec<f64> = (0..from).map(|j| filter((j as f64 + 0.5 - centre) / wide)).collect();
            let total: f64 = each.iter().sum();
            each.iter().enumerate().for_each(|(j, w)| add(j as f64, w / total));
        }
        Method::Linear => {
            let at = if of.align_corners { step * i as f64 } else { (centre - 0.5).max(0.0) };
            add(at.floor(), 1.0 - at.fract());
            add(at.floor() + 1.0, at.fract());
        }
        Method::Cubic => {
            let at = if of.align_corners { step * i as f64 } else { centre - 0.5 };
            for k in -1..=2 {
                let place = at.floor() + f64::from(k);
                add(place, cubic(at - place, -0.75));
            }
        }
    }
    all
}

fn interpolations() -> impl Strategy<Value = (Interpolation, Vec<usize>)> {
    let sizes = |rank: usize, most: usize| proptest::collection::vec(1..most, rank);
    (1..=3usize)
        .prop_flat_map(move |rank| (sizes(rank, 9), sizes(rank, 12), 1..3usize, 1..4usize, 0..4u8, any::<bool>(), any::<bool>()))
        .prop_map(|(from, to, n, channels, method, align_corners, antialias)| {
            let method = [Method::Nearest, Method::NearestExact, Method::Linear, Method::Cubic][method as usize];
            let smooth = matches!(method, Method::Linear | Method::Cubic);
            let antialias = antialias && smooth;
            let align_corners = align_corners && smooth && !antialias;
            let mut step = [1.0; 3];
            for d in 0..from.len() {
                step[d] = match align_corners {
                    true if to[d] > 1 => (from[d] as f64 - 1.0) / (to[d] as f64 - 1.0),
                    true => 0.0,
                    false => from[d] as f64 / to[d] as f64,
                };
            }
            let size = Spatial::of_shape("test", &to).unwrap();
            (Interpolation { method, size, step, align_corners, antialias }, [&[n, channels], from.as_slice()].concat())
        })
}

fn check<T: Element>(of: &Interpolation, x: &Operand<T>, tolerance: f64) {
    let from = &x.layout.shape()[2..];
    let (shape, got) = run::<T>(Resample::Forward(*of), vec![(x.storage(), &x.layout, T::DTYPE, false)]).unwrap();
    for (c, got) in coordinates(&shape).iter().zip(&got) {
        let tables: Vec<Vec<f64>> = (0..from.len()).map(|d| weights(of, d, from[d], c[d + 2])).collect();
        let wanted: f64 = coordinates(from)
            .iter()
            .map(|at| {
                let w: f64 = at.iter().zip(&tables).map(|(&i, t)| t[i]).product();
                if w == 0.0 { 0.0 } else { w * x.at(&[&c[..2], at.as_slice()].concat()).to_scalar().to_f64() }
            })
            .sum();
        let got = got.to_scalar().to_f64();
        assert!((got - wanted).abs() <= tolerance, "{of:?} of {from:?}, {} at {c:?}: {got}, wanted {wanted}", T::DTYPE);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Where a coordinate that is counted in elements lies after padding.
fn padded(with: &GridSample, x: f64, n: usize) -> f64 {
    let last = n as f64 - 1.0;
    let reflected = |low: f64, span: f64| {
        if span == 0.0 {
            return 0.0;
        }
        let way = (x - low).rem_euclid(2.0 * span);
        low + if way > span { 2.0 * span - way } else { way }
    };
    match with.padding {
        GridPadding::Zeros => x,
        GridPadding::Border => x.clamp(0.0, last),
        GridPadding::Reflection if with.align_corners => reflected(0.0, last).clamp(0.0, last),
        GridPadding::Reflection => reflected(-0.5, n as f64).clamp(0.0, last),
    }
}

/// The weights of all elements of a dimension at a coordinate from -1 to 1.
fn samples(with: &GridSample, x: f64, n: usize) -> Vec<f64> {
    let mut all = vec![0.0; n];
    let mut add = |at: f64, w: f64| {
        if at >= 0.0 && at < n as f64 {
            all[at as usize] += w;
        }
    };
    let x = if with.align_corners { (x + 1.0) / 2.0 * (n as f64 - 1.0) } else { ((x + 1.0) * n as f64 - 1.0) / 2.0 };
    match with.mode {
        GridMode::Nearest => add(padded(with, x, n).round_ties_even(), 1.0),
        GridMode::Bilinear => {
            let x = padded(with, x, n);
            add(x.floor(), 1.0 - (x - x.floor()));
            add(x.floor() + 1.0, x - x.floor());
        }
        GridMode::Bicubic => {
            for k in -1..=2 {
                let place = x.floor() + f64::from(k);
                add(padded(with, place, n), cubic(x - place, -0.75));
            }
        }
    }
    all
}

fn grids() -> impl Strategy<Value = (GridSample, Vec<usize>, Vec<usize>)> {
    let sizes = |rank: usize| proptest::collection::vec(1..7usize, rank);
    (2..=3usize).prop_flat_map(move |rank| (sizes(rank), sizes(rank), 1..3usize, 1..4usize, 0..3u8, 0..3u8, any::<bool>())).prop_map(
        |(from, to, n, channels, mode, padding, align_corners)| {
            let modes = [GridMode::Bilinear, GridMode::Nearest, GridMode::Bicubic];
            let mode = modes[mode as usize];
            let padding = [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection][padding as usize];
            let points = [&[n], to.as_slice(), &[from.len()]].concat();
            (GridSample { mode, padding, align_corners }, [&[n, channels], from.as_slice()].concat(), points)
        },
    )
}

proptest! {
    #![proptest_config(common::config(120))]

    #[test]
    fn interpolated(
        (of, x, y, z, w) in interpolations().prop_flat_map(|(of, shape)| (
            Just(of),
            operands(shape.clone(), false, unit),
            operands(shape.clone(), false, |r| unit(r) as f32),
            operands(shape.clone(), false, |r| f16::from_f64(unit(r))),
            operands(shape, false, |r| bf16::from_f64(unit(r))),
        )),
    ) {
        check(&of, &x, 1e-10);
        check(&of, &y, 1e-4);
        check(&of, &z, 1e-2);
        check(&of, &w, 1e-1);
    }

    /// `<F(x), g> = <x, F'(g)>`.
    #[test]
    fn the_gradient_is_the_transpose((of, x) in interpolations().prop_flat_map(|(of, shape)| (Just(of), operands(shape, false, unit))), seed in any::<u64>()) {
        let (shape, y) = run::<f64>(Resample::Forward(of), vec![(x.storage(), &x.layout, DType::F64, false)]).unwrap();
        let g = Operand::contiguous(&shape, (0..y.len() as u64).map(|i| unit(mix(seed ^ i))).collect());
        let size = Spatial::of_shape("test", &x.layout.shape()[2..]).unwrap();
        let (_, back) = run::<f64>(Resample::Grad { of, size }, vec![(g.storage(), &g.layout, DType::F64, false)]).unwrap();
        let x: Vec<f64> = coordinates(x.layout.shape()).iter().map(|c| x.at(c)).collect();
        let (a, b) = (dot(&y, &g.memory), dot(&x, &back));
        prop_assert!((a - b).abs() <= 1e-10 * (1.0 + a.abs()), "{} is not {}", a, b);
    }

    #[test]
    fn sampled(
        (with, x, grid) in grids().prop_flat_map(|(with, shape, points)| (
            Just(with), operands(shape, false, unit), operands(points, false, |r| 1.6 * unit(r)))),
        seed in any::<u64>(),
    ) {
        let inputs = || vec![(x.storage(), &x.layout, DType::F64, false), (grid.storage(), &grid.layout, DType::F64, false)];
        let (shape, got) = run::<f64>(Resample::Grid(with), inputs()).unwrap();
        let from = &x.layout.shape()[2..];
        for (c, got) in coordinates(&shape).iter().zip(&got) {
            // The grid's last dimension counts x, y, z; dimensions lie the other way round.
            let at = |d: usize| grid.at(&[&[c[0]], &c[2..], &[from.len() - 1 - d]].concat());
            let tables: Vec<Vec<f64>> = (0..from.len()).map(|d| samples(&with, at(d), from[d])).collect();
            let wanted: f64 = coordinates(from)
                .iter()
                .map(|p| p.iter().zip(&tables).map(|(&i, t)| t[i]).product::<f64>() * x.at(&[&c[..2], p.as_slice()].concat()))
                .sum();
            prop_assert!((got - wanted).abs() <= 1e-10, "{:?} of {:?} at {:?}: {}, wanted {}", with, from, c, got, wanted);
        }
        let g = Operand::contiguous(&shape, (0..got.len() as u64).map(|i| unit(mix(seed ^ i))).collect());
        let mut all = vec![(g.storage(), &g.layout, DType::F64, false)];
        all.extend(inputs());
        let (_, back) = run::<f64>(Resample::GridGrad(with), all).unwrap();
        let x: Vec<f64> = coordinates(x.layout.shape()).iter().map(|c| x.at(c)).collect();
        let (a, b) = (dot(&got, &g.memory), dot(&x, &back));
        prop_assert!((a - b).abs() <= 1e-10 * (1.0 + a.abs()), "{} is not {}", a, b);
    }
}

/// Bytes are interpolated as numbers and rounded.
#[test]
fn bytes() {
    let size = Spatial::of_shape("test", &[5]).unwrap();
    let of = Interpolation { method: Method::Linear, size, step: [0.5, 1.0, 1.0], align_corners: true, antialias: false };
    let x = Operand::contiguous(&[1, 1, 3], vec![0u8, 100, 255]);
    let (_, got) = run::<u8>(Resample::Forward(of), vec![(x.storage(), &x.layout, DType::U8, false)]).unwrap();
    assert_eq!((got[0], got[1], got[2], got[4]), (0, 50, 100, 255));
    assert!(matches!(got[3], 177 | 178));
    let y = Operand::contiguous(&[1, 1, 3], vec![0i32; 3]);
    assert_eq!(run::<i32>(Resample::Forward(of), vec![(y.storage(), &y.layout, DType::I32, false)]).unwrap_err().kind(), ErrorKind::DType);
}
