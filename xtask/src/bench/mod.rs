//! `cargo xtask bench`: timed workloads.
//!
//! One JSON object a line: framework, version, workload, metric, median and best over the repetitions, their number, and the threads used. Set-up
//! is outside of the timed region, the release of every result inside. `--only` takes shell-style patterns, separated by commas; a pattern
//! without a star also matches as part of a name.

mod measure;
mod ops;
mod process;
mod train;

use std::process::ExitCode;

use measure::{Timing, measure};
use rushlight::Result;

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Workload patterns, separated by commas.
    #[arg(long, default_value = "")]
    only: String,
    /// Threads that kernels may use.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// JSON lines alone (the default prints a readable table to standard error besides).
    #[arg(long)]
    json: bool,
    /// Seconds for each workload (1 for op/* and autograd/*, 3 for the others, unless given).
    #[arg(long)]
    budget: Option<f64>,
    /// The names of all workloads.
    #[arg(long)]
    list: bool,
    /// What each workload computes and how long it takes, in place of timing it.
    #[arg(long)]
    profile: bool,
    /// Does what `process/first_result` times.
    #[arg(long, hide = true)]
    first_result: bool,
}

/// A workload: its name, its metric, and what makes the closure that is timed.
pub(crate) struct Workload {
    name: &'static str,
    metric: &'static str,
    /// Operations in one call, for metrics per operation.
    per: f64,
    make: Box<dyn Fn() -> Result<Job>>,
}

/// What is timed.
pub(crate) type Job = Box<dyn FnMut() -> Result<()>>;

impl Workload {
    /// A workload in milliseconds a call.
    pub(crate) fn ms(name: &'static str, make: impl Fn() -> Result<Job> + 'static) -> Workload {
        Workload { name, metric: "ms", per: 1.0, make: Box::new(make) }
    }

    /// A workload in microseconds an operation.
    pub(crate) fn us_per_op(name: &'static str, per: f64, make: impl Fn() -> Result<Job> + 'static) -> Workload {
        Workload { name, metric: "us_per_op", per, make: Box::new(make) }
    }

    /// A workload whose calls make `per` things each, in things a second.
    pub(crate) fn per_second(name: &'static str, metric: &'static str, per: f64, make: impl Fn() -> Result<Job> + 'static) -> Workload {
        Workload { name, metric, per, make: Box::new(make) }
    }

    fn line(&self, times_ms: &[f64], threads: usize) -> (f64, f64, String) {
        let value = |t: f64| match self.metric {
            "us_per_op" => t * 1e3 / self.per,
            "ms" => t,
            _ => self.per / t * 1e3,
        };
        let mut times = times_ms.to_vec();
        times.sort_by(f64::total_cmp);
        let values: Vec<f64> = times.into_iter().map(value).collect();
        let (best, median) = (values[0], (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0);
        let json = format!(
            r#"{{"framework":"{}","version":"{}","workload":"{}","metric":"{}","median":{median:.6},"min":{best:.6},"reps":{},"threads":{threads}}}"#,
            framework(),
            env!("CARGO_PKG_VERSION"),
            self.name,
            self.metric,
            values.len(),
        );
        (best, median, json)
    }
}

/// The framework's name, with the library that multiplies its matrices if a feature asks for one.
fn framework() -> String {
    rushlight::BLAS.map_or("rushlight".into(), |library| format!("rushlight-{library}"))
}

/// Runs the workloads that are asked for.
pub(crate) fn run(options: &Options) -> ExitCode {
    if options.first_result {
        return match process::first_result() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("{e}");
                ExitCode::FAILURE
            }
        };
    }
    rushlight::set_num_threads(options.threads);
    let mut failed = false;
    let patterns: Vec<&str> = options.only.split(',').filter(|p| !p.is_empty()).collect();
    let all = ops::workloads().into_iter().chain(train::workloads()).chain(process::workloads());
    for workload in all.filter(|w| patterns.is_empty() || patterns.iter().any(|p| matches(p, w.name))) {
        if options.list {
            println!("{}", workload.name);
            continue;
        }
        let budget =
            options.budget.unwrap_or(if workload.name.starts_with("train/") || workload.name.starts_with("infer/") { 3.0 } else { 1.0 });
        rushlight::manual_seed(0);
        if options.profile {
            match (workload.make)().and_then(|mut job| profile(&mut job)) {
                Ok(table) => println!("{}\n{table}", workload.name),
                Err(e) => {
                    failed = true;
                    eprintln!("{}: failed: {e}", workload.name);
                }
            }
            continue;
        }
        match (workload.make)().and_then(|mut job| measure(&mut job, &Timing { budget })) {
            Ok(times) => {
                let (best, median, json) = workload.line(&times, options.threads);
                println!("{json}");
                if !options.json {
                    eprintln!("{:<48} {best:>10.4} {median:>10.4} {}", workload.name, workload.metric);
                }
            }
            Err(e) => {
                failed = true;
                eprintln!("{}: failed: {e}", workload.name);
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The table of one call, after ten.
fn profile(job: &mut Job) -> Result<String> {
    (0..10).try_for_each(|_| job())?;
    let (done, seen) = rushlight::profile(job);
    done?;
    Ok(seen.table())
}

/// Shell-style: `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    if !pattern.contains('*') {
        return name.contains(pattern);
    }
    let parts: Vec<&str> = pattern.split('*').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    for part in &parts[1..parts.len() - 1] {
        match rest.find(part) {
            Some(i) => rest = &rest[i + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        assert!(matches("op/*", "op/matmul_512"));
        assert!(matches("matmul", "op/matmul_512"));
        assert!(matches("*fwd", "op/softmax/fwd"));
        assert!(matches("op/*x*/fwd", "op/softmax/fwd"));
        assert!(!matches("op/*", "train/lenet5"));
        assert!(!matches("op/*/fwd", "op/softmax/fwdbwd"));
    }
}
