//! Every derivative rule against finite differences, forward against reverse mode, and second order, in f64.

mod common;

use common::{check, uniform};
use rushlight_autograd::grad;
use rushlight_tensor::backend::op::RnnKind;
use rushlight_tensor::{Device, Result, RnnWeights, Tensor, rnn};

#[test]
fn unary_functions() -> Result<()> {
    type U = fn(&Tensor) -> Result<Tensor>;
    let wide: &[(&str, U)] = &[
        ("neg", Tensor::neg),
        ("square", Tensor::square),
        ("exp", Tensor::exp),
        ("exp2", Tensor::exp2),
        ("expm1", Tensor::expm1),
        ("sin", Tensor::sin),
        ("cos", Tensor::cos),
        ("atan", Tensor::atan),
        ("sinh", Tensor::sinh),
        ("cosh", Tensor::cosh),
        ("tanh", Tensor::tanh),
        ("asinh", Tensor::asinh),
        ("erf", Tensor::erf),
        ("erfc", Tensor::erfc),
        ("sigmoid", Tensor::sigmoid),
        ("logsigmoid", Tensor::logsigmoid),
        ("gelu", Tensor::gelu),
        ("gelu_tanh", Tensor::gelu_tanh),
        ("silu", Tensor::silu),
        ("mish", Tensor::mish),
        ("softplus", |x| x.softplus(2.0, 20.0)),
    ];
    for (name, f) in wide {
        check(name, &|x| f(&x[0]), &[uniform(&[2, 3], -2.0, 2.0, 1)])?;
    }
    // Away from kinks and poles.
    let positive: &[(&str, U)] = &[
        ("reciprocal", Tensor::reciprocal),
        ("sqrt", Tensor::sqrt),
        ("rsqrt", Tensor::rsqrt),
        ("log", Tensor::log),
        ("log2", Tensor::log2),
        ("log10", Tensor::log10),
        ("log1p", Tensor::log1p),
        ("abs", Tensor::abs),
        ("relu", Tensor::relu),
        ("tan", Tensor::tan),
        ("selu", Tensor::selu),
        ("hardsigmoid", Tensor::hardsigmoid),
        ("hardswish", Tensor::hardswish),
        ("relu6", Tensor::relu6),
        ("elu", |x| x.elu(0.7)),
        ("leaky_relu", |x| x.leaky_relu(0.1)),
        ("clamp", |x| x.clamp(0.0, 3.0)),
        ("pow 3", |x| x.pow(3)),
        ("pow 0", |x| x.pow(0)),
        ("pow -1.5", |x| x.pow(-1.5)),
        ("2 ^ x", |x| x.rpow(2.0)),
        ("1 - x", |x| x.rsub(1.0)),
        ("x / 3", |x| x.div(3.0)),
        ("3 / x", |x| Ok(3.0 / x)),
    ];
    for (name, f) in positive {
        check(name, &|x| f(&x[0]), &[uniform(&[4], 0.3, 1.2, 2)])?;
    }
    for (name, f) in [
        ("selu", Tensor::selu as U),
        ("elu", |x| x.elu(0.7)),
        ("leaky_relu", |x| x.leaky_relu(0.1)),
        ("abs", Tensor::abs),
        ("relu", Tensor::relu),
    ] {
        check(name, &|x| f(&x[0]), &[uniform(&[4], -1.2, -0.3, 2)])?;
    }
    for (name, f) in [("asin", Tensor::asin as U), ("acos", Tensor::acos), ("atanh", Tensor::atanh)] {
        check(name, &|x| f(&x[0]), &[uniform(&[4], -0.8, 0.8, 2)])?;
    }
    check("acosh", &|x| x[0].acosh(), &[uniform(&[4], 1.2, 3.0, 2)])
}

#[test]
fn binary_functions_with_broadcasting() -> Result<()> {
    type B = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let all: &[(&str, B)] = &[
        ("add", |a, b| a.add(b)),
        ("sub", |a, b| a.sub(b)),
        ("mul", |a, b| a.mul(b)),
        ("div", |a, b| a.div(b)),
        ("pow", |a, b| a.pow(b)),
        ("maximum", |a, b| a.maximum(b)),
        ("minimum", |a, b| a.minimum(b)),
        ("atan2", |a, b| a.atan2(b)),
        ("where", |a, b| a.gt(b)?.where_(a, b)),
    ];
    for (name, f) in all {
        for (s, t) in [(&[3, 4][..], &[3, 4][..]), (&[3, 1], &[4]), (&[], &[2, 2]), (&[2, 1, 3], &[4, 1])] {
            check(name, &|x| f(&x[0], &x[1]), &[uniform(s, 0.5, 2.0, 3), uniform(t, 0.5, 2.0, 4)])?;
        }
    }
    Ok(())
}

