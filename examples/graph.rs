//! Functions as data and as pictures: listings, the table that courses draw by hand, drawings for Graphviz and as SVG, and a profile.
//!
//! `cargo run --release --example graph -- [--out DIR]`

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use rushlight::prelude::*;
use rushlight::vision::models::LeNet5;
use rushlight::{autograd::capture, profile};

#[derive(Parser)]
#[command(about = "Draws the graphs of a small function and of LeNet-5")]
struct Args {
    /// Where the files are written.
    #[arg(long, default_value = "target/graph")]
    out: PathBuf,
}

/// f(x1, x2) = ln x1 + x1 x2 - sin x2
fn f(x: &[Tensor]) -> Result<Tensor> {
    x[0].log()?.add(&x[0].mul(&x[1])?)?.sub(&x[1].sin()?)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    fs::create_dir_all(&args.out)?;
    let write = |name: &str, text: String| fs::write(args.out.join(name), text);

    let (x1, x2) = (Tensor::new(2.0f64)?, Tensor::new(5.0f64)?);
    let (zero, one) = (Tensor::new(0.0f64)?, Tensor::new(1.0f64)?);
    let graph = capture(f, &[("x1", &x1), ("x2", &x2)])?;
    println!("f(x1, x2) = ln x1 + x1 x2 - sin x2\n\n{graph}");
    println!("at (2, 5), tangents in the direction of x1:\n\n{}", graph.trace(&[&x1, &x2], Some(&[&one, &zero]))?);
    let backward = graph.with_backward(&[&x1, &x2])?;
    println!("with its backward pass:\n\n{backward}");
    write("f.dot", backward.dot())?;
    write("f.svg", backward.svg()?)?;

    manual_seed(0);
    let net = LeNet5::new(10)?;
    let (images, labels) = (Tensor::randn([8, 1, 28, 28], ())?, Tensor::randint(0, 10, 8, ())?);
    let loss = |x: &[Tensor]| net.forward(&x[0])?.cross_entropy(&labels);
    let parameters = net.named_parameters().into_iter().map(|(name, p)| (name, p.tensor()));
    let graph = capture(loss, &[("images", &images)])?.with_parameters(parameters);
    let backward = graph.with_backward(&[&images])?;
    println!("LeNet-5 and its loss, with the backward pass:\n\n{backward}");
    println!("{}", graph.trace(&[&images], None)?);
    write("lenet5.dot", backward.dot())?;
    write("lenet5.svg", backward.svg()?)?;
    write("lenet5_forward.svg", graph.svg()?)?;

    let mut optimizer = SGD::new(net.parameters(), 0.01).momentum(0.9).build()?;
    let (step, seen) = profile(|| {
        optimizer.zero_grad();
        loss(std::slice::from_ref(&images))?.backward()?;
        optimizer.step()
    });
    step?;
    println!("a step of training, profiled:\n\n{}", seen.table());
    write("lenet5_trace.json", seen.chrome_trace())?;
    println!("written to {}", args.out.display());
    Ok(())
}
