//! Checkpoints: values of any nesting, and PyTorch's files of them.
//!
//! ```no_run
//! use rushlight_nn::checkpoint::{self, Value};
//! use rushlight_nn::{Linear, Module};
//!
//! let model = Linear::new(4, 2)?;
//! let state = checkpoint::of_state_dict(&model.state_dict());
//! checkpoint::save(&Value::dict([("model", state), ("epoch", Value::Int(3))]), "training.pt")?;
//!
//! let saved = checkpoint::load("training.pt")?; // or one that PyTorch has written
//! model.load_state_dict(&checkpoint::to_state_dict(saved.get("model").unwrap_or(&saved))?, true)?;
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```
//!
//! A file that is loaded runs no code: pickles are read by a small machine of ours that knows tensors and plain values, and anything else is an error.

mod globals;
mod integer;
mod pickle;
mod read;
#[cfg(test)]
mod tests;
mod value;
mod write;
mod zip;

use std::fs;
use std::path::Path;

use rushlight_tensor::files::{in_file, map, replace};
use rushlight_tensor::{Device, Error, Result};

use crate::StateDict;

pub use value::Value;

const LOAD: &str = "checkpoint::load";

/// Where tensors of a file go: PyTorch's `map_location`.
#[derive(Clone, Copy)]
pub enum MapLocation<'a> {
    /// All to one device.
    To(Device),
    /// Each to the device that it was on when it was saved.
    Saved,
    /// Each to the device that a function gives for the name of the one that it was on, such as `cuda:0`.
    By(&'a dyn Fn(&str) -> Result<Device>),
}

impl MapLocation<'_> {
    fn device(self, saved: &str) -> Result<Device> {
        match self {
            MapLocation::To(device) => Ok(device),
            MapLocation::By(f) => f(saved),
            MapLocation::Saved => match saved.split_once(':').unwrap_or((saved, "0")) {
                ("cpu", _) => Ok(Device::cpu()),
                ("cuda", n) => Device::cuda(n.parse().map_err(|_| Error::device(LOAD, format!("no device `{saved}`")))?),
                _ => Err(Error::device(LOAD, format!("a tensor of device `{saved}`: say with `MapLocation` where it is to go"))),
            },
        }
    }
}

/// Reads a file that `torch.save` has written (`.pt`, `.pth`), in its format or the one before, or [`save`]. All tensors go to the CPU.
///
/// # Errors
/// If the file cannot be read, is cut or corrupt, or holds anything but tensors and plain values.
pub fn load(path: impl AsRef<Path>) -> Result<Value> {
    load_with(path, MapLocation::To(Device::cpu()))
}

/// As [`load`], with a say in where tensors go.
///
/// # Errors
/// As `load`, and if there is no such device.
pub fn load_with(path: impl AsRef<Path>, location: MapLocation<'_>) -> Result<Value> {
    let path = path.as_ref();
    load_bytes_with(&map(LOAD, path)?, location).map_err(|e| in_file(path, &e))
}

/// As [`load`], from the bytes of a file.
///
/// # Errors
/// If they are cut or corrupt, or hold anything but tensors and plain values.
pub fn load_bytes(bytes: &[u8]) -> Result<Value> {
    load_bytes_with(bytes, MapLocation::To(Device::cpu()))
}

/// As [`load_with`], from the bytes of a file.
///
/// # Errors
/// As `load_bytes`, and if there is no such device.
pub fn load_bytes_with(bytes: &[u8], location: MapLocation<'_>) -> Result<Value> {
    read::parse(bytes, location).map_err(|e| Error::format(LOAD, e))
}

/// Writes a file that `torch.load` opens, also with `weights_only=True`. It appears in one step when it is complete: a crash leaves the old one, or none.
///
/// # Errors
/// If the file cannot be written.
pub fn save(value: &Value, path: impl AsRef<Path>) -> Result<()> {
    let bytes = to_bytes(value)?;
    replace("checkpoint::save", path.as_ref(), |temporary| fs::write(temporary, &bytes))
}

/// As [`save`], the bytes of the file.
///
/// # Errors
/// If a device fails.
pub fn to_bytes(value: &Value) -> Result<Vec<u8>> {
    write::file(value)
}

/// A state dict as a value.
pub fn of_state_dict(state: &[(String, rushlight_tensor::Tensor)]) -> Value {
    Value::dict(state.iter().map(|(k, t)| (k.clone(), Value::Tensor(t.clone()))))
}

/// A value as a state dict: a dict of tensors.
///
/// # Errors
/// If it is something else.
pub fn to_state_dict(value: &Value) -> Result<StateDict> {
    let wrong = |what: String| Error::value("to_state_dict", what);
    let entries = value.as_dict().ok_or_else(|| wrong(format!("wants a dict of tensors, got {}", value.kind())))?;
    entries
        .iter()
        .map(|(k, v)| match (k, v) {
            (Value::Str(k), Value::Tensor(t)) => Ok((k.clone(), t.clone())),
            (Value::Str(k), v) => Err(wrong(format!("`{k}` is {}, not a tensor", v.kind()))),
            (k, _) => Err(wrong(format!("a key is {}, not a string", k.kind()))),
        })
        .collect()
}
