//! Jacobians, Hessians and third derivatives, each way of getting them against the others and against closed forms; the checks against finite differences
//! find mistakes.

use rushlight_autograd::{
    Autograd, Aux, Ctx, Function, GradCheck, Grads, Strategy, call, grad, gradcheck, gradgradcheck, hessian, hessians, hvp, jacfwd,
    jacobian, jacrev, jvp, linearize, no_grad, value_and_grad, vjp, vjp_fn, vmap,
};
use rushlight_tensor::{DType, Generator, Result, Tensor, Tensors};

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    for (x, y) in a.to_vec::<f64>().unwrap().iter().zip(b.to_vec::<f64>().unwrap()) {
        assert!((x - y).abs() <= 1e-12 * (1.0 + y.abs()), "{x} and {y}");
    }
}

fn random(shape: &[usize]) -> Tensor {
    // Not the default generator: other tests draw from it at the same time.
    Tensor::randn_with(shape, DType::F64, &Generator::new(1)).unwrap()
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
        assert!(e.to_string().contains(mode) && e.to_string().contains("input 0[0, 0]") && e.to_string().contains("4 of 16"), "{e}");
    }
    // Several results and inputs, of which one entry is off: the report names it.
    let f = |x: &[Tensor]| {
        let odd = call(Wrong { reverse: true }, &[&x[1].narrow(0, 2, 1)?])?[0].clone();
        Ok((x[0].sin()?, vec![Tensor::cat(&[&x[1].narrow(0, 0, 2)?, &odd], 0)?.reshape([1, 3])?]))
    };
    let e = gradcheck(f, &[&x, &random(&[3])], options).unwrap_err().to_string();
    assert!(e.contains("d result 1[0, 2] / d input 1[2] is") && e.contains("1 of 49"), "{e}");
    assert!(gradcheck(|x| x[0].argmax(), &[&x], options).unwrap_err().to_string().contains("result 0 is int64"));
    let grows = |x: &[Tensor]| x[0].narrow(0, 0, if x[0].max()?.item::<f64>()? > 1.0 { 2 } else { 1 });
    assert!(gradcheck(grows, &[&Tensor::new([0.5f64, 1.0])?], options).unwrap_err().to_string().contains("have 1 elements, but 2"));
    gradgradcheck(|x| Ok((x[0].matmul(&x[1])?, x[0].exp()?)), &[&x, &x.add(0.5)?], options)?;
    assert!(gradcheck(|x| x[0].exp(), &[&Tensor::new([1.0f32])?], options).unwrap_err().to_string().contains("float64"));
    // What was compared is also what the two modes say of each other: <u, J v>.
    let (u, v) = (random(&[2]), random(&[3]));
    let forward = jvp(|x| network(&x[0]), &[&random(&[3])], &[&v])?.1.mul(&u)?.sum()?;
    let reverse = vjp(|x| network(&x[0]), &[&random(&[3])], Some(&u))?.1[0].mul(&v)?.sum()?;
    close(&forward, &reverse);
    Ok(())
}

