//! Copies a folder of recorded cases into the project, compressed and without its bulk.
//!
//! Left out are: the largest cases of `ops` and `modules`, as long as their operator keeps a few others; the final states of `curves`, which
//! are only informative; and tensors that no case refers to any more. What is kept is kept exactly.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value as Json, json};

use crate::golden::{Golden, ReadResult};
use crate::pinned::gzip;

/// A case with more bytes of its own (tensors shared with other cases count in part) is a large one.
const LARGE: f64 = 8192.0;
/// So many cases an operator keeps, large or not.
const KEEP: usize = 4;

/// Writes a folder into another. Returns what was left out and the bytes written, for people.
///
/// # Errors
/// If a file cannot be read or written.
pub fn pack(from: &Golden, to: &Golden) -> ReadResult<String> {
    let (mut total, mut said) = (0, String::new());
    for family in from.families() {
        let mut index: Json = serde_json::from_slice(&from.bytes(&format!("{family}.json"))?).map_err(|e| format!("{family}: {e}"))?;
        let store = from.store(&format!("{family}.safetensors"))?;
        let Some(cases) = index["cases"].as_array_mut() else {
            return Err(format!("{family}: no list of cases"));
        };
        let all = cases.len();
        match family {
            "ops" | "modules" => leave_out_large(cases, &store),
            "curves" => cases.iter_mut().filter_map(Json::as_object_mut).for_each(|c| drop(c.remove("final_state"))),
            _ => {}
        }
        if cases.len() < all {
            said += &format!("{family}: {} of {all} cases left out, they are large\n", all - cases.len());
        }
        let mut names = BTreeSet::new();
        cases.iter().for_each(|c| tensors_of(c, &mut names));
        let tensors: BTreeMap<&str, TensorView<'_>> =
            names.iter().map(|n| Ok((n.as_str(), store.view(n).ok_or_else(|| format!("no tensor {n}"))?))).collect::<ReadResult<_>>()?;
        total += write(to, &format!("{family}.safetensors"), &serialize(tensors)?)?;
        total += write(to, &format!("{family}.json"), &lines(&index)?)?;
    }
    if from.families().contains(&"curves") {
        total += write(to, "digits.safetensors", &from.bytes("digits.safetensors")?)?;
    }
    if from.families().contains(&"checkpoints") {
        total += write(to, "checkpoint_files.safetensors", &checkpoint_files(from)?)?;
    }
    Ok(format!("{said}{total} bytes in {}\n", to.dir().display()))
}

fn write(to: &Golden, name: &str, bytes: &[u8]) -> ReadResult<usize> {
    let path = to.dir().join(format!("{name}.gz"));
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    let packed = gzip(bytes).map_err(wrong)?;
    std::fs::write(&path, &packed).map_err(wrong)?;
    Ok(packed.len())
}

/// An index, one case a line.
fn lines(index: &Json) -> ReadResult<Vec<u8>> {
    let mut head = index.clone();
    head["cases"] = json!([]);
    head["n_cases"] = json!(index["cases"].as_array().map_or(0, Vec::len));
    let head = head.to_string();
    let (before, after) = head.split_once("\"cases\":[]").ok_or("an index without cases")?;
    let cases: Vec<String> = index["cases"].as_array().into_iter().flatten().map(Json::to_string).collect();
    Ok(format!("{before}\"cases\":[\n{}\n]{after}\n", cases.join(",\n")).into_bytes())
}

/// The names of all tensors that a value refers to.
fn tensors_of(v: &Json, names: &mut BTreeSet<String>) {
    match v {
        Json::Array(items) => items.iter().for_each(|v| tensors_of(v, names)),
        Json::Object(fields) => match fields.get("tensor") {
            Some(Json::String(name)) => drop(names.insert(name.clone())),
            _ => fields.values().for_each(|v| tensors_of(v, names)),
        },
        _ => {}
    }
}

/// Drops large cases as long as their operator keeps others.
fn leave_out_large(cases: &mut Vec<Json>, store: &crate::golden::Store) {
    let used: Vec<BTreeSet<String>> = cases
        .iter()
        .map(|c| {
            let mut names = BTreeSet::new();
            tensors_of(c, &mut names);
            names
        })
        .collect();
    let (mut users, mut left) = (BTreeMap::<&str, usize>::new(), BTreeMap::<String, usize>::new());
    used.iter().flatten().for_each(|n| *users.entry(n).or_default() += 1);
    cases.iter().for_each(|c| *left.entry(c["op"].to_string()).or_default() += 1);
    let size = |n: &String| store.bytes(n).map_or(0.0, |b| b.len() as f64 / users[n.as_str()] as f64);
    let sizes: Vec<f64> = used.iter().map(|names| names.iter().map(size).sum()).collect();
    let mut sizes = sizes.iter();
    cases.retain(|c| {
        let left = left.entry(c["op"].to_string()).or_default();
        let drop = sizes.next().is_some_and(|&s| s > LARGE) && *left > KEEP;
        *left -= usize::from(drop);
        !drop
    });
}

fn serialize(tensors: BTreeMap<&str, TensorView<'_>>) -> ReadResult<Vec<u8>> {
    safetensors::serialize(tensors, None).map_err(|e| e.to_string())
}

/// The files of the folder `checkpoints` as byte vectors of one file.
fn checkpoint_files(from: &Golden) -> ReadResult<Vec<u8>> {
    let family = from.family("checkpoints")?;
    let mut files = BTreeMap::new();
    for case in &family.cases {
        let name = case.field("path").as_str().ok_or_else(|| format!("{}: no path", case.id))?;
        files.insert(name, from.checkpoint(name)?);
    }
    let views = files.iter().map(|(name, bytes)| {
        let view = TensorView::new(Dtype::U8, vec![bytes.len()], bytes).map_err(|e| e.to_string())?;
        Ok((*name, view))
    });
    serialize(views.collect::<ReadResult<_>>()?)
}
