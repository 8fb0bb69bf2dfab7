//! Counts and prints.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::golden::FAMILIES;
use crate::outcome::Outcome;

/// One check of one case.
pub struct Line {
    /// The family.
    pub family: String,
    /// The case.
    pub id: String,
    /// Its operator.
    pub op: String,
    /// The check.
    pub check: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

impl Line {
    /// The name under which a passing check is pinned: `ops/abs.float64.0/outputs`.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.family, self.id, self.check)
    }
}

/// How many checks of a kind passed, failed and are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// As recorded.
    pub passed: usize,
    /// Not as recorded.
    pub failed: usize,
    /// Not there.
    pub missing: usize,
}

/// Family, check and count, in the order of the families.
pub fn counts(lines: &[Line]) -> Vec<(String, &'static str, Count)> {
    let mut table: BTreeMap<(usize, usize), (String, &'static str, Count)> = BTreeMap::new();
    for line in lines {
        let family = FAMILIES.iter().position(|f| *f == line.family).unwrap_or(FAMILIES.len());
        let check = ["outputs", "grads", "jvps", "hvps", "mutated"].iter().position(|c| *c == line.check).unwrap_or(0);
        let (.., count) = table.entry((family, check)).or_insert_with(|| (line.family.clone(), line.check, Count::default()));
        match line.outcome {
            Outcome::Passed(_) => count.passed += 1,
            Outcome::Failed(_) => count.failed += 1,
            Outcome::Missing(_) => count.missing += 1,
        }
    }
    table.into_values().collect()
}

/// Whether nothing failed or is missing.
pub fn complete(lines: &[Line]) -> bool {
    lines.iter().all(|l| matches!(l.outcome, Outcome::Passed(_)))
}

/// The counts as a table for people.
pub fn table(lines: &[Line]) -> String {
    let mut text = format!("{:<12} {:<12} {:>7} {:>7} {:>8}\n", "family", "check", "passed", "failed", "missing");
    for (family, check, Count { passed, failed, missing }) in counts(lines) {
        let _ = writeln!(text, "{family:<12} {check:<12} {passed:>7} {failed:>7} {missing:>8}");
    }
    text
}

/// The counts as JSON, one object a line.
pub fn json(lines: &[Line]) -> String {
    let mut text = String::new();
    for (family, check, Count { passed, failed, missing }) in counts(lines) {
        let _ = writeln!(text, r#"{{"family":"{family}","check":"{check}","passed":{passed},"failed":{failed},"missing":{missing}}}"#);
    }
    text
}

/// Every check that did not plainly pass, with the reason.
pub fn details(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let (word, why) = match &line.outcome {
            Outcome::Passed(None) => continue,
            Outcome::Passed(Some(why)) => ("passed", *why),
            Outcome::Failed(why) => ("FAILED", why.as_str()),
            Outcome::Missing(why) => ("missing", why.as_str()),
        };
        let _ = writeln!(text, "{word:<8} {}: {why}", line.key());
    }
    text
}
