//! Vision datasets, transforms and models.
//!
//! ```
//! use rushlight_data::Dataset;
//! use rushlight_vision::{datasets::Digits, transforms::ToTensor};
//!
//! let digits = Digits::new()?.transform(ToTensor::new());
//! let (image, label) = digits.get(0)?;
//! assert_eq!((image.shape(), label), (&[1, 8, 8][..], 0));
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```

pub mod datasets;
pub mod idx;
pub mod models;
pub mod transforms;
