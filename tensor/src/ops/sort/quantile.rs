//! Quantiles.

use rushlight_backend::{Error, Result, normalize_dim};

use crate::Tensor;

/// How a quantile between two elements is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantile {
    /// On the line between them.
    #[default]
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// The nearer one (of equally near ones that at an even place).
    Nearest,
    /// Half-way.
    Midpoint,
}

impl Tensor {
    /// Quantiles along a dimension (`None`: of all elements) for each of `q`, which is 0-d or a vector of numbers from 0 to 1; a vector makes a
    /// first dimension of the result. NaN if an element is NaN.
    ///
    /// # Errors
    /// If the dtypes are not the same floating-point type, `q` is out of range, or there are no elements.
    ///
    /// ```
    /// # use rushlight_tensor::{Quantile, Tensor};
    /// let x = Tensor::new(&[3.0f32, 1.0, 2.0])?;
    /// assert_eq!(x.quantile(&Tensor::new(0.25f32)?, 0, false, Quantile::Linear)?.item::<f32>()?, 1.5);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn quantile(&self, q: &Tensor, dim: impl Into<Option<isize>>, keepdim: bool, way: Quantile) -> Result<Tensor> {
        self.quantiles("quantile", q, dim.into(), keepdim, way, false)
    }

    /// As [`quantile`](Tensor::quantile), passing over NaN.
    ///
    /// # Errors
    /// As `quantile`.
    pub fn nanquantile(&self, q: &Tensor, dim: impl Into<Option<isize>>, keepdim: bool, way: Quantile) -> Result<Tensor> {
        self.quantiles("nanquantile", q, dim.into(), keepdim, way, true)
    }

    fn quantiles(&self, op: &'static str, q: &Tensor, dim: Option<isize>, keepdim: bool, way: Quantile, skip_nan: bool) -> Result<Tensor> {
        if !self.dtype().is_float() || q.dtype() != self.dtype() {
            return Err(Error::dtype(op, format!("wants floating-point tensors of one dtype, got {} and {}", self.dtype(), q.dtype())));
        }
        if q.dim() > 1 {
            return Err(Error::shape(op, format!("q must be 0-d or a vector, got {:?}", q.shape())));
        }
        if self.numel() == 0 {
            return Err(Error::value(op, "there are no elements"));
        }
        let all = q.all_values();
        if all.ge(0)?.logical_and(&all.le(1)?)?.all()?.to_f64()? == 0.0 {
            return Err(Error::value(op, "q must lie between 0 and 1"));
        }
        // Rows last, and one more dimension where only one element is meant.
        let rows = match dim {
            None => self.reshape(-1)?,
            Some(d) if self.dim() == 0 => {
                normalize_dim(op, d, 0)?;
                self.reshape(1)?
            }
            Some(d) => self.transpose(d, -1)?,
        };
        let n = *rows.shape().last().unwrap_or(&1);
        let sorted = rows.sort(-1, false)?.0;
        let plain = sorted.detach();
        let ranks = if skip_nan {
            let counts = plain.isnan()?.logical_not()?.sum_dim(-1, true)?.to_dtype(q.dtype())?;
            let ranks = q.mul(&counts.sub(1)?)?;
            ranks.lt(0)?.where_(0, &ranks)?
        } else {
            let ranks = q.mul((n - 1) as f64)?;
            let nan = plain.narrow(-1, n as isize - 1, 1)?.isnan()?;
            nan.where_((n - 1) as f64, &ranks)?
        };
        let place = |r: &Tensor| r.detach().to_dtype(crate::DType::I64);
        let (below, above) = (ranks.floor()?, ranks.ceil()?);
        let low = sorted.gather(-1, &place(&below)?)?;
        let result = match way {
            Quantile::Lower => low,
            Quantile::Higher => sorted.gather(-1, &place(&above)?)?,
            Quantile::Nearest => sorted.gather(-1, &place(&ranks.round()?)?)?,
            Quantile::Linear | Quantile::Midpoint => {
                let high = sorted.gather(-1, &place(&above)?)?;
                let weight = if way == Quantile::Linear { ranks.sub(&below)? } else { ranks.full_like(0.5)? };
                low.add(&weight.mul(&high.sub(&low)?)?)?
            }
        };
        let result = match dim {
            Some(d) if self.dim() > 0 => {
                // The quantiles go to the front, and the row, of size 1 now, back to its place.
                let d = rushlight_backend::normalize_dim(op, d, self.dim())? as isize + 1;
                let kept = result.unsqueeze(-1)?.movedim(-2, 0)?.transpose(d, -1)?;
                if keepdim { kept } else { kept.squeeze_dim(d)? }
            }
            _ if keepdim => {
                let mut shape = vec![result.numel()];
                shape.extend(std::iter::repeat_n(1, self.dim()));
                result.reshape(shape)?
            }
            _ => result,
        };
        if q.dim() == 0 { result.squeeze_first() } else { Ok(result) }
    }

    /// The first dimension, of size 1, dropped.
    fn squeeze_first(&self) -> Result<Tensor> {
        self.reshape(&self.shape()[1..])
    }
}
