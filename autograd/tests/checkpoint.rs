//! Recomputing in backward, recording switched off, and that nothing of all this keeps memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rushlight_autograd::{
    Autograd, BackwardOptions, Randomness, checkpoint, enable_grad, grad, grad_of, hessian, inference_mode, is_grad_enabled,
    is_inference_mode_enabled, jvp, no_grad, vmap, vmap_with,
};
use rushlight_tensor::{DType, Result, Tensor, autocast, default_generator, manual_seed, profile};

fn random(seed: u64, shape: &[usize]) -> Tensor {
    Tensor::randn_with(shape, DType::F64, &rushlight_tensor::Generator::new(seed)).unwrap()
}

fn numbers(t: &Tensor) -> Vec<f64> {
    t.detach().to_vec().unwrap()
}

/// Two layers with dropout in between; `w` comes from outside.
fn layers(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    x.matmul(w)?.tanh()?.dropout(0.5, true)?.matmul(&w.t()?)?.softmax(-1)
}

#[test]
fn gradients_are_those_without() -> Result<()> {
    let (x, w) = (random(0, &[4, 3]).requires_grad()?, random(1, &[3, 5]).requires_grad()?);
    let run = |kept: bool| -> Result<[Vec<f64>; 4]> {
        manual_seed(7);
        let y = if kept {
            layers(&x, &w)?
        } else {
            let w = w.clone();
            checkpoint(move |x| layers(&x[0], &w), &[&x])?
        };
        // Draws in between: backward must see the first state, and leave the second one.
        let noise = Tensor::randn([4, 3], DType::F64)?;
        let loss = y.mul(&noise)?.square()?.sum()?;
        let state = default_generator().get_state();
        let g = grad_of(&[&loss], &[&x, &w], &[], BackwardOptions::create_graph())?;
        assert_eq!(state, default_generator().get_state());
        let (gx, gw) = (g[0].clone().unwrap(), g[1].clone().unwrap());
        let second = grad_of(&[&gx.square()?.sum()?], &[&w], &[], BackwardOptions::default())?;
        Ok([numbers(&y), numbers(&gx), numbers(&gw), numbers(second[0].as_ref().unwrap())])
    };
    assert_eq!(run(true)?, run(false)?);
    Ok(())
}

#[test]
fn called_again_once_and_only_in_backward() -> Result<()> {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let x = random(0, &[3]).requires_grad()?;
    let f = move |v: &[Tensor]| {
        count.fetch_add(1, Ordering::Relaxed);
        v[0].exp()?.sin()?.exp()
    };
    let y = checkpoint(f.clone(), &[&x])?.sum()?;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    y.backward()?;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert!(y.backward().unwrap_err().to_string().contains("freed"));
    // Without recording there is nothing to remember.
    no_grad(|| checkpoint(f, &[&x]))?;
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    Ok(())
}

#[test]
fn it_nests() -> Result<()> {
    let x = random(3, &[3]);
    let f = |x: &Tensor| x.sin()?.exp()?.sum();
    let again = |x: &Tensor| checkpoint(|x| x[0].sin()?.exp()?.sum(), &[x]);
    assert_eq!(numbers(&grad(again, &x)?), numbers(&grad(f, &x)?));
    assert_eq!(numbers(&hessian(again, &x)?), numbers(&hessian(f, &x)?));
    let over = |f: &dyn Fn(&Tensor) -> Result<Tensor>| jvp(|x: &Tensor| grad(f, x), &x, &x);
    assert_eq!(numbers(&over(&again)?.1), numbers(&over(&f)?.1));
    let each = |f: &dyn Fn(&Tensor) -> Result<Tensor>| vmap(|x| grad(f, &x[0]), &[&random(4, &[5, 3])], &[Some(0)], 0);
    assert_eq!(numbers(&each(&again)?), numbers(&each(&f)?));
    // A derivative inside of it, and one checkpoint in another.
    let inner = |x: &Tensor| checkpoint(|x| grad(|x| x.pow(3.0)?.sum(), &x[0])?.exp()?.sum(), &[x]);
    let plain = |x: &Tensor| grad(|x| x.pow(3.0)?.sum(), x)?.exp()?.sum();
    assert_eq!(numbers(&grad(inner, &x)?), numbers(&grad(plain, &x)?));
    let twice = |x: &Tensor| checkpoint(|x| checkpoint(|x| x[0].sin()?.exp(), &[&x[0]])?.sum(), &[x]);
    assert_eq!(numbers(&grad(twice, &x)?), numbers(&grad(f, &x)?));
    Ok(())
}

