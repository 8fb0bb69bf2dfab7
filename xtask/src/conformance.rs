//! `cargo xtask conformance`: builds the harness of the crate `tests` and runs it.

use std::process::{Command, ExitCode};

/// The harness has its own options: all are handed on.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Options of the harness.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the harness; its exit status is ours.
pub(crate) fn run(options: &Options) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--release", "--package", "rushlight-tests", "--bin", "conformance", "--"]);
    match command.args(&options.arguments).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(2)),
        Err(e) => {
            eprintln!("cargo cannot be run: {e}");
            ExitCode::from(2)
        }
    }
}
