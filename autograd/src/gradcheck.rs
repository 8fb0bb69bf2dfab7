//! Derivatives against finite differences, for whoever writes rules or functions of their own.

use rushlight_tensor::{DType, Error, Result, Tensor};

use crate::functional::{jvp, vjp};

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

fn numbers(t: &Tensor) -> Result<Vec<f64>> {
    t.to_vec::<f64>()
}

/// `x` with one element moved.
fn moved(x: &Tensor, element: usize, by: f64) -> Result<Tensor> {
    let mut values = numbers(x)?;
    values[element] += by;
    Tensor::from_vec(values, x.shape(), x.device())
}

/// Compares every entry of the derivatives of a function with central differences, in reverse and in forward mode.
///
/// # Errors
/// The first entry that is off: which mode, input, element and output, what was found and what was wanted. Also if an input is not `float64` (finite
/// differences say little in less), and the errors of `f`.
///
/// ```
/// use rushlight_autograd::{GradCheck, gradcheck};
/// use rushlight_tensor::Tensor;
/// gradcheck(|x| x[0].sin()?.mul(&x[1]), &[&Tensor::new([0.3f64, 1.2])?, &Tensor::new([2.0f64])?], GradCheck::default())?;
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn gradcheck(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[&Tensor], options: GradCheck) -> Result<()> {
    if let Some((i, x)) = inputs.iter().enumerate().find(|(_, x)| x.dtype() != DType::F64) {
        return Err(Error::dtype("gradcheck", format!("input {i} is {}: finite differences want float64", x.dtype())));
    }
    let plain: Vec<Tensor> = inputs.iter().map(|x| x.with_trace(None)).collect();
    let plain_refs: Vec<&Tensor> = plain.iter().collect();
    let y = f(&plain)?;
    let compare = |mode: &str, i: usize, element: usize, output: usize, got: f64, wanted: f64| {
        let fits = (got - wanted).abs() <= options.atol + options.rtol * wanted.abs();
        if fits || got.is_nan() && wanted.is_nan() {
            return Ok(());
        }
        Err(Error::autograd(
            "gradcheck",
            format!("{mode} mode: d output[{output}] / d input {i}[{element}] is {got}, finite differences give {wanted}"),
        ))
    };
    // Rows of the Jacobian by reverse mode, for all inputs at once.
    let m = y.numel();
    let mut rows = Vec::with_capacity(m);
    for output in 0..m {
        let mut seed = vec![0.0; m];
        seed[output] = 1.0;
        let (_, grads) = vjp(&f, &plain_refs, Some(&Tensor::from_vec(seed, y.shape(), y.device())?))?;
        rows.push(grads.iter().map(numbers).collect::<Result<Vec<_>>>()?);
    }
    for (i, x) in plain.iter().enumerate() {
        #[allow(clippy::needless_range_loop)] // of the inputs, not of `rows`
        for element in 0..x.numel() {
            let at = |by: f64| {
                let mut inputs = plain.clone();
                inputs[i] = moved(x, element, by)?;
                numbers(&f(&inputs)?)
            };
            let (above, below) = (at(options.eps)?, at(-options.eps)?);
            let wanted: Vec<f64> = above.iter().zip(&below).map(|(a, b)| (a - b) / (2.0 * options.eps)).collect();
            for (output, &wanted) in wanted.iter().enumerate() {
                compare("reverse", i, element, output, rows[output][i][element], wanted)?;
            }
            if options.forward {
                let mut tangents = plain.iter().map(Tensor::zeros_like).collect::<Result<Vec<_>>>()?;
                tangents[i] = moved(&tangents[i], element, 1.0)?;
                let tangents: Vec<&Tensor> = tangents.iter().collect();
                let column = numbers(&jvp(&f, &plain_refs, &tangents)?.1)?;
                for (output, (&got, &wanted)) in column.iter().zip(&wanted).enumerate() {
                    compare("forward", i, element, output, got, wanted)?;
                }
            }
        }
    }
    Ok(())
}

/// Compares the second derivatives of a function with finite differences: [`gradcheck`] of the gradients of `<cotangent, f>` for a fixed cotangent.
///
/// # Errors
/// As [`gradcheck`]; "output" counts the elements of all gradients in order.
pub fn gradgradcheck(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[&Tensor], options: GradCheck) -> Result<()> {
    let gradients = |x: &[Tensor]| {
        let refs: Vec<&Tensor> = x.iter().collect();
        let seed = {
            let plain: Vec<Tensor> = x.iter().map(|x| x.with_trace(None)).collect();
            let y = f(&plain)?;
            // Distinct numbers, so that symmetric mistakes do not cancel.
            let values = (0..y.numel()).map(|i| 0.5 + ((i * 7) % 11) as f64 / 11.0).collect();
            Tensor::from_vec::<f64>(values, y.shape(), y.device())?
        };
        let (_, grads) = vjp(&f, &refs, Some(&seed))?;
        let flat = grads.iter().map(|g| g.reshape(g.numel())).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&flat.iter().collect::<Vec<_>>(), 0)
    };
    gradcheck(gradients, inputs, options)
}
