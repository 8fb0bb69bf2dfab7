//! Everything that must hold before a change lands.

use std::process::{Command, ExitCode};
use std::time::Instant;

/// Options of `cargo xtask ci`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the checks whose name holds this text; may be given several times.
    #[arg(long, value_name = "TEXT")]
    skip: Vec<String>,
}

/// The checks, cheap ones first: a name, the cargo arguments, and environment variables.
const CHECKS: &[(&str, &str, &[(&str, &str)])] = &[
    ("formatting", "fmt --all --check", &[]),
    ("lints", "clippy --workspace --all-targets -- -D warnings", &[]),
    ("lints with cuda", "clippy -p rushlight --all-targets --features cuda -- -D warnings", &[]),
    ("tensor alone", "check -p rushlight-tensor --no-default-features", &[]),
    ("tensor with cuda", "check -p rushlight-tensor --features cuda", &[]),
    ("autograd alone", "check -p rushlight-autograd --no-default-features", &[]),
    ("tests", "test --workspace", &[]),
    ("kernels without SIMD", "test -p rushlight-backend-cpu -p rushlight-tensor -p rushlight-autograd", &[("RUSHLIGHT_SIMD", "portable")]),
    ("kernels with AVX2", "test -p rushlight-backend-cpu -p rushlight-tensor -p rushlight-autograd", &[("RUSHLIGHT_SIMD", "avx2")]),
    ("documentation", "doc --workspace --no-deps", &[("RUSTDOCFLAGS", "-D warnings")]),
];

/// Runs all checks, and goes on after one that fails.
pub(crate) fn run(options: &Options) -> ExitCode {
    let mut failed = Vec::new();
    for (name, arguments, variables) in CHECKS {
        if options.skip.iter().any(|s| name.contains(s.as_str())) {
            println!("-- {name}: left out");
            continue;
        }
        println!("-- {name}: cargo {arguments}");
        let start = Instant::now();
        let status = Command::new(env!("CARGO")).args(arguments.split(' ')).envs(variables.iter().copied()).status();
        let ok = status.is_ok_and(|s| s.success());
        println!("-- {name}: {} ({:.0} s)", if ok { "ok" } else { "FAILED" }, start.elapsed().as_secs_f64());
        if !ok {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        println!("all checks hold");
        return ExitCode::SUCCESS;
    }
    println!("failed: {}", failed.join(", "));
    ExitCode::FAILURE
}
