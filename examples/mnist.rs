//! Trains LeNet-5 on MNIST or Fashion-MNIST from IDX files.
//!
//! `cargo run --release --example mnist -- --dataset fashion --root DIR`

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use rushlight::prelude::*;
use rushlight::vision::datasets::{FashionMNIST, LabelledImages, MNIST};
use rushlight::vision::models::LeNet5;
use rushlight::vision::transforms::{Compose, Normalize, ToTensor};

#[derive(Parser)]
#[command(about = "Trains LeNet-5 on MNIST or Fashion-MNIST")]
struct Args {
    /// Which dataset the files hold.
    #[arg(long, value_enum, default_value = "mnist")]
    dataset: Name,
    /// The folder of the four IDX files, raw or gzip'd.
    #[arg(long)]
    root: PathBuf,
    /// Passes over the training set.
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    /// Images in a batch.
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Step size of SGD with momentum 0.9.
    #[arg(long, default_value_t = 0.02)]
    lr: f64,
    /// Threads that make batches ahead.
    #[arg(long, default_value_t = 0)]
    workers: usize,
    /// Seed of weights and order.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    Mnist,
    Fashion,
}

fn load(name: Name, root: &Path, train: bool) -> Result<LabelledImages> {
    let (images, mean, std) = match name {
        Name::Mnist => (MNIST::new(root, train)?.into_inner(), 0.1307, 0.3081),
        Name::Fashion => (FashionMNIST::new(root, train)?.into_inner(), 0.2860, 0.3530),
    };
    Ok(images.transform(Compose::new().then(ToTensor::new()).then(Normalize::new([mean], [std])?)))
}

fn main() -> Result<()> {
    let args = Args::parse();
    manual_seed(args.seed);
    let train = load(args.dataset, &args.root, true)?;
    let test = load(args.dataset, &args.root, false)?;
    let net = LeNet5::new(10)?;
    println!("{} images to train on, {} to test; {} parameters", train.len(), test.len(), net.num_parameters());
    let loader = DataLoader::new(train).batch_size(args.batch_size).shuffle(true).workers(args.workers);
    let test_loader = DataLoader::new(test).batch_size(1000).workers(args.workers);
    let mut optimizer = SGD::new(net.parameters(), args.lr).momentum(0.9).build()?;

    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} batches, {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar());
    for epoch in 1..=args.epochs {
        net.train();
        let bar = ProgressBar::new(loader.len() as u64).with_style(style.clone());
        let (mut loss_sum, clock) = (0.0, Instant::now());
        for batch in loader.iter()? {
            let (x, y) = batch?;
            let loss = net.forward(&x)?.cross_entropy(&y)?;
            optimizer.zero_grad();
            loss.backward()?;
            optimizer.step()?;
            loss_sum += loss.to_f64()? * y.numel() as f64;
            bar.inc(1);
        }
        bar.finish_and_clear();
        let seconds = clock.elapsed().as_secs_f64();

        net.eval();
        let mut correct = 0.0;
        for batch in test_loader.iter()? {
            let (x, y) = batch?;
            let logits = no_grad(|| net.forward(&x))?;
            correct += logits.argmax_dim(1, false)?.eq(&y)?.sum()?.to_f64()?;
        }
        let (n, tests) = (loader.dataset().len() as f64, test_loader.dataset().len() as f64);
        println!(
            "epoch {epoch}: loss {:.4}, test accuracy {:.2} %, {seconds:.2} s for training, {:.0} images/s",
            loss_sum / n,
            100.0 * correct / tests,
            n / seconds
        );
    }
    Ok(())
}
