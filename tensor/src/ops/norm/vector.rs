//! Vectors divided by their norm, and what is made of norms: distances, similarity, normalisation across channels.

use rushlight_backend::{DType, Error, Result, broadcast_shapes, normalize_dim, normalize_dims};

use crate::ops::reduce::norm::distance;
use crate::{IntoSizes, Tensor};

/// The p-norm over dimensions, of which a 0-d tensor has none.
fn p_norm(x: &Tensor, p: f64, dims: &[isize], keepdim: bool) -> Result<Tensor> {
    if x.dim() == 0 { x.vector_norm(p, (), keepdim) } else { x.vector_norm(p, dims, keepdim) }
}

/// The value of `clamped` with the derivative of `x`: so PyTorch clamps where it does not want the clamp to be seen.
pub(crate) fn unseen(x: &Tensor, clamped: &Tensor) -> Result<Tensor> {
    x.add(&clamped.detach().sub(&x.detach())?)
}

/// A floating-point dtype for distances: integers become the default float type.
fn common_float(op: &'static str, a: &Tensor, b: &Tensor) -> Result<DType> {
    let dtype = super::super::pointwise::common_type(&[a.into(), b.into()]);
    if dtype.is_float() {
        Ok(dtype)
    } else {
        Err(Error::dtype(op, format!("wants floating-point tensors, got {} and {}", a.dtype(), b.dtype())))
    }
}

impl Tensor {
    /// Divided by the p-norm over dimensions, or by eps where that is larger. PyTorch's defaults are p = 2, dimension 1, eps = 1e-12.
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice, or the dtype does not fit.
    pub fn normalize(&self, p: f64, dims: impl IntoSizes, eps: f64) -> Result<Tensor> {
        let dims = dims.into_sizes();
        normalize_dims("normalize", &dims, self.dim())?;
        let norm = p_norm(self, p, &dims, true)?;
        self.div(&norm.clamp(eps, None)?)
    }

    /// The cosine of the angle between vectors along a dimension; norms below eps count as eps. PyTorch's defaults are dimension 1, eps = 1e-8.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together, or the dtypes are not floating point.
    pub fn cosine_similarity(&self, other: &Tensor, dim: isize, eps: f64) -> Result<Tensor> {
        let op = "cosine_similarity";
        if eps.is_nan() || eps < 0.0 {
            return Err(Error::value(op, format!("eps must not be negative, got {eps}")));
        }
        let dtype = common_float(op, self, other)?;
        let shape = broadcast_shapes(op, &[self.shape(), other.shape()])?;
        normalize_dim(op, dim, shape.len())?;
        let unit = |x: &Tensor| -> Result<Tensor> {
            let x = x.to_dtype(dtype)?.expand(shape.as_slice())?;
            let norm = p_norm(&x, 2.0, &[dim], true)?;
            x.div(&unseen(&norm, &norm.clamp(eps, None)?)?)
        };
        let product = unit(self)?.mul(&unit(other)?)?;
        if product.dim() == 0 { Ok(product) } else { product.sum_dim(dim, false) }
    }

    /// The p-norm of `x - y + eps` along the last dimension. PyTorch's defaults are p = 2, eps = 1e-6, no keepdim.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together.
    pub fn pairwise_distance(&self, other: &Tensor, p: f64, eps: f64, keepdim: bool) -> Result<Tensor> {
        p_norm(&self.sub(other)?.add(eps)?, p, &[-1], keepdim)
    }

    /// The p-norm distances between all pairs of rows i < j of `[n, m]`: `[n (n - 1) / 2]`. PyTorch's default p is 2.
    ///
    /// # Errors
    /// If the tensor is not a floating-point matrix, or p is negative.
    pub fn pdist(&self, p: f64) -> Result<Tensor> {
        if self.dim() != 2 || !self.dtype().is_float() {
            return Err(Error::shape("pdist", format!("wants a floating-point matrix, got {} {:?}", self.dtype(), self.shape())));
        }
        check_p("pdist", p)?;
        let n = self.shape()[0] as i64;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for i in 0..n {
            for j in i + 1..n {
                first.push(i);
                second.push(j);
            }
        }
        if self.shape()[1] == 0 {
            return Tensor::zeros(first.len(), (self.dtype(), self.device()));
        }
        let rows = |index: Vec<i64>| -> Result<Tensor> {
            let len = index.len();
            self.index_select(0, &Tensor::from_vec(index, len, self.device())?)
        };
        distance(&rows(first)?.sub(&rows(second)?)?, p)
    }

