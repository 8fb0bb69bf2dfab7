//! `train/*`, one step of training on a fixed batch, and `infer/*`.

use rushlight::autograd::no_grad;
use rushlight::nn::models::Gpt;
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
            step(net, optimizer, Tensor::randn([128, 784], ())?, 10)
        }),
        Workload::ms("train/lenet5", || {
            let net = LeNet5::new(10)?;
            let optimizer = SGD::new(net.parameters(), 0.01).momentum(0.9).build()?;
            step(net, optimizer, Tensor::randn([64, 1, 28, 28], ())?, 10)
        }),
        Workload::ms("train/gpt_mini", || {
            let net = Gpt::new(256, 256)?;
            let optimizer = AdamW::new(net.parameters(), 3e-4).build()?;
            step(net, optimizer, Tensor::randint(0, 256, [8, 128], ())?, 256)
        }),
        Workload::ms("train/lstm", || {
            let net = LastState { lstm: LSTM::builder(128, 256).batch_first(true).build()?, head: Linear::new(256, 10)? };
            let optimizer = Adam::new(net.parameters(), 1e-3).build()?;
            step(net, optimizer, Tensor::randn([32, 64, 128], ())?, 10)
        }),
        Workload::ms("infer/minilm_seq128_b1", || {
            let (net, ids) = (Encoder::new()?, Tensor::randint(0, 30522, [1, 128], ())?);
            net.eval();
            Ok(Box::new(move || no_grad(|| net.embed(&ids)).map(drop)))
        }),
        Workload::per_second("infer/gpt_mini_generate", "tokens_per_s", 128.0, || {
            let (net, prompt) = (Gpt::new(256, 256)?, Tensor::randint(0, 256, [1, 16], ())?);
            net.eval();
            Ok(Box::new(move || net.generate(&prompt, 128).map(drop)))
        }),
    ]
}

/// An LSTM whose last hidden state is classified.
#[derive(Module)]
struct LastState {
    lstm: LSTM,
    head: Linear,
}

impl Forward for LastState {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, (h, _)) = self.lstm.forward_with(x, None)?;
        self.head.forward(&h.select(0, -1)?)
    }
}

/// The encoder of BERT in the sizes of MiniLM-L6.
#[derive(Module)]
struct Encoder {
    words: Embedding,
    positions: Embedding,
    segments: Embedding,
    norm: LayerNorm,
    layers: TransformerEncoder,
}

impl Encoder {
    fn new() -> Result<Encoder> {
        let (width, eps) = (384, 1e-12);
        let layer = TransformerEncoderLayer::builder(width, 12).dim_feedforward(1536).dropout(0.0).activation(Activation::Gelu);
        Ok(Encoder {
            words: Embedding::new(30522, width)?,
            positions: Embedding::new(512, width)?,
            segments: Embedding::new(2, width)?,
            norm: LayerNorm::builder(width).eps(eps).build()?,
            layers: TransformerEncoder::new(layer.layer_norm_eps(eps).batch_first(true), 6)?,
        })
    }

    /// The mean over the sequence, of length 1.
    fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        let part = |table: &Embedding, len: usize| table.weight.tensor().narrow(0, 0, len);
        let x = self.words.forward(ids)?.add(&part(&self.positions, ids.size(1)?)?)?.add(&part(&self.segments, 1)?)?;
        self.layers.forward_with(&self.norm.forward(&x)?, Masks::default())?.mean_dim(1, false)?.normalize(2.0, 1, 1e-12)
    }
}

/// Clear gradients, forward, mean cross entropy, backward, update. There is a target for each row of the net's last dimension.
fn step(net: impl Forward + 'static, mut optimizer: impl Optimizer + 'static, x: Tensor, classes: i64) -> Result<Job> {
    let shape = no_grad(|| net.forward(&x))?.shape().to_vec();
    let rows: usize = shape[..shape.len() - 1].iter().product();
    let y = Tensor::randint(0, classes, rows, ())?;
    Ok(Box::new(move || {
        optimizer.zero_grad();
        net.forward(&x)?.reshape([rows, classes as usize])?.cross_entropy(&y)?.backward()?;
        optimizer.step()
    }))
}
