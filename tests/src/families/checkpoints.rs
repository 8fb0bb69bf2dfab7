//! Checkpoint files: their contents, or that they are refused.

use std::time::{Duration, Instant};

use rushlight_nn::checkpoint::{self, Value as Saved};
use rushlight_nn::parse_safetensors;
use serde_json::Value as Json;

use super::{Checked, Context, ops};
use crate::agree;
use crate::golden::{Case, Decoder};
use crate::outcome::{CaseError, CaseResult, outcome_of};

/// The longest that a file may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Runs a case.
pub(super) fn run(ctx: &Context<'_>, case: &Case) -> Checked {
    vec![("checkpoints", crate::run::guarded(|| outcome_of(file(ctx, case))))]
}

fn load(path: &str, bytes: &[u8]) -> rushlight_tensor::Result<(Saved, Vec<(String, String)>)> {
    if path.ends_with(".safetensors") {
        let (state, metadata) = parse_safetensors(bytes)?;
        return Ok((checkpoint::of_state_dict(&state), metadata.into_iter().collect()));
    }
    Ok((checkpoint::load_bytes(bytes)?, Vec::new()))
}

fn file(ctx: &Context<'_>, case: &Case) -> CaseResult<()> {
    let path = case.field("path").as_str().ok_or_else(|| "a case without a path".to_string())?;
    let bytes = ctx.golden.checkpoint(path)?;
    let began = Instant::now();
    let loaded = load(path, &bytes);
    if case.has("expected") {
        let (value, metadata) = loaded?;
        let decoder = Decoder::new(&ctx.family.store);
        compare(&value, case.field("expected"), &decoder, case, path.ends_with(".safetensors"))?;
        for (key, wanted) in case.entries("metadata") {
            if metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str()) != wanted.as_str() {
                return Err(CaseError::Failed(format!("metadata `{key}` differs")));
            }
        }
        return again(&value, case, &decoder, path);
    }
    // Printing and dropping count too.
    let refused = loaded.is_err();
    let text = loaded.map_or_else(|e| e.to_string(), |(v, _)| format!("{v:?}"));
    drop(text);
    if began.elapsed() > LONGEST {
        return Err(CaseError::Failed(format!("took {:?}", began.elapsed())));
    }
    if refused || case.field("may_load").as_bool() == Some(true) {
        Ok(())
    } else {
        Err(CaseError::Failed("the file was loaded".to_string()))
    }
}

/// What we write of the value is read as the same.
fn again(value: &Saved, case: &Case, decoder: &Decoder<'_>, path: &str) -> CaseResult<()> {
    let written = checkpoint::load_bytes(&checkpoint::to_bytes(value)?)?;
    match compare(&written, case.field("expected"), decoder, case, path.ends_with(".safetensors")) {
        Err(CaseError::Failed(e)) => Err(CaseError::Failed(format!("written and read again: {e}"))),
        other => other,
    }
}

/// A number as it stands in the file.
fn digits(number: &Json) -> String {
    number.to_string()
}

fn differ(what: &str, wanted: &Json) -> CaseError {
    let text = wanted.to_string();
    CaseError::Failed(format!("{what}, recorded {}", text.chars().take(80).collect::<String>()))
}

fn compare(value: &Saved, wanted: &Json, decoder: &Decoder<'_>, case: &Case, any_order: bool) -> CaseResult<()> {
    let list = |key: &str| wanted.get(key).and_then(Json::as_array);
    let same = |yes: bool| if yes { Ok(()) } else { Err(differ(value.kind(), wanted)) };
    match value {
        Saved::Tensor(t) => {
            let recorded = decoder.tensor(wanted).map_err(|_| differ("a tensor", wanted))?;
            Ok(agree::tensors(t, &recorded, ops::tolerance(case))?)
        }
        Saved::Dict(entries) => {
            let recorded = list("map").ok_or_else(|| differ("a dict", wanted))?;
            same(entries.len() == recorded.len())?;
            for (i, (k, v)) in entries.iter().enumerate() {
                let named = |r: &&Json| compare(k, &r[0], decoder, case, false).is_ok();
                let entry = if any_order { recorded.iter().find(named) } else { recorded.get(i).filter(named) };
                let entry = entry.ok_or_else(|| CaseError::Failed(format!("key {k:?} is not at its place")))?;
                compare(v, &entry[1], decoder, case, false)?;
            }
            Ok(())
        }
        Saved::Tuple(items) | Saved::List(items) => {
            let recorded = if matches!(value, Saved::Tuple(_)) { list("tuple") } else { wanted.as_array() };
            let recorded = recorded.ok_or_else(|| differ(value.kind(), wanted))?;
            same(items.len() == recorded.len())?;
            items.iter().zip(recorded).try_for_each(|(v, r)| compare(v, r, decoder, case, false))
        }
        Saved::DType(d) => same(wanted["dtype"].as_str() == Some(d.name())),
        Saved::None => same(wanted.is_null()),
        Saved::Bool(b) => same(wanted.as_bool() == Some(*b)),
        Saved::Str(s) => same(wanted.as_str() == Some(s)),
        Saved::Int(i) => same(wanted.is_number() && digits(wanted) == i.to_string()),
        Saved::Big(s) => same(wanted.is_number() && digits(wanted) == *s),
        Saved::Float(x) => match decoder.value(wanted)? {
            crate::golden::Value::Float(y) => same(x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan())),
            _ => Err(differ("a float", wanted)),
        },
        Saved::Complex(c) => match decoder.value(wanted)? {
            crate::golden::Value::Complex(d) => same(*c == d),
            _ => Err(differ("a complex number", wanted)),
        },
        Saved::Bytes(_) => Err(differ("bytes", wanted)),
    }
}
