//! Results do not depend on the number of threads: one operation or more of every family, at sizes that are shared out, forward and backward, with the same
//! bits for 1, 2 and 3 threads. And graphs that several threads have made parts of.

use rushlight_autograd::{Autograd, BackwardOptions, grad_of};
use rushlight_tensor::{
    AttentionOptions, DType, GridSample, InterpolateMode, InterpolateOptions, InterpolateTo, PadMode, Result, Tensor, fft, linalg,
    manual_seed, num_threads, set_num_threads,
};

type Function = fn(&[Tensor]) -> Result<Tensor>;

/// A small network's worth of numbers from the process's own generator, whose filling must not depend on threads either.
fn inputs(shapes: &[&[usize]]) -> Result<Vec<Tensor>> {
    shapes.iter().map(|s| Tensor::randn(*s, ())).collect()
}

/// Places in rows of `n`, as many as `count`.
fn places(count: usize, n: usize) -> Result<Tensor> {
    Tensor::from_vec((0..count as i64).map(|i| i * 7919 % n as i64).collect(), count, rushlight_tensor::Device::cpu())
}

/// The bytes of the result and of the gradients of all inputs.
fn bytes(shapes: &[&[usize]], dtype: DType, f: Function) -> Result<Vec<Vec<u8>>> {
    manual_seed(1);
    let leaves = inputs(shapes)?.iter().map(|x| x.to_dtype(dtype)?.requires_grad()).collect::<Result<Vec<_>>>()?;
    let y = f(&leaves)?;
    let mut all = vec![y.detach().to_bytes()?];
    if y.is_requires_grad() {
        let seed = Tensor::randn(y.shape(), y.dtype())?;
        let grads = grad_of(&[&y], &leaves.iter().collect::<Vec<_>>(), &[Some(&seed)], BackwardOptions::default())?;
        all.extend(grads.iter().flatten().map(Tensor::to_bytes).collect::<Result<Vec<_>>>()?);
    }
    Ok(all)
}

const LONG: usize = 70_001;

