//! Contractions of tensors, and products of many matrices.

use rushlight_backend::{Dims, Error, Result, normalize_dims};

use crate::{IntoSizes, Sizes, Tensor};

/// Which dimensions [`Tensor::tensordot`] sums over: the last `n` of the first and the first `n` of the second (from a number), or two
/// lists of as many dimensions (from a pair).
#[derive(Clone, Debug)]
pub struct ContractDims(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Last(usize),
    Pairs(Sizes, Sizes),
}

impl From<usize> for ContractDims {
    fn from(n: usize) -> ContractDims {
        ContractDims(Inner::Last(n))
    }
}

impl<A: IntoSizes, B: IntoSizes> From<(A, B)> for ContractDims {
    fn from((a, b): (A, B)) -> ContractDims {
        ContractDims(Inner::Pairs(a.into_sizes(), b.into_sizes()))
    }
}

impl Tensor {
    /// Sums of products over pairs of dimensions; the result has the remaining dimensions of the first, then those of the second.
    ///
    /// # Errors
    /// If the dimensions do not exist, are named twice, or their sizes differ (a size of 1 is repeated).
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::ones([2, 3, 4], ())?;
    /// let y = Tensor::ones([4, 3, 5], ())?;
    /// assert_eq!(x.tensordot(&y, ([1, 2], [1, 0]))?.shape(), [2, 5]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn tensordot(&self, other: &Tensor, dims: impl Into<ContractDims>) -> Result<Tensor> {
        let name = "tensordot";
        if self.dtype() != other.dtype() {
            return Err(Error::dtype(name, format!("both tensors must have one dtype, got {} and {}", self.dtype(), other.dtype())));
        }
        let (a_dims, b_dims): (Dims, Dims) = match dims.into().0 {
            Inner::Last(n) if n <= self.dim() && n <= other.dim() => ((self.dim() - n..self.dim()).collect(), (0..n).collect()),
            Inner::Last(n) => {
                let text = format!("cannot sum over {n} dimensions of {:?} and {:?}", self.shape(), other.shape());
                return Err(Error::shape(name, text));
            }
            Inner::Pairs(a, b) => (normalize_dims(name, &a, self.dim())?, normalize_dims(name, &b, other.dim())?),
        };
        if a_dims.len() != b_dims.len() {
            return Err(Error::value(name, format!("as many dimensions of both are wanted, got {} and {}", a_dims.len(), b_dims.len())));
        }
        let (mut a, mut b) = (self.clone(), other.clone());
        for (&i, &j) in a_dims.iter().zip(&b_dims) {
            match (self.shape()[i], other.shape()[j]) {
                (n, m) if n == m => {}
                (1, _) => b = b.sum_as(j as isize, true, b.dtype())?,
                (_, 1) => a = a.sum_as(i as isize, true, a.dtype())?,
                (n, m) => {
                    let text =
                        format!("sizes {n} of dimension {i} of {:?} and {m} of dimension {j} of {:?} differ", self.shape(), other.shape());
                    return Err(Error::shape(name, text));
                }
            }
        }
        let free = |x: &Tensor, dims: &Dims| -> Dims { (0..x.dim()).filter(|d| !dims.contains(d)).collect() };
        let (a_free, b_free) = (free(&a, &a_dims), free(&b, &b_dims));
        let size = |x: &Tensor, dims: &Dims| -> usize { dims.iter().map(|&d| x.shape()[d]).product() };
        let order = |first: &Dims, second: &Dims| -> Vec<usize> { first.iter().chain(second).copied().collect() };
        let shape: Vec<usize> = a_free.iter().map(|&d| a.shape()[d]).chain(b_free.iter().map(|&d| b.shape()[d])).collect();
        let left = a.permute(order(&a_free, &a_dims))?.reshape([size(&a, &a_free), size(&a, &a_dims)])?;
        let right = b.permute(order(&b_dims, &b_free))?.reshape([size(&b, &b_dims), size(&b, &b_free)])?;
        left.mm(&right)?.reshape(shape)
    }

    /// `torch.linalg.multi_dot`: the product of two or more matrices, multiplied in the order that takes the fewest operations. The first may be
    /// a vector (a row), the last too (a column).
    ///
    /// # Errors
    /// If there are fewer than two, or shapes or dtypes do not fit.
    pub fn multi_dot<T: std::borrow::Borrow<Tensor>>(tensors: &[T]) -> Result<Tensor> {
        let name = "multi_dot";
        let mut all: Vec<Tensor> = tensors.iter().map(|t| t.borrow().clone()).collect();
        let n = all.len();
        if n < 2 {
            return Err(Error::value(name, format!("wants at least two tensors, got {n}")));
        }
        let (row, column) = (all[0].dim() == 1, all[n - 1].dim() == 1);
        if row {
            all[0] = all[0].unsqueeze(0)?;
        }
        if column {
            all[n - 1] = all[n - 1].unsqueeze(1)?;
        }
        if let Some(t) = all.iter().find(|t| t.dim() != 2) {
            return Err(Error::shape(name, format!("wants matrices (the first and the last may be vectors), got {:?}", t.shape())));
        }
        if let Some(pair) = all.windows(2).find(|p| p[0].shape()[1] != p[1].shape()[0]) {
            return Err(Error::shape(name, format!("shapes {:?} and {:?} cannot be multiplied", pair[0].shape(), pair[1].shape())));
        }
        // The classical dynamic programme: cost[i][j] is that of the product of matrices i to j, split[i][j] where it is cut.
        let sizes: Vec<usize> = all.iter().map(|t| t.shape()[0]).chain([all[n - 1].shape()[1]]).collect();
        let mut cost = vec![vec![0f64; n]; n];
        let mut split = vec![vec![0usize; n]; n];
        for len in 1..n {
            for i in 0..n - len {
                let j = i + len;
                cost[i][j] = f64::INFINITY;
                for k in i..j {
                    let c = cost[i][k] + cost[k + 1][j] + sizes[i] as f64 * sizes[k + 1] as f64 * sizes[j + 1] as f64;
                    if c < cost[i][j] {
                        (cost[i][j], split[i][j]) = (c, k);
                    }
                }
            }
        }
        let mut product = chain(&all, &split, 0, n - 1)?;
        if column {
            product = product.squeeze_dim(1)?;
        }
        if row { product.squeeze_dim(0) } else { Ok(product) }
    }
}

fn chain(all: &[Tensor], split: &[Vec<usize>], i: usize, j: usize) -> Result<Tensor> {
    if i == j {
        return Ok(all[i].clone());
    }
    let k = split[i][j];
    chain(all, split, i, k)?.mm(&chain(all, split, k + 1, j)?)
}
