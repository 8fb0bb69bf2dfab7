//! The CUDA device of Rushlight: found and loaded at run time, so that this crate builds on machines without CUDA.
//!
//! What exists today is the device itself: finding it, memory, copies in both directions, and the views that need no kernel. It declines every
//! operation with a kernel, which then is a clear "not supported" error. The kernels come family by family, under the file
//! names of the other floors.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DriverError};
use rushlight_backend::{Arg, Backend, Buffer, Error, Meta, Op, Result, Storage, Storages};

/// One CUDA device.
pub struct CudaBackend {
    name: String,
    stream: Arc<CudaStream>,
}

impl std::fmt::Debug for CudaBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Memory of a device.
struct CudaBuffer(CudaSlice<u8>);

impl Buffer for CudaBuffer {
    fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// The devices that were asked for: each is opened once and lives as long as the process.
static OPEN: Mutex<Vec<(usize, &'static CudaBackend)>> = Mutex::new(Vec::new());

/// The CUDA device with this number.
///
/// # Errors
/// If the machine has no CUDA driver, or no device of this number, or the device cannot be opened.
pub fn device(index: usize) -> Result<&'static dyn Backend> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, backend)) = open.iter().find(|(i, _)| *i == index) {
        return Ok(*backend);
    }
    let backend: &'static CudaBackend = Box::leak(Box::new(CudaBackend::open(index)?));
    open.push((index, backend));
    Ok(backend)
}

impl CudaBackend {
    fn open(index: usize) -> Result<CudaBackend> {
        let name = format!("cuda:{index}");
        // cudarc panics when it calls into a library that is not there, so this question comes first.
        // SAFETY: it only tries to load the driver's shared library.
        let present = unsafe { cudarc::driver::sys::is_culib_present() };
        if !present {
            return Err(Error::device(name, "no CUDA driver was found on this machine (libcuda is not there)"));
        }
        let count = CudaContext::device_count().map_err(|e| failed(&name, &e))?;
        if index >= usize::try_from(count).unwrap_or(0) {
            return Err(Error::device(name, format!("there is no such device: the driver sees {count}")));
        }
        let context = CudaContext::new(index).map_err(|e| failed(&name, &e))?;
        Ok(CudaBackend { name, stream: context.default_stream() })
    }
}

fn failed(name: &str, e: &DriverError) -> Error {
    Error::device(name.to_string(), format!("the CUDA driver reports {e}"))
}

impl Backend for CudaBackend {
    fn name(&self) -> &str {
        &self.name
    }

    fn upload(&self, bytes: &[u8]) -> Result<Storage> {
        // The driver has no allocations of 0 bytes.
        let slice = if bytes.is_empty() { self.stream.alloc_zeros(1) } else { self.stream.clone_htod(bytes) };
        Ok(Storage::new(CudaBuffer(slice.map_err(|e| failed(&self.name, &e))?)))
    }

    fn download(&self, storage: &Storage, offset: usize, out: &mut [u8]) -> Result<()> {
        let any: &dyn Any = &**storage;
        let Some(CudaBuffer(slice)) = any.downcast_ref() else {
            return Err(Error::device(self.name.clone(), "got memory of another device"));
        };
        if out.is_empty() {
            return Ok(());
        }
        let part = offset.checked_add(out.len()).and_then(|end| slice.try_slice(offset..end));
        let part =
            part.ok_or_else(|| Error::value("download", format!("{} bytes from {offset} of a block of {}", out.len(), slice.len())))?;
        self.stream.memcpy_dtoh(&part, out).and_then(|()| self.stream.synchronize()).map_err(|e| failed(&self.name, &e))
    }

    fn run(&self, _: &Op, _: &mut [Arg<'_>], _: &[Meta]) -> Result<Option<Storages>> {
        Ok(None)
    }

    fn synchronize(&self) -> Result<()> {
        self.stream.synchronize().map_err(|e| failed(&self.name, &e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        // No machine has a thousand of them; without a driver the message says that.
        let message = device(1000).unwrap_err().to_string();
        assert!(message.starts_with("cuda:1000: "), "{message}");
        assert!(message.contains("no CUDA driver") || message.contains("no such device"), "{message}");
    }
}
