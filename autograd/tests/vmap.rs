//! Functions over all samples at once against a loop over samples, alone and nested with derivatives both ways.

use rushlight_autograd::{Autograd, BackwardOptions, Randomness, grad, grad_of, hessian, jvp, vjp, vmap, vmap_with};
use rushlight_tensor::backend::op::{
    Attention, Diagonal, Divisor, GridMode, GridPadding, GridSample, Index, Norm, Pool, PoolWindow, Scan, ScanKind, ScatterReduction,
    ShapeOp, Sort, Spatial,
};
use rushlight_tensor::{DType, ErrorKind, Generator, Op, PadMode, Result, ScatterMode, Tensor, apply, linalg, manual_seed};

fn random(seed: u64, shape: &[usize]) -> Tensor {
    Tensor::randn_with(shape, DType::F64, &Generator::new(seed)).unwrap()
}

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    for (x, y) in a.to_vec::<f64>().unwrap().iter().zip(b.to_vec::<f64>().unwrap()) {
        let same = *x == y || x.is_nan() && y.is_nan();
        assert!(same || (x - y).abs() <= 1e-12 * (1.0 + y.abs()), "{x} and {y}");
    }
}

/// `vmap` along given dimensions against slices, one call a sample.
fn check(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[&Tensor], dims: &[Option<isize>]) {
    let got = vmap(&f, inputs, dims, 0).unwrap();
    let n = inputs.iter().zip(dims).find_map(|(x, d)| d.map(|d| x.size(d).unwrap())).unwrap();
    let each: Vec<Tensor> = (0..n)
        .map(|i| {
            let sample = |(x, d): (&&Tensor, &Option<isize>)| match d {
                Some(d) => x.select(*d, i as isize).unwrap(),
                None => (*x).clone(),
            };
            f(&inputs.iter().zip(dims).map(sample).collect::<Vec<_>>()).unwrap()
        })
        .collect();
    close(&got, &Tensor::stack(&each, 0).unwrap());
}

#[test]
fn every_kind_of_rule() {
    let (a, b) = (random(0, &[4, 3, 5]), random(1, &[4, 5]));
    let shared = random(2, &[3, 5]);
    // Element by element: ranks differ between the samples of one and the other, and with what is shared.
    check(|x| x[0].mul(&x[1])?.add(&x[2])?.sin(), &[&a, &b, &shared], &[Some(0), Some(0), None]);
    check(|x| x[0].add(&x[1])?.gt(0.0)?.where_(&x[1], 0.5), &[&b, &shared], &[Some(0), None]);
    // The samples along another dimension.
    check(|x| x[0].cos(), &[&a], &[Some(1)]);
    check(|x| x[0].cos()?.sum_dim(0, false), &[&a], &[Some(-1)]);
    // Reductions and views.
    check(|x| x[0].sum(), &[&a], &[Some(0)]);
    check(|x| x[0].mean_dim(-1, true)?.add(&x[0]), &[&a], &[Some(0)]);
    check(|x| x[0].amax(0, false)?.t()?.reshape([5, 1])?.expand([2, 5, 3]), &[&a], &[Some(0)]);
    check(|x| Tensor::cat(&[&x[0], &x[1]], 0)?.slice(0, 1, 4, 2), &[&a, &shared], &[Some(0), None]);
    check(|x| x[0].slice_scatter(&x[1].slice(0, 0, 2, 1)?, 0, 1, 3, 1), &[&a, &shared], &[Some(0), None]);
    // Products: matrices, vectors, shared and not.
    check(|x| x[0].matmul(&x[1].t()?), &[&a, &shared], &[Some(0), None]);
    check(|x| x[1].matmul(&x[0].t()?), &[&a, &shared], &[Some(0), None]);
    check(|x| x[0].matmul(&x[1]), &[&a, &b], &[Some(0), Some(0)]);
    check(|x| x[0].linear(&x[1], None), &[&b, &shared], &[Some(0), None]);
    check(|x| x[1].linear(&x[0], None), &[&a, &shared], &[Some(0), None]);
    // Softmax over each dimension, indices that are shared and that are not.
    check(|x| x[0].softmax(0)?.add(&x[0].log_softmax(-1)?), &[&a], &[Some(0)]);
    let (rows, places) = (Tensor::new([2i64, 0]).unwrap(), Tensor::new([[1i64, 0], [2, 2], [0, 1], [1, 1]]).unwrap());
    check(|x| x[0].index_select(0, &x[1]), &[&a, &rows], &[Some(0), None]);
    check(|x| x[0].index_select(0, &x[1]), &[&shared, &places], &[None, Some(0)]);
    check(|x| x[0].gather(0, &x[1]), &[&b, &places], &[Some(0), Some(0)]);
}

