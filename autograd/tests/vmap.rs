//! Functions over all samples at once against a loop over samples, alone and nested with derivatives both ways.

use rushlight_autograd::{Autograd, BackwardOptions, grad, grad_of, hessian, jvp, vjp, vmap};
use rushlight_tensor::{DType, ErrorKind, Result, Tensor};

fn random(seed: u64, shape: &[usize]) -> Tensor {
    rushlight_tensor::manual_seed(seed);
    Tensor::randn(shape, DType::F64).unwrap()
}

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    for (x, y) in a.to_vec::<f64>().unwrap().iter().zip(b.to_vec::<f64>().unwrap()) {
        assert!((x - y).abs() <= 1e-12 * (1.0 + y.abs()), "{x} and {y}");
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