/// Backward leaves `autocast`; what is computed again is computed in it.
#[test]
fn autocast_is_restored() -> Result<()> {
    let single = |seed, shape: &[usize]| random(seed, shape).to_dtype(DType::F32);
    let (x, w) = (single(0, &[4, 8])?, single(1, &[8, 8])?);
    let run = |kept: bool| -> Result<Vec<f64>> {
        let (x, w) = (x.requires_grad()?, w.clone());
        let f = move |x: &[Tensor]| x[0].matmul(&w)?.tanh()?.matmul(&w)?.softmax(-1)?.square()?.sum();
        autocast(DType::BF16, || if kept { f(std::slice::from_ref(&x)) } else { checkpoint(f, &[&x]) })?.backward()?;
        Ok(numbers(&x.grad().expect("it depends on it").to_dtype(DType::F64)?))
    };
    assert_eq!(run(true)?, run(false)?);
    Ok(())
}

/// Draws inside of a `vmap` that has ended when backward gets there.
#[test]
fn random_numbers_of_samples() -> Result<()> {
    let f = |x: &[Tensor]| x[0].dropout(0.5, true)?.exp();
    for randomness in [Randomness::Same, Randomness::Different] {
        let run = |kept: bool| -> Result<Vec<f64>> {
            manual_seed(3);
            let x = random(5, &[6, 4]).requires_grad()?;
            let y = vmap_with(|x| if kept { f(x) } else { checkpoint(f, &[&x[0]]) }, &[&x], &[Some(0)], &[Some(0)], randomness)?;
            y.sum()?.backward()?;
            Ok(numbers(&x.grad().expect("it depends on it")))
        };
        assert_eq!(run(true)?, run(false)?);
    }
    Ok(())
}

#[test]
fn a_function_that_changes_is_found_out() -> Result<()> {
    let calls = AtomicUsize::new(0);
    let x = random(0, &[3]).requires_grad()?;
    let f = move |v: &[Tensor]| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => v[0].exp()?.sin()?.sum(),
        _ => v[0].sum(),
    };
    let e = checkpoint(f, &[&x])?.backward().unwrap_err();
    assert!(e.to_string().starts_with("checkpoint") && e.to_string().contains("called again"), "{e}");
    Ok(())
}

#[test]
fn recording_on_and_off() -> Result<()> {
    let x = random(0, &[3]).requires_grad()?;
    let on = |f: &dyn Fn() -> Result<Tensor>| f().map(|y| y.is_requires_grad());
    let y = || x.exp();
    assert!(on(&y)?);
    assert!(!no_grad(|| on(&y))?);
    assert!(no_grad(|| enable_grad(|| on(&y)))?);
    assert!(!inference_mode(|| enable_grad(|| on(&y)))?);
    assert!(inference_mode(|| is_inference_mode_enabled() && !is_grad_enabled()));
    // Results of inference are values like all others.
    let z = inference_mode(y)?;
    assert!(x.mul(&z)?.is_requires_grad() && !is_inference_mode_enabled());
    // Transforms differentiate wherever they are; the tape outside does not see it.
    let g = inference_mode(|| grad(|x| x.square()?.sum(), &x))?;
    assert_eq!(numbers(&g), numbers(&x.mul(2.0)?));
    assert!(!g.is_requires_grad());
    assert!(!x.exp()?.detach().is_requires_grad());
    // `create_graph` records its pass wherever it is asked for.
    let y = x.pow(3.0)?.sum()?;
    let g = no_grad(|| grad_of(&[&y], &[&x], &[], BackwardOptions::create_graph()))?.remove(0).unwrap();
    let second = grad_of(&[&g.sum()?], &[&x], &[], BackwardOptions::default())?.remove(0).unwrap();
    assert_eq!(numbers(&second), numbers(&x.mul(6.0)?));
    // An error on the way out restores as well.
    let _ = no_grad(|| x.matmul(&random(1, &[7])));
    assert!(is_grad_enabled());
    Ok(())
}

