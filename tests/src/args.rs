//! The arguments of a call, taken one after the other by PyTorch's names.

use std::collections::{BTreeMap, VecDeque};

use rushlight_tensor::{DType, Operand, Scalar, Tensor};

use crate::golden::{Case, Decoder, ReadResult, Value};
use crate::outcome::{CaseError, CaseResult};

/// Arguments by position and by name. An operator takes them in the order of PyTorch's signature; what it leaves makes the case missing.
pub struct Args {
    /// With their places.
    positional: VecDeque<(usize, Value)>,
    named: BTreeMap<String, Value>,
    /// Where arguments came from: name to path.
    taken: BTreeMap<String, String>,
    /// New values of arguments that PyTorch changes in place, by path.
    changed: BTreeMap<String, Tensor>,
}

/// A tensor or a number, where either may be given.
pub enum Either {
    /// A tensor.
    Tensor(Tensor),
    /// A number.
    Scalar(Scalar),
}

impl Either {
    /// As our methods take it.
    pub fn operand(&self) -> Operand<'_> {
        match self {
            Either::Tensor(t) => Operand::Tensor(t),
            Either::Scalar(s) => Operand::Scalar(*s),
        }
    }
}

fn missing(name: &str, value: &Value) -> CaseError {
    CaseError::Kind(format!("argument `{name}` as {}", value.kind()))
}

/// The wrong sort of value for a Rust type. A string or a float where an integer is wanted cannot be written at all; a tensor or a list might be
/// a form of the call that we lack.
fn wrong(name: &str, wanted: &str, value: &Value) -> CaseError {
    match value {
        Value::Str(_) | Value::Float(_) | Value::Complex(_) | Value::DType(_) => {
            CaseError::Untypable(format!("`{name}` is {wanted}, {} cannot be passed", value.kind()))
        }
        other => missing(name, other),
    }
}

impl Args {
    /// The `args` and `kwargs` of a case.
    ///
    /// # Errors
    /// If the data are malformed.
    pub fn of(case: &Case, decoder: &Decoder<'_>) -> ReadResult<Args> {
        Args::decode(case.field("args"), case.field("kwargs"), decoder)
    }

    /// Arguments from JSON.
    ///
    /// # Errors
    /// If the data are malformed.
    pub fn decode(args: &serde_json::Value, kwargs: &serde_json::Value, decoder: &Decoder<'_>) -> ReadResult<Args> {
        let positional = args.as_array().into_iter().flatten().enumerate();
        let positional = positional.map(|(i, v)| decoder.at(v, &i.to_string())).collect::<ReadResult<Vec<_>>>()?;
        let named = kwargs.as_object().into_iter().flatten();
        let named = named.map(|(k, v)| Ok((k.clone(), decoder.at(v, &format!("kw.{k}"))?))).collect::<ReadResult<Vec<_>>>()?;
        Ok(Args::new(positional, named))
    }

