//! Pruning: masks that hold elements of a parameter at zero. `torch.nn.utils.prune`.
//!
//! ```
//! use rushlight_nn::utils::prune::{self, Amount};
//! use rushlight_nn::{Linear, Module};
//!
//! let layer = Linear::new(4, 4)?;
//! prune::l1_unstructured(&layer.weight, Amount::Fraction(0.5))?;
//! let keys: Vec<String> = layer.state_dict().into_iter().map(|(key, _)| key).collect();
//! assert_eq!(keys, ["bias", "weight_orig", "weight_mask"]);
//! assert_eq!(layer.weight.tensor().to_vec::<f32>()?.iter().filter(|x| **x == 0.0).count(), 8);
//! prune::remove(&layer.weight)?; // for good
//! assert_eq!(layer.state_dict()[0].0, "weight");
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```

use rushlight_tensor::{DType, Error, Result, Tensor};

use super::Derived;
use crate::{Buffer, Parameter};

/// How much is pruned of what is left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// A number of elements or slices.
    Count(usize),
    /// A share of them, from 0 to 1, rounded to even.
    Fraction(f64),
}

impl Amount {
    fn of(self, op: &'static str, total: usize) -> Result<usize> {
        match self {
            Amount::Count(n) if n <= total => Ok(n),
            Amount::Count(n) => Err(Error::value(op, format!("cannot prune {n} of {total}"))),
            Amount::Fraction(f) if (0.0..=1.0).contains(&f) => Ok((f * total as f64).round_ties_even() as usize),
            Amount::Fraction(f) => Err(Error::value(op, format!("the share must lie in 0 to 1, got {f}"))),
        }
    }
}

/// Whether a parameter is pruned.
pub fn is_pruned(parameter: &Parameter) -> bool {
    matches!(parameter.derived().as_deref(), Some(Derived::Pruned { .. }))
}

/// The original and the mask of a parameter, of ones if it is not pruned yet.
fn parts(op: &'static str, parameter: &Parameter) -> Result<(Parameter, Tensor)> {
    match parameter.derived().as_deref() {
        Some(Derived::Pruned { original, mask }) => Ok((original.clone(), mask.tensor())),
        Some(Derived::Chain(_)) => Err(Error::value(op, "the parameter is parametrised")),
        None => {
            let value = parameter.try_tensor()?.with_trace(None);
            let original = Parameter::new(value.clone())?;
            original.requires_grad_(parameter.is_requires_grad());
            Ok((original, value.ones_like()?))
        }
    }
}

/// Puts a mask on a parameter, in the place of the one that it had.
fn put(parameter: &Parameter, original: Parameter, mask: Tensor) -> Result<()> {
    let value = original.try_tensor()?.with_trace(None);
    parameter.set_derived(&value, Some(Derived::Pruned { original, mask: Buffer::new(mask) }))
}

/// The elements in f64, in order.
fn numbers(x: &Tensor) -> Result<Vec<f64>> {
    x.to_dtype(DType::F64)?.to_vec()
}

fn mask_like(x: &Tensor, values: Vec<f64>) -> Result<Tensor> {
    Tensor::from_vec(values, x.shape(), x.device())?.to_dtype(x.dtype())
}

/// Takes out those of the elements that the mask has left whose score comes first.
fn unstructured(
    op: &'static str,
    parameter: &Parameter,
    amount: Amount,
    scores: impl FnOnce(&Tensor, &[usize]) -> Result<Vec<f64>>,
) -> Result<()> {
    let (original, mask) = parts(op, parameter)?;
    let value = original.try_tensor()?.with_trace(None);
    let mut keep = numbers(&mask)?;
    let left: Vec<usize> = (0..keep.len()).filter(|&i| keep[i] == 1.0).collect();
    let n = amount.of(op, left.len())?;
    for i in first(&scores(&value, &left)?, n) {
        keep[left[i]] = 0.0;
    }
    put(parameter, original, mask_like(&value, keep)?)
}

/// Places of the n lowest scores.
fn first(scores: &[f64], n: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    places.truncate(n);
    places
}

/// Prunes the elements of the smallest magnitude.
///
/// # Errors
/// If more are to be pruned than there are, or the parameter is parametrised.
pub fn l1_unstructured(parameter: &Parameter, amount: Amount) -> Result<()> {
    unstructured("l1_unstructured", parameter, amount, |value, left| {
        let all = numbers(value)?;
        Ok(left.iter().map(|&i| all[i].abs()).collect())
    })
}

/// Prunes elements at random, with numbers of the default generator.
///
/// # Errors
/// As [`l1_unstructured`].
pub fn random_unstructured(parameter: &Parameter, amount: Amount) -> Result<()> {
    unstructured("random_unstructured", parameter, amount, |value, left| {
        // Those with the largest numbers go.
        Ok(numbers(&Tensor::rand(left.len(), (value.dtype(), value.device()))?)?.into_iter().map(|x| -x).collect())
    })
}

/// Takes out whole slices along a dimension, of those of which something is left.
fn structured(
    op: &'static str,
    parameter: &Parameter,
    amount: Amount,
    dim: isize,
    scores: impl FnOnce(&Tensor, usize) -> Result<Vec<f64>>,
) -> Result<()> {
    let (original, mask) = parts(op, parameter)?;
    let value = original.try_tensor()?.with_trace(None);
    let rank = value.dim() as isize;
    if rank < 2 || dim >= rank || dim < -rank {
        return Err(Error::value(op, format!("wants a dimension of at least two, got {dim} of {:?}", value.shape())));
    }
    let d = dim.rem_euclid(rank);
    let others: Vec<isize> = (0..rank).filter(|o| *o != d).collect();
    let alive: Vec<i64> =
        numbers(&mask.sum_dim(others, false)?)?.iter().enumerate().filter(|(_, s)| **s != 0.0).map(|(i, _)| i as i64).collect();
    let n = amount.of(op, alive.len())?;
    let places = Tensor::from_vec(alive.clone(), alive.len(), value.device())?;
    let scores = scores(&value.index_select(d, &places)?, d as usize)?;
    let gone: Vec<i64> = first(&scores, n).into_iter().map(|i| alive[i]).collect();
    let gone = Tensor::from_vec(gone, n, value.device())?;
    put(parameter, original, mask.index_fill(d, &gone, 0.0)?)
}

/// Prunes the slices along a dimension whose n-norm is smallest.
///
/// # Errors
/// If more are to be pruned than there are, the dimension does not exist, or the parameter is parametrised or a vector.
pub fn ln_structured(parameter: &Parameter, amount: Amount, n: f64, dim: isize) -> Result<()> {
    structured("ln_structured", parameter, amount, dim, |value, d| {
        let others: Vec<isize> = (0..value.dim()).filter(|o| *o != d).map(|o| o as isize).collect();
        numbers(&value.vector_norm(n, others, false)?)
    })
}

/// Prunes slices along a dimension at random, with numbers of the default generator.
///
/// # Errors
/// As [`ln_structured`].
pub fn random_structured(parameter: &Parameter, amount: Amount, dim: isize) -> Result<()> {
    structured("random_structured", parameter, amount, dim, |value, d| numbers(&Tensor::rand(value.shape()[d], value.device())?))
}

/// Prunes where a mask is zero, beside what is pruned already.
///
/// # Errors
/// If the mask has another shape, or the parameter is parametrised.
pub fn custom_from_mask(parameter: &Parameter, mask: &Tensor) -> Result<()> {
    let op = "custom_from_mask";
    let (original, old) = parts(op, parameter)?;
    if mask.shape() != old.shape() {
        return Err(Error::shape(op, format!("the mask is {:?}, the parameter {:?}", mask.shape(), old.shape())));
    }
    let mask = old.mul(&mask.to_device(old.device())?.to_dtype(old.dtype())?)?;
    put(parameter, original, mask)
}

/// Puts a mask of ones on a parameter: nothing changes but its names.
///
/// # Errors
/// If the parameter is parametrised.
pub fn identity(parameter: &Parameter) -> Result<()> {
    let (original, mask) = parts("identity", parameter)?;
    put(parameter, original, mask)
}

/// Prunes the elements of the smallest magnitude among several parameters.
///
/// # Errors
/// As [`l1_unstructured`].
pub fn global_l1_unstructured(parameters: &[Parameter], amount: Amount) -> Result<()> {
    let op = "global_unstructured";
    let mut all = Vec::new();
    for p in parameters {
        let (original, mask) = parts(op, p)?;
        let value = original.try_tensor()?.with_trace(None);
        all.push((original, numbers(&mask)?, numbers(&value)?, value));
    }
    let left: Vec<(usize, usize)> = all
        .iter()
        .enumerate()
        .flat_map(|(k, (_, mask, ..))| mask.iter().enumerate().filter(|(_, m)| **m == 1.0).map(move |(i, _)| (k, i)))
        .collect();
    let n = amount.of(op, left.len())?;
    let scores: Vec<f64> = left.iter().map(|&(k, i)| all[k].2[i].abs()).collect();
    for place in first(&scores, n) {
        let (k, i) = left[place];
        all[k].1[i] = 0.0;
    }
    parameters.iter().zip(all).try_for_each(|(p, (original, mask, _, value))| put(p, original, mask_like(&value, mask)?))
}

/// Makes the zeros permanent: the parameter is an ordinary one again.
///
/// # Errors
/// If it is not pruned.
pub fn remove(parameter: &Parameter) -> Result<()> {
    if !is_pruned(parameter) {
        return Err(Error::value("prune.remove", "the parameter is not pruned"));
    }
    parameter.set_derived(&parameter.try_tensor()?.with_trace(None), None)
}
