//! Every fused operation gives what its decomposition gives: values and gradients, in f32 and f64, on contiguous and on strided inputs.
//!
//! A fused operation has a row here. One whose kernel is missing runs as its decomposition, and passes.

use std::cell::RefCell;
use std::collections::BTreeSet;

use rushlight_autograd::{Autograd, BackwardOptions, grad_of};
use rushlight_tensor::backend::op::{
    AdadeltaStep, AdagradStep, AdamStep, AdamaxStep, AsgdStep, Attention, CrossEntropy, GradUses, Gradient, GridMode, GridPadding,
    GridSample, Loss, LossReduction, Matmul, NAdamStep, Norm, Optim, Pointwise, RAdamStep, Reduce, Reduction, Resample, RmsPropStep, Rnn,
    RnnKind, RnnLayer, RpropStep, SgdStep, Unary,
};
use rushlight_tensor::{DType, Device, Generator, Op, Result, Tensor, Tensors, apply, decompose};

fn normal(shape: &[usize], seed: u64) -> Tensor {
    Tensor::uniform_with(-1.5, 1.5, shape, DType::F64, &Generator::new(seed)).unwrap()
}

fn positive(shape: &[usize], seed: u64) -> Tensor {
    Tensor::uniform_with(0.5, 1.5, shape, DType::F64, &Generator::new(seed)).unwrap()
}

/// The same elements with the dimensions laid out the other way round, and a gap between them.
fn strided(x: &Tensor) -> Result<Tensor> {
    if x.dim() == 0 {
        return Ok(x.clone());
    }
    let back: Vec<usize> = (0..x.dim()).rev().collect();
    let doubled = x.permute(back.clone())?.contiguous()?;
    Tensor::stack(&[&doubled, &doubled], -1)?.select(-1, 1)?.permute(back)
}

fn close(name: &str, what: &str, a: &Tensor, b: &Tensor, tolerance: f64) -> Result<()> {
    assert_eq!(a.shape(), b.shape(), "{name}: {what}");
    assert_eq!(a.dtype(), b.dtype(), "{name}: {what}");
    let (a, b) = (a.detach().to_dtype(DType::F64)?.to_vec::<f64>()?, b.detach().to_dtype(DType::F64)?.to_vec::<f64>()?);
    let scale = b.iter().filter(|v| v.is_finite()).fold(1.0f64, |m, v| m.max(v.abs()));
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!(a == b || (a - b).abs() <= tolerance * scale || (a.is_nan() && b.is_nan()), "{name}: {what}: element {i}: {a} is not {b}");
    }
    Ok(())
}

/// Values, and the gradients of the differentiable inputs for given gradients of the first `outputs` results.
fn run(f: impl Fn(&[&Tensor]) -> Result<Tensors>, inputs: &[Tensor], outputs: usize) -> Result<(Tensors, Vec<Option<Tensor>>)> {
    let leaves =
        inputs.iter().map(|x| if x.dtype().is_differentiable() { x.requires_grad() } else { Ok(x.clone()) }).collect::<Result<Vec<_>>>()?;
    let results = f(&leaves.iter().collect::<Vec<_>>())?;
    let seeds: Vec<Tensor> = results.iter().take(outputs).map(|y| normal(y.shape(), 77).to_dtype(y.dtype())).collect::<Result<_>>()?;
    let wanted: Vec<&Tensor> = leaves.iter().filter(|x| x.is_requires_grad()).collect();
    let results_of: Vec<&Tensor> = results.iter().take(outputs).collect();
    let grads = grad_of(&results_of, &wanted, &seeds.iter().map(Some).collect::<Vec<_>>(), BackwardOptions::allow_unused())?;
    Ok((results.clone(), grads))
}

thread_local! {
    /// The names of what [`check`] was asked for, where that alone is wanted.
    static SEEN: RefCell<Option<BTreeSet<&'static str>>> = const { RefCell::new(None) };
}

