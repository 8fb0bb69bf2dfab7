//! Derivatives of both modes and second order against finite differences.
#![allow(dead_code)] // not every test file uses all of it

use rushlight_autograd::{jvp, vjp};
use rushlight_tensor::{DType, Generator, Result, Tensor};

/// A function of tensors.
pub(crate) type F<'a> = &'a dyn Fn(&[Tensor]) -> Result<Tensor>;

/// Uniform numbers.
pub(crate) fn uniform(shape: &[usize], low: f64, high: f64, seed: u64) -> Tensor {
    Tensor::uniform_with(low, high, shape, DType::F64, &Generator::new(seed)).unwrap()
}

fn dot(a: &[Tensor], b: &[Tensor]) -> Result<f64> {
    a.iter().zip(b).try_fold(0.0, |s, (a, b)| Ok(s + a.mul(b)?.sum()?.item::<f64>()?))
}

fn refs(x: &[Tensor]) -> Vec<&Tensor> {
    x.iter().collect()
}

fn shifted(x: &[Tensor], v: &[Tensor], h: f64) -> Result<Vec<Tensor>> {
    x.iter().zip(v).map(|(x, v)| x.add(&v.mul(h)?)).collect()
}

fn close(name: &str, what: &str, a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{name}: {what}: {a} is not {b}");
}

/// First derivatives of both modes, and second derivatives in all four nestings, against central differences.
pub(crate) fn check(name: &str, f: F<'_>, x: &[Tensor]) -> Result<()> {
    let v: Vec<Tensor> = x.iter().enumerate().map(|(i, x)| uniform(x.shape(), -1.0, 1.0, 100 + i as u64)).collect();
    let y = f(x)?;
    let u = uniform(y.shape(), -1.0, 1.0, 200);
    let value = |x: &[Tensor]| -> Result<f64> { f(x)?.mul(&u)?.sum()?.item() };

    let h = 1e-6;
    let numeric = (value(&shifted(x, &v, h)?)? - value(&shifted(x, &v, -h)?)?) / (2.0 * h);
    let forward = jvp(f, &refs(x), &refs(&v))?.1.mul(&u)?.sum()?.item::<f64>()?;
    close(name, "forward mode", forward, numeric, 1e-6);
    let gradients = vjp(f, &refs(x), Some(&u))?.1;
    close(name, "reverse mode", dot(&gradients, &v)?, forward, 1e-10);

    // Second order along v: the derivative of the first derivative.
    let directional = |x: &[Tensor]| -> Result<f64> { jvp(f, &refs(x), &refs(&v))?.1.mul(&u)?.sum()?.item() };
    let numeric = (directional(&shifted(x, &v, h)?)? - directional(&shifted(x, &v, -h)?)?) / (2.0 * h);
    let by_forward = |x: &[Tensor]| -> Result<Tensor> { jvp(f, &refs(x), &refs(&v))?.1.mul(&u)?.sum() };
    let by_reverse = |x: &[Tensor]| -> Result<Tensor> {
        let g = vjp(f, &refs(x), Some(&u))?.1;
        let mut sum = Tensor::zeros((), DType::F64)?;
        for (g, v) in g.iter().zip(&v) {
            sum = sum.add(&g.mul(v)?.sum()?)?;
        }
        Ok(sum)
    };
    let all: [(&str, f64); 4] = [
        ("forward over forward", jvp(by_forward, &refs(x), &refs(&v))?.1.item()?),
        ("forward over reverse", jvp(by_reverse, &refs(x), &refs(&v))?.1.item()?),
        ("reverse over forward", dot(&vjp(by_forward, &refs(x), None)?.1, &v)?),
        ("reverse over reverse", dot(&vjp(by_reverse, &refs(x), None)?.1, &v)?),
    ];
    for (what, second) in all {
        close(name, what, second, numeric, 1e-5);
    }
    Ok(())
}
