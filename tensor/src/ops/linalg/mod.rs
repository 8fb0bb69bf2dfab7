//! Linear algebra.

pub(crate) mod norm;
pub(crate) mod triangle;
