//! The tensors of a safetensors file.

use std::collections::HashMap;

use rushlight_tensor::{DType, Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::ReadResult;

struct Entry {
    stored: Dtype,
    dtype: DType,
    shape: Vec<usize>,
    bytes: std::ops::Range<usize>,
}

/// The tensors of a file by name. Every tensor taken out is a fresh copy.
pub struct Store {
    file: Vec<u8>,
    entries: HashMap<String, Entry>,
}

impl Store {
    /// Reads the header.
    ///
    /// # Errors
    /// If the file is malformed or has a dtype that the format does not know.
    pub fn new(file: Vec<u8>) -> ReadResult<Store> {
        let (header, metadata) = SafeTensors::read_metadata(&file).map_err(|e| e.to_string())?;
        let data = header + 8;
        let mut entries = HashMap::new();
        for (name, info) in metadata.tensors() {
            let dtype = dtype(info.dtype).ok_or_else(|| format!("{name}: dtype {:?}", info.dtype))?;
            let (start, end) = info.data_offsets;
            entries.insert(name, Entry { stored: info.dtype, dtype, shape: info.shape.clone(), bytes: data + start..data + end });
        }
        Ok(Store { file, entries })
    }

    /// The bytes of a tensor.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.file.get(self.entries.get(name)?.bytes.clone())
    }

    /// A tensor as it is stored.
    pub fn view(&self, name: &str) -> Option<TensorView<'_>> {
        let entry = self.entries.get(name)?;
        TensorView::new(entry.stored, entry.shape.clone(), self.bytes(name)?).ok()
    }

    /// A tensor; a complex one is stored with a last dimension of 2.
    ///
    /// # Errors
    /// If there is no such tensor.
    pub fn tensor(&self, name: &str, complex: bool) -> ReadResult<Tensor> {
        let entry = self.entries.get(name).ok_or_else(|| format!("no tensor {name}"))?;
        let bytes = self.bytes(name).ok_or_else(|| format!("tensor {name} lies beyond the file"))?;
        let (dtype, shape) = match (complex, entry.dtype, entry.shape.split_last()) {
            (false, dtype, _) => (dtype, entry.shape.as_slice()),
            (true, DType::F32, Some((2, shape))) => (DType::C64, shape),
            (true, DType::F64, Some((2, shape))) => (DType::C128, shape),
            (true, dtype, _) => return Err(format!("tensor {name}: {dtype}{:?} is not a complex one", entry.shape)),
        };
        Tensor::from_bytes(bytes, shape, dtype, Device::cpu()).map_err(|e| format!("tensor {name}: {e}"))
    }
}

fn dtype(d: Dtype) -> Option<DType> {
    Some(match d {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool,
        _ => return None,
    })
}
