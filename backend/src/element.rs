//! Rust types that are tensor elements.

use std::borrow::Cow;

use crate::{Complex32, Complex64, DType, Error, Result, Scalar, bf16, f16};

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is the element type of a [`DType`].
pub trait Element: Copy + Send + Sync + Default + PartialEq + std::fmt::Debug + sealed::Sealed + 'static {
    /// The dtype of tensors of this type.
    const DTYPE: DType;
    /// The number nearest to a scalar, as PyTorch's fill converts it (integers truncate and wrap).
    fn from_scalar(s: Scalar) -> Self;
    /// The element as a scalar.
    fn to_scalar(self) -> Scalar;
    /// The elements' bytes in memory.
    fn as_bytes(values: &[Self]) -> Cow<'_, [u8]>;
    /// Elements from bytes in memory; a `bool` byte that is not 0 counts as true.
    ///
    /// # Errors
    /// If the number of bytes is not a multiple of the element's size.
    fn from_bytes(bytes: &[u8]) -> Result<Vec<Self>>;
}

fn check_len(bytes: &[u8], dtype: DType) -> Result<usize> {
    if !bytes.len().is_multiple_of(dtype.size()) {
        return Err(Error::format("from_bytes", format!("{} bytes are no whole number of {dtype} elements", bytes.len())));
    }
    Ok(bytes.len() / dtype.size())
}

macro_rules! element {
    ($($t:ty, $d:ident, |$s:ident| $from:expr, |$x:ident| $to:expr;)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$d;
            #[inline]
            fn from_scalar($s: Scalar) -> Self { $from }
            #[inline]
            fn to_scalar(self) -> Scalar { let $x = self; $to }
            fn as_bytes(values: &[Self]) -> Cow<'_, [u8]> { Cow::Borrowed(bytemuck::cast_slice(values)) }
            fn from_bytes(bytes: &[u8]) -> Result<Vec<Self>> {
                let mut out = vec![<$t>::default(); check_len(bytes, DType::$d)?];
                bytemuck::cast_slice_mut(&mut out).copy_from_slice(bytes);
                Ok(out)
            }
        }
    )*};
}

fn int(s: Scalar) -> i64 {
    s.to_i64()
}

element! {
    u8, U8, |s| int(s) as u8, |x| Scalar::Int(x.into());
    i8, I8, |s| int(s) as i8, |x| Scalar::Int(x.into());
    i16, I16, |s| int(s) as i16, |x| Scalar::Int(x.into());
    i32, I32, |s| int(s) as i32, |x| Scalar::Int(x.into());
    i64, I64, |s| int(s), |x| Scalar::Int(x);
    f16, F16, |s| f16::from_f32(s.to_f64() as f32), |x| Scalar::Float(x.into());
    bf16, BF16, |s| bf16::from_f32(s.to_f64() as f32), |x| Scalar::Float(x.into());
    f32, F32, |s| s.to_f64() as f32, |x| Scalar::Float(x.into());
    f64, F64, |s| s.to_f64(), |x| Scalar::Float(x);
    Complex32, C64, |s| { let c = s.to_complex(); Complex32::new(c.re as f32, c.im as f32) },
        |x| Scalar::Complex(Complex64::new(x.re.into(), x.im.into()));
    Complex64, C128, |s| s.to_complex(), |x| Scalar::Complex(x);
}

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: DType = DType::Bool;
    #[inline]
    fn from_scalar(s: Scalar) -> Self {
        s.to_complex() != Complex64::new(0.0, 0.0)
    }
    #[inline]
    fn to_scalar(self) -> Scalar {
        Scalar::Bool(self)
    }
    fn as_bytes(values: &[Self]) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(values))
    }
    fn from_bytes(bytes: &[u8]) -> Result<Vec<Self>> {
        Ok(bytes.iter().map(|&b| b != 0).collect())
    }
}
