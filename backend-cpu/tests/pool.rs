//! Pooling kernels against plain loops over PyTorch's definitions.

mod common;

use common::{Operand, coordinates, mix, run, run_two};
use proptest::prelude::*;
use rushlight_backend::op::{Divisor, Pool, PoolWindow, Spatial};
use rushlight_backend::{DType, ErrorKind, Layout};

#[derive(Clone, Debug)]
struct Case {
    planes: usize,
    size: Vec<usize>,
    kernel: Vec<usize>,
    stride: Vec<usize>,
    padding: Vec<usize>,
    dilation: Vec<usize>,
    ceil: bool,
}

fn cases(dilated: bool) -> impl Strategy<Value = Case> {
    let sizes = (1..=3usize).prop_flat_map(move |rank| {
        let most = [50, 20, 6][rank - 1];
        let numbers = |low: usize, high: usize| proptest::collection::vec(low..=high, rank);
        (numbers(1, 4), numbers(0, most), numbers(1, 3), numbers(0, 2), numbers(1, if dilated { 3 } else { 1 }))
    });
    (1..4usize, sizes, any::<bool>()).prop_map(|(planes, (kernel, extra, stride, padding, dilation), ceil)| {
        let reach = |d: usize| (kernel[d] - 1) * dilation[d] + 1;
        let padding: Vec<usize> = padding.iter().enumerate().map(|(d, &p)| p.min(reach(d) / 2)).collect();
        let size = extra.iter().enumerate().map(|(d, &e)| (reach(d) + e).saturating_sub(2 * padding[d]).max(1)).collect();
        Case { planes, size, kernel, stride, padding, dilation, ceil }
    })
}

impl Case {
    fn window(&self) -> PoolWindow {
        let numbers = |v: &[usize]| Spatial::of_shape("test", v).unwrap();
        PoolWindow {
            kernel: numbers(&self.kernel),
            stride: numbers(&self.stride),
            padding: numbers(&self.padding),
            dilation: numbers(&self.dilation),
            ceil_mode: self.ceil,
        }
    }

    /// The windows in order: the places inside of the plane, and the number inside of the padded plane.
    fn windows(&self, out: &[usize]) -> Vec<(Vec<usize>, usize)> {
        let one = |o: &Vec<usize>| {
            let (mut places, mut padded) = (vec![], 0);
            for k in coordinates(&self.kernel) {
                let at: Vec<usize> = (0..o.len()).map(|d| o[d] * self.stride[d] + k[d] * self.dilation[d]).collect();
                padded += usize::from((0..at.len()).all(|d| at[d] < self.size[d] + 2 * self.padding[d]));
                if (0..at.len()).all(|d| at[d] >= self.padding[d] && at[d] < self.size[d] + self.padding[d]) {
                    places.push((0..at.len()).fold(0, |flat, d| flat * self.size[d] + at[d] - self.padding[d]));
                }
            }
            (places, padded)
        };
        coordinates(out).iter().map(one).collect()
    }

    fn shape(&self) -> Vec<usize> {
        [&[self.planes], self.size.as_slice()].concat()
    }
}

fn float(seed: u64) -> f32 {
    let r = mix(seed);
    if r.is_multiple_of(23) { f32::NAN } else { (r % 13) as f32 - 6.0 }
}