/// Checks an operation whose first `outputs` results are for users; gradients are compared for the first `differentiable` floating-point inputs.
fn check(op: impl Into<Op>, inputs: &[Tensor], outputs: usize, differentiable: usize) -> Result<()> {
    let op = op.into();
    if SEEN.with_borrow_mut(|seen| seen.as_mut().map(|seen| seen.insert(op.name()))).is_some() {
        return Ok(());
    }
    let name = format!("{op:?}");
    for (dtype, tolerance) in [(DType::F64, 1e-11), (DType::F32, 3e-6)] {
        let cast = |x: &Tensor| if x.dtype().is_float() { x.to_dtype(dtype) } else { Ok(x.clone()) };
        let plain = inputs.iter().map(cast).collect::<Result<Vec<_>>>()?;
        let expected = run(|x| decompose(&op, x).expect("a fused operation has a decomposition"), &plain, outputs)?;
        for apart in [false, true] {
            let inputs = if apart { plain.iter().map(strided).collect::<Result<Vec<_>>>()? } else { plain.clone() };
            let (values, grads) = run(|x| apply(op.clone(), x.iter().copied()), &inputs, outputs)?;
            let what = if apart { "strided" } else { "contiguous" };
            for (a, b) in values.iter().zip(&expected.0) {
                close(&name, what, a, b, tolerance)?;
            }
            for (i, (a, b)) in grads.iter().zip(&expected.1).take(differentiable).enumerate() {
                match (a, b) {
                    (Some(a), Some(b)) => close(&name, &format!("{what}, gradient {i}"), a, b, tolerance * 10.0)?,
                    (a, b) => assert!(a.is_none() && b.is_none(), "{name}: {what}: gradient {i} is there in one of the two"),
                }
            }
        }
    }
    Ok(())
}

#[test]
fn softmax() -> Result<()> {
    for (shape, dim) in
        [(&[7][..], 0), (&[3, 100], 1), (&[100, 3], 0), (&[2, 5, 9], 1), (&[2, 300, 2], 2), (&[40, 300], 1), (&[3, 200, 160], 1)]
    {
        check(Norm::Softmax { dim }, &[normal(shape, 1).mul(4.0)?], 1, 1)?;
        check(Norm::LogSoftmax { dim }, &[normal(shape, 2).mul(4.0)?], 1, 1)?;
        let y = normal(shape, 3).softmax(dim as isize)?;
        check(Norm::SoftmaxGrad { dim }, &[normal(shape, 4), y.clone()], 1, 2)?;
        check(Norm::LogSoftmaxGrad { dim }, &[normal(shape, 5), y.log()?], 1, 2)?;
    }
    Ok(())
}

#[test]
fn batch_norm() -> Result<()> {
    let eps = 1e-3;
    for shape in [&[9, 4][..], &[200, 300], &[5, 3, 7], &[4, 70, 3, 3], &[3, 5, 6, 7], &[2, 3, 80, 90]] {
        let (x, c) = (normal(shape, 6).add(0.7)?, shape[1]);
        let (w, b) = (positive(&[c], 7), normal(&[c], 8));
        check(Norm::BatchNorm { eps }, std::slice::from_ref(&x), 3, 1)?;
        check(Norm::BatchNorm { eps }, &[x.clone(), w.clone(), b], 3, 3)?;
        let (_, mean, var) = x.batch_norm_train(None, None, eps)?;
        // Mean and variance are functions of x: their own gradients are left to it.
        check(Norm::BatchNormGrad { eps }, &[normal(shape, 9), x.clone(), mean.clone(), var.clone()], 3, 2)?;
        check(Norm::BatchNormGrad { eps }, &[normal(shape, 9), x, mean, var, w], 3, 2)?;
    }
    Ok(())
}

