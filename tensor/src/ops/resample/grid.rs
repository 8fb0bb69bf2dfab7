//! Sampling at the points of a grid.
//!
//! A sample is a sum over taps: elements around it, whose weights are products of one weight for each dimension.

use rushlight_backend::op::{GridMode, GridPadding, GridSample, Resample};
use rushlight_backend::{DType, Error, Result};
use smallvec::SmallVec;

use crate::{IntoSizes, Tensor, Tensors, apply, apply1};

/// Elements around the samples along one dimension.
struct Tap {
    /// Their places (int64), limited to the input.
    at: Tensor,
    /// Whether they lie inside; absent if they always do.
    inside: Option<Tensor>,
    /// Their weights, 1 if absent.
    w: Option<Tensor>,
    /// The derivatives of the weights with respect to the grid's coordinate, 0 if absent.
    dw: Option<Tensor>,
}

/// Limited to `0..=last`, and where this has a derivative: not at the bounds and beyond.
fn limited(x: &Tensor, last: f64) -> Result<(Tensor, Tensor)> {
    let plain = x.detach();
    let inside = plain.gt(0)?.logical_and(&plain.lt(last)?)?;
    Ok((inside.where_(x, &plain.clamp(0.0, last)?)?, inside.to_dtype(x.dtype())?))
}

/// Reflected at the borders of n elements, and the derivative.
fn reflected(x: &Tensor, n: usize, align_corners: bool) -> Result<(Tensor, Tensor)> {
    let (low, span) = if align_corners { (0.0, n as f64 - 1.0) } else { (-0.5, n as f64) };
    let plain = x.detach();
    if span == 0.0 {
        return Ok((x.mul(0.0)?, plain.zeros_like()?));
    }
    let away = x.sub(low)?.abs()?;
    let turns = away.detach().div(span)?.floor()?;
    let rest = away.sub(&turns.mul(span)?)?;
    let odd = turns.remainder(2.0)?.eq(1.0)?;
    let side = plain.sub(low)?.sign()?;
    Ok((odd.where_(&rest.rsub(span)?, &rest)?.add(low)?, odd.where_(&side.neg()?, &side)?))
}

/// Where a coordinate lies after padding, and the derivative, 1 if absent.
fn padded(x: &Tensor, n: usize, with: &GridSample) -> Result<(Tensor, Option<Tensor>)> {
    let last = n as f64 - 1.0;
    Ok(match with.padding {
        GridPadding::Zeros => (x.clone(), None),
        GridPadding::Border => {
            let (x, d) = limited(x, last)?;
            (x, Some(d))
        }
        GridPadding::Reflection => {
            let (x, turned) = reflected(x, n, with.align_corners)?;
            let (x, d) = limited(&x, last)?;
            (x, Some(d.mul(&turned)?))
        }
    })
}

/// The elements at whole coordinates: places inside, and whether they were inside.
fn place(x: &Tensor, n: usize, may_leave: bool) -> Result<(Tensor, Option<Tensor>)> {
    let x = x.detach();
    let last = n as f64 - 1.0;
    let inside = if may_leave { Some(x.ge(0)?.logical_and(&x.le(last)?)?) } else { None };
    // Not a number becomes 0.
    Ok((x.clamp(0.0, last)?.to_dtype(DType::I64)?.clamp(0.0, last)?, inside))
}

