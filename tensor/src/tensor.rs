//! The tensor type.

use std::sync::LazyLock;

use rushlight_backend::{Buffer, DType, Element, Error, Layout, MetaRef, Result, Storage};
use triomphe::Arc;

use crate::{Device, Trace};

/// A multi-dimensional array: shape, dtype and device are known at run time. A cheap handle, one pointer: `clone` counts a reference.
///
/// Values never change under a handle: what looks like a change in place works on memory that nobody else sees.
#[derive(Clone)]
pub struct Tensor(Arc<Data>);

// A panic cannot leave a half-changed value behind: values do not change.
impl std::panic::UnwindSafe for Tensor {}
impl std::panic::RefUnwindSafe for Tensor {}

#[derive(Clone)]
pub(crate) struct Data {
    pub(crate) storage: Storage,
    pub(crate) layout: Layout,
    pub(crate) dtype: DType,
    pub(crate) device: Device,
    trace: Option<Trace>,
}

impl Tensor {
    /// A tensor over memory of a device. For backends and readers of files; users have [`Tensor::from_vec`].
    ///
    /// # Errors
    /// If the layout reaches beyond the memory.
    pub fn from_storage(storage: Storage, layout: Layout, dtype: DType, device: Device) -> Result<Tensor> {
        let wanted = layout.span().1.checked_mul(dtype.size());
        if wanted.is_none_or(|w| w > storage.bytes()) {
            return Err(Error::value("from_storage", format!("{layout:?} of {dtype} reaches beyond {} bytes", storage.bytes())));
        }
        Ok(Tensor::from_parts(storage, layout, dtype, device))
    }

    #[inline]
    pub(crate) fn from_parts(storage: Storage, layout: Layout, dtype: DType, device: Device) -> Tensor {
        Tensor(Arc::new(Data { storage, layout, dtype, device, trace: None }))
    }

