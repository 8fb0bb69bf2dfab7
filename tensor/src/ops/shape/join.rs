//! Joining and cutting.

use std::borrow::Borrow;

use rushlight_backend::{Error, Result};

use crate::{IntoSizes, Operand, Tensor, sizes};

/// Where [`Tensor::tensor_split`] cuts.
#[derive(Clone, Debug)]
pub enum Sections {
    /// Into so many pieces.
    Count(usize),
    /// Before these indices; negative ones count from the back.
    At(Vec<isize>),
}

/// What can be given as [`Sections`]: a number of pieces, or a list of indices.
pub trait IntoSections {
    /// The sections.
    fn into_sections(self) -> Sections;
}

impl IntoSections for Sections {
    fn into_sections(self) -> Sections {
        self
    }
}

impl IntoSections for usize {
    fn into_sections(self) -> Sections {
        Sections::Count(self)
    }
}

impl IntoSections for &[isize] {
    fn into_sections(self) -> Sections {
        Sections::At(self.to_vec())
    }
}

impl<const N: usize> IntoSections for [isize; N] {
    fn into_sections(self) -> Sections {
        Sections::At(self.to_vec())
    }
}

/// The order of the first two dimensions of [`Tensor::meshgrid`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indexing {
    /// The first vector runs along the first dimension: PyTorch's default.
    #[default]
    Ij,
    /// The first vector runs along the second dimension, as x in pictures.
    Xy,
}

/// All tensors in their common dtype.
fn promoted<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Vec<Tensor>> {
    let operands: Vec<Operand<'_>> = tensors.iter().map(|t| t.borrow().into()).collect();
    let dtype = crate::ops::pointwise::common_type(&operands);
    tensors.iter().map(|t| t.borrow().to_dtype(dtype)).collect()
}

fn each<T: Borrow<Tensor>>(tensors: &[T], f: fn(&Tensor) -> Result<Tensor>) -> Result<Vec<Tensor>> {
    tensors.iter().map(|t| f(t.borrow())).collect()
}

impl Tensor {
    /// Tensors side by side: along the second dimension, or the first one of vectors.
    ///
    /// # Errors
    /// If there are none or sizes in other dimensions differ.
    pub fn hstack<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Tensor> {
        let all = each(tensors, Tensor::atleast_1d)?;
        let dim = if all.first().is_some_and(|t| t.dim() == 1) { 0 } else { 1 };
        Tensor::cat(&all, dim)
    }

    /// Tensors on top of each other: along the first dimension; vectors are rows.
    ///
    /// # Errors
    /// If there are none or sizes in other dimensions differ.
    pub fn vstack<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Tensor> {
        Tensor::cat(&each(tensors, Tensor::atleast_2d)?, 0)
    }

    /// Tensors behind each other: along the third dimension.
    ///
    /// # Errors
    /// If there are none or sizes in other dimensions differ.
    pub fn dstack<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Tensor> {
        Tensor::cat(&each(tensors, Tensor::atleast_3d)?, 2)
    }

    /// Vectors as columns, beside matrices.
    ///
    /// # Errors
    /// If there are none or sizes in other dimensions differ.
    pub fn column_stack<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Tensor> {
        let column = |t: &Tensor| if t.dim() <= 1 { t.reshape([t.numel(), 1]) } else { Ok(t.clone()) };
        Tensor::hstack(&each(tensors, column)?)
    }

    /// The tensor cut along a dimension into pieces of these sizes. Views.
    ///
    /// # Errors
    /// If they do not sum to the size of the dimension.
    pub fn split_with_sizes(&self, sizes: impl IntoSizes, dim: isize) -> Result<Vec<Tensor>> {
        let sizes = sizes::shape("split", sizes)?;
        let n = self.size(dim)?;
        if sizes.iter().sum::<usize>() != n {
            return Err(Error::shape("split", format!("sizes {:?} do not sum to {n}, the size of dimension {dim}", sizes.as_slice())));
        }
        let mut start = 0;
        let piece = |len: usize| {
            start += len;
            self.narrow(dim, (start - len) as isize, len)
        };
        sizes.into_iter().map(piece).collect()
    }

    /// The tensor cut along a dimension into a number of pieces (sizes differ by at most 1, larger ones first), or before some indices. Views.
    ///
    /// # Errors
    /// If the dimension does not exist or the number is 0.
    pub fn tensor_split(&self, sections: impl IntoSections, dim: isize) -> Result<Vec<Tensor>> {
        let n = self.size(dim)?;
        let ends: Vec<usize> = match sections.into_sections() {
            Sections::Count(0) => return Err(Error::value("tensor_split", "the number of pieces must not be 0")),
            Sections::Count(k) => (1..=k).map(|i| i * (n / k) + i.min(n % k)).collect(),
            Sections::At(at) => {
                let bound = |i: isize| (if i < 0 { i.saturating_add_unsigned(n) } else { i }).clamp(0, n as isize) as usize;
                at.into_iter().map(bound).chain([n]).collect()
            }
        };
        let mut start = 0;
        let piece = |end: usize| {
            let part = self.narrow(dim, start as isize, end.saturating_sub(start));
            start = end;
            part
        };
        ends.into_iter().map(piece).collect()
    }

    fn split_evenly(&self, op: &'static str, sections: Sections, dim: usize, rank: usize) -> Result<Vec<Tensor>> {
        if self.dim() < rank {
            return Err(Error::shape(op, format!("wants at least {rank} dimensions, got {:?}", self.shape())));
        }
        if let Sections::Count(k) = sections
            && (k == 0 || !self.shape()[dim].is_multiple_of(k))
        {
            return Err(Error::shape(op, format!("dimension {dim} of {:?} cannot be cut into {k} equal pieces", self.shape())));
        }
        self.tensor_split(sections, dim as isize)
    }

