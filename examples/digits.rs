//! Trains a small convolutional network on the embedded UCI digits.
//!
//! `cargo run --release --example digits -- [--epochs N] [--seed S] [--threads N] [--save FILE]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rushlight::prelude::*;
use rushlight::vision::{datasets::Digits, transforms::ToTensor};

#[derive(Parser)]
#[command(about = "Trains a small CNN on the embedded UCI digits")]
struct Args {
    /// Passes over the training set.
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Seed of weights and order.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads that kernels may use (all cores unless given).
    #[arg(long)]
    threads: Option<usize>,
    /// Where the weights are saved.
    #[arg(long, default_value = "target/digits.safetensors")]
    save: PathBuf,
}

/// Digits to train on; the other 360 are for testing.
const TRAIN: usize = 1437;
const BATCH: usize = 64;

/// Two convolutions with batch normalisation, two linear layers.
#[derive(Module)]
struct Net {
    conv1: Conv2d,
    norm1: BatchNorm2d,
    conv2: Conv2d,
    norm2: BatchNorm2d,
    pool: MaxPool2d,
    fc1: Linear,
    fc2: Linear,
}

impl Net {
    fn new() -> Result<Net> {
        Ok(Net {
            conv1: Conv2d::builder(1, 16, 3).padding(1).bias(false).build()?,
            norm1: BatchNorm2d::new(16)?,
            conv2: Conv2d::builder(16, 32, 3).padding(1).bias(false).build()?,
            norm2: BatchNorm2d::new(32)?,
            pool: MaxPool2d::new(2)?,
            fc1: Linear::new(32 * 2 * 2, 64)?,
            fc2: Linear::new(64, 10)?,
        })
    }
}

impl Forward for Net {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.pool.forward(&self.norm1.forward(&self.conv1.forward(x)?)?.relu()?)?;
        let x = self.pool.forward(&self.norm2.forward(&self.conv2.forward(&x)?)?.relu()?)?;
        let x = self.fc1.forward(&x.flatten(1, -1)?)?.relu()?;
        self.fc2.forward(&x)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(threads) = args.threads {
        rushlight::set_num_threads(threads);
    }
    let begin = Instant::now();
    manual_seed(args.seed);

    let digits = Arc::new(Digits::new()?.transform(ToTensor::with_max(16.0)));
    // The same split for every seed. The dataset is ordered by writer, so it is shuffled first.
    let parts = random_split(digits.clone(), &[TRAIN, digits.len() - TRAIN], Some(&Generator::new(1998)))?;
    let [train, test] = parts.try_into().map_err(|_| Error::value("digits", "a split in two has two parts"))?;
    let net = Net::new()?;
    println!("{} digits to train on, {} to test; {} parameters", train.len(), test.len(), net.num_parameters());

    let loader = DataLoader::new(train).batch_size(BATCH).shuffle(true);
    let mut optimizer = Adam::new(net.parameters(), 2e-3).build()?;
    for epoch in 1..=args.epochs {
        // The last quarter with a smaller step.
        if epoch == args.epochs * 3 / 4 + 1 {
            optimizer.set_lr(4e-4);
        }
        train_epoch(epoch, &net, &loader, &mut optimizer)?;
    }

    let confusion = evaluate(&net, &test)?;
    report(&confusion, test.len(), begin.elapsed().as_secs_f64());

    if let Some(folder) = args.save.parent() {
        std::fs::create_dir_all(folder)?;
    }
    net.save_safetensors(&args.save)?;
    let copy = Net::new()?;
    copy.load_safetensors(&args.save)?;
    if evaluate(&copy, &test)? != confusion {
        return Err(Error::format(args.save.display().to_string(), "the network behaves differently after saving and loading"));
    }
    println!("weights saved to {} and loaded again: same results", args.save.display());
    Ok(())
}

fn train_epoch(epoch: usize, net: &Net, loader: &DataLoader<Subset<Arc<Digits>>>, optimizer: &mut Adam) -> Result<()> {
    net.train();
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} batches, {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(loader.len() as u64).with_style(style);
    let (mut loss_sum, mut correct, clock) = (0.0, 0.0, Instant::now());
    for batch in loader.iter()? {
        let (x, y) = batch?;
        let logits = net.forward(&x)?;
        let loss = logits.cross_entropy(&y)?;
        optimizer.zero_grad();
        loss.backward()?;
        optimizer.step()?;
        loss_sum += loss.to_f64()? * y.numel() as f64;
        correct += logits.argmax_dim(1, false)?.eq(&y)?.sum()?.to_f64()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let n = TRAIN as f64;
    let rate = n / clock.elapsed().as_secs_f64();
    println!("epoch {epoch:2}: loss {:.4}, accuracy {:6.2} %, {rate:.0} images/s", loss_sum / n, 100.0 * correct / n);
    Ok(())
}

/// How often each digit (row) was taken for each digit (column).
fn evaluate(net: &Net, data: &Subset<Arc<Digits>>) -> Result<Vec<Vec<usize>>> {
    net.eval();
    let (x, y) = data.batch(&(0..data.len()).collect::<Vec<_>>())?;
    let seen = no_grad(|| net.forward(&x))?.argmax_dim(1, false)?;
    let mut confusion = vec![vec![0; 10]; 10];
    for (digit, seen) in y.to_vec::<i64>()?.into_iter().zip(seen.to_vec::<i64>()?) {
        confusion[digit as usize][seen as usize] += 1;
    }
    Ok(confusion)
}

fn report(confusion: &[Vec<usize>], total: usize, seconds: f64) {
    println!("\nconfusion (rows: the digit, columns: what the network saw)");
    println!("     {}", (0..10).map(|i| format!("{i:>4}")).collect::<String>());
    for (digit, row) in confusion.iter().enumerate() {
        let cells: String = row.iter().map(|n| if *n == 0 { "   .".to_string() } else { format!("{n:>4}") }).collect();
        println!("{digit:>4} {cells}");
    }
    let right: usize = confusion.iter().enumerate().map(|(i, row)| row[i]).sum();
    println!("\ntest accuracy {:.2} % ({right} of {total}) after {seconds:.2} s", 100.0 * right as f64 / total as f64);
}
