//! Images with labels, all in memory.

use std::sync::Arc;

use rushlight_data::Dataset;
use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use crate::transforms::Transform;

/// Images `[n, channels, height, width]` and labels `[n]`, and what is done to each image when it is taken.
#[derive(Clone)]
pub struct LabelledImages {
    images: Tensor,
    labels: Arc<Vec<i64>>,
    transform: Option<Arc<dyn Transform>>,
}

impl LabelledImages {
    /// From tensors; `name` is what error messages call the data. Images without a channel dimension get one.
    ///
    /// # Errors
    /// If their numbers differ or the shapes are not those of images and labels.
    pub fn new(name: &str, images: Tensor, labels: &Tensor) -> Result<LabelledImages> {
        let images = if images.dim() == 3 { images.unsqueeze(1)? } else { images };
        if images.dim() != 4 || labels.dim() != 1 || images.shape()[0] != labels.shape()[0] {
            return Err(Error::format(
                name.to_string(),
                format!("images of shape {:?} and labels of shape {:?} do not belong together", images.shape(), labels.shape()),
            ));
        }
        let labels = labels.to_dtype(DType::I64)?.to_vec::<i64>()?;
        Ok(LabelledImages { images, labels: Arc::new(labels), transform: None })
    }

    /// Applies a transform to every image that is taken.
    pub fn transform(mut self, transform: impl Transform + 'static) -> LabelledImages {
        self.transform = Some(Arc::new(transform));
        self
    }

    /// All images as they are stored.
    pub fn images(&self) -> &Tensor {
        &self.images
    }

    /// All labels.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    fn label(&self, index: usize) -> Result<i64> {
        let n = self.labels.len();
        self.labels.get(index).copied().ok_or_else(|| Error::index("dataset", format!("item {index} of a dataset of {n}")))
    }
}

impl Dataset for LabelledImages {
    type Item = (Tensor, i64);

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize) -> Result<(Tensor, i64)> {
        let label = self.label(index)?;
        let image = self.images.select(0, index as isize)?;
        Ok((self.transform.as_ref().map_or(Ok(image.clone()), |t| t.apply(&image))?, label))
    }

    fn batch(&self, indices: &[usize]) -> Result<(Tensor, Tensor)> {
        let labels = indices.iter().map(|&i| self.label(i)).collect::<Result<Vec<_>>>()?;
        let labels = Tensor::from_vec(labels, indices.len(), Device::cpu())?;
        let gather = || {
            let index = Tensor::from_vec(indices.iter().map(|&i| i as i64).collect(), indices.len(), Device::cpu())?;
            self.images.index_select(0, &index)
        };
        let images = match &self.transform {
            None => gather()?,
            Some(t) if t.is_batched() => t.apply(&gather()?)?,
            Some(t) => {
                let each = indices.iter().map(|&i| t.apply(&self.images.select(0, i as isize)?)).collect::<Result<Vec<_>>>()?;
                Tensor::stack(&each, 0)?
            }
        };
        Ok((images, labels))
    }
}

/// A dataset that is a wrapper around [`LabelledImages`].
macro_rules! labelled_dataset {
    ($name:ident) => {
        impl $name {
            /// Applies a transform to every image that is taken.
            pub fn transform(self, transform: impl $crate::transforms::Transform + 'static) -> $name {
                $name(self.0.transform(transform))
            }
            /// The images and labels without the name of the dataset.
            pub fn into_inner(self) -> $crate::datasets::LabelledImages {
                self.0
            }
            /// All images as they are stored: `[n, 1, height, width]`, bytes.
            pub fn images(&self) -> &rushlight_tensor::Tensor {
                self.0.images()
            }
            /// All labels.
            pub fn labels(&self) -> &[i64] {
                self.0.labels()
            }
        }

        impl rushlight_data::Dataset for $name {
            type Item = (rushlight_tensor::Tensor, i64);
            fn len(&self) -> usize {
                self.0.len()
            }
            fn get(&self, index: usize) -> rushlight_tensor::Result<Self::Item> {
                self.0.get(index)
            }
            fn batch(&self, indices: &[usize]) -> rushlight_tensor::Result<(rushlight_tensor::Tensor, rushlight_tensor::Tensor)> {
                self.0.batch(indices)
            }
        }
    };
}
pub(crate) use labelled_dataset;
