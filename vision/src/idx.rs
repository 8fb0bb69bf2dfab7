//! The IDX format of the MNIST family, raw or gzip'd.
//!
//! A header of four bytes (two zeros, a code for the element type, the number of dimensions), the sizes as big-endian u32, and the elements in
//! row-major order, big-endian.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use rushlight_tensor::{DType, Device, Error, Result, Tensor};

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads a file, raw or gzip'd (told by its first bytes, not its name).
///
/// # Errors
/// If it cannot be read, is not an IDX file, or is shorter or longer than its header says. The message names the file.
pub fn read_idx(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| Error::io(name.clone(), e.to_string()))?;
    parse_idx(&name, &bytes)
}

/// As [`read_idx`], from memory; `name` is what error messages call it.
///
/// # Errors
/// As [`read_idx`].
pub fn parse_idx(name: &str, bytes: &[u8]) -> Result<Tensor> {
    if bytes.starts_with(&GZIP) {
        let mut plain = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut plain).map_err(|e| Error::format(name.to_string(), format!("damaged gzip data: {e}")))?;
        return parse_plain(name, &plain);
    }
    parse_plain(name, bytes)
}

fn parse_plain(name: &str, bytes: &[u8]) -> Result<Tensor> {
    let bad = |message: String| Error::format(name.to_string(), message);
    let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(bad(format!("truncated: {} bytes are no IDX header", bytes.len())));
    };
    let dtype = match magic {
        [0, 0, 0x08, _] => DType::U8,
        [0, 0, 0x09, _] => DType::I8,
        [0, 0, 0x0b, _] => DType::I16,
        [0, 0, 0x0c, _] => DType::I32,
        [0, 0, 0x0d, _] => DType::F32,
        [0, 0, 0x0e, _] => DType::F64,
        _ => {
            let [a, b, c, d] = magic;
            return Err(bad(format!(
                "wrong magic number {a:02x}{b:02x}{c:02x}{d:02x}: an IDX file starts with 0000, a type code and the rank"
            )));
        }
    };
    let rank = usize::from(magic[3]);
    if rest.len() < 4 * rank {
        return Err(bad(format!("truncated: the header announces {rank} dimensions, but only {} bytes follow", rest.len())));
    }
    let (sizes, data) = rest.split_at(4 * rank);
    let shape: Vec<usize> = sizes.chunks_exact(4).map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]) as usize).collect();
    let wanted = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d));
    if wanted != Some(data.len()) {
        let kind = if wanted.is_none_or(|w| data.len() < w) { "truncated" } else { "too long" };
        let wanted = wanted.map_or("more than memory".to_string(), |w| w.to_string());
        return Err(bad(format!("{kind}: shape {shape:?} of {dtype} takes {wanted} bytes, the file has {}", data.len())));
    }
    // Big-endian elements to this machine's order.
    let mut native = data.to_vec();
    if cfg!(target_endian = "little") && dtype.size() > 1 {
        native.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
    }
    Tensor::from_bytes(&native, shape, dtype, Device::cpu())
}
