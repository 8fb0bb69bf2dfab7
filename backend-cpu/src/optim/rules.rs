//! The rules of the rarer optimizers, element by element.

use rushlight_backend::op::{
    AdadeltaStep, AdagradStep, AdamaxStep, AsgdStep, Gradient, NAdamStep, Optim, RAdamStep, RmsPropStep, RpropStep,
};

use super::Float;
use crate::simd::dispatch;

dispatch! {
    /// One step over a range of a parameter. States that the rule does not have are empty.
    pub(super) fn rule<T: Float>(op: &Optim, value: &mut [T], gradient: &[T], a: &mut [T], b: &mut [T], c: &mut [T]) = rule_body;
}

#[inline(always)]
fn rule_body<T: Float, const FMA: bool>(op: &Optim, value: &mut [T], gradient: &[T], a: &mut [T], b: &mut [T], c: &mut [T]) {
    match op {
        // These two have kernels of their own.
        Optim::Sgd(_) | Optim::Adam(_) => {}
        Optim::NAdam(s) => nadam::<T, FMA>(s, value, gradient, a, b),
        Optim::RAdam(s) => radam::<T, FMA>(s, value, gradient, a, b),
        Optim::Adamax(s) => adamax::<T, FMA>(s, value, gradient, a, b),
        Optim::Adagrad(s) => adagrad::<T, FMA>(s, value, gradient, a),
        Optim::Adadelta(s) => adadelta::<T, FMA>(s, value, gradient, a, b),
        Optim::RmsProp(s) => match (s.centered, s.momentum > 0.0) {
            (false, momentum) => rmsprop::<T, FMA>(s, value, gradient, a, &mut [], if momentum { b } else { &mut [] }),
            (true, momentum) => rmsprop::<T, FMA>(s, value, gradient, a, b, if momentum { c } else { &mut [] }),
        },
        Optim::Rprop(s) => rprop::<T, FMA>(s, value, gradient, a, b),
        Optim::Asgd(s) => asgd::<T, FMA>(s, value, gradient, a),
    }
}

/// The gradient as the step wants it; the parameter may shrink.
#[inline(always)]
fn prepared<T: Float, const FMA: bool>(o: &Gradient, g: T, p: &mut T) -> T {
    let g = if o.maximize { -g } else { g };
    match o.shrink {
        Some(by) => {
            *p = *p * T::of(by);
            g
        }
        None if o.weight_decay != 0.0 => T::of(o.weight_decay).fused::<FMA>(*p, g),
        None => g,
    }
}

/// The running means of the gradient and of its square.
#[inline(always)]
fn means<T: Float, const FMA: bool>(betas: (f64, f64), g: T, m: &mut T, v: &mut T) {
    *m = m.lerp::<FMA>(g, T::of(1.0 - betas.0));
    *v = (*v * T::of(betas.1)).add_square::<FMA>(g, T::of(1.0 - betas.1));
}

#[inline(always)]
fn nadam<T: Float, const FMA: bool>(s: &NAdamStep, value: &mut [T], gradient: &[T], mean: &mut [T], square: &mut [T]) {
    let (correction, eps) = (T::of(s.correction2), T::of(s.eps));
    let (along_gradient, along_mean) = (T::of(s.gradient_size), T::of(s.mean_size));
    for ((p, &g), (m, v)) in value.iter_mut().zip(gradient).zip(mean.iter_mut().zip(square)) {
        let g = prepared::<T, FMA>(&s.gradient, g, p);
        means::<T, FMA>(s.betas, g, m, v);
        let denominator = (*v / correction).root() + eps;
        *p = *p - along_gradient * g / denominator - along_mean * *m / denominator;
    }
}

#[inline(always)]
fn radam<T: Float, const FMA: bool>(s: &RAdamStep, value: &mut [T], gradient: &[T], mean: &mut [T], square: &mut [T]) {
    let (size, eps) = (T::of(s.size), T::of(s.eps));
    for ((p, &g), (m, v)) in value.iter_mut().zip(gradient).zip(mean.iter_mut().zip(square)) {
        let g = prepared::<T, FMA>(&s.gradient, g, p);
        means::<T, FMA>(s.betas, g, m, v);
        let step = size * *m;
        *p = *p - if s.adaptive { step / (v.root() + eps) } else { step };
    }
}

