//! State dicts in safetensors files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rushlight_tensor::{DType, Device, Error, Result, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::StateDict;

/// PyTorch's dtypes and those of the format; complex128 is not among the latter.
const DTYPES: [(DType, Dtype); 11] = [
    (DType::Bool, Dtype::BOOL),
    (DType::U8, Dtype::U8),
    (DType::I8, Dtype::I8),
    (DType::I16, Dtype::I16),
    (DType::I32, Dtype::I32),
    (DType::I64, Dtype::I64),
    (DType::F16, Dtype::F16),
    (DType::BF16, Dtype::BF16),
    (DType::F32, Dtype::F32),
    (DType::F64, Dtype::F64),
    (DType::C64, Dtype::C64),
];

/// A tensor's bytes, as the format wants them: little-endian, row-major.
struct Bytes {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl View for Bytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }
    fn data_len(&self) -> usize {
        self.data.len()
    }
}

/// An error with the file's name in front.
pub(crate) fn in_file(path: &Path, e: &Error) -> Error {
    Error::new(e.kind(), e.op().to_owned(), format!("{}: {}", path.display(), e.message()))
}

fn little_endian(op: &'static str) -> Result<()> {
    if cfg!(target_endian = "big") {
        return Err(Error::unsupported(op, "safetensors files are little-endian, this machine is not"));
    }
    Ok(())
}

/// Writes named tensors to a safetensors file. The file appears in one step when it is complete: a crash leaves the old one, or none.
///
/// # Errors
/// If a name occurs twice, a tensor is complex128 (which the format lacks), or the file cannot be written.
pub fn save_safetensors(state: &[(String, Tensor)], path: impl AsRef<Path>) -> Result<()> {
    const OP: &str = "save_safetensors";
    let path = path.as_ref();
    little_endian(OP)?;
    let mut data: Vec<(&str, Bytes)> = Vec::with_capacity(state.len());
    for (name, tensor) in state {
        let dtype = DTYPES.iter().find(|(ours, _)| *ours == tensor.dtype()).map(|(_, d)| *d).ok_or_else(|| {
            Error::dtype(OP, format!("{}: `{name}` is {}, which the format does not have", path.display(), tensor.dtype()))
        })?;
        if data.iter().any(|(n, _)| n == name) {
            return Err(Error::value(OP, format!("{}: the name `{name}` occurs twice", path.display())));
        }
        data.push((name, Bytes { dtype, shape: tensor.shape().to_vec(), data: tensor.to_bytes()? }));
    }
    replace(OP, path, |temporary| safetensors::serialize_to_file(data, None, temporary).map_err(std::io::Error::other))
}

/// Writes a file that takes the place of an old one in one step, when it is complete and on the disk.
pub(crate) fn replace(op: &'static str, path: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    let io = |e: &dyn std::fmt::Display| Error::io(op, format!("{}: {e}", path.display()));
    let file_name = path.file_name().ok_or_else(|| io(&"not the name of a file"))?.to_string_lossy();
    let temporary = Temporary(path.with_file_name(format!(".{file_name}.{}.tmp", std::process::id())));
    write(&temporary.0).map_err(|e| io(&e))?;
    // On the disk before it takes the name of what it replaces.
    fs::OpenOptions::new().write(true).open(&temporary.0).and_then(|f| f.sync_all()).map_err(|e| io(&e))?;
    fs::rename(&temporary.0, path).map_err(|e| io(&e))
}

/// A file that is removed if it has not been renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the renaming there is nothing to remove.
        let _ = fs::remove_file(&self.0);
    }
}

/// Reads all tensors of a safetensors file, in the order in which their data lie in it.
///
/// # Errors
/// If the file cannot be read, is malformed, or holds a dtype that tensors do not have.
pub fn load_safetensors(path: impl AsRef<Path>) -> Result<StateDict> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|e| Error::io(OP_LOAD, format!("{}: {e}", path.display())))?;
    parse_safetensors(&bytes).map(|(state, _)| state).map_err(|e| in_file(path, &e))
}

const OP_LOAD: &str = "load_safetensors";

/// The tensors of a safetensors file in memory, in the order in which their data lie in it, and its metadata.
///
/// # Errors
/// If it is malformed, or holds a dtype that tensors do not have.
pub fn parse_safetensors(bytes: &[u8]) -> Result<(StateDict, HashMap<String, String>)> {
    little_endian(OP_LOAD)?;
    let wrong = |e: safetensors::SafeTensorError| Error::format(OP_LOAD, e.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
    let file = SafeTensors::deserialize(bytes).map_err(wrong)?;
    let mut tensors = file.tensors();
    tensors.sort_by_key(|(_, view)| view.data().as_ptr().addr());
    let state = tensors
        .into_iter()
        .map(|(name, view)| {
            let dtype = DTYPES.iter().find(|(_, d)| *d == view.dtype()).map(|(ours, _)| *ours);
            let dtype = dtype.ok_or_else(|| Error::dtype(OP_LOAD, format!("`{name}` is {:?}, which tensors do not have", view.dtype())))?;
            Ok((name, Tensor::from_bytes(view.data(), view.shape(), dtype, Device::cpu())?))
        })
        .collect::<Result<_>>()?;
    Ok((state, metadata.metadata().clone().unwrap_or_default()))
}
