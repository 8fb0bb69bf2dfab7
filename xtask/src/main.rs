//! Builds, checks and benchmarks the workspace: one file a subcommand.

mod conformance;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Jobs on the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    job: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Compare with PyTorch's recorded behaviour (`--help` lists the options).
    Conformance(conformance::Options),
}

fn main() -> ExitCode {
    match Options::parse().job {
        Job::Conformance(options) => conformance::run(&options),
    }
}