#[test]
fn reductions() -> Result<()> {
    let x = || uniform(&[2, 3, 4], 0.5, 2.0, 5);
    check("sum", &|x| x[0].sum(), &[x()])?;
    check("sum_dim", &|x| x[0].sum_dim([0, 2], true)?.square(), &[x()])?;
    check("mean", &|x| x[0].square()?.mean(), &[x()])?;
    check("mean_dim", &|x| x[0].mean_dim(1, false)?.square(), &[x()])?;
    check("var", &|x| x[0].var(1.0), &[x()])?;
    check("var_dim", &|x| x[0].var_dim([0, 2], 0.0, false), &[x()])?;
    check("std", &|x| x[0].std_dim(1, 1.0, true), &[x()])?;
    check("amax", &|x| x[0].amax([1, 2], false), &[x()])?;
    check("max", &|x| x[0].max()?.square(), &[x()])?;
    check("max_dim", &|x| Ok(x[0].max_dim(1, false)?.0), &[x()])?;
    check("min_dim", &|x| x[0].min_dim(-1, true)?.0.square(), &[x()])?;
    check("prod", &|x| x[0].prod(), &[uniform(&[4], 0.5, 1.5, 6)])?;
    check("prod_dim", &|x| x[0].prod_dim(1, false), &[x()])?;
    let zeros = Tensor::from_vec(vec![2.0f64, 0.0, 3.0, 4.0, 0.0, 0.0], [2, 3], Device::cpu())?;
    let g = grad(|x| x.prod_dim(1, false)?.sum(), &zeros)?;
    assert_eq!(g.to_vec::<f64>()?, [0.0, 6.0, 0.0, 0.0, 0.0, 0.0], "the derivative of a product with zeros");
    check("logsumexp", &|x| x[0].logsumexp(1, false), &[x()])
}

#[test]
fn views_and_joins() -> Result<()> {
    let x = || uniform(&[2, 3, 4], -1.0, 1.0, 7);
    let square = |y: Tensor| y.square();
    check("reshape", &|x| square(x[0].reshape([4, -1])?), &[x()])?;
    check("permute", &|x| square(x[0].permute([2, 0, 1])?), &[x()])?;
    check("reshape of a permuted tensor", &|x| square(x[0].permute([2, 0, 1])?.reshape([6, 4])?), &[x()])?;
    check("expand", &|x| square(x[0].unsqueeze(1)?.expand([2, 5, 3, 4])?), &[x()])?;
    check("slice", &|x| square(x[0].slice(2, 1, None, 2)?), &[x()])?;
    check("flip", &|x| square(x[0].flip([0, 2])?.slice(1, 0, 2, 1)?), &[x()])?;
    check("select", &|x| square(x[0].select(1, -1)?), &[x()])?;
    check("contiguous", &|x| square(x[0].transpose(0, 2)?.contiguous()?), &[x()])?;
    check("cat", &|x| square(Tensor::cat(&[&x[0], &x[1], &x[0]], 1)?), &[x(), uniform(&[2, 1, 4], -1.0, 1.0, 8)])?;
    check("stack", &|x| square(Tensor::stack(&[&x[0], &x[0]], -1)?), &[x()])?;
    check("slice_scatter", &|x| square(x[0].slice_scatter(&x[1], 1, 0, 3, 2)?), &[x(), uniform(&[2, 2, 4], -1.0, 1.0, 9)])
}

#[test]
fn indexing() -> Result<()> {
    let x = || uniform(&[4, 3], -1.0, 1.0, 10);
    let rows = Tensor::new([2i64, 0, 2])?;
    check("index_select", &|x| x[0].index_select(0, &rows)?.square(), &[x()])?;
    check("index_add", &|x| x[0].index_add(0, &rows, &x[1])?.square(), &[x(), uniform(&[3, 3], -1.0, 1.0, 11)])?;
    let places = Tensor::new([[0i64, 3, 1], [2, 2, 0]])?;
    check("gather", &|x| x[0].gather(0, &places)?.square(), &[x()])?;
    check("scatter_add", &|x| x[0].scatter_add(0, &places, &x[1])?.square(), &[x(), uniform(&[3, 3], -1.0, 1.0, 12)])?;
    check("scatter", &|x| x[0].scatter(0, &places, &x[1])?.square(), &[x(), uniform(&[2, 3], -1.0, 1.0, 13)])?;
    let words = Tensor::new([[0i64, 1], [1, 3]])?;
    check("embedding", &|x| x[0].embedding(&words)?.square(), &[x()])
}