#[test]
fn functions_of_several_tensors() -> Result<()> {
    let (w, b, x) = (random(&[2, 3]), random(&[2]), random(&[3]));
    // tanh(W x + b) and the sum of squares of W, b.
    let f = |v: &[Tensor]| -> Result<(Tensor, Tensor)> {
        let y = v[0].matmul(&x)?.add(&v[1])?.tanh()?;
        Ok((y, v[0].square()?.sum()?.add(&v[1].square()?.sum()?)?))
    };
    let y = f(&[w.clone(), b.clone()])?.0;
    let slope = y.square()?.rsub(1.0)?;
    let by_b = slope.diag_embed(0, -2, -1)?;
    let by_w = by_b.unsqueeze(-1)?.mul(&x)?;
    for strategy in [Strategy::Reverse, Strategy::Forward] {
        let j = jacobian(f, &[&w, &b], strategy)?;
        close(&j[0][0], &by_w);
        close(&j[0][1], &by_b);
        close(&j[1][0], &w.mul(2.0)?);
        close(&j[1][1], &b.mul(2.0)?);
    }
    // Blocks of the Hessian against that of one long vector.
    let scalar = |v: &[Tensor]| f(v)?.0.square()?.sum();
    let blocks = hessians(scalar, &[&w, &b])?;
    let long = Tensor::cat(&[&w.reshape(6)?, &b], 0)?;
    let whole = hessian(|v| scalar(&[v.narrow(0, 0, 6)?.reshape([2, 3])?, v.narrow(0, 6, 2)?]), &long)?;
    close(&blocks[0][0].reshape([6, 6])?, &whole.narrow(0, 0, 6)?.narrow(1, 0, 6)?);
    close(&blocks[0][1].reshape([6, 2])?, &whole.narrow(0, 0, 6)?.narrow(1, 6, 2)?);
    close(&blocks[1][0].reshape([2, 6])?, &whole.narrow(0, 6, 2)?.narrow(1, 0, 6)?);
    close(&blocks[1][1], &whole.narrow(0, 6, 2)?.narrow(1, 6, 2)?);
    // The product with a vector is the product with the matrix.
    let (v, u) = (random(&[2, 3]), random(&[2]));
    let (g, hv) = hvp(scalar, &[&w, &b], &[&v, &u])?;
    let product = whole.matmul(&Tensor::cat(&[&v.reshape(6)?, &u], 0)?)?;
    close(&Tensor::cat(&[&hv[0].reshape(6)?, &hv[1]], 0)?, &product);
    let plain = grad(scalar, &[&w, &b])?;
    close(&g[0], &plain[0]);
    close(&g[1], &plain[1]);
    Ok(())
}

#[test]
fn what_comes_along_is_plain() -> Result<()> {
    let x = random(&[3]);
    let f = |v: &Tensor| -> Result<Aux<Tensor, (Tensor, Tensor)>> {
        let s = v.sin()?;
        Ok(Aux(s.sum()?, (s, v.exp()?)))
    };
    let (Aux(_, (s, _)), g) = value_and_grad(f, &x)?;
    close(&g, &x.cos()?);
    close(&s, &x.sin()?);
    assert!(s.trace().is_none());
    let (Aux(_, (_, e)), Aux(t, _)) = jvp(f, &x, &x)?;
    close(&t, &x.cos()?.mul(&x)?.sum()?);
    assert!(e.trace().is_none());
    // Nested, it is what the outer transform sees.
    let outer = grad(|v| value_and_grad(f, v)?.0.1.1.sum(), &x)?;
    close(&outer, &x.exp()?);
    Ok(())
}

#[test]
fn one_call_many_directions() -> Result<()> {
    let (w, x) = (random(&[2, 3]), random(&[3]));
    let f = |v: &[Tensor]| -> Result<(Tensor, Tensor)> { Ok((v[0].matmul(&v[1])?.tanh()?, v[1].square()?.sum()?)) };
    let calls = std::cell::Cell::new(0);
    let counted = |v: &[Tensor]| {
        calls.set(calls.get() + 1);
        f(v)
    };
    let (y, df) = linearize(counted, &[&w, &x])?;
    close(&y.0, &f(&[w.clone(), x.clone()])?.0);
    for _ in 0..3 {
        let (a, b) = (random(&[2, 3]), random(&[3]));
        let (_, expected) = jvp(f, &[&w, &x], &[&a, &b])?;
        let got = df.call(&[&a, &b])?;
        close(&got.0, &expected.0);
        close(&got.1, &expected.1);
    }
    assert!(df.call(&[&w]).is_err() && df.call(&[&x, &w]).is_err());
    let (_, pullback) = vjp_fn(counted, &[&w, &x])?;
    for _ in 0..3 {
        let u = (random(&[2]), random(&[]));
        let expected = vjp(f, &[&w, &x], Some(&u))?.1;
        let got = pullback.call(&u)?;
        close(&got[0], &expected[0]);
        close(&got[1], &expected[1]);
    }
    assert_eq!(calls.get(), 2);
    // Both are functions of tensors: derivatives go through them.
    let second = grad(|x| linearize(|x: &Tensor| x.pow(3.0), x)?.1.call(&x.ones_like()?)?.sum(), &x)?;
    close(&second, &x.mul(6.0)?);
    let second = grad(|x| vjp_fn(|x: &Tensor| x.pow(3.0), x)?.1.call(&x.ones_like()?)?.sum(), &x)?;
    close(&second, &x.mul(6.0)?);
    Ok(())
}

