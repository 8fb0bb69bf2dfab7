//! Products of vectors.

use rushlight_backend::op::Matmul;
use rushlight_backend::{Error, Result, broadcast_shapes, normalize_dim};

use crate::{IntoSizes, Tensor, apply1};

impl Tensor {
    /// The product of a matrix and a vector.
    ///
    /// # Errors
    /// If they are not a matrix and a vector, the sizes do not fit, or the dtypes differ.
    pub fn mv(&self, vector: &Tensor) -> Result<Tensor> {
        if self.dim() != 2 || vector.dim() != 1 || self.shape()[1] != vector.shape()[0] {
            return Err(Error::shape(
                "mv",
                format!("wants a matrix and a vector that fit, got {:?} and {:?}", self.shape(), vector.shape()),
            ));
        }
        self.matmul(vector)
    }

    /// The inner product of two vectors of one dtype and size. Complex numbers are not conjugated.
    ///
    /// # Errors
    /// If they are not such vectors.
    pub fn dot(&self, other: &Tensor) -> Result<Tensor> {
        self.inner_of_vectors("dot", other)
    }

    /// The inner product of two vectors, the first conjugated.
    ///
    /// # Errors
    /// If they are not vectors of one dtype and size.
    pub fn vdot(&self, other: &Tensor) -> Result<Tensor> {
        self.conj()?.inner_of_vectors("vdot", other)
    }

    fn inner_of_vectors(&self, op: &'static str, other: &Tensor) -> Result<Tensor> {
        if self.dim() != 1 || other.dim() != 1 || self.shape() != other.shape() {
            return Err(Error::shape(op, format!("wants two vectors of one size, got {:?} and {:?}", self.shape(), other.shape())));
        }
        if self.dtype() != other.dtype() {
            return Err(Error::dtype(op, format!("both vectors must have one dtype, got {} and {}", self.dtype(), other.dtype())));
        }
        apply1(Matmul::Product, [&self.unsqueeze(0)?, &other.unsqueeze(1)?])?.reshape(())
    }

    /// Sums of products over the last dimension of both, every row of one with every row of the other; with a 0-d tensor the plain product.
    ///
    /// # Errors
    /// If the last sizes differ.
    pub fn inner(&self, other: &Tensor) -> Result<Tensor> {
        if self.dim() == 0 || other.dim() == 0 {
            return self.mul(other);
        }
        if self.shape().last() != other.shape().last() {
            return Err(Error::shape("inner", format!("the last sizes of {:?} and {:?} differ", self.shape(), other.shape())));
        }
        self.tensordot(other, ([-1], [-1]))
    }

    /// The products of every element of one vector with every element of the other.
    ///
    /// # Errors
    /// If they are not vectors.
    pub fn outer(&self, other: &Tensor) -> Result<Tensor> {
        if self.dim() != 1 || other.dim() != 1 {
            return Err(Error::shape("outer", format!("wants two vectors, got {:?} and {:?}", self.shape(), other.shape())));
        }
        self.unsqueeze(1)?.mul(other)
    }

    /// `torch.linalg.vecdot`: inner products along a dimension, the first factor conjugated; other dimensions broadcast. PyTorch's default
    /// dimension is -1.
    ///
    /// # Errors
    /// If the shapes do not fit or the dimension does not exist.
    pub fn vecdot(&self, other: &Tensor, dim: isize) -> Result<Tensor> {
        let size = |x: &Tensor| if x.dim() == 0 { Err(Error::shape("vecdot", "a 0-d tensor is no vector")) } else { x.size(dim) };
        if size(self)? != size(other)? {
            return Err(Error::shape("vecdot", format!("dimension {dim} of {:?} and {:?} differs", self.shape(), other.shape())));
        }
        let product = self.conj()?.mul(other)?;
        product.sum_as(dim, false, product.dtype())
    }

    /// The cross product along a dimension of size 3; other dimensions broadcast. `None` is PyTorch's old default: the first dimension of size 3.
    ///
    /// # Errors
    /// If there is no such dimension, or the shapes do not fit.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let (x, y) = (Tensor::new(&[1.0f32, 0.0, 0.0])?, Tensor::new(&[0.0f32, 1.0, 0.0])?);
    /// assert_eq!(x.cross(&y, -1)?.to_vec::<f32>()?, [0.0, 0.0, 1.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn cross(&self, other: &Tensor, dim: impl Into<Option<isize>>) -> Result<Tensor> {
        if self.dtype() != other.dtype() {
            return Err(Error::dtype("cross", format!("wants one dtype, got {} and {}", self.dtype(), other.dtype())));
        }
        if self.dim() != other.dim() {
            return Err(Error::shape("cross", format!("both need the same rank, got {:?} and {:?}", self.shape(), other.shape())));
        }
        let dim = match dim.into() {
            Some(dim) => normalize_dim("cross", dim, self.dim())?,
            None => {
                let shape = broadcast_shapes("cross", &[self.shape(), other.shape()])?;
                let three = shape.iter().position(|&n| n == 3);
                three.ok_or_else(|| Error::shape("cross", format!("no dimension of {:?} has size 3", shape.as_slice())))?
            }
        };
        if self.shape().get(dim) != Some(&3) || other.shape().get(dim) != Some(&3) {
            return Err(Error::shape("cross", format!("dimension {dim} of {:?} and {:?} must have size 3", self.shape(), other.shape())));
        }
        let dim = dim as isize;
        let part = |x: &Tensor, i: isize| x.narrow(dim, i % 3, 1);
        let parts = (0..3)
            .map(|i| part(self, i + 1)?.mul(&part(other, i + 2)?)?.sub(&part(self, i + 2)?.mul(&part(other, i + 1)?)?))
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts, dim)
    }

    /// The Kronecker product: every element of self times the whole of `other`, laid out in blocks. Missing dimensions in front count as 1.
    ///
    /// # Errors
    /// None in practice; errors of the operations are passed on.
    pub fn kron(&self, other: &Tensor) -> Result<Tensor> {
        let rank = self.dim().max(other.dim());
        let padded = |x: &Tensor| -> Vec<usize> { std::iter::repeat_n(1, rank - x.dim()).chain(x.shape().iter().copied()).collect() };
        let (a, b) = (padded(self), padded(other));
        let left: Vec<usize> = a.iter().flat_map(|&n| [n, 1]).collect();
        let right: Vec<usize> = b.iter().flat_map(|&n| [1, n]).collect();
        let sizes: Vec<usize> = a.iter().zip(&b).map(|(x, y)| x * y).collect();
        self.reshape(left.into_sizes())?.mul(&other.reshape(right.into_sizes())?)?.reshape(sizes)
    }
}
