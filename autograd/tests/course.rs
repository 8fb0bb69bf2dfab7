//! The examples that every course on automatic differentiation shows.

use rushlight_autograd::{Autograd, BackwardOptions, grad, grad_of, jvp, no_grad};
use rushlight_tensor::{DType, ErrorKind, Result, Tensor};

/// f(x1, x2) = ln x1 + x1 x2 - sin x2
fn f(x: &[Tensor]) -> Result<Tensor> {
    x[0].log()?.add(&x[0].mul(&x[1])?)?.sub(&x[1].sin()?)
}

fn at(x: f64) -> Tensor {
    Tensor::new(x).unwrap()
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} is not {b}");
}

#[test]
fn forward_mode_gives_the_values_of_the_textbook() -> Result<()> {
    let (y, dy) = jvp(f, &[&at(2.0), &at(5.0)], &[&at(1.0), &at(0.0)])?;
    assert_eq!(format!("{:.3}", y.item::<f64>()?), "11.652");
    close(y.item()?, 2f64.ln() + 10.0 - 5f64.sin());
    close(dy.item()?, 5.5);
    let (_, dy) = jvp(f, &[&at(2.0), &at(5.0)], &[&at(0.0), &at(1.0)])?;
    close(dy.item()?, 2.0 - 5f64.cos());
    Ok(())
}

#[test]
fn reverse_mode_gives_both_derivatives_at_once() -> Result<()> {
    let (x1, x2) = (at(2.0).requires_grad()?, at(5.0).requires_grad()?);
    f(&[x1.clone(), x2.clone()])?.backward()?;
    close(x1.grad().unwrap().item()?, 5.5);
    close(x2.grad().unwrap().item()?, 2.0 - 5f64.cos());
    Ok(())
}

/// d/dx_i by forward mode.
fn d_forward(g: impl Fn(&[Tensor]) -> Result<Tensor>, x: &[Tensor], i: usize) -> Result<Tensor> {
    let one = |j| at(if i == j { 1.0 } else { 0.0 });
    Ok(jvp(g, &[&x[0], &x[1]], &[&one(0), &one(1)])?.1)
}

/// d/dx_i by reverse mode.
fn d_reverse(g: impl Fn(&[Tensor]) -> Result<Tensor>, x: &[Tensor], i: usize) -> Result<Tensor> {
    let other = x[1 - i].clone();
    grad(|xi| g(&if i == 0 { [xi.clone(), other.clone()] } else { [other.clone(), xi.clone()] }), &x[i])
}

#[test]
fn second_derivatives_by_each_mode_over_each() -> Result<()> {
    let x = [at(2.0), at(5.0)];
    // d2/dx1dx1 = -1/x1^2, d2/dx1dx2 = 1, d2/dx2dx2 = sin x2
    for (i, j, wanted) in [(0, 0, -0.25), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 5f64.sin())] {
        close(d_forward(|x| d_forward(f, x, i), &x, j)?.item()?, wanted);
        close(d_forward(|x| d_reverse(f, x, i), &x, j)?.item()?, wanted);
        close(d_reverse(|x| d_forward(f, x, i), &x, j)?.item()?, wanted);
        close(d_reverse(|x| d_reverse(f, x, i), &x, j)?.item()?, wanted);
    }
    Ok(())
}

#[test]
fn third_derivatives_in_all_eight_nestings() -> Result<()> {
    let x = [at(2.0), at(5.0)];
    let wanted = 2.0 / 8.0; // d3/dx1^3 = 2/x1^3
    type G<'a> = Box<dyn Fn(&[Tensor]) -> Result<Tensor> + 'a>;
    for modes in 0..8 {
        let mut g: G<'_> = Box::new(f);
        for k in 0..3 {
            let inner = g;
            g = if modes >> k & 1 == 0 { Box::new(move |x| d_forward(&inner, x, 0)) } else { Box::new(move |x| d_reverse(&inner, x, 0)) };
        }
        close(g(&x)?.item()?, wanted);
    }
    Ok(())
}

