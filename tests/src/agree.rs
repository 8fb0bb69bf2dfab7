//! When a result agrees with the recorded one.

use rushlight_tensor::{DType, Tensor, bf16, f16};

use crate::golden::Value;

/// Tolerances: `|x - y| <= atol + rtol * |y|`, y the recorded value.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Relative.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
}

impl Tolerance {
    /// Bit for bit, but for signed zeros and the payloads of NaNs.
    pub const EXACT: Tolerance = Tolerance { rtol: 0.0, atol: 0.0 };

    /// Ten times as wide, for reconstructions.
    pub fn tenfold(self) -> Tolerance {
        Tolerance { rtol: 10.0 * self.rtol, atol: 10.0 * self.atol }
    }

    /// Whether two numbers agree.
    pub fn admits(self, x: f64, y: f64) -> bool {
        (x.is_nan() && y.is_nan()) || x == y || (y.is_finite() && (x - y).abs() <= self.atol + self.rtol * y.abs())
    }
}

/// The elements of a tensor on the harness's side.
pub enum Elements {
    /// Integers and truth values: compared exactly.
    Exact(Vec<i64>),
    /// Floats; complex numbers as real and imaginary parts in turn.
    Close(Vec<f64>),
}

fn each<const N: usize, T>(bytes: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|c| f(*c)).collect()
}

/// The elements of a tensor in row-major order, read from its bytes.
///
/// # Errors
/// If the device fails.
pub fn elements(t: &Tensor) -> Result<Elements, String> {
    let bytes = t.to_bytes().map_err(|e| e.to_string())?;
    Ok(match t.dtype() {
        DType::Bool | DType::U8 => Elements::Exact(bytes.iter().map(|&b| i64::from(b)).collect()),
        DType::I8 => Elements::Exact(each(&bytes, |b| i64::from(i8::from_ne_bytes(b)))),
        DType::I16 => Elements::Exact(each(&bytes, |b| i64::from(i16::from_ne_bytes(b)))),
        DType::I32 => Elements::Exact(each(&bytes, |b| i64::from(i32::from_ne_bytes(b)))),
        DType::I64 => Elements::Exact(each(&bytes, i64::from_ne_bytes)),
        DType::F16 => Elements::Close(each(&bytes, |b| f16::from_ne_bytes(b).to_f64())),
        DType::BF16 => Elements::Close(each(&bytes, |b| bf16::from_ne_bytes(b).to_f64())),
        DType::F32 | DType::C64 => Elements::Close(each(&bytes, |b| f64::from(f32::from_ne_bytes(b)))),
        DType::F64 | DType::C128 => Elements::Close(each(&bytes, f64::from_ne_bytes)),
    })
}

/// Whether dtype and shape are the recorded ones.
///
/// # Errors
/// What differs.
pub fn same_meta(x: &Tensor, y: &Tensor) -> Result<(), String> {
    if x.dtype() != y.dtype() || x.shape() != y.shape() {
        return Err(format!("got {}{:?}, recorded {}{:?}", x.dtype(), x.shape(), y.dtype(), y.shape()));
    }
    Ok(())
}

/// Whether a tensor agrees with the recorded one.
///
/// # Errors
/// What differs.
pub fn tensors(x: &Tensor, y: &Tensor, tolerance: Tolerance) -> Result<(), String> {
    same_meta(x, y)?;
    let width = if x.dtype().is_complex() { 2 } else { 1 };
    let bad: Vec<(usize, String, String)> = match (elements(x)?, elements(y)?) {
        (Elements::Exact(x), Elements::Exact(y)) => {
            x.iter().zip(&y).enumerate().filter(|(_, (x, y))| x != y).map(|(i, (x, y))| (i, x.to_string(), y.to_string())).collect()
        }
        (Elements::Close(x), Elements::Close(y)) => x
            .iter()
            .zip(&y)
            .enumerate()
            .filter(|(_, (x, y))| !tolerance.admits(**x, **y))
            .map(|(i, (x, y))| (i, format!("{x:e}"), format!("{y:e}")))
            .collect(),
        _ => return Err("exact and inexact elements".to_string()),
    };
    match bad.first() {
        None => Ok(()),
        Some((i, got, wanted)) => Err(format!(
            "{} of {} elements of {}{:?} differ, first {}: got {got}, recorded {wanted} (rtol {:e}, atol {:e})",
            bad.len(),
            x.numel() * width,
            x.dtype(),
            x.shape(),
            i / width,
            tolerance.rtol,
            tolerance.atol
        )),
    }
}

