//! Datasets, samplers and loaders with PyTorch's order.
