//! Datasets, samplers and loaders with PyTorch's order of items for the same seed.
//!
//! ```
//! use rushlight_data::{DataLoader, TensorDataset};
//! use rushlight_tensor::Tensor;
//!
//! let (x, y) = (Tensor::zeros([10, 3], ())?, Tensor::arange(0, 10, 1, ())?);
//! let loader = DataLoader::new(TensorDataset::new([x, y])?).batch_size(4).shuffle(true);
//! for batch in loader.iter()? {
//!     let batch = batch?;
//!     assert!(batch[0].shape()[0] <= 4);
//! }
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```

mod collate;
mod dataset;
mod loader;
mod sampler;
mod split;

pub use collate::Collate;
pub use dataset::{Dataset, TensorDataset};
pub use loader::{Batches, DataLoader};
pub use sampler::{RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler};
pub use split::{Subset, random_split, random_split_fractions};
