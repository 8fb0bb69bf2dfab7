//! Sampling at the points of a grid.

use rushlight_backend::{DType, Error, Result};
use smallvec::SmallVec;

use crate::{IntoSizes, Tensor};

/// How a sample is made of the elements around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GridMode {
    /// Linear in each dimension, PyTorch's default.
    #[default]
    Bilinear,
    /// The nearest element.
    Nearest,
    /// By four neighbours in each dimension; for two dimensions.
    Bicubic,
}

/// What lies outside of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GridPadding {
    /// Zeros, PyTorch's default.
    #[default]
    Zeros,
    /// The nearest element of the border.
    Border,
    /// The input, reflected.
    Reflection,
}

/// The parameters of [`Tensor::grid_sample`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GridSample {
    /// How a sample is made.
    pub mode: GridMode,
    /// What lies outside.
    pub padding: GridPadding,
    /// Whether -1 and 1 are the centres of the corner elements, else their outer edges.
    pub align_corners: bool,
}

/// Elements around the samples along one dimension: their places (int64), weights, and whether they lie inside.
struct Taps(Vec<(Tensor, Option<Tensor>, Option<Tensor>)>);

/// Limited to `0..=last`; at and beyond the bounds the derivative is 0.
fn limited(x: &Tensor, last: f64) -> Result<Tensor> {
    let plain = x.with_trace(None);
    let inside = plain.gt(0)?.logical_and(&plain.lt(last)?)?;
    inside.where_(x, &plain.clamp(0.0, last)?)
}

/// Reflected at the borders of n elements.
fn reflected(x: &Tensor, n: usize, align_corners: bool) -> Result<Tensor> {
    let (low, span) = if align_corners { (0.0, n as f64 - 1.0) } else { (-0.5, n as f64) };
    if span == 0.0 {
        return x.mul(0.0);
    }
    let away = x.sub(low)?.abs()?;
    let turns = away.with_trace(None).div(span)?.floor()?;
    let rest = away.sub(&turns.mul(span)?)?;
    let odd = turns.remainder(2.0)?.eq(1.0)?;
    odd.where_(&rest.rsub(span)?, &rest)?.add(low)
}

/// Where a coordinate lies after padding.
fn padded(x: &Tensor, n: usize, with: &GridSample) -> Result<Tensor> {
    let last = n as f64 - 1.0;
    match with.padding {
        GridPadding::Zeros => Ok(x.clone()),
        GridPadding::Border => limited(x, last),
        GridPadding::Reflection => limited(&reflected(x, n, with.align_corners)?, last),
    }
}

/// The elements at whole coordinates: places inside, and whether they were inside.
fn place(x: &Tensor, n: usize, may_leave: bool) -> Result<(Tensor, Option<Tensor>)> {
    let x = x.with_trace(None);
    let last = n as f64 - 1.0;
    let inside = if may_leave { Some(x.ge(0)?.logical_and(&x.le(last)?)?) } else { None };
    // Not a number becomes 0.
    Ok((x.clamp(0.0, last)?.to_dtype(DType::I64)?.clamp(0.0, last)?, inside))
}

impl Taps {
    /// Along a dimension of n elements, for coordinates from -1 to 1.
    fn new(x: &Tensor, n: usize, with: &GridSample) -> Result<Taps> {
        let size = n as f64;
        let x = match with.align_corners {
            true => x.add(1.0)?.mul((size - 1.0) / 2.0)?,
            false => x.add(1.0)?.mul(size)?.sub(1.0)?.mul(0.5)?,
        };
        let zeros = with.padding == GridPadding::Zeros;
        match with.mode {
            GridMode::Nearest => {
                let (at, inside) = place(&padded(&x, n, with)?.round()?, n, zeros)?;
                Ok(Taps(vec![(at, None, inside)]))
            }
            GridMode::Bilinear => {
                let x = padded(&x, n, with)?;
                let first = x.with_trace(None).floor()?;
                let part = x.sub(&first)?;
                let tap = |k: f64, w: Tensor| -> Result<_> {
                    let (at, inside) = place(&first.add(k)?, n, true)?;
                    Ok((at, Some(w), inside))
                };
                Ok(Taps(vec![tap(0.0, part.rsub(1.0)?)?, tap(1.0, part.clone())?]))
            }
            GridMode::Bicubic => {
                let first = x.with_trace(None).floor()?;
                let t = x.sub(&first)?;
                let a = -0.75;
                // The cubic convolution for distances up to 1, and from 1 to 2.
                let near = |x: &Tensor| x.mul(a + 2.0)?.sub(a + 3.0)?.mul(&x.square()?)?.add(1.0);
                let far = |x: &Tensor| x.mul(a)?.sub(5.0 * a)?.mul(x)?.add(8.0 * a)?.mul(x)?.sub(4.0 * a);
                let rest = t.rsub(1.0)?;
                let weights = [far(&t.add(1.0)?)?, near(&t)?, near(&rest)?, far(&rest.add(1.0)?)?];
                let taps = weights.into_iter().enumerate().map(|(k, w)| {
                    let (at, inside) = place(&padded(&first.add(k as f64 - 1.0)?, n, with)?, n, zeros)?;
                    Ok((at, Some(w), inside))
                });
                Ok(Taps(taps.collect::<Result<_>>()?))
            }
        }
    }
}

