//! The checks that have passed before. None of them may be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use crate::golden::{Golden, ReadResult};
use crate::outcome::Outcome;
use crate::report::Line;

const FILE: &str = "passing.txt";

fn path() -> PathBuf {
    Golden::bundled().dir().join(FILE)
}

/// The pinned checks: `family/case/check`. The file has a line for every family, operator and check, with the ids of the cases
/// less the operator's name, so that changes of different operators merge.
///
/// # Errors
/// If the list cannot be read.
pub fn read() -> ReadResult<BTreeSet<String>> {
    let text = String::from_utf8(Golden::bundled().bytes(FILE)?).map_err(|e| format!("{FILE}: {e}"))?;
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let head: Vec<&str> = words.next().unwrap_or_default().split('/').collect();
        let [family, op, check] = head[..] else {
            return Err(format!("{FILE}: a line `{line}`"));
        };
        keys.extend(words.map(|id| match id.strip_prefix('.') {
            Some(rest) => format!("{family}/{op}.{rest}/{check}"),
            None => format!("{family}/{id}/{check}"),
        }));
    }
    Ok(keys)
}

/// Pins what passes in these lines, and nothing else.
///
/// # Errors
/// If the list cannot be written.
pub fn write(lines: &[Line]) -> ReadResult<usize> {
    let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for line in lines.iter().filter(|l| matches!(l.outcome, Outcome::Passed(_))) {
        // `abs.float64.0` of the operator `abs` is `.float64.0`.
        let short = line.id.strip_prefix(line.op.as_str()).filter(|rest| rest.starts_with('.')).unwrap_or(&line.id);
        groups.entry(format!("{}/{}/{}", line.family, line.op, line.check)).or_default().insert(short);
    }
    let text: String = groups.iter().map(|(head, ids)| format!("{head} {}\n", ids.iter().copied().collect::<Vec<_>>().join(" "))).collect();
    std::fs::write(path(), text).map_err(|e| format!("{}: {e}", path().display()))?;
    Ok(groups.values().map(BTreeSet::len).sum())
}

/// The keys of the checks that pass.
pub fn passing(lines: &[Line]) -> BTreeSet<String> {
    lines.iter().filter(|l| matches!(l.outcome, Outcome::Passed(_))).map(Line::key).collect()
}

/// Bytes gzipped, without a time stamp.
///
/// # Errors
/// None in practice: it writes to memory.
pub(crate) fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
