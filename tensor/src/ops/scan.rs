//! Running along a dimension: cumulative sums and their like, differences, integrals.

use rushlight_backend::op::{Scan, ScanKind};
use rushlight_backend::{DType, Error, Result, Scalar, normalize_dim, normalize_dims};

use crate::{IntoSizes, Tensor, Tensors, apply};

fn no_booleans(op: &'static str, dtype: DType) -> Result<()> {
    if dtype == DType::Bool { Err(Error::dtype(op, "is not made in bool")) } else { Ok(()) }
}

impl Tensor {
    fn scan(&self, kind: ScanKind, op: &'static str, dim: isize, reverse: bool) -> Result<Tensors> {
        let dim = normalize_dim(op, dim, self.dim())?;
        let scan = Scan { kind, dim, reverse };
        if self.dim() > 0 {
            return apply(scan, [self]);
        }
        apply(scan, [self.reshape(1)?])?.iter().map(|y| y.reshape(())).collect()
    }

    fn scan1(&self, kind: ScanKind, op: &'static str, dim: isize, reverse: bool) -> Result<Tensor> {
        Ok(self.scan(kind, op, dim, reverse)?.swap_remove(0))
    }

    fn summable(&self) -> Result<Tensor> {
        if self.dtype().is_differentiable() { Ok(self.clone()) } else { self.to_dtype(DType::I64) }
    }

