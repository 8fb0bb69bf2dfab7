//! Printing.

use std::fmt;

use rushlight_backend::{DType, Scalar};

use crate::Tensor;

/// Rows and columns shown from each end of a long dimension.
const EDGE: usize = 3;
/// More elements than this are summarised.
const THRESHOLD: usize = 1000;

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}{:?}, {})", self.dtype(), self.shape(), self.device())
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cells) = cells(self) else {
            return write!(f, "tensor(?, dtype={}, device={})", self.dtype(), self.device());
        };
        let width = cells.iter().map(String::len).max().unwrap_or(0);
        f.write_str("tensor(")?;
        rows(f, self.shape(), &cells, width, 0, self.numel() > THRESHOLD)?;
        if !matches!(self.dtype(), DType::F32 | DType::I64 | DType::Bool) {
            write!(f, ", dtype={}", self.dtype())?;
        }
        if self.device().name() != "cpu" {
            write!(f, ", device='{}'", self.device())?;
        }
        f.write_str(")")
    }
}

/// Every element as text, or nothing if the values cannot be read.
fn cells(x: &Tensor) -> Option<Vec<String>> {
    let x = x.with_trace(None);
    if x.dtype() == DType::Bool {
        return Some(x.to_vec::<bool>().ok()?.iter().map(ToString::to_string).collect());
    }
    if x.dtype().is_int() {
        return Some(x.to_dtype(DType::I64).ok()?.to_vec::<i64>().ok()?.iter().map(ToString::to_string).collect());
    }
    if x.dtype().is_complex() {
        let values = x.to_dtype(DType::C128).ok()?.to_vec::<crate::Complex64>().ok()?;
        return Some(values.iter().map(|z| format!("{:.4}{:+.4}j", z.re, z.im)).collect());
    }
    let values = x.to_dtype(DType::F64).ok()?.to_vec::<f64>().ok()?;
    let sizes = || values.iter().map(|v| v.abs()).filter(|v| v.is_finite() && *v > 0.0);
    let (largest, smallest) = (sizes().fold(0.0, f64::max), sizes().fold(f64::INFINITY, f64::min));
    let scientific = largest >= 1e8 || smallest < 1e-4 || (largest > 0.0 && largest / smallest > 1000.0 && smallest < 1e-3);
    let whole = values.iter().all(|v| v.fract() == 0.0 || !v.is_finite());
    let text = |v: &f64| match Scalar::Float(*v) {
        _ if v.is_nan() => "nan".to_string(),
        _ if v.is_infinite() => (if *v > 0.0 { "inf" } else { "-inf" }).to_string(),
        _ if whole && !scientific => format!("{v:.0}."),
        _ if scientific => exponent(*v),
        _ => format!("{v:.4}"),
    };
    Some(values.iter().map(text).collect())
}

/// As in C and Python, the exponent with a sign and two digits.
fn exponent(v: f64) -> String {
    let text = format!("{v:.4e}");
    let (mantissa, e) = text.split_once('e').unwrap_or((&text, "0"));
    let e: i32 = e.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if e < 0 { '-' } else { '+' }, e.abs())
}

fn rows(f: &mut fmt::Formatter<'_>, shape: &[usize], cells: &[String], width: usize, depth: usize, summarise: bool) -> fmt::Result {
    let Some((&n, inner)) = shape.split_first() else {
        return f.write_str(&cells[0]);
    };
    let step = cells.len().checked_div(n).unwrap_or(0);
    f.write_str("[")?;
    let short = summarise && n > 2 * EDGE;
    for i in 0..n {
        if short && i == EDGE {
            f.write_str(if inner.is_empty() { ", ..." } else { ",\n" })?;
            if !inner.is_empty() {
                write!(f, "{:indent$}...", "", indent = depth + 8)?;
            }
        }
        if short && (EDGE..n - EDGE).contains(&i) {
            continue;
        }
        if i > 0 && inner.is_empty() {
            f.write_str(", ")?;
        } else if i > 0 {
            write!(f, ",{:\n<lines$}{:indent$}", "", "", lines = inner.len(), indent = depth + 8)?;
        }
        if inner.is_empty() {
            write!(f, "{:>width$}", cells[i])?;
        } else {
            rows(f, inner, &cells[i * step..(i + 1) * step], width, depth + 1, summarise)?;
        }
    }
    f.write_str("]")
}