#[inline(always)]
fn adamax<T: Float, const FMA: bool>(s: &AdamaxStep, value: &mut [T], gradient: &[T], mean: &mut [T], largest: &mut [T]) {
    let (weight, beta2, eps, size) = (T::of(1.0 - s.betas.0), T::of(s.betas.1), T::of(s.eps), T::of(s.size));
    for ((p, &g), (m, u)) in value.iter_mut().zip(gradient).zip(mean.iter_mut().zip(largest)) {
        let g = prepared::<T, FMA>(&s.gradient, g, p);
        *m = m.lerp::<FMA>(g, weight);
        let magnitude = (if g < T::of(0.0) { -g } else { g }) + eps;
        *u = magnitude.larger(*u * beta2);
        *p = *p - size * *m / *u;
    }
}

#[inline(always)]
fn adagrad<T: Float, const FMA: bool>(s: &AdagradStep, value: &mut [T], gradient: &[T], sum: &mut [T]) {
    let (size, eps) = (T::of(s.size), T::of(s.eps));
    for ((p, &g), sum) in value.iter_mut().zip(gradient).zip(sum) {
        let g = prepared::<T, FMA>(&s.gradient, g, p);
        *sum = g.fused::<FMA>(g, *sum);
        *p = *p - size * g / (sum.root() + eps);
    }
}

#[inline(always)]
fn adadelta<T: Float, const FMA: bool>(s: &AdadeltaStep, value: &mut [T], gradient: &[T], square: &mut [T], changes: &mut [T]) {
    let (lr, rho, rest, eps) = (T::of(s.lr), T::of(s.rho), T::of(1.0 - s.rho), T::of(s.eps));
    for ((p, &g), (v, d)) in value.iter_mut().zip(gradient).zip(square.iter_mut().zip(changes)) {
        let g = prepared::<T, FMA>(&s.gradient, g, p);
        *v = (*v * rho).add_square::<FMA>(g, rest);
        let change = (*d + eps).root() / (*v + eps).root() * g;
        *d = (*d * rho).add_square::<FMA>(change, rest);
        *p = (-lr).fused::<FMA>(change, *p);
    }
}

#[inline(always)]
fn rmsprop<T: Float, const FMA: bool>(
    s: &RmsPropStep,
    value: &mut [T],
    gradient: &[T],
    square: &mut [T],
    mean: &mut [T],
    buffer: &mut [T],
) {
    let (lr, alpha, rest, eps) = (T::of(s.lr), T::of(s.alpha), T::of(1.0 - s.alpha), T::of(s.eps));
    let momentum = T::of(s.momentum);
    for (i, ((p, &g), v)) in value.iter_mut().zip(gradient).zip(square).enumerate() {
        let g = prepared::<T, FMA>(&s.gradient, g, p);
        *v = (*v * alpha).add_square::<FMA>(g, rest);
        let mut variance = *v;
        if let Some(m) = mean.get_mut(i) {
            *m = m.lerp::<FMA>(g, rest);
            variance = (-*m).fused::<FMA>(*m, variance);
        }
        let root = variance.root() + eps;
        *p = match buffer.get_mut(i) {
            Some(b) => {
                *b = *b * momentum + g / root;
                (-lr).fused::<FMA>(*b, *p)
            }
            None => *p - lr * g / root,
        };
    }
}

#[inline(always)]
fn rprop<T: Float, const FMA: bool>(s: &RpropStep, value: &mut [T], gradient: &[T], last: &mut [T], sizes: &mut [T]) {
    let zero = T::of(0.0);
    let (down, up, least, most) = (T::of(s.etas.0), T::of(s.etas.1), T::of(s.step_sizes.0), T::of(s.step_sizes.1));
    for ((p, &g), (last, size)) in value.iter_mut().zip(gradient).zip(last.iter_mut().zip(sizes)) {
        let mut g = prepared::<T, FMA>(&s.gradient, g, p);
        let same = g * *last;
        if same > zero {
            *size = *size * up;
        } else if same < zero {
            *size = *size * down;
            g = zero;
        }
        *size = if *size < least { least } else { *size };
        *size = if *size > most { most } else { *size };
        if g > zero {
            *p = *p - *size;
        } else if g < zero {
            *p = *p + *size;
        }
        *last = g;
    }
}

#[inline(always)]
fn asgd<T: Float, const FMA: bool>(s: &AsgdStep, value: &mut [T], gradient: &[T], average: &mut [T]) {
    let (keep, eta, mu) = (T::of(s.keep), T::of(s.eta), T::of(s.mu));
    for ((p, &g), a) in value.iter_mut().zip(gradient).zip(average) {
        let g = prepared::<T, FMA>(&s.gradient, g, p);
        *p = (-eta).fused::<FMA>(g, *p * keep);
        *a = if s.mu == 1.0 { *p } else { *a + (*p - *a) * mu };
    }
}
