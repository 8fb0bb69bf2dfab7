//! Counting: histograms.

use rushlight_backend::{DType, Error, Result};

use crate::Tensor;

impl Tensor {
    /// How often each number from 0 on occurs in a vector of non-negative integers, or the sums of the weights of its occurrences. The result has at least
    /// `minlength` elements.
    ///
    /// # Errors
    /// If the tensor is not such a vector, or the weights have another shape.
    pub fn bincount(&self, weights: Option<&Tensor>, minlength: usize) -> Result<Tensor> {
        let op = "bincount";
        if self.dim() != 1 || !self.dtype().is_int() {
            return Err(Error::shape(op, format!("wants a vector of integers, got {} {:?}", self.dtype(), self.shape())));
        }
        if let Some(w) = weights.filter(|w| w.shape() != self.shape()) {
            return Err(Error::shape(op, format!("weights of shape {:?} for {:?}", w.shape(), self.shape())));
        }
        let x = self.to_dtype(DType::I64)?;
        let mut len = minlength;
        if x.numel() > 0 {
            if x.min()?.item::<i64>()? < 0 {
                return Err(Error::value(op, "numbers must not be negative"));
            }
            len = len.max(x.max()?.item::<i64>()? as usize + 1);
        }
        let source = match weights {
            None => x.ones_like()?,
            Some(w) if w.dtype() == DType::F32 => w.with_trace(None),
            Some(w) => w.with_trace(None).to_dtype(DType::F64)?,
        };
        Tensor::zeros(len, (source.dtype(), x.device()))?.index_add(0, &x, &source)
    }

    /// How many elements lie in each of `bins` bins of equal width between `min` and `max` (both 0: the smallest and the largest element); others are
    /// passed over. In this tensor's dtype.
    ///
    /// # Errors
    /// If there are no bins, the bounds are not finite or in the wrong order, or the tensor is not floating point.
    pub fn histc(&self, bins: usize, min: f64, max: f64) -> Result<Tensor> {
        let op = "histc";
        let x = self.with_trace(None).reshape(-1)?;
        if bins == 0 || !(self.dtype().is_float() || self.dtype().is_int()) {
            return Err(Error::value(op, format!("wants at least one bin and numbers, got {bins} and {}", self.dtype())));
        }
        let (low, high) = x.bounds(op, min, max, 1.0)?;
        let wide = x.to_dtype(DType::F64)?;
        let inside = wide.ge(low)?.logical_and(&wide.le(high)?)?;
        let wide = wide.masked_select(&inside)?;
        let places = wide.sub(low)?.mul(bins as f64)?.div(high - low)?.to_dtype(DType::I64)?.clamp(None, bins as f64 - 1.0)?;
        Tensor::zeros(bins, (self.dtype(), self.device()))?.index_add(
            0,
            &places,
            &Tensor::ones((), (self.dtype(), self.device()))?.expand(places.shape())?,
        )
    }

