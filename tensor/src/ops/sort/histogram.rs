//! Histograms.

use rushlight_backend::{DType, Error, Result};

use crate::Tensor;

/// The bins of one coordinate of a histogram.
#[derive(Clone, Copy, Debug)]
pub enum HistogramBins<'a> {
    /// So many, of equal width.
    Even(usize),
    /// Between neighbours of ascending edges.
    Edges(&'a Tensor),
}

impl Tensor {
    /// How many elements lie in each of `bins` bins of equal width between `min` and `max` (both 0: the smallest and the largest element); others are
    /// passed over. In this tensor's dtype.
    ///
    /// # Errors
    /// If there are no bins, the bounds are not finite or in the wrong order, or the tensor is not floating point.
    pub fn histc(&self, bins: usize, min: f64, max: f64) -> Result<Tensor> {
        let op = "histc";
        let x = self.detach().reshape(-1)?;
        self.floats(op)?;
        if bins == 0 {
            return Err(Error::value(op, "wants at least one bin"));
        }
        let (low, high) = x.bounds(op, min, max, 1.0)?;
        // All of it in the tensor's dtype, rounded at each step: so PyTorch finds the bin.
        let number = |n: f64| Tensor::full((), n, (x.dtype(), x.device()));
        let (low, high) = (number(low)?, number(high)?);
        let inside = x.ge(&low)?.logical_and(&x.le(&high)?)?;
        let places = x.masked_select(&inside)?.sub(&low)?.mul(&number(bins as f64)?)?.div(&high.sub(&low)?)?;
        let places = places.to_dtype(DType::I64)?.clamp(None, bins as f64 - 1.0)?;
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
        let (x, edges) = (self.detach().reshape(-1)?, edges.detach());
        let bins = edges.numel() - 1;
        let inside = x.ge(&edges.narrow(0, 0, 1)?)?.logical_and(&x.le(&edges.narrow(0, bins as isize, 1)?)?)?;
        let weights = weight.map_or_else(|| x.ones_like(), |w| w.detach().reshape(-1))?.masked_select(&inside)?;
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
        let edges = self.even_edges("histogram", bins, range)?;
        Ok((self.histogram(&edges, weight, density)?, edges))
    }

    /// The edges of bins of equal width over a range, or from the smallest to the largest element.
    fn even_edges(&self, op: &'static str, bins: usize, range: Option<(f64, f64)>) -> Result<Tensor> {
        if bins == 0 {
            return Err(Error::value(op, "wants at least one bin"));
        }
        // Without elements there is no range to find.
        let (low, high) = range.unwrap_or(if self.numel() == 0 { (0.0, 1.0) } else { (0.0, 0.0) });
        let (low, high) = self.detach().bounds(op, low, high, 0.5)?;
        Tensor::linspace(low, high, bins + 1, (self.dtype(), self.device()))
    }

    /// How many of the points in the last dimension (or which sum of weights) lie in each cell of a grid, which has `bins` for each coordinate, over
    /// `range` where it counts them. `density` divides by the total and each cell's volume. Returns the counts, and the edges for each coordinate.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or a range is not finite or in the wrong order.
    ///
    /// ```
    /// # use rushlight_tensor::{HistogramBins, Tensor};
    /// let points = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0], [1.0, 9.0]])?;
    /// let (counts, _) = points.histogramdd(&[HistogramBins::Even(2), HistogramBins::Even(3)], None, None, false)?;
    /// assert_eq!(counts.to_vec::<f32>()?, [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn histogramdd(
        &self,
        bins: &[HistogramBins<'_>],
        range: Option<&[(f64, f64)]>,
        weight: Option<&Tensor>,
        density: bool,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let op = "histogramdd";
        self.floats(op)?;
        let Some((&coordinates, points)) = self.shape().split_last() else {
            return Err(Error::shape(op, "wants points, of at least one dimension"));
        };
        if bins.len() != coordinates || range.is_some_and(|r| r.len() != coordinates) {
            return Err(Error::value(op, format!("wants bins (and a range) for each of {coordinates} coordinates, got {}", bins.len())));
        }
        if let Some(w) = weight.filter(|w| w.shape() != points || w.dtype() != self.dtype()) {
            return Err(Error::shape(op, format!("weights {} {:?} for {} {:?}", w.dtype(), w.shape(), self.dtype(), self.shape())));
        }
        let options = (self.dtype(), self.device());
        let count: usize = points.iter().product();
        let x = self.detach().reshape([count, coordinates])?;
        let weights = weight.map_or_else(|| Tensor::ones(count, options), |w| w.detach().reshape(count))?;
        let mut inside = Tensor::ones(count, (DType::Bool, self.device()))?;
        let mut places = Tensor::zeros(count, (DType::I64, self.device()))?;
        let mut all: Vec<Tensor> = Vec::with_capacity(coordinates);
        for (d, bins) in bins.iter().enumerate() {
            let along = x.narrow(1, d as isize, 1)?.reshape(count)?;
            let edges = match bins {
                HistogramBins::Even(n) => along.even_edges(op, *n, range.map(|r| r[d]))?,
                HistogramBins::Edges(e) if e.dim() == 1 && e.numel() > 1 && e.dtype() == self.dtype() => e.detach(),
                HistogramBins::Edges(e) => {
                    return Err(Error::shape(op, format!("wants vectors of edges in {}, got {} {:?}", self.dtype(), e.dtype(), e.shape())));
                }
            };
            let n = edges.numel() - 1;
            inside = inside.logical_and(&along.ge(&edges.narrow(0, 0, 1)?)?.logical_and(&along.le(&edges.narrow(0, n as isize, 1)?)?)?)?;
            let at = edges.searchsorted(&along, true, None)?.sub(1)?.clamp(0.0, n as f64 - 1.0)?;
            places = places.mul(n as i64)?.add(&at)?;
            all.push(edges);
        }
        let sizes: Vec<usize> = all.iter().map(|e| e.numel() - 1).collect();
        let cells = sizes.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).ok_or_else(|| Error::out_of_memory(op, "too many cells"))?;
        let counts = Tensor::zeros(cells, options)?.index_add(0, &places.masked_select(&inside)?, &weights.masked_select(&inside)?)?;
        let mut counts = counts.reshape(sizes.as_slice())?;
        if density {
            counts = counts.div(&counts.sum()?)?;
            for (d, edges) in all.iter().enumerate() {
                let mut shape = vec![1; coordinates];
                shape[d] = sizes[d];
                counts = counts.div(&edges.diff(1, 0, None, None)?.reshape(shape)?)?;
            }
        }
        Ok((counts, all))
    }
}
