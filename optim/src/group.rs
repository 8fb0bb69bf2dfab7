//! Parameter groups, and the fused step over one.

use std::collections::HashSet;

use rushlight_backend::Op;
use rushlight_backend::op::Optim;
use rushlight_nn::{Locked, Parameter};
use rushlight_tensor::{Error, Input, Inputs, Result, Tensor, apply};

/// Parameters with options of their own.
#[derive(Clone, Debug)]
pub struct Group<O> {
    /// The parameters.
    pub params: Vec<Parameter>,
    /// The options; they may be changed between steps.
    pub options: O,
    /// The state tensors of each parameter; none before its first step.
    pub(crate) states: Vec<Vec<Tensor>>,
    /// The number of steps that each parameter has had.
    pub(crate) steps: Vec<u64>,
}

impl<O> Group<O> {
    pub(crate) fn new(params: Vec<Parameter>, options: O) -> Group<O> {
        let n = params.len();
        Group { params, options, states: vec![Vec::new(); n], steps: vec![0; n] }
    }

    /// Runs one fused step over the parameters at these places.
    pub(crate) fn run(&mut self, op: Optim, members: &[usize]) -> Result<()> {
        if members.is_empty() {
            return Ok(());
        }
        // Locks are taken in one order everywhere, so that two optimizers cannot wait for each other.
        let mut members = members.to_vec();
        members.sort_by_key(|&i| self.params[i].id());
        let mut locked: Vec<Locked<'_>> = members.iter().map(|&i| self.params[i].lock()).collect();
        let made = op.states().1;

        // The shape rule first: once the values are taken out nothing may be wrong with them.
        let op = Op::from(op);
        let gradients = locked
            .iter()
            .map(|l| l.grad().ok_or_else(|| Error::value(op.name(), "a gradient has vanished")))
            .collect::<Result<Vec<_>>>()?;
        let mut metas = Vec::new();
        for ((&i, l), g) in members.iter().zip(&locked).zip(&gradients) {
            metas.extend([l.value().meta(), g.meta()]);
            metas.extend(self.states[i].iter().map(Tensor::meta));
        }
        op.infer(&metas)?;

        let filler = Tensor::zeros((), ())?;
        let mut inputs = Inputs::new();
        for ((&i, l), g) in members.iter().zip(&mut locked).zip(gradients) {
            inputs.push(Input::Own(l.take(&filler)));
            inputs.push(Input::Own(g));
            inputs.extend(self.states[i].drain(..).map(Input::Own));
        }
        let mut results = apply(op, inputs)?.into_iter();
        for (&i, l) in members.iter().zip(&mut locked) {
            if let Some(value) = results.next() {
                l.put(value);
            }
            self.states[i].extend(results.by_ref().take(made));
            self.steps[i] += 1;
        }
        Ok(())
    }

    /// The places of the parameters that have a gradient, by a key that a step has one of.
    pub(crate) fn by_key<K: PartialEq>(&self, key: impl Fn(&Self, usize) -> K) -> Vec<(K, Vec<usize>)> {
        let mut sets: Vec<(K, Vec<usize>)> = Vec::new();
        for i in (0..self.params.len()).filter(|&i| self.params[i].is_requires_grad() && self.params[i].grad().is_some()) {
            let k = key(self, i);
            match sets.iter_mut().find(|(other, _)| *other == k) {
                Some((_, set)) => set.push(i),
                None => sets.push((k, vec![i])),
            }
        }
        sets
    }
}

/// An error if there are no parameters, or one is listed twice.
pub(crate) fn check<O>(optimizer: &'static str, groups: &[Group<O>]) -> Result<()> {
    if groups.iter().all(|g| g.params.is_empty()) {
        return Err(Error::value(optimizer, "got an empty parameter list"));
    }
    let mut seen = HashSet::new();
    match groups.iter().flat_map(|g| &g.params).find(|p| !seen.insert(p.id())) {
        None => Ok(()),
        Some(p) => Err(Error::value(optimizer, format!("a parameter of shape {:?} is listed twice", p.shape()))),
    }
}

/// An error if a number is negative or NaN.
pub(crate) fn not_negative(optimizer: &'static str, name: &str, x: f64) -> Result<()> {
    if x >= 0.0 { Ok(()) } else { Err(Error::value(optimizer, format!("invalid {name}: {x}"))) }
}

/// Methods of a builder that set the option of their name.
macro_rules! option {
    ($($(#[$doc:meta])* $name:ident: $t:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, $name: $t) -> Self {
            self.options.$name = $name;
            self
        }
    )*};
}
pub(crate) use option;

/// What every optimizer with `groups` does the same way: all of [`Optimizer`](crate::Optimizer) but the step.
macro_rules! over_groups {
    () => {
        fn zero_grad(&self) {
            self.groups.iter().flat_map(|g| &g.params).for_each(Parameter::zero_grad);
        }

        fn set_lr(&mut self, lr: f64) {
            self.groups.iter_mut().for_each(|g| g.options.lr = lr);
        }

        fn lrs(&self) -> Vec<f64> {
            self.groups.iter().map(|g| g.options.lr).collect()
        }
    };
}
pub(crate) use over_groups;