fn finite(seed: u64) -> f32 {
    (mix(seed) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn check_max(case: &Case, x: &[f32]) {
    let operand = Operand::contiguous(&case.shape(), x.to_vec());
    let (shape, values, places) = run_two(Pool::Max(case.window()), &operand);
    let windows = case.windows(&shape[1..]);
    let plane: usize = case.size.iter().product();
    for (i, (v, p)) in values.iter().zip(&places).enumerate() {
        let x = &x[i / windows.len() * plane..][..plane];
        let inside = &windows[i % windows.len()].0;
        // As PyTorch: the last NaN, or the first of the largest.
        let mut best: Option<usize> = None;
        for &at in inside {
            if best.is_none_or(|b| x[at] > x[b] || x[at].is_nan()) {
                best = Some(at);
            }
        }
        match best {
            Some(b) => {
                assert_eq!(*p, b as i64, "place of window {i} of {case:?}");
                assert!(*v == x[b] || (v.is_nan() && x[b].is_nan()), "window {i} of {case:?}: {v}, wanted {}", x[b]);
            }
            None => assert_eq!(*v, f32::NEG_INFINITY),
        }
    }
}

fn close(what: &str, got: &[f32], want: &[f64]) {
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(*g) - w).abs() <= 1e-5 * (1.0 + w.abs()), "{what}: element {i}: {g}, wanted {w}");
    }
}

proptest! {
    #![proptest_config(common::config(256))]

    #[test]
    fn maxima(case in cases(true), seed: u64) {
        let n = case.planes * case.size.iter().product::<usize>();
        let x: Vec<f32> = (0..n as u64).map(|i| float(seed ^ (i << 7))).collect();
        check_max(&case, &x);
    }

    #[test]
    fn two_by_two(planes in 1..4usize, h in 2..30usize, w in 2..80usize, ceil: bool, seed: u64) {
        let two = vec![2, 2];
        let case = Case { planes, size: vec![h, w], kernel: two.clone(), stride: two, padding: vec![0, 0], dilation: vec![1, 1], ceil };
        let x: Vec<f32> = (0..(planes * h * w) as u64).map(|i| float(seed ^ (i << 7))).collect();
        check_max(&case, &x);
    }

    #[test]
    fn averages_and_their_transpose(case in cases(false), kind in 0..3u8, seed: u64) {
        let divisor = [Divisor::Padded, Divisor::Inside, Divisor::Fixed(3)][kind as usize];
        let n = case.planes * case.size.iter().product::<usize>();
        let x: Vec<f32> = (0..n as u64).map(|i| finite(seed ^ (i << 7))).collect();
        let operand = Operand::contiguous(&case.shape(), x.clone());
        let window = case.window();
        let (shape, y) = run::<f32>(Pool::Avg { window, divisor }, vec![(operand.storage(), &operand.layout, DType::F32, false)]).unwrap();
        let windows = case.windows(&shape[1..]);
        let plane = n / case.planes;
        let (mut want, mut want_dx) = (vec![], vec![0.0; n]);
        for p in 0..case.planes {
            for (i, (inside, padded)) in windows.iter().enumerate() {
                let by = match divisor { Divisor::Padded => *padded, Divisor::Inside => inside.len(), Divisor::Fixed(n) => n as usize } as f64;
                let by = if by == 0.0 { 1.0 } else { by };
                want.push(inside.iter().map(|&at| f64::from(x[p * plane + at])).sum::<f64>() / by);
                for &at in inside {
                    want_dx[p * plane + at] += f64::from(finite((p * windows.len() + i) as u64)) / by;
                }
            }
        }
        close("average", &y, &want);
        let g = Operand::contiguous(&shape, (0..want.len() as u64).map(finite).collect());
        let op = Pool::AvgGrad { window, divisor, size: Spatial::of_shape("test", &case.size).unwrap() };
        let (_, dx) = run::<f32>(op, vec![(g.storage(), &g.layout, DType::F32, false)]).unwrap();
        close("gradient of the average", &dx, &want_dx);
    }

    #[test]
    fn adaptive(h in 1..20usize, w in 1..20usize, oh in 1..8usize, ow in 1..8usize, seed: u64) {
        let x: Vec<f32> = (0..(2 * h * w) as u64).map(|i| finite(seed ^ (i << 7))).collect();
        let operand = Operand::contiguous(&[2, h, w], x.clone());
        let size = Spatial::of_shape("test", &[oh, ow]).unwrap();
        let (shape, y) = run::<f32>(Pool::AdaptiveAvg { size }, vec![(operand.storage(), &operand.layout, DType::F32, false)]).unwrap();
        let (_, values, places) = run_two(Pool::AdaptiveMax { size }, &operand);
        prop_assert_eq!(shape.as_slice(), &[2, oh, ow]);
        let mut want_dx = vec![0.0; x.len()];
        for (i, c) in coordinates(&shape).iter().enumerate() {
            let (rows, cols) = (c[1] * h / oh..((c[1] + 1) * h).div_ceil(oh), c[2] * w / ow..((c[2] + 1) * w).div_ceil(ow));
            let part: Vec<usize> = rows.flat_map(|r| cols.clone().map(move |q| r * w + q)).collect();
            let at = |p: usize| x[c[0] * h * w + p];
            let mean = part.iter().map(|&p| f64::from(at(p))).sum::<f64>() / part.len() as f64;
            prop_assert!((f64::from(y[i]) - mean).abs() < 1e-5);
            let most = part.iter().copied().max_by(|&a, &b| at(a).total_cmp(&at(b)).then(b.cmp(&a))).unwrap();
            prop_assert_eq!((values[i], places[i]), (at(most), most as i64));
            for p in &part {
                want_dx[c[0] * h * w + p] += f64::from(finite(i as u64)) / part.len() as f64;
            }
        }
        let g = Operand::contiguous(&shape, (0..y.len() as u64).map(finite).collect());
        let op = Pool::AdaptiveAvgGrad { size: Spatial::of_shape("test", &[h, w]).unwrap() };
        let (_, dx) = run::<f32>(op, vec![(g.storage(), &g.layout, DType::F32, false)]).unwrap();
        close("gradient of adaptive", &dx, &want_dx);
    }
}

