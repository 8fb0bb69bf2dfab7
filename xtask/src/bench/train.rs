//! `train/*`: one step of training on a fixed batch.

use rushlight::prelude::*;
use rushlight::vision::models::LeNet5;

use super::{Job, Workload};

/// The workloads of this file.
pub(super) fn workloads() -> Vec<Workload> {
    vec![
        Workload::ms("train/mlp_mnist", || {
            let net = Sequential::new()
                .add(Linear::new(784, 512)?)
                .add(ReLU::new())
                .add(Linear::new(512, 256)?)
                .add(ReLU::new())
                .add(Linear::new(256, 10)?);
            let optimizer = Adam::new(net.parameters(), 1e-3).build()?;
            step(net, optimizer, &[128, 784])
        }),
        Workload::ms("train/lenet5", || {
            let net = LeNet5::new(10)?;
            let optimizer = SGD::new(net.parameters(), 0.01).momentum(0.9).build()?;
            step(net, optimizer, &[64, 1, 28, 28])
        }),
    ]
}

/// Clear gradients, forward, mean cross entropy of 10 classes, backward, update.
fn step(net: impl Forward + 'static, mut optimizer: impl Optimizer + 'static, input: &[usize]) -> Result<Job> {
    let (x, y) = (Tensor::randn(input, ())?, Tensor::randint(0, 10, input[0], ())?);
    Ok(Box::new(move || {
        optimizer.zero_grad();
        net.forward(&x)?.cross_entropy(&y)?.backward()?;
        optimizer.step()
    }))
}
