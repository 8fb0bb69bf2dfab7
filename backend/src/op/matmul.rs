//! Matrix products.

use super::{MetaRef, Metas, exactly, one, same_dtype};
use crate::{DType, Error, Result, Shape, broadcast_shapes};

/// A matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matmul {
    /// `a[.., m, k] @ b[.., k, n]`; the dimensions in front are broadcast. Vectors become matrices in the methods.
    Product,
    /// `x @ weight^T + bias`: x[.., in], weight[out, in], `bias[out]` (may be left out).
    Linear,
}

impl Matmul {
    names! {
        Matmul::Product => "matmul",
        Matmul::Linear => "linear",
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let dtype = same_dtype(name, inputs)?;
        if dtype == DType::Bool {
            return Err(Error::dtype(name, "does not take booleans"));
        }
        match self {
            Matmul::Product => {
                let [a, b] = exactly(name, inputs)?;
                let (ra, rb) = (a.shape.len(), b.shape.len());
                if ra < 2 || rb < 2 {
                    return Err(Error::shape(name, format!("wants matrices, got shapes {:?} and {:?}", a.shape, b.shape)));
                }
                let (ka, kb) = (a.shape[ra - 1], b.shape[rb - 2]);
                if ka != kb {
                    return Err(Error::shape(
                        name,
                        format!("shapes {:?} and {:?} cannot be multiplied: the inner sizes {ka} and {kb} differ", a.shape, b.shape),
                    ));
                }
                let mut shape = broadcast_shapes(name, &[&a.shape[..ra - 2], &b.shape[..rb - 2]])?;
                shape.extend([a.shape[ra - 2], b.shape[rb - 1]]);
                one(shape, dtype)
            }
            Matmul::Linear => {
                let (x, w, bias) = match inputs {
                    [x, w] => (x, w, None),
                    [x, w, b] => (x, w, Some(b)),
                    _ => return Err(Error::value(name, format!("takes 2 or 3 tensors, got {}", inputs.len()))),
                };
                let fits = w.shape.len() == 2 && x.shape.last() == Some(&w.shape[1]);
                if !fits {
                    return Err(Error::shape(
                        name,
                        format!(
                            "an input of shape {:?} does not fit a weight of shape {:?}: wanted [.., in] and [out, in]",
                            x.shape, w.shape
                        ),
                    ));
                }
                if let Some(b) = bias
                    && b.shape != &w.shape[..1]
                {
                    return Err(Error::shape(name, format!("a bias of shape {:?} does not fit a weight of shape {:?}", b.shape, w.shape)));
                }
                let mut shape: Shape = x.shape.into();
                shape[x.shape.len() - 1] = w.shape[0];
                one(shape, dtype)
            }
        }
    }
}
