//! Runs the cases of a family.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::families::{Checked, Context, runner};
use crate::golden::{Case, Golden, ReadResult};
use crate::modules::Modules;
use crate::ops;
use crate::outcome::Outcome;
use crate::report::Line;

/// Which cases to run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only this family.
    pub family: Option<String>,
    /// Only this operator.
    pub op: Option<String>,
}

thread_local! {
    /// Where and why this thread panicked last.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a check; a panic is a failure that says so.
pub fn guarded(check: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|payload| {
        let said = PANIC.with_borrow_mut(Option::take);
        let said = said.or_else(|| payload.downcast_ref::<&str>().map(|s| s.to_string()));
        Outcome::Failed(format!("panic: {}", said.unwrap_or_else(|| "in a thread".to_string())))
    })
}

/// Silences the panic messages of `f`, whose panics are caught case by case.
fn quietly<R>(f: impl FnOnce() -> R) -> R {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string().replace('\n', " ");
        PANIC.with_borrow_mut(|p| *p = Some(text));
    }));
    let result = f();
    std::panic::set_hook(before);
    result
}

/// Runs the selected cases of a folder: one line for each check, in the order of the families and their cases.
///
/// # Errors
/// If the folder cannot be read.
pub fn run(golden: &Golden, selection: &Selection) -> ReadResult<Vec<Line>> {
    let wanted = |f: &str| selection.family.as_deref().is_none_or(|s| s == f);
    let families: Vec<&str> = golden.families().into_iter().filter(|f| wanted(f)).collect();
    if families.is_empty() {
        return Err(format!("{}: no such family", golden.dir().display()));
    }
    let (registry, draws, modules) = (ops::registry(), ops::random::draws(), Modules::all());
    let mut lines = Vec::new();
    for name in families {
        let family = golden.family(name)?;
        let ctx = Context { family: &family, registry: &registry, draws: &draws, modules: &modules, golden };
        let cases: Vec<&Case> = family.cases.iter().filter(|c| selection.op.as_deref().is_none_or(|op| op == c.op)).collect();
        let results = quietly(|| run_cases(&ctx, &cases));
        for (case, checked) in cases.iter().zip(results) {
            lines.extend(checked.into_iter().map(|(check, outcome)| Line {
                family: name.to_string(),
                id: case.id.clone(),
                op: case.op.clone(),
                check,
                outcome,
            }));
        }
    }
    Ok(lines)
}

/// Every case's checks, in order. Cases run side by side where their family allows it.
fn run_cases(ctx: &Context<'_>, cases: &[&Case]) -> Vec<Checked> {
    let runner = runner(&ctx.family.name);
    if !runner.parallel {
        return cases.iter().map(|case| (runner.run)(ctx, case)).collect();
    }
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(cases.len()));
    std::thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                let mut mine = Vec::new();
                while let Some((i, case)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, cases.get(i)?))) {
                    mine.push((i, (runner.run)(ctx, case)));
                }
                done.lock().unwrap_or_else(|e| e.into_inner()).extend(mine);
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|e| e.into_inner());
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, checked)| checked).collect()
}
