//! `cargo xtask miri`: the CPU kernels of pointwise, shape, index, reduction and order in the interpreter of the nightly toolchain, which finds undefined
//! behaviour. It has no vector instructions but the portable ones and shows one core, and the property tests draw few and small cases under it.

use std::process::{Command, ExitCode};

/// Test files of `rushlight-backend-cpu`.
const TESTS: [&str; 5] = ["pointwise", "shape", "index", "reduce", "order"];

/// Options of `cargo xtask miri`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Arguments of the tests, such as a name.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the tests; their exit status is ours.
pub(crate) fn run(options: &Options) -> ExitCode {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "miri", "test", "-p", "rushlight-backend-cpu"]);
    for test in TESTS {
        command.args(["--test", test]);
    }
    match command.arg("--").args(&options.arguments).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("failed, or Miri is missing: rustup component add miri rust-src --toolchain nightly");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("rustup cannot be run: {e}");
            ExitCode::from(2)
        }
    }
}