#[test]
fn convolutions_and_what_runs_sample_by_sample() {
    let (x, w) = (random(0, &[3, 2, 4, 6, 6]), random(1, &[5, 4, 3, 3]));
    check(|x| x[0].conv2d(&x[1], None, 1, 1, 1, 1), &[&x, &w], &[Some(0), None]);
    // A weight for each sample has no rule.
    let weights = random(2, &[3, 5, 4, 3, 3]);
    check(|x| x[0].conv2d(&x[1], None, 1, 0, 1, 1), &[&x, &weights], &[Some(0), Some(0)]);
    check(|x| x[0].batch_norm(None, None, None, None, true, 0.1, 1e-5), &[&random(3, &[3, 7, 2])], &[Some(0)]);
}

fn loss(w: &Tensor, x: &Tensor) -> Result<Tensor> {
    x.linear(w, None)?.tanh()?.square()?.sum()
}

#[test]
fn per_sample_gradients() -> Result<()> {
    let (w, x) = (random(0, &[3, 4]), random(1, &[5, 4]));
    check(|x| grad(|w| loss(w, &x[0]), &w), &[&x], &[Some(0)]);
    check(|x| hessian(|w| loss(w, &x[0]), &w), &[&x], &[Some(0)]);
    check(|x| Ok(jvp(|v| loss(&v[0], &x[0]), &[&w], &[&w])?.1), &[&x], &[Some(0)]);
    // Their sum is the gradient of the sum.
    let each = vmap(|x| grad(|w| loss(w, &x[0]), &w), &[&x], &[Some(0)], 0)?;
    close(&each.sum_dim(0, false)?, &grad(|w| loss(w, &x), &w)?);
    // And a convolution's weights.
    let (k, images) = (random(2, &[2, 1, 3, 3]), random(3, &[3, 1, 1, 5, 5]));
    check(|x| grad(|k| x[0].conv2d(k, None, 1, 0, 1, 1)?.square()?.sum(), &k), &[&images], &[Some(0)]);
    Ok(())
}

#[test]
fn derivatives_of_it() -> Result<()> {
    let (w, x, u) = (random(0, &[3, 4]), random(1, &[5, 4]), random(2, &[3, 4]));
    let over = |w: &Tensor| vmap(|x| loss(w, &x[0]), &[&x], &[Some(0)], 0)?.sum();
    let plain = |w: &Tensor| loss(w, &x);
    close(&grad(over, &w)?, &grad(plain, &w)?);
    close(&hessian(over, &w)?, &hessian(plain, &w)?);
    let (_, tangent) = jvp(|w| over(&w[0]), &[&w], &[&u])?;
    let (_, gradient) = vjp(|w| over(&w[0]), &[&w], None)?;
    close(&tangent, &gradient[0].mul(&u)?.sum()?);
    // On the outer tape.
    let leaf = w.requires_grad()?;
    let y = vmap(|x| loss(&leaf, &x[0]), &[&x], &[Some(0)], 0)?;
    let g = grad_of(&[&y.sum()?], &[&leaf], &[], BackwardOptions::default())?;
    close(g[0].as_ref().unwrap(), &grad(plain, &w)?);
    assert!(y.is_requires_grad());
    Ok(())
}

#[test]
fn nested_in_itself() {
    // All pairs: an outer product.
    let (a, b) = (random(0, &[3]), random(1, &[4]));
    let pairs = vmap(|x| vmap(|y| x[0].mul(&y[0]), &[&b], &[Some(0)], 0), &[&a], &[Some(0)], 0).unwrap();
    close(&pairs, &a.reshape([3, 1]).unwrap().mul(&b).unwrap());
}

