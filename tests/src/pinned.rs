//! The checks that have passed before. None of them may be lost.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use crate::golden::{Golden, ReadResult};
use crate::outcome::Outcome;
use crate::report::Line;

const FILE: &str = "passing.txt";

fn path() -> PathBuf {
    Golden::bundled().dir().join(format!("{FILE}.gz"))
}

/// The pinned checks: `family/case/check`.
///
/// # Errors
/// If the list cannot be read.
pub fn read() -> ReadResult<BTreeSet<String>> {
    let text = String::from_utf8(Golden::bundled().bytes(FILE)?).map_err(|e| format!("{FILE}: {e}"))?;
    Ok(text.lines().map(str::to_string).collect())
}

/// Pins what passes in these lines, and nothing else.
///
/// # Errors
/// If the list cannot be written.
pub fn write(lines: &[Line]) -> ReadResult<usize> {
    let passing = passing(lines);
    let text = passing.iter().map(|key| format!("{key}\n")).collect::<String>();
    let wrong = |e: std::io::Error| format!("{}: {e}", path().display());
    std::fs::write(path(), gzip(text.as_bytes()).map_err(wrong)?).map_err(wrong)?;
    Ok(passing.len())
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
