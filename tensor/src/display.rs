//! Printing, as PyTorch prints: four digits after the point, scientific notation where magnitudes differ much, lines of 80 characters, and of more than a
//! thousand elements the edges alone.

use std::fmt::{self, Write};

use rushlight_backend::DType;

use crate::{Complex64, Result, Tensor, default_dtype};

/// Rows and columns shown from each end of a long dimension.
const EDGE: usize = 3;
/// More elements than this are summarised.
const THRESHOLD: usize = 1000;
/// Characters of a line.
const LINE: usize = 80;
/// What stands before the elements; further lines are indented by as much.
const PREFIX: &str = "tensor(";

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}{:?}, {})", self.dtype(), self.shape(), self.device())
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Inside of `vmap` all samples are shown.
        let text = match text(&self.all_values()) {
            Ok(text) => text,
            Err(_) => "?".into(),
        };
        // What the last line is long, with its end and the closing bracket.
        let mut used = text.rfind('\n').map_or(PREFIX.len() + text.len() + 2, |i| text.len() - i + 1);
        f.write_str(PREFIX)?;
        f.write_str(&text)?;
        for suffix in suffixes(self) {
            if used + suffix.len() + 2 > LINE {
                write!(f, ",\n{:indent$}{suffix}", "", indent = PREFIX.len())?;
                used = PREFIX.len() + suffix.len();
            } else {
                write!(f, ", {suffix}")?;
                used += suffix.len() + 2;
            }
        }
        f.write_str(")")
    }
}

/// What stands behind the elements: whatever they do not tell.
fn suffixes(x: &Tensor) -> Vec<String> {
    let mut all = Vec::new();
    if x.device().name() != "cpu" {
        all.push(format!("device='{}'", x.device()));
    }
    if x.numel() == 0 && x.dim() != 1 {
        let sizes: Vec<String> = x.shape().iter().map(ToString::to_string).collect();
        all.push(format!("size=({})", sizes.join(", ")));
    }
    let complex = if default_dtype() == DType::F64 { DType::C128 } else { DType::C64 };
    let known = x.dtype() == default_dtype() || (x.numel() > 0 && (x.dtype() == complex || matches!(x.dtype(), DType::I64 | DType::Bool)));
    if !known {
        all.push(format!("dtype={}", x.dtype()));
    }
    all
}

/// The elements in their brackets.
fn text(x: &Tensor) -> Result<String> {
    if x.numel() == 0 {
        return Ok("[]".into());
    }
    let mut shown = x.clone();
    let short = |n: usize| x.numel() > THRESHOLD && n > 2 * EDGE;
    for (dim, &n) in x.shape().iter().enumerate().filter(|(_, n)| short(**n)) {
        let dim = dim as isize;
        shown = Tensor::cat(&[&shown.narrow(dim, 0, EDGE)?, &shown.narrow(dim, n as isize - EDGE as isize, EDGE)?], dim)?;
    }
    let cells = cells(&shown)?;
    let mut page = Page { cells: &cells.0, width: cells.1, text: String::new() };
    let dims: Vec<(usize, bool)> = x.shape().iter().zip(shown.shape()).map(|(&n, &m)| (m, short(n))).collect();
    page.write(&dims, 0, PREFIX.len());
    Ok(page.text)
}

/// Every element as text, of equal length, and the length.
fn cells(x: &Tensor) -> Result<(Vec<String>, usize)> {
    let padded = |cells: Vec<String>| {
        let width = cells.iter().map(String::len).max().unwrap_or(0);
        (cells.iter().map(|c| format!("{c:>width$}")).collect(), width)
    };
    if x.dtype() == DType::Bool {
        // As Python writes them.
        return Ok(padded(x.to_vec::<bool>()?.iter().map(|&b| if b { "True" } else { "False" }.to_string()).collect()));
    }
    if x.dtype().is_int() {
        return Ok(padded(x.to_dtype(DType::I64)?.to_vec::<i64>()?.iter().map(ToString::to_string).collect()));
    }
    if !x.dtype().is_complex() {
        let values = x.to_dtype(DType::F64)?.to_vec::<f64>()?;
        let form = Form::of(&values);
        return Ok((values.iter().map(|&v| form.write(v)).collect(), form.width));
    }
    let values = x.to_dtype(DType::C128)?.to_vec::<Complex64>()?;
    let part = |f: fn(&Complex64) -> f64| Form::of(&values.iter().map(f).collect::<Vec<_>>());
    let (re, im) = (part(|z| z.re), part(|z| z.im));
    let one = |z: &Complex64| {
        let imaginary = im.write(z.im);
        let imaginary = imaginary.trim_start();
        format!("{}{}{imaginary}j", re.write(z.re), if imaginary.starts_with('-') { "" } else { "+" })
    };
    Ok((values.iter().map(one).collect(), re.width + im.width + 1))
}

