//! How the cases of each family are checked: one file a family.

mod checkpoints;
mod clip_ema;
mod curves;
pub(crate) mod derivatives;
mod errors;
mod modules;
pub(crate) mod ops;
mod optim;
mod programs;
mod promotion;
mod reconstruct;
mod rng;
mod rows;
mod sched;

use crate::golden::{Case, FAMILIES, Family, Golden};
use crate::modules::Modules;
use crate::outcome::Outcome;
use crate::registry::Registry;

/// The checks of a case and what came of each.
pub type Checked = Vec<(&'static str, Outcome)>;

/// What every runner is given.
pub struct Context<'a> {
    /// The folder.
    pub golden: &'a Golden,
    /// The family.
    pub family: &'a Family,
    /// Operators.
    pub registry: &'a Registry,
    /// Draws from the default generator.
    pub draws: &'a Registry,
    /// Modules.
    pub modules: &'a Modules,
}

/// How one family is run.
pub struct Runner {
    /// Runs all checks of a case.
    pub run: fn(&Context<'_>, &Case) -> Checked,
    /// Whether cases may run side by side: not where they draw from the default generator or change the default dtype.
    pub parallel: bool,
}

/// The runner of a family.
pub fn runner(family: &str) -> Runner {
    match family {
        "ops" => Runner { run: ops::run, parallel: true },
        "errors" => Runner { run: errors::run, parallel: false },
        "promotion" => Runner { run: promotion::run, parallel: true },
        "optim" => Runner { run: optim::run, parallel: true },
        "modules" => Runner { run: modules::run, parallel: false },
        "sched" => Runner { run: sched::run, parallel: true },
        "checkpoints" => Runner { run: checkpoints::run, parallel: true },
        "clip_ema" => Runner { run: clip_ema::run, parallel: true },
        "curves" => Runner { run: curves::run, parallel: false },
        "rng" => Runner { run: rng::run, parallel: false },
        _ => Runner { run: missing, parallel: true },
    }
}

/// A case of a family that no crate of ours covers yet.
fn missing(ctx: &Context<'_>, _: &Case) -> Checked {
    let check = FAMILIES.into_iter().find(|f| *f == ctx.family.name).unwrap_or("cases");
    vec![(check, Outcome::Missing(format!("family `{}`", ctx.family.name)))]
}
