//! Files of named tensors in the safetensors format.
//!
//! ```
//! # let file = std::env::temp_dir().join("rushlight-doc.safetensors");
//! use rushlight_tensor::{Tensor, safetensors::{SafeTensors, save_safetensors}};
//!
//! save_safetensors(&[("weight".to_string(), Tensor::ones([2, 3], ())?)], &file)?;
//! let opened = SafeTensors::open(&file)?; // reads the list of names alone
//! assert_eq!(opened.tensor("weight")?.shape(), [2, 3]);
//! # Ok::<(), rushlight_tensor::Error>(())
//! ```

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use rushlight_backend::{DType, Error, Result};
use safetensors::tensor::{Dtype, Metadata, SafeTensors as Format, View};

use crate::files::{Mapped, in_file, map, replace};
use crate::{Device, Tensor};

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

const LOAD: &str = "load_safetensors";
const SAVE: &str = "save_safetensors";

fn little_endian(op: &'static str) -> Result<()> {
    if cfg!(target_endian = "big") {
        return Err(Error::unsupported(op, "safetensors files are little-endian, this machine is not"));
    }
    Ok(())
}

/// A tensor's bytes, as the format wants them: little-endian, row-major. They are made when they are asked for.
struct Bytes<'a> {
    tensor: &'a Tensor,
    dtype: Dtype,
    /// Why bytes could not be had: the library that writes cannot be told.
    failed: &'a OnceCell<Error>,
}

impl View for Bytes<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.tensor.to_bytes().unwrap_or_else(|e| {
            let _ = self.failed.set(e);
            Vec::new()
        }))
    }
    fn data_len(&self) -> usize {
        self.tensor.numel() * self.tensor.dtype().size()
    }
}

/// The tensors as the format's library takes them.
fn views<'a>(tensors: &'a [(String, Tensor)], failed: &'a OnceCell<Error>) -> Result<Vec<(&'a str, Bytes<'a>)>> {
    little_endian(SAVE)?;
    let mut names = HashSet::new();
    let view = |(name, tensor): &'a (String, Tensor)| {
        let dtype = DTYPES.iter().find(|(ours, _)| *ours == tensor.dtype()).map(|(_, d)| *d);
        let dtype = dtype.ok_or_else(|| Error::dtype(SAVE, format!("`{name}` is {}, which the format does not have", tensor.dtype())))?;
        if !names.insert(name.as_str()) {
            return Err(Error::value(SAVE, format!("the name `{name}` occurs twice")));
        }
        Ok((name.as_str(), Bytes { tensor, dtype, failed }))
    };
    tensors.iter().map(view).collect()
}

