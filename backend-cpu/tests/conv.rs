//! Convolution kernels against the defining sum, over random shapes, parameters and layouts.

mod common;

use common::{Input, Operand, coordinates, layouts, mix, run};
use proptest::prelude::*;
use rushlight_backend::op::{Conv, Spatial, Window};
use rushlight_backend::{DType, Element, ErrorKind, Layout, bf16};

/// Sizes and parameters of a convolution; each list has a number for each spatial dimension.
#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    groups: usize,
    cin: usize,
    cout: usize,
    kernel: Vec<usize>,
    input: Vec<usize>,
    output: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    before: Vec<usize>,
    after: Vec<isize>,
}

impl Case {
    fn window(&self) -> Window {
        let numbers = |v: &[usize]| Spatial::of_shape("test", v).unwrap();
        Window {
            stride: numbers(&self.stride),
            before: numbers(&self.before),
            after: Spatial::new("test", &self.after).unwrap(),
            dilation: numbers(&self.dilation),
            groups: self.groups,
        }
    }

    fn shapes(&self) -> [Vec<usize>; 3] {
        let with = |a: usize, b: usize, s: &[usize]| [&[a, b], s].concat();
        [
            with(self.batch, self.groups * self.cin, &self.input),
            with(self.groups * self.cout, self.cin, &self.kernel),
            with(self.batch, self.groups * self.cout, &self.output),
        ]
    }

    /// Calls f(place in x, place in w, place in y) for every product of the defining sum; places count in row-major order.
    fn products(&self, mut f: impl FnMut(usize, usize, usize)) {
        let flat = |coords: &[usize], shape: &[usize]| coords.iter().zip(shape).fold(0, |at, (c, n)| at * n + c);
        let [xs, ws, ys] = self.shapes();
        let taps = coordinates(&self.kernel);
        for y in coordinates(&ys) {
            for c in 0..self.cin {
                for k in &taps {
                    let mut x = vec![y[0], y[1] / self.cout * self.cin + c];
                    for d in 0..k.len() {
                        let at = y[2 + d] * self.stride[d] + k[d] * self.dilation[d];
                        x.push(at.wrapping_sub(self.before[d]));
                    }
                    if x.iter().zip(&xs).all(|(i, n)| i < n) {
                        let w = [&[y[1], c], k.as_slice()].concat();
                        f(flat(&x, &xs), flat(&w, &ws), flat(&y, &ys));
                    }
                }
            }
        }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let sizes = (1..=3usize).prop_flat_map(|rank| {
        let most = [40, 14, 6][rank - 1];
        let numbers = |low: usize, high: usize| proptest::collection::vec(low..=high, rank);
        (numbers(1, 4), numbers(0, most), numbers(1, 3), numbers(1, 3), numbers(0, 3), proptest::collection::vec(-1..3isize, rank))
    });
    // Small channel counts, depthwise, and some that fill more than one block of channels.
    let channels = prop_oneof![
        6 => (1..3usize, 1..4usize, 1..7usize),
        1 => (1..20usize, Just(1usize), 1..3usize),
        1 => (Just(1usize), 1..20usize, 7..30usize),
    ];
    (1..4usize, channels, sizes).prop_map(|(batch, (groups, cin, cout), (kernel, extra, stride, dilation, before, after))| {
        let mut case = Case { batch, groups, cin, cout, kernel, input: vec![], output: vec![], stride, dilation, before, after };
        for (d, &extra) in extra.iter().enumerate() {
            // At least as large as the window needs.
            let reach = (case.kernel[d] - 1) * case.dilation[d] + 1;
            let least = (reach as isize - case.before[d] as isize - case.after[d]).max(1) as usize;
            case.input.push(least + extra);
            let padded = (case.input[d] + case.before[d]) as isize + case.after[d];
            case.output.push((padded as usize - reach) / case.stride[d] + 1);
        }
        case
    })
}

/// Small integers, so that every sum is exact in any order.
fn small(seed: u64) -> f64 {
    (mix(seed) % 9) as f64 - 4.0
}

/// Two tensors in any layout.
fn with_operands(case: Case) -> impl Strategy<Value = (Case, [(Layout, usize); 3], u64)> {
    let shapes = case.shapes();
    (Just(case), shapes.map(|s| layouts(s, false)), any::<u64>())
}

fn operand<T: Element>((layout, size): &(Layout, usize), seed: u64, from: fn(f64) -> T) -> Operand<T> {
    Operand { memory: (0..*size as u64).map(|i| from(small(seed ^ (i << 8)))).collect(), layout: layout.clone() }
}

fn numbers<T: Element>(o: &Operand<T>) -> Vec<f64> {
    coordinates(o.layout.shape()).iter().map(|c| o.at(c).to_scalar().to_f64()).collect()
}

fn input<T: Element>(o: &Operand<T>) -> Input<'_> {
    (o.storage(), &o.layout, T::DTYPE, false)
}

