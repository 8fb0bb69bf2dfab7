//! Changes of shape.

use rushlight_tensor::{Result, Tensor};

use crate::Forward;
use crate::builder::options;

options! {
    /// Makes the dimensions from `start_dim` to `end_dim` one.
    Flatten, FlattenBuilder {
        /// The first dimension. Default: 1.
        start_dim: isize = 1;
        /// The last dimension. Default: -1.
        end_dim: isize = -1;
    }
}

impl FlattenBuilder {
    /// The module.
    ///
    /// # Errors
    /// None for this module; all builders return results.
    pub fn build(self) -> Result<Flatten> {
        Ok(self.0)
    }
}

impl Forward for Flatten {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.flatten(self.start_dim, self.end_dim)
    }
}
