//! Optimizer steps in smaller operations.

use rushlight_backend::op::{
    AdadeltaStep, AdagradStep, AdamStep, AdamaxStep, AsgdStep, Gradient, NAdamStep, Optim, RAdamStep, RmsPropStep, RpropStep, SgdStep,
};
use rushlight_backend::{Error, Result};

use crate::{Tensor, Tensors};

/// Composite operations of this family in smaller ones.
pub(crate) fn decompose(op: &Optim, inputs: &[&Tensor]) -> Option<Result<Tensors>> {
    let mut results = Tensors::new();
    for part in inputs.chunks_exact(2 + op.states().0) {
        let made = match op {
            Optim::Sgd(s) => sgd(s, part),
            Optim::Adam(a) => adam(a, part),
            Optim::NAdam(s) => nadam(s, part),
            Optim::RAdam(s) => radam(s, part),
            Optim::Adamax(s) => adamax(s, part),
            Optim::Adagrad(s) => adagrad(s, part),
            Optim::Adadelta(s) => adadelta(s, part),
            Optim::RmsProp(s) => rmsprop(s, part),
            Optim::Rprop(s) => rprop(s, part),
            Optim::Asgd(s) => asgd(s, part),
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

/// Parameter and gradient as the step starts from them.
fn prepared(o: &Gradient, part: &[&Tensor]) -> Result<(Tensor, Tensor)> {
    let (p, g) = (part[0], signed(part[1], o.maximize)?);
    match o.shrink {
        Some(by) => Ok((p.mul(by)?, g)),
        None if o.weight_decay != 0.0 => Ok((p.clone(), g.add(&p.mul(o.weight_decay)?)?)),
        None => Ok((p.clone(), g)),
    }
}

/// A running mean: `old + (new - old) weight`.
fn toward(old: &Tensor, new: &Tensor, weight: f64) -> Result<Tensor> {
    old.add(&new.sub(old)?.mul(weight)?)
}

/// A running mean of squares.
fn squares(old: &Tensor, g: &Tensor, decay: f64) -> Result<Tensor> {
    old.mul(decay)?.add(&g.square()?.mul(1.0 - decay)?)
}

fn nadam(s: &NAdamStep, part: &[&Tensor]) -> Result<Tensors> {
    let (p, g) = prepared(&s.gradient, part)?;
    let (m, v) = (toward(part[2], &g, 1.0 - s.betas.0)?, squares(part[3], &g, s.betas.1)?);
    let denominator = v.div(s.correction2)?.sqrt()?.add(s.eps)?;
    let p = p.sub(&g.mul(s.gradient_size)?.div(&denominator)?)?.sub(&m.mul(s.mean_size)?.div(&denominator)?)?;
    Ok(smallvec::smallvec![p, m, v])
}

fn radam(s: &RAdamStep, part: &[&Tensor]) -> Result<Tensors> {
    let (p, g) = prepared(&s.gradient, part)?;
    let (m, v) = (toward(part[2], &g, 1.0 - s.betas.0)?, squares(part[3], &g, s.betas.1)?);
    let mut step = m.mul(s.size)?;
    if s.adaptive {
        step = step.div(&v.sqrt()?.add(s.eps)?)?;
    }
    Ok(smallvec::smallvec![p.sub(&step)?, m, v])
}

fn adamax(s: &AdamaxStep, part: &[&Tensor]) -> Result<Tensors> {
    let (p, g) = prepared(&s.gradient, part)?;
    let m = toward(part[2], &g, 1.0 - s.betas.0)?;
    let largest = part[3].mul(s.betas.1)?.maximum(&g.abs()?.add(s.eps)?)?;
    Ok(smallvec::smallvec![p.sub(&m.mul(s.size)?.div(&largest)?)?, m, largest])
}

fn adagrad(s: &AdagradStep, part: &[&Tensor]) -> Result<Tensors> {
    let (p, g) = prepared(&s.gradient, part)?;
    let sum = part[2].add(&g.square()?)?;
    let p = p.sub(&g.mul(s.size)?.div(&sum.sqrt()?.add(s.eps)?)?)?;
    Ok(smallvec::smallvec![p, sum])
}

fn adadelta(s: &AdadeltaStep, part: &[&Tensor]) -> Result<Tensors> {
    let (p, g) = prepared(&s.gradient, part)?;
    let v = squares(part[2], &g, s.rho)?;
    let change = part[3].add(s.eps)?.sqrt()?.div(&v.add(s.eps)?.sqrt()?)?.mul(&g)?;
    let changes = squares(part[3], &change, s.rho)?;
    Ok(smallvec::smallvec![p.sub(&change.mul(s.lr)?)?, v, changes])
}

fn rmsprop(s: &RmsPropStep, part: &[&Tensor]) -> Result<Tensors> {
    let (p, g) = prepared(&s.gradient, part)?;
    let v = squares(part[2], &g, s.alpha)?;
    let mean = if s.centered { Some(toward(part[3], &g, 1.0 - s.alpha)?) } else { None };
    let variance = match &mean {
        Some(m) => v.sub(&m.square()?)?,
        None => v.clone(),
    };
    let mut direction = g.div(&variance.sqrt()?.add(s.eps)?)?;
    let mut states: Tensors = smallvec::smallvec![v];
    states.extend(mean);
    if s.momentum > 0.0 {
        direction = part[2 + states.len()].mul(s.momentum)?.add(&direction)?;
        states.push(direction.clone());
    }
    states.insert(0, p.sub(&direction.mul(s.lr)?)?);
    Ok(states)
}

fn rprop(s: &RpropStep, part: &[&Tensor]) -> Result<Tensors> {
    let (p, g) = prepared(&s.gradient, part)?;
    let same = g.mul(part[2])?;
    let (stayed, changed) = (same.gt(0.0)?, same.lt(0.0)?);
    let size = stayed.where_(&part[3].mul(s.etas.1)?, &changed.where_(&part[3].mul(s.etas.0)?, part[3])?)?;
    let size = size.clamp(s.step_sizes.0, s.step_sizes.1)?;
    let g = g.masked_fill(&changed, 0.0)?;
    Ok(smallvec::smallvec![p.sub(&g.sign()?.mul(&size)?)?, g, size])
}

fn asgd(s: &AsgdStep, part: &[&Tensor]) -> Result<Tensors> {
    let (p, g) = prepared(&s.gradient, part)?;
    let p = p.mul(s.keep)?.sub(&g.mul(s.eta)?)?;
    let average = if s.mu == 1.0 { p.clone() } else { toward(part[2], &p, s.mu)? };
    Ok(smallvec::smallvec![p, average])
}
