//! Dimensions in other places, windows, elements moved around.

use rushlight_backend::op::ShapeOp;
use rushlight_backend::{DType, Dims, Error, Result, Shape, Strides, normalize_dim, normalize_dims};

use crate::{IntoSizes, Tensor, apply1, sizes};

impl Tensor {
    /// Those of these dimensions dropped whose size is 1.
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice.
    pub fn squeeze_dims(&self, dims: impl IntoSizes) -> Result<Tensor> {
        let dims = normalize_dims("squeeze", &dims.into_sizes(), self.dim())?;
        let shape: Shape = (0..self.dim()).filter(|d| !(dims.contains(d) && self.shape()[*d] == 1)).map(|d| self.shape()[d]).collect();
        self.reshape(shape.as_slice())
    }

    /// Dimensions moved to other places; the others keep their order.
    ///
    /// # Errors
    /// If a dimension does not exist or is named twice, or the numbers of dimensions and places differ.
    pub fn movedim(&self, source: impl IntoSizes, destination: impl IntoSizes) -> Result<Tensor> {
        let (source, destination) = (source.into_sizes(), destination.into_sizes());
        if source.len() != destination.len() {
            return Err(Error::value("movedim", format!("{} dimensions for {} places", source.len(), destination.len())));
        }
        let (from, to) = (normalize_dims("movedim", &source, self.dim())?, normalize_dims("movedim", &destination, self.dim())?);
        if self.dim() == 0 {
            return Ok(self.clone());
        }
        let mut rest = (0..self.dim()).filter(|d| !from.contains(d));
        let place = |d: usize| to.iter().position(|&t| t == d).map(|i| from[i]);
        let order: Vec<usize> = (0..self.dim()).filter_map(|d| place(d).or_else(|| rest.next())).collect();
        self.permute(order)
    }

    /// The transposes of matrices.
    ///
    /// # Errors
    /// If there are fewer than two dimensions.
    pub fn mt(&self) -> Result<Tensor> {
        if self.dim() < 2 {
            return Err(Error::shape("mT", format!("wants matrices, got {:?}", self.shape())));
        }
        self.transpose(-2, -1)
    }

    /// The conjugate transpose of a matrix, PyTorch's `H`; a number's is its conjugate. [`mh`](Tensor::mh) is that of a batch.
    ///
    /// # Errors
    /// If there are other than two or no dimensions.
    pub fn h(&self) -> Result<Tensor> {
        match self.dim() {
            0 => self.conj(),
            2 => self.mh(),
            n => Err(Error::shape("h", format!("wants a matrix, got {n} dimensions"))),
        }
    }

    /// The conjugate transposes of matrices.
    ///
    /// # Errors
    /// If there are fewer than two dimensions.
    pub fn mh(&self) -> Result<Tensor> {
        self.mt()?.conj()
    }

    /// Elements shifted along dimensions; what falls off at one end comes in at the other. No dimensions: along all elements in row-major order.
    ///
    /// # Errors
    /// If the numbers of shifts and dimensions differ, or a dimension does not exist.
    pub fn roll(&self, shifts: impl IntoSizes, dims: impl IntoSizes) -> Result<Tensor> {
        let (shifts, dims) = (shifts.into_sizes(), dims.into_sizes());
        match (&shifts[..], &dims[..]) {
            ([_], []) if self.dim() != 1 => return self.reshape(-1)?.roll(shifts, 0)?.reshape(self.shape()),
            ([_], []) => return self.roll(shifts, 0),
            (s, d) if s.len() != d.len() || s.is_empty() => {
                return Err(Error::value("roll", format!("{} shifts for {} dimensions", s.len(), d.len())));
            }
            _ if self.dim() == 0 => return Err(Error::index("roll", "a 0-d tensor has no dimension to shift along")),
            _ => {}
        }
        let mut x = self.clone();
        for (&shift, &dim) in shifts.iter().zip(&dims) {
            let n = x.shape()[normalize_dim("roll", dim, x.dim())?] as isize;
            let at = if n == 0 { 0 } else { (-shift).rem_euclid(n) };
            if at != 0 {
                x = Tensor::cat(&[x.narrow(dim, at, (n - at) as usize)?, x.narrow(dim, 0, at as usize)?], dim)?;
            }
        }
        Ok(x)
    }

