//! NumPy's `.npz` files: zip archives of `.npy` files, stored or deflated.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use rushlight_backend::{Error, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::Tensor;

/// Tensors by name, in the order in which they lie in the file.
type Named = Vec<(String, Tensor)>;

/// Deflate makes at most so many bytes of one: a block of a byte's worth of bits names 4 copies of 258.
const LARGEST_RATIO: u64 = 1032;

fn bad(e: impl std::fmt::Display) -> Error {
    Error::format("npz", e.to_string())
}

impl Tensor {
    /// The tensors in the bytes of an `.npz` file, with the names that `numpy.savez` was given.
    ///
    /// # Errors
    /// If the bytes are no zip archive, or one of its files is none that [`from_npy_bytes`](Tensor::from_npy_bytes) reads.
    pub fn from_npz_bytes(bytes: &[u8]) -> Result<Named> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(bad)?;
        let mut all = Named::new();
        let mut packed = 0u64;
        for i in 0..archive.len() {
            let mut file = archive.by_index(i).map_err(bad)?;
            let name = file.name().map_err(bad)?.to_string();
            let Some(key) = name.strip_suffix(".npy") else { return Err(bad(format!("{name:?} is no .npy file"))) };
            // Files that share their bytes, or unpack to more than they say or than can be, would make very much of a small archive.
            let size = file.size();
            packed = packed.saturating_add(file.compressed_size());
            if packed > bytes.len() as u64 || size > file.compressed_size().saturating_mul(LARGEST_RATIO) {
                return Err(bad(format!("{name}: says that it has {size} bytes, more than there can be in an archive of {}", bytes.len())));
            }
            let mut data = Vec::new();
            file.by_ref().take(size.saturating_add(1)).read_to_end(&mut data).map_err(|e| bad(format!("{name}: {e}")))?;
            if data.len() as u64 != size {
                return Err(bad(format!(
                    "{name}: says that it has {size} bytes, but holds {}",
                    if data.len() as u64 > size { "more" } else { "less" }
                )));
            }
            let tensor = Tensor::from_npy_bytes(&data).map_err(|e| bad(format!("{name}: {}", e.message())))?;
            all.push((key.to_string(), tensor));
        }
        Ok(all)
    }

    /// The bytes of an `.npz` file with these tensors, deflated (as `numpy.savez_compressed`) or as they are (as `numpy.savez`).
    ///
    /// # Errors
    /// If a name occurs twice, and as [`to_npy_bytes`](Tensor::to_npy_bytes).
    ///
    /// ```
    /// use rushlight_tensor::Tensor;
    /// let (x, y) = (Tensor::new([1.0f32, 2.0])?, Tensor::new([[3i64], [4]])?);
    /// let bytes = Tensor::to_npz_bytes(&[("x", &x), ("y", &y)], true)?;
    /// let back = Tensor::from_npz_bytes(&bytes)?;
    /// assert_eq!((back[1].0.as_str(), back[1].1.to_vec::<i64>()?), ("y", vec![3, 4]));
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn to_npz_bytes(tensors: &[(&str, &Tensor)], compressed: bool) -> Result<Vec<u8>> {
        let method = if compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, tensor) in tensors {
            let data = tensor.to_npy_bytes()?;
            let options = SimpleFileOptions::default().compression_method(method).large_file(u32::try_from(data.len()).is_err());
            archive.start_file(format!("{name}.npy"), options).map_err(bad)?;
            archive.write_all(&data).map_err(bad)?;
        }
        Ok(archive.finish().map_err(bad)?.into_inner())
    }

    /// Reads an `.npz` file: what `numpy.savez` and `numpy.savez_compressed` write.
    ///
    /// # Errors
    /// If the file cannot be read, and as [`from_npz_bytes`](Tensor::from_npz_bytes).
    pub fn read_npz(path: impl AsRef<Path>) -> Result<Named> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|e| Error::io("read_npz", format!("{}: {e}", path.display())))?;
        Tensor::from_npz_bytes(&bytes).map_err(|e| Error::new(e.kind(), "read_npz", format!("{}: {}", path.display(), e.message())))
    }

    /// Writes an `.npz` file, which `numpy.load` reads.
    ///
    /// # Errors
    /// If the file cannot be written, and as [`to_npz_bytes`](Tensor::to_npz_bytes).
    pub fn write_npz(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)], compressed: bool) -> Result<()> {
        let path = path.as_ref();
        let bytes = Tensor::to_npz_bytes(tensors, compressed)?;
        fs::write(path, bytes).map_err(|e| Error::io("write_npz", format!("{}: {e}", path.display())))
    }
}
