//! Parts of datasets.

use std::sync::Arc;

use rushlight_tensor::{Error, Generator, Result, Tensor, default_generator};

use crate::{Collate, Dataset, dataset::check};

/// Some items of a dataset, in a given order.
#[derive(Clone, Debug)]
pub struct Subset<D> {
    dataset: Arc<D>,
    indices: Vec<usize>,
}

impl<D: Dataset> Subset<D> {
    /// The items with these numbers.
    ///
    /// # Errors
    /// If one does not exist.
    pub fn new(dataset: Arc<D>, indices: Vec<usize>) -> Result<Subset<D>> {
        indices.iter().try_for_each(|&i| check(i, dataset.len()))?;
        Ok(Subset { dataset, indices })
    }

    /// The numbers of the items in the whole dataset.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    type Item = D::Item;
    fn len(&self) -> usize {
        self.indices.len()
    }
    fn get(&self, index: usize) -> Result<D::Item> {
        check(index, self.indices.len())?;
        self.dataset.get(self.indices[index])
    }
    fn batch(&self, indices: &[usize]) -> Result<<D::Item as Collate>::Batch> {
        indices.iter().try_for_each(|&i| check(i, self.indices.len()))?;
        let indices: Vec<usize> = indices.iter().map(|&i| self.indices[i]).collect();
        self.dataset.batch(&indices)
    }
}

/// A dataset cut at random into parts of the given lengths, drawn from the generator or the default one.
///
/// # Errors
/// If the lengths do not sum up to the dataset's.
pub fn random_split<D: Dataset>(dataset: D, lengths: &[usize], generator: Option<&Generator>) -> Result<Vec<Subset<D>>> {
    let dataset = Arc::new(dataset);
    if lengths.iter().sum::<usize>() != dataset.len() {
        return Err(Error::value("random_split", format!("lengths {lengths:?} do not sum up to the dataset's {}", dataset.len())));
    }
    let order = Tensor::randperm_with(dataset.len(), (), generator.unwrap_or(default_generator()))?.to_vec::<i64>()?;
    let mut rest = order.into_iter().map(|i| i as usize);
    lengths.iter().map(|&n| Subset::new(dataset.clone(), rest.by_ref().take(n).collect())).collect()
}

/// As [`random_split`], by fractions of the whole: each part gets `floor(n * fraction)` items, and what is left is handed out one by one from the
/// first part on.
///
/// # Errors
/// If a fraction is outside of 0 to 1, or they do not sum up to 1.
pub fn random_split_fractions<D: Dataset>(dataset: D, fractions: &[f64], generator: Option<&Generator>) -> Result<Vec<Subset<D>>> {
    let total: f64 = fractions.iter().sum();
    if fractions.iter().any(|f| !(0.0..=1.0).contains(f)) || (total - 1.0).abs() > 1e-9 {
        return Err(Error::value("random_split", format!("fractions must lie in 0 to 1 and sum up to 1, got {fractions:?}")));
    }
    let n = dataset.len();
    let mut lengths: Vec<usize> = fractions.iter().map(|f| (n as f64 * f).floor() as usize).collect();
    let left = n - lengths.iter().sum::<usize>();
    let parts = lengths.len();
    for i in 0..left {
        lengths[i % parts] += 1;
    }
    random_split(dataset, &lengths, generator)
}
