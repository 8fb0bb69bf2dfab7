//! The checks of `cargo xtask ci --blas`: products of matrices by OpenBLAS and by MKL, for real.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::ci::holds;

/// Runs a program; whether it went well.
fn done(program: &str, arguments: &[&str]) -> bool {
    println!("-- {program} {}", arguments.join(" "));
    Command::new(program).args(arguments).status().is_ok_and(|s| s.success())
}

/// OpenBLAS of the system, from Debian's package if it is missing.
fn openblas() -> Result<Vec<(&'static str, OsString)>, String> {
    let there = || Command::new("pkg-config").args(["--exists", "openblas"]).status().is_ok_and(|s| s.success());
    if there() || (done("apt-get", &["install", "-y", "libopenblas-dev", "pkg-config"]) && there()) {
        return Ok(Vec::new());
    }
    Err("OpenBLAS is missing: Debian's package is libopenblas-dev".into())
}

/// MKL where `MKLROOT` says, or from PyPI in a virtual environment below `target`.
fn mkl() -> Result<Vec<(&'static str, OsString)>, String> {
    let root = match std::env::var_os("MKLROOT") {
        Some(root) => PathBuf::from(root),
        None => {
            let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/mkl");
            let pip = root.join("bin/pip");
            let installed = root.join("lib/libmkl_core.a").exists()
                || (done("python3", &["-m", "venv", &root.to_string_lossy()])
                    && done(&pip.to_string_lossy(), &["install", "--quiet", "mkl-static", "mkl-devel", "mkl-include"]));
            if !installed {
                return Err("MKL is missing: PyPI's packages are mkl-static, mkl-devel and mkl-include".into());
            }
            root.canonicalize().map_err(|e| e.to_string())?
        }
    };
    Ok(vec![("PKG_CONFIG_PATH", root.join("lib/pkgconfig").into()), ("MKLROOT", root.into())])
}

/// Runs the checks; the names of those that fail.
pub(crate) fn run() -> Vec<String> {
    let mut failed = Vec::new();
    for (library, found) in [("openblas", openblas()), ("mkl", mkl())] {
        let variables = match found {
            Ok(variables) => variables,
            Err(why) => {
                println!("-- {library}: {why}");
                failed.push(library.to_string());
                continue;
            }
        };
        let checks = [
            ("kernels", format!("test -p rushlight-backend-cpu --features {library} --lib --test matmul --test conv")),
            ("conformance", format!("test -p rushlight-tests --features {library}")),
            ("benchmark", format!("run -p xtask --release --features {library} -- bench --only op/matmul,op/bmm")),
        ];
        for (what, arguments) in checks {
            let name = format!("{library}: {what}");
            if !holds(&name, &arguments, &variables) {
                failed.push(name);
            }
        }
    }
    failed
}
