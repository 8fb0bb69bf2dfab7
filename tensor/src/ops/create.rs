//! New tensors: from values, filled, ranges.

use rushlight_backend::op::{Create, check_size};
use rushlight_backend::{DType, Element, Error, Layout, Result, Scalar, Shape, numel};

use crate::{Device, Inputs, IntoSizes, Tensor, apply_on, default_dtype, sizes::shape};

/// Dtype and device of a new tensor. Made from a [`DType`], a [`Device`], both in a tuple, or `()` for the defaults: the default float type
/// (or what the values suggest) on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The dtype; `None` is the default of the method.
    pub dtype: Option<DType>,
    /// The device.
    pub device: Device,
}

impl From<()> for Options {
    fn from((): ()) -> Options {
        Options::default()
    }
}

impl From<DType> for Options {
    fn from(dtype: DType) -> Options {
        Options { dtype: Some(dtype), ..Options::default() }
    }
}

impl From<Device> for Options {
    fn from(device: Device) -> Options {
        Options { dtype: None, device }
    }
}

impl From<(DType, Device)> for Options {
    fn from((dtype, device): (DType, Device)) -> Options {
        Options { dtype: Some(dtype), device }
    }
}

impl From<(Option<DType>, Device)> for Options {
    fn from((dtype, device): (Option<DType>, Device)) -> Options {
        Options { dtype, device }
    }
}

/// Numbers, and arrays of them nested to four levels: what [`Tensor::new`] takes.
pub trait Nested {
    /// The element type.
    type Element: Element;
    /// The lengths, outermost first, added to `shape`, and the elements in row-major order, added to `values`.
    ///
    /// # Errors
    /// If slices that lie side by side have different lengths.
    fn flatten(&self, depth: usize, shape: &mut Shape, values: &mut Vec<Self::Element>) -> Result<()>;
}

macro_rules! nested_element {
    ($($t:ty),*) => {$(
        impl Nested for $t {
            type Element = $t;
            fn flatten(&self, _: usize, _: &mut Shape, values: &mut Vec<$t>) -> Result<()> {
                values.push(*self);
                Ok(())
            }
        }
    )*};
}
nested_element!(
    bool,
    u8,
    i8,
    i16,
    i32,
    i64,
    f32,
    f64,
    rushlight_backend::f16,
    rushlight_backend::bf16,
    rushlight_backend::Complex32,
    rushlight_backend::Complex64
);

impl<T: Nested> Nested for [T] {
    type Element = T::Element;
    fn flatten(&self, depth: usize, shape: &mut Shape, values: &mut Vec<T::Element>) -> Result<()> {
        match shape.get(depth) {
            None => shape.push(self.len()),
            Some(&n) if n == self.len() => {}
            Some(&n) => return Err(Error::shape("tensor", format!("rows of {n} and of {} elements side by side", self.len()))),
        }
        self.iter().try_for_each(|row| row.flatten(depth + 1, shape, values))
    }
}

impl<T: Nested, const N: usize> Nested for [T; N] {
    type Element = T::Element;
    fn flatten(&self, depth: usize, shape: &mut Shape, values: &mut Vec<T::Element>) -> Result<()> {
        self.as_slice().flatten(depth, shape, values)
    }
}

impl<T: Nested> Nested for Vec<T> {
    type Element = T::Element;
    fn flatten(&self, depth: usize, shape: &mut Shape, values: &mut Vec<T::Element>) -> Result<()> {
        self.as_slice().flatten(depth, shape, values)
    }
}

impl<T: Nested + ?Sized> Nested for &T {
    type Element = T::Element;
    fn flatten(&self, depth: usize, shape: &mut Shape, values: &mut Vec<T::Element>) -> Result<()> {
        (**self).flatten(depth, shape, values)
    }
}

fn create(op: Create, device: Device) -> Result<Tensor> {
    Ok(apply_on(device, op, Inputs::new())?.swap_remove(0))
}