    /// The p-norm distances between the rows of `[.., n, m]` and those of `[.., k, m]`: `[.., n, k]`; batch dimensions are broadcast. PyTorch's default p is 2.
    /// Euclidean distances of more than 25 rows are computed by a matrix product.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or p is negative.
    pub fn cdist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        let op = "cdist";
        if self.dim() < 2 || other.dim() < 2 || self.size(-1)? != other.size(-1)? {
            return Err(Error::shape(
                op,
                format!("wants [.., n, m] and [.., k, m] with one m, got {:?} and {:?}", self.shape(), other.shape()),
            ));
        }
        if !self.dtype().is_float() || self.dtype() != other.dtype() {
            return Err(Error::dtype(op, format!("wants floating-point tensors of one dtype, got {} and {}", self.dtype(), other.dtype())));
        }
        check_p(op, p)?;
        let (x, y) = (self, other);
        let (n, k) = (x.size(-2)?, y.size(-2)?);
        if x.size(-1)? == 0 {
            // The norm of nothing, also where it is the largest of nothing.
            return x.matmul(&y.transpose(-1, -2)?);
        }
        if p == 2.0 && (n > 25 || k > 25) {
            let squares = |t: &Tensor| t.square()?.sum_dim(-1, true);
            let sum = squares(x)?.add(&squares(y)?.transpose(-1, -2)?)?;
            let squared = sum.sub(&x.matmul(&y.transpose(-1, -2)?)?.mul(2.0)?)?;
            let none = squared.le(0)?;
            return none.where_(&squared.zeros_like()?, &squared.masked_fill(&none, 1)?.sqrt()?);
        }
        distance(&x.unsqueeze(-2)?.sub(&y.unsqueeze(-3)?)?, p)
    }

    /// Local response normalisation of `[n, channels, ..]`: divided by `(k + alpha * mean)^beta`, with the mean of the squares over `size` neighbouring channels
    /// (zeros beyond the ends). PyTorch's defaults are alpha = 1e-4, beta = 0.75, k = 1.
    ///
    /// # Errors
    /// If there are fewer than three dimensions, or the size is 0.
    pub fn local_response_norm(&self, size: usize, alpha: f64, beta: f64, k: f64) -> Result<Tensor> {
        if self.dim() < 3 {
            return Err(Error::shape(
                "local_response_norm",
                format!("wants [n, channels, ..] of 3 dimensions or more, got {:?}", self.shape()),
            ));
        }
        if self.dtype() == DType::Bool {
            return Err(Error::dtype("local_response_norm", "does not take booleans"));
        }
        if self.numel() == 0 {
            return Ok(self.clone());
        }
        let (n, channels) = (self.shape()[0], self.shape()[1]);
        let squares = self.square()?.reshape([n, 1, channels, self.numel() / (n * channels)])?;
        let zeros = |count: usize| Tensor::zeros([n, 1, count, squares.shape()[3]], (self.dtype(), self.device()));
        let padded = Tensor::cat(&[zeros(size / 2)?, squares.clone(), zeros(size.saturating_sub(1) / 2)?], 2)?;
        let mean = padded.avg_pool2d([size as isize, 1], 1, 0, false, true, None)?.reshape(self.shape())?;
        self.div(&mean.mul(alpha)?.add(k)?.pow(beta)?)
    }
}

fn check_p(op: &'static str, p: f64) -> Result<()> {
    if p >= 0.0 { Ok(()) } else { Err(Error::value(op, format!("p must not be negative, got {p}"))) }
}
