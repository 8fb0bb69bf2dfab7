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

#[cfg(test)]
mod tests {
    use rushlight_autograd::{Autograd, capture};
    use rushlight_tensor::profile;

    use super::*;

    #[test]
    fn its_graph_with_names_and_gradients() {
        let net = LeNet5::new(10).unwrap();
        let (x, y) = (Tensor::randn([4, 1, 28, 28], ()).unwrap(), Tensor::new([3i64, 0, 9, 3]).unwrap());
        let loss = |x: &[Tensor]| net.forward(&x[0])?.cross_entropy(&y);
        let named = net.named_parameters();
        let graph = capture(loss, &[("images", &x)]).unwrap().with_parameters(named.iter().map(|(n, p)| (n.clone(), p.tensor())));
        assert_eq!(graph.run(&[&x]).unwrap()[0].to_vec::<f32>().unwrap(), loss(std::slice::from_ref(&x)).unwrap().to_vec::<f32>().unwrap());
        // Every parameter is there by its name, and its gradient is that of the tape.
        let whole = graph.with_backward(&[&x]).unwrap();
        let (dot, svg) = (whole.dot(), whole.svg().unwrap());
        let gradients = whole.run(&[&x]).unwrap();
        let (_, seen) = profile(|| loss(std::slice::from_ref(&x))?.backward());
        assert_eq!(gradients.len(), 1 + named.len());
        for ((name, p), g) in named.iter().zip(&gradients[1..]) {
            assert!(dot.contains(&format!("\"{name}\\n")) && dot.contains(&format!("\"{name}.grad\\n")), "{name}");
            assert!(svg.contains(&format!(">{name}<")) && svg.contains(&format!(">{name}.grad<")), "{name}");
            assert_eq!(g.to_vec::<f32>().unwrap(), p.grad().unwrap().to_vec::<f32>().unwrap(), "{name}");
        }
        // What was captured is what ran.
        let trace: serde_json::Value = serde_json::from_str(&seen.chrome_trace()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let ran = |name: &str| events.iter().filter(|e| e["ph"] == "X" && e["name"] == name).count();
        for name in ["conv2d", "max_pool2d_backward", "relu_backward", "linear", "cross_entropy_backward"] {
            assert_eq!(ran(name), whole.nodes.iter().filter(|n| n.name() == name).count(), "{name}");
        }
    }
}