/// All three operations in one dtype. Sums of small integers are exact as long as `exact` says so.
fn check<T: Element>(case: &Case, layouts: &[(Layout, usize); 3], seed: u64, from: fn(f64) -> T) {
    let [x, w, y] = [0, 1, 2].map(|i| operand::<T>(&layouts[i], seed.wrapping_add(i as u64), from));
    let (xs, ws, ys) = (numbers(&x), numbers(&w), numbers(&y));
    let (mut want_x, mut want_w, mut want_y) = (vec![0.0; xs.len()], vec![0.0; ws.len()], vec![0.0; ys.len()]);
    case.products(|a, b, c| {
        want_y[c] += xs[a] * ws[b];
        want_x[a] += ys[c] * ws[b];
        want_w[b] += ys[c] * xs[a];
    });
    let bias: Vec<f64> = (0..case.groups * case.cout).map(|i| small(i as u64)).collect();
    let plane: usize = case.output.iter().product();
    let with_bias: Vec<f64> = want_y.iter().enumerate().map(|(i, y)| y + bias[i / plane % bias.len()]).collect();
    let bias = Operand::contiguous(&[bias.len()], bias.into_iter().map(from).collect());
    let window = case.window();
    let spatial = |sizes: &[usize]| Spatial::of_shape("test", sizes).unwrap();
    let compare = |what: &str, got: Vec<T>, want: &[f64]| {
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert_eq!(g.to_scalar().to_f64(), from(*w).to_scalar().to_f64(), "{what}, element {i} of {case:?} in {}", T::DTYPE);
        }
    };
    compare("forward", run(Conv::Forward(window), vec![input(&x), input(&w)]).unwrap().1, &want_y);
    compare("forward with bias", run(Conv::Forward(window), vec![input(&x), input(&w), input(&bias)]).unwrap().1, &with_bias);
    let dx = Conv::InputGrad { window, size: spatial(&case.input) };
    compare("gradient of the input", run(dx, vec![input(&y), input(&w)]).unwrap().1, &want_x);
    let dw = Conv::WeightGrad { window, kernel: spatial(&case.kernel) };
    compare("gradient of the weight", run(dw, vec![input(&y), input(&x)]).unwrap().1, &want_w);
}

proptest! {
    #![proptest_config(common::config(80))]

    #[test]
    fn equals_the_defining_sum((case, layouts, seed) in cases().prop_flat_map(with_operands)) {
        check::<f32>(&case, &layouts, seed, |x| x as f32);
        check::<f64>(&case, &layouts, seed, |x| x);
    }
}

proptest! {
    #![proptest_config(common::config(10))]

    #[test]
    fn other_dtypes((case, layouts, seed) in cases().prop_flat_map(with_operands)) {
        check::<i64>(&case, &layouts, seed, |x| x as i64);
        check::<u8>(&case, &layouts, seed, |x| x as i64 as u8);
        check::<bf16>(&case, &layouts, seed, bf16::from_f64);
    }
}

/// One image of a shape with a window of padding 1.
fn infer(x: &[usize], w: &[usize], change: impl Fn(&mut Window)) -> Result<Vec<usize>, ErrorKind> {
    let one = Spatial::all(1, 2);
    let mut window = Window { stride: one, before: one, after: one, dilation: one, groups: 1 };
    change(&mut window);
    let (x, w) = (Layout::contiguous(x), Layout::contiguous(w));
    let zeros = |l: &Layout| Operand::contiguous(l.shape(), vec![0f32; l.numel()]);
    let (a, b) = (zeros(&x), zeros(&w));
    let inputs = vec![(a.storage(), &x, DType::F32, false), (b.storage(), &w, DType::F32, false)];
    run::<f32>(Conv::Forward(window), inputs).map(|r| r.0.to_vec()).map_err(|e| e.kind())
}

#[test]
fn shapes_and_errors() {
    assert_eq!(infer(&[2, 3, 8, 9], &[4, 3, 3, 3], |_| {}), Ok(vec![2, 4, 8, 9]));
    assert_eq!(infer(&[2, 3, 8, 9], &[4, 3, 3, 3], |w| w.stride = Spatial::all(2, 2)), Ok(vec![2, 4, 4, 5]));
    assert_eq!(infer(&[0, 3, 8, 9], &[4, 3, 3, 3], |_| {}), Ok(vec![0, 4, 8, 9]));
    assert_eq!(infer(&[2, 3, 8, 9], &[4, 2, 3, 3], |_| {}), Err(ErrorKind::Shape));
    assert_eq!(infer(&[2, 4, 8, 9], &[3, 2, 3, 3], |w| w.groups = 2), Err(ErrorKind::Shape));
    assert_eq!(infer(&[2, 4, 8, 9], &[3, 2, 3, 3], |w| w.groups = 0), Err(ErrorKind::Value));
    assert_eq!(infer(&[2, 3, 2, 9], &[4, 3, 5, 3], |_| {}), Err(ErrorKind::Shape));
    assert_eq!(infer(&[2, 3, 8], &[4, 3, 3, 3], |_| {}), Err(ErrorKind::Shape));
    assert_eq!(infer(&[2, 3, 8, 9], &[4, 3, 3], |_| {}), Err(ErrorKind::Shape));
    assert_eq!(infer(&[2, 3, 8, 9], &[4, 3, 0, 3], |_| {}), Err(ErrorKind::Shape));
    assert_eq!(infer(&[2, 3, 8, 9], &[4, 3, 3, 3], |w| w.stride = Spatial::all(0, 2)), Err(ErrorKind::Value));
    assert_eq!(infer(&[2, 3, 8, 9], &[4, 3, 3, 3], |w| w.dilation = Spatial::all(0, 2)), Err(ErrorKind::Value));
    assert_eq!(infer(&[2, 3, 8, 9], &[4, 3, 3, 3], |w| w.before = Spatial::all(-1, 2)), Err(ErrorKind::Value));
}