/// Tests that look at the memory in use wait for each other.
static MEMORY: Mutex<()> = Mutex::new(());

/// Bytes in use.
fn in_use() -> usize {
    let (_, p) = profile(|| Tensor::ones([1], DType::F64).unwrap().exp().unwrap());
    p.events.last().unwrap().memory
}

#[test]
fn nothing_leaks() -> Result<()> {
    let _alone = MEMORY.lock();
    let w = random(1, &[64, 64]).requires_grad()?;
    let x = random(2, &[64, 64]);
    let forward_alone = || x.matmul(&w)?.tanh()?.softmax(-1)?.sum().map(drop);
    let retained = || {
        let y = x.matmul(&w)?.tanh()?.sum()?;
        y.backward_with(None, BackwardOptions::retain_graph())?;
        y.backward_with(None, BackwardOptions::create_graph())?;
        w.set_grad(None)
    };
    let hooked = || {
        let y = x.matmul(&w)?.tanh()?;
        y.retain_grad()?;
        let other = y.detach();
        // The hook holds a tensor of the graph's values; the leaf's hook is taken away.
        y.register_hook(move |g| g.mul(&other).map(Some))?;
        let on_leaf = w.register_hook(|g| g.mul(2.0).map(Some))?;
        y.sum()?.backward()?;
        on_leaf.remove();
        w.set_grad(None)
    };
    let recomputed = || {
        let w2 = w.clone();
        let y = checkpoint(move |x| x[0].matmul(&w2)?.tanh()?.dropout(0.5, true), &[&x])?;
        y.sum()?.backward()?;
        // And one that no backward reaches.
        let w2 = w.clone();
        checkpoint(move |x| x[0].matmul(&w2)?.exp(), &[&x])?;
        w.set_grad(None)
    };
    let nested = || hessian(|x| x.tanh()?.sum(), &random(0, &[8])).map(drop);
    let loops: [(&str, &dyn Fn() -> Result<()>); 5] = [
        ("forward without backward", &forward_alone),
        ("retained graphs", &retained),
        ("hooks", &hooked),
        ("checkpoints", &recomputed),
        ("transforms", &nested),
    ];
    for (name, body) in loops {
        body()?;
        let before = in_use();
        for _ in 0..20 {
            body()?;
        }
        let after = in_use();
        // Other tests run meanwhile: what leaked would be 20 matrices of 32 KiB or more.
        assert!(after < before + 8 * 64 * 64 * 8, "{name}: {before} bytes in use before, {after} after");
    }
    Ok(())
}

#[test]
fn a_checkpoint_keeps_less() -> Result<()> {
    let _alone = MEMORY.lock();
    let x = random(2, &[128, 1024]).requires_grad()?;
    let deep = |x: &Tensor| (0..20).try_fold(x.clone(), |x, _| x.sin()?.exp()?.tanh());
    let during = |y: Tensor| {
        let used = in_use();
        drop(y);
        used
    };
    let all = during(deep(&x)?);
    let few = during(checkpoint(move |x| deep(&x[0]), &[&x])?);
    // 40 results of 1 MiB and more are saved without it.
    assert!(few + (20 << 20) < all, "{few} with, {all} without");
    Ok(())
}
