//! Jacobians, Hessians and third derivatives, each way of getting them against the others and against closed forms; the checks against finite differences
//! find mistakes.

use rushlight_autograd::{
    Ctx, Function, GradCheck, Grads, call, grad, gradcheck, gradgradcheck, hessian, hvp, jacfwd, jacrev, jvp, no_grad, vjp,
};
use rushlight_tensor::{Result, Tensor, Tensors};

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    for (x, y) in a.to_vec::<f64>().unwrap().iter().zip(b.to_vec::<f64>().unwrap()) {
        assert!((x - y).abs() <= 1e-12 * (1.0 + y.abs()), "{x} and {y}");
    }
}

fn random(shape: &[usize]) -> Tensor {
    rushlight_tensor::manual_seed(1);
    Tensor::randn(shape, rushlight_tensor::DType::F64).unwrap()
}

/// A small network, as a function of its input.
fn network(x: &Tensor) -> Result<Tensor> {
    let (w, v) = (random(&[4, 3]), random(&[2, 4]).mul(0.5)?);
    x.linear(&w, None)?.tanh()?.linear(&v, None)
}

#[test]
fn both_modes_and_the_closed_form() -> Result<()> {
    let x = random(&[3]);
    let (forward, reverse) = (jacfwd(network, &x)?, jacrev(network, &x)?);
    assert_eq!(forward.shape(), [2, 3]);
    close(&forward, &reverse);
    // V diag(1 - tanh^2) W
    let (w, v) = (random(&[4, 3]), random(&[2, 4]).mul(0.5)?);
    let slope = x.linear(&w, None)?.tanh()?.square()?.neg()?.add(1.0)?;
    close(&forward, &v.mul(&slope)?.matmul(&w)?);
    // Matrices in and out.
    let m = random(&[2, 3]);
    let j = jacrev(|m| m.t()?.matmul(m), &m)?;
    assert_eq!(j.shape(), [3, 3, 2, 3]);
    close(&j, &jacfwd(|m| m.t()?.matmul(m), &m)?);
    Ok(())
}

#[test]
fn hessians_by_every_nesting() -> Result<()> {
    let f = |x: &Tensor| network(x)?.square()?.sum();
    let x = random(&[3]);
    let h = hessian(f, &x)?;
    close(&h, &jacrev(|x| jacfwd(f, x), &x)?);
    close(&h, &jacrev(|x| grad(f, x), &x)?);
    close(&h, &jacfwd(|x| jacfwd(f, x), &x)?);
    close(&h, &h.t()?);
    let v = random(&[3]).add(1.0)?;
    let (g, hv) = hvp(f, &x, &v)?;
    close(&g, &grad(f, &x)?);
    close(&hv, &h.matmul(&v)?);
    Ok(())
}

#[test]
fn third_derivatives() -> Result<()> {
    // f = sum x^4: the third derivative is 24 x on the diagonal.
    let x = random(&[2]);
    let third = jacrev(|x| hessian(|x| x.pow(4.0)?.sum(), x), &x)?;
    assert_eq!(third.shape(), [2, 2, 2]);
    let values = x.to_vec::<f64>()?;
    let mut wanted = vec![0.0; 8];
    (wanted[0], wanted[7]) = (24.0 * values[0], 24.0 * values[1]);
    close(&third, &Tensor::from_vec(wanted, [2, 2, 2], x.device())?);
    Ok(())
}

#[test]
fn corners() -> Result<()> {
    // A result that does not depend on the input, and no elements at all.
    let x = random(&[2]);
    close(&jacrev(|x| x.zeros_like(), &x)?, &jacfwd(|x| x.zeros_like(), &x)?);
    let empty = random(&[0]);
    assert_eq!(jacfwd(|x| x.exp(), &empty)?.shape(), [0, 0]);
    assert_eq!(jacrev(|x| x.exp(), &empty)?.shape(), [0, 0]);
    // Functional transforms differentiate inside of `no_grad`.
    close(&no_grad(|| grad(|x| x.square()?.sum(), &x))?, &x.mul(2.0)?);
    assert!(hvp(|x| x.sum(), &x, &random(&[3])).is_err());
    Ok(())
}

/// The square, with derivatives that are wrong in one mode.
struct Wrong {
    reverse: bool,
}

impl Function for Wrong {
    fn forward(&self, x: &[&Tensor]) -> Result<Tensors> {
        Ok(Tensors::from_iter([x[0].square()?]))
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let factor = if self.reverse { 3.0 } else { 2.0 };
        let g = grads[0].as_ref().map(|g| g.mul(&ctx.input(0)?.mul(factor)?)).transpose()?;
        Ok(Grads::from_iter([g]))
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Grads> {
        let factor = if self.reverse { 2.0 } else { 3.0 };
        let t = tangents[0].as_ref().map(|t| t.mul(&ctx.input(0)?.mul(factor)?)).transpose()?;
        Ok(Grads::from_iter([t]))
    }
}

#[test]
fn checks_find_mistakes() -> Result<()> {
    let x = random(&[2, 2]);
    let options = GradCheck::default();
    gradcheck(|x| network(&x[0].select(0, 0)?.mul(2.0)?), &[&random(&[2, 3])], options)?;
    gradgradcheck(|x| x[0].matmul(&x[1])?.tanh(), &[&x, &x.add(0.5)?], options)?;
    for (reverse, mode) in [(true, "reverse mode"), (false, "forward mode")] {
        let e = gradcheck(|x| Ok(call(Wrong { reverse }, &[&x[0]])?[0].clone()), &[&x], options).unwrap_err();
        assert!(e.to_string().contains(mode) && e.to_string().contains("input 0[0]"), "{e}");
    }
    assert!(gradcheck(|x| x[0].exp(), &[&Tensor::new([1.0f32])?], options).unwrap_err().to_string().contains("float64"));
    // What was compared is also what the two modes say of each other: <u, J v>.
    let (u, v) = (random(&[2]), random(&[3]));
    let forward = jvp(|x| network(&x[0]), &[&random(&[3])], &[&v])?.1.mul(&u)?.sum()?;
    let reverse = vjp(|x| network(&x[0]), &[&random(&[3])], Some(&u))?.1[0].mul(&v)?.sum()?;
    close(&forward, &reverse);
    Ok(())
}
