//! Modules as functions of their parameters.

use std::sync::Arc;

use rushlight_autograd::{Autograd, checkpoint, grad, hessians, vmap};
use rushlight_nn::{BatchNorm1d, Forward, Linear, Module, Sequential, StateDict, Tanh, functional_call};
use rushlight_tensor::{DType, Result, Tensor};

fn parameters(m: &impl Module) -> StateDict {
    m.named_parameters().into_iter().map(|(name, p)| (name, p.tensor().detach())).collect()
}

fn network() -> Result<Sequential> {
    rushlight_tensor::manual_seed(0);
    let net = Sequential::new().add(Linear::new(3, 4)?).add(Tanh::new()).add(Linear::new(4, 2)?);
    net.to_dtype(DType::F64)?;
    Ok(net)
}

fn close(a: &Tensor, b: &Tensor) -> Result<()> {
    assert_eq!(a.shape(), b.shape());
    let (a, b) = (a.detach().to_vec::<f64>()?, b.detach().to_vec::<f64>()?);
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} is not {b:?}");
    Ok(())
}

#[test]
fn other_values_for_a_while() -> Result<()> {
    let (net, x) = (network()?, Tensor::randn([5, 3], DType::F64)?);
    let own = net.forward(&x)?;
    let doubled: StateDict = parameters(&net).into_iter().map(|(n, t)| Ok((n, t.mul(2.0)?))).collect::<Result<_>>()?;
    let other = network()?;
    other.load_state_dict(&doubled, true)?;
    close(&functional_call(&net, &doubled, || net.forward(&x))?, &other.forward(&x)?)?;
    close(&net.forward(&x)?, &own)?;
    // A part of them; the rest are the module's own. And one call in another.
    let bias = vec![("2.bias".to_string(), Tensor::zeros([2], DType::F64)?)];
    let both = functional_call(&net, &doubled, || functional_call(&net, &bias, || net.forward(&x)))?;
    close(&both, &other.forward(&x)?.sub(&doubled[3].1)?)?;
    // Restored on errors.
    assert!(functional_call(&net, &doubled, || net.forward(&Tensor::ones([5, 7], DType::F64)?)).is_err());
    close(&net.forward(&x)?, &own)?;
    let text = |values: StateDict| functional_call(&net, &values, || net.forward(&x)).unwrap_err().to_string();
    assert!(text(vec![("3.bias".into(), x.clone())]).contains("`3.bias`"));
    assert!(text(vec![("2.bias".into(), x.clone())]).contains("`2.bias`"));
    Ok(())
}

#[test]
fn derivatives_by_parameters() -> Result<()> {
    let (net, x, target) = (network()?, Tensor::randn([5, 3], DType::F64)?, Tensor::randn([5, 2], DType::F64)?);
    let loss = |p: &[(String, Tensor)], x: &Tensor, t: &Tensor| functional_call(&net, p, || net.forward(x)?.sub(t)?.square()?.sum());
    let p = parameters(&net);
    let g = grad(|p| loss(p, &x, &target), &p)?;
    net.forward(&x)?.sub(&target)?.square()?.sum()?.backward()?;
    for ((name, g), (own, parameter)) in g.iter().zip(net.named_parameters()) {
        assert_eq!(*name, own);
        close(g, &parameter.grad().unwrap())?;
    }
    // Gradients of every sample against a loop, and their sum against the whole.
    let each = vmap(|v| grad(|p| loss(p, &v[0], &v[1]), &p), &[&x, &target], &[Some(0), Some(0)], 0)?;
    for i in 0..5 {
        let one = grad(|p| loss(p, &x.select(0, i)?, &target.select(0, i)?), &p)?;
        for (a, b) in each.iter().zip(&one) {
            close(&a.1.select(0, i)?, &b.1)?;
        }
    }
    for (a, b) in each.iter().zip(&g) {
        close(&a.1.sum_dim(0, false)?, &b.1)?;
    }
    // The last layer is linear: its Hessian is 2 sum h h'.
    let h = hessians(|p: &[(String, Tensor)]| loss(p, &x, &target), &p)?;
    let hidden = x.linear(&p[0].1, Some(&p[1].1))?.tanh()?;
    let gram = hidden.t()?.matmul(&hidden)?.mul(2.0)?;
    let eye = Tensor::eye(2, 2, DType::F64)?;
    let expected = eye.reshape([2, 1, 2, 1])?.mul(&gram.reshape([1, 4, 1, 4])?)?;
    close(&h[2][2], &expected)?;
    Ok(())
}

/// Backward reaches the inside of a checkpoint when the call is over.
#[test]
fn checkpoints_inside() -> Result<()> {
    let (net, x) = (Arc::new(network()?), Tensor::randn([5, 3], DType::F64)?);
    let doubled: StateDict = parameters(&*net).into_iter().map(|(n, t)| Ok((n, t.mul(2.0)?))).collect::<Result<_>>()?;
    let run = |kept: bool| {
        let part = net.clone();
        let f = move |x: &[Tensor]| part.forward(&x[0])?.exp()?.sin();
        let f = &f;
        grad(
            |p| functional_call(&*net, p, || if kept { f(std::slice::from_ref(&x)) } else { checkpoint(f.clone(), &[&x]) })?.sum(),
            &doubled,
        )
    };
    for ((_, kept), (_, again)) in run(true)?.iter().zip(&run(false)?) {
        close(again, kept)?;
    }
    Ok(())
}

#[test]
fn buffers_that_are_stood_for_are_left_alone() -> Result<()> {
    let norm = BatchNorm1d::new(3)?;
    let x = Tensor::randn([4, 3], DType::F32)?;
    let before = norm.state_dict();
    let stand_ins: StateDict = norm.named_buffers().into_iter().map(|(n, b)| (n, b.tensor())).collect();
    functional_call(&norm, &stand_ins, || norm.forward(&x))?;
    for ((_, a), (_, b)) in before.iter().zip(norm.state_dict()) {
        assert_eq!(a.to_dtype(DType::F64)?.to_vec::<f64>()?, b.to_dtype(DType::F64)?.to_vec::<f64>()?);
    }
    norm.forward(&x)?;
    // Samples have no statistics in common.
    let e = vmap(|x| norm.forward(&x[0]), &[&Tensor::randn([2, 4, 3], DType::F32)?], &[Some(0)], 0).unwrap_err();
    assert!(e.to_string().contains("vmap"), "{e}");
    Ok(())
}