fn functions() -> Vec<(&'static str, Vec<&'static [usize]>, Function)> {
    vec![
        ("add, broadcast", vec![&[300, 400], &[400]], |x| x[0].add(&x[1])),
        ("mul, broadcast", vec![&[300, 1], &[1, 400]], |x| x[0].mul(&x[1])),
        ("div, transposed", vec![&[300, 400], &[400, 300]], |x| x[0].div(&x[1].t()?)),
        ("tanh", vec![&[LONG]], |x| x[0].tanh()),
        ("gelu", vec![&[LONG]], |x| x[0].gelu()),
        ("exp of a slice", vec![&[300, 500]], |x| x[0].narrow(1, 3, 400)?.exp()),
        ("sum", vec![&[LONG]], |x| x[0].sum()),
        ("sum of rows", vec![&[300, 400]], |x| x[0].sum_dim(1, false)),
        ("sum of columns", vec![&[3000, 70]], |x| x[0].sum_dim(0, false)),
        ("sum of the middle", vec![&[30, 90, 70]], |x| x[0].sum_dim(1, false)),
        ("mean", vec![&[LONG]], |x| x[0].mean()),
        ("var", vec![&[LONG]], |x| x[0].var(1.0)),
        ("prod of rows", vec![&[5000, 20]], |x| x[0].prod_dim(1, false)),
        ("amax", vec![&[300, 400]], |x| x[0].amax(0, false)),
        ("logsumexp", vec![&[300, 400]], |x| x[0].logsumexp(1, false)),
        ("argmax", vec![&[LONG]], |x| x[0].detach().argmax()),
        ("cumsum", vec![&[LONG]], |x| x[0].cumsum(0)),
        ("cumsum of columns", vec![&[400, 300]], |x| x[0].cumsum(0)),
        ("cumprod", vec![&[400, 300]], |x| x[0].tanh()?.cumprod(1)),
        ("logcumsumexp", vec![&[400, 300]], |x| x[0].logcumsumexp(1)),
        ("transpose", vec![&[300, 400]], |x| x[0].t()?.contiguous()),
        ("permute", vec![&[30, 40, 50]], |x| x[0].permute([2, 0, 1])?.contiguous()),
        ("cat", vec![&[300, 200], &[300, 100]], |x| Tensor::cat(&[&x[0], &x[1]], 1)),
        ("pad", vec![&[20, 50, 50]], |x| x[0].pad([3, 4, 5, 6], PadMode::Reflect)),
        ("roll", vec![&[300, 300]], |x| x[0].roll([7, -3], [0, 1])),
        ("tril", vec![&[300, 300]], |x| x[0].tril(-2)),
        ("index_select", vec![&[500, 300]], |x| x[0].index_select(0, &places(700, 500)?)),
        ("gather", vec![&[500, 300]], |x| x[0].gather(0, &places(200 * 300, 500)?.reshape([200, 300])?)),
        ("scatter_add", vec![&[50, 300], &[400, 300]], |x| x[0].scatter_add(0, &places(400 * 300, 50)?.reshape([400, 300])?, &x[1])),
        ("index_add", vec![&[50, 300], &[400, 300]], |x| x[0].index_add(0, &places(400, 50)?, &x[1])),
        ("embedding", vec![&[100, 64]], |x| x[0].embedding(&places(3000, 100)?)),
        ("index_put", vec![&[100, 64], &[3000, 64]], |x| x[0].index_put(&[Some(places(3000, 100)?)], &x[1], true)),
        ("masked_select", vec![&[LONG]], |x| x[0].masked_select(&x[0].detach().gt(0.3)?)),
        ("where", vec![&[LONG], &[LONG]], |x| x[0].detach().gt(0.0)?.where_(&x[0], &x[1])),
        ("sort", vec![&[LONG]], |x| Ok(x[0].sort(0, false)?.0)),
        ("sort of rows", vec![&[200, 500]], |x| Ok(x[0].sort(1, true)?.0)),
        ("topk", vec![&[200, 500]], |x| Ok(x[0].topk(20, 1, true)?.0)),
        ("kthvalue", vec![&[200, 500]], |x| Ok(x[0].kthvalue(30, 1, false)?.0)),
        ("matmul", vec![&[200, 300], &[300, 150]], |x| x[0].matmul(&x[1])),
        ("matmul, long", vec![&[20, 9000], &[9000, 30]], |x| x[0].matmul(&x[1])),
        ("matmul, one row", vec![&[1, 3000], &[3000, 500]], |x| x[0].matmul(&x[1])),
        ("matmul, one column", vec![&[500, 3000], &[3000]], |x| x[0].matmul(&x[1])),
        ("bmm", vec![&[40, 60, 50], &[40, 50, 70]], |x| x[0].bmm(&x[1])),
        ("linear", vec![&[64, 784], &[128, 784], &[128]], |x| x[0].linear(&x[1], Some(&x[2]))),
        ("einsum", vec![&[20, 30, 40], &[40, 30, 25]], |x| Tensor::einsum("abc,cbd->ad", x)),
        ("conv1d", vec![&[4, 16, 500], &[24, 16, 5], &[24]], |x| x[0].conv1d(&x[1], Some(&x[2]), 2, [2], 1, 1)),
        ("conv2d", vec![&[4, 8, 40, 40], &[16, 8, 3, 3], &[16]], |x| x[0].conv2d(&x[1], Some(&x[2]), 1, [1, 1], 1, 1)),
        ("conv2d, 1x1", vec![&[4, 32, 40, 40], &[48, 32, 1, 1]], |x| x[0].conv2d(&x[1], None, 1, [0, 0], 1, 1)),
        ("conv2d, stride", vec![&[4, 8, 41, 43], &[16, 8, 5, 3]], |x| x[0].conv2d(&x[1], None, 2, [2, 1], [1, 2], 1)),
        ("conv2d, groups", vec![&[4, 12, 30, 30], &[24, 3, 3, 3]], |x| x[0].conv2d(&x[1], None, 1, [1, 1], 1, 4)),
        ("conv2d, depthwise", vec![&[4, 32, 40, 40], &[32, 1, 3, 3]], |x| x[0].conv2d(&x[1], None, 1, [1, 1], 1, 32)),
        ("conv3d", vec![&[2, 4, 10, 16, 16], &[8, 4, 3, 3, 3]], |x| x[0].conv3d(&x[1], None, 1, [1, 1, 1], 1, 1)),
        ("conv_transpose2d", vec![&[4, 16, 20, 20], &[16, 8, 3, 3]], |x| x[0].conv_transpose2d(&x[1], None, 2, 1, 1, 1, 1)),
        ("max_pool2d", vec![&[8, 16, 40, 40]], |x| x[0].max_pool2d(3, 2, 1, 1, false)),
        ("avg_pool2d", vec![&[8, 16, 40, 40]], |x| x[0].avg_pool2d(3, 2, 1, false, true, None)),
        ("adaptive_avg_pool2d", vec![&[8, 16, 40, 40]], |x| x[0].adaptive_avg_pool2d([7, 5])),
        ("interpolate", vec![&[4, 8, 30, 30]], |x| {
            x[0].interpolate(&InterpolateTo::size([47, 51]), InterpolateOptions { mode: InterpolateMode::Bicubic, ..Default::default() })
        }),
        ("grid_sample", vec![&[2, 40, 20, 20], &[2, 40, 40, 2]], |x| x[0].grid_sample(&x[1].tanh()?, GridSample::default())),
        ("softmax", vec![&[300, 400]], |x| x[0].softmax(1)),
        ("softmax of columns", vec![&[300, 400]], |x| x[0].softmax(0)),
        ("log_softmax", vec![&[300, 400]], |x| x[0].log_softmax(1)),
        ("layer_norm", vec![&[400, 256], &[256], &[256]], |x| x[0].layer_norm(256, Some(&x[1]), Some(&x[2]), 1e-5)),
        ("rms_norm", vec![&[400, 256], &[256]], |x| x[0].rms_norm(256, Some(&x[1]), 1e-5)),
        ("group_norm", vec![&[8, 32, 20, 20], &[32], &[32]], |x| x[0].group_norm(8, Some(&x[1]), Some(&x[2]), 1e-5)),
        ("batch_norm", vec![&[8, 32, 20, 20], &[32], &[32]], |x| Ok(x[0].batch_norm_train(Some(&x[1]), Some(&x[2]), 1e-5)?.0)),
        ("attention", vec![&[2, 4, 150, 32], &[2, 4, 170, 32], &[2, 4, 170, 32]], |x| {
            x[0].scaled_dot_product_attention(&x[1], &x[2], AttentionOptions::default())
        }),
        ("causal attention", vec![&[2, 4, 150, 32], &[2, 4, 150, 32], &[2, 4, 150, 32]], |x| {
            x[0].scaled_dot_product_attention(&x[1], &x[2], AttentionOptions { is_causal: true, ..Default::default() })
        }),
        ("cross_entropy", vec![&[500, 200]], |x| x[0].cross_entropy(&places(500, 200)?)),
        ("cdist", vec![&[100, 40], &[120, 40]], |x| x[0].cdist(&x[1], 2.0)),
        ("solve", vec![&[20, 30, 30], &[20, 30, 5]], |x| linalg::solve(&x[0], &x[1])),
        ("one large solve", vec![&[200, 200], &[200, 3]], |x| linalg::solve(&x[0], &x[1])),
        ("cholesky", vec![&[10, 40, 40]], |x| {
            linalg::cholesky(&x[0].matmul(&x[0].mt()?)?.add(&Tensor::eye(40, None, x[0].dtype())?)?, false)
        }),
        ("qr", vec![&[10, 50, 30]], |x| Ok(linalg::qr(&x[0])?.1)),
        ("svdvals", vec![&[10, 30, 30]], |x| linalg::svdvals(&x[0])),
        ("eigvalsh", vec![&[10, 30, 30]], |x| linalg::eigvalsh(&x[0].add(&x[0].mt()?)?, false)),
        ("rfft", vec![&[100, 512]], |x| fft::rfft(&x[0], None, -1, fft::FftNorm::Backward)?.abs()),
        ("dropout", vec![&[LONG]], |x| x[0].dropout(0.3, true)),
        ("multinomial", vec![&[100, 300]], |x| x[0].detach().exp()?.multinomial(5, false)),
    ]
}