/// Numbers at equal distances in double precision, each counted from the nearer end, and the dtype that they are to have.
fn spaced(op: &'static str, start: Scalar, end: Scalar, steps: usize, options: Options) -> Result<(DType, Tensor)> {
    let complex = matches!(start, Scalar::Complex(_)) || matches!(end, Scalar::Complex(_));
    let default = if complex { Scalar::Complex(start.to_complex()).dtype(default_dtype()) } else { default_dtype() };
    let dtype = options.dtype.unwrap_or(default);
    if complex && !dtype.is_complex() {
        return Err(Error::dtype(op, format!("complex ends do not give {dtype}")));
    }
    // Ends of integers are integers.
    let end_of = |s: Scalar| if dtype.is_differentiable() { s } else { Scalar::Int(s.to_i64()) };
    let (start, end) = (end_of(start), end_of(end));
    let wide = if dtype.is_complex() { DType::C128 } else { DType::F64 };
    if steps <= 1 {
        return Ok((dtype, Tensor::full(steps, start, (wide, options.device))?));
    }
    let places = Tensor::arange(0, steps, 1, (DType::F64, options.device))?;
    let near_end = places.rsub((steps - 1) as f64)?;
    let first_half = places.lt((steps / 2) as f64)?;
    let values = if dtype.is_complex() {
        let step = (end.to_complex() - start.to_complex()) / (steps - 1) as f64;
        let from = |at: &Tensor, step: rushlight_backend::Complex64| at.to_dtype(wide)?.mul(step);
        first_half.where_(&from(&places, step)?.add(start)?, &from(&near_end, -step)?.add(end)?)?
    } else {
        let step = (end.to_f64() - start.to_f64()) / (steps - 1) as f64;
        first_half.where_(&places.mul(step)?.add(start.to_f64())?, &near_end.mul(-step)?.add(end.to_f64())?)?
    };
    Ok((dtype, values))
}

impl Tensor {
    /// A tensor on the CPU from a number or nested arrays; the dtype is that of the numbers.
    ///
    /// # Errors
    /// If rows have different lengths.
    ///
    /// ```
    /// # use rushlight_tensor::{DType, Tensor};
    /// let x = Tensor::new(&[[1.0f64, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
    /// assert_eq!((x.shape(), x.dtype()), (&[2, 3][..], DType::F64));
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn new<N: Nested>(values: N) -> Result<Tensor> {
        let (mut shape, mut flat) = (Shape::new(), Vec::new());
        values.flatten(0, &mut shape, &mut flat)?;
        Tensor::from_vec(flat, shape.as_slice(), Device::cpu())
    }

    /// A tensor from its elements in row-major order.
    ///
    /// # Errors
    /// If their number does not fit the shape.
    pub fn from_vec<T: Element>(values: Vec<T>, sizes: impl IntoSizes, device: Device) -> Result<Tensor> {
        Tensor::from_slice(&values, sizes, device)
    }

    /// As [`from_vec`](Tensor::from_vec), copied from a slice.
    ///
    /// # Errors
    /// If their number does not fit the shape.
    pub fn from_slice<T: Element>(values: &[T], sizes: impl IntoSizes, device: Device) -> Result<Tensor> {
        Tensor::from_bytes(&T::as_bytes(values), sizes, T::DTYPE, device)
    }

    /// A tensor from the bytes of its elements in row-major order, in this machine's byte order.
    ///
    /// # Errors
    /// If their number does not fit shape and dtype.
    pub fn from_bytes(bytes: &[u8], sizes: impl IntoSizes, dtype: DType, device: Device) -> Result<Tensor> {
        let shape = shape("from_bytes", sizes)?;
        check_size("tensor", &shape, dtype)?;
        if numel(&shape) * dtype.size() != bytes.len() {
            return Err(Error::shape(
                "tensor",
                format!("{} elements do not fill the shape {:?}", bytes.len() / dtype.size(), shape.as_slice()),
            ));
        }
        let storage = device.backend().upload(bytes)?;
        Ok(Tensor::from_parts(storage, Layout::contiguous(&shape), dtype, device))
    }

    /// One value everywhere. Without a dtype in the options: bool, int64 or the default float type, as the value suggests.
    ///
    /// # Errors
    /// If the size is negative or beyond memory.
    pub fn full(sizes: impl IntoSizes, value: impl Into<Scalar>, options: impl Into<Options>) -> Result<Tensor> {
        let (value, options) = (value.into(), options.into());
        let dtype = options.dtype.unwrap_or_else(|| value.dtype(default_dtype()));
        create(Create::Full { shape: shape("full", sizes)?, dtype, value }, options.device)
    }