#[test]
fn dimensions_and_mistakes() -> Result<()> {
    let x = random(0, &[4, 3]);
    assert_eq!(vmap(|x| x[0].reshape([3, 1]), &[&x], &[Some(0)], -1)?.shape(), [3, 1, 4]);
    assert_eq!(vmap(|x| x[0].reshape([3, 1]), &[&x], &[Some(0)], 1)?.shape(), [3, 4, 1]);
    // A result that depends on no sample is repeated; no samples at all.
    assert_eq!(vmap(|_| Tensor::zeros([2], DType::F64), &[&x], &[Some(0)], 0)?.shape(), [4, 2]);
    let none = random(0, &[0, 3]);
    assert_eq!(vmap(|x| x[0].exp(), &[&none], &[Some(0)], 0)?.shape(), [0, 3]);
    let text = |r: Result<Tensor>| r.unwrap_err().to_string();
    assert!(text(vmap(|x| x[0].exp(), &[&x], &[None], 0)).contains("no input has a sample dimension"));
    assert!(text(vmap(|x| x[0].add(&x[1]), &[&x, &none], &[Some(0), Some(0)], 0)).contains("0 samples"));
    assert!(text(vmap(|x| x[0].exp(), &[&x], &[], 0)).contains("1 inputs and 0"));
    // Shapes in messages are those of one sample.
    assert!(text(vmap(|x| x[0].reshape([2]), &[&x], &[Some(0)], 0)).contains("[3]"));
    let e = vmap(|x| x[0].sum()?.item::<f64>().and_then(Tensor::new), &[&x], &[Some(0)], 0).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    Ok(())
}

/// All floating-point results of an operation, one after the other.
fn all(op: impl Into<Op>, x: &[Tensor]) -> Result<Tensor> {
    let flat = apply(op, x)?.iter().map(|y| y.to_dtype(DType::F64)?.reshape(-1)).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&flat, 0)
}

fn places(seed: u64, shape: &[usize], below: i64) -> Tensor {
    Tensor::randint_with(0, below, shape, (), &Generator::new(seed)).unwrap()
}

const ALL: [Option<isize>; 6] = [Some(0); 6];

#[test]
fn scans_and_orders() {
    let (x, y, point) = (random(0, &[4, 3, 5]), random(1, &[4, 3, 5]), random(2, &[4]));
    for kind in [ScanKind::Sum, ScanKind::Prod, ScanKind::LogSumExp, ScanKind::Max, ScanKind::Min] {
        let op = |dim| Scan { kind, dim, reverse: kind == ScanKind::Sum };
        check(|x| all(op(1), x), &[&x], &ALL[..1]);
    }
    check(|x| x[0].cumsum(0), &[&point], &ALL[..1]);
    check(|x| all(Scan { kind: ScanKind::Recurrence, dim: 0, reverse: false }, x), &[&x, &y], &[Some(0), Some(0)]);
    check(|x| all(Scan { kind: ScanKind::Recurrence, dim: 0, reverse: false }, x), &[&x, &y.select(0, 0).unwrap()], &[Some(0), None]);
    for op in [Sort::Sort { descending: true }, Sort::TopK { k: 2, largest: false }, Sort::Mode] {
        check(|x| all(op, x), &[&x], &ALL[..1]);
    }
    check(|x| Ok(x[0].sort(0, false)?.0), &[&point], &ALL[..1]);
    let rows = x.sort(-1, false).unwrap().0;
    let one = rows.select(0, 0).unwrap().select(0, 0).unwrap();
    check(|x| all(Sort::Search { right: true }, x), &[&rows, &y], &ALL[..2]);
    check(|x| all(Sort::Search { right: true }, x), &[&one, &y], &[None, Some(0)]);
    check(|x| x[0].sum_dim(0, false), &[&point], &ALL[..1]);
    check(|x| x[0].argmax_dim(1, false)?.to_dtype(DType::F64), &[&x], &ALL[..1]);
}