/// The taps along a dimension of n elements, for coordinates from -1 to 1.
fn taps(x: &Tensor, n: usize, with: &GridSample) -> Result<Vec<Tap>> {
    let size = n as f64;
    let (x, scale) = match with.align_corners {
        true => (x.add(1.0)?.mul((size - 1.0) / 2.0)?, (size - 1.0) / 2.0),
        false => (x.add(1.0)?.mul(size)?.sub(1.0)?.mul(0.5)?, size / 2.0),
    };
    let zeros = with.padding == GridPadding::Zeros;
    match with.mode {
        GridMode::Nearest => {
            let (at, inside) = place(&padded(&x, n, with)?.0.round()?, n, zeros)?;
            Ok(vec![Tap { at, inside, w: None, dw: None }])
        }
        GridMode::Bilinear => {
            let (x, slope) = padded(&x, n, with)?;
            let slope = match slope {
                Some(slope) => slope.mul(scale)?,
                None => Tensor::full((), scale, (x.dtype(), x.device()))?,
            };
            let first = x.detach().floor()?;
            let part = x.sub(&first)?;
            let tap = |k: f64, w: Tensor, dw: Tensor| -> Result<Tap> {
                let (at, inside) = place(&first.add(k)?, n, true)?;
                Ok(Tap { at, inside, w: Some(w), dw: Some(dw) })
            };
            Ok(vec![tap(0.0, part.rsub(1.0)?, slope.neg()?)?, tap(1.0, part, slope)?])
        }
        GridMode::Bicubic => {
            let first = x.detach().floor()?;
            let (t, a) = (x.sub(&first)?, -0.75);
            // The cubic convolution for distances up to 1, and from 1 to 2, and its derivatives.
            let near = |x: &Tensor| x.mul(a + 2.0)?.sub(a + 3.0)?.mul(&x.square()?)?.add(1.0);
            let far = |x: &Tensor| x.mul(a)?.sub(5.0 * a)?.mul(x)?.add(8.0 * a)?.mul(x)?.sub(4.0 * a);
            let near_slope = |x: &Tensor| x.mul(3.0 * (a + 2.0))?.sub(2.0 * (a + 3.0))?.mul(x);
            let far_slope = |x: &Tensor| x.mul(3.0 * a)?.sub(10.0 * a)?.mul(x)?.add(8.0 * a);
            let (rest, before) = (t.rsub(1.0)?, t.add(1.0)?);
            let behind = rest.add(1.0)?;
            let weights = [
                (far(&before)?, far_slope(&before)?.mul(scale)?),
                (near(&t)?, near_slope(&t)?.mul(scale)?),
                (near(&rest)?, near_slope(&rest)?.mul(-scale)?),
                (far(&behind)?, far_slope(&behind)?.mul(-scale)?),
            ];
            let taps = weights.into_iter().enumerate().map(|(k, (w, dw))| {
                let (at, inside) = place(&padded(&first.add(k as f64 - 1.0)?, n, with)?.0, n, zeros)?;
                Ok(Tap { at, inside, w: Some(w), dw: Some(dw) })
            });
            taps.collect()
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

fn plus(a: Option<Tensor>, b: Tensor) -> Result<Option<Tensor>> {
    Ok(Some(match a {
        Some(a) => a.add(&b)?,
        None => b,
    }))
}

/// An element around the samples, over all dimensions. Tensors are `[n, 1, points]`.
struct Element {
    /// The flat place in the plane.
    at: Tensor,
    inside: Option<Tensor>,
    w: Option<Tensor>,
    /// The derivatives of the weight with respect to the coordinates of the dimensions.
    dw: SmallVec<[Option<Tensor>; 3]>,
}

impl Element {
    /// This element of flat planes `[n, channels, elements]`: `[n, channels, points]`.
    fn of(&self, planes: &Tensor) -> Result<Tensor> {
        let [n, channels, points] = [planes.shape()[0], planes.shape()[1], self.at.shape()[2]];
        let elements = planes.gather(-1, &self.at.expand([n, channels, points])?)?;
        match &self.inside {
            Some(inside) => inside.where_(&elements, 0.0),
            None => Ok(elements),
        }
    }
}

/// All elements around the samples of x at a grid.
fn elements(x: &Tensor, grid: &Tensor, with: &GridSample) -> Result<Vec<Element>> {
    let (n, sizes) = (x.shape()[0], &x.shape()[2..]);
    let rank = sizes.len();
    let points: usize = grid.shape()[1..=rank].iter().product();
    // The last coordinate belongs to the first dimension.
    let taps = (0..rank)
        .map(|d| taps(&grid.select(-1, (rank - 1 - d) as isize)?.reshape([n, 1, points])?, sizes[d], with))
        .collect::<Result<Vec<_>>>()?;
    let count = taps.iter().map(Vec::len).product();
    let mut all = Vec::with_capacity(count);
    for combination in 0..count {
        let mut rest = combination;
        let own: SmallVec<[&Tap; 3]> = taps
            .iter()
            .map(|taps| {
                let tap = &taps[rest % taps.len()];
                rest /= taps.len();
                tap
            })
            .collect();
        let mut at = own[0].at.clone();
        let (mut inside, mut w) = (own[0].inside.clone(), own[0].w.clone());
        for (tap, &size) in own.iter().zip(sizes).skip(1) {
            at = at.mul(size)?.add(&tap.at)?;
            inside = both(inside.as_ref(), tap.inside.as_ref(), |a, b| a.logical_and(b))?;
            w = both(w.as_ref(), tap.w.as_ref(), |a, b| a.mul(b))?;
        }
        let slope = |d: usize| -> Result<Option<Tensor>> {
            let Some(mut dw) = own[d].dw.clone() else { return Ok(None) };
            for (other, tap) in own.iter().enumerate() {
                if let Some(w) = tap.w.as_ref().filter(|_| other != d) {
                    dw = dw.mul(w)?;
                }
            }
            Ok(Some(dw))
        };
        let dw = (0..rank).map(slope).collect::<Result<_>>()?;
        all.push(Element { at, inside, w, dw });
    }
    Ok(all)
}

/// The spatial dimensions as one.
fn flat(x: &Tensor) -> Result<Tensor> {
    x.reshape([x.shape()[0], x.shape()[1], x.shape()[2..].iter().product()])
}

/// The shape of the samples.
fn sampled(x: &Tensor, grid: &Tensor) -> Vec<usize> {
    x.shape()[..2].iter().chain(&grid.shape()[1..grid.dim() - 1]).copied().collect()
}

/// The tangent of [`Tensor::grid_sample`] for tangents of its input and grid.
///
/// # Errors
/// Those of the operations.
pub fn grid_sample_tangent(
    x: &Tensor,
    grid: &Tensor,
    dx: Option<&Tensor>,
    dgrid: Option<&Tensor>,
    with: GridSample,
) -> Result<Option<Tensor>> {
    let mut sum = dx.map(|t| apply1(Resample::Grid(with), [t, grid])).transpose()?;
    if let Some(t) = dgrid {
        let (planes, rank) = (flat(x)?, x.dim() - 2);
        for element in elements(x, grid, &with)? {
            let mut along: Option<Tensor> = None;
            for (d, dw) in element.dw.iter().enumerate() {
                if let Some(dw) = dw {
                    let t = t.select(-1, (rank - 1 - d) as isize)?.reshape(element.at.shape())?;
                    along = plus(along, dw.mul(&t)?)?;
                }
            }
            if let Some(along) = along {
                sum = plus(sum, element.of(&planes)?.mul(&along)?.reshape(sampled(x, grid))?)?;
            }
        }
    }
    Ok(sum)
}

/// The operations in smaller ones; half precision is computed in single.
pub(crate) fn decompose(op: &Resample, inputs: &[&Tensor]) -> Option<Result<Tensors>> {
    let (Resample::Grid(with) | Resample::GridGrad(with)) = op else { return None };
    let dtype = inputs.first()?.dtype();
    Some(match inputs {
        _ if matches!(dtype, DType::F16 | DType::BF16) => {
            let wide = || -> Result<Tensors> {
                let inputs = inputs.iter().map(|x| x.to_dtype(DType::F32)).collect::<Result<Tensors>>()?;
                apply(*op, &inputs)?.iter().map(|y| y.to_dtype(dtype)).collect()
            };
            wide()
        }
        [x, grid] => composed(x, grid, with).map(|y| smallvec::smallvec![y]),
        [g, x, grid] => gradients(g, x, grid, with),
        _ => Err(Error::value("grid_sample", "takes other inputs")),
    })
}

fn composed(x: &Tensor, grid: &Tensor, with: &GridSample) -> Result<Tensor> {
    let planes = flat(x)?;
    let mut sum: Option<Tensor> = None;
    for element in elements(x, grid, with)? {
        let mut part = element.of(&planes)?;
        if let Some(w) = &element.w {
            part = part.mul(w)?;
        }
        sum = plus(sum, part)?;
    }
    match sum {
        Some(sum) => sum.reshape(sampled(x, grid)),
        None => Tensor::zeros(sampled(x, grid), (x.dtype(), x.device())),
    }
}

fn gradients(g: &Tensor, x: &Tensor, grid: &Tensor, with: &GridSample) -> Result<Tensors> {
    let (planes, g, rank) = (flat(x)?, flat(g)?, x.dim() - 2);
    let zeros = || Tensor::zeros([g.shape()[0], 1, g.shape()[2]], (x.dtype(), x.device()));
    let mut dx = Tensor::zeros(planes.shape(), (x.dtype(), x.device()))?;
    let mut coordinates: SmallVec<[Option<Tensor>; 3]> = SmallVec::from_elem(None, rank);
    for element in elements(x, grid, with)? {
        let mut part = match &element.w {
            Some(w) => g.mul(w)?,
            None => g.clone(),
        };
        if let Some(inside) = &element.inside {
            part = inside.where_(&part, 0.0)?;
        }
        dx = dx.scatter_add(-1, &element.at.expand(g.shape())?, &part)?;
        let along = g.mul(&element.of(&planes)?)?.sum_dim(1, true)?;
        for (sum, dw) in coordinates.iter_mut().zip(&element.dw) {
            if let Some(dw) = dw {
                *sum = plus(sum.take(), along.mul(dw)?)?;
            }
        }
    }
    // The last coordinate belongs to the first dimension.
    let each = coordinates.into_iter().rev().map(|c| c.map_or_else(zeros, Ok)).collect::<Result<Vec<_>>>()?;
    Ok(smallvec::smallvec![dx.reshape(x.shape())?, Tensor::stack(&each, -1)?.reshape(grid.shape())?])
}

impl Tensor {
    /// Samples of `[n, channels, h, w]` (or `[n, channels, d, h, w]`) at the points of a grid `[n, .., 2]` (or 3): points are (x, y) or (x, y, z), each from -1
    /// to 1 across the input. The result is `[n, channels, ..]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or the mode is bicubic in three dimensions.
    pub fn grid_sample(&self, grid: &Tensor, with: GridSample) -> Result<Tensor> {
        apply1(Resample::Grid(with), [self, grid])
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