    /// Arguments from values.
    pub fn new(positional: Vec<Value>, named: Vec<(String, Value)>) -> Args {
        Args {
            positional: positional.into_iter().enumerate().collect(),
            named: named.into_iter().collect(),
            taken: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }

    /// The next argument, given under this name or by position; absent if neither.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let (path, value) = match self.named.remove(name) {
            Some(v) => (format!("kw.{name}"), v),
            None => self.positional.pop_front().map(|(i, v)| (i.to_string(), v))?,
        };
        self.taken.insert(name.to_string(), path);
        Some(value)
    }

    /// The argument with this name, never one by position.
    pub fn take_named(&mut self, name: &str) -> Option<Value> {
        self.named.remove(name)
    }

    /// The argument with this name without taking it, never one by position.
    pub fn peek_named(&self, name: &str) -> Option<&Value> {
        self.named.get(name)
    }

    /// The next argument without taking it.
    pub fn peek(&self, name: &str) -> Option<&Value> {
        self.named.get(name).or_else(|| self.positional.front().map(|(_, v)| v))
    }

    /// Says what PyTorch would have written into an argument that was taken: our tensors are values, so calls return the new ones.
    pub fn changed(&mut self, name: &str, now: Tensor) {
        if let Some(path) = self.taken.get(name) {
            self.changed.insert(path.clone(), now);
        }
    }

    /// The new value of the argument with this path, if the call gave one.
    pub fn new_value(&self, path: &str) -> Option<&Tensor> {
        self.changed.get(path)
    }

    /// Puts an argument under another name, for operators that have it under several.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(v) = self.named.remove(from) {
            self.named.insert(to.to_string(), v);
        }
    }

    /// Drops a named argument that cannot change the result: it speaks of memory or speed.
    pub fn ignore(&mut self, name: &str) {
        self.named.remove(name);
    }

    /// An argument that is taken only if it is None or absent.
    ///
    /// # Errors
    /// If it is something else.
    pub fn none(&mut self, name: &str) -> CaseResult<()> {
        match self.take(name) {
            None | Some(Value::None) => Ok(()),
            Some(other) => Err(missing(name, &other)),
        }
    }

    /// All remaining arguments by position.
    pub fn rest(&mut self) -> Vec<Value> {
        self.positional.drain(..).map(|(_, v)| v).collect()
    }

    /// What is left untaken, if anything.
    pub fn unused(&self) -> Option<String> {
        if let Some(name) = self.named.keys().next() {
            return Some(format!("argument `{name}`"));
        }
        self.positional.front().map(|(_, v)| format!("one more argument, {}", v.kind()))
    }

    fn required(&mut self, name: &str) -> CaseResult<Value> {
        self.take(name).ok_or_else(|| CaseError::Missing(format!("a call without `{name}`")))
    }

    /// A tensor.
    ///
    /// # Errors
    /// If it is none.
    pub fn tensor(&mut self, name: &str) -> CaseResult<Tensor> {
        match self.required(name)? {
            Value::Tensor(t) => Ok(t),
            number @ (Value::Int(_) | Value::Float(_) | Value::Bool(_)) => {
                Err(CaseError::Untypable(format!("`{name}` is a tensor, {} cannot be passed", number.kind())))
            }
            other => Err(missing(name, &other)),
        }
    }

    /// A tensor, None or absent.
    ///
    /// # Errors
    /// If it is something else.
    pub fn opt_tensor(&mut self, name: &str) -> CaseResult<Option<Tensor>> {
        match self.take(name) {
            None | Some(Value::None) => Ok(None),
            Some(Value::Tensor(t)) => Ok(Some(t)),
            Some(other) => Err(missing(name, &other)),
        }
    }

    /// A list of tensors.
    ///
    /// # Errors
    /// If it is something else.
    pub fn tensors(&mut self, name: &str) -> CaseResult<Vec<Tensor>> {
        match self.required(name)? {
            Value::List(items) | Value::Tuple(items) => {
                let tensor = |v| if let Value::Tensor(t) = v { Ok(t) } else { Err(missing(name, &v)) };
                items.into_iter().map(tensor).collect()
            }
            other => Err(missing(name, &other)),
        }
    }

    /// A tensor or a number.
    ///
    /// # Errors
    /// If it is neither.
    pub fn either(&mut self, name: &str) -> CaseResult<Either> {
        match self.required(name)? {
            Value::Tensor(t) => Ok(Either::Tensor(t)),
            other => scalar(name, other).map(Either::Scalar),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// If it is none.
    pub fn scalar(&mut self, name: &str) -> CaseResult<Scalar> {
        let value = self.required(name)?;
        scalar(name, value)
    }

    /// A number, None or absent.
    ///
    /// # Errors
    /// If it is something else.
    pub fn opt_scalar(&mut self, name: &str) -> CaseResult<Option<Scalar>> {
        match self.take(name) {
            None | Some(Value::None) => Ok(None),
            Some(other) => scalar(name, other).map(Some),
        }
    }

    /// An integer.
    ///
    /// # Errors
    /// If it is none.
    pub fn int(&mut self, name: &str) -> CaseResult<isize> {
        let value = self.required(name)?;
        int(name, value)
    }

    /// An integer, None or absent.
    ///
    /// # Errors
    /// If it is something else.
    pub fn opt_int(&mut self, name: &str) -> CaseResult<Option<isize>> {
        match self.take(name) {
            None | Some(Value::None) => Ok(None),
            Some(other) => int(name, other).map(Some),
        }
    }

    /// An integer, with PyTorch's default.
    ///
    /// # Errors
    /// If it is something else.
    pub fn int_or(&mut self, name: &str, default: isize) -> CaseResult<isize> {
        Ok(self.opt_int(name)?.unwrap_or(default))
    }

    /// A size, for our parameters of type `usize`.
    ///
    /// # Errors
    /// If it is none; a negative one cannot be passed.
    pub fn size(&mut self, name: &str) -> CaseResult<usize> {
        let n = self.int(name)?;
        usize::try_from(n).map_err(|_| CaseError::Untypable(format!("`{name}` is unsigned, {n} cannot be passed")))
    }

    /// A size, None or absent.
    ///
    /// # Errors
    /// If it is something else; a negative one cannot be passed.
    pub fn opt_size(&mut self, name: &str) -> CaseResult<Option<usize>> {
        match self.peek(name) {
            None | Some(Value::None) => self.opt_int(name).map(|_| None),
            Some(_) => self.size(name).map(Some),
        }
    }

    /// A float, with PyTorch's default; integers will do.
    ///
    /// # Errors
    /// If it is something else.
    pub fn float_or(&mut self, name: &str, default: f64) -> CaseResult<f64> {
        Ok(self.opt_float(name)?.unwrap_or(default))
    }

    /// A float, None or absent; integers will do.
    ///
    /// # Errors
    /// If it is something else.
    pub fn opt_float(&mut self, name: &str) -> CaseResult<Option<f64>> {
        match self.take(name) {
            None | Some(Value::None) => Ok(None),
            Some(Value::Float(f)) => Ok(Some(f)),
            Some(Value::Int(i)) => Ok(Some(i as f64)),
            Some(other) => Err(wrong(name, "a float", &other)),
        }
    }

    /// A truth value, with PyTorch's default.
    ///
    /// # Errors
    /// If it is something else.
    pub fn bool_or(&mut self, name: &str, default: bool) -> CaseResult<bool> {
        match self.take(name) {
            None => Ok(default),
            Some(Value::Bool(b)) => Ok(b),
            Some(other) => Err(wrong(name, "a bool", &other)),
        }
    }

    /// One of PyTorch's enumeration strings, with its default. `None` beside a string says that PyTorch has it and we do not.
    ///
    /// # Errors
    /// If it is none of them: our parameter is an enum, so it cannot be passed.
    pub fn choice<T: Clone>(&mut self, name: &str, default: &str, choices: &[(&str, Option<T>)]) -> CaseResult<T> {
        let given = match self.take(name) {
            None | Some(Value::None) => default.to_string(),
            Some(Value::Str(s)) => s,
            Some(other) => return Err(missing(name, &other)),
        };
        match choices.iter().find(|(s, _)| *s == given) {
            Some((_, Some(choice))) => Ok(choice.clone()),
            Some((_, None)) => Err(CaseError::Missing(format!("{name}='{given}'"))),
            None => Err(CaseError::Untypable(format!("`{name}` is an enumeration, '{given}' cannot be passed"))),
        }
    }

    /// A string, with PyTorch's default.
    ///
    /// # Errors
    /// If it is something else.
    pub fn str_or(&mut self, name: &str, default: &str) -> CaseResult<String> {
        match self.take(name) {
            None => Ok(default.to_string()),
            Some(Value::Str(s)) => Ok(s),
            Some(other) => Err(missing(name, &other)),
        }
    }

    /// A dtype, None or absent.
    ///
    /// # Errors
    /// If it is something else.
    pub fn opt_dtype(&mut self, name: &str) -> CaseResult<Option<DType>> {
        match self.take(name) {
            None | Some(Value::None) => Ok(None),
            Some(Value::DType(d)) => Ok(Some(d)),
            Some(other) => Err(missing(name, &other)),
        }
    }

    /// Integers: one or a list of them; None or absent.
    ///
    /// # Errors
    /// If it is something else.
    pub fn opt_ints(&mut self, name: &str) -> CaseResult<Option<Vec<isize>>> {
        match self.take(name) {
            None | Some(Value::None) => Ok(None),
            Some(Value::List(items) | Value::Tuple(items)) => items.into_iter().map(|v| int(name, v)).collect::<CaseResult<_>>().map(Some),
            Some(other) => int(name, other).map(|i| Some(vec![i])),
        }
    }

    /// Integers: one or a list of them.
    ///
    /// # Errors
    /// If it is something else.
    pub fn ints(&mut self, name: &str) -> CaseResult<Vec<isize>> {
        self.opt_ints(name)?.ok_or_else(|| CaseError::Kind(format!("a call without `{name}`")))
    }

    /// Sizes as Tensor's methods take them: a list, or all remaining arguments one by one.
    ///
    /// # Errors
    /// If they are something else.
    pub fn sizes(&mut self, name: &str) -> CaseResult<Vec<isize>> {
        match self.peek(name) {
            Some(Value::Int(_)) => self.rest().into_iter().map(|v| int(name, v)).collect(),
            _ => self.ints(name),
        }
    }
}

fn int(name: &str, value: Value) -> CaseResult<isize> {
    match value {
        Value::Int(i) => isize::try_from(i).map_err(|_| CaseError::Untypable(format!("`{name}` = {i}"))),
        other => Err(wrong(name, "an integer", &other)),
    }
}

fn scalar(name: &str, value: Value) -> CaseResult<Scalar> {
    match value {
        Value::Bool(b) => Ok(b.into()),
        Value::Int(i) => Ok(i.into()),
        Value::Float(f) => Ok(f.into()),
        Value::Complex(c) => Ok(c.into()),
        other => Err(missing(name, &other)),
    }
}