/// Whether all elements are zero.
///
/// # Errors
/// If they are not, or the device fails.
pub fn zero(x: &Tensor) -> Result<(), String> {
    let zero = match elements(x)? {
        Elements::Exact(x) => x.iter().all(|&x| x == 0),
        Elements::Close(x) => x.iter().all(|&x| x == 0.0),
    };
    if zero { Ok(()) } else { Err("a gradient where PyTorch has none or zeros".to_string()) }
}

/// The inner product of two tensors of one shape; of complex ones the sum of those of real and imaginary parts.
///
/// # Errors
/// If shape or dtype differ, they are no floats, or the device fails.
pub fn inner(x: &Tensor, y: &Tensor) -> Result<f64, String> {
    same_meta(x, y)?;
    match (elements(x)?, elements(y)?) {
        (Elements::Close(x), Elements::Close(y)) => Ok(x.iter().zip(&y).map(|(x, y)| x * y).sum()),
        _ => Err(format!("an inner product of {}", x.dtype())),
    }
}

/// A number among values, as an f64.
fn number(v: &Value) -> Option<f64> {
    match v {
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::Int(i) => Some(*i as f64),
        Value::Float(f) => Some(*f),
        Value::Tensor(t) if t.dim() == 0 => match elements(t).ok()? {
            Elements::Exact(x) => x.first().map(|&x| x as f64),
            Elements::Close(x) if x.len() == 1 => x.first().copied(),
            Elements::Close(_) => None,
        },
        _ => None,
    }
}

/// Whether a value agrees with the recorded one. A recorded number or truth value may be met by a 0-d tensor.
///
/// # Errors
/// What differs.
pub fn values(x: &Value, y: &Value, tolerance: Tolerance) -> Result<(), String> {
    let differ = || Err(format!("got {}, recorded {}", describe(x), describe(y)));
    match (x, y) {
        (Value::Tensor(x), Value::Tensor(y)) => tensors(x, y, tolerance),
        (Value::None, Value::None) => Ok(()),
        (Value::Str(x), Value::Str(y)) if x == y => Ok(()),
        (Value::Complex(x), Value::Complex(y)) if tolerance.admits(x.re, y.re) && tolerance.admits(x.im, y.im) => Ok(()),
        (Value::List(a) | Value::Tuple(a), Value::List(b) | Value::Tuple(b)) if a.len() == b.len() => {
            a.iter().zip(b).try_for_each(|(a, b)| values(a, b, tolerance))
        }
        (Value::Int(x), Value::Int(y)) => {
            if x == y {
                Ok(())
            } else {
                differ()
            }
        }
        (x, Value::Bool(_) | Value::Int(_) | Value::Float(_)) => match (number(x), number(y)) {
            (Some(x), Some(y)) if tolerance.admits(x, y) => Ok(()),
            _ => differ(),
        },
        _ => differ(),
    }
}

/// A value for a message.
fn describe(v: &Value) -> String {
    match v {
        Value::Tensor(t) if t.numel() > 8 => format!("{}{:?}", t.dtype(), t.shape()),
        Value::Tensor(t) => match elements(t) {
            Ok(Elements::Exact(x)) => format!("{}{:?} {x:?}", t.dtype(), t.shape()),
            Ok(Elements::Close(x)) => format!("{}{:?} {x:?}", t.dtype(), t.shape()),
            Err(e) => e,
        },
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => format!("{f:?}"),
        Value::Str(s) => format!("'{s}'"),
        Value::List(items) | Value::Tuple(items) => format!("[{}]", items.iter().map(describe).collect::<Vec<_>>().join(", ")),
        other => other.kind().to_string(),
    }
}
