//! A product added to something: `beta * self + alpha * product`.

use rushlight_backend::{DType, Error, Result, Scalar, broadcast_shapes};

use crate::Tensor;

/// A factor as numbers of this dtype are multiplied by it: integers cut it, as PyTorch does.
fn factor(scalar: Scalar, dtype: DType) -> Scalar {
    match dtype {
        DType::Bool => Scalar::Bool(scalar.to_f64() != 0.0),
        d if d.is_int() => Scalar::Int(scalar.to_i64()),
        _ => scalar,
    }
}

fn is_one(scalar: Scalar) -> bool {
    scalar == Scalar::Int(1) || scalar == Scalar::Float(1.0)
}

impl Tensor {
    /// `beta * self + alpha * product`, where self broadcasts to the product. A `beta` of 0 leaves self out, whatever it holds.
    fn plus_product(&self, op: &'static str, product: Tensor, beta: Scalar, alpha: Scalar) -> Result<Tensor> {
        let dtype = product.dtype();
        if self.dtype() != dtype {
            return Err(Error::dtype(op, format!("all tensors must have one dtype, got {} and {dtype}", self.dtype())));
        }
        let fits = broadcast_shapes(op, &[self.shape(), product.shape()]).is_ok_and(|s| s.as_slice() == product.shape());
        if !fits {
            return Err(Error::shape(op, format!("shape {:?} does not broadcast to the product's {:?}", self.shape(), product.shape())));
        }
        if op == "addr" && !dtype.is_differentiable() {
            let wrong =
                |s: &Scalar| matches!(s, Scalar::Float(_) | Scalar::Complex(_)) || (matches!(s, Scalar::Bool(_)) && dtype != DType::Bool);
            if let Some(s) = [beta, alpha].iter().find(|s| wrong(s)) {
                return Err(Error::dtype(op, format!("a factor of tensors of {dtype} must be an integer, got {s:?}")));
            }
        }
        if let Some(s) = [beta, alpha].iter().find(|s| dtype.is_int() && !s.fits(dtype)) {
            return Err(Error::value(op, format!("the factor {s:?} is out of range for {dtype}")));
        }
        let (beta, alpha) = (factor(beta, dtype), factor(alpha, dtype));
        if dtype == DType::Bool {
            let product = if alpha == Scalar::Bool(true) { product } else { product.zeros_like()? };
            return if beta == Scalar::Bool(true) { self.logical_or(&product) } else { Ok(product) };
        }
        let product = if is_one(alpha) { product } else { product.mul(alpha)? };
        match beta {
            b if b.to_f64() == 0.0 => Ok(product),
            b if is_one(b) => product.add(self),
            b => product.add(&self.mul(b)?),
        }
    }

    /// `beta * self + alpha * (a @ b)` for matrices; self broadcasts. PyTorch's defaults are 1 and 1.
    ///
    /// # Errors
    /// If the matrices do not fit, self does not broadcast to their product, or dtypes differ.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let a = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]])?;
    /// let bias = Tensor::new(&[10.0f32, 20.0])?;
    /// assert_eq!(bias.addmm(&a, &a, 1, 2)?.to_vec::<f32>()?, [24.0, 40.0, 40.0, 64.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn addmm(&self, a: &Tensor, b: &Tensor, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Result<Tensor> {
        self.plus_product("addmm", a.product_of_rank("addmm", 2, b)?, beta.into(), alpha.into())
    }

    /// `beta * self + alpha * (matrix @ vector)`; self broadcasts.
    ///
    /// # Errors
    /// As [`addmm`](Tensor::addmm).
    pub fn addmv(&self, matrix: &Tensor, vector: &Tensor, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Result<Tensor> {
        self.plus_product("addmv", matrix.mv(vector)?, beta.into(), alpha.into())
    }

    /// `beta * self + alpha * outer(x, y)`; self broadcasts.
    ///
    /// # Errors
    /// If x and y are not vectors, self does not broadcast to their outer product, or dtypes differ.
    pub fn addr(&self, x: &Tensor, y: &Tensor, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Result<Tensor> {
        self.plus_product("addr", x.outer(y)?, beta.into(), alpha.into())
    }

    /// `beta * self + alpha * (a @ b)` for two batches of matrices of the same size; self broadcasts.
    ///
    /// # Errors
    /// As [`addmm`](Tensor::addmm).
    pub fn baddbmm(&self, a: &Tensor, b: &Tensor, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Result<Tensor> {
        self.plus_product("baddbmm", a.product_of_rank("baddbmm", 3, b)?, beta.into(), alpha.into())
    }

    /// `beta * self + alpha * sum(a @ b)`, the sum of all products of two batches of matrices; self broadcasts.
    ///
    /// # Errors
    /// As [`addmm`](Tensor::addmm).
    pub fn addbmm(&self, a: &Tensor, b: &Tensor, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Result<Tensor> {
        let products = a.product_of_rank("addbmm", 3, b)?;
        let sum = products.sum_as(0, false, products.dtype())?;
        self.plus_product("addbmm", sum, beta.into(), alpha.into())
    }
}