#[test]
fn second_derivative_by_create_graph() -> Result<()> {
    let x = at(2.0).requires_grad()?;
    let y = x.log()?.mul(&x)?; // y' = ln x + 1, y'' = 1/x
    let first = grad_of(&[&y], &[&x], &[], BackwardOptions::create_graph())?[0].clone().unwrap();
    close(first.item()?, 2f64.ln() + 1.0);
    first.backward()?;
    close(x.grad().unwrap().item()?, 0.5);
    Ok(())
}

#[test]
fn the_example_of_the_variable() -> Result<()> {
    let x = Tensor::ones([2, 2], ())?;
    let temp = Tensor::zeros([2, 2], ())?.requires_grad()?;
    let y = || x.add(&temp)?.add(2.0)?.mean();
    y()?.backward()?;
    assert!(x.grad().is_none());
    assert_eq!(temp.grad().unwrap().to_vec::<f32>()?, [0.25; 4]);
    y()?.backward()?;
    assert_eq!(temp.grad().unwrap().to_vec::<f32>()?, [0.5; 4], "gradients accumulate");
    Ok(())
}

#[test]
fn a_freed_graph_is_an_error_and_a_retained_one_is_not() -> Result<()> {
    let x = at(3.0).requires_grad()?;
    let y = x.square()?;
    y.backward_with(None, BackwardOptions::retain_graph())?;
    y.backward()?;
    close(x.grad().unwrap().item()?, 12.0);
    let error = y.backward().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Autograd);
    assert!(error.to_string().contains("freed by an earlier backward pass"), "{error}");
    Ok(())
}

#[test]
fn clear_errors() -> Result<()> {
    let x = Tensor::ones([2], ())?.requires_grad()?;
    let message = |r: Result<()>| r.unwrap_err().to_string();
    assert!(message(x.mul(2.0)?.backward()).contains("[2] needs a gradient to start from"));
    assert!(message(Tensor::ones([1], ())?.backward()).contains("does not require gradients"));
    assert!(Tensor::ones([2], DType::I64)?.requires_grad().unwrap_err().to_string().contains("got int64"));
    let y = no_grad(|| x.mul(2.0))?;
    assert!(!y.is_requires_grad() && y.is_leaf());
    let wrong = Tensor::ones([3], ())?;
    assert!(message(x.mul(2.0)?.backward_with(Some(&wrong), BackwardOptions::default())).contains("does not fit"));
    Ok(())
}

#[test]
fn a_chain_of_a_million_nodes() -> Result<()> {
    let x = Tensor::new([1.0f32])?.requires_grad()?;
    let mut y = x.clone();
    for _ in 0..1_000_000 {
        y = y.add(1e-6)?;
    }
    y.sum()?.backward()?;
    assert_eq!(x.grad().unwrap().item::<f32>()?, 1.0);
    drop(y);
    // And dropped without a backward pass, through an operation that saves its inputs.
    let mut y = x.clone();
    for _ in 0..1_000_000 {
        y = y.mul(&y)?;
    }
    drop(y);
    Ok(())
}

#[test]
fn gradients_that_nobody_needs_are_not_asked_for() -> Result<()> {
    let data = Tensor::ones([3, 4], ())?;
    let w = Tensor::ones([5, 4], ())?.requires_grad()?;
    let y = data.linear(&w, None)?.sum()?;
    let g = grad_of(&[&y], &[&w], &[], BackwardOptions::default())?;
    assert_eq!(g[0].as_ref().unwrap().to_vec::<f32>()?, [3.0; 20]);
    // What the output does not depend on has no gradient: an error, unless it is allowed.
    let z = Tensor::ones([2], ())?.requires_grad()?;
    let y = w.sum()?;
    let e = grad_of(&[&y], &[&z], &[], BackwardOptions::retain_graph()).unwrap_err();
    assert!(e.to_string().contains("input 0") && e.to_string().contains("allow_unused"), "{e}");
    assert!(grad_of(&[&y], &[&z], &[], BackwardOptions::allow_unused())?[0].is_none());
    Ok(())
}
