//! How near two tensors are.

use rushlight_tensor::{Result, Tensor};

use crate::builder::options;

options! {
    /// The cosine of the angle between vectors along a dimension.
    CosineSimilarity, CosineSimilarityBuilder {
        /// The dimension. Default: 1.
        dim: isize = 1;
        /// The least norm that is divided by. Default: 1e-8.
        eps: f64 = 1e-8;
    }
}

options! {
    /// The p-norm of the differences of vectors along the last dimension.
    PairwiseDistance, PairwiseDistanceBuilder {
        /// Of which norm it is. Default: 2.
        p: f64 = 2.0;
        /// Added to the differences. Default: 1e-6.
        eps: f64 = 1e-6;
        /// Whether the dimension stays, with size 1. Default: false.
        keepdim: bool = false;
    }
}

impl CosineSimilarity {
    /// The similarities.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together.
    pub fn forward(&self, x1: &Tensor, x2: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || x1.cosine_similarity(x2, self.dim, self.eps))
    }
}

impl PairwiseDistance {
    /// The distances.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast together.
    pub fn forward(&self, x1: &Tensor, x2: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || x1.pairwise_distance(x2, self.p, self.eps, self.keepdim))
    }
}
