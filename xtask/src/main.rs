//! Builds, checks and benchmarks the workspace: one file a subcommand.

mod bench;
mod blas;
mod ci;
mod conformance;
mod interop;
mod miri;

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
    /// Everything that must hold: formatting, lints, feature combinations, tests, documentation.
    Ci(ci::Options),
    /// Compare with PyTorch's recorded behaviour (`--help` lists the options).
    Conformance(conformance::Options),
    /// Kernels in the interpreter that finds undefined behaviour (needs the nightly toolchain's miri).
    Miri(miri::Options),
    /// Timed workloads, one JSON line each.
    Bench(bench::Options),
    /// Exchange files with PyTorch, and compare the embeddings of published weights.
    Interop(interop::Options),
}

fn main() -> ExitCode {
    match Options::parse().job {
        Job::Ci(options) => ci::run(&options),
        Job::Conformance(options) => conformance::run(&options),
        Job::Miri(options) => miri::run(&options),
        Job::Bench(options) => bench::run(&options),
        Job::Interop(options) => interop::run(&options),
    }
}