    /// The range of a histogram: as given, or of the elements, and with a margin where it would be empty.
    fn bounds(&self, op: &'static str, min: f64, max: f64, margin: f64) -> Result<(f64, f64)> {
        let (mut low, mut high) = (min, max);
        if low == high && self.numel() > 0 {
            (low, high) = (self.min()?.to_f64()?, self.max()?.to_f64()?);
        }
        if low == high {
            (low, high) = (low - margin, high + margin);
        }
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(Error::value(op, format!("wants finite bounds in order, got {low} and {high}")));
        }
        Ok((low, high))
    }

    /// How many elements (or which sum of weights) lie between neighbours of ascending `edges`: each bin has its lower edge, the last one both.
    /// `density` divides by the total and the width of each bin. PyTorch's `histogram` with tensor bins.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or there are fewer than two edges.
    pub fn histogram(&self, edges: &Tensor, weight: Option<&Tensor>, density: bool) -> Result<Tensor> {
        let op = "histogram";
        if edges.dim() != 1 || edges.numel() < 2 || edges.dtype() != self.dtype() || !self.dtype().is_float() {
            return Err(Error::shape(
                op,
                format!(
                    "wants a vector of at least two edges and elements of one floating-point dtype, got {} {:?}",
                    edges.dtype(),
                    edges.shape()
                ),
            ));
        }
        if let Some(w) = weight.filter(|w| w.shape() != self.shape() || w.dtype() != self.dtype()) {
            return Err(Error::shape(op, format!("weights {} {:?} for {} {:?}", w.dtype(), w.shape(), self.dtype(), self.shape())));
        }
        let (x, edges) = (self.with_trace(None).reshape(-1)?, edges.with_trace(None));
        let bins = edges.numel() - 1;
        let inside = x.ge(&edges.narrow(0, 0, 1)?)?.logical_and(&x.le(&edges.narrow(0, bins as isize, 1)?)?)?;
        let weights = weight.map_or_else(|| x.ones_like(), |w| w.with_trace(None).reshape(-1))?.masked_select(&inside)?;
        let places = edges.searchsorted(&x.masked_select(&inside)?, true, None)?.sub(1)?.clamp(None, bins as f64 - 1.0)?;
        let counts = Tensor::zeros(bins, (x.dtype(), x.device()))?.index_add(0, &places, &weights)?;
        if density { counts.div(&counts.sum()?.mul(&edges.diff(1, 0, None, None)?)?) } else { Ok(counts) }
    }

    /// As [`histogram`](Tensor::histogram) with `bins` bins of equal width over a range (`None`: from the smallest to the largest element).
    /// Returns counts and edges.
    ///
    /// # Errors
    /// As `histogram`, and if the range is not finite or in the wrong order.
    pub fn histogram_bins(
        &self,
        bins: usize,
        range: Option<(f64, f64)>,
        weight: Option<&Tensor>,
        density: bool,
    ) -> Result<(Tensor, Tensor)> {
        if bins == 0 {
            return Err(Error::value("histogram", "wants at least one bin"));
        }
        // Without elements there is no range to find.
        let (low, high) = range.unwrap_or(if self.numel() == 0 { (0.0, 1.0) } else { (0.0, 0.0) });
        let (low, high) = self.with_trace(None).bounds("histogram", low, high, 0.5)?;
        let edges = Tensor::linspace(low, high, bins + 1, (self.dtype(), self.device()))?;
        Ok((self.histogram(&edges, weight, density)?, edges))
    }

    /// Vectors of `num_classes` zeros with a 1 at the place that each element (int64) names: one more dimension. `None`: as many as are needed.
    ///
    /// # Errors
    /// If an element is negative or not below the number of classes, or the dtype is not int64.
    pub fn one_hot(&self, num_classes: impl Into<Option<usize>>) -> Result<Tensor> {
        let op = "one_hot";
        if self.dtype() != DType::I64 {
            return Err(Error::dtype(op, format!("classes must be int64, got {}", self.dtype())));
        }
        let classes = match num_classes.into() {
            Some(n) => n,
            None if self.numel() == 0 => return Err(Error::value(op, "the number of classes cannot be inferred from no elements")),
            None => usize::try_from(self.max()?.item::<i64>()?.saturating_add(1)).unwrap_or(0),
        };
        let index = self.unsqueeze(-1)?;
        let mut shape = self.shape().to_vec();
        shape.push(classes);
        if self.numel() == 0 {
            return Tensor::zeros(shape, (DType::I64, self.device()));
        }
        let one = Tensor::ones((), (DType::I64, self.device()))?.expand(index.shape())?;
        Tensor::zeros(shape, (DType::I64, self.device()))?
            .scatter(-1, &index, &one)
            .map_err(|e| Error::index(op, format!("classes must be from 0 to {}: {}", classes as isize - 1, e.message())))
    }
}
