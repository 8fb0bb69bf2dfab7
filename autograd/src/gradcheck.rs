//! Derivatives against finite differences, for whoever writes rules or functions of their own.

use rushlight_tensor::{DType, Error, Result, Tensor};

use crate::functional::{jvp, vjp};
use crate::structure::Outputs;

/// How derivatives are compared. The default is PyTorch's: steps of 1e-6, `|got - wanted| <= 1e-5 + 1e-3 |wanted|`, both modes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradCheck {
    /// The step of central differences.
    pub eps: f64,
    /// The absolute tolerance.
    pub atol: f64,
    /// The relative tolerance.
    pub rtol: f64,
    /// Whether forward mode is checked as well as reverse mode.
    pub forward: bool,
}

impl Default for GradCheck {
    fn default() -> GradCheck {
        GradCheck { eps: 1e-6, atol: 1e-5, rtol: 1e-3, forward: true }
    }
}

/// The elements, all of `float64`.
fn numbers(what: &str, i: usize, t: &Tensor) -> Result<Vec<f64>> {
    if t.dtype() != DType::F64 {
        return Err(Error::dtype("gradcheck", format!("{what} {i} is {}: finite differences want float64", t.dtype())));
    }
    t.to_vec::<f64>()
}

/// The elements of every result, one after the other.
fn flat<R: Outputs>(results: &R) -> Result<Vec<f64>> {
    let all = results.outputs().into_iter().enumerate().map(|(i, y)| numbers("result", i, y)).collect::<Result<Vec<_>>>()?;
    Ok(all.concat())
}

/// `x` with one element moved.
fn moved(x: &Tensor, element: usize, by: f64) -> Result<Tensor> {
    let mut values = x.to_vec::<f64>()?;
    values[element] += by;
    Tensor::from_vec(values, x.shape(), x.device())
}

/// An element of several tensors that lie one after the other: `1[0, 2]` is one of the second.
fn entry(shapes: &[Vec<usize>], mut element: usize) -> String {
    let mut i = 0;
    while let Some(shape) = shapes.get(i).filter(|shape| element >= shape.iter().product()) {
        element -= shape.iter().product::<usize>();
        i += 1;
    }
    let mut at: Vec<usize> = Vec::new();
    for &n in shapes[i].iter().rev() {
        at.insert(0, element % n);
        element /= n;
    }
    format!("{i}{at:?}")
}

