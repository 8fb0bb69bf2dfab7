//! Hooks, kept gradients, anomalies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rushlight_autograd::{Autograd, BackwardOptions, detect_anomaly, grad_of};
use rushlight_tensor::{Result, Tensor};

fn values(t: Option<Tensor>) -> Vec<f32> {
    t.unwrap().to_vec().unwrap()
}

#[test]
fn hooks_see_and_change_gradients() -> Result<()> {
    let x = Tensor::new([1.0f32, 2.0])?.requires_grad()?;
    let y = x.mul(3.0)?;
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    // The gradient of y arrives in two parts, the hook sees their sum once.
    let handle = y.register_hook(move |g| {
        count.fetch_add(1, Ordering::Relaxed);
        assert_eq!(g.to_vec::<f32>()?, [5.0, 5.0]);
        g.mul(2.0).map(Some)
    })?;
    // A second hook sees what the first has made of it; a hook on the leaf what goes into it.
    let second = y.register_hook(|g| {
        assert_eq!(g.to_vec::<f32>()?, [10.0, 10.0]);
        Ok(None)
    })?;
    let on_leaf = x.register_hook(|g| g.neg().map(Some))?;
    let z = y.mul(2.0)?.add(&y.mul(3.0)?)?.sum()?;
    z.backward_with(None, BackwardOptions::retain_graph())?;
    assert_eq!(values(x.grad()), [-30.0, -30.0]);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    // `grad_of` gives what the hooks have made of it as well.
    let g = grad_of(&[&z], &[&x], &[], BackwardOptions::retain_graph())?;
    assert_eq!(values(g[0].clone()), [-30.0, -30.0]);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    for handle in [handle, second, on_leaf] {
        handle.remove();
    }
    x.set_grad(None)?;
    z.backward()?;
    assert_eq!(values(x.grad()), [15.0, 15.0]);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    Ok(())
}

#[test]
fn a_hook_that_gives_nonsense_is_refused() -> Result<()> {
    let x = Tensor::new([1.0f32, 2.0])?.requires_grad()?;
    x.register_hook(|g| g.sum().map(Some))?;
    let e = x.sum()?.backward().unwrap_err();
    assert!(e.to_string().contains("hook") && e.to_string().contains("[2]"), "{e}");
    assert!(Tensor::new([1.0f32])?.register_hook(|_| Ok(None)).is_err());
    Ok(())
}

#[test]
fn kept_gradients() -> Result<()> {
    let x = Tensor::new([1.0f32, 2.0])?.requires_grad()?;
    let y = x.square()?;
    assert!(!y.retains_grad());
    y.retain_grad()?;
    assert!(y.retains_grad() && y.grad().is_none());
    let z = y.mul(4.0)?.sum()?;
    z.backward_with(None, BackwardOptions::retain_graph())?;
    assert_eq!(values(y.grad()), [4.0, 4.0]);
    z.backward()?;
    assert_eq!(values(y.grad()), [8.0, 8.0]);
    assert!(Tensor::new([1.0f32])?.retain_grad().is_err());
    Ok(())
}

#[test]
fn anomalies_name_the_operation() -> Result<()> {
    let x = Tensor::new([0.0f32, 1.0])?.requires_grad()?;
    let f = || x.log()?.mul(0.0)?.exp()?.sum()?.backward();
    // Without looking, the NaN goes through.
    f()?;
    assert!(values(x.grad())[0].is_nan());
    let e = detect_anomaly(f).unwrap_err();
    assert!(e.to_string().contains("NaN in the gradient of input 0"), "{e}");
    // It names the operation, and the line here that called it.
    assert!(e.to_string().starts_with("exp") && e.to_string().contains("hooks.rs:"), "{e}");
    // Sound passes are not disturbed.
    detect_anomaly(|| x.exp()?.sum()?.backward())
}
