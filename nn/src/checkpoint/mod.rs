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
mod pickle;
mod read;
#[cfg(test)]
mod tests;
mod value;
mod write;
mod zip;

use std::fs;
use std::path::Path;

use rushlight_tensor::{Error, Result};

use crate::StateDict;
use crate::files::replace;

pub use value::Value;

/// Reads a file that `torch.save` has written (`.pt`, `.pth`), in its format or the one before, or [`save`].
///
/// # Errors
/// If the file cannot be read, is cut or corrupt, or holds anything but tensors and plain values.
pub fn load(path: impl AsRef<Path>) -> Result<Value> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|e| Error::io("checkpoint::load", format!("{}: {e}", path.display())))?;
    read::parse(&bytes).map_err(|e| Error::format("checkpoint::load", format!("{}: {e}", path.display())))
}

/// As [`load`], from the bytes of a file.
///
/// # Errors
/// If they are cut or corrupt, or hold anything but tensors and plain values.
pub fn load_bytes(bytes: &[u8]) -> Result<Value> {
    read::parse(bytes).map_err(|e| Error::format("checkpoint::load", e))
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