    /// Turned by `k` right angles in the plane of two dimensions, from the first towards the second.
    ///
    /// # Errors
    /// If there are not two different dimensions.
    pub fn rot90(&self, k: isize, dims: impl IntoSizes) -> Result<Tensor> {
        let named = dims.into_sizes();
        if named.len() != 2 || self.dim() < 2 {
            return Err(Error::shape("rot90", format!("wants two dimensions, got {:?} of {:?}", named.as_slice(), self.shape())));
        }
        let dims = normalize_dims("rot90", &named, self.dim())?;
        let (a, b) = (dims[0] as isize, dims[1] as isize);
        match k.rem_euclid(4) {
            1 => self.flip(b)?.transpose(a, b),
            2 => self.flip([a, b]),
            3 => self.flip(a)?.transpose(a, b),
            _ => Ok(self.clone()),
        }
    }

    /// The order of the first dimension reversed.
    ///
    /// # Errors
    /// If there is none.
    pub fn flipud(&self) -> Result<Tensor> {
        if self.dim() < 1 { Err(Error::shape("flipud", "wants at least one dimension")) } else { self.flip(0) }
    }

    /// The order of the second dimension reversed.
    ///
    /// # Errors
    /// If there is none.
    pub fn fliplr(&self) -> Result<Tensor> {
        if self.dim() < 2 { Err(Error::shape("fliplr", "wants at least two dimensions")) } else { self.flip(1) }
    }

    /// A dimension made several; one size may be -1.
    ///
    /// # Errors
    /// If the sizes do not multiply to the dimension's.
    pub fn unflatten(&self, dim: isize, sizes: impl IntoSizes) -> Result<Tensor> {
        let sizes = sizes.into_sizes();
        let d = normalize_dim("unflatten", dim, self.dim())?;
        let n = self.size(dim)? as isize;
        let known: isize = sizes.iter().filter(|&&s| s != -1).product();
        let open = sizes.iter().filter(|&&s| s == -1).count();
        let fits = match open {
            0 => known == n && !sizes.is_empty(),
            1 => known > 0 && n % known == 0,
            _ => false,
        };
        if !fits {
            return Err(Error::shape(
                "unflatten",
                format!("sizes {:?} do not multiply to {n}, the size of dimension {dim}", sizes.as_slice()),
            ));
        }
        let mut shape: Vec<isize> = self.shape()[..d].iter().map(|&s| s as isize).collect();
        shape.extend(sizes.iter().map(|&s| if s == -1 { n / known } else { s }));
        shape.extend(self.shape()[d + 1..].iter().map(|&s| s as isize));
        self.reshape(shape)
    }

    /// Windows of `size` elements of a dimension, `step` apart: their number takes the place of the dimension, and their elements are a new last one. A
    /// view.
    ///
    /// # Errors
    /// If the dimension does not exist or is smaller than a window, or the step is 0.
    pub fn unfold(&self, dim: isize, size: usize, step: usize) -> Result<Tensor> {
        let d = normalize_dim("unfold", dim, self.dim())?;
        if self.dim() == 0 {
            return apply1(ShapeOp::Unfold { dim: 0, size, step }, [self.reshape(1)?])?.reshape(size);
        }
        apply1(ShapeOp::Unfold { dim: d, size, step }, [self])
    }

    /// Elements at any distance: `[i, j..]` is the element at `offset + i * strides[0] + j * strides[1]...` in this tensor's row-major order. (PyTorch counts
    /// in memory; for a contiguous tensor that is the same.)
    ///
    /// # Errors
    /// If there are not as many sizes as strides, one is negative, or elements would lie beyond the tensor's.
    pub fn as_strided(&self, sizes: impl IntoSizes, strides: impl IntoSizes, offset: usize) -> Result<Tensor> {
        let shape = sizes::shape("as_strided", sizes)?;
        let strides: Strides = strides.into_sizes().into_iter().collect();
        apply1(ShapeOp::Strided { shape, strides, offset }, [self.contiguous()?])
    }

    /// This tensor with `source` in the places that [`as_strided`](Tensor::as_strided) shows.
    ///
    /// # Errors
    /// As `as_strided`, or if the source has another shape or dtype.
    pub fn as_strided_scatter(&self, source: &Tensor, sizes: impl IntoSizes, strides: impl IntoSizes, offset: usize) -> Result<Tensor> {
        let places = Tensor::arange(0, self.numel() as i64, 1, (DType::I64, self.device()))?.as_strided(sizes, strides, offset)?;
        if places.shape() != source.shape() {
            return Err(Error::shape(
                "as_strided_scatter",
                format!("wants a source of shape {:?}, got {:?}", places.shape(), source.shape()),
            ));
        }
        self.reshape(-1)?.scatter(0, &places.reshape(-1)?, &source.reshape(-1)?)?.reshape(self.shape())
    }