    /// The sums of the elements of a dimension up to each. Integers and booleans give int64.
    ///
    /// # Errors
    /// If the dimension does not exist.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// assert_eq!(Tensor::new(&[1.0f32, 2.0, 3.0])?.cumsum(0)?.to_vec::<f32>()?, [1.0, 3.0, 6.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn cumsum(&self, dim: isize) -> Result<Tensor> {
        self.summable()?.scan1(ScanKind::Sum, "cumsum", dim, false)
    }

    /// As [`cumsum`](Tensor::cumsum) in another dtype: the elements are converted first.
    ///
    /// # Errors
    /// If the dimension does not exist.
    pub fn cumsum_as(&self, dim: isize, dtype: DType) -> Result<Tensor> {
        no_booleans("cumsum", dtype)?;
        self.to_dtype(dtype)?.cumsum(dim)?.to_dtype(dtype)
    }

    /// The sums of the elements of a dimension from each to the last.
    ///
    /// # Errors
    /// If the dimension does not exist.
    pub fn cumsum_reverse(&self, dim: isize) -> Result<Tensor> {
        self.summable()?.scan1(ScanKind::Sum, "cumsum", dim, true)
    }

    /// The products of the elements of a dimension up to each. Integers and booleans give int64.
    ///
    /// # Errors
    /// If the dimension does not exist.
    pub fn cumprod(&self, dim: isize) -> Result<Tensor> {
        self.summable()?.scan1(ScanKind::Prod, "cumprod", dim, false)
    }

    /// As [`cumprod`](Tensor::cumprod) in another dtype: the elements are converted first.
    ///
    /// # Errors
    /// If the dimension does not exist.
    pub fn cumprod_as(&self, dim: isize, dtype: DType) -> Result<Tensor> {
        no_booleans("cumprod", dtype)?;
        self.to_dtype(dtype)?.cumprod(dim)?.to_dtype(dtype)
    }

    /// The logarithms of the sums of exponentials of the elements of a dimension up to each, without overflow.
    ///
    /// # Errors
    /// If the dimension does not exist or the tensor is not floating point (real).
    pub fn logcumsumexp(&self, dim: isize) -> Result<Tensor> {
        self.scan1(ScanKind::LogSumExp, "logcumsumexp", dim, false)
    }

    fn running(&self, kind: ScanKind, op: &'static str, dim: isize) -> Result<(Tensor, Tensor)> {
        let mut both = self.scan(kind, op, dim, false)?;
        let indices = both.swap_remove(1);
        Ok((both.swap_remove(0), indices))
    }

    /// The largest of the elements of a dimension up to each, and its place (the last of equals): values, indices.
    ///
    /// # Errors
    /// If the dimension does not exist, or the tensor is complex.
    pub fn cummax(&self, dim: isize) -> Result<(Tensor, Tensor)> {
        self.running(ScanKind::Max, "cummax", dim)
    }

    /// The smallest of the elements of a dimension up to each, and its place (the last of equals): values, indices.
    ///
    /// # Errors
    /// If the dimension does not exist, or the tensor is complex.
    pub fn cummin(&self, dim: isize) -> Result<(Tensor, Tensor)> {
        self.running(ScanKind::Min, "cummin", dim)
    }

    /// A linear recurrence along a dimension, `y[i] = factors[i] * y[i - 1] + self[i]`, with nothing before the first; `reverse` runs from the
    /// last element to the first.
    ///
    /// # Errors
    /// If the shapes or dtypes differ, or they are not floating point or complex.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let (a, b) = (Tensor::new(&[9.0f32, 0.5, 0.5])?, Tensor::new(&[8.0f32, 1.0, 1.0])?);
    /// assert_eq!(b.recurrence(&a, 0, false)?.to_vec::<f32>()?, [8.0, 5.0, 3.5]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn recurrence(&self, factors: &Tensor, dim: isize, reverse: bool) -> Result<Tensor> {
        if self.dim() == 0 {
            return self.reshape(1)?.recurrence(&factors.reshape(1)?, dim, reverse)?.reshape(());
        }
        let dim = normalize_dim("recurrence", dim, self.dim())?;
        Ok(apply(Scan { kind: ScanKind::Recurrence, dim, reverse }, [factors, self])?.swap_remove(0))
    }

    /// Differences of neighbours along a dimension, `n` times; `prepend` and `append` are joined to its ends first. Of booleans: whether they differ.
    ///
    /// # Errors
    /// If the dimension does not exist, there is none, or shapes do not fit.
    pub fn diff(&self, n: usize, dim: isize, prepend: Option<&Tensor>, append: Option<&Tensor>) -> Result<Tensor> {
        if self.dim() == 0 {
            return Err(Error::shape("diff", "wants at least one dimension"));
        }
        normalize_dim("diff", dim, self.dim())?;
        if n == 0 {
            return Ok(self.clone());
        }
        let mut x = self.clone();
        if prepend.is_some() || append.is_some() {
            let parts: Vec<&Tensor> = prepend.into_iter().chain([self]).chain(append).collect();
            x = Tensor::cat(&parts, dim)?;
        }
        for _ in 0..n.min(x.size(dim)?) {
            let len = x.size(dim)?.saturating_sub(1);
            let (low, high) = (x.narrow(dim, 0, len)?, x.narrow(dim, x.size(dim)?.min(1) as isize, len)?);
            x = if x.dtype() == DType::Bool { high.ne(&low)? } else { high.sub(&low)? };
        }
        Ok(x)
    }

    /// Neighbours along a dimension, summed, and the distances between them.
    fn trapezoids(&self, op: &'static str, spacing: &Spacing<'_>, dim: isize) -> Result<Tensor> {
        if self.dim() == 0 {
            return Err(Error::shape(op, "wants at least one dimension"));
        }
        if self.dtype() == DType::Bool || matches!(spacing, Spacing::At(x) if x.dtype() == DType::Bool) {
            return Err(Error::dtype(op, "does not take booleans"));
        }
        let d = normalize_dim(op, dim, self.dim())?;
        let n = self.shape()[d];
        let len = n.saturating_sub(1);
        let sums = self.narrow(dim, n.min(1) as isize, len)?.add(&self.narrow(dim, 0, len)?)?;
        match spacing {
            Spacing::Even(dx) => sums.mul(*dx)?.div(2.0),
            Spacing::At(x) => {
                // A vector of places belongs to the dimension.
                let places = if x.dim() == 1 && self.dim() != 1 {
                    if x.numel() != n {
                        return Err(Error::shape(op, format!("{} places for {n} values", x.numel())));
                    }
                    let mut shape = vec![1; self.dim()];
                    shape[d] = n;
                    x.reshape(shape)?
                } else {
                    let mut x = (*x).clone();
                    while x.dim() < self.dim() {
                        x = x.unsqueeze(0)?;
                    }
                    x
                };
                let m = places.size(d as isize)?;
                let distances = places.narrow(d as isize, m.min(1) as isize, m.saturating_sub(1))?.sub(&places.narrow(
                    d as isize,
                    0,
                    m.saturating_sub(1),
                )?)?;
                distances.mul(&sums)?.div(2.0)
            }
        }
    }

    /// The integral along a dimension by the trapezoidal rule.
    ///
    /// # Errors
    /// If the dimension does not exist or the places do not fit.
    pub fn trapezoid<'a>(&self, spacing: impl Into<Spacing<'a>>, dim: isize) -> Result<Tensor> {
        let spacing = spacing.into();
        if self.dim() > 0 && self.size(dim)? == 0 {
            return self.sum_dim(dim, false)?.to_dtype(self.div(2.0)?.dtype());
        }
        self.trapezoids("trapezoid", &spacing, dim)?.sum_dim(dim, false)
    }

    /// The integrals along a dimension from its first element to each of the others.
    ///
    /// # Errors
    /// As [`trapezoid`](Tensor::trapezoid).
    pub fn cumulative_trapezoid<'a>(&self, spacing: impl Into<Spacing<'a>>, dim: isize) -> Result<Tensor> {
        self.trapezoids("cumulative_trapezoid", &spacing.into(), dim)?.cumsum(dim)
    }

    /// The derivative along each of some dimensions, estimated by central differences, and at the ends by one-sided ones of `edge_order` 1 or 2. No
    /// dimensions means all. `spacing` has one entry for each dimension; none means 1 everywhere.
    ///
    /// # Errors
    /// If a dimension does not exist or is too small, or the spacing does not fit.
    pub fn gradient(&self, spacing: &[Spacing<'_>], dims: impl IntoSizes, edge_order: usize) -> Result<Vec<Tensor>> {
        let op = "gradient";
        if self.dtype() == DType::Bool {
            return Err(Error::dtype(op, "does not take booleans"));
        }
        let dims = dims.into_sizes();
        let dims = if dims.is_empty() { (0..self.dim()).collect() } else { normalize_dims(op, &dims, self.dim())? };
        if !(1..=2).contains(&edge_order) {
            return Err(Error::value(op, format!("edge_order must be 1 or 2, got {edge_order}")));
        }
        if !(spacing.is_empty() || spacing.len() == dims.len()) {
            return Err(Error::value(op, format!("{} spacings for {} dimensions", spacing.len(), dims.len())));
        }
        let unit = Spacing::Even(Scalar::Int(1));
        dims.iter().enumerate().map(|(i, &d)| self.slope(spacing.get(i).unwrap_or(&unit), d, edge_order)).collect()
    }

    fn slope(&self, spacing: &Spacing<'_>, dim: usize, edge_order: usize) -> Result<Tensor> {
        let n = self.size(dim as isize)?;
        if n <= edge_order {
            return Err(Error::shape(
                "gradient",
                format!("dimension {dim} of {:?} must have at least {} elements", self.shape(), edge_order + 1),
            ));
        }
        let x = if self.dtype().is_differentiable() { self.clone() } else { self.to_dtype(crate::default_dtype())? };
        let d = dim as isize;
        let part = |start: usize, len: usize| x.narrow(d, start as isize, len);
        // Distances between neighbours, broadcasting over the other dimensions.
        let distances = match spacing {
            Spacing::Even(h) => Tensor::full(n - 1, *h, (x.dtype(), x.device()))?,
            Spacing::At(places) => {
                if places.dim() != 1 || places.numel() != n {
                    return Err(Error::shape("gradient", format!("places of shape {:?} for a dimension of size {n}", places.shape())));
                }
                places.diff(1, 0, None, None)?
            }
        };
        let mut shape = vec![1; self.dim()];
        shape[dim] = n - 1;
        let distances = distances.reshape(shape)?;
        let h = |start: usize, len: usize| distances.narrow(d, start as isize, len);
        let mut parts = Vec::new();
        let one_sided = |i: usize, j: usize, k: usize| -> Result<Tensor> { part(i, 1)?.sub(&part(j, 1)?)?.div(&h(k, 1)?) };
        let inner = if n > 2 {
            // By the formula for uneven places: weights of the left, the middle and the right element.
            let (left, right) = (h(0, n - 2)?, h(1, n - 2)?);
            let both = left.add(&right)?;
            let a = right.neg()?.div(&left.mul(&both)?)?;
            let b = right.sub(&left)?.div(&left.mul(&right)?)?;
            let c = left.div(&right.mul(&both)?)?;
            Some(a.mul(&part(0, n - 2)?)?.add(&b.mul(&part(1, n - 2)?)?)?.add(&c.mul(&part(2, n - 2)?)?)?)
        } else {
            None
        };
        // The slope at the end of a parabola through three elements; `p` lies at the end, with the distances `h1` beside it and `h2` behind.
        let parabola = |p: [usize; 3], h1: Tensor, h2: Tensor| -> Result<Tensor> {
            let both = h1.add(&h2)?;
            let a = h1.mul(2)?.add(&h2)?.div(&h1.mul(&both)?)?.neg()?;
            let b = both.div(&h1.mul(&h2)?)?;
            let c = h1.div(&h2.mul(&both)?)?.neg()?;
            a.mul(&part(p[0], 1)?)?.add(&b.mul(&part(p[1], 1)?)?)?.add(&c.mul(&part(p[2], 1)?)?)
        };
        if edge_order == 1 {
            parts.push(one_sided(1, 0, 0)?);
            parts.extend(inner);
            parts.push(one_sided(n - 1, n - 2, n - 2)?);
        } else {
            parts.push(parabola([0, 1, 2], h(0, 1)?, h(1, 1)?)?);
            parts.extend(inner);
            parts.push(parabola([n - 1, n - 2, n - 3], h(n - 2, 1)?, h(n - 3, 1)?)?.neg()?);
        }
        Tensor::cat(&parts, d)
    }
}

/// The distances of values along a dimension.
#[derive(Clone, Copy)]
pub enum Spacing<'a> {
    /// All the same.
    Even(Scalar),
    /// The values' places: a vector, or a tensor that broadcasts with the values.
    At(&'a Tensor),
}

impl<'a> From<&'a Tensor> for Spacing<'a> {
    fn from(places: &'a Tensor) -> Spacing<'a> {
        Spacing::At(places)
    }
}

impl<S: Into<Scalar>> From<S> for Spacing<'_> {
    fn from(distance: S) -> Self {
        Spacing::Even(distance.into())
    }
}
