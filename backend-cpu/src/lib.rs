//! CPU kernels of Rushlight: SIMD chosen at run time, threads, a caching allocator.
//!
//! [`CpuBackend`] runs the vocabulary of `rushlight-backend`. Each family has its kernels in the file (or folder) of the family's name.

pub mod alloc;
mod attention;
mod buffer;
mod conv;
mod create;
mod fft;
pub mod files;
mod gemm;
mod index;
mod linalg;
mod loss;
mod matmul;
mod norm;
mod optim;
mod pointwise;
mod pool;
pub mod random;
mod reduce;
mod resample;
mod rnn;
mod scan;
mod shape;
pub mod simd;
mod sort;
pub mod threads;
mod transpose;
mod walk;
mod wide;

use rushlight_backend::op::Pointwise;
use rushlight_backend::{Arg, Backend, Error, Meta, Op, Result, Storage, Storages};

use crate::buffer::{CpuBuffer, cpu};

/// The BLAS library that multiplies matrices: `openblas`, `mkl`, `blis` or `accelerate`, after the cargo feature that is on; none if the products are this crate's own.
pub const BLAS: Option<&str> = {
    #[cfg(feature = "blas")]
    let name = Some(gemm::blas::NAME);
    #[cfg(not(feature = "blas"))]
    let name = None;
    name
};

/// The CPU.
#[derive(Debug)]
pub struct CpuBackend;

/// The one CPU device.
pub static CPU: CpuBackend = CpuBackend;

impl Backend for CpuBackend {
    fn name(&self) -> &str {
        "cpu"
    }

    fn upload(&self, bytes: &[u8]) -> Result<Storage> {
        let mut buffer = CpuBuffer::new(bytes.len())?;
        buffer.as_bytes_mut().copy_from_slice(bytes);
        Ok(Storage::new(buffer))
    }

    fn download(&self, storage: &Storage, offset: usize, out: &mut [u8]) -> Result<()> {
        let from = cpu(storage)?.as_bytes();
        match offset.checked_add(out.len()).and_then(|end| from.get(offset..end)) {
            Some(part) => out.copy_from_slice(part),
            None => return Err(Error::value("download", format!("{} bytes from {offset} of a block of {}", out.len(), from.len()))),
        }
        Ok(())
    }

    fn run(&self, op: &Op, inputs: &mut [Arg<'_>], outputs: &[Meta]) -> Result<Option<Storages>> {
        let one = |storage: Result<Storage>| storage.map(|s| Some(Storages::from_buf([s])));
        match op {
            Op::Pointwise(Pointwise::UnaryGrad(_)) if outputs[0].dtype.is_complex() => Ok(None),
            Op::Pointwise(op) => one(pointwise::run(op, inputs, outputs)),
            Op::Shape(op) => one(shape::run(op, inputs)),
            Op::Conv(op) => one(conv::run(op, inputs, &outputs[0])),
            Op::Pool(op) => pool::run(op, inputs, outputs).map(Some),
            Op::Create(op) => one(create::run(op)),
            Op::Fft(op) => one(fft::run(op, &inputs[0], &outputs[0])),
            Op::Linalg(op) => linalg::run(op, inputs, outputs).map(Some),
            Op::Index(op) => one(index::run(op, inputs, outputs)),
            Op::Reduce(op) => reduce::run(op, inputs, outputs),
            Op::Scan(op) => scan::run(op, inputs, outputs).map(Some),
            Op::Sort(op) => sort::run(op, inputs, outputs).map(Some),
            Op::Matmul(op) => one(matmul::run(op, inputs, &outputs[0])),
            Op::Norm(op) => norm::run(op, inputs, outputs),
            Op::Resample(op) => resample::run(op, inputs, outputs),
            Op::Optim(op) => optim::run(op, inputs, outputs),
            Op::Attention(op) => attention::run(op, inputs, outputs),
            Op::Rnn(op) => rnn::run(op, inputs, outputs),
            Op::Loss(op) => loss::run(op, inputs, outputs),
            Op::Random(op) => one(random::run(op, inputs, &outputs[0])),
            _ => Ok(None),
        }
    }

    fn synchronize(&self) -> Result<()> {
        Ok(())
    }
}