#[test]
fn indices() {
    let (x, source) = (random(0, &[4, 3, 5]), random(1, &[4, 2, 5]));
    let (shared, each) = (places(0, &[2], 3), places(1, &[4, 2], 3));
    // Each of the three batched or not.
    for (index, dim) in [(&shared, None), (&each, Some(0))] {
        check(|x| all(Index::Select { dim: 0 }, x), &[&x, index], &[Some(0), dim]);
        check(|x| all(Index::Add { dim: 0 }, &[x[0].clone(), x[2].clone(), x[1].clone()]), &[&x, &source, index], &[Some(0), Some(0), dim]);
    }
    check(|v| all(Index::Select { dim: 1 }, v), &[&x.select(0, 0).unwrap(), &each], &[None, Some(0)]);
    let element = places(2, &[4, 2, 5], 3);
    for op in [
        Index::Scatter { dim: 0 },
        Index::ScatterAdd { dim: 0 },
        Index::ScatterReduce { dim: 0, kind: ScatterReduction::Prod },
        Index::ScatterReduce { dim: 0, kind: ScatterReduction::Amax },
    ] {
        check(|x| all(op.clone(), x), &[&x, &element, &source], &ALL[..3]);
        check(|v| all(op.clone(), v), &[&x.select(0, 1).unwrap(), &element, &source], &[None, Some(0), Some(0)]);
    }
    let (table, tables, ids) = (random(3, &[7, 2]), random(4, &[4, 7, 2]), places(3, &[4, 3], 7));
    for padding_idx in [None, Some(2)] {
        for scale_grad_by_freq in [false, true] {
            let op = Index::Embedding { padding_idx, scale_grad_by_freq };
            check(|x| all(op.clone(), x), &[&table, &ids], &[None, Some(0)]);
            check(|x| all(op.clone(), x), &[&tables, &ids], &[Some(0), Some(0)]);
            check(|x| all(op.clone(), x), &[&tables, &ids.select(0, 0).unwrap()], &[Some(0), None]);
        }
        // Gradients scaled by frequency read the indices, which stand for many here.
        let op = Index::Embedding { padding_idx, scale_grad_by_freq: false };
        check(|i| grad(|w| all(op.clone(), &[w.clone(), i[0].clone()])?.square()?.sum(), &table), &[&ids], &[Some(0)]);
    }
}

#[test]
fn views() {
    let (x, y) = (random(0, &[3, 4, 4]), random(1, &[3, 4]));
    let diagonal = Diagonal { offset: 0, dim1: 0, dim2: 1 };
    check(|x| all(ShapeOp::Diagonal(diagonal), x), &[&x], &ALL[..1]);
    check(|x| all(ShapeOp::DiagonalScatter(diagonal), x), &[&x, &y], &ALL[..2]);
    check(|x| all(ShapeOp::Unfold { dim: 1, size: 2, step: 1 }, x), &[&x], &ALL[..1]);
    check(|x| x[0].pad([1isize, 2, 0, 1], PadMode::Constant(0.5.into())), &[&x], &ALL[..1]);
    let strided = ShapeOp::Strided { shape: [2, 3].into_iter().collect(), strides: [4, 2].into_iter().collect(), offset: 1 };
    check(|x| all(strided.clone(), x), &[&x], &ALL[..1]);
    check(|x| rushlight_tensor::fft::rfft(&x[0], None, -1, Default::default())?.abs(), &[&x], &ALL[..1]);
    check(|x| rushlight_tensor::linalg::inv(&x[0]), &[&x], &ALL[..1]);
}

