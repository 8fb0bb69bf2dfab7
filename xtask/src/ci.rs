//! Everything that must hold before a change lands.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::blas;

/// Options of `cargo xtask ci`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the checks whose name holds this text; may be given several times.
    #[arg(long, value_name = "TEXT")]
    skip: Vec<String>,
    /// Check the products of OpenBLAS and MKL besides; installs what is missing with apt-get and pip.
    #[arg(long)]
    blas: bool,
}

/// A check: a name, the cargo arguments, and environment variables.
type Check = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// The checks, cheap ones first.
const CHECKS: &[Check] = &[
    ("formatting", "fmt --all --check", &[]),
    ("lints", "clippy --workspace --all-targets -- -D warnings", &[]),
    ("lints with features", "clippy -p rushlight --all-targets --features cuda,npz,ndarray -- -D warnings", &[]),
    ("tensor alone", "check -p rushlight-tensor", &[]),
    ("tensor with cuda", "check -p rushlight-tensor --features cuda", &[]),
    ("autograd alone", "check -p rushlight-autograd", &[]),
    ("tensor with npz and ndarray", "test -p rushlight-tensor --features npz,ndarray", &[]),
    ("tests", "test --workspace", &[]),
    ("tests without SIMD on one thread", "test --workspace", &[("RUSHLIGHT_SIMD", "portable"), ("RUSHLIGHT_NUM_THREADS", "1")]),
    ("tests with AVX2 on three threads", "test --workspace", &[("RUSHLIGHT_SIMD", "avx2"), ("RUSHLIGHT_NUM_THREADS", "3")]),
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
        let variables: Vec<_> = variables.iter().map(|(k, v)| (*k, (*v).into())).collect();
        if !holds(name, arguments, &variables) {
            failed.push((*name).to_string());
        }
    }
    if options.blas {
        failed.extend(blas::run());
    }
    if failed.is_empty() {
        println!("all checks hold");
        return ExitCode::SUCCESS;
    }
    println!("failed: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// Runs a check and says how it went.
pub(crate) fn holds(name: &str, arguments: &str, variables: &[(&str, OsString)]) -> bool {
    println!("-- {name}: cargo {arguments}");
    let start = Instant::now();
    let status = Command::new(env!("CARGO")).args(arguments.split(' ')).envs(variables.iter().cloned()).status();
    let ok = status.is_ok_and(|s| s.success());
    println!("-- {name}: {} ({:.0} s)", if ok { "ok" } else { "FAILED" }, start.elapsed().as_secs_f64());
    ok
}