/// What two parts have in common, of which either may be absent.
fn both(a: Option<&Tensor>, b: Option<&Tensor>, f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Option<Tensor>> {
    Ok(match (a, b) {
        (Some(a), Some(b)) => Some(f(a, b)?),
        (a, b) => a.or(b).cloned(),
    })
}

impl Tensor {
    /// Samples of `[n, channels, h, w]` (or `[n, channels, d, h, w]`) at the points of a grid `[n, .., 2]` (or 3): points are (x, y) or (x, y, z), each from -1
    /// to 1 across the input. The result is `[n, channels, ..]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the mode is bicubic in three dimensions.
    pub fn grid_sample(&self, grid: &Tensor, with: GridSample) -> Result<Tensor> {
        let op = "grid_sample";
        let rank = self.dim().saturating_sub(2);
        let fits = matches!(rank, 2 | 3) && grid.dim() == self.dim() && grid.shape()[0] == self.shape()[0] && grid.size(-1)? == rank;
        if !fits || self.shape()[1..].contains(&0) {
            return Err(Error::shape(
                op,
                format!(
                    "wants [n, channels, h, w] and a grid [n, .., .., 2], or one more dimension and 3, got {:?} and {:?}",
                    self.shape(),
                    grid.shape()
                ),
            ));
        }
        if self.dtype() != grid.dtype() || !self.dtype().is_float() {
            return Err(Error::dtype(
                op,
                format!("wants input and grid of one floating-point dtype, got {} and {}", self.dtype(), grid.dtype()),
            ));
        }
        if rank == 3 && with.mode == GridMode::Bicubic {
            return Err(Error::value(op, "bicubic is for two dimensions"));
        }
        if matches!(self.dtype(), DType::F16 | DType::BF16) {
            return self.to_dtype(DType::F32)?.grid_sample(&grid.to_dtype(DType::F32)?, with)?.to_dtype(self.dtype());
        }
        let (n, channels, sizes) = (self.shape()[0], self.shape()[1], &self.shape()[2..]);
        let points: usize = grid.shape()[1..=rank].iter().product();
        let flat = self.reshape([n, channels, sizes.iter().product()])?;
        // The last coordinate belongs to the first dimension.
        let taps = (0..rank)
            .map(|d| Taps::new(&grid.select(-1, (rank - 1 - d) as isize)?.reshape([n, 1, points])?, sizes[d], &with))
            .collect::<Result<SmallVec<[Taps; 3]>>>()?;
        let counts: Vec<usize> = taps.iter().map(|t| t.0.len()).collect();
        let mut sum: Option<Tensor> = None;
        for combination in 0..counts.iter().product() {
            let mut rest: usize = combination;
            let (mut at, mut weight, mut inside): (Option<Tensor>, Option<Tensor>, Option<Tensor>) = (None, None, None);
            for (d, taps) in taps.iter().enumerate() {
                let (own, w, within) = &taps.0[rest % counts[d]];
                rest /= counts[d];
                at = Some(match at {
                    Some(outer) => outer.mul(sizes[d])?.add(own)?,
                    None => own.clone(),
                });
                weight = both(weight.as_ref(), w.as_ref(), |a, b| a.mul(b))?;
                inside = both(inside.as_ref(), within.as_ref(), |a, b| a.logical_and(b))?;
            }
            let Some(at) = at else { continue };
            let mut part = flat.gather(-1, &at.expand([n, channels, points])?)?;
            if let Some(inside) = inside {
                part = inside.where_(&part, 0.0)?;
            }
            if let Some(w) = weight {
                part = part.mul(&w)?;
            }
            sum = Some(match sum {
                Some(sum) => sum.add(&part)?,
                None => part,
            });
        }
        let mut shape = vec![n, channels];
        shape.extend(&grid.shape()[1..=rank]);
        match sum {
            Some(sum) => sum.reshape(shape),
            None => Tensor::zeros(shape, (self.dtype(), self.device())),
        }
    }

    /// The grid of an affine map theta `[n, 2, 3]` (or `[n, 3, 4]`) for results of a size `[n, channels, h, w]` (or `[n, channels, d, h, w]`), as
    /// [`grid_sample`](Tensor::grid_sample) takes it: `[n, h, w, 2]` (or `[n, d, h, w, 3]`).
    ///
    /// # Errors
    /// If shapes do not fit, or theta is not floating point.
    pub fn affine_grid(&self, size: impl IntoSizes, align_corners: bool) -> Result<Tensor> {
        let op = "affine_grid";
        let size = crate::sizes::shape(op, size)?;
        let rank = size.len().saturating_sub(2);
        if !matches!(rank, 2 | 3) || self.shape() != [size[0], rank, rank + 1] || size.contains(&0) {
            return Err(Error::shape(
                op,
                format!(
                    "wants maps [n, 2, 3] and a size of 4 numbers, or [n, 3, 4] and 5, got {:?} and {:?}",
                    self.shape(),
                    size.as_slice()
                ),
            ));
        }
        if !self.dtype().is_float() {
            return Err(Error::dtype(op, format!("wants a floating-point tensor, got {}", self.dtype())));
        }
        let coordinate = |i: usize, n: usize| {
            let whole = if n > 1 { 2.0 * i as f64 / (n as f64 - 1.0) - 1.0 } else { 0.0 };
            if align_corners { whole } else { whole * (n as f64 - 1.0) / n as f64 }
        };
        let points: usize = size[2..].iter().product();
        let mut base = Vec::with_capacity(points * (rank + 1));
        for p in 0..points {
            let mut rest = p;
            for &n in size[2..].iter().rev() {
                base.push(coordinate(rest % n, n));
                rest /= n;
            }
            base.push(1.0);
        }
        let base = Tensor::from_vec(base, [points, rank + 1], self.device())?.to_dtype(self.dtype())?;
        let mut shape = vec![size[0]];
        shape.extend(&size[2..]);
        shape.push(rank);
        base.matmul(&self.transpose(1, 2)?)?.reshape(shape)
    }
}