#[test]
fn gradient_of_the_maximum_adds_and_checks_its_indices() {
    let g = Operand::contiguous(&[2, 1, 3], vec![1.0f32, 2.0, 4.0, 8.0, 16.0, 32.0]);
    let op = Pool::MaxGrad { size: Spatial::all(2, 2) };
    let scatter = |indices: Vec<i64>| {
        let i = Operand::contiguous(&[2, 1, 3], indices);
        run::<f32>(op, vec![(g.storage(), &g.layout, DType::F32, false), (i.storage(), &i.layout, DType::I64, false)])
    };
    assert_eq!(scatter(vec![0, 3, 0, 1, 1, 1]).unwrap().1, [5.0, 0.0, 0.0, 2.0, 0.0, 56.0, 0.0, 0.0]);
    for bad in [-1, 4] {
        assert_eq!(scatter(vec![0, 0, 0, 0, bad, 0]).unwrap_err().kind(), ErrorKind::Index);
    }
}

#[test]
fn integers_and_other_layouts() {
    let x = Operand {
        memory: (0..24i64).map(|i| i * 7 % 11).collect(),
        layout: Layout::contiguous(&[4, 6]).permute(&[1, 0]).reshape(&[1, 6, 4]).unwrap(),
    };
    let two = Spatial::all(2, 2);
    let window = PoolWindow { kernel: two, stride: two, padding: Spatial::all(0, 2), dilation: Spatial::all(1, 2), ceil_mode: false };
    let (shape, values, places) = run_two(Pool::Max(window), &x);
    assert_eq!(shape.as_slice(), [1, 3, 2]);
    let at = |r: usize, c: usize| x.at(&[0, r, c]);
    for (i, c) in coordinates(&shape).iter().enumerate() {
        let all = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(r, q)| (2 * c[1] + r, 2 * c[2] + q));
        let most = all.iter().map(|&(r, q)| at(r, q)).max().unwrap();
        assert_eq!(values[i], most);
        assert_eq!(at(places[i] as usize / 4, places[i] as usize % 4), most);
    }
    let (_, means) = run::<i64>(Pool::Avg { window, divisor: Divisor::Inside }, vec![(x.storage(), &x.layout, DType::I64, false)]).unwrap();
    assert_eq!(means[0], (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4);
}
