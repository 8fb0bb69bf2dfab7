//! State dicts.

use std::collections::{HashMap, HashSet};

use rushlight_tensor::{Error, Result, Tensor};

use crate::walk::{Part, walk};
use crate::{Buffer, Module, Parameter};

/// The values of a module under their names, in order.
pub type StateDict = Vec<(String, Tensor)>;

/// Which keys did not find a partner when a state dict was loaded without `strict`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Names in the module that the state dict does not have: these values are unchanged.
    pub missing: Vec<String>,
    /// Keys of the state dict that the module does not have.
    pub unexpected: Vec<String>,
}

/// A cell of the module that takes a value.
enum Slot {
    Parameter(Parameter),
    Buffer(Buffer),
}

impl Slot {
    fn tensor(&self) -> Tensor {
        match self {
            Slot::Parameter(p) => p.lock().value().clone(),
            Slot::Buffer(b) => b.tensor(),
        }
    }

    fn set(&self, value: &Tensor) -> Result<()> {
        match self {
            Slot::Parameter(p) => p.set(value),
            Slot::Buffer(b) => b.set(value),
        }
    }
}

pub(crate) fn load(module: &(impl Module + ?Sized), state: &[(String, Tensor)], strict: bool) -> Result<LoadReport> {
    let values: HashMap<&str, &Tensor> = state.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let mut slots = Vec::new();
    walk(module, |path, part| match part {
        Part::Parameter(p) => slots.push((path.to_owned(), Slot::Parameter(p.clone()))),
        Part::Buffer(b) if b.is_persistent() => slots.push((path.to_owned(), Slot::Buffer(b.clone()))),
        _ => {}
    });

    let mut report = LoadReport::default();
    let mut mismatched = Vec::new();
    let mut found = Vec::new();
    for (path, slot) in &slots {
        let Some(value) = values.get(path.as_str()) else {
            report.missing.push(path.clone());
            continue;
        };
        let own = slot.tensor();
        if own.shape() == value.shape() {
            // Converted before anything is set, so that an error leaves the module as it was.
            found.push((slot, value.to_dtype(own.dtype())?.to_device(own.device())?));
        } else {
            mismatched.push(format!("`{path}` is {:?} in the state dict, {:?} in the module", value.shape(), own.shape()));
        }
    }
    let known: HashSet<&str> = slots.iter().map(|(path, _)| path.as_str()).collect();
    report.unexpected.extend(state.iter().map(|(k, _)| k).filter(|k| !known.contains(k.as_str())).cloned());

    let mut wrong = Vec::new();
    if strict && !report.missing.is_empty() {
        wrong.push(format!("missing keys: {}", quoted(&report.missing)));
    }
    if strict && !report.unexpected.is_empty() {
        wrong.push(format!("unexpected keys: {}", quoted(&report.unexpected)));
    }
    if !mismatched.is_empty() {
        wrong.push(format!("sizes differ: {}", mismatched.join(", ")));
    }
    if !wrong.is_empty() {
        return Err(Error::value("load_state_dict", format!("into {}: {}", module.type_name(), wrong.join("; "))));
    }
    for (slot, value) in found {
        slot.set(&value)?;
    }
    Ok(report)
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}
