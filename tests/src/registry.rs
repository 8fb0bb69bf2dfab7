//! The table of operators: PyTorch's name to a call of ours.

use std::collections::HashMap;

use rushlight_tensor::{Error, Operand, Result, Tensor};

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};

/// A call: takes its arguments and gives its results, flat.
pub type Call = dyn Fn(&mut Args) -> CaseResult<Vec<Value>> + Send + Sync;

/// Operators by PyTorch's name.
#[derive(Default)]
pub struct Registry {
    calls: HashMap<&'static str, std::sync::Arc<Call>>,
}

/// What a call's closure may return.
pub trait Results {
    /// The results, flat.
    fn into_values(self) -> Vec<Value>;
}

impl Results for Tensor {
    fn into_values(self) -> Vec<Value> {
        vec![self.into()]
    }
}

impl Results for (Tensor, Tensor) {
    fn into_values(self) -> Vec<Value> {
        vec![self.0.into(), self.1.into()]
    }
}

impl Results for (Tensor, Tensor, Tensor) {
    fn into_values(self) -> Vec<Value> {
        vec![self.0.into(), self.1.into(), self.2.into()]
    }
}

impl Results for Vec<Tensor> {
    fn into_values(self) -> Vec<Value> {
        self.into_iter().map(Value::from).collect()
    }
}

impl Results for bool {
    fn into_values(self) -> Vec<Value> {
        vec![self.into()]
    }
}

impl Results for Vec<Value> {
    fn into_values(self) -> Vec<Value> {
        self
    }
}

impl Registry {
    /// Adds an operator.
    pub fn op<R: Results>(&mut self, name: &'static str, call: impl Fn(&mut Args) -> CaseResult<R> + Send + Sync + 'static) {
        self.calls.insert(name, std::sync::Arc::new(move |a: &mut Args| call(a).map(Results::into_values)));
    }

    /// Adds a function of one tensor.
    pub fn unary(&mut self, name: &'static str, f: fn(&Tensor) -> Result<Tensor>) {
        self.op(name, move |a| Ok(f(&a.tensor("input")?)?));
    }

    /// Adds a function of a tensor and a tensor or number.
    pub fn binary(&mut self, name: &'static str, f: for<'a, 'b> fn(&'a Tensor, Operand<'b>) -> Result<Tensor>) {
        self.op(name, move |a| {
            let (x, y) = (a.tensor("input")?, a.either("other")?);
            Ok(f(&x, y.operand())?)
        });
    }

    /// Adds a function of two tensors; their names are PyTorch's.
    pub fn tensors2(&mut self, name: &'static str, names: [&'static str; 2], f: fn(&Tensor, &Tensor) -> Result<Tensor>) {
        self.op(name, move |a| {
            let (x, y) = (a.tensor(names[0])?, a.tensor(names[1])?);
            Ok(f(&x, &y)?)
        });
    }

    /// Another name of an operator that is there.
    ///
    /// # Panics
    /// If it is not: the table is wrong.
    pub fn alias(&mut self, name: &'static str, of: &str) {
        let call = self.calls.get(of).unwrap_or_else(|| panic!("no operator {of} for its other name {name}")).clone();
        self.calls.insert(name, call);
    }

    /// Lets an operator that is there pass over an argument that cannot change its result: it speaks of memory or speed.
    ///
    /// # Panics
    /// If the operator is not there: the table is wrong.
    pub fn ignoring(&mut self, name: &'static str, argument: &'static str) {
        let call = self.calls.get(name).unwrap_or_else(|| panic!("no operator {name}")).clone();
        self.op(name, move |a| {
            a.ignore(argument);
            call(a)
        });
    }

    /// Whether there is an operator of this name.
    pub fn has(&self, name: &str) -> bool {
        self.calls.contains_key(name)
    }

    /// Calls an operator. Arguments that it did not take make the case missing, whatever the call did.
    ///
    /// # Errors
    /// If there is no such operator or argument, or the call returned an error.
    pub fn call(&self, name: &str, args: &mut Args) -> CaseResult<Vec<Value>> {
        let call = self.calls.get(name).ok_or_else(|| CaseError::Missing(format!("no operator `{name}`")))?;
        // Everything here is on the CPU.
        if matches!(args.peek_named("device"), Some(Value::Str(d)) if d == "cpu") {
            args.ignore("device");
        }
        if matches!(args.peek_named("requires_grad"), Some(Value::Bool(_))) {
            args.ignore("requires_grad");
        }
        let result = call(args);
        match (&result, args.unused()) {
            (Err(CaseError::Missing(_) | CaseError::Kind(_) | CaseError::Untypable(_)), _) | (_, None) => result,
            (_, Some(unused)) => Err(CaseError::Missing(unused)),
        }
    }

    /// As [`call`](Registry::call), for functional transforms, which want an [`Error`]: the tensor among the results at a place.
    ///
    /// # Errors
    /// As `call`.
    pub fn call_for(&self, name: &str, args: &mut Args, output: usize) -> Result<Tensor> {
        let result = self.call(name, args).map_err(|e| match e {
            CaseError::Refused(e) => e,
            CaseError::Missing(why) | CaseError::Kind(why) | CaseError::Untypable(why) => Error::unsupported("conformance", why),
            CaseError::Failed(why) => Error::value("conformance", why),
        })?;
        let mut flat = Vec::new();
        result.into_iter().for_each(|v| v.flatten_into(&mut flat));
        match flat.into_iter().nth(output) {
            Some(Value::Tensor(t)) => Ok(t),
            _ => Err(Error::value("conformance", format!("result {output} is not a tensor"))),
        }
    }
}