#[test]
fn norms() {
    let (x, w, b) = (random(0, &[3, 4, 6, 2]), random(1, &[6]), random(2, &[6]));
    let (ws, bs) = (random(3, &[3, 6]), random(4, &[3, 6]));
    for op in [Norm::BatchNorm { eps: 1e-3 }, Norm::GroupNorm { groups: 2, eps: 1e-3 }] {
        check(|x| all(op, x), &[&x], &ALL[..1]);
        check(|x| all(op, x), &[&x, &w, &b], &[Some(0), None, None]);
        check(|x| apply(op, x)?[0].reshape(-1), &[&x, &ws, &bs], &ALL[..3]);
        // The gradients' operations.
        check(|x| grad(|w| apply(op, [&x[0], w, &b])?[0].square()?.sum(), &w), &[&x], &ALL[..1]);
        check(|x| grad(|x| apply(op, [x, &w, &b])?[0].pow(3.0)?.sum(), &x[0]), &[&x], &ALL[..1]);
    }
    let (rows, w) = (random(5, &[3, 4, 6]), random(6, &[6]));
    check(|x| all(Norm::RmsNorm { eps: 1e-3 }, x), &[&rows, &w], &[Some(0), None]);
    check(|x| grad(|w| apply(Norm::RmsNorm { eps: 1e-3 }, [&x[0], w])?[0].pow(3.0)?.sum(), &w), &[&rows], &ALL[..1]);
    check(|x| x[0].softmax(0), &[&random(7, &[3])], &ALL[..1]);
    // Each sample has zeros of its own.
    let rows = Tensor::new([[0.0, 0.0, 0.0], [0.0, -2.0, 1.0], [1.0, 3.0, -3.0]]).unwrap();
    for p in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, f64::INFINITY, f64::NEG_INFINITY] {
        check(|x| x[0].vector_norm(p, (), false), &[&rows], &ALL[..1]);
        check(|x| grad(|x| x.vector_norm(p, 0, false)?.mul(3.0), &x[0]), &[&rows], &ALL[..1]);
    }
    check(|x| grad(|x| x.std(1.0), &x[0]), &[&rows], &ALL[..1]);
    // So have they an order, a sign, and a place among others.
    check(|x| x[0].argsort(0, false)?.to_dtype(DType::F64), &[&rows], &ALL[..1]);
    check(|x| x[0].isin(&Tensor::new([1.0])?, false)?.to_dtype(DType::F64), &[&rows], &ALL[..1]);
    check(|x| linalg::logdet(&x[0].sub(0.5)?.diag(0)?)?.isnan()?.to_dtype(DType::F64), &[&rows], &ALL[..1]);
    check(|x| grad(|x| x.unsqueeze(0)?.cdist(&x.unsqueeze(0)?.mul(2.0)?, 2.0)?.sum(), &x[0]), &[&rows], &ALL[..1]);
}

/// What is decided, or looked up, by values that differ between samples.
#[test]
fn values_of_each_sample() -> Result<()> {
    let f64 = |t: Tensor| t.to_dtype(DType::F64);
    // Samples of other sizes, with zeros and NaN of their own.
    let x = Tensor::new([[0.5, -1.5, 0.25, 1.0], [700.0, 0.0, 710.0, 3.0], [0.0, 2.0, 0.0, -0.5]])?;
    let holes = Tensor::new([[1.0, 2.0, f64::NAN, 0.0], [0.5, -1.0, 3.0, 2.0], [f64::NAN, f64::NAN, 1.0, 4.0]])?;
    let q = Tensor::new([0.2, 0.5])?;
    let all = |f: &dyn Fn(&Tensor) -> Result<Tensor>| {
        for t in [&x, &holes] {
            check(|t| f(&t[0]), &[t], &ALL[..1]);
            check(|t| grad(|t| f(t)?.mul(&f(t)?.detach())?.sum(), &t[0]), &[t], &ALL[..1]);
            check(|t| Ok(jvp(|t| f(&t[0]), &[&t[0]], &[&t[0].sub(3.0)?])?.1), &[t], &ALL[..1]);
        }
    };
    all(&|x| x.logsumexp(0, false));
    all(&|x| x.logcumsumexp(0));
    all(&|x| x.nanmean((), false));
    all(&|x| x.max());
    all(&|x| x.median());
    all(&|x| x.prod());
    all(&|x| x.quantile(&q, 0, false, Default::default()));
    all(&|x| x.nanquantile(&q, 0, false, Default::default()));
    all(&|x| x.cosine_similarity(&x.sub(1.0)?, 0, 1e-8));
    let index = Tensor::new([[0i64, 3, 3], [1, 1, 2], [2, 0, 0]])?;
    check(|t| t[0].index(&[Some(t[1].clone())]), &[&x, &index], &ALL[..2]);
    check(|t| t[0].scatter_reduce(0, &t[1], &t[0].narrow(0, 0, 3)?, ScatterMode::Mean, true), &[&x, &index], &ALL[..2]);
    check(|t| f64(t[0].unravel_index([2, 2])?.remove(1)), &[&index], &ALL[..1]);
    check(|t| f64(t[0].count_nonzero(())?), &[&x], &ALL[..1]);
    check(|t| f64(t[0].frexp()?.1), &[&x], &ALL[..1]);
    check(|t| f64(Tensor::new([-1.0, 0.4, 2.0])?.searchsorted(&t[0], false, None)?), &[&x], &ALL[..1]);
    // The first sample is small, or regular.
    let matrices = Tensor::new([[[0.1, 0.0], [0.02, 0.1]], [[3.0, -4.0], [5.0, 2.0]], [[1.0, 2.0], [0.5, 1.0]]])?;
    check(|a| linalg::matrix_exp(&a[0]), &[&matrices], &ALL[..1]);
    check(|a| grad(linalg::det, &a[0]), &[&matrices], &ALL[..1]);
    check(|a| f64(linalg::matrix_rank(&a[0], Default::default(), false)?), &[&matrices], &ALL[..1]);
    let (image, grid) = (random(8, &[3, 1, 2, 4, 5]), random(9, &[3, 1, 3, 3, 2]).mul(1.3)?);
    for mode in [GridMode::Bilinear, GridMode::Nearest, GridMode::Bicubic] {
        for padding in [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection] {
            let with = GridSample { mode, padding, align_corners: false };
            check(|t| t[0].grid_sample(&t[1], with), &[&image, &grid], &ALL[..2]);
            check(|t| grad(|grid| t[0].grid_sample(grid, with)?.square()?.sum(), &t[1]), &[&image, &grid], &ALL[..2]);
        }
    }
    // Mistakes are found in whichever sample they are.
    let p = Tensor::new([[0.5, 0.25], [0.5, 1.5]])?;
    assert!(vmap(|p| p[0].binary_cross_entropy(&p[0], None, Default::default()), &[&p], &ALL[..1], 0).is_err());
    Ok(())
}