#[test]
fn products() -> Result<()> {
    let t = |shape: &[usize], seed| uniform(shape, -1.0, 1.0, seed);
    for (a, b) in
        [(&[3, 4][..], &[4, 2][..]), (&[4], &[4, 2]), (&[3, 4], &[4]), (&[4], &[4]), (&[5, 3, 4], &[4, 2]), (&[2, 1, 3, 4], &[5, 4, 2])]
    {
        check("matmul", &|x| x[0].matmul(&x[1])?.square(), &[t(a, 14), t(b, 15)])?;
    }
    check("linear", &|x| x[0].linear(&x[1], Some(&x[2]))?.square(), &[t(&[2, 3, 4], 16), t(&[5, 4], 17), t(&[5], 18)])
}

#[test]
fn normalisations() -> Result<()> {
    let x = || uniform(&[3, 4, 2], -1.0, 1.0, 19);
    for dim in 0..3 {
        check("softmax", &|x| x[0].softmax(dim), &[x()])?;
        check("log_softmax", &|x| x[0].log_softmax(dim)?.square(), &[x()])?;
    }
    for shape in [&[5, 3][..], &[3, 2, 4], &[2, 3, 2, 20]] {
        let c = shape[1];
        let x = || uniform(shape, -1.0, 1.0, 20);
        let (w, b) = (uniform(&[c], 0.5, 2.0, 21), uniform(&[c], -1.0, 1.0, 22));
        check("batch_norm", &|x| x[0].batch_norm_train(Some(&x[1]), Some(&x[2]), 0.1)?.0.square(), &[x(), w, b])?;
        check("batch_norm without weight", &|x| x[0].batch_norm_train(None, None, 0.1)?.0.square(), &[x()])?;
        check("its mean", &|x| x[0].batch_norm_train(None, None, 0.1)?.1.square(), &[x()])?;
        check("its variance", &|x| x[0].batch_norm_train(None, None, 0.1)?.2.square(), &[x()])?;
        check(
            "all of them",
            &|x| x[0].mul(2.0)?.batch_norm_train(None, None, 0.1).and_then(|(y, m, v)| y.square()?.sum()?.add(&m.mul(&v)?)),
            &[x()],
        )?;
    }
    let (mean, var) = (uniform(&[4], -1.0, 1.0, 23), uniform(&[4], 0.5, 1.0, 24));
    check(
        "batch_norm_eval",
        &|x| x[0].batch_norm_eval(&mean, &var, Some(&x[1]), Some(&x[2]), 0.1)?.square(),
        &[x(), uniform(&[4], 0.5, 2.0, 25), uniform(&[4], -1.0, 1.0, 26)],
    )
}

#[test]
fn recurrent_layers() -> Result<()> {
    for (kind, reverse) in [(RnnKind::Tanh, false), (RnnKind::Relu, true), (RnnKind::Gru, true), (RnnKind::Lstm, false)] {
        let (l, n, input, hidden, states) = (3, 2, 3, 2, kind.states());
        let rows = kind.gates() * hidden;
        let shapes = [vec![l, n, input], vec![n, hidden], vec![n, hidden], vec![rows, input], vec![rows, hidden], vec![rows], vec![rows]];
        let inputs = shapes.iter().zip(60..).enumerate().filter(|(i, _)| *i != 2 || states == 2);
        let inputs: Vec<Tensor> = inputs.map(|(_, (shape, seed))| uniform(shape, -1.0, 1.0, seed)).collect();
        let f = |x: &[Tensor]| {
            let w =
                RnnWeights { input: &x[1 + states], state: &x[2 + states], bias: Some([&x[3 + states], &x[4 + states]]), projection: None };
            let (y, last) = rnn(kind, &x[0], &x[1..=states], w, reverse)?;
            Tensor::cat(&[y.reshape([l * n, hidden])?, last[states - 1].clone()], 0)
        };
        check(&format!("{kind:?}"), &f, &inputs)?;
    }
    Ok(())
}
