//! Memory of the CPU device, and the one place where it is seen as typed elements.

use std::any::Any;

use crate::alloc::Block;
use rushlight_backend::{Arg, Buffer, Complex32, Complex64, DType, Error, Result, Storage, bf16, f16};

/// A block of memory that is always initialised.
pub(crate) struct CpuBuffer(Block);

impl Buffer for CpuBuffer {
    fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl CpuBuffer {
    /// Memory with arbitrary content, for a kernel that writes all of it.
    pub(crate) fn new(bytes: usize) -> Result<CpuBuffer> {
        Ok(CpuBuffer(Block::new(bytes)?))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    pub(crate) fn as_bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_mut_slice()
    }
}

/// One byte that is 0 or 1: the element of `bool` tensors. A Rust `bool` would be undefined for any other byte, and recycled
/// memory holds any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Bool(pub(crate) u8);

impl From<bool> for Bool {
    #[inline(always)]
    fn from(b: bool) -> Bool {
        Bool(b as u8)
    }
}

impl Bool {
    /// As a Rust truth value.
    #[inline(always)]
    pub(crate) fn get(self) -> bool {
        self.0 != 0
    }
}

/// A type that elements in memory have, for which every bit pattern is a value.
///
/// # Safety
/// The type has the size of its dtype, no padding, and no invalid bit patterns.
pub(crate) unsafe trait Plain: Copy + Send + Sync + Default + PartialEq + std::fmt::Debug + 'static {
    /// The dtype.
    const DTYPE: DType;
}

macro_rules! plain {
    ($($t:ty: $d:ident),*) => {$(
        // SAFETY: a number of the dtype's size without padding or invalid values.
        unsafe impl Plain for $t { const DTYPE: DType = DType::$d; }
    )*};
}
plain!(Bool: Bool, u8: U8, i8: I8, i16: I16, i32: I32, i64: I64, f16: F16, bf16: BF16, f32: F32, f64: F64, Complex32: C64, Complex64: C128);

/// The memory of an input from its first byte on; element `[0, 0, ..]` lies at the layout's offset. Checked: the layout's span
/// lies inside of it.
pub(crate) fn input<'a, T: Plain>(arg: &'a Arg<'_>) -> Result<&'a [T]> {
    let buffer = cpu(arg.storage()?)?;
    let all = typed::<T>(buffer.as_bytes());
    if arg.dtype() != T::DTYPE || arg.layout().span().1 > all.len() {
        return Err(Error::value("backend-cpu", "an input's layout does not fit its memory"));
    }
    Ok(all)
}

/// New memory for `shape` elements.
pub(crate) fn alloc<T: Plain>(shape: &[usize]) -> Result<CpuBuffer> {
    match shape.iter().try_fold(size_of::<T>(), |n, &d| n.checked_mul(d)) {
        Some(bytes) => CpuBuffer::new(bytes),
        None => Err(Error::out_of_memory("backend-cpu", format!("{shape:?} elements are more than memory can hold"))),
    }
}

/// The elements of a buffer.
pub(crate) fn typed<T: Plain>(bytes: &[u8]) -> &[T] {
    debug_assert_eq!(bytes.as_ptr() as usize % align_of::<T>(), 0);
    // SAFETY: buffers are aligned for every element type, initialised, and every bit pattern of T is a value.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>()) }
}

/// The elements of a buffer, to write.
pub(crate) fn typed_mut<T: Plain>(buffer: &mut CpuBuffer) -> &mut [T] {
    let bytes = buffer.as_bytes_mut();
    // SAFETY: as in `typed`, and the buffer is borrowed mutably.
    unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len() / size_of::<T>()) }
}

/// The CPU's buffer behind a storage, or an error if the memory is of another device.
pub(crate) fn cpu(storage: &Storage) -> Result<&CpuBuffer> {
    let any: &dyn Any = &**storage;
    any.downcast_ref().ok_or_else(|| Error::device("backend-cpu", "got memory of another device"))
}

/// The CPU's buffer behind a storage that nobody else holds.
pub(crate) fn cpu_mut(storage: &mut Storage) -> Result<&mut CpuBuffer> {
    let any: &mut dyn Any = storage.get_mut().ok_or_else(|| Error::device("backend-cpu", "memory to write to is shared"))?;
    any.downcast_mut().ok_or_else(|| Error::device("backend-cpu", "got memory of another device"))
}
