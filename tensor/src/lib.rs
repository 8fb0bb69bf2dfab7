//! Tensors with PyTorch's semantics: one type, value semantics, views, a door for every operation.