fn facts(metadata: &[(&str, &str)]) -> Option<HashMap<String, String>> {
    (!metadata.is_empty()).then(|| metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
}

/// Writes named tensors to a safetensors file. The file appears in one step when it is complete: a crash leaves the old one, or none.
///
/// # Errors
/// If a name occurs twice, a tensor is complex128 (which the format lacks), or the file cannot be written.
pub fn save_safetensors(tensors: &[(String, Tensor)], path: impl AsRef<Path>) -> Result<()> {
    save_safetensors_with(tensors, &[], path)
}

/// As [`save_safetensors`], with metadata: texts under names.
///
/// # Errors
/// As `save_safetensors`.
pub fn save_safetensors_with(tensors: &[(String, Tensor)], metadata: &[(&str, &str)], path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let failed = OnceCell::new();
    let views = views(tensors, &failed).map_err(|e| in_file(path, &e))?;
    replace(SAVE, path, |temporary| {
        safetensors::serialize_to_file(views, facts(metadata), temporary).map_err(std::io::Error::other)?;
        failed.get().map_or(Ok(()), |e| Err(std::io::Error::other(e.clone())))
    })
}

/// As [`save_safetensors_with`], the bytes of the file.
///
/// # Errors
/// If a name occurs twice, or a tensor is complex128.
pub fn safetensors_bytes(tensors: &[(String, Tensor)], metadata: &[(&str, &str)]) -> Result<Vec<u8>> {
    let failed = OnceCell::new();
    let bytes = safetensors::serialize(views(tensors, &failed)?, facts(metadata)).map_err(|e| Error::value(SAVE, e.to_string()))?;
    failed.into_inner().map_or(Ok(bytes), Err)
}

/// Reads all tensors of a safetensors file, in the order in which their data lie in it.
///
/// # Errors
/// If the file cannot be read, is malformed, or holds a dtype that tensors do not have.
pub fn load_safetensors(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    SafeTensors::open(path)?.tensors()
}

/// The tensors of a safetensors file in memory, in the order in which their data lie in it, and its metadata.
///
/// # Errors
/// If it is malformed, or holds a dtype that tensors do not have.
pub fn parse_safetensors(bytes: &[u8]) -> Result<(Vec<(String, Tensor)>, HashMap<String, String>)> {
    let file = SafeTensors::new(bytes)?;
    Ok((file.tensors()?, file.metadata().clone()))
}

/// A safetensors file that is read tensor by tensor, as they are asked for.
#[derive(Debug)]
pub struct SafeTensors<B = Mapped> {
    bytes: B,
    /// Where the tensors' data begin.
    start: usize,
    header: Metadata,
    metadata: HashMap<String, String>,
    path: Option<PathBuf>,
}

impl SafeTensors {
    /// Opens a file: it is mapped, and only its header is read. Nobody may change the file while this is open.
    ///
    /// # Errors
    /// If the file cannot be read or is malformed.
    pub fn open(path: impl AsRef<Path>) -> Result<SafeTensors> {
        let path = path.as_ref();
        let mut file = SafeTensors::new(map(LOAD, path)?).map_err(|e| in_file(path, &e))?;
        file.path = Some(path.to_path_buf());
        Ok(file)
    }
}

impl<B: Deref<Target = [u8]>> SafeTensors<B> {
    /// A file in memory. Only its header is read.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn new(bytes: B) -> Result<SafeTensors<B>> {
        little_endian(LOAD)?;
        let (length, header) = Format::read_metadata(&bytes).map_err(|e| Error::format(LOAD, e.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(SafeTensors { bytes, start: 8 + length, header, metadata, path: None })
    }

    /// The names of the tensors, in the order in which their data lie in the file.
    pub fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// Texts under names that the file has beside its tensors.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    /// The shape of a tensor, if there is one of this name. Nothing is read.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| &info.shape[..])
    }

    /// Reads one tensor.
    ///
    /// # Errors
    /// If there is none of this name, or it has a dtype that tensors do not have.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        self.read(name).map_err(|e| self.path.as_ref().map_or(e.clone(), |path| in_file(path, &e)))
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let info = self.header.info(name).ok_or_else(|| Error::value(LOAD, format!("no tensor `{name}`")))?;
        let dtype = DTYPES.iter().find(|(_, d)| *d == info.dtype).map(|(ours, _)| *ours);
        let dtype = dtype.ok_or_else(|| Error::dtype(LOAD, format!("`{name}` is {:?}, which tensors do not have", info.dtype)))?;
        let (begin, end) = info.data_offsets;
        let data = self.bytes.get(self.start + begin..self.start + end);
        let data = data.ok_or_else(|| Error::format(LOAD, format!("the file is cut in `{name}`")))?;
        // Any byte but 0 is true, and ours are 0 and 1.
        if dtype == DType::Bool && data.iter().any(|&b| b > 1) {
            let truth: Vec<u8> = data.iter().map(|&b| u8::from(b != 0)).collect();
            return Tensor::from_bytes(&truth, &info.shape[..], dtype, Device::cpu());
        }
        Tensor::from_bytes(data, &info.shape[..], dtype, Device::cpu())
    }

    /// Reads all tensors, in the order in which their data lie in the file.
    ///
    /// # Errors
    /// If one has a dtype that tensors do not have.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        self.names().into_iter().map(|name| Ok((name.clone(), self.tensor(&name)?))).collect()
    }
}