    /// Cut along the second dimension (the first one of a vector) into equal pieces, or before some indices. Views.
    ///
    /// # Errors
    /// If there are no dimensions, or the pieces would not be equal.
    pub fn hsplit(&self, sections: impl IntoSections) -> Result<Vec<Tensor>> {
        self.split_evenly("hsplit", sections.into_sections(), usize::from(self.dim() > 1), 1)
    }

    /// Cut along the first dimension into equal pieces, or before some indices. Views.
    ///
    /// # Errors
    /// If there are fewer than two dimensions, or the pieces would not be equal.
    pub fn vsplit(&self, sections: impl IntoSections) -> Result<Vec<Tensor>> {
        self.split_evenly("vsplit", sections.into_sections(), 0, 2)
    }

    /// Cut along the third dimension into equal pieces, or before some indices. Views.
    ///
    /// # Errors
    /// If there are fewer than three dimensions, or the pieces would not be equal.
    pub fn dsplit(&self, sections: impl IntoSections) -> Result<Vec<Tensor>> {
        self.split_evenly("dsplit", sections.into_sections(), 2, 3)
    }

    /// Grids of coordinates: each vector (or number) as a tensor of all their sizes, in which it varies along its own dimension. Views.
    ///
    /// # Errors
    /// If there are none, one has more than one dimension, or dtypes differ.
    pub fn meshgrid<T: Borrow<Tensor>>(tensors: &[T], indexing: Indexing) -> Result<Vec<Tensor>> {
        let op = "meshgrid";
        let vectors = each(tensors, Tensor::atleast_1d)?;
        if vectors.is_empty() || vectors.iter().any(|v| v.dim() != 1 || v.dtype() != vectors[0].dtype()) {
            return Err(Error::shape(op, "wants at least one vector, all of one dtype"));
        }
        let shape: Vec<usize> = vectors.iter().map(Tensor::numel).collect();
        let grid = |(d, v): (usize, &Tensor)| {
            let mut own = vec![1; shape.len()];
            own[d] = v.numel();
            let grid = v.reshape(own)?.expand(shape.as_slice())?;
            if indexing == Indexing::Xy && shape.len() > 1 { grid.transpose(0, 1) } else { Ok(grid) }
        };
        vectors.iter().enumerate().map(grid).collect()
    }

    /// All tuples of one element of each vector, as rows; of one vector itself.
    ///
    /// # Errors
    /// If there are none, one is no vector, or dtypes differ.
    pub fn cartesian_prod<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Tensor> {
        if let Some(t) = tensors.iter().find(|t| (*t).borrow().dim() != 1) {
            return Err(Error::shape("cartesian_prod", format!("wants vectors, got {:?}", t.borrow().shape())));
        }
        if let [one] = tensors {
            return Ok(one.borrow().clone());
        }
        let grids = Tensor::meshgrid(tensors, Indexing::Ij)?;
        let columns = grids.iter().map(|g| g.reshape(-1)).collect::<Result<Vec<_>>>()?;
        Tensor::stack(&columns, 1)
    }

    /// All ways to choose `r` elements of a vector, in order, as rows; `with_replacement`: each as often as one likes.
    ///
    /// # Errors
    /// If it is no vector.
    pub fn combinations(&self, r: usize, with_replacement: bool) -> Result<Tensor> {
        if self.dim() != 1 {
            return Err(Error::shape("combinations", format!("wants a vector, got {:?}", self.shape())));
        }
        if r == 0 {
            return Tensor::zeros(0, (self.dtype(), self.device()));
        }
        let n = self.numel() as i64;
        let (mut rows, mut count): (Vec<i64>, usize) = (Vec::new(), 0);
        let step = i64::from(!with_replacement);
        let mut row: Vec<i64> = (0..r as i64).map(|i| i * step).collect();
        while row[r - 1] < n {
            rows.extend(&row);
            count += 1;
            // The last place that can go on; those behind it follow.
            let limit = |k: usize| n - 1 - (r - 1 - k) as i64 * step;
            let Some(k) = (0..r).rev().find(|&k| row[k] < limit(k)) else { break };
            let next = row[k] + 1;
            for (j, place) in row[k..].iter_mut().enumerate() {
                *place = next + j as i64 * step;
            }
        }
        self.index_select(0, &Tensor::from_vec(rows, count * r, self.device())?)?.reshape([count, r])
    }

    /// Matrices (vectors are rows, numbers 1 by 1) along the diagonal of a matrix of zeros.
    ///
    /// # Errors
    /// If one has more than two dimensions.
    pub fn block_diag<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Tensor> {
        if let Some(t) = tensors.iter().find(|t| (*t).borrow().dim() > 2) {
            return Err(Error::shape("block_diag", format!("wants matrices, got {:?}", t.borrow().shape())));
        }
        let blocks = each(&promoted(tensors)?, Tensor::atleast_2d)?;
        let width: usize = blocks.iter().map(|b| b.shape()[1]).sum();
        let mut start = 0;
        let bands = blocks.iter().map(|b| {
            let (before, own) = (start, b.shape()[1]);
            start += own;
            b.pad([before, width - before - own], crate::PadMode::default())
        });
        let bands = bands.collect::<Result<Vec<_>>>()?;
        if bands.is_empty() { Tensor::zeros([1, 0], ()) } else { Tensor::cat(&bands, 0) }
    }
}
