//! Scaled dot product attention as one operation forward and one backward, which never hold the matrix of scores.

use super::{MetaRef, Metas, same_dtype, want_float};
use crate::{Error, Meta, Result};

/// An attention, or the gradient of one. All tensors have one floating-point dtype. Query head h reads key head `h / (heads / key heads)`.
///
/// `y = softmax(scale * q k' + mask) v`; a row whose every score is minus infinity gives zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attention {
    /// Inputs: queries `[n, heads, l, e]`, keys `[n, key heads, s, e]`, values `[n, key heads, s, d]`, and perhaps a mask that is added to the scores and
    /// broadcast to `[n, heads, l, s]`. Results: y `[n, heads, l, d]`; the logarithm of the sum of exponentials of each row of scores, `[n, heads, l]`.
    Forward {
        /// What the products of queries and keys are multiplied by.
        scale: f64,
        /// Whether query i sees only the keys 0 to i.
        causal: bool,
    },
    /// The gradients of queries, keys and values. Inputs: the gradient of y, queries, keys, values, both results, and the mask if there is one.
    Grad {
        /// As forward.
        scale: f64,
        /// As forward.
        causal: bool,
    },
}

impl Attention {
    names! {
        Attention::Forward { .. } => "scaled_dot_product_attention",
        Attention::Grad { .. } => "scaled_dot_product_attention_backward",
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let dtype = same_dtype(name, inputs)?;
        want_float(name, dtype)?;
        let wrong_number = |wanted: &str| Error::value(name, format!("takes {wanted} tensors, got {}", inputs.len()));
        match self {
            Attention::Forward { .. } => {
                let ([q, k, v, mask @ ..], true) = (inputs, inputs.len() <= 4) else { return Err(wrong_number("3 or 4")) };
                let [n, heads, l, d] = sizes(name, q, k, v, mask.first())?;
                Ok(smallvec::smallvec![Meta::new(&[n, heads, l, d], dtype), Meta::new(&[n, heads, l], dtype)])
            }
            Attention::Grad { .. } => {
                let ([g, q, k, v, y, lse, mask @ ..], true) = (inputs, inputs.len() <= 7) else { return Err(wrong_number("6 or 7")) };
                let [n, heads, l, d] = sizes(name, q, k, v, mask.first())?;
                if g.shape != [n, heads, l, d] || y.shape != g.shape || lse.shape != [n, heads, l] {
                    return Err(Error::shape(
                        name,
                        format!("a gradient of shape {:?} and results {:?}, {:?} do not fit {:?}", g.shape, y.shape, lse.shape, q.shape),
                    ));
                }
                Ok(smallvec::smallvec![q.to_meta(), k.to_meta(), v.to_meta()])
            }
        }
    }
}

/// The sizes of y.
fn sizes(name: &'static str, q: &MetaRef<'_>, k: &MetaRef<'_>, v: &MetaRef<'_>, mask: Option<&MetaRef<'_>>) -> Result<[usize; 4]> {
    let fits = match (q.shape, k.shape, v.shape) {
        (&[n, heads, l, e], &[nk, key_heads, s, ek], &[nv, value_heads, sv, d]) => {
            let grouped = key_heads == value_heads && if key_heads == 0 { heads == 0 } else { heads % key_heads == 0 };
            (n == nk && n == nv && e == ek && s == sv && grouped).then_some(([n, heads, l, d], s))
        }
        _ => None,
    };
    let Some(([n, heads, l, d], s)) = fits else {
        return Err(Error::shape(
            name,
            format!(
                "wants queries [n, heads, l, e], keys [n, key heads, s, e] and values [n, key heads, s, d], got {:?}, {:?} and {:?}",
                q.shape, k.shape, v.shape
            ),
        ));
    };
    if let Some(mask) = mask {
        let whole = [n, heads, l, s];
        if mask.shape.len() != 4 || !mask.shape.iter().zip(whole).all(|(&m, n)| m == n || m == 1) {
            return Err(Error::shape(name, format!("a mask of shape {:?} cannot be broadcast to {whole:?}", mask.shape)));
        }
    }
    Ok([n, heads, l, d])
}
