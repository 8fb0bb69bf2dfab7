//! The values of the format: Python's, as far as they occur.

use std::collections::HashMap;

use rushlight_tensor::{Complex64, DType, Tensor};
use serde_json::Value as Json;

use super::{ReadResult, Store};

/// An argument or a result.
#[derive(Clone)]
pub enum Value {
    /// Python's None.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer beyond 64 bits, in digits.
    Big(String),
    /// A float.
    Float(f64),
    /// A complex number.
    Complex(Complex64),
    /// A string.
    Str(String),
    /// A tensor.
    Tensor(Tensor),
    /// A dtype.
    DType(DType),
    /// `start:stop:step`.
    Slice([Option<i64>; 3]),
    /// `...`.
    Ellipsis,
    /// A tuple, where it differs from a list.
    Tuple(Vec<Value>),
    /// A list or tuple.
    List(Vec<Value>),
    /// Names and values.
    Map(Vec<(String, Value)>),
    /// A dict in order, of checkpoints.
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::None => "None",
            Value::Bool(_) => "a bool",
            Value::Int(_) | Value::Big(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Complex(_) => "a complex number",
            Value::Str(_) => "a string",
            Value::Tensor(_) => "a tensor",
            Value::DType(_) => "a dtype",
            Value::Slice(_) => "a slice",
            Value::Ellipsis => "an ellipsis",
            Value::Tuple(_) => "a tuple",
            Value::List(_) => "a list",
            Value::Map(_) | Value::Dict(_) => "a dict",
        }
    }

    /// Adds the values in this one, in order, to a flat list: lists and tuples are opened.
    pub fn flatten_into(self, flat: &mut Vec<Value>) {
        match self {
            Value::List(items) | Value::Tuple(items) => items.into_iter().for_each(|v| v.flatten_into(flat)),
            other => flat.push(other),
        }
    }
}

impl From<Tensor> for Value {
    fn from(t: Tensor) -> Value {
        Value::Tensor(t)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

/// Makes values of JSON.
pub struct Decoder<'a> {
    store: &'a Store,
    /// Tensors that stand in for those at these argument paths: leaves, dual numbers.
    replaced: HashMap<String, Tensor>,
}

impl<'a> Decoder<'a> {
    /// A decoder of a family's values.
    pub fn new(store: &'a Store) -> Decoder<'a> {
        Decoder { store, replaced: HashMap::new() }
    }

    /// A decoder that puts other tensors at some argument paths.
    pub fn replacing(store: &'a Store, replaced: HashMap<String, Tensor>) -> Decoder<'a> {
        Decoder { store, replaced }
    }

    /// A value that is no argument.
    ///
    /// # Errors
    /// If it is malformed or its tensor is missing.
    pub fn value(&self, json: &Json) -> ReadResult<Value> {
        self.at(json, "")
    }

    /// A tensor reference.
    ///
    /// # Errors
    /// If it is none, or the tensor is missing.
    pub fn tensor(&self, json: &Json) -> ReadResult<Tensor> {
        match self.value(json)? {
            Value::Tensor(t) => Ok(t),
            other => Err(format!("wanted a tensor, got {}", other.kind())),
        }
    }

    /// The value of the argument with this path.
    ///
    /// # Errors
    /// If it is malformed or its tensor is missing.
    pub fn at(&self, json: &Json, path: &str) -> ReadResult<Value> {
        Ok(match json {
            Json::Null => Value::None,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => number(&n.to_string())?,
            Json::String(s) => Value::Str(s.clone()),
            Json::Array(items) => Value::List(self.items(items, path)?),
            Json::Object(fields) => {
                if fields.contains_key("tensor") {
                    return self.tensor_at(json, path);
                }
                match fields.iter().next() {
                    Some((key, inner)) if fields.len() == 1 => self.tagged(key, inner, path)?,
                    _ => self.map(fields, path)?,
                }
            }
        })
    }

    fn items(&self, items: &[Json], path: &str) -> ReadResult<Vec<Value>> {
        items.iter().enumerate().map(|(i, v)| self.at(v, &join(path, &i.to_string()))).collect()
    }

    fn map(&self, fields: &serde_json::Map<String, Json>, path: &str) -> ReadResult<Value> {
        let entries = fields.iter().map(|(k, v)| Ok((k.clone(), self.at(v, &join(path, k))?)));
        entries.collect::<ReadResult<_>>().map(Value::Map)
    }

    fn tensor_at(&self, json: &Json, path: &str) -> ReadResult<Value> {
        if let Some(t) = self.replaced.get(path) {
            return Ok(Value::Tensor(t.clone()));
        }
        let name = json["tensor"].as_str().ok_or("a tensor's name is not a string")?;
        let complex = json["complex"].as_bool().unwrap_or(false);
        self.store.tensor(name, complex).map(Value::Tensor)
    }

    /// An object with one key: an encoding, or a map with one entry.
    fn tagged(&self, key: &str, inner: &Json, path: &str) -> ReadResult<Value> {
        Ok(match (key, inner) {
            ("float", Json::String(s)) => Value::Float(match s.as_str() {
                "nan" => f64::NAN,
                "inf" => f64::INFINITY,
                "-inf" => f64::NEG_INFINITY,
                other => return Err(format!("a float {other}")),
            }),
            ("complex", Json::Array(parts)) if parts.len() == 2 => {
                let part = |j| match self.value(j)? {
                    Value::Float(f) => Ok(f),
                    Value::Int(i) => Ok(i as f64),
                    other => Err(format!("a complex number with {}", other.kind())),
                };
                Value::Complex(Complex64::new(part(&parts[0])?, part(&parts[1])?))
            }
            ("dtype", Json::String(s)) => Value::DType(DType::from_name(s).ok_or_else(|| format!("a dtype {s}"))?),
            ("slice", Json::Array(parts)) if parts.len() == 3 => Value::Slice([0, 1, 2].map(|i| parts[i].as_i64())),
            ("ellipsis", Json::Bool(true)) => Value::Ellipsis,
            ("tuple", Json::Array(items)) => Value::Tuple(self.items(items, path)?),
            ("map", Json::Array(entries)) => {
                let entry = |e: &Json| Ok((self.value(&e[0])?, self.value(&e[1])?));
                Value::Dict(entries.iter().map(entry).collect::<ReadResult<_>>()?)
            }
            _ => Value::Map(vec![(key.to_string(), self.at(inner, &join(path, key))?)]),
        })
    }
}

/// A path one step further in.
pub(crate) fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_string() } else { format!("{path}.{step}") }
}

/// A number with a point or exponent is a float, one without an integer.
fn number(text: &str) -> ReadResult<Value> {
    if text.contains(['.', 'e', 'E']) {
        return text.parse().map(Value::Float).map_err(|e| format!("{text}: {e}"));
    }
    Ok(text.parse().map_or_else(|_| Value::Big(text.to_string()), Value::Int))
}
