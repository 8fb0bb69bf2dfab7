//! PyTorch's rules of type promotion.
//!
//! Operands fall in three tiers: tensors with dimensions, 0-d tensors, and scalars. A lower tier only changes the result's type if
//! it is of a higher category (bool < integer < real < complex) than all tiers above it.

use crate::{DType, Scalar};

/// The common type of two tensors of the same tier.
pub fn promote_types(a: DType, b: DType) -> DType {
    use DType::*;
    if a == b {
        return a;
    }
    let (lo, hi) = if a < b { (a, b) } else { (b, a) };
    match (lo, hi) {
        (U8, I8) => I16,
        (F16, BF16) => F32,
        (F64, C64) => C128,
        // In the order of the enum the wider or higher type wins in every other pair.
        _ => hi,
    }
}

fn category(d: DType) -> u8 {
    match d {
        DType::Bool => 0,
        d if d.is_int() => 1,
        d if d.is_float() => 2,
        _ => 3,
    }
}

/// What takes part in a promotion: one operand.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// A tensor, with its rank.
    Tensor(DType, usize),
    /// A number.
    Scalar(Scalar),
}

/// The type in which an operation on these operands is computed; `default_float` is the type that a real scalar
/// gives an integer tensor.
///
/// ```
/// use rushlight_backend::{DType, Scalar, promote::{Operand, result_type}};
/// let (x, i) = (Operand::Tensor(DType::F32, 2), Operand::Tensor(DType::I64, 1));
/// assert_eq!(result_type(&[x, i], DType::F32), DType::F32);
/// assert_eq!(result_type(&[i, Operand::Scalar(Scalar::Float(1.5))], DType::F32), DType::F32);
/// assert_eq!(result_type(&[x, Operand::Tensor(DType::F64, 0)], DType::F32), DType::F32);
/// ```
pub fn result_type(operands: &[Operand], default_float: DType) -> DType {
    let mut tiers: [Option<DType>; 3] = [None; 3];
    for operand in operands {
        let (tier, dtype) = match *operand {
            Operand::Tensor(d, rank) => (usize::from(rank == 0), d),
            Operand::Scalar(s) => (2, s.dtype(default_float)),
        };
        tiers[tier] = Some(tiers[tier].map_or(dtype, |d| promote_types(d, dtype)));
    }
    let combine = |higher: Option<DType>, lower: Option<DType>| match (higher, lower) {
        (Some(h), Some(l)) if category(l) > category(h) => {
            // A complex number beside a real tensor takes that tensor's width.
            if l.is_complex() && h.is_float() {
                Some(if h == DType::F64 { DType::C128 } else { DType::C64 })
            } else {
                Some(promote_types(h, l))
            }
        }
        (Some(h), _) => Some(h),
        (None, l) => l,
    };
    combine(combine(tiers[0], tiers[1]), tiers[2]).unwrap_or(default_float)
}
