//! Parameter groups, and the fused step over one.

use std::collections::HashSet;

use rushlight_backend::Op;
use rushlight_backend::op::{Gradient, Optim};
use rushlight_nn::{Locked, Parameter};
use rushlight_tensor::{Error, Input, Inputs, Result, Tensor, apply};

use crate::Rate;
use crate::options::Rule;

/// Parameters with options of their own.
#[derive(Clone, Debug)]
pub struct Group<O> {
    /// The parameters.
    pub params: Vec<Parameter>,
    /// The options; they may be changed between steps.
    pub options: O,
    /// The step size that schedules start from.
    pub(crate) initial_lr: Option<f64>,
    /// What the optimizer keeps for each parameter.
    pub(crate) states: Vec<State>,
}

/// What an optimizer keeps for a parameter.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The number of steps that the parameter has had.
    pub(crate) step: u64,
    /// Tensors by PyTorch's names.
    pub(crate) tensors: Vec<(&'static str, Tensor)>,
    /// Numbers by PyTorch's names.
    pub(crate) scalars: Vec<(&'static str, f64)>,
}

impl State {
    pub(crate) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|(n, _)| *n == name).map(|(_, t)| t)
    }

    pub(crate) fn set_tensor(&mut self, name: &'static str, value: Tensor) {
        match self.tensors.iter_mut().find(|(n, _)| *n == name) {
            Some((_, t)) => *t = value,
            None => self.tensors.push((name, value)),
        }
    }

    pub(crate) fn scalar(&self, name: &str) -> Option<f64> {
        self.scalars.iter().find(|(n, _)| *n == name).map(|(_, x)| *x)
    }

    pub(crate) fn set_scalar(&mut self, name: &'static str, value: f64) {
        match self.scalars.iter_mut().find(|(n, _)| *n == name) {
            Some((_, x)) => *x = value,
            None => self.scalars.push((name, value)),
        }
    }
}

impl<O> Group<O> {
    pub(crate) fn new(params: Vec<Parameter>, options: O) -> Group<O> {
        let states = vec![State::default(); params.len()];
        Group { params, options, initial_lr: None, states }
    }