/// Compares every entry of the derivatives of a function with central differences, in reverse and in forward mode. The function may have several results.
///
/// # Errors
/// The first entry that is off: which mode, result and input and where in them, what was found and what was wanted; and how many are off in that mode. Also if an
/// input or result is not `float64` (finite differences say little in less), and the errors of `f`.
///
/// ```
/// use rushlight_autograd::{GradCheck, gradcheck};
/// use rushlight_tensor::Tensor;
/// gradcheck(|x| x[0].sin()?.mul(&x[1]), &[&Tensor::new([0.3f64, 1.2])?, &Tensor::new([2.0f64])?], GradCheck::default())?;
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn gradcheck<R: Outputs>(f: impl Fn(&[Tensor]) -> Result<R>, inputs: &[&Tensor], options: GradCheck) -> Result<()> {
    let plain: Vec<Tensor> = inputs.iter().map(|x| x.with_trace(None)).collect();
    for (i, x) in plain.iter().enumerate() {
        numbers("input", i, x)?;
    }
    let refs: Vec<&Tensor> = plain.iter().collect();
    let results = f(&plain)?;
    let m = flat(&results)?.len();
    // Columns of the Jacobian, for all inputs one after the other.
    let columns: Vec<(usize, usize)> =
        plain.iter().enumerate().flat_map(|(i, x)| (0..x.numel()).map(move |element| (i, element))).collect();
    let mut wanted = Vec::with_capacity(columns.len());
    for &(i, element) in &columns {
        let at = |by: f64| {
            let mut inputs = plain.clone();
            inputs[i] = moved(&plain[i], element, by)?;
            let moved = flat(&f(&inputs)?)?;
            if moved.len() != m {
                let message = format!("the results have {m} elements, but {} where input {i} was moved by {by}", moved.len());
                return Err(Error::shape("gradcheck", message));
            }
            Ok(moved)
        };
        let (above, below) = (at(options.eps)?, at(-options.eps)?);
        wanted.push(above.iter().zip(&below).map(|(a, b)| (a - b) / (2.0 * options.eps)).collect::<Vec<_>>());
    }
    let shapes = |tensors: &[&Tensor]| tensors.iter().map(|t| t.shape().to_vec()).collect::<Vec<_>>();
    let (of_results, of_inputs) = (shapes(&results.outputs()), shapes(&refs));
    let compare = |mode: &str, got: &dyn Fn(usize, usize) -> f64| {
        let mut off = Vec::new();
        for (column, wanted) in wanted.iter().enumerate() {
            for (row, &wanted) in wanted.iter().enumerate() {
                let got = got(row, column);
                let fits = (got - wanted).abs() <= options.atol + options.rtol * wanted.abs() || got.is_nan() && wanted.is_nan();
                off.extend((!fits).then_some((row, column, got, wanted)));
            }
        }
        let Some(&(row, column, got, wanted)) = off.first() else { return Ok(()) };
        let (result, input) = (entry(&of_results, row), entry(&of_inputs, column));
        let message = format!("{mode} mode: d result {result} / d input {input} is {got}, finite differences give {wanted}");
        Err(Error::autograd("gradcheck", format!("{message}; {} of {} entries are off", off.len(), m * columns.len())))
    };
    let unit = |results: &[&Tensor], row: usize| {
        let mut before = 0;
        let seed = |y: &&Tensor| {
            let values = (before..before + y.numel()).map(|i| f64::from(u8::from(i == row))).collect();
            before += y.numel();
            Tensor::from_vec::<f64>(values, y.shape(), y.device())
        };
        results.iter().map(seed).collect::<Result<Vec<_>>>()
    };
    let mut rows = Vec::with_capacity(m);
    for row in 0..m {
        let seeds = results.replaced(unit(&results.outputs(), row)?, &Tensor::clone);
        rows.push(flat(&vjp(&f, &refs, Some(&seeds))?.1)?);
    }
    compare("reverse", &|row, column| rows[row][column])?;
    if options.forward {
        let directions = (0..columns.len()).map(|column| unit(&refs, column)).collect::<Result<Vec<_>>>()?;
        let tangents = directions.iter().map(|d| flat(&jvp(&f, &refs, d)?.1)).collect::<Result<Vec<_>>>()?;
        compare("forward", &|row, column| tangents[column][row])?;
    }
    Ok(())
}

/// Compares the second derivatives of a function with finite differences: [`gradcheck`] of the gradients of `<cotangent, f>` for a fixed cotangent.
///
/// # Errors
/// As [`gradcheck`]; "result i" is the gradient of input i.
pub fn gradgradcheck<R: Outputs>(f: impl Fn(&[Tensor]) -> Result<R>, inputs: &[&Tensor], options: GradCheck) -> Result<()> {
    let gradients = |x: &[Tensor]| {
        let plain: Vec<Tensor> = x.iter().map(|x| x.with_trace(None)).collect();
        let results = f(&plain)?;
        let seed = |(k, y): (usize, &Tensor)| {
            // Distinct numbers, so that symmetric mistakes do not cancel.
            let values = (0..y.numel()).map(|i| 0.5 + (((i + k) * 7) % 11) as f64 / 11.0).collect();
            Tensor::from_vec::<f64>(values, y.shape(), y.device())
        };
        let seeds = results.outputs().into_iter().enumerate().map(seed).collect::<Result<Vec<_>>>()?;
        Ok(vjp(&f, x, Some(&results.replaced(seeds, &Tensor::clone)))?.1)
    };
    gradcheck(gradients, inputs, options)
}
