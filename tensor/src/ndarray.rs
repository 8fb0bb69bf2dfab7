//! To and from the arrays of the crate `ndarray`.

use ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn};
use rushlight_backend::{Element, Error, Result};

use crate::{Device, Tensor};

impl Tensor {
    /// A tensor with the elements of an array of any dimensions and layout, copied.
    ///
    /// # Errors
    /// If there is no memory for it.
    ///
    /// ```
    /// use rushlight_tensor::Tensor;
    /// let a = ndarray::array![[1.0f32, 2.0], [3.0, 4.0]];
    /// let x = Tensor::from_ndarray(&a.t(), rushlight_tensor::Device::cpu())?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
    /// assert_eq!(x.to_ndarray::<f32>()?, a.t().into_dyn());
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn from_ndarray<T: Element, S: Data<Elem = T>, D: Dimension>(array: &ArrayBase<S, D>, device: Device) -> Result<Tensor> {
        match array.as_slice() {
            Some(elements) => Tensor::from_slice(elements, array.shape(), device),
            None => Tensor::from_vec(array.iter().copied().collect(), array.shape(), device),
        }
    }

    /// An array with the elements of the tensor, row-major.
    ///
    /// # Errors
    /// If the tensor's dtype is not `T`'s, or the device fails.
    pub fn to_ndarray<T: Element>(&self) -> Result<ArrayD<T>> {
        ArrayD::from_shape_vec(IxDyn(self.shape()), self.to_vec()?).map_err(|e| Error::shape("to_ndarray", e.to_string()))
    }
}