    /// Zeros, of the default float type if the options name none.
    ///
    /// # Errors
    /// If the size is negative or beyond memory.
    ///
    /// ```
    /// # use rushlight_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([2, 3], ())?.dtype(), DType::F32);
    /// assert_eq!(Tensor::zeros([2, 3], DType::I64)?.to_vec::<i64>()?, [0; 6]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn zeros(sizes: impl IntoSizes, options: impl Into<Options>) -> Result<Tensor> {
        Tensor::full(sizes, 0.0, options)
    }

    /// Ones, of the default float type if the options name none.
    ///
    /// # Errors
    /// If the size is negative or beyond memory.
    pub fn ones(sizes: impl IntoSizes, options: impl Into<Options>) -> Result<Tensor> {
        Tensor::full(sizes, 1.0, options)
    }

    /// The numbers from `start` to below `end`, `step` apart: int64 if all three are integers, else the default float type.
    ///
    /// # Errors
    /// If the step is 0, leads away from the end, or a bound is not finite.
    pub fn arange(
        start: impl Into<Scalar>,
        end: impl Into<Scalar>,
        step: impl Into<Scalar>,
        options: impl Into<Options>,
    ) -> Result<Tensor> {
        let (start, end, step, options) = (start.into(), end.into(), step.into(), options.into());
        let (a, b, s) = (start.to_f64(), end.to_f64(), step.to_f64());
        if s == 0.0 {
            return Err(Error::value("arange", "the step must not be 0"));
        }
        if !(a.is_finite() && b.is_finite() && s.is_finite()) {
            return Err(Error::value("arange", format!("bounds and step must be finite, got {a}, {b}, {s}")));
        }
        if (b - a) * s.signum() < 0.0 {
            return Err(Error::value("arange", format!("the step {s} leads away from the end: {a} to {b}")));
        }
        let integers = [start, end, step].iter().all(|x| matches!(x, Scalar::Int(_) | Scalar::Bool(_)));
        let dtype = options.dtype.unwrap_or(if integers { DType::I64 } else { default_dtype() });
        let len = if integers {
            let (a, b, s) = (i128::from(start.to_i64()), i128::from(end.to_i64()), i128::from(step.to_i64()));
            ((b - a + s - s.signum()) / s) as usize
        } else {
            ((b - a) / s).ceil() as usize
        };
        create(Create::Arange { start, step, len, dtype }, options.device)
    }

    /// `steps` numbers from `start` to `end`, both included, at equal distances. Complex if one end is, else of the default float type.
    ///
    /// # Errors
    /// If it is beyond memory.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// assert_eq!(Tensor::linspace(0, 1, 3, ())?.to_vec::<f32>()?, [0.0, 0.5, 1.0]);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn linspace(start: impl Into<Scalar>, end: impl Into<Scalar>, steps: usize, options: impl Into<Options>) -> Result<Tensor> {
        let options = options.into();
        let (dtype, values) = spaced("linspace", start.into(), end.into(), steps, options)?;
        values.to_dtype(dtype)
    }

    /// `base` to the power of `steps` numbers from `start` to `end`, both included, at equal distances.
    ///
    /// # Errors
    /// If it is beyond memory.
    pub fn logspace(
        start: impl Into<Scalar>,
        end: impl Into<Scalar>,
        steps: usize,
        base: f64,
        options: impl Into<Options>,
    ) -> Result<Tensor> {
        let options = options.into();
        let (dtype, values) = spaced("logspace", start.into(), end.into(), steps, options)?;
        values.rpow(base)?.to_dtype(dtype)
    }

    /// Zeros, where PyTorch's `empty` has whatever lay in memory.
    ///
    /// # Errors
    /// If the size is negative or beyond memory.
    pub fn empty(sizes: impl IntoSizes, options: impl Into<Options>) -> Result<Tensor> {
        Tensor::zeros(sizes, options)
    }

    /// As [`empty`](Tensor::empty) in this tensor's shape, dtype and device.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn empty_like(&self) -> Result<Tensor> {
        self.zeros_like()
    }

    /// A matrix with ones on the diagonal.
    ///
    /// # Errors
    /// If it is beyond memory.
    pub fn eye(rows: usize, cols: impl Into<Option<usize>>, options: impl Into<Options>) -> Result<Tensor> {
        let options = options.into();
        let cols = cols.into().unwrap_or(rows);
        create(Create::Eye { rows, cols, dtype: options.dtype.unwrap_or_else(default_dtype) }, options.device)
    }

    /// One value everywhere in this tensor's shape, dtype and device.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn full_like(&self, value: impl Into<Scalar>) -> Result<Tensor> {
        Tensor::full(self.shape(), value, (self.dtype(), self.device()))
    }

    /// Zeros in this tensor's shape, dtype and device.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn zeros_like(&self) -> Result<Tensor> {
        self.full_like(0.0)
    }

    /// Ones in this tensor's shape, dtype and device.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn ones_like(&self) -> Result<Tensor> {
        self.full_like(1.0)
    }
}