    /// Groups of `factor * factor` channels laid out as squares of pixels: `[.., c f f, h, w]` to `[.., c, h f, w f]`.
    ///
    /// # Errors
    /// If there are fewer than three dimensions or the channels do not divide.
    pub fn pixel_shuffle(&self, factor: usize) -> Result<Tensor> {
        let (lead, c, h, w) = self.image("pixel_shuffle")?;
        if factor == 0 || c % factor.saturating_mul(factor) != 0 {
            return Err(Error::shape("pixel_shuffle", format!("{c} channels are no whole number of squares of {factor}")));
        }
        let shape = |tail: &[usize]| [&lead[..], tail].concat();
        let n = lead.len();
        let order: Vec<usize> = (0..n).chain([0, 3, 1, 4, 2].map(|d| n + d)).collect();
        let squares = c / factor.saturating_mul(factor);
        let split = self.reshape(shape(&[squares, factor, factor, h, w]))?;
        split.permute(order)?.reshape(shape(&[squares, h.saturating_mul(factor), w.saturating_mul(factor)]))
    }

    /// The reverse of [`pixel_shuffle`](Tensor::pixel_shuffle).
    ///
    /// # Errors
    /// If there are fewer than three dimensions or height and width do not divide.
    pub fn pixel_unshuffle(&self, factor: usize) -> Result<Tensor> {
        let (lead, c, h, w) = self.image("pixel_unshuffle")?;
        if factor == 0 || h % factor != 0 || w % factor != 0 {
            return Err(Error::shape("pixel_unshuffle", format!("{h} by {w} pixels are no whole number of squares of {factor}")));
        }
        let shape = |tail: &[usize]| [&lead[..], tail].concat();
        let n = lead.len();
        let order: Vec<usize> = (0..n).chain([0, 2, 4, 1, 3].map(|d| n + d)).collect();
        let split = self.reshape(shape(&[c, h / factor, factor, w / factor, factor]))?;
        split.permute(order)?.reshape(shape(&[c.saturating_mul(factor).saturating_mul(factor), h / factor, w / factor]))
    }

    /// The leading sizes, channels, height and width of images.
    fn image(&self, op: &'static str) -> Result<(Vec<usize>, usize, usize, usize)> {
        match self.shape() {
            [lead @ .., c, h, w] => Ok((lead.to_vec(), *c, *h, *w)),
            s => Err(Error::shape(op, format!("wants channels, height and width, got {s:?}"))),
        }
    }

    /// At least one dimension.
    ///
    /// # Errors
    /// None in practice; the door's result is passed on.
    pub fn atleast_1d(&self) -> Result<Tensor> {
        if self.dim() == 0 { self.reshape(1) } else { Ok(self.clone()) }
    }

    /// At least two dimensions: a vector becomes a row.
    ///
    /// # Errors
    /// None in practice; the door's result is passed on.
    pub fn atleast_2d(&self) -> Result<Tensor> {
        match self.dim() {
            0 => self.reshape([1, 1]),
            1 => self.unsqueeze(0),
            _ => Ok(self.clone()),
        }
    }

    /// At least three dimensions: `[1, n, 1]` of a vector, `[m, n, 1]` of a matrix.
    ///
    /// # Errors
    /// None in practice; the door's result is passed on.
    pub fn atleast_3d(&self) -> Result<Tensor> {
        match self.dim() {
            0 => self.reshape([1, 1, 1]),
            1 => self.unsqueeze(0)?.unsqueeze(2),
            2 => self.unsqueeze(2),
            _ => Ok(self.clone()),
        }
    }

    /// Tensors broadcast to their common shape.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn broadcast_tensors<T: std::borrow::Borrow<Tensor>>(tensors: &[T]) -> Result<Vec<Tensor>> {
        let shapes: Vec<&[usize]> = tensors.iter().map(|t| t.borrow().shape()).collect();
        let shape: Dims = rushlight_backend::broadcast_shapes("broadcast_tensors", &shapes)?;
        tensors.iter().map(|t| t.borrow().expand(shape.as_slice())).collect()
    }
}
