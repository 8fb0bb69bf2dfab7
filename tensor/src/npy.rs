//! NumPy's `.npy` files.
//!
//! The format (NumPy Enhancement Proposal 1): `\x93NUMPY`, two bytes of version, the header's length (2 bytes, from version 2 on 4), the header (a Python
//! dictionary of `descr`, `fortran_order` and `shape`), then the elements.

use std::fs;
use std::path::Path;

use rushlight_backend::{DType, Error, Result};

use crate::{Device, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Type strings without the byte order, and their dtypes.
const TYPES: [(&str, DType); 11] = [
    ("b1", DType::Bool),
    ("u1", DType::U8),
    ("i1", DType::I8),
    ("i2", DType::I16),
    ("i4", DType::I32),
    ("i8", DType::I64),
    ("f2", DType::F16),
    ("f4", DType::F32),
    ("f8", DType::F64),
    ("c8", DType::C64),
    ("c16", DType::C128),
];

fn bad(message: impl Into<String>) -> Error {
    Error::format("npy", message)
}

/// What a header says.
struct Header {
    dtype: DType,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// The text behind a key of the header's dictionary.
fn value_of<'a>(header: &'a str, key: &str) -> Result<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let after = quoted.iter().find_map(|q| header.split_once(q.as_str())).map(|(_, after)| after);
    let value = after.and_then(|a| a.trim_start().strip_prefix(':')).map(str::trim_start);
    value.ok_or_else(|| bad(format!("the header has no `{key}`: {header:?}")))
}

impl Header {
    fn parse(header: &str) -> Result<Header> {
        let descr = value_of(header, "descr")?;
        let descr = descr.strip_prefix(['\'', '"']).and_then(|d| d.split(['\'', '"']).next());
        let descr = descr.ok_or_else(|| bad("elements with fields are no tensor"))?;
        let (order, name) = match descr.as_bytes() {
            [b'<' | b'>' | b'|' | b'=', ..] => descr.split_at(1),
            _ => ("=", descr),
        };
        let Some((_, dtype)) = TYPES.iter().find(|(n, _)| *n == name) else {
            let known: Vec<&str> = TYPES.iter().map(|(n, _)| *n).collect();
            return Err(bad(format!("elements of type {descr:?} are not supported, only {}", known.join(", "))));
        };
        let fortran = match value_of(header, "fortran_order")? {
            v if v.starts_with("True") => true,
            v if v.starts_with("False") => false,
            v => return Err(bad(format!("`fortran_order` is {v:?}"))),
        };
        let shape = value_of(header, "shape")?.strip_prefix('(').and_then(|s| s.split_once(')')).map(|(inside, _)| inside);
        let shape = shape.ok_or_else(|| bad("`shape` is no tuple"))?;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|n| !n.is_empty())
            .map(|n| n.trim_end_matches('L').parse().map_err(|_| bad(format!("`shape` has {n:?} in it"))))
            .collect::<Result<Vec<usize>>>()?;
        let big_endian = order == ">" || (order == "=" && cfg!(target_endian = "big"));
        Ok(Header { dtype: *dtype, big_endian, fortran, shape })
    }
}

/// Turns the bytes of each number round.
fn swap(bytes: &mut [u8], dtype: DType) {
    let width = if dtype.is_complex() { dtype.size() / 2 } else { dtype.size() };
    bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
}