#[test]
fn convolutions_pools_and_attention() -> Result<()> {
    let (x, w, b) = (random(0, &[3, 2, 4, 5, 5]), random(1, &[3, 6, 2, 3, 3]), random(2, &[3, 6]));
    let conv = |x: &[Tensor]| x[0].conv2d(&x[1], Some(&x[2]), 2, 1, 1, 2);
    check(conv, &[&x, &w, &b], &ALL[..3]);
    check(conv, &[&x.select(0, 0)?, &w, &b], &[None, Some(0), Some(0)]);
    let square = |x: &Tensor, w: &Tensor| x.conv2d(w, None, 2, 1, 1, 2)?.square()?.sum();
    check(|x| grad(|w| square(&x[0], w), &x[1]), &[&x, &w], &ALL[..2]);
    check(|x| grad(|v| square(v, &x[1]), &x[0]), &[&x, &w], &ALL[..2]);
    let kernel = w.select(0, 0)?;
    check(|x| grad(|w| square(&x[0], w), &kernel), &[&x], &ALL[..1]);
    let pair = |a, b| Spatial::of_shape("test", &[a, b]).unwrap();
    let window = PoolWindow { kernel: pair(2, 3), stride: pair(2, 1), padding: pair(1, 0), dilation: pair(1, 1), ceil_mode: false };
    for op in [
        Pool::Max(window),
        Pool::Avg { window, divisor: Divisor::Inside },
        Pool::AdaptiveAvg { size: pair(2, 2) },
        Pool::AdaptiveMax { size: pair(2, 3) },
    ] {
        check(|x| all(op, x), &[&x], &ALL[..1]);
        check(|x| grad(|x| apply(op, [x])?[0].pow(3.0)?.sum(), &x[0]), &[&x], &ALL[..1]);
    }
    let (q, k, mask) = (random(3, &[3, 2, 2, 4, 3]), random(4, &[3, 2, 2, 5, 3]), random(5, &[3, 2, 1, 4, 5]));
    let op = Attention::Forward { scale: 0.5, causal: false };
    check(|x| all(op, &[x[0].clone(), x[1].clone(), x[1].clone()]), &[&q, &k], &ALL[..2]);
    let loss = |q: &Tensor, k: &Tensor, m: &Tensor| apply(op, [q, k, k, m])?[0].square()?.sum();
    for (m, dim) in [(&mask, Some(0)), (&mask.select(0, 0)?, None)] {
        check(|x| grad(|k| loss(&x[0], k, &x[2]), &x[1]), &[&q, &k, m], &[Some(0), Some(0), dim]);
    }
    Ok(())
}