#[test]
fn group_norm() -> Result<()> {
    let eps = 1e-3;
    for (shape, groups) in [
        (&[9, 4][..], 1),
        (&[70, 300], 1),
        (&[700, 96], 1),
        (&[3, 5000], 2),
        (&[5, 6, 7], 3),
        (&[4, 70, 3, 3], 70),
        (&[3, 8, 6, 7], 1),
        (&[2, 4, 80, 90], 2),
    ] {
        let (x, c) = (normal(shape, 12).add(0.7)?, shape[1]);
        let (w, b) = (positive(&[c], 13), normal(&[c], 14));
        check(Norm::GroupNorm { groups, eps }, std::slice::from_ref(&x), 3, 1)?;
        check(Norm::GroupNorm { groups, eps }, &[x.clone(), w.clone(), b.clone()], 3, 3)?;
        let statistics = apply(Norm::GroupNorm { groups, eps }, [&x, &w, &b])?;
        let inputs = [normal(shape, 15), x, statistics[1].clone(), statistics[2].clone(), w];
        check(Norm::GroupNormGrad { groups, eps }, &inputs[..4], 1, 2)?;
        check(Norm::GroupNormGrad { groups, eps }, &inputs, 3, 2)?;
    }
    Ok(())
}

#[test]
fn rms_norm() -> Result<()> {
    let eps = 1e-3;
    for shape in [[9, 4], [70, 300], [700, 96], [3, 5000]] {
        let (x, w) = (normal(&shape, 16).add(0.7)?, positive(&shape[1..], 17));
        check(Norm::RmsNorm { eps }, std::slice::from_ref(&x), 1, 1)?;
        check(Norm::RmsNorm { eps }, &[x.clone(), w.clone()], 1, 2)?;
        let factors = apply(Norm::RmsNorm { eps }, [&x])?[1].clone();
        let inputs = [normal(&shape, 18), x, factors, w];
        check(Norm::RmsNormGrad { eps }, &inputs[..3], 1, 2)?;
        check(Norm::RmsNormGrad { eps }, &inputs, 2, 2)?;
    }
    Ok(())
}

