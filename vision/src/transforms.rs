//! Transforms of image tensors.
//!
//! Images are `[channels, height, width]`. A transform that treats every image alike can be given a whole batch `[n, channels, height, width]` at
//! once, which is much faster than one image after the other; it says so by [`Transform::is_batched`].

use std::sync::Arc;

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

/// A change of an image.
pub trait Transform: Send + Sync {
    /// The changed image.
    ///
    /// # Errors
    /// If shape or dtype do not fit.
    fn apply(&self, image: &Tensor) -> Result<Tensor>;

    /// Whether a batch of images can be given as well as one image. A transform that draws random numbers for each image cannot.
    fn is_batched(&self) -> bool {
        false
    }
}

impl<T: Transform + ?Sized> Transform for Arc<T> {
    fn apply(&self, image: &Tensor) -> Result<Tensor> {
        (**self).apply(image)
    }
    fn is_batched(&self) -> bool {
        (**self).is_batched()
    }
}

/// Bytes 0..=255 to floats 0..=1; other dtypes are converted to floats as they are.
#[derive(Clone, Copy, Debug)]
pub struct ToTensor {
    max: f64,
}

impl ToTensor {
    /// For the usual images, whose brightest value is 255.
    pub fn new() -> ToTensor {
        ToTensor { max: 255.0 }
    }

    /// For images of bytes whose brightest value is `max`, as the 16 of the UCI digits.
    pub fn with_max(max: f64) -> ToTensor {
        ToTensor { max }
    }
}

impl Default for ToTensor {
    fn default() -> ToTensor {
        ToTensor::new()
    }
}

impl Transform for ToTensor {
    fn apply(&self, image: &Tensor) -> Result<Tensor> {
        let float = image.to_dtype(DType::F32)?;
        if image.dtype() == DType::U8 { Ok(float / self.max) } else { Ok(float) }
    }
    fn is_batched(&self) -> bool {
        true
    }
}

/// `(x - mean) / std` for each channel.
#[derive(Clone, Debug)]
pub struct Normalize {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Normalize {
    /// Means and standard deviations, one for each channel, or one for all.
    ///
    /// # Errors
    /// If their numbers differ or a standard deviation is 0.
    pub fn new(mean: impl Into<Vec<f64>>, std: impl Into<Vec<f64>>) -> Result<Normalize> {
        let (mean, std) = (mean.into(), std.into());
        if mean.len() != std.len() || mean.is_empty() {
            return Err(Error::value("Normalize", format!("got {} means and {} standard deviations", mean.len(), std.len())));
        }
        if std.contains(&0.0) {
            return Err(Error::value("Normalize", "a standard deviation is 0"));
        }
        Ok(Normalize { mean, std })
    }
}

impl Transform for Normalize {
    fn apply(&self, image: &Tensor) -> Result<Tensor> {
        if !image.dtype().is_float() {
            return Err(Error::dtype("Normalize", format!("wants floats, got {}: put `ToTensor` before it", image.dtype())));
        }
        let channels = if image.dim() >= 3 { image.shape()[image.dim() - 3] } else { 0 };
        if self.mean.len() != 1 && self.mean.len() != channels {
            return Err(Error::shape("Normalize", format!("{} means do not fit an image of shape {:?}", self.mean.len(), image.shape())));
        }
        if let ([mean], [std]) = (&self.mean[..], &self.std[..]) {
            return image.sub(*mean)?.div(*std);
        }
        let column = |v: &[f64]| Tensor::from_slice(v, [v.len(), 1, 1], Device::cpu())?.to_dtype(image.dtype());
        image.sub(&column(&self.mean)?)?.div(&column(&self.std)?)
    }
    fn is_batched(&self) -> bool {
        true
    }
}

/// Transforms one after the other.
#[derive(Clone, Default)]
pub struct Compose(Vec<Arc<dyn Transform>>);

impl Compose {
    /// Nothing yet.
    pub fn new() -> Compose {
        Compose::default()
    }

    /// One more transform, after the others.
    pub fn then(mut self, transform: impl Transform + 'static) -> Compose {
        self.0.push(Arc::new(transform));
        self
    }
}

impl Transform for Compose {
    fn apply(&self, image: &Tensor) -> Result<Tensor> {
        self.0.iter().try_fold(image.clone(), |x, t| t.apply(&x))
    }
    fn is_batched(&self) -> bool {
        self.0.iter().all(|t| t.is_batched())
    }
}
