//! Changes of shape.

use rushlight_tensor::{Error, IntoSizes, Result, Sizes, Tensor};

use crate::builder::{builder, options};
use crate::{Forward, Module};

options! {
    /// Makes the dimensions from `start_dim` to `end_dim` one.
    Flatten, FlattenBuilder {
        /// The first dimension. Default: 1.
        start_dim: isize = 1;
        /// The last dimension. Default: -1.
        end_dim: isize = -1;
    }
}

impl Forward for Flatten {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || x.flatten(self.start_dim, self.end_dim))
    }
}

/// Makes one dimension several.
#[derive(Module, Clone, Debug)]
#[module(extra_repr = Self::arguments)]
pub struct Unflatten {
    #[module(skip)]
    settings: UnflattenBuilder,
}

builder! {
    /// The arguments of [`Unflatten`]: the dimension, and the sizes that it is divided into, one of which may be -1: what is left.
    UnflattenBuilder for Unflatten(dim: isize, unflattened_size(impl IntoSizes; into_sizes): Sizes) {}
}

impl UnflattenBuilder {
    /// The module.
    ///
    /// # Errors
    /// If there are no sizes.
    pub fn build(self) -> Result<Unflatten> {
        if self.unflattened_size.is_empty() {
            return Err(Error::value("Unflatten", "wants at least one size"));
        }
        Ok(Unflatten { settings: self })
    }
}

impl Unflatten {
    fn arguments(&self) -> String {
        format!("dim={}, unflattened_size={:?}", self.settings.dim, self.settings.unflattened_size.as_slice())
    }
}

impl Forward for Unflatten {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || {
            let UnflattenBuilder { dim, unflattened_size } = &self.settings;
            let n = x.size(*dim)?;
            let at = if *dim < 0 { x.dim().wrapping_add_signed(*dim) } else { *dim as usize };
            let open = unflattened_size.iter().filter(|&&s| s == -1).count();
            let known = unflattened_size.iter().filter(|&&s| s != -1).try_fold(1isize, |product, &s| product.checked_mul(s));
            let known = known.filter(|&k| k >= 0 && open <= 1).unwrap_or(-1);
            let rest = if open == 1 && known > 0 { n as isize / known } else { 1 };
            if known < 0 || known.checked_mul(rest) != Some(n as isize) {
                return Err(Error::shape("Unflatten", format!("sizes {unflattened_size:?} do not multiply to {n} in {:?}", x.shape())));
            }
            let mut shape: Vec<isize> = x.shape().iter().map(|&s| s as isize).collect();
            shape.splice(at..=at, unflattened_size.iter().map(|&s| if s == -1 { rest } else { s }));
            x.reshape(shape)
        })
    }
}
