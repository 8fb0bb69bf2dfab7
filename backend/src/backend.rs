//! What a device must do.

use std::any::Any;
use std::fmt::Debug;
use std::ops::Deref;

use smallvec::SmallVec;
// Without weak references: every operation makes and drops one, and counting costs as much as computing a few numbers.
use triomphe::Arc;
use unsize::{CoerceUnsize, Coercion};

use crate::{DType, Element, Error, Layout, Meta, Op, Result};

/// A device's memory. The host may not be able to read it: that is what [`Backend::download`] is for.
pub trait Buffer: Any + Send + Sync {
    /// The size in bytes.
    fn bytes(&self) -> usize;
}

/// Memory shared between tensors: a counted reference to a [`Buffer`]. Whoever holds the only one may write to it.
#[derive(Clone)]
pub struct Storage(Arc<dyn Buffer>);

impl Storage {
    /// Memory that nobody else holds.
    #[inline]
    pub fn new(buffer: impl Buffer) -> Storage {
        Storage(Arc::new(buffer).unsize(Coercion!(to dyn Buffer)))
    }

    /// The memory, to write to, if nobody else holds it.
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut dyn Buffer> {
        Arc::get_mut(&mut self.0)
    }

    /// Whether both are the same memory.
    #[inline]
    pub fn is_same(&self, other: &Storage) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A number that memory which lives at the same time does not share.
    pub fn address(&self) -> usize {
        std::ptr::from_ref(&*self.0).addr()
    }
}

impl Deref for Storage {
    type Target = dyn Buffer;

    #[inline]
    fn deref(&self) -> &(dyn Buffer + 'static) {
        &*self.0
    }
}

/// The results of an operation.
pub type Storages = SmallVec<[Storage; 1]>;

/// An input of an operation: memory, and how to read it.
pub struct Arg<'a> {
    storage: Source<'a>,
    layout: &'a Layout,
    dtype: DType,
}

enum Source<'a> {
    Borrowed(&'a Storage),
    /// Empty once a kernel has taken it.
    Owned(&'a mut Option<Storage>),
}

impl<'a> Arg<'a> {
    /// An input that others go on using.
    #[inline]
    pub fn borrowed(storage: &'a Storage, layout: &'a Layout, dtype: DType) -> Arg<'a> {
        Arg { storage: Source::Borrowed(storage), layout, dtype }
    }

    /// An input that the caller gives away: if nobody else holds it the kernel may reuse its memory.
    #[inline]
    pub fn owned(storage: &'a mut Option<Storage>, layout: &'a Layout, dtype: DType) -> Arg<'a> {
        Arg { storage: Source::Owned(storage), layout, dtype }
    }

    /// The memory.
    ///
    /// # Errors
    /// If [`take_unique`](Arg::take_unique) has taken it: a mistake in a kernel.
    #[inline]
    pub fn storage(&self) -> Result<&Storage> {
        match &self.storage {
            Source::Borrowed(s) => Ok(s),
            Source::Owned(s) => s.as_ref().ok_or_else(|| Error::value("backend", "the memory of this input was taken by the kernel")),
        }
    }

    /// How the elements lie in memory.
    #[inline]
    pub fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// The sizes of the dimensions.
    #[inline]
    pub fn shape(&self) -> &'a [usize] {
        self.layout.shape()
    }

    /// The element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Whether it was given away.
    #[inline]
    pub fn is_given(&self) -> bool {
        matches!(self.storage, Source::Owned(_))
    }

    /// The memory itself, if it was given away and nobody else holds it: the kernel may write its result there.
    #[inline]
    pub fn take_unique(&mut self) -> Option<Storage> {
        let Source::Owned(storage) = &mut self.storage else { return None };
        storage.as_mut()?.get_mut()?;
        storage.take()
    }
}

/// A device: kernels and memory. Object safe; the handle that users hold is `Device` of the tensor crate.
///
/// A backend must run the primitive operations (see the documentation of each family); it may decline any other, and the caller
/// then runs the operation's decomposition into smaller ones.
pub trait Backend: Debug + Send + Sync + 'static {
    /// PyTorch's name of the device: `cpu`, `cuda:0`.
    fn name(&self) -> &str;

    /// Copies bytes from the host to new memory.
    ///
    /// # Errors
    /// If the memory cannot be had.
    fn upload(&self, bytes: &[u8]) -> Result<Storage>;

    /// Copies bytes, from the one at `offset` on, to the host, after all work that produces them is done.
    ///
    /// # Errors
    /// If the memory is of another device, or too short.
    fn download(&self, storage: &Storage, offset: usize, out: &mut [u8]) -> Result<()>;

    /// Runs an operation whose inputs its shape rule has accepted. `outputs` is what that rule returned; each result is
    /// contiguous and new, or the memory of an input that was [given away](Arg::take_unique).
    ///
    /// `None` declines: the caller will run the operation's decomposition.
    ///
    /// # Errors
    /// What only the data can tell, such as an index out of range, and what the device reports.
    fn run(&self, op: &Op, inputs: &mut [Arg<'_>], outputs: &[Meta]) -> Result<Option<Storages>>;

    /// Waits until all work handed to the device is done.
    ///
    /// # Errors
    /// What the device reports.
    fn synchronize(&self) -> Result<()>;
}

impl dyn Backend {
    /// Copies elements to new memory.
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn upload_elements<T: Element>(&self, values: &[T]) -> Result<Storage> {
        self.upload(&T::as_bytes(values))
    }
}
