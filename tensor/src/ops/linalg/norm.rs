//! Norms of matrices, and the two methods that choose between norms of vectors and of matrices.

use rushlight_backend::{Error, Result, normalize_dim};

use super::solve::inv_ex;
use super::spectrum::svdvals;
use super::{sizes, square};

use crate::{IntoSizes, Tensor};

/// The order of a norm. From a number: that order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NormOrder {
    /// A number, which may be infinite.
    P(f64),
    /// The Frobenius norm: the root of the sum of squares.
    Fro,
    /// The nuclear norm: the sum of the singular values.
    Nuc,
}

impl From<f64> for NormOrder {
    fn from(p: f64) -> NormOrder {
        NormOrder::P(p)
    }
}

impl From<i32> for NormOrder {
    fn from(p: i32) -> NormOrder {
        NormOrder::P(p.into())
    }
}

impl Tensor {
    /// `torch.norm`: the vector norm of order p over dimensions (none named: all), where `Fro` is order 2; `Nuc` takes matrices, over two
    /// dimensions.
    ///
    /// # Errors
    /// As [`vector_norm`](Tensor::vector_norm) and `matrix_norm`.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// assert_eq!(Tensor::new(&[3.0f32, -4.0])?.norm(1, (), false)?.item::<f32>()?, 7.0);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn norm(&self, order: impl Into<NormOrder>, dims: impl IntoSizes, keepdim: bool) -> Result<Tensor> {
        match order.into() {
            NormOrder::P(p) => self.vector_norm(p, dims, keepdim),
            NormOrder::Fro => self.vector_norm(2.0, dims, keepdim),
            NormOrder::Nuc => {
                let dims = dims.into_sizes();
                match (&dims[..], self.dim()) {
                    ([], 2) => matrix_norm(self, NormOrder::Nuc, (0, 1), keepdim),
                    ([a, b], _) => matrix_norm(self, NormOrder::Nuc, (*a, *b), keepdim),
                    _ => Err(Error::shape("norm", format!("the nuclear norm is over two dimensions of {:?}", self.shape()))),
                }
            }
        }
    }
}

/// `torch.linalg.matrix_norm` over two dimensions (PyTorch's default: the last two): `Fro`, `Nuc`, 1 and -1 (the largest and smallest sum of magnitudes of a
/// column), infinity and -infinity (of a row), 2 and -2 (the largest and smallest singular value).
///
/// # Errors
/// If the dimensions do not exist, are the same, or the order is another one.
pub fn matrix_norm(a: &Tensor, order: impl Into<NormOrder>, dims: (isize, isize), keepdim: bool) -> Result<Tensor> {
    let name = "linalg.matrix_norm";
    sizes(name, a)?;
    let (row, column) = (normalize_dim(name, dims.0, a.dim())?, normalize_dim(name, dims.1, a.dim())?);
    if row == column {
        return Err(Error::value(name, format!("wants two dimensions, got {row} twice")));
    }
    if !a.dtype().is_differentiable() {
        return Err(Error::dtype(name, format!("wants a floating-point or complex tensor, got {}", a.dtype())));
    }
    let order = order.into();
    // The largest of no magnitudes is 0.
    let most = |x: &Tensor, dim: isize, keepdim: bool| if x.size(dim)? == 0 { x.sum_dim(dim, keepdim) } else { x.amax(dim, keepdim) };
    // Sums over one of the dimensions, then an extremum over the other; both are kept until the end.
    let sums = |over: usize, of: usize, largest: bool| -> Result<Tensor> {
        let sums = a.vector_norm(1.0, over, true)?;
        if largest { most(&sums, of as isize, true) } else { sums.amin(of, true) }
    };
    let values = || -> Result<Tensor> {
        let rest = (0..a.dim()).filter(|&d| d != row && d != column);
        svdvals(&a.permute(rest.chain([row, column]).collect::<Vec<_>>())?)
    };
    let kept = match order {
        NormOrder::Fro => return a.vector_norm(2.0, [row, column], keepdim),
        NormOrder::Nuc => values()?.sum_dim(-1, false)?,
        NormOrder::P(2.0) => most(&values()?, -1, false)?,
        NormOrder::P(-2.0) => values()?.amin(-1, false)?,
        NormOrder::P(1.0) => sums(row, column, true)?,
        NormOrder::P(-1.0) => sums(row, column, false)?,
        NormOrder::P(f64::INFINITY) => sums(column, row, true)?,
        NormOrder::P(f64::NEG_INFINITY) => sums(column, row, false)?,
        NormOrder::P(p) => return Err(Error::value(name, format!("there is no matrix norm of order {p}"))),
    };
    let shape: Vec<usize> = match keepdim {
        true => (0..a.dim()).map(|d| if d == row || d == column { 1 } else { a.shape()[d] }).collect(),
        false => (0..a.dim()).filter(|&d| d != row && d != column).map(|d| a.shape()[d]).collect(),
    };
    kept.reshape(shape)
}

/// `torch.linalg.norm`: without an order the 2-norm over dimensions (or all); with one, the vector norm over one dimension (or of a vector), and the matrix
/// norm over two (or of a matrix).
///
/// # Errors
/// As [`matrix_norm`] and [`Tensor::vector_norm`], or if it is unclear which is meant.
pub fn norm(a: &Tensor, order: Option<NormOrder>, dims: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    let name = "linalg.norm";
    let vector = |order: NormOrder, dims: &[isize]| match order {
        NormOrder::P(p) => a.vector_norm(p, dims, keepdim),
        other => Err(Error::value(name, format!("{other:?} is no norm of vectors"))),
    };
    match (order, dims, a.dim()) {
        (None, dims, _) => a.vector_norm(2.0, dims.unwrap_or_default(), keepdim),
        (Some(order), Some([d]), _) => vector(order, &[*d]),
        (Some(order), Some([d, e]), _) => matrix_norm(a, order, (*d, *e), keepdim),
        (Some(order), None, 1) => vector(order, &[]),
        (Some(order), None, 2) => matrix_norm(a, order, (0, 1), keepdim),
        (Some(_), dims, rank) => {
            Err(Error::shape(name, format!("with an order it is over one or two dimensions, got {dims:?} of a tensor of {rank}")))
        }
    }
}

/// The condition number: for 2 and -2 the quotient of the largest and smallest singular value (or the other way round), else the product of the norms of
/// matrix and inverse. `None` is 2.
///
/// # Errors
/// If the matrices are not square and the order is not 2 or -2.
pub fn cond(a: &Tensor, order: Option<NormOrder>) -> Result<Tensor> {
    // Of matrices without elements it is 0, as in PyTorch.
    if matches!(sizes("linalg.cond", a)?, (0, 0)) {
        return Tensor::zeros(&a.shape()[..a.dim() - 2], (a.dtype().to_real(), a.device()));
    }
    match order.unwrap_or(NormOrder::P(2.0)) {
        NormOrder::P(p) if p.abs() == 2.0 => {
            let s = svdvals(a)?;
            let (largest, smallest) = (s.select(-1, 0)?, s.select(-1, -1)?);
            if p > 0.0 { largest.div(&smallest) } else { smallest.div(&largest) }
        }
        order => {
            square("linalg.cond", a)?;
            let (inverse, info) = inv_ex(a)?;
            let product = matrix_norm(a, order, (-2, -1), false)?.mul(&matrix_norm(&inverse, order, (-2, -1), false)?)?;
            info.eq(0)?.where_(&product, f64::INFINITY)?.to_dtype(product.dtype())
        }
    }
}