#[test]
fn the_same_bits_with_any_number_of_threads() {
    let before = num_threads();
    let mut wrong = Vec::new();
    for (name, shapes, f) in functions() {
        for dtype in [DType::F32, DType::F64] {
            let all: Vec<_> = [1, 2, 3]
                .into_iter()
                .map(|n| {
                    set_num_threads(n);
                    bytes(&shapes, dtype, f).unwrap_or_else(|e| panic!("{name}: {e}"))
                })
                .collect();
            if all[0] != all[1] || all[0] != all[2] {
                wrong.push(format!("{name}, {dtype}"));
            }
        }
    }
    set_num_threads(before);
    assert!(wrong.is_empty(), "the number of threads matters: {}", wrong.join("; "));
}

/// Nodes are numbered by the thread that makes them: parts of one graph from threads with far and near numbers, and with equal ones.
#[test]
fn a_graph_of_many_threads() -> Result<()> {
    let x = Tensor::new([0.5f64, -2.0])?.requires_grad()?;
    let powers = |x: &Tensor, n: usize| (1..n).try_fold(x.clone(), |y, _| y.mul(x));
    let made = |n: usize, from: &Tensor| std::thread::scope(|s| s.spawn(|| powers(from, n)).join().expect("no panic"));
    let here = powers(&x, 40)?;
    let twins = [made(3, &x)?, made(3, &x)?];
    // x^9 from x^3, and a product of both twins, on other threads; all together on this one.
    let y = here.add(&made(3, &twins[0])?)?.add(&twins[0].mul(&twins[1])?)?;
    let gradient =
        grad_of(&[&y.sum()?], &[&x], &[], BackwardOptions::retain_graph())?.remove(0).expect("it depends on x").to_vec::<f64>()?;
    let of_twin =
        grad_of(&[&y.sum()?], &[&twins[0]], &[], BackwardOptions::default())?.remove(0).expect("it depends on it").to_vec::<f64>()?;
    for (i, v) in [0.5f64, -2.0].into_iter().enumerate() {
        let wanted = 40.0 * v.powi(39) + 9.0 * v.powi(8) + 6.0 * v.powi(5);
        assert!((gradient[i] - wanted).abs() <= 1e-12 * wanted.abs(), "{} {wanted}", gradient[i]);
        let wanted = 3.0 * v.powi(6) + v.powi(3);
        assert!((of_twin[i] - wanted).abs() <= 1e-12 * wanted.abs(), "{} {wanted}", of_twin[i]);
    }
    Ok(())
}
