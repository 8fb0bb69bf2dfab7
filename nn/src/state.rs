//! State dicts.

use std::collections::{HashMap, HashSet};
use std::fmt;

use rushlight_tensor::{Error, Result, Tensor};

use crate::walk::{Part, walk};
use crate::{Buffer, Module, Parameter};

/// The values of a module under their names, in order.
pub type StateDict = Vec<(String, Tensor)>;

/// Which keys of a state dict and of a module did not find a partner. It prints as a list of all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Names in the module that the state dict does not have: loaded without `strict`, these values are unchanged.
    pub missing: Vec<String>,
    /// Keys of the state dict that the module does not have.
    pub unexpected: Vec<String>,
    /// Keys with another shape here than there. They are never loaded.
    pub mismatched: Vec<Mismatch>,
}

/// A key whose value has one shape in the state dict and another in the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The key.
    pub key: String,
    /// The shape in the state dict.
    pub saved: Vec<usize>,
    /// The shape in the module.
    pub own: Vec<usize>,
}

impl LoadReport {
    /// Whether everything fits.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |names: &[String]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        let sizes = |m: &Mismatch| format!("`{}` is {:?} in the state dict, {:?} in the module", m.key, m.saved, m.own);
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("missing keys: {}", quoted(&self.missing)));
        }
        if !self.unexpected.is_empty() {
            parts.push(format!("unexpected keys: {}", quoted(&self.unexpected)));
        }
        if !self.mismatched.is_empty() {
            parts.push(format!("sizes differ: {}", self.mismatched.iter().map(sizes).collect::<Vec<_>>().join(", ")));
        }
        f.write_str(if parts.is_empty() { "all keys match" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
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

/// The cells of a module with their names.
fn slots(module: &(impl Module + ?Sized)) -> Vec<(String, Slot)> {
    let mut slots = Vec::new();
    walk(module, |path, part| match part {
        Part::Parameter(p) => slots.push((path.to_owned(), Slot::Parameter(p.clone()))),
        Part::Buffer(b) if b.is_persistent() => slots.push((path.to_owned(), Slot::Buffer(b.clone()))),
        _ => {}
    });
    slots
}

pub(crate) fn compare(module: &(impl Module + ?Sized), state: &[(String, Tensor)]) -> LoadReport {
    matched(&slots(module), state).0
}

/// The report, and the slots that have a value of their shape.
fn matched<'a>(slots: &'a [(String, Slot)], state: &'a [(String, Tensor)]) -> (LoadReport, Vec<(&'a Slot, &'a Tensor)>) {
    let values: HashMap<&str, &Tensor> = state.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let (mut report, mut found) = (LoadReport::default(), Vec::new());
    for (path, slot) in slots {
        let Some(value) = values.get(path.as_str()) else {
            report.missing.push(path.clone());
            continue;
        };
        let own = slot.tensor();
        if own.shape() == value.shape() {
            found.push((slot, *value));
        } else {
            report.mismatched.push(Mismatch { key: path.clone(), saved: value.shape().to_vec(), own: own.shape().to_vec() });
        }
    }
    let known: HashSet<&str> = slots.iter().map(|(path, _)| path.as_str()).collect();
    report.unexpected.extend(state.iter().map(|(k, _)| k).filter(|k| !known.contains(k.as_str())).cloned());
    (report, found)
}

pub(crate) fn load(module: &(impl Module + ?Sized), state: &[(String, Tensor)], strict: bool) -> Result<LoadReport> {
    let slots = slots(module);
    let (report, found) = matched(&slots, state);
    let mut wrong = report.clone();
    if !strict {
        (wrong.missing, wrong.unexpected) = (Vec::new(), Vec::new());
    }
    if !wrong.is_empty() {
        return Err(Error::value("load_state_dict", format!("into {}: {wrong}", module.type_name())));
    }
    // Converted before anything is set, so that an error leaves the module as it was.
    let converted: Vec<(&Slot, Tensor)> = found
        .into_iter()
        .map(|(slot, value)| {
            let own = slot.tensor();
            Ok((slot, value.to_dtype(own.dtype())?.to_device(own.device())?))
        })
        .collect::<Result<_>>()?;
    for (slot, value) in converted {
        slot.set(&value)?;
    }
    Ok(report)
}