#[test]
fn results_that_do_not_fit_are_refused() {
    let x = random(&[3]);
    let text = |e: rushlight_tensor::Error| e.to_string();
    assert!(text(grad(|x| x.exp(), &x).unwrap_err()).contains("[3]"));
    assert!(text(grad(|x| Ok((x.sum()?, x.sum()?)), &x).unwrap_err()).contains("gave 2"));
    let two = |x: &Tensor| Ok(vec![x.exp()?, x.zeros_like()?]);
    assert!(text(vjp(two, &x, Some(&vec![x.clone()])).unwrap_err()).contains("1 cotangents for 2 results"));
    // Also where the result does not depend on the argument.
    assert!(text(vjp(two, &x, Some(&vec![x.clone(), random(&[2])])).unwrap_err()).contains("cotangent 1 has shape [2], the result [3]"));
    assert!(text(vjp(two, &x, None).unwrap_err()).contains("result 0 has shape [3]"));
    // Complex numbers and integers have no Jacobian here; a complex result nothing to start from.
    let complex = |x: &Tensor| x.to_dtype(DType::C128);
    for j in [jacrev(complex, &x), jacfwd(complex, &x), jacfwd(|z| z.view_as_real(), &complex(&x).unwrap())] {
        assert!(text(j.unwrap_err()).contains("complex128"));
    }
    assert!(text(jacfwd(|x| x.argmax(), &x).unwrap_err()).contains("int64"));
    assert!(text(grad(|x| complex(x)?.sum(), &x).unwrap_err()).contains("complex128"));
}

/// What was carried out of a transform that has ended is a value like others for those that come later, and what is left of an inner transform on a result is
/// taken off. Expected values are the derivatives by hand.
#[test]
fn transforms_end() -> Result<()> {
    let (three, two, one) = (Tensor::new(3.0f64)?, Tensor::new(2.0f64)?, Tensor::new(1.0f64)?);
    let kept = std::cell::RefCell::new(Vec::new());
    let keep = |x: &Tensor| {
        kept.borrow_mut().push(x.clone());
        x.square()
    };
    jvp(keep, &three, &one)?;
    grad(keep, &three)?;
    for k in kept.take() {
        let forward = |f: &dyn Fn(&Tensor) -> Result<Tensor>| Ok::<_, rushlight_tensor::Error>(jvp(f, &two, &one)?.1);
        close(&forward(&|x| x.mul(&k))?, &three);
        close(&grad(|x| k.mul(x), &two)?, &three);
        close(&forward(&|_| Ok(k.clone()))?, &Tensor::new(0.0f64)?);
        close(&grad(|_| Ok(k.clone()), &two)?, &Tensor::new(0.0f64)?);
        close(&vmap(|x| x[0].mul(&k), &[&one.reshape(1)?], &[Some(0)], 0)?, &three.reshape(1)?);
    }
    // A sample shows itself as what it is, and never as the result of another `vmap`.
    vmap(|x| keep(&x[0]), &[&Tensor::new([1.0f64, 2.0])?], &[Some(0)], 0)?;
    let sample = kept.take().remove(0);
    let all = Tensor::new([1.0f64, 2.0, 3.0])?;
    assert!(vmap(|x| x[0].mul(&sample), &[&all], &[Some(0)], 0)?.to_vec::<f64>().unwrap_err().to_string().contains("vmap"));
    // u x, made inside of an inner transform over u at 1.
    let inner = |x: &Tensor| {
        let made = std::cell::RefCell::new(None);
        let f = |u: &Tensor| {
            made.replace(Some(u.mul(x)?));
            u.square()
        };
        jvp(f, &one, &one)?;
        let first = made.take().expect("it ran");
        grad(f, &one)?;
        first.add(&made.take().expect("it ran"))
    };
    close(&grad(inner, &three)?, &two);
    close(&jvp(inner, &three, &one)?.1, &two);
    close(&vmap(|x| inner(&x[0]), &[&all], &[Some(0)], 0)?, &all.mul(2.0)?);
    // A leaf that is made inside.
    close(&jvp(|x| x.requires_grad()?.square(), &three, &one)?.1, &Tensor::new(6.0f64)?);
    assert!(vmap(|x| x[0].requires_grad(), &[&all], &[Some(0)], 0).is_err());
    // On another thread.
    let outer = |x: &Tensor| std::thread::scope(|s| s.spawn(|| grad(|y| y.pow(3.0)?.mul(x), &two)).join().expect("no panic"));
    close(&grad(outer, &three)?, &Tensor::new(12.0f64)?);
    Ok(())
}

