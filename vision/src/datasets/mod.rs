//! Image datasets. Each is a [`Dataset`](rushlight_data::Dataset) of images `[channels, height, width]` (bytes, unless a transform changes
//! them) and int64 labels.

mod digits;
mod labelled;
mod mnist;

pub use digits::Digits;
pub use labelled::LabelledImages;
pub use mnist::{FashionMNIST, MNIST};
