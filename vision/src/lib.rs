//! Vision datasets and transforms.