impl Tensor {
    /// The tensor in the bytes of an `.npy` file.
    ///
    /// # Errors
    /// If the bytes are no such file, are too few or too many, or the elements have a type that tensors do not have.
    pub fn from_npy_bytes(bytes: &[u8]) -> Result<Tensor> {
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| bad("does not begin with \\x93NUMPY"))?;
        let short = || bad(format!("the file ends in its header, after {} bytes", bytes.len()));
        let (len, rest) = match rest {
            [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
            [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
            [1..=3, ..] | [] => return Err(short()),
            [version, ..] => return Err(bad(format!("version {version} is not known, only 1 to 3"))),
        };
        let (header, data) = rest.split_at_checked(len).ok_or_else(short)?;
        let header = Header::parse(std::str::from_utf8(header).map_err(|_| bad("the header is no text"))?)?;
        let wanted = header.shape.iter().try_fold(header.dtype.size(), |n, &d| n.checked_mul(d));
        if wanted != Some(data.len()) {
            let (dtype, shape) = (header.dtype, &header.shape);
            return Err(bad(format!("{dtype}{shape:?} does not fit {} bytes of elements", data.len())));
        }
        let mut data = data.to_vec();
        if header.big_endian != cfg!(target_endian = "big") {
            swap(&mut data, header.dtype);
        }
        if header.dtype == DType::Bool {
            data.iter_mut().for_each(|b| *b = u8::from(*b != 0));
        }
        if !header.fortran {
            return Tensor::from_bytes(&data, header.shape, header.dtype, Device::cpu());
        }
        // Column-major: the elements of the transposed tensor in row-major order.
        let turned: Vec<usize> = header.shape.iter().rev().copied().collect();
        let order: Vec<isize> = (0..turned.len() as isize).rev().collect();
        Tensor::from_bytes(&data, turned, header.dtype, Device::cpu())?.permute(order)
    }

    /// The bytes of an `.npy` file (version 1, row-major, little-endian) with this tensor's elements.
    ///
    /// # Errors
    /// For `bfloat16`, which NumPy does not have, and if the device fails.
    ///
    /// ```
    /// use rushlight_tensor::Tensor;
    /// let x = Tensor::new([[1.0f32, 2.0], [3.0, 4.0]])?;
    /// let y = Tensor::from_npy_bytes(&x.to_npy_bytes()?)?;
    /// assert_eq!((y.shape(), y.to_vec::<f32>()?), (x.shape(), x.to_vec::<f32>()?));
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn to_npy_bytes(&self) -> Result<Vec<u8>> {
        let dtype = self.dtype();
        let Some((name, _)) = TYPES.iter().find(|(_, d)| *d == dtype) else {
            return Err(Error::unsupported("npy", format!("NumPy has no {dtype}: convert the tensor first")));
        };
        let order = if dtype.size() == 1 { '|' } else { '<' };
        let sizes: Vec<String> = self.shape().iter().map(|n| format!("{n},")).collect();
        let mut header = format!("{{'descr': '{order}{name}', 'fortran_order': False, 'shape': ({}), }}", sizes.join(" "));
        // The elements begin at a multiple of 64 bytes; the header ends with a new line.
        let padding = (64 - (MAGIC.len() + 4 + header.len() + 1) % 64) % 64;
        header.extend(std::iter::repeat_n(' ', padding));
        header.push('\n');
        let len = u16::try_from(header.len()).map_err(|_| Error::unsupported("npy", "too many dimensions for a header of version 1"))?;
        let mut data = self.to_bytes()?;
        if cfg!(target_endian = "big") {
            swap(&mut data, dtype);
        }
        Ok([MAGIC, &[1, 0], &len.to_le_bytes(), header.as_bytes(), &data].concat())
    }

    /// Reads an `.npy` file: what `numpy.save` writes.
    ///
    /// # Errors
    /// If the file cannot be read, and as [`from_npy_bytes`](Tensor::from_npy_bytes).
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Tensor> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|e| Error::io("read_npy", format!("{}: {e}", path.display())))?;
        Tensor::from_npy_bytes(&bytes).map_err(|e| Error::new(e.kind(), "read_npy", format!("{}: {}", path.display(), e.message())))
    }

    /// Writes an `.npy` file, which `numpy.load` reads.
    ///
    /// # Errors
    /// If the file cannot be written, and as [`to_npy_bytes`](Tensor::to_npy_bytes).
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        fs::write(path, self.to_npy_bytes()?).map_err(|e| Error::io("write_npy", format!("{}: {e}", path.display())))
    }
}
