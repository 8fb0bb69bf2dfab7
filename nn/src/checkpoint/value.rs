//! What a checkpoint holds.

use rushlight_tensor::{Complex64, DType, Result, Tensor};

/// A value of a checkpoint: Python's, as far as they occur in state dicts.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer beyond 64 bits, in decimal digits, perhaps with a sign.
    Big(String),
    /// A float.
    Float(f64),
    /// A complex number.
    Complex(Complex64),
    /// A string.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A tensor.
    Tensor(Tensor),
    /// A dtype.
    DType(DType),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dict, in order. Keys are strings or integers, as a rule.
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// A dict with names as keys.
    pub fn dict<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Dict(entries.into_iter().map(|(k, v)| (Value::Str(k.into()), v)).collect())
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::None => "None",
            Value::Bool(_) => "a bool",
            Value::Int(_) | Value::Big(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Complex(_) => "a complex number",
            Value::Str(_) => "a string",
            Value::Bytes(_) => "bytes",
            Value::Tensor(_) => "a tensor",
            Value::DType(_) => "a dtype",
            Value::List(_) => "a list",
            Value::Tuple(_) => "a tuple",
            Value::Dict(_) => "a dict",
        }
    }

    /// Whether both hold the same, to the bit: values in order, dtypes, shapes and elements of tensors. Where tensors lie does not matter.
    ///
    /// # Errors
    /// If a device fails.
    pub fn same(&self, other: &Value) -> Result<bool> {
        fn all(a: &[Value], b: &[Value]) -> Result<bool> {
            for (a, b) in a.iter().zip(b) {
                if !a.same(b)? {
                    return Ok(false);
                }
            }
            Ok(a.len() == b.len())
        }
        Ok(match (self, other) {
            (Value::None, Value::None) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Big(a), Value::Big(b)) | (Value::Str(a), Value::Str(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Complex(a), Value::Complex(b)) => (a.re.to_bits(), a.im.to_bits()) == (b.re.to_bits(), b.im.to_bits()),
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Tensor(a), Value::Tensor(b)) => (a.dtype(), a.shape()) == (b.dtype(), b.shape()) && a.to_bytes()? == b.to_bytes()?,
            (Value::DType(a), Value::DType(b)) => a == b,
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => all(a, b)?,
            (Value::Dict(a), Value::Dict(b)) => {
                for ((k, v), (l, w)) in a.iter().zip(b) {
                    if !(k.same(l)? && v.same(w)?) {
                        return Ok(false);
                    }
                }
                a.len() == b.len()
            }
            _ => false,
        })
    }

    /// The value under a name, if this is a dict that has it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_dict()?.iter().find(|(k, _)| k.as_str() == Some(name)).map(|(_, v)| v)
    }

    /// The entries, if this is a dict.
    pub fn as_dict(&self) -> Option<&[(Value, Value)]> {
        if let Value::Dict(entries) = self { Some(entries) } else { None }
    }

    /// The items, if this is a list or a tuple.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::Str(s) = self { Some(s) } else { None }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(b) = self { Some(*b) } else { None }
    }

    /// The integer, if this is one of 64 bits, or a tensor of one integral number.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(i) => Some(*i),
            Value::Tensor(t) if t.numel() == 1 => t.to_f64().ok().filter(|x| x.fract() == 0.0).map(|x| x as i64),
            _ => None,
        }
    }

    /// The number, if this is a float, an integer of 64 bits, or a tensor of one element.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Float(f) => Some(*f),
            Value::Int(i) => Some(*i as f64),
            Value::Tensor(t) if t.numel() == 1 => t.to_f64().ok(),
            _ => None,
        }
    }

    /// The tensor, if this is one.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        if let Value::Tensor(t) = self { Some(t) } else { None }
    }
}

macro_rules! from {
    ($($t:ty => $variant:ident),*) => {$(
        impl From<$t> for Value {
            fn from(x: $t) -> Value {
                Value::$variant(x)
            }
        }
    )*};
}
from!(bool => Bool, i64 => Int, f64 => Float, String => Str, Tensor => Tensor, DType => DType, Complex64 => Complex);

impl From<&str> for Value {
    fn from(x: &str) -> Value {
        Value::Str(x.to_string())
    }
}

impl From<usize> for Value {
    fn from(x: usize) -> Value {
        i64::try_from(x).map_or_else(|_| Value::Big(x.to_string()), Value::Int)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(x: Option<T>) -> Value {
        x.map_or(Value::None, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Value {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}