#[test]
fn cross_entropy() -> Result<()> {
    for reduction in [LossReduction::Mean, LossReduction::Sum, LossReduction::None] {
        for label_smoothing in [0.0, 0.1] {
            for shape in [&[6, 5][..], &[4, 100], &[3, 4, 5]] {
                let items: Vec<usize> = shape.iter().enumerate().filter(|(d, _)| *d != 1).map(|(_, &n)| n).collect();
                let n: usize = items.iter().product();
                let targets: Vec<i64> = (0..n).map(|i| if i % 5 == 4 { -100 } else { (i * 3 % shape[1]) as i64 }).collect();
                let targets = Tensor::from_vec(targets, items, Device::cpu())?;
                let p = CrossEntropy { reduction, label_smoothing, ..CrossEntropy::default() };
                for weight in [None, Some(positive(&[shape[1]], 11))] {
                    let mut inputs = vec![normal(shape, 10), targets.clone()];
                    inputs.extend(weight);
                    check(Loss::CrossEntropy(p), &inputs, 1, 1)?;
                    let [loss, lse, total] = &apply(Loss::CrossEntropy(p), &inputs)?[..] else { panic!("three results") };
                    let mut all = vec![normal(loss.shape(), 16), lse.clone(), total.clone()];
                    all.append(&mut inputs);
                    check(Loss::CrossEntropyGrad(p), &all, 1, 4)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn binary_cross_entropy() -> Result<()> {
    for shape in [&[7][..], &[40, 300]] {
        let inside = |seed| Tensor::uniform_with(0.05, 0.95, shape, DType::F64, &Generator::new(seed));
        check(Loss::BinaryCrossEntropy, &[inside(12)?, inside(13)?], 1, 2)?;
    }
    Ok(())
}

#[test]
fn pointwise_gradients() -> Result<()> {
    use Unary::*;
    let differentiable = Unary::ALL.iter().copied().filter(|f| !f.is_predicate() && !matches!(f, Conj | BitwiseNot));
    let others = [
        Elu { alpha: 0.7 },
        Celu { alpha: 0.7 },
        LeakyRelu { slope: 0.2 },
        Softplus { beta: 2.0, threshold: 1.5 },
        Clamp { min: 0.3, max: 0.6 },
    ];
    for f in differentiable.chain(others) {
        // What is saved: numbers of the function's domain, or results of it.
        let (low, high) = match f {
            Acosh => (1.05, 3.0),
            Asin | Acos | Atanh | Log | Log2 | Log10 | Log1p => (0.05, 0.95),
            _ if f.grad_uses() == GradUses::Output => (0.05, 0.95),
            _ => (-3.5, 3.5),
        };
        for shape in [&[][..], &[5, 7], &[70, 300]] {
            let saved = Tensor::uniform_with(low, high, shape, DType::F64, &Generator::new(14))?;
            check(Pointwise::UnaryGrad(f), &[normal(shape, 15), saved], 1, 2)?;
        }
    }
    Ok(())
}

#[test]
fn linear_layers() -> Result<()> {
    for (rows, outputs, inputs) in [(&[5][..], 3, 7), (&[2, 40], 70, 33), (&[1], 1, 1), (&[3, 0], 4, 5)] {
        let shape = [rows, &[inputs]].concat();
        let both = [normal(&shape, 50), normal(&[outputs, inputs], 51)];
        check(Matmul::Linear, &both, 1, 2)?;
        let [x, w] = both;
        check(Matmul::Linear, &[x, w, normal(&[outputs], 52)], 1, 3)?;
    }
    Ok(())
}

#[test]
fn vector_norms() -> Result<()> {
    for p in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, f64::INFINITY, f64::NEG_INFINITY] {
        for (shape, dims) in [(&[40, 30][..], &[1][..]), (&[40, 30], &[0]), (&[6, 7, 8], &[0, 2]), (&[300, 70], &[0, 1])] {
            for keepdim in [false, true] {
                let op = Reduce { kind: Reduction::Norm { p }, dims: dims.iter().copied().collect(), keepdim };
                // The number of elements that are not zero has no derivative.
                let differentiable = usize::from(p != 0.0);
                check(op, &[normal(shape, 53)], differentiable, differentiable)?;
            }
        }
    }
    Ok(())
}

/// Steps of optimizers, of which nothing is differentiated: one with all that it can do, and one with the least.
#[test]
fn optimizer_steps() -> Result<()> {
    for full in [false, true] {
        let (decay, momentum) = if full { (0.1, 0.9) } else { (0.0, 0.0) };
        let gradient = Gradient { weight_decay: decay, shrink: full.then_some(0.99), maximize: full };
        let betas = (0.9, 0.99);
        let sgd =
            SgdStep { lr: 0.1, momentum, dampening: momentum / 3.0, weight_decay: decay, nesterov: full, maximize: full, first: false };
        for op in [
            Optim::Sgd(sgd),
            Optim::Sgd(SgdStep { momentum: 0.9, dampening: 0.0, first: full, ..sgd }),
            Optim::Adam(AdamStep {
                lr: 0.1,
                betas,
                eps: 1e-3,
                weight_decay: decay,
                decoupled: full,
                amsgrad: full,
                maximize: full,
                step: 3,
            }),
            Optim::NAdam(NAdamStep { gradient, betas, eps: 1e-3, correction2: 0.3, gradient_size: 0.2, mean_size: 0.1 }),
            Optim::RAdam(RAdamStep { gradient, betas, eps: 1e-3, size: 0.1, adaptive: full }),
            Optim::Adamax(AdamaxStep { gradient, betas, eps: 1e-3, size: 0.1 }),
            Optim::Adagrad(AdagradStep { gradient, eps: 1e-3, size: 0.1 }),
            Optim::Adadelta(AdadeltaStep { gradient, lr: 0.5, rho: 0.9, eps: 1e-3 }),
            Optim::RmsProp(RmsPropStep { gradient, lr: 0.1, alpha: 0.9, eps: 1e-1, momentum, centered: full }),
            Optim::Rprop(RpropStep { gradient, etas: (0.5, 1.2), step_sizes: (0.2, 0.4) }),
            Optim::Asgd(AsgdStep { gradient, keep: 0.99, eta: 0.1, mu: 0.5 }),
        ] {
            // Parameters of several sizes, each with its gradient and its state.
            let mut inputs = Vec::new();
            for (k, shape) in [&[7][..], &[60, 500], &[0], &[]].into_iter().enumerate() {
                inputs.extend([normal(shape, 60), normal(shape, 61 + k as u64)]);
                // Positive as a mean of squares is, and the second one smaller: a variance is not negative.
                for i in 0..op.states().0 {
                    inputs.push(positive(shape, 70).mul(if i == 0 { 1.0 } else { 0.3 })?);
                }
            }
            check(op, &inputs, 0, 0)?;
        }
    }
    Ok(())
}

/// An operation that has a decomposition and no row here would be forgotten silently.
#[test]
fn every_fused_operation_has_a_row() -> Result<()> {
    SEEN.set(Some(BTreeSet::new()));
    for rows in [
        softmax,
        batch_norm,
        group_norm,
        rms_norm,
        cross_entropy,
        binary_cross_entropy,
        pointwise_gradients,
        linear_layers,
        vector_norms,
        optimizer_steps,
        attention,
        grid_sample,
        rnn,
    ] {
        rows()?;
    }
    let seen = SEEN.take().unwrap_or_default();
    // Families in which there are fused operations, and what has a kernel in them and no decomposition.
    let families = [Norm::NAMES, Attention::NAMES, Rnn::NAMES, Loss::NAMES, Resample::NAMES, Matmul::NAMES, Reduction::NAMES, Optim::NAMES];
    let whole: BTreeSet<&str> = ["matmul", "ctc_loss", "ctc_loss_backward", "interpolate", "interpolate_backward"]
        .into_iter()
        .chain(Reduction::NAMES.iter().copied().filter(|name| *name != "vector_norm"))
        .collect();
    let forgotten: Vec<&str> = families.concat().into_iter().filter(|name| !seen.contains(name) && !whole.contains(name)).collect();
    assert!(forgotten.is_empty(), "no row: {forgotten:?}");
    assert!(seen.is_disjoint(&whole));
    Ok(())
}

#[test]
fn attention() -> Result<()> {
    for (n, heads, shared, l, s, e, d) in
        [(1, 1, 1, 5, 7, 4, 3), (2, 4, 2, 70, 300, 8, 5), (1, 3, 1, 130, 130, 16, 16), (2, 2, 2, 1, 600, 4, 4)]
    {
        let (q, k, v) = (normal(&[n, heads, l, e], 20), normal(&[n, shared, s, e], 21), normal(&[n, shared, s, d], 22));
        let hidden = normal(&[1, heads, l, s], 23).lt(-0.5)?;
        let row = Tensor::arange(0, l, 1, (DType::I64, Device::cpu()))?.eq(3)?.reshape([l, 1])?;
        let mask = normal(&[1, heads, l, s], 24).masked_fill(&hidden.logical_or(&row)?, f64::NEG_INFINITY)?;
        for causal in [false, true] {
            let op = Attention::Forward { scale: 0.4, causal };
            for mask in [None, Some(mask.clone())] {
                if causal && mask.is_some() {
                    continue;
                }
                let mut inputs = vec![q.clone(), k.clone(), v.clone()];
                inputs.extend(mask.clone());
                check(op, &inputs, 1, inputs.len())?;
                let results = apply(op, &inputs)?;
                let mut inputs =
                    vec![normal(&[n, heads, l, d], 25), q.clone(), k.clone(), v.clone(), results[0].clone(), results[1].clone()];
                inputs.extend(mask);
                // The results are functions of the inputs: their own gradients are left to these.
                check(Attention::Grad { scale: 0.4, causal }, &inputs, 3, 4)?;
            }
        }
    }
    Ok(())
}

#[test]
fn grid_sample() -> Result<()> {
    for mode in [GridMode::Bilinear, GridMode::Nearest, GridMode::Bicubic] {
        for padding in [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection] {
            for align_corners in [false, true] {
                let with = GridSample { mode, padding, align_corners };
                // The nearest element does not depend on the grid: one of the two says so with zeros.
                let differentiable = if mode == GridMode::Nearest { 1 } else { 2 };
                let (x, grid) = (normal(&[2, 10, 5, 7], 30), normal(&[2, 20, 30, 2], 31));
                check(Resample::Grid(with), &[x.clone(), grid.clone()], 1, differentiable)?;
                check(Resample::GridGrad(with), &[normal(&[2, 10, 20, 30], 32), x, grid], differentiable, 3)?;
                if mode != GridMode::Bicubic {
                    let (x, grid) = (normal(&[1, 2, 3, 4, 5], 33), normal(&[1, 2, 3, 4, 3], 34));
                    check(Resample::Grid(with), &[x.clone(), grid.clone()], 1, differentiable)?;
                    check(Resample::GridGrad(with), &[normal(&[1, 2, 2, 3, 4], 35), x, grid], differentiable, 3)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn rnn() -> Result<()> {
    for kind in [RnnKind::Tanh, RnnKind::Relu, RnnKind::Gru, RnnKind::Lstm] {
        for (l, n, input, hidden) in
            [(1, 1, 1, 1), (3, 2, 3, 5), (2, 50, 20, 33), (4, 3, 9, 70), (300, 1, 2, 3), (2, 0, 4, 3), (2, 3, 0, 2)]
        {
            for (reverse, bias, projection) in [(false, true, false), (true, false, false), (true, true, true)] {
                if projection && (kind != RnnKind::Lstm || hidden < 2) {
                    continue;
                }
                let layer = RnnLayer { kind, reverse, bias, projection };
                let (rows, state) = (kind.gates() * hidden, if projection { hidden - 1 } else { hidden });
                let mut inputs = vec![normal(&[l, n, input], 40), normal(&[n, state], 41)];
                if kind == RnnKind::Lstm {
                    inputs.push(normal(&[n, hidden], 42));
                }
                inputs.push(normal(&[rows, input], 48).div(4.0)?);
                inputs.push(normal(&[rows, state], 43).div(12.0)?);
                if bias {
                    inputs.extend([44, 49].map(|seed| normal(&[rows], seed)));
                }
                if projection {
                    inputs.push(normal(&[state, hidden], 45).div(12.0)?);
                }
                check(Rnn::Forward(layer), &inputs, kind.states(), inputs.len())?;
                let results = apply(Rnn::Forward(layer), &inputs)?;
                // The results are functions of the inputs: their own gradients are left to these.
                let differentiable = kind.states() + inputs.len();
                let mut all: Vec<Tensor> = results[..kind.states()].iter().zip(46..).map(|(y, seed)| normal(y.shape(), seed)).collect();
                all.append(&mut inputs);
                all.extend(results);
                let of_weights = 1 + usize::from(bias) + usize::from(projection);
                let results = 1 + kind.states() + of_weights;
                check(Rnn::Grad(layer), &all, results, differentiable)?;
                // The gradient of a state that nobody asked for.
                let last = kind.states() - 1;
                all[last] = Tensor::full((), 0.5, DType::F64)?.expand(all[last].shape())?;
                check(Rnn::Grad(layer), &all, results, differentiable)?;
            }
        }
    }
    Ok(())
}
