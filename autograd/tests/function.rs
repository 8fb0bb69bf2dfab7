//! Functions that bring their own derivatives: every mode and nesting, and what happens where one is missing.

use rushlight_autograd::{Autograd, Ctx, Function, Grads, call, grad, jvp, vjp};
use rushlight_tensor::{ErrorKind, Result, Tensor, Tensors};

/// `(x y, x + y)`: several inputs and results.
struct ProductAndSum;

impl Function for ProductAndSum {
    fn forward(&self, x: &[&Tensor]) -> Result<Tensors> {
        Ok(Tensors::from_iter([x[0].mul(x[1])?, x[0].add(x[1])?]))
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let zero = ctx.input(0)?.zeros_like()?;
        let g = |i: usize| grads[i].clone().unwrap_or_else(|| zero.clone());
        let one = |i: usize| g(0).mul(ctx.input(1 - i)?)?.add(&g(1));
        Ok(Grads::from_iter([Some(one(0)?), Some(one(1)?)]))
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Grads> {
        let zero = ctx.input(0)?.zeros_like()?;
        let t = |i: usize| tangents[i].clone().unwrap_or_else(|| zero.clone());
        let product = t(0).mul(ctx.input(1)?)?.add(&ctx.input(0)?.mul(&t(1))?)?;
        Ok(Grads::from_iter([Some(product), Some(t(0).add(&t(1))?)]))
    }
}

/// x^3, without forward mode.
struct Cube;

impl Function for Cube {
    fn forward(&self, x: &[&Tensor]) -> Result<Tensors> {
        Ok(Tensors::from_iter([x[0].pow(3.0)?]))
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = grads[0].as_ref().map(|g| g.mul(&ctx.input(0)?.square()?.mul(3.0)?)).transpose()?;
        Ok(Grads::from_iter([g]))
    }
}

/// A product that forgets its second gradient, and whose tangent has another shape.
struct Careless;

impl Function for Careless {
    fn forward(&self, x: &[&Tensor]) -> Result<Tensors> {
        Ok(Tensors::from_iter([x[0].mul(x[1])?]))
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let g = grads[0].as_ref().map(|g| g.mul(ctx.input(1)?)).transpose()?;
        Ok(Grads::from_iter([g]))
    }

    fn jvp(&self, _: &Ctx<'_>, _: &[Option<Tensor>]) -> Result<Grads> {
        Ok(Grads::from_iter([Some(of(&[1.0]))]))
    }
}

fn of(v: &[f64]) -> Tensor {
    Tensor::new(v).unwrap()
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_vec().unwrap()
}

#[test]
fn several_inputs_and_results() -> Result<()> {
    let (x, y) = (of(&[2.0, 3.0]).requires_grad()?, of(&[5.0, 7.0]).requires_grad()?);
    let z = call(ProductAndSum, &[&x, &y])?;
    assert_eq!((z[0].grad_fn(), z[1].grad_fn()), (Some("ProductAndSum"), Some("ProductAndSum")));
    // d(sum(x y) + 2 sum(x + y))
    z[0].add(&z[1].mul(2.0)?)?.sum()?.backward()?;
    assert_eq!(values(&x.grad().unwrap()), [7.0, 9.0]);
    assert_eq!(values(&y.grad().unwrap()), [4.0, 5.0]);
    // A result that nobody uses, the second one alone.
    let z = call(ProductAndSum, &[&x, &y])?;
    x.set_grad(None)?;
    z[1].sum()?.backward()?;
    assert_eq!(values(&x.grad().unwrap()), [1.0, 1.0]);
    Ok(())
}

/// The product of the first and the last of many.
struct Ends;

impl Function for Ends {
    fn forward(&self, x: &[&Tensor]) -> Result<Tensors> {
        Ok(Tensors::from_iter([x[0].mul(x[x.len() - 1])?]))
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let last = ctx.input_count() - 1;
        let g = |other: usize| grads[0].as_ref().map(|g| g.mul(ctx.input(other)?)).transpose();
        let mut all: Grads = (0..=last).map(|_| None).collect();
        (all[0], all[last]) = (g(last)?, g(0)?);
        Ok(all)
    }
}

#[test]
fn more_inputs_than_a_mask_has_bits() -> Result<()> {
    let x: Vec<Tensor> = (0..100).map(|i| of(&[f64::from(i) + 2.0])).collect();
    let f = |x: &[Tensor]| call(Ends, &x.iter().collect::<Vec<_>>())?[0].sum();
    let g = grad(f, &x)?;
    assert_eq!((values(&g[0]), values(&g[50]), values(&g[99])), (vec![101.0], vec![0.0], vec![2.0]));
    Ok(())
}

#[test]
fn forward_agrees_with_reverse() -> Result<()> {
    let f = |x: &[Tensor]| {
        let z = call(ProductAndSum, &[&x[0], &x[1]])?;
        z[0].sin()?.mul(&z[1])?.sum()
    };
    let (x, y, u, v) = (of(&[0.2, -0.3]), of(&[0.5, 0.7]), of(&[0.1, 0.9]), of(&[-0.4, 0.3]));
    let (_, tangent) = jvp(f, &[&x, &y], &[&u, &v])?;
    let (_, grads) = vjp(f, &[&x, &y], None)?;
    let wanted = grads[0].mul(&u)?.sum()?.add(&grads[1].mul(&v)?.sum()?)?;
    assert!((tangent.item::<f64>()? - wanted.item::<f64>()?).abs() < 1e-14);
    Ok(())
}

#[test]
fn higher_orders_nest() -> Result<()> {
    let cube = |x: &Tensor| call(Cube, &[x])?[0].sum();
    let x = of(&[1.5]);
    let third = grad(|x| grad(|x| grad(cube, x)?.sum(), x)?.sum(), &x)?;
    assert_eq!(values(&third), [6.0]);
    // x^2 (2 x), whose second derivative is 12 x: forward over reverse, and reverse over forward.
    let f = |x: &Tensor| {
        let z = call(ProductAndSum, &[x, x])?;
        z[0].mul(&z[1])?.sum()
    };
    let one = of(&[1.0]);
    let (d, dd) = jvp(|x| grad(f, &x[0]), &[&x], &[&one])?;
    let reversed = grad(|x| Ok(jvp(|x| f(&x[0]), &[x], &[&one])?.1), &x)?;
    assert_eq!((values(&d), values(&dd), values(&reversed)), (vec![13.5], vec![18.0], vec![18.0]));
    Ok(())
}

#[test]
fn what_is_missing_is_said() -> Result<()> {
    let e = jvp(|x| call(Cube, &[&x[0]])?[0].sum(), &[&of(&[1.0])], &[&of(&[1.0])]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Autograd);
    assert!(e.to_string().contains("Function::jvp"), "{e}");
    let x = of(&[1.0, 2.0]);
    let text = |r: Result<Tensor>| r.unwrap_err().to_string();
    let few = text(grad(|v| call(Careless, &[&x, v])?[0].sum(), &x));
    assert!(few.contains("Careless") && few.contains("`vjp` gave 1 gradients for 2 inputs"), "{few}");
    // Whose gradient is left out needs none.
    assert_eq!(values(&grad(|v| call(Careless, &[v, &x])?[0].sum(), &x)?), [1.0, 2.0]);
    let wide = text(jvp(|v| Ok(call(Careless, &[v, &x])?[0].clone()), &x, &x).map(|(_, t)| t));
    assert!(wide.contains("tangent float64[1] of result 0, which is float64[2]"), "{wide}");
    Ok(())
}