#[test]
fn random_numbers_as_they_are_meant() -> Result<()> {
    let x = Tensor::zeros([4, 3], DType::F64)?;
    let drawn = |x: &[Tensor]| x[0].add(&Tensor::randn([3], DType::F64)?);
    let run = |randomness| {
        manual_seed(5);
        vmap_with(drawn, &[&x], &[Some(0)], &[Some(0)], randomness)
    };
    let e = run(Randomness::Error).unwrap_err();
    assert!(e.to_string().contains("Randomness::Same"), "{e}");
    manual_seed(5);
    let one = Tensor::randn([3], DType::F64)?;
    close(&run(Randomness::Same)?, &one.expand([4, 3])?);
    manual_seed(5);
    let all = Tensor::randn([4, 3], DType::F64)?;
    close(&run(Randomness::Different)?, &all);
    // Nested: each level has its own meaning.
    let pairs = |outer, inner| {
        manual_seed(5);
        let row = |x: &[Tensor]| vmap_with(|y| y[0].add(&Tensor::rand([2], DType::F64)?), &[&x[0]], &[Some(0)], &[Some(0)], inner);
        vmap_with(row, &[&x], &[Some(0)], &[Some(0)], outer)
    };
    let y = pairs(Randomness::Different, Randomness::Same)?;
    close(&y.select(1, 0)?, &y.select(1, 2)?);
    assert_ne!(y.select(0, 0)?.to_vec::<f64>()?, y.select(0, 1)?.to_vec::<f64>()?);
    let y = pairs(Randomness::Same, Randomness::Different)?;
    close(&y.select(0, 0)?, &y.select(0, 3)?);
    assert_ne!(y.select(1, 0)?.to_vec::<f64>()?, y.select(1, 1)?.to_vec::<f64>()?);
    // What depends on a sample cannot be the same for all; permutations and dropout differ.
    let p = Tensor::full([4, 3], 0.5, DType::F64)?;
    assert!(vmap_with(|p| p[0].bernoulli(), &[&p], &[Some(0)], &[Some(0)], Randomness::Same).is_err());
    assert_eq!(vmap_with(|p| p[0].bernoulli(), &[&p], &[Some(0)], &[Some(0)], Randomness::Different)?.shape(), [4, 3]);
    assert_eq!(vmap_with(|p| p[0].multinomial(2, false), &[&p], &[Some(0)], &[Some(0)], Randomness::Different)?.shape(), [4, 2]);
    let orders = vmap_with(|_| Tensor::randperm(9, ()), &[&p], &[Some(0)], &[Some(0)], Randomness::Different)?;
    for i in 0..4 {
        assert_eq!(orders.select(0, i)?.sort(0, false)?.0.to_vec::<i64>()?, (0..9).collect::<Vec<i64>>());
    }
    Ok(())
}

#[test]
fn detached_samples_are_samples() -> Result<()> {
    let x = random(0, &[4, 3]);
    check(|x| grad(|v| v.mul(&v.exp()?.detach())?.sum(), &x[0]), &[&x], &[Some(0)]);
    close(&vmap(|x| grad(|v| v.mul(&v.detach())?.sum(), &x[0]), &[&x], &[Some(0)], 0)?, &x);
    Ok(())
}

#[test]
fn several_results() -> Result<()> {
    let x = random(0, &[4, 3]);
    let f = |x: &[Tensor]| Ok((x[0].exp()?, Tensor::ones([2], DType::F64)?));
    let (e, one) = vmap_with(f, &[&x], &[Some(0)], &[Some(-1), None], Randomness::Error)?;
    close(&e, &x.exp()?.t()?);
    assert_eq!(one.shape(), [2]);
    assert!(vmap_with(f, &[&x], &[Some(0)], &[None, None], Randomness::Error).is_err());
    assert!(vmap_with(f, &[&x], &[Some(0)], &[None, None, None], Randomness::Error).is_err());
    Ok(())
}
