//! Collections of items.

use std::ops::Range;
use std::sync::Arc;

use rushlight_tensor::{Device, Error, Result, Tensor};

use crate::Collate;

/// A collection of items that are found by number.
pub trait Dataset: Send + Sync {
    /// One item.
    type Item: Collate;

    /// The number of items.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item with this number.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    fn get(&self, index: usize) -> Result<Self::Item>;

    /// Several items as one batch. The default gets them one by one; a dataset that lies in memory gathers them at once.
    ///
    /// # Errors
    /// As [`get`](Dataset::get), and if the items do not fit together.
    fn batch(&self, indices: &[usize]) -> Result<<Self::Item as Collate>::Batch> {
        Collate::collate(indices.iter().map(|&i| self.get(i)).collect::<Result<Vec<_>>>()?)
    }
}

impl<D: Dataset + ?Sized> Dataset for Arc<D> {
    type Item = D::Item;
    fn len(&self) -> usize {
        (**self).len()
    }
    fn get(&self, index: usize) -> Result<D::Item> {
        (**self).get(index)
    }
    fn batch(&self, indices: &[usize]) -> Result<<D::Item as Collate>::Batch> {
        (**self).batch(indices)
    }
}

/// Numbers as a dataset, as `range(n)` is one in Python.
impl Dataset for Range<usize> {
    type Item = usize;
    fn len(&self) -> usize {
        ExactSizeIterator::len(self)
    }
    fn get(&self, index: usize) -> Result<usize> {
        check(index, ExactSizeIterator::len(self))?;
        Ok(self.start + index)
    }
}

pub(crate) fn check(index: usize, len: usize) -> Result<()> {
    if index < len { Ok(()) } else { Err(Error::index("dataset", format!("item {index} of a dataset of {len}"))) }
}

/// Tensors of the same first size; item i is slice i of each.
#[derive(Clone, Debug)]
pub struct TensorDataset {
    tensors: Vec<Tensor>,
    len: usize,
}

impl TensorDataset {
    /// A dataset of these tensors.
    ///
    /// # Errors
    /// If there are none, one is 0-d, or their first sizes differ.
    pub fn new(tensors: impl Into<Vec<Tensor>>) -> Result<TensorDataset> {
        let tensors = tensors.into();
        let sizes = tensors.iter().map(|t| t.shape().first().copied()).collect::<Vec<_>>();
        match sizes.first() {
            Some(&Some(len)) if sizes.iter().all(|s| *s == Some(len)) => Ok(TensorDataset { tensors, len }),
            _ => Err(Error::shape("TensorDataset", format!("needs tensors of one first size, got {sizes:?}"))),
        }
    }

    /// The tensors.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }
}

impl Dataset for TensorDataset {
    type Item = Vec<Tensor>;

    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize) -> Result<Vec<Tensor>> {
        check(index, self.len)?;
        self.tensors.iter().map(|t| t.select(0, index as isize)).collect()
    }

    fn batch(&self, indices: &[usize]) -> Result<Vec<Tensor>> {
        let index = index_tensor(indices)?;
        self.tensors.iter().map(|t| t.index_select(0, &index)).collect()
    }
}

/// Item numbers as an index tensor.
///
/// # Errors
/// If memory cannot be had.
pub(crate) fn index_tensor(indices: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(indices.iter().map(|&i| i as i64).collect(), indices.len(), Device::cpu())
}
