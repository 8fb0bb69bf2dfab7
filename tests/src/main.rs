//! `cargo xtask conformance`: PyTorch's recorded behaviour against ours.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rushlight_tests::golden::{Golden, ReadResult};
use rushlight_tests::run::{Selection, run};
use rushlight_tests::{pack, pinned, report};

/// Compares Rushlight with PyTorch's recorded behaviour. Exits with 0 if nothing failed or is missing, else with 1.
#[derive(Parser)]
#[command(name = "cargo xtask conformance")]
struct Options {
    /// A folder of recorded cases (default: the one that comes with the project).
    #[arg(long, value_name = "DIR")]
    golden: Option<PathBuf>,
    /// Only this family: ops, errors, promotion, modules, optim, sched, clip_ema, rng, curves, checkpoints.
    #[arg(long)]
    family: Option<String>,
    /// Only this operator, by PyTorch's name.
    #[arg(long, value_name = "OP")]
    only: Option<String>,
    /// Name the cases that failed or are missing, with the reason.
    #[arg(long)]
    verbose: bool,
    /// One JSON object a line instead of the table.
    #[arg(long)]
    json: bool,
    /// Pin what passes now: the project's tests fail if one of these is lost. Only with the project's own cases, all of them.
    #[arg(long, conflicts_with_all = ["golden", "family", "only"])]
    bless: bool,
    /// Copy the folder given with --golden into the project, compressed and without its largest cases, instead of running it.
    #[arg(long, requires = "golden")]
    pack: bool,
}

/// Prints; a reader who has read enough (`| head`) is no error.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn work(options: &Options) -> ReadResult<bool> {
    let golden = options.golden.clone().map_or_else(Golden::bundled, Golden::at);
    if options.pack {
        say(&pack::pack(&golden, &Golden::bundled())?);
        return Ok(true);
    }
    let selection = Selection { family: options.family.clone(), op: options.only.clone() };
    let lines = run(&golden, &selection)?;
    if options.verbose {
        say(&report::details(&lines));
    }
    say(&if options.json { report::json(&lines) } else { report::table(&lines) });
    if options.bless {
        say(&format!("{} checks pinned\n", pinned::write(&lines)?));
    }
    Ok(report::complete(&lines))
}

fn main() -> ExitCode {
    match work(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(2)
        }
    }
}