    /// Gives parameters exactly these state tensors, in this order; `init` makes those that are not there from the parameter's value and the name.
    pub(crate) fn arrange(
        &mut self,
        members: &[usize],
        names: &[&'static str],
        init: impl Fn(&Tensor, &'static str) -> Result<Tensor>,
    ) -> Result<()> {
        for &i in members {
            let state = &mut self.states[i];
            if state.tensors.len() == names.len() && state.tensors.iter().zip(names).all(|((have, _), name)| have == name) {
                continue;
            }
            let value = self.params[i].try_tensor()?.with_trace(None);
            let new = |name: &'static str| like(&value, init(&real(&value)?, name)?);
            let one = |&name: &&'static str| Ok((name, state.tensor(name).map_or_else(|| new(name), |t| Ok(t.clone()))?));
            let tensors = names.iter().map(one).collect::<Result<_>>()?;
            state.tensors = tensors;
        }
        Ok(())
    }

    /// Runs one fused step over the parameters at these places. `names` are those of the state tensors that come out.
    pub(crate) fn run(&mut self, op: Optim, members: &[usize], names: &[&'static str]) -> Result<()> {
        if members.is_empty() {
            return Ok(());
        }
        // Locks are taken in one order everywhere, so that two optimizers cannot wait for each other.
        let mut members = members.to_vec();
        members.sort_by_key(|&i| self.params[i].id());
        let mut locked: Vec<Locked<'_>> = members.iter().map(|&i| self.params[i].lock()).collect();

        // The shape rule first: once the values are taken out nothing may be wrong with them.
        let op = Op::from(op);
        let gradients = locked
            .iter()
            .map(|l| l.grad().ok_or_else(|| Error::value(op.name(), "a gradient has vanished")))
            .collect::<Result<Vec<_>>>()?;
        if locked.iter().any(|l| l.value().dtype().is_complex()) {
            return run_as_real(&op, &members, &mut locked, &gradients, &mut self.states, names);
        }
        let mut metas = Vec::new();
        for ((&i, l), g) in members.iter().zip(&locked).zip(&gradients) {
            metas.extend([l.value().meta(), g.meta()]);
            metas.extend(self.states[i].tensors.iter().map(|(_, t)| t.meta()));
        }
        op.infer(&metas)?;

        let filler = Tensor::zeros((), ())?;
        let mut inputs = Inputs::new();
        for ((&i, l), g) in members.iter().zip(&mut locked).zip(gradients) {
            inputs.push(Input::Own(l.take(&filler)));
            inputs.push(Input::Own(g));
            inputs.extend(self.states[i].tensors.drain(..).map(|(_, t)| Input::Own(t)));
        }
        let mut results = apply(op, inputs)?.into_iter();
        for (&i, l) in members.iter().zip(&mut locked) {
            if let Some(value) = results.next() {
                l.put(value);
            }
            self.states[i].tensors.extend(names.iter().copied().zip(results.by_ref()));
            self.states[i].step += 1;
        }
        Ok(())
    }

    /// The places of the parameters that have a gradient, by a key that a step has one of.
    pub(crate) fn by_key<K: PartialEq>(&self, key: impl Fn(&State) -> K) -> Vec<(K, Vec<usize>)> {
        let mut sets: Vec<(K, Vec<usize>)> = Vec::new();
        for i in (0..self.params.len()).filter(|&i| self.params[i].is_requires_grad() && self.params[i].grad().is_some()) {
            let k = key(&self.states[i]);
            match sets.iter_mut().find(|(other, _)| *other == k) {
                Some((_, set)) => set.push(i),
                None => sets.push((k, vec![i])),
            }
        }
        sets
    }
}

/// A complex tensor as real and imaginary parts, which is how PyTorch's optimizers see one; any other as it is.
fn real(t: &Tensor) -> Result<Tensor> {
    if t.dtype().is_complex() { t.view_as_real() } else { Ok(t.clone()) }
}

/// The reverse of [`real`], for what belongs to `value`.
fn like(value: &Tensor, t: Tensor) -> Result<Tensor> {
    if value.dtype().is_complex() { t.view_as_complex() } else { Ok(t) }
}

/// A step over parameters of which some are complex.
fn run_as_real(
    op: &Op,
    members: &[usize],
    locked: &mut [Locked<'_>],
    gradients: &[Tensor],
    states: &mut [State],
    names: &[&'static str],
) -> Result<()> {
    let mut inputs = Vec::new();
    for ((&i, l), g) in members.iter().zip(locked.iter()).zip(gradients) {
        inputs.extend([real(l.value())?, real(g)?]);
        inputs.extend(states[i].tensors.iter().map(|(_, t)| real(t)).collect::<Result<Vec<_>>>()?);
    }
    let mut results = apply(op.clone(), &inputs)?.into_iter();
    for (&i, l) in members.iter().zip(locked) {
        let mut next = || results.next().map(|t| like(l.value(), t)).transpose();
        let value = next()?;
        let new = names.iter().map(|&name| Ok(next()?.map(|t| (name, t)))).collect::<Result<Vec<_>>>()?;
        states[i].tensors = new.into_iter().flatten().collect();
        states[i].step += 1;
        if let Some(value) = value {
            l.put(value);
        }
    }
    Ok(())
}

/// What a schedule reads.
pub(crate) fn rate<O: Rule>(group: &Group<O>) -> Rate {
    Rate { lr: group.options.lr(), initial_lr: group.initial_lr, momentum: group.options.momentum() }
}

/// Sets what a schedule has changed.
pub(crate) fn set_rate<O: Rule>(group: &mut Group<O>, rate: &Rate) {
    group.options.set_lr(rate.lr);
    group.initial_lr = rate.initial_lr;
    if let Some(momentum) = rate.momentum {
        group.options.set_momentum(momentum);
    }
}

/// Where a step's gradient comes from.
pub(crate) fn gradient(weight_decay: f64, decoupled: bool, lr: f64, maximize: bool) -> Gradient {
    Gradient { weight_decay, shrink: (decoupled && weight_decay != 0.0).then_some(1.0 - lr * weight_decay), maximize }
}

/// State that starts as zeros.
pub(crate) fn zeros(value: &Tensor, _: &'static str) -> Result<Tensor> {
    value.zeros_like()
}

/// An error if there are no parameters, one is listed twice, or an option is out of range.
pub(crate) fn check<O: Rule>(groups: &[Group<O>]) -> Result<()> {
    if groups.iter().all(|g| g.params.is_empty()) {
        return Err(Error::value(O::NAME, "got an empty parameter list"));
    }
    let mut seen = HashSet::new();
    if let Some(p) = groups.iter().flat_map(|g| &g.params).find(|p| !seen.insert(p.id())) {
        return Err(Error::value(O::NAME, format!("a parameter of shape {:?} is listed twice", p.shape())));
    }
    groups.iter().try_for_each(|g| g.options.check())
}
