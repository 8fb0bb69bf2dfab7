//! LeNet-5.

use rushlight_nn::{Conv2d, Forward, Linear, MaxPool2d, Module, ReLU};
use rushlight_tensor::{Result, Tensor};

/// LeNet-5 for grey images of 28 x 28, `[N, 1, 28, 28]` to `[N, classes]`: two convolutions of 5 x 5, each with a pooling, and three linear layers.
/// Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86 (1998); with ReLU and maximum
/// pooling in place of the tanh and the scaled means of its day.
///
/// ```
/// use rushlight_nn::{Forward, Module};
/// use rushlight_tensor::Tensor;
/// use rushlight_vision::models::LeNet5;
///
/// let net = LeNet5::new(10)?;
/// assert_eq!(net.num_parameters(), 61_706);
/// assert_eq!(net.forward(&Tensor::zeros([2, 1, 28, 28], ())?)?.shape(), [2, 10]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct LeNet5 {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
    relu: ReLU,
    pool: MaxPool2d,
}

impl LeNet5 {
    /// A network that tells so many classes apart, with PyTorch's default initialisation.
    ///
    /// # Errors
    /// None for any number of classes that fits in memory.
    pub fn new(classes: usize) -> Result<LeNet5> {
        Ok(LeNet5 {
            conv1: Conv2d::builder(1, 6, 5).padding(2).build()?,
            conv2: Conv2d::new(6, 16, 5)?,
            fc1: Linear::new(16 * 5 * 5, 120)?,
            fc2: Linear::new(120, 84)?,
            fc3: Linear::new(84, classes)?,
            relu: ReLU::new(),
            pool: MaxPool2d::new(2)?,
        })
    }
}

impl Forward for LeNet5 {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let block = |x: Tensor| self.pool.forward(&self.relu.forward_owned(x)?);
        let x = block(self.conv1.forward(x)?)?;
        let x = block(self.conv2.forward(&x)?)?.flatten(1, -1)?;
        let x = self.relu.forward_owned(self.fc1.forward(&x)?)?;
        let x = self.relu.forward_owned(self.fc2.forward(&x)?)?;
        self.fc3.forward(&x)
    }
}
