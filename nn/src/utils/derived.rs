//! Where the value of a parameter comes from that is computed.

use std::sync::Arc;

use rushlight_tensor::{Error, Result, Tensor};

use super::parametrize::Parametrization;
use crate::{Buffer, Module, Parameter, Visitor};

/// What a parameter is computed from.
pub(crate) enum Derived {
    /// Originals and one step after the other.
    Chain(Chain),
    /// A parameter and which of its elements are kept.
    Pruned {
        /// `NAME_orig`.
        original: Parameter,
        /// `NAME_mask`.
        mask: Buffer,
    },
}

impl Derived {
    /// The value.
    pub(crate) fn tensor(&self) -> Result<Tensor> {
        match self {
            Derived::Chain(chain) => chain.tensor(),
            Derived::Pruned { original, mask } => original.try_tensor()?.mul(&mask.tensor()),
        }
    }

    /// Sets the sources so that the value is the given one, or as near as can be.
    pub(crate) fn assign(&self, value: &Tensor) -> Result<()> {
        match self {
            Derived::Chain(chain) => chain.assign(value),
            Derived::Pruned { original, .. } => original.set(value),
        }
    }

    /// The parameters that are learned instead: at least one.
    pub(crate) fn sources(&self) -> &[Parameter] {
        match self {
            Derived::Chain(chain) => &chain.originals,
            Derived::Pruned { original, .. } => std::slice::from_ref(original),
        }
    }

    /// Shows the visitor what stands in the place of the parameter of this name.
    pub(crate) fn visit(&self, name: &str, visitor: &mut dyn Visitor) {
        match self {
            Derived::Chain(chain) => visitor.late_module("parametrizations", &Named { name, chain }),
            Derived::Pruned { original, mask } => {
                visitor.late_parameter(&format!("{name}_orig"), original);
                visitor.buffer(&format!("{name}_mask"), mask);
            }
        }
    }
}

/// Originals, and the steps that make the value of them.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) originals: Vec<Parameter>,
    pub(crate) steps: Vec<Arc<dyn Parametrization>>,
}

impl Chain {
    pub(crate) fn tensor(&self) -> Result<Tensor> {
        let mut values = self.originals.iter().map(Parameter::try_tensor).collect::<Result<Vec<_>>>()?;
        for step in &self.steps {
            values = vec![step.forward(&values)?];
        }
        values.pop().ok_or_else(|| Error::value("parametrize", "there is no original"))
    }

    pub(crate) fn assign(&self, value: &Tensor) -> Result<()> {
        let mut values = vec![value.clone()];
        for step in self.steps.iter().rev() {
            let [value] = &values[..] else {
                return Err(Error::value("parametrize", "a step behind the first must have one original"));
            };
            values = step.right_inverse(value)?;
        }
        if values.len() != self.originals.len() {
            return Err(Error::value(
                "parametrize",
                format!("the inverse has {} values for {} originals", values.len(), self.originals.len()),
            ));
        }
        self.originals.iter().zip(&values).try_for_each(|(p, v)| p.set(v))
    }
}

/// PyTorch's `ParametrizationList`.
impl Module for Chain {
    fn visit(&self, visitor: &mut dyn Visitor) {
        match &self.originals[..] {
            [one] => visitor.parameter("original", one),
            several => several.iter().enumerate().for_each(|(i, p)| visitor.parameter(&format!("original{i}"), p)),
        }
        for (i, step) in self.steps.iter().enumerate() {
            let step: &dyn Module = &**step;
            visitor.module(&i.to_string(), step);
        }
    }

    fn type_name(&self) -> &'static str {
        "ParametrizationList"
    }
}

/// The chain of one parameter, under its name.
struct Named<'a> {
    name: &'a str,
    chain: &'a Chain,
}

impl Module for Named<'_> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visitor.module(self.name, self.chain);
    }

    fn type_name(&self) -> &'static str {
        "ModuleDict"
    }
}