/// Pullbacks and linear maps that were made outside are linear functions of what they are called with.
#[test]
fn linear_maps_are_differentiable() -> Result<()> {
    let (x, one) = (Tensor::new(1.5f64)?, Tensor::new(1.0f64)?);
    let (_, pullback) = vjp_fn(|x: &Tensor| x.pow(3.0), &x)?;
    let (_, map) = linearize(|x: &Tensor| x.pow(3.0), &x)?;
    let slope = Tensor::new(6.75f64)?;
    for f in [&|u: &Tensor| pullback.call(u), &|u: &Tensor| map.call(u)] as [&dyn Fn(&Tensor) -> Result<Tensor>; 2] {
        close(&grad(f, &one)?, &slope);
        close(&jvp(f, &one, &one)?.1, &slope);
        let leaf = one.requires_grad()?;
        f(&leaf)?.backward()?;
        close(&leaf.grad().expect("it depends on it"), &slope);
        let all = Tensor::new([1.0f64, 2.0])?;
        close(&vmap(|u| f(&u[0]), &[&all], &[Some(0)], 0)?, &all.mul(6.75)?);
    }
    Ok(())
}

/// Tuples of all forms, through every transform.
#[test]
fn results_of_all_forms() -> Result<()> {
    let x = random(&[3]);
    let (_, g) =
        vjp(|x: &Tensor| Ok((x.exp()?, vec![x.sin()?], x.square()?)), &x, Some(&(x.zeros_like()?, vec![x.zeros_like()?], x.clone())))?;
    close(&g, &x.square()?.mul(2.0)?);
    let rows = random(&[4, 3]);
    let (losses, grads) = vmap(|r| value_and_grad(|v: &[Tensor]| v[0].square()?.sum(), &[&r[0]]), &[&rows], &[Some(0)], 0)?;
    close(&losses, &rows.square()?.sum_dim(1, false)?);
    close(&grads[0], &rows.mul(2.0)?);
    Ok(())
}

/// A leaf that is made inside of a transform gets its gradient there; leaves outside would silently get none.
#[test]
fn backward_inside_of_a_transform_does_not_leave_out_leaves() -> Result<()> {
    let x = Tensor::new(3.0f64)?;
    let inside = |x: &Tensor| {
        let leaf = x.detach().requires_grad()?;
        leaf.square()?.backward()?;
        x.mul(&leaf.grad().expect("it depends on it"))
    };
    close(&grad(inside, &x)?, &Tensor::new(6.0f64)?);
    let outer = Tensor::new(2.0f64)?.requires_grad()?;
    for on_both in [true, false] {
        let f = |x: &Tensor| {
            let leaf = Tensor::new(5.0f64)?.requires_grad()?;
            leaf.mul(if on_both { &outer } else { &leaf })?.backward()?;
            x.mul(&leaf.grad().expect("it depends on it"))
        };
        match grad(f, &x) {
            Ok(g) => assert!(!on_both && g.item::<f64>()? == 10.0),
            Err(e) => assert!(on_both && e.to_string().contains("use `grad` or `vjp`"), "{e}"),
        }
    }
    Ok(())
}