    /// An empty tensor that costs nothing: the place of one that was taken away.
    pub(crate) fn nothing() -> &'static Tensor {
        struct Nothing;
        impl Buffer for Nothing {
            fn bytes(&self) -> usize {
                0
            }
        }
        static NOTHING: LazyLock<Tensor> =
            LazyLock::new(|| Tensor::from_parts(Storage::new(Nothing), Layout::contiguous(&[0]), DType::F32, Device::cpu()));
        &NOTHING
    }

    /// The parts of a tensor that nobody else holds a handle of, or the tensor back.
    pub(crate) fn into_data(self) -> std::result::Result<Data, Tensor> {
        Arc::try_unwrap(self.0).map_err(Tensor)
    }

    /// The sizes of the dimensions.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        self.0.layout.shape()
    }

    /// The size of one dimension; negative numbers count from the back.
    ///
    /// # Errors
    /// If there is no such dimension.
    pub fn size(&self, dim: isize) -> Result<usize> {
        let d = rushlight_backend::normalize_dim("size", dim, self.dim())?;
        self.shape().get(d).copied().ok_or_else(|| Error::index("size", "a 0-d tensor has no dimensions"))
    }

    /// The number of dimensions.
    pub fn dim(&self) -> usize {
        self.0.layout.rank()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.0.layout.numel()
    }

    /// The element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// Where the tensor lives.
    #[inline]
    pub fn device(&self) -> Device {
        self.0.device
    }

    /// How the elements lie in memory.
    #[inline]
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// The memory. Others may hold it too, so it is for reading.
    #[inline]
    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }

    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.0.layout.is_contiguous()
    }

    /// Shape and dtype, as shape rules take them.
    #[inline]
    pub fn meta(&self) -> MetaRef<'_> {
        MetaRef { shape: self.shape(), dtype: self.dtype() }
    }

    /// What this tensor carries for a tracer.
    #[inline]
    pub fn trace(&self) -> Option<&Trace> {
        self.0.trace.as_ref()
    }

    /// The same values with another trace, or none.
    #[inline]
    pub fn with_trace(&self, trace: Option<Trace>) -> Tensor {
        if trace.is_none() && self.0.trace.is_none() { self.clone() } else { self.copied(trace) }
    }

    /// The same values outside of every graph: derivatives do not go through. What stands for samples, inside of `vmap`, stands for them still.
    pub fn detach(&self) -> Tensor {
        self.trace().map_or_else(|| self.clone(), |trace| trace.detached(self))
    }

    /// The values behind this tensor outside of every graph, for a decision that is made once for all of them: of a tensor that stands for samples, inside of
    /// `vmap`, all samples, with dimensions more in front.
    pub fn all_values(&self) -> Tensor {
        let mut t = self.clone();
        while let Some(trace) = t.trace().cloned() {
            t = trace.lower(&t);
        }
        t
    }

    fn copied(&self, trace: Option<Trace>) -> Tensor {
        let Data { storage, layout, dtype, device, .. } = &*self.0;
        Tensor(Arc::new(Data { storage: storage.clone(), layout: layout.clone(), dtype: *dtype, device: *device, trace }))
    }

    /// As [`with_trace`](Tensor::with_trace), of a handle that is given away.
    #[inline]
    pub fn into_traced(mut self, trace: Option<Trace>) -> Tensor {
        self.set_trace(trace);
        self
    }

    /// Replaces what this handle carries. Other handles carry what they did.
    #[inline]
    pub fn set_trace(&mut self, trace: Option<Trace>) {
        match Arc::get_mut(&mut self.0) {
            Some(data) => data.trace = trace,
            None => *self = self.copied(trace),
        }
    }

    /// Whether both are handles of the same memory with the same layout.
    pub fn is_same(&self, other: &Tensor) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        std::ptr::eq(a, b) || (a.storage.is_same(&b.storage) && a.layout == b.layout && a.dtype == b.dtype)
    }

    /// All elements in row-major order.
    ///
    /// # Errors
    /// If `T` is not the tensor's dtype (convert first), or the device fails.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[1i64, 2], [3, 4]])?;
    /// assert_eq!(x.t()?.to_vec::<i64>()?, [1, 3, 2, 4]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if T::DTYPE != self.dtype() {
            return Err(Error::dtype(
                "to_vec",
                format!("the tensor is {}, asked for {}: convert it with `to_dtype`", self.dtype(), T::DTYPE),
            ));
        }
        T::from_bytes(&self.to_bytes()?)
    }

    /// The bytes of all elements in row-major order, as they lie in memory.
    ///
    /// # Errors
    /// If the device fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        if self.trace().is_some_and(|t| t.hides_values()) {
            return Err(Error::unsupported("to_vec", "inside of `vmap` a tensor stands for one value a sample: none can be read there"));
        }
        let x = self.with_trace(None).contiguous()?;
        let mut bytes = vec![0; x.numel() * x.dtype().size()];
        x.device().backend().download(x.storage(), x.layout().offset() * x.dtype().size(), &mut bytes)?;
        Ok(bytes)
    }

    /// The one element of a tensor of any shape with one element.
    ///
    /// # Errors
    /// If there are more or fewer elements, or `T` is not the tensor's dtype.
    pub fn item<T: Element>(&self) -> Result<T> {
        match self.to_vec::<T>() {
            Ok(v) if v.len() == 1 => Ok(v[0]),
            Ok(v) => Err(Error::value("item", format!("a tensor of shape {:?} has {} elements, wanted one", self.shape(), v.len()))),
            Err(e) if self.numel() == 1 => Err(e),
            Err(_) => Err(Error::value("item", format!("a tensor of shape {:?} has {} elements, wanted one", self.shape(), self.numel()))),
        }
    }

    /// The one element, whatever its dtype, as f64.
    ///
    /// # Errors
    /// If there are more or fewer elements.
    pub fn to_f64(&self) -> Result<f64> {
        self.to_dtype(DType::F64)?.item()
    }
}
