//! Optimizer steps in smaller operations.

use rushlight_backend::op::{AdamStep, Optim, SgdStep};
use rushlight_backend::{Error, Result};

use crate::{Tensor, Tensors};

/// Composite operations of this family in smaller ones.
pub(crate) fn decompose(op: &Optim, inputs: &[&Tensor]) -> Option<Result<Tensors>> {
    let mut results = Tensors::new();
    for part in inputs.chunks_exact(2 + op.states().0) {
        let made = match op {
            Optim::Sgd(s) => sgd(s, part),
            Optim::Adam(a) => adam(a, part),
        };
        match made {
            Ok(tensors) => results.extend(tensors),
            Err(e) => return Some(Err(e)),
        }
    }
    Some(Ok(results))
}

fn signed(g: &Tensor, maximize: bool) -> Result<Tensor> {
    if maximize { g.neg() } else { Ok(g.clone()) }
}

fn sgd(s: &SgdStep, part: &[&Tensor]) -> Result<Tensors> {
    let (p, mut d) = (part[0], signed(part[1], s.maximize)?);
    if s.weight_decay != 0.0 {
        d = d.add(&p.mul(s.weight_decay)?)?;
    }
    if s.momentum == 0.0 {
        return Ok(smallvec::smallvec![p.sub(&d.mul(s.lr)?)?]);
    }
    let buffer = match part.get(2) {
        None => d.clone(),
        Some(b) => b.mul(s.momentum)?.add(&d.mul(1.0 - s.dampening)?)?,
    };
    let d = if s.nesterov { d.add(&buffer.mul(s.momentum)?)? } else { buffer.clone() };
    Ok(smallvec::smallvec![p.sub(&d.mul(s.lr)?)?, buffer])
}

fn adam(a: &AdamStep, part: &[&Tensor]) -> Result<Tensors> {
    let [p, g, m, v, largest @ ..] = part else {
        return Err(Error::value("adam", format!("takes 4 or 5 tensors for each parameter, got {}", part.len())));
    };
    let (mut p, mut g) = ((*p).clone(), signed(g, a.maximize)?);
    if a.weight_decay != 0.0 {
        if a.decoupled {
            p = p.mul(1.0 - a.lr * a.weight_decay)?;
        } else {
            g = g.add(&p.mul(a.weight_decay)?)?;
        }
    }
    let step = a.step as f64;
    let (correction1, correction2) = (1.0 - a.betas.0.powf(step), (1.0 - a.betas.1.powf(step)).sqrt());
    let m = m.add(&g.sub(*m)?.mul(1.0 - a.betas.0)?)?;
    let v = v.mul(a.betas.1)?.add(&g.square()?.mul(1.0 - a.betas.1)?)?;
    let largest = largest.first().map(|l| l.maximum(&v)).transpose()?;
    let denominator = largest.as_ref().unwrap_or(&v).sqrt()?.div(correction2)?.add(a.eps)?;
    let p = p.sub(&m.mul(a.lr / correction1)?.div(&denominator)?)?;
    let mut results: Tensors = smallvec::smallvec![p, m, v];
    results.extend(largest);
    Ok(results)
}
