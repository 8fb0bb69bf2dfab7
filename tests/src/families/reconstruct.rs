//! Decompositions whose factors have a free sign: the values and the product are compared, in plain loops.

use rushlight_tensor::{Complex64, Tensor};

use crate::agree::{self, Elements, Tolerance};
use crate::golden::Value;

/// The product of the factors.
type Rebuild = fn(&[&Tensor]) -> Result<Vec<f64>, String>;

/// A batch of matrices.
struct Matrices {
    rows: usize,
    cols: usize,
    values: Vec<Complex64>,
}

impl Matrices {
    fn of(t: &Tensor) -> Result<Matrices, String> {
        let [.., rows, cols] = *t.shape() else {
            return Err(format!("{:?} is not a batch of matrices", t.shape()));
        };
        let Elements::Close(x) = agree::elements(t)? else {
            return Err(format!("matrices of {}", t.dtype()));
        };
        let values = if t.dtype().is_complex() {
            x.as_chunks::<2>().0.iter().map(|[re, im]| Complex64::new(*re, *im)).collect()
        } else {
            x.into_iter().map(|re| Complex64::new(re, 0.0)).collect()
        };
        Ok(Matrices { rows, cols, values })
    }

    fn at(&self, batch: usize, i: usize, j: usize) -> Complex64 {
        self.values[(batch * self.rows + i) * self.cols + j]
    }
}

/// The numbers of a tensor of real values.
fn real(t: &Tensor) -> Result<Vec<f64>, String> {
    match agree::elements(t)? {
        Elements::Close(x) => Ok(x),
        Elements::Exact(_) => Err(format!("values of {}", t.dtype())),
    }
}

/// `U[..., :k] diag(s) W[..., :k, :]` as real and imaginary parts; W is V^H itself, or for `eigh` the conjugate transpose of U.
fn product(u: &Matrices, s: &[f64], k: usize, w: Option<&Matrices>) -> Vec<f64> {
    let cols = w.map_or(u.rows, |w| w.cols);
    let batches = s.len().checked_div(k).unwrap_or(0);
    let mut out = Vec::new();
    for b in 0..batches {
        for i in 0..u.rows {
            for j in 0..cols {
                let right = |l: usize| w.map_or_else(|| u.at(b, j, l).conj(), |w| w.at(b, l, j));
                let sum: Complex64 = (0..k).map(|l| u.at(b, i, l) * s[b * k + l] * right(l)).sum();
                out.extend([sum.re, sum.im]);
            }
        }
    }
    out
}

fn tensor(v: &Value) -> Result<&Tensor, String> {
    if let Value::Tensor(t) = v { Ok(t) } else { Err(format!("wanted a tensor, got {}", v.kind())) }
}

/// Compares the results of `svd` (U, S, Vh) or `eigh` (w, V).
///
/// # Errors
/// What differs.
pub(super) fn compare(which: &str, got: &[Value], wanted: &[Value], tolerance: Tolerance) -> Result<(), String> {
    let (got, wanted) = (got.iter().map(tensor).collect::<Result<Vec<_>, _>>()?, wanted.iter().map(tensor).collect::<Result<Vec<_>, _>>()?);
    got.iter().zip(&wanted).try_for_each(|(x, y)| agree::same_meta(x, y))?;
    let (values, rebuilt): (usize, Rebuild) = match which {
        "svd" if got.len() == 3 => (1, |t| {
            let (u, s, vh) = (Matrices::of(t[0])?, real(t[1])?, Matrices::of(t[2])?);
            Ok(product(&u, &s, t[1].shape().last().copied().unwrap_or(0), Some(&vh)))
        }),
        "eigh" if got.len() == 2 => (0, |t| {
            let (w, v) = (real(t[0])?, Matrices::of(t[1])?);
            Ok(product(&v, &w, t[0].shape().last().copied().unwrap_or(0), None))
        }),
        _ => return Err(format!("mode {which} with {} results", got.len())),
    };
    agree::tensors(got[values], wanted[values], tolerance)?;
    let (x, y) = (rebuilt(&got)?, rebuilt(&wanted)?);
    let wide = tolerance.tenfold();
    match x.iter().zip(&y).find(|(x, y)| !wide.admits(**x, **y)) {
        Some((x, y)) => Err(format!("the reconstruction differs: {x:e}, recorded {y:e}")),
        None => Ok(()),
    }
}