/// How the numbers of a tensor are written.
struct Form {
    /// All are whole numbers.
    whole: bool,
    scientific: bool,
    width: usize,
}

impl Form {
    fn of(values: &[f64]) -> Form {
        let mut form = Form { whole: true, scientific: false, width: 1 };
        let counted = || values.iter().copied().filter(|v| v.is_finite() && *v != 0.0);
        let (smallest, largest) = counted().fold((f64::INFINITY, 0.0f64), |(s, l), v| (s.min(v.abs()), l.max(v.abs())));
        if largest > 0.0 {
            form.whole = counted().all(|v| v.fract() == 0.0);
            form.scientific = largest / smallest > 1000.0 || largest > 1e8 || smallest < 1e-4;
            form.width = counted().map(|v| form.plain(v).len()).max().unwrap_or(1);
        }
        form
    }

    fn plain(&self, v: f64) -> String {
        match v {
            _ if v.is_nan() => "nan".into(),
            _ if v.is_infinite() => if v > 0.0 { "inf" } else { "-inf" }.into(),
            _ if self.scientific => exponent(v),
            _ if self.whole => format!("{v:.0}."),
            _ => format!("{v:.4}"),
        }
    }

    fn write(&self, v: f64) -> String {
        format!("{:>width$}", self.plain(v), width = self.width)
    }
}

/// As in C and Python, the exponent with a sign and two digits.
fn exponent(v: f64) -> String {
    let text = format!("{v:.4e}");
    let (mantissa, e) = text.split_once('e').unwrap_or((&text, "0"));
    let e: i32 = e.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if e < 0 { '-' } else { '+' }, e.abs())
}

/// The text as it grows.
struct Page<'a> {
    cells: &'a [String],
    width: usize,
    text: String,
}

impl Page<'_> {
    /// The elements of one index of the dimensions before `dims`, from cell `from` on; each dimension with its size, and whether its middle is left out.
    fn write(&mut self, dims: &[(usize, bool)], from: usize, indent: usize) {
        let Some((&(n, short), inner)) = dims.split_first() else {
            self.text.push_str(&self.cells[from]);
            return;
        };
        self.text.push('[');
        if inner.is_empty() {
            let mut row: Vec<&str> = self.cells[from..from + n].iter().map(String::as_str).collect();
            if short {
                row.insert(EDGE, " ...");
            }
            let in_line = ((LINE.saturating_sub(indent)) / (self.width + 2)).max(1);
            let lines: Vec<String> = row.chunks(in_line).map(|line| line.join(", ")).collect();
            self.text.push_str(&lines.join(&format!(",\n{:indent$}", "", indent = indent + 1)));
        } else {
            let step: usize = inner.iter().map(|d| d.0).product();
            for i in 0..n {
                if i > 0 {
                    self.next(inner.len(), indent);
                }
                if short && i == EDGE {
                    self.text.push_str("...");
                    self.next(inner.len(), indent);
                }
                self.write(inner, from + i * step, indent + 1);
            }
        }
        self.text.push(']');
    }

    /// From one item to the next: as many lines on as dimensions lie inside.
    fn next(&mut self, lines: usize, indent: usize) {
        let _ = write!(self.text, ",{:\n<lines$}{:indent$}", "", "", indent = indent + 1); // writing to a string cannot fail
    }
}
