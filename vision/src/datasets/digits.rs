//! The UCI optical digits, embedded.

use rushlight_tensor::Result;

use super::labelled::{LabelledImages, labelled_dataset};
use crate::idx::parse_idx;

/// 1,797 handwritten digits of 8x8 pixels with values 0..=16, embedded in the program.
///
/// Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (1998), the test part; licensed
/// under CC BY 4.0. Stored here as gzip'd IDX; the values are unchanged. Use [`ToTensor::with_max`](crate::transforms::ToTensor::with_max)`(16.0)`.
#[derive(Clone)]
pub struct Digits(LabelledImages);

impl Digits {
    /// The whole dataset, in its original order.
    ///
    /// # Errors
    /// None in practice: the data is part of the program.
    pub fn new() -> Result<Digits> {
        let images = parse_idx("digits-images", include_bytes!("../../data/digits-images-idx3-ubyte.gz"))?;
        let labels = parse_idx("digits-labels", include_bytes!("../../data/digits-labels-idx1-ubyte.gz"))?;
        LabelledImages::new("digits", images, &labels).map(Digits)
    }
}

labelled_dataset!(Digits);
